"""The protocol. Knows ports but no addresses; its table of contents is that of RFC 9293.

| RFC 9293 | module |
|---|---|
| 3.3.1 key variables | `tcb`, `sending`, `receiving` |
| 3.3.2 the state diagram | `state` |
| 3.4 sequence numbers, 3.4.1 ISN | `seqnum`, `isn` |
| 3.5 establishing, 3.6 closing | `handshake`, `listener`, `half_open`; `closing`, `time_wait` |
| 3.7 segmentation, 3.8 data | `output`, `rtt`, `scoreboard`, `recovery`, `congestion`, `probing`, `ack_policy` |
| 3.10.1-6 user calls | `calls` |
| 3.10.7 SEGMENT ARRIVES | `resets`, `listener`, `handshake`, `arrivals`, `acceptance` |
| 3.10.8 timeouts | `timeouts` |
"""
