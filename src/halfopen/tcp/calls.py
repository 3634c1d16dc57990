"""User calls (RFC 9293 3.10.1 to 3.10.6); OPEN is `handshake.start_active` and the listener."""

from halfopen.base.clock import Instant
from halfopen.base.errors import ConnectionAborted, NotConnected
from halfopen.base.octets import Buffer, Buffers
from halfopen.tcp.closing import limit_fin_wait_2
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.state import SYNCHRONIZED, Event, State, move
from halfopen.tcp.tcb import Tcb

_BEFORE_FIN = frozenset({State.SYN_SENT, State.SYN_RECEIVED, State.ESTABLISHED, State.CLOSE_WAIT})


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
    """RECEIVE (RFC 9293 3.10.3): up to ``limit`` octets, also after the connection is gone if they came in good order."""
    taken = tcb.rcv.queue.take(limit)
    tcb.user.reading = len(tcb.rcv.queue) > 0
    if taken and tcb.state in SYNCHRONIZED and tcb.rcv.can_open(tcb.opening.mss):
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
    linger = tcb.user.config.closing.linger
    if len(tcb.rcv.queue) or tcb.rcv.ahead or linger == 0:
        tcb.count("TCPAbortOnData" if linger is None else "TCPAbortOnLinger")
        abort(tcb, now)
        return
    tcb.user.is_gone = True
    shutdown(tcb, now)
    limit_fin_wait_2(tcb, now)
    if linger is not None and tcb.state is not State.CLOSED:
        tcb.timers.linger = now + linger


def abort(tcb: Tcb, now: Instant) -> None:
    """ABORT (RFC 9293 3.10.5): <SEQ=SND.NXT><CTL=RST>, and nothing is left."""
    tcb.user.is_gone = True
    if (tcb.state in SYNCHRONIZED and tcb.state is not State.TIME_WAIT) or tcb.state is State.SYN_RECEIVED:
        tcb.owed.reset = (tcb.snd.nxt, tcb.rcv.nxt)
    tcb.delete(ConnectionAborted("aborted by its user"))


def configure(tcb: Tcb, config: TcpConfig) -> None:
    """Other choices from now on: Nagle, keep-alive, user timeout, linger, buffers."""
    was = tcb.user.config
    tcb.user.config = config
    if config.keep_alive != was.keep_alive and tcb.state in SYNCHRONIZED:
        tcb.owed.keep_alives = 0
        tcb.timers.keep_alive = tcb.user.received_at + config.keep_alive.idle
    if config.buffers.receive_initial != was.buffers.receive_initial:
        tcb.rcv.limit = max(tcb.rcv.wnd, min(config.buffers.receive_initial, tcb.rcv.widest))


def urgent_octets(tcb: Tcb) -> int:
    """How much urgent data the user has yet to read (MUST-33)."""
    return max(0, tcb.rcv.up - tcb.rcv.queue.start)
