"""Round-trip time and retransmission timeout (RFC 6298). Nothing else writes SRTT or RTO."""

from typing import Final

from halfopen.base.clock import MILLISECOND, MINUTE, SECOND, Duration, Instant

FALLBACK: Final[Duration] = 3 * SECOND
"""The RTO for data after a SYN was lost (RFC 6298 5.7)."""
MIN_RTT_WINDOW: Final[Duration] = 5 * MINUTE
"""A minimum older than this is forgotten: the path may be another (Linux ``tcp_min_rtt_wlen``)."""


class RttEstimator:
    """SRTT, RTTVAR and RTO of one connection, in nanoseconds.

    0 in ``srtt``, ``min_rtt`` and ``latest_rtt`` is "no sample yet". Karn's algorithm (RFC 6298 3) is the caller's:
    `sample` is told only round trips that are certain, because the segment was sent once or its timestamp was echoed.
    """

    __slots__ = (
        "_floor",
        "_floor_of_whole",
        "_rto_initial",
        "_rto_max",
        "_slop",
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
        self._rto_initial = rto_initial
        self._rto_max = rto_max
        self._floor = max(granularity, rto_min)
        self._floor_of_whole: Duration = 0
        self._slop = slop
        self._window_min: Duration = 0
        self._window_start: Instant = 0

    def bound_whole(self) -> None:
        """The minimum bounds all of the RTO from now on, not 4 * RTTVAR alone (RFC 6298 2.4)."""
        self._floor_of_whole, self._floor = self._floor, 0

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
        bare = self.rto - self._slop if self.backoffs > 1 or self.srtt else self.rto
        self.rto = min(2 * bare + self._slop, self._rto_max)

    def reset_backoff(self) -> None:
        """RTO as it follows from the estimate, or the initial one (RFC 6298 2.1, 2.3)."""
        # Unlike RFC 6298 2.4, and like Linux, the minimum stands under 4 * RTTVAR, not under the whole: RTO is always
        # at least rto_min above SRTT, so that a peer that delays its ACK on a long quiet path causes no timeout.
        self.backoffs = 0
        if self.srtt:
            bare = max(self._floor_of_whole, self.srtt + max(self._floor, 4 * self.rttvar))
            self.rto = min(bare + self._slop, self._rto_max)
        else:
            self.rto = self._rto_initial

    def on_established(self, syn_was_lost: bool) -> None:
        """The handshake is over: RTO is 3 s if its SYN was lost and no timestamp gave a sample (RFC 6298 5.7)."""
        if syn_was_lost and self.srtt == 0:
            self.backoffs = 0
            self.rto = max(FALLBACK, self._rto_initial)

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
