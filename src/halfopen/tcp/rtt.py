"""Round-trip time and retransmission timeout (RFC 6298). Nothing else writes SRTT or RTO."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from halfopen.base.clock import MILLISECOND, MINUTE, SECOND, Duration, Instant
from halfopen.base.native import mypyc_attr

FALLBACK: Final[Duration] = 3 * SECOND
"""The RTO for data after a SYN was lost (RFC 6298 5.7)."""
MIN_RTT_WINDOW: Final[Duration] = 5 * MINUTE
"""A minimum older than this is forgotten: the path may be another (Linux ``tcp_min_rtt_wlen``)."""


@dataclass(slots=True, frozen=True)
class Bounds:
    """What every RTO keeps to; connections share one."""

    initial: Duration
    largest: Duration
    of_variance: Duration
    """4 * RTTVAR is no less ..."""
    of_whole: Duration
    """... nor SRTT + 4 * RTTVAR less than this."""
    slop: Duration

    def whole(self) -> "Bounds":
        """The minimum bounds all of the RTO (RFC 6298 2.4)."""
        return _bounds(self.initial, self.largest, 0, self.of_variance, self.slop)


@lru_cache(maxsize=64)
def _bounds(initial: Duration, largest: Duration, of_variance: Duration, of_whole: Duration, slop: Duration) -> Bounds:
    return Bounds(initial, largest, of_variance, of_whole, slop)


@mypyc_attr(acyclic=True)
class RttEstimator:
    """SRTT, RTTVAR and RTO of one connection, in nanoseconds.

    0 in ``srtt``, ``min_rtt`` and ``latest_rtt`` is "no sample yet". Karn's algorithm (RFC 6298 3) is the caller's:
    `sample` is told only round trips that are certain, because the segment was sent once or its timestamp was echoed.
    """

    __slots__ = (
        "_bounds",
        "_window_min",
        "_window_start",
        "backoffs",
        "expired",
        "latest_rtt",
        "min_rtt",
        "rto",
        "rttvar",
        "srtt",
    )

    def __init__(
        self,
        rto_initial: Duration = 1 * SECOND,
        rto_min: Duration = 200 * MILLISECOND,
        rto_max: Duration = 120 * SECOND,
        granularity: Duration = 1 * MILLISECOND,
        slop: Duration = 0,
    ) -> None:
        """RFC 6298 2.4 wants an ``rto_min`` of 1 s, Linux has 200 ms; ``rto_max`` is at least 60 s (2.5).

        ``slop`` is added to each RTO but the first; `bound_whole` says what ``rto_min`` bounds.
        """
        self.srtt: Duration = 0
        self.rttvar: Duration = 0
        self.rto: Duration = rto_initial
        self.min_rtt: Duration = 0
        self.latest_rtt: Duration = 0
        self.backoffs = 0
        self.expired: Duration = 0
        """The RTO that has expired last."""
        self._bounds = _bounds(rto_initial, rto_max, max(granularity, rto_min), 0, slop)
        self._window_min: Duration = 0
        self._window_start: Instant = 0

    def bound_whole(self) -> None:
        """The minimum bounds all of the RTO from now on, not 4 * RTTVAR alone (RFC 6298 2.4)."""
        self._bounds = self._bounds.whole()

    def sample(self, rtt: Duration, now: Instant) -> None:
        """A measured round trip: updates RTTVAR, then SRTT, then RTO (RFC 6298 2.2, 2.3), which ends any backoff.

        # Deviation: each ACK of new data gives a sample, and the gains stay 1/4 and 1/8 (RFC 7323 4.2 scales them).
        """
        rtt = max(rtt, 1)
        self.latest_rtt = rtt
        self._update_minimum(rtt, now)
        if self.srtt == 0:
            self.srtt = rtt
            self.rttvar = rtt // 2
        else:
            error = rtt - self.srtt
            self.rttvar += (abs(error) - self.rttvar) // 4
            self.srtt += error // 8
        self.reset_backoff()

    def backoff(self) -> None:
        """The timer expired: "back off the timer", RTO doubles up to the maximum (RFC 6298 5.5)."""
        self.backoffs += 1
        self.expired = self.rto
        bounds = self._bounds
        bare = self.rto - bounds.slop if self.backoffs > 1 or self.srtt else self.rto
        self.rto = min(2 * bare + bounds.slop, bounds.largest)

    def bsd_persist(self) -> Duration:
        """Between probes of a closed window: 4 * SRTT + 8 * RTTVAR, doubled each time (FreeBSD ``tcp_setpersist``)."""
        bounds = self._bounds
        base = 4 * self.srtt + 8 * self.rttvar if self.srtt else 2 * bounds.initial
        return (base << min(self.backoffs, 9)) + bounds.slop

    def reset_backoff(self) -> None:
        """RTO as it follows from the estimate, or the initial one (RFC 6298 2.1, 2.3)."""
        # Unlike RFC 6298 2.4, and like Linux, the minimum stands under 4 * RTTVAR, not under the whole: RTO is always
        # at least rto_min above SRTT, so that a peer that delays its ACK on a long quiet path causes no timeout.
        bounds = self._bounds
        self.backoffs = 0
        if self.srtt:
            bare = max(bounds.of_whole, self.srtt + max(bounds.of_variance, 4 * self.rttvar))
            self.rto = min(bare + bounds.slop, bounds.largest)
        else:
            self.rto = bounds.initial

    def on_established(self, syn_was_lost: bool) -> None:
        """The handshake is over: RTO is 3 s if its SYN was lost and no timestamp gave a sample (RFC 6298 5.7)."""
        if syn_was_lost and self.srtt == 0:
            self.backoffs = 0
            self.rto = max(FALLBACK, self._bounds.initial)

    def _update_minimum(self, rtt: Duration, now: Instant) -> None:
        """The minimum over this half of the window and the one before (RFC 8985 6.2, step 1)."""
        age = now - self._window_start
        if self.min_rtt == 0 or age > MIN_RTT_WINDOW:
            self.min_rtt = self._window_min = rtt
            self._window_start = now
        elif age > MIN_RTT_WINDOW // 2:
            self.min_rtt = min(self._window_min, rtt)
            self._window_min = rtt
            self._window_start = now
        else:
            self._window_min = min(self._window_min, rtt)
            self.min_rtt = min(self.min_rtt, rtt)
