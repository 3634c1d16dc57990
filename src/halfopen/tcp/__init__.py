"""The protocol. Knows ports but no addresses; its table of contents is that of RFC 9293.

| RFC 9293 | module |
|---|---|
| 3.3.1 key variables | `tcb`, `sending` and its `send_queue`, `receiving` |
| 3.3.2 the state diagram | `state` |
| 3.4 sequence numbers, 3.4.1 ISN | `seqnum`, `isn` |
| 3.5 establishing | `handshake`, `listener`, `half_open`, `negotiation` of the options in the SYNs |
| 3.6 closing, 3.6.1 TIME-WAIT | `closing`, `time_wait` |
| 3.7 segmentation | `output` says what goes, `building` and `control_output` how it stands |
| 3.8.1 retransmission | `rtt`, `retransmission` (RTO, tail probe); `sent`, `scoreboard`, `rack`, `recovery`, `undo` |
| 3.8.2 congestion control | `congestion` |
| 3.8.4 keep-alive, 3.8.6.1 zero windows | `probing` |
| 3.8.6.3 delayed ACKs | `ack_policy` |
| 3.9.1 the user's interface | `connection`; `events`, `config` |
| 3.10.1-5 OPEN, SEND, RECEIVE, CLOSE, ABORT; 3.10.6 STATUS | `calls`; `status` |
| 3.10.7 SEGMENT ARRIVES: CLOSED, LISTEN, SYN-SENT | `resets`, `listener`, `handshake` |
| 3.10.7.4 the steps in all other states | `arrivals`, `acceptance`; each says a `verdict` |
| 3.10.8 timeouts | `timeouts`, `timers` |
| RFC 7323 timestamps and PAWS | `timestamps` |
"""
