"""Bursts that are worth sending: where Linux waits for another ACK rather than send a single segment."""

from typing import Final

from halfopen.base.clock import MICROSECOND, MILLISECOND, SECOND, Instant
from halfopen.tcp.tcb import Phase, Tcb

LARGEST: Final = 65536
"""Octets of a burst."""
SLOW_START_PERCENT: Final = 200
"""Of cwnd a round trip: the pace in slow start (``tcp_pacing_ss_ratio``) ..."""
PERCENT: Final = 120
"""... and later (``tcp_pacing_ca_ratio``)."""
RATE_SHIFT: Final = 10
"""A burst is what goes out in about a millisecond."""
NEAR_SHIFT: Final = 9
"""To near peers bursts are larger, half as much for every 2^9 microseconds of distance (``tcp_tso_rtt_log``)."""
WINDOW_DIVISOR: Final = 3
"""So large a part of the window is worth sending in any case (``tcp_tso_win_divisor``)."""

_RECOVERY: Final = Phase.RECOVERY
_LOSS: Final = Phase.LOSS


def worthwhile(tcb: Tcb) -> int:
    """Octets that make a burst of full size at the present pace."""
    congestion, rtt, mss = tcb.congestion, tcb.rtt, tcb.snd.mss
    window = congestion.cwnd
    octets = LARGEST
    if rtt.srtt:
        percent = SLOW_START_PERCENT if window < congestion.ssthresh // 2 else PERCENT
        octets = (window * percent * SECOND // (100 * rtt.srtt)) >> RATE_SHIFT
        octets += LARGEST >> (rtt.min_rtt // MICROSECOND >> NEAR_SHIFT)
    return max(min(octets, LARGEST) // mss, tcb.user.config.congestion.least_burst) * mss


def is_deferred(tcb: Tcb, unsent: int, allowed: int, now: Instant) -> bool:
    """Whether ``unsent`` octets, of which ``allowed`` could go, wait for the next ACK, for then more of them can.

    Only just behind other text, and while the ACK is due before half a round trip has passed.
    """
    snd = tcb.snd
    if unsent <= snd.mss or allowed <= 0 or snd.nxt == snd.una or now - tcb.recovery.sent_at > MILLISECOND:
        return False
    if tcb.recovery.phase is _RECOVERY or tcb.recovery.phase is _LOSS:
        return False
    if allowed >= worthwhile(tcb) or allowed >= min(snd.wnd, tcb.congestion.cwnd) // WINDOW_DIVISOR:
        return False
    if now - snd.flight.records[0].sent_at < tcb.rtt.srtt // 2:
        return False
    return allowed <= unsent or not snd.fin
