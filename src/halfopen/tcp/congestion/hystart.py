"""HyStart++: leaves slow start when the round-trip time rises, before the queue overflows (RFC 9406)."""

from typing import Final

from halfopen.base.clock import MILLISECOND, NEVER, Duration

MIN_RTT_THRESH: Final[Duration] = 4 * MILLISECOND
MAX_RTT_THRESH: Final[Duration] = 16 * MILLISECOND
MIN_RTT_DIVISOR: Final = 8
N_RTT_SAMPLE: Final = 8
CSS_GROWTH_DIVISOR: Final = 4
CSS_ROUNDS: Final = 5
"""All six as in RFC 9406 4.3."""


class HyStart:
    """Rounds of slow start, each with its smallest RTT, and conservative slow start (CSS) in doubt.

    A round lasts until what was in flight at its start has been acknowledged: ``windowEnd = SND.NXT`` of RFC 9406 4.2,
    counted in octets. For the first slow start of a connection only; whoever owns it drops it at the first loss.
    """

    __slots__ = ("_baseline", "_css_rounds", "_current_min", "_last_min", "_left", "_samples", "is_done")

    def __init__(self) -> None:
        self.is_done = False
        """CSS lasted for all of its rounds: the caller sets ssthresh to cwnd."""
        self._last_min: Duration = NEVER
        self._current_min: Duration = NEVER
        self._samples = 0
        self._baseline: Duration = 0
        self._css_rounds = 0
        self._left = 0

    @property
    def in_css(self) -> bool:
        """Whether growth is conservative at the moment."""
        return self._baseline > 0

    def growth(self, acked: int, flight: int, rtt: Duration) -> int:
        """By how many octets to grow for ``acked``, with ``flight`` still outstanding; ``rtt`` 0 is no sample."""
        if rtt > 0:
            self._samples += 1
            if rtt < self._current_min:
                self._current_min = rtt
        if self._samples >= N_RTT_SAMPLE:
            self._judge()
        growth = acked // CSS_GROWTH_DIVISOR if self._baseline else acked
        self._left -= acked
        if self._left <= 0:
            self._end_round(flight)
        return growth

    def _judge(self) -> None:
        if self._baseline:
            if self._current_min < self._baseline:
                self._baseline = 0  # the rise was jitter: back to slow start
        elif self._last_min < NEVER:
            threshold = max(MIN_RTT_THRESH, min(self._last_min // MIN_RTT_DIVISOR, MAX_RTT_THRESH))
            if self._current_min >= self._last_min + threshold:
                self._baseline = self._current_min
                self._css_rounds = 0

    def _end_round(self, flight: int) -> None:
        if self._baseline:
            self._css_rounds += 1
            self.is_done = self._css_rounds >= CSS_ROUNDS
        self._last_min = self._current_min
        self._current_min = NEVER
        self._samples = 0
        self._left = flight
