"""Closing a connection (RFC 9293 3.6)."""

from halfopen.base.clock import NEVER, Instant
from halfopen.tcp import linux_receiver
from halfopen.tcp.events import END_OF_STREAM, Closed
from halfopen.tcp.state import Event, State, move
from halfopen.tcp.tcb import Tcb


def on_fin(tcb: Tcb, now: Instant) -> None:
    """RCV.NXT has stepped over the peer's FIN (RFC 9293 3.10.7.4, eighth step)."""
    memory = tcb.rcv.memory
    if memory is not None and tcb.state is State.ESTABLISHED:
        linux_receiver.on_fin(tcb, memory, now)
    else:
        tcb.owed.acks.at_once()
    tcb.tell(END_OF_STREAM)
    if move(tcb, Event.RCV_FIN) is State.TIME_WAIT:
        enter_time_wait(tcb, now)


def on_fin_acknowledged(tcb: Tcb, now: Instant) -> None:
    """SND.UNA has stepped over our FIN (RFC 9293 3.10.7.4, fifth step)."""
    state = tcb.state
    if state is State.FIN_WAIT_1:
        move(tcb, Event.RCV_ACK_OF_FIN)
        tcb.timers.linger = NEVER
        limit_fin_wait_2(tcb, now)
    elif state is State.CLOSING:
        move(tcb, Event.RCV_ACK_OF_FIN)
        enter_time_wait(tcb, now)
    elif state is State.LAST_ACK:
        tcb.delete(None, Event.RCV_ACK_OF_FIN)


def limit_fin_wait_2(tcb: Tcb, now: Instant) -> None:
    """A peer that never closes cannot keep a connection whose user is gone (Linux ``tcp_fin_timeout``).

    With no time at all it is reset (``TCP_LINGER2`` below 0).
    """
    closing, keep_alive = tcb.user.config.closing, tcb.user.config.keep_alive
    reads_no_more = tcb.user.is_gone or (closing.is_deaf and closing.discards_unwanted)
    if not reads_no_more or tcb.state is not State.FIN_WAIT_2:
        return
    if closing.fin_wait_2_by_keep_alive:
        tcb.timers.wait = now + keep_alive.count * keep_alive.interval
        return
    tcb.timers.wait = now + closing.fin_wait_2
    if tcb.timers.wait == now:
        tcb.owed.reset = (tcb.snd.nxt, None)
        tcb.count("TCPAbortOnLinger")
        tcb.delete(None)


def waits_on(tcb: Tcb, now: Instant) -> bool:
    """Whether a peer in FIN-WAIT-2 gets more time, because it has been heard of lately (FreeBSD)."""
    config = tcb.user.config
    if tcb.state is not State.FIN_WAIT_2 or not config.closing.fin_wait_2_by_keep_alive:
        return False
    is_idle = now - tcb.user.received_at > config.keep_alive.count * config.keep_alive.interval
    if not is_idle:
        tcb.timers.wait = now + config.keep_alive.interval
    return not is_idle


def enter_time_wait(tcb: Tcb, now: Instant) -> None:
    """TIME-WAIT for 2 MSL (MUST-13); the user hears that all is done, and no other timer runs."""
    tcb.timers.stop()
    tcb.timers.wait = now + 2 * tcb.user.config.closing.msl
    tcb.tell(Closed(None))
