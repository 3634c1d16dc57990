"""An exchange in each of the states of RFC 9293 3.3.2, with nothing left to expect and all events heard.

Sequence numbers, relative to the initial ones, are always the same: the peer's next is 1, or 2 behind its FIN; ours is
1, or 2 behind our FIN.
"""

from halfopen.base.clock import NEVER
from halfopen.tcp.state import State
from halfopen.testing.exchange import Exchange, Setting

S = State
SYNCHRONIZED = (
    S.ESTABLISHED,
    S.FIN_WAIT_1,
    S.FIN_WAIT_2,
    S.CLOSE_WAIT,
    S.CLOSING,
    S.LAST_ACK,
)
"""Without TIME-WAIT, which has a test file of its own."""
CAN_RECEIVE = (S.ESTABLISHED, S.FIN_WAIT_1, S.FIN_WAIT_2)
WRAPS = (0, 0xFFFFFFFF, 0xFFFFFFFD, 0x7FFFFFFF)
"""Initial sequence numbers near every border."""


def reach(state: State, setting: Setting | None = None, options: str = "mss 1460") -> Exchange:
    """The exchange, in ``state``."""
    if state in (S.SYN_SENT, S.SYN_RECEIVED):
        exchange = Exchange.active(setting)
        if state is S.SYN_RECEIVED:
            exchange.peer.sends(f"S 0:0(0) win 65535 <{options}>")
    else:
        exchange = Exchange.established(setting, options=options)
        _close(exchange, state)
    exchange.peer.ignores()
    exchange.user.hears(*HEARD[state])
    assert exchange.state is state
    return exchange


HEARD: dict[State, tuple[str, ...]] = {
    S.SYN_SENT: (),
    S.SYN_RECEIVED: (),
    S.ESTABLISHED: (),
    S.FIN_WAIT_1: (),
    S.FIN_WAIT_2: ("Writable",),
    S.CLOSE_WAIT: ("EndOfStream",),
    S.CLOSING: ("EndOfStream",),
    S.LAST_ACK: ("EndOfStream",),
    S.TIME_WAIT: ("Writable", "EndOfStream", "Closed"),
    S.CLOSED: ("EndOfStream", "Writable", "Closed"),
}


def _close(exchange: Exchange, state: State) -> None:
    if state in (S.CLOSE_WAIT, S.LAST_ACK, S.CLOSED):
        exchange.peer.sends("F. 1:1(0) ack 1")
    if state not in (S.ESTABLISHED, S.CLOSE_WAIT):
        exchange.user.shuts_down()
    if state is S.CLOSING:
        exchange.peer.sends("F. 1:1(0) ack 1")
    if state in (S.FIN_WAIT_2, S.TIME_WAIT):
        exchange.peer.sends(". 1:1(0) ack 2")
    if state is S.TIME_WAIT:
        exchange.peer.sends("F. 1:1(0) ack 2")
    if state is S.CLOSED:
        exchange.peer.sends(". 2:2(0) ack 2")


def edges(exchange: Exchange) -> tuple[int, int]:
    """RCV.NXT and RCV.NXT+RCV.WND, relative to the peer's initial sequence number."""
    rcv = exchange.connection.tcb.rcv
    return rcv.nxt - rcv.irs, rcv.edge - rcv.irs


def numbers(exchange: Exchange) -> tuple[int, int]:
    """SND.UNA and SND.NXT, relative to our initial sequence number."""
    snd = exchange.connection.tcb.snd
    return snd.una - snd.iss, snd.nxt - snd.iss


def is_silent_for_ever(exchange: Exchange) -> bool:
    """No timer runs."""
    return exchange.next_deadline() == NEVER
