"""Bursts that are worth sending: where Linux waits for another ACK rather than send a single segment."""

from typing import Final

from halfopen.base.clock import MICROSECOND, MILLISECOND, SECOND, Instant
from halfopen.tcp.tcb import Phase, Tcb

LARGEST: Final = 65536
"""Octets of a burst."""
RATE_SHIFT: Final = 10
"""A burst is what goes out in about a millisecond."""
WINDOW_DIVISOR: Final = 3
"""So large a part of the window is worth sending in any case (``tcp_tso_win_divisor``)."""

_RECOVERY: Final = Phase.RECOVERY
_LOSS: Final = Phase.LOSS


def worthwhile(tcb: Tcb) -> int:
    """Octets that make a burst of full size at the present pace."""
    rtt, mss = tcb.rtt, tcb.snd.mss
    config = tcb.user.config.congestion
    octets = LARGEST
    if rtt.srtt:
        octets = rate(tcb) >> RATE_SHIFT
        if config.pace.near_shift:
            octets += LARGEST >> (rtt.min_rtt // MICROSECOND >> config.pace.near_shift)
    return max(min(octets, LARGEST) // mss, config.least_burst) * mss


def rate(tcb: Tcb) -> int:
    """Octets a second at which a share of cwnd leaves in every round trip (``tcp_update_pacing_rate``)."""
    congestion, pace = tcb.congestion, tcb.user.config.congestion.pace
    window = congestion.cwnd
    percent = pace.start_percent if window < congestion.ssthresh // 2 else pace.percent
    octets = max(window, tcb.snd.outstanding) * percent * SECOND // (100 * max(tcb.rtt.srtt, 1))
    return octets if pace.largest_rate is None else min(octets, pace.largest_rate)


def is_deferred(tcb: Tcb, in_record: int, allowed: int, now: Instant) -> bool:
    """Whether text waits for the next ACK: ``in_record`` octets, all up to the next end of a record, of which
    ``allowed`` could go, for then more of them can.

    Only just behind other text, and while the ACK is due before half a round trip has passed.
    """
    snd = tcb.snd
    if in_record <= snd.mss or allowed <= 0 or snd.nxt == snd.una or now - tcb.recovery.sent_at > MILLISECOND:
        return False
    if tcb.recovery.phase is _RECOVERY or tcb.recovery.phase is _LOSS:
        return False
    if allowed >= worthwhile(tcb) or allowed >= min(snd.wnd, tcb.congestion.cwnd) // WINDOW_DIVISOR:
        return False
    if now - snd.flight.records[0].sent_at < tcb.rtt.srtt // 2:
        return False
    is_last = snd.nxt + in_record == snd.queue.stop
    return allowed < in_record or (is_last and not snd.fin)
