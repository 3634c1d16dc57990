"""Asking a silent or full peer: zero window probes, keep-alive, and the sender's patience (RFC 9293 3.8.4, 3.8.6).

# Unlike RFC 9293 3.8.6.1, and like Linux: a window probe has no text; its sequence number SND.UNA-1 is answered by an
# ACK with the window just the same, and nothing has to be remembered about an octet that the peer may or may not take.
"""

from halfopen.base.clock import NEVER, Instant
from halfopen.base.errors import ConnectionTimedOut
from halfopen.tcp.retransmission import arm_for_window, patience
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.timers import Retransmit


def wait_for_window(tcb: Tcb, now: Instant) -> None:
    """Data is queued, nothing is in flight and the window takes none of it: probe after an RTO (MUST-36, SHLD-29).

    While the window is small but open, only the patience of silly window avoidance runs.
    """
    timers = tcb.timers
    if tcb.snd.usable > 0:
        _stop_probing(tcb)
        if timers.patience == NEVER:
            timers.patience = now + patience(tcb)
    elif timers.retransmit == NEVER:
        tcb.recovery.progress_at = now
        tcb.owed.unanswered = 0
        arm_for_window(tcb, now)


def window_is_open(tcb: Tcb) -> None:
    """Text has left: there is nothing to wait for."""
    tcb.timers.patience = NEVER
    _stop_probing(tcb)


def _stop_probing(tcb: Tcb) -> None:
    """The peer has made room. That it was full for long says nothing about the path: RTO is what it was."""
    timers = tcb.timers
    if timers.retransmit_for is Retransmit.PERSIST:
        timers.retransmit, timers.retransmit_for = NEVER, Retransmit.RTO
        tcb.rtt.reset_backoff()


def on_persist_deadline(tcb: Tcb, now: Instant) -> None:
    """Sends a probe, at intervals that double (SHLD-30), as long as the peer answers any of them (MUST-37)."""
    tcb.owed.unanswered += 1
    tcb.owed.probe = True
    tcb.count("TCPWinProbe")
    tcb.rtt.backoff()
    arm_for_window(tcb, now)


def on_keep_alive_deadline(tcb: Tcb, now: Instant) -> None:
    """Probes a peer that has been silent for the whole interval, if nothing is in flight (MUST-26); one that misses all
    probes is gone (MUST-29)."""
    config = tcb.user.config.keep_alive
    timers = tcb.timers
    due = tcb.user.received_at + config.idle
    if now < due:
        timers.keep_alive = due
    elif timers.retransmit != NEVER:  # Text or window probes are on their way, and have a limit of their own.
        timers.keep_alive = now + config.interval
    elif tcb.state is State.FIN_WAIT_2 and tcb.user.config.arrivals.order == "bsd":
        timers.keep_alive = now + config.idle
    elif _is_gone(tcb, now):
        tcb.count("TCPKeepAliveTimeout")
        tcb.owed.reset = (tcb.snd.nxt, tcb.rcv.nxt)
        tcb.delete(ConnectionTimedOut(f"{tcb.owed.unanswered} keep-alive probes went unanswered"))
    else:
        tcb.owed.unanswered += 1
        tcb.owed.probe = True
        tcb.count("TCPKeepAlive")
        timers.keep_alive = now + config.interval


def _is_gone(tcb: Tcb, now: Instant) -> bool:
    """As many probes as may have gone unanswered; with a user timeout it decides in their place (tcp(7), Linux)."""
    timeout = tcb.user.config.retransmission.user_timeout
    if timeout is None:
        return tcb.owed.unanswered >= tcb.user.config.keep_alive.count
    return tcb.owed.unanswered > 0 and now - tcb.user.received_at >= timeout
