"""User calls (RFC 9293 3.10.1 to 3.10.6); OPEN is `handshake.start_active` and the listener."""

from halfopen.base.clock import NEVER, Instant
from halfopen.base.errors import ConnectionAborted, NotConnected
from halfopen.base.octets import Buffer, Buffers
from halfopen.tcp.closing import limit_fin_wait_2
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.state import CAN_RECEIVE, SYNCHRONIZED, Event, State, move
from halfopen.tcp.tcb import Tcb

_BEFORE_FIN = frozenset({State.SYN_SENT, State.SYN_RECEIVED, State.ESTABLISHED, State.CLOSE_WAIT})
_ABORT_RESETS = frozenset({State.SYN_RECEIVED, State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSE_WAIT})
"""ABORT tells the peer (RFC 9293 3.10.5). In CLOSING and LAST-ACK it has sent all and got all: only if text is left."""
_OVER = frozenset({State.TIME_WAIT, State.CLOSED})


def send(tcb: Tcb, buffer: Buffer, urgent: bool, now: Instant) -> None:
    """SEND (RFC 9293 3.10.2): queues text; before ESTABLISHED it waits there.

    The buffer is kept, not copied: it must not change until it is acknowledged.
    """
    if tcb.state not in _BEFORE_FIN or tcb.snd.fin:
        raise NotConnected(f"connection closing: SEND in {tcb.state.value} is not possible")
    tcb.snd.append(buffer)
    if urgent:
        tcb.snd.mark_urgent()


def receive(tcb: Tcb, limit: int, now: Instant) -> Buffers:
    """RECEIVE (RFC 9293 3.10.3): up to ``limit`` octets that came in order, also after the connection is gone."""
    taken = tcb.rcv.queue.take(limit)
    tcb.user.reading = len(tcb.rcv.queue) > 0
    if taken and tcb.state in CAN_RECEIVE and tcb.rcv.can_open(tcb.opening.mss):
        tcb.owed.acks.at_once()
    return taken


def shutdown(tcb: Tcb, now: Instant) -> None:
    """CLOSE (RFC 9293 3.10.4): the FIN follows what is queued; reading goes on. A second call changes nothing."""
    if tcb.state is State.SYN_SENT:
        tcb.delete(None)
    elif tcb.state in _BEFORE_FIN and not tcb.snd.fin:
        tcb.snd.fin = True
        if tcb.state is not State.SYN_RECEIVED:
            move(tcb, Event.CLOSE)


def close(tcb: Tcb, now: Instant) -> None:
    """The user is gone: as `shutdown`, but what the peer still sends is answered by RST (MAY-1, SHLD-3; RFC 2525 2.17).

    So is unread text, and everything with a linger time of zero.
    """
    if tcb.user.is_gone:
        return
    tcb.user.is_gone = True
    if tcb.state in _OVER:
        tcb.rcv.queue.clear()
        return
    linger = tcb.user.config.closing.linger
    if len(tcb.rcv.queue) or tcb.rcv.ahead:
        tcb.count("TCPAbortOnData")
        _reset(tcb)
    elif linger == 0:
        tcb.count("TCPAbortOnLinger")
        abort(tcb, now)
    else:
        shutdown(tcb, now)
        limit_fin_wait_2(tcb, now)
        if linger is not None and tcb.state is not State.CLOSED and not tcb.snd.fin_is_acknowledged:
            tcb.timers.linger = now + linger


def abort(tcb: Tcb, now: Instant) -> None:
    """ABORT (RFC 9293 3.10.5): nothing is left, and the peer gets a RST unless it has nothing to wait for."""
    tcb.user.is_gone = True
    if tcb.state in _ABORT_RESETS or len(tcb.snd.queue):
        _reset(tcb)
    else:
        tcb.delete(ConnectionAborted("aborted by its user"))


def _reset(tcb: Tcb) -> None:
    """<SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK>."""
    tcb.owed.reset = (tcb.snd.nxt, tcb.rcv.nxt)
    tcb.delete(ConnectionAborted("aborted by its user"))


def configure(tcb: Tcb, config: TcpConfig) -> None:
    """Other choices from now on: Nagle, keep-alive, user timeout, linger, buffers."""
    was = tcb.user.config
    tcb.user.config = config
    if config.keep_alive != was.keep_alive and tcb.state in SYNCHRONIZED - _OVER:
        tcb.owed.unanswered = 0
        tcb.timers.keep_alive = tcb.user.received_at + config.keep_alive.idle if config.keep_alive.enabled else NEVER
    if config.buffers.receive_initial != was.buffers.receive_initial:
        tcb.rcv.limit = max(tcb.rcv.wnd, min(config.buffers.receive_initial, tcb.rcv.widest))


def urgent_octets(tcb: Tcb) -> int:
    """How much urgent data the user has yet to read (MUST-33)."""
    return max(0, tcb.rcv.up - tcb.rcv.queue.start)
