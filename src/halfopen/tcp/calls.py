"""User calls (RFC 9293 3.10.1 to 3.10.6); OPEN is `handshake.start_active` and the listener."""

from dataclasses import replace
from typing import Final

from halfopen.base.clock import NEVER, Instant
from halfopen.base.errors import ConnectionAborted, NotConnected
from halfopen.base.octets import Buffer, Buffers
from halfopen.tcp import linux_receiver
from halfopen.tcp.closing import limit_fin_wait_2
from halfopen.tcp.config import BufferConfig, TcpConfig
from halfopen.tcp.congestion.algorithms import make_congestion_control
from halfopen.tcp.early import begin_without_text
from halfopen.tcp.hasty_fin import is_hasty
from halfopen.tcp.negotiation import MINIMUM_MSS
from halfopen.tcp.retransmission import give_up_at
from halfopen.tcp.send_queue import URGENT
from halfopen.tcp.state import CAN_RECEIVE, SYNCHRONIZED, Event, State, move
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.windows import first_window, largest_window

_BEFORE_FIN: Final = frozenset({State.SYN_SENT, State.SYN_RECEIVED, State.ESTABLISHED, State.CLOSE_WAIT})
_ABORT_RESETS: Final = frozenset(
    {State.SYN_RECEIVED, State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSE_WAIT}
)
"""ABORT tells the peer (RFC 9293 3.10.5). In CLOSING and LAST-ACK it has sent all and got all: only if text is left."""
_OVER: Final = frozenset({State.TIME_WAIT, State.CLOSED})


def send(tcb: Tcb, buffer: Buffer, how: int, now: Instant) -> None:
    """SEND (RFC 9293 3.10.2): queues text; before ESTABLISHED it waits there. ``how``: see `halfopen.tcp.sending`.

    The buffer is kept, not copied: it must not change until it is acknowledged.
    """
    if tcb.state not in _BEFORE_FIN or tcb.snd.fin:
        raise NotConnected(f"connection closing: SEND in {tcb.state.value} is not possible")
    tcb.snd.append(buffer, how)
    if begin_without_text(tcb):
        tcb.timers.patience = NEVER
    if how & URGENT:
        tcb.snd.mark_urgent()


def receive(tcb: Tcb, limit: int, now: Instant) -> Buffers:
    """RECEIVE (RFC 9293 3.10.3): up to ``limit`` octets that came in order, also after the connection is gone."""
    rcv = tcb.rcv
    queue = rcv.queue
    taken = queue.take(limit)
    tcb.user.reading = queue.stop > queue.start
    if taken and rcv.memory is not None:
        linux_receiver.on_read(tcb, rcv.memory, now)
    elif taken and tcb.state in CAN_RECEIVE and rcv.can_open(tcb.full_size):
        tcb.owed.acks.at_once()
    return taken


def accept(tcb: Tcb) -> None:
    """The user has a connection that a passive OPEN has made; perhaps before its handshake is complete (RFC 7413)."""
    if tcb.user.early is not None:
        tcb.user.early.is_accepted = True


def shutdown(tcb: Tcb, now: Instant) -> None:
    """CLOSE (RFC 9293 3.10.4): the FIN follows what is queued; reading goes on. A second call changes nothing."""
    if tcb.state is State.SYN_SENT and not _waits_for_syn_ack(tcb):
        tcb.delete(None)
    elif tcb.state in _BEFORE_FIN and not tcb.snd.fin:
        tcb.snd.fin = True
        begin_without_text(tcb)
        if tcb.state in SYNCHRONIZED:
            move(tcb, Event.CLOSE)
        elif tcb.state is State.SYN_RECEIVED and is_hasty(tcb):
            tcb.owed.syn = True
    else:
        limit_fin_wait_2(tcb, now)


def _waits_for_syn_ack(tcb: Tcb) -> bool:
    """The FIN of a BSD's user follows when the connection stands; RFC 9293 3.10.4 lets go of it in SYN-SENT.

    With Fast Open text that has been sent is not taken back, nor what is to follow it. But Linux does.
    """
    order, early = tcb.user.config.arrivals.order, tcb.user.early
    if early is not None and order == "rfc9293":
        return len(tcb.snd.queue) > 0 or (early.is_deferred and not tcb.user.is_gone)
    return order == "bsd" and not tcb.user.is_gone


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
    if tcb.state not in SYNCHRONIZED and tcb.user.config.arrivals.order == "bsd":
        tcb.delete(ConnectionAborted("closed by its user before it was established"))
        return
    linger = tcb.user.config.closing.linger
    minds_early = tcb.user.config.arrivals.order != "linux"
    if not tcb.user.config.closing.resets_unread:
        tcb.rcv.queue.clear()
        tcb.rcv.early.forget()
    if len(tcb.rcv.queue) or (tcb.rcv.early.blocks and minds_early):
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
    tells_all = tcb.user.config.arrivals.order == "bsd" and tcb.state in SYNCHRONIZED - _OVER
    if tcb.state in _ABORT_RESETS or tells_all or len(tcb.snd.queue):
        _reset(tcb)
    else:
        tcb.delete(ConnectionAborted("aborted by its user"))


def _reset(tcb: Tcb) -> None:
    """<SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK>."""
    tcb.owed.reset = (tcb.snd.nxt, tcb.rcv.nxt)
    tcb.delete(ConnectionAborted("aborted by its user"))


def configure(tcb: Tcb, config: TcpConfig) -> None:
    """Other choices from now on; what the SYNs have agreed on stays. Choices that have not changed do nothing."""
    was, tcb.user.config = tcb.user.config, config
    if config is was or tcb.state in _OVER:
        return
    tcb.user.take(config)
    if config.closing.is_deaf and config.closing.discards_unwanted:
        tcb.rcv.queue.clear()
    if config.buffers != was.buffers:
        _take_buffers(tcb, config.buffers, was.buffers)
    if config.options.mss is not None and config.options.mss < tcb.agreed.mss:
        _lower_mss(tcb, config.options.mss)
    if config.congestion.algorithm != was.congestion.algorithm:
        congestion = make_congestion_control(config.congestion, tcb.snd.mss)
        congestion.take_over(tcb.congestion)
        tcb.congestion = congestion
    if config.acks.switched != was.acks.switched:
        memory = tcb.rcv.memory
        tcb.owed.acks.switch(config.acks.quick, is_read=memory is None or not memory.used)
    if tcb.state in SYNCHRONIZED:
        _rearm(tcb, was)


def _take_buffers(tcb: Tcb, buffers: BufferConfig, was: BufferConfig) -> None:
    """A window that opens by this is told at once, if it is worth an ACK; one that closes does so as text comes."""
    tcb.bound(buffers.send)
    if tcb.rcv.memory is not None:
        tcb.rcv.memory.resize(buffers, was)
        return
    first = first_window(buffers, tcb.opening.mss)
    limit = tcb.rcv.limit if buffers.first_window == was.first_window else first
    tcb.rcv.limit = min(limit, max(first, largest_window(buffers)), tcb.rcv.widest)
    if tcb.state in CAN_RECEIVE and tcb.rcv.can_open(tcb.full_size):
        tcb.owed.acks.at_once()


def _lower_mss(tcb: Tcb, mss: int) -> None:
    """Smaller segments. # Unlike Linux, where ``TCP_MAXSEG`` means nothing any more once the SYN has been sent."""
    tcb.agreed = replace(tcb.agreed, mss=max(MINIMUM_MSS, mss))
    size = tcb.agreed.mss - tcb.agreed.option_octets
    if size < tcb.snd.mss:
        tcb.resize(size)


def _rearm(tcb: Tcb, was: TcpConfig) -> None:
    """Timers that run, by the times that hold now: keep-alive since the peer's last sign of life, and R2.

    Of the interval and number of probes the timer finds out when it expires.
    """
    timers, keep_alive = tcb.timers, tcb.user.config.keep_alive
    if (keep_alive.enabled, keep_alive.idle) != (was.keep_alive.enabled, was.keep_alive.idle):
        timers.keep_alive = tcb.user.received_at + keep_alive.idle if keep_alive.enabled else NEVER
    if timers.retransmit != NEVER:
        timers.retransmit = min(timers.retransmit, give_up_at(tcb))


def urgent_octets(tcb: Tcb) -> int:
    """How much urgent data the user has yet to read (MUST-33)."""
    return max(0, tcb.rcv.up - tcb.rcv.queue.start)
