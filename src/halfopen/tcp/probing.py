"""Asking a silent or full peer: zero window probes, keep-alive, and the sender's patience (RFC 9293 3.8.4, 3.8.6).

# Unlike RFC 9293 3.8.6.1, and like Linux: a window probe has no text; its sequence number SND.UNA-1 is answered by an ACK
# with the window just the same, and nothing has to be remembered about an octet that the peer may or may not take.
"""

from halfopen.base.clock import MILLISECOND, NEVER, Duration, Instant
from halfopen.base.errors import ConnectionTimedOut
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.timers import Retransmit

PATIENCE: Duration = 200 * MILLISECOND
"""How long a small window may hold back data before it is sent all the same; 0.1 to 1 s (RFC 9293 3.8.6.2.1, MUST-38)."""


def wait_for_window(tcb: Tcb, now: Instant) -> None:
    """Data is queued, nothing is in flight and the window takes none of it: probe after an RTO (MUST-36, SHLD-29).

    While the window is small but open, only the patience of silly window avoidance runs.
    """
    timers = tcb.timers
    if tcb.snd.usable > 0:
        if timers.patience == NEVER:
            timers.patience = now + PATIENCE
    elif timers.retransmit == NEVER:
        timers.retransmit = now + tcb.rtt.rto
        timers.retransmit_for = Retransmit.PERSIST


def window_is_open(tcb: Tcb) -> None:
    """Text has left: there is nothing to wait for."""
    timers = tcb.timers
    timers.patience = NEVER
    if timers.retransmit_for is Retransmit.PERSIST:
        timers.retransmit = NEVER
        timers.retransmit_for = Retransmit.RTO


def on_persist_deadline(tcb: Tcb, now: Instant) -> None:
    """Sends a probe, at intervals that double (SHLD-30), as long as the peer answers any of them (MUST-37)."""
    recovery = tcb.recovery
    if tcb.user.received_at > recovery.sent_at:
        recovery.retries = 0
    recovery.retries += 1
    recovery.sent_at = now
    tcb.rtt.backoff()
    tcb.owed.probe = True
    tcb.count("TCPWinProbe")
    tcb.timers.retransmit = now + tcb.rtt.rto


def on_keep_alive_deadline(tcb: Tcb, now: Instant) -> None:
    """Probes a peer that has been silent for the whole interval, if nothing is in flight (MUST-26); one that misses all
    probes is gone (MUST-29)."""
    config = tcb.user.config.keep_alive
    if not config.enabled or tcb.state in (State.SYN_SENT, State.SYN_RECEIVED):
        tcb.timers.keep_alive = NEVER
        return
    recovery = tcb.recovery
    due = tcb.user.received_at + config.idle
    if now < due or tcb.snd.outstanding:
        tcb.timers.keep_alive = max(due, now + config.interval) if now >= due else due
        return
    if tcb.owed.keep_alives >= config.count and not recovery.retries:
        tcb.count("TCPKeepAliveTimeout")
        tcb.delete(ConnectionTimedOut(f"{config.count} keep-alive probes went unanswered"))
        return
    tcb.owed.keep_alives += 1
    tcb.owed.probe = True
    tcb.count("TCPKeepAlive")
    tcb.timers.keep_alive = now + config.interval
