"""Bursts are spread over the round trip, so that no queue on the way has to take a window at once (Linux internal
pacing, ``tcp_update_skb_after_send``)."""

from typing import Final

from halfopen.base.clock import SECOND, Instant
from halfopen.tcp.bursts import rate
from halfopen.tcp.tcb import Tcb

FREE: Final = 10
"""The first segments of a connection are not spread: an initial window (RFC 6928)."""


def is_held(tcb: Tcb, now: Instant) -> bool:
    """The burst before has not had its time yet; the timer runs until it has."""
    clear_at = tcb.recovery.clear_at
    if now >= clear_at or not tcb.user.config.congestion.pace.enabled or tcb.owed.tail_probe:
        return False
    tcb.timers.pace = clear_at
    return True


def note_burst(tcb: Tcb, octets: int, now: Instant) -> None:
    """``octets`` leave: the next burst waits for as long as they take at the present rate.

    Time that has passed unused makes up for at most half of it.
    """
    recovery, snd = tcb.recovery, tcb.snd
    if not tcb.user.config.congestion.pace.enabled or snd.nxt - snd.iss - 1 < FREE * snd.mss:
        return
    length = octets * SECOND // max(rate(tcb), 1)
    begun = max(recovery.clear_at, now)
    recovery.clear_at = begun + length - min(length // 2, begun - recovery.clear_at)
