"""Congestion control as FreeBSD's ``cc_newreno.c`` and ``cc_cubic.c`` have it (RFC 5681, RFC 3465, RFC 6582).

The window is cut by itself, not by FlightSize; one ACK opens it by a few segments at most; and it grows whether or not
it was the limit.
"""

from halfopen.base.clock import Instant
from halfopen.tcp.congestion.base import INFINITE, AckSample, CongestionControl
from halfopen.tcp.congestion.cubic import Cubic
from halfopen.tcp.congestion.prr import Prr

LOSS_WINDOW_LIMIT = 1
"""Segments per ACK while what a timeout has called lost is sent again (RFC 3465 2.3)."""


class BsdPrr(Prr):
    """Proportional rate reduction as in ``tcp_do_prr_ack()``: from all that is outstanding, in whole segments."""

    __slots__ = ("has_begun",)

    def __init__(self, mss: int) -> None:
        super().__init__(mss)
        self.has_begun = False

    def on_ack(self, delivered: int, flight: int, safe_ack: bool) -> int:
        """One segment for the ACK that begins it; then what is due, rounded to segments."""
        if not self.has_begun:
            self.has_begun = True
            return self.mss
        if delivered <= 0:
            return 0
        self.delivered += delivered
        if flight > self.ssthresh:
            share = -(-self.delivered * self.ssthresh // self.recover_flight)
            allowed = share - self.out + self.mss - 1
        else:
            allowed = min(max(self.delivered - self.out, delivered) + self.mss, self.ssthresh - flight)
        return max(allowed, 0) // self.mss * self.mss


def bsd_prr(control: CongestionControl, outstanding: int) -> Prr:
    """What limited transmit has sent beyond the window counts as delivered already."""
    mss = control.mss
    prr = BsdPrr(mss)
    prr.start(outstanding, control.ssthresh)
    limited = min(max(outstanding - control.cwnd, 0) // mss, 2)
    prr.delivered = (1 + limited) * mss
    return prr


class BsdReno(CongestionControl):
    """NewReno with appropriate byte counting, or without."""

    __slots__ = ("_octets", "limit")

    def __init__(self, mss: int, initial_window: int, limit: int = 2) -> None:
        """``limit``: L, segments; 0 counts ACKs, not octets."""
        super().__init__(mss, initial_window)
        self.limit = limit
        self._octets = 0
        self.is_bsd = True

    def on_ack(self, sample: AckSample) -> None:
        """Slow start up to ssthresh and including it; above it a segment more for every window acknowledged."""
        if self.cwnd <= self.ssthresh:
            self._octets = 0
            growth = slow_start_growth(self, sample.acked, self.limit)
        else:
            self._octets += sample.acked
            growth = self._avoidance_growth()
        if sample.is_cwnd_limited:
            self.cwnd = min(self.cwnd + growth, INFINITE)

    def _avoidance_growth(self) -> int:
        if not self.limit:
            return max(self.mss * self.mss // self.cwnd, 1)
        if self._octets < self.cwnd:
            return 0
        self._octets -= self.cwnd
        return self.mss

    def on_loss(self, flight: int, now: Instant) -> None:
        """Half the window becomes ssthresh."""
        self._remember()
        self.ssthresh = whole_segments(self, self.cwnd // 2)
        self._octets = 0

    def on_timeout(self, flight: int, now: Instant, first: bool) -> None:
        """Half of what is in flight, and slow start from one segment."""
        if first:
            self._remember()
            self.ssthresh = whole_segments(self, flight // 2)
        self._octets = 0
        self.cwnd = self.mss

    def start_prr(self, outstanding: int, recover_flight: int) -> Prr:
        """See `BsdPrr`."""
        return bsd_prr(self, outstanding)

    def on_repaired(self, flight: int) -> None:
        """The end of fast recovery lets no burst out (RFC 6582 3.2 step 3, first choice)."""
        self.cwnd = min(self.cwnd, max(flight, self.mss) + self.mss)


class BsdCubic(Cubic):
    """CUBIC with that slow start, which halves its window the first time."""

    __slots__ = ("_has_lost", "limit")

    def __init__(self, mss: int, initial_window: int, limit: int = 2) -> None:
        super().__init__(mss, initial_window)
        self._hystart = None
        self.limit = limit
        self._has_lost = False
        self.is_bsd = True

    def on_ack(self, sample: AckSample) -> None:
        """As NewReno's slow start; above ssthresh along the curve."""
        if self.cwnd > self.ssthresh:
            super().on_ack(sample)
        elif sample.is_cwnd_limited:
            self.cwnd = min(self.cwnd + slow_start_growth(self, sample.acked, self.limit), INFINITE)

    def on_loss(self, flight: int, now: Instant) -> None:
        """Half of the window, and later on 0.7 of it."""
        super().on_loss(self.cwnd, now)
        if not self._has_lost:
            self._has_lost = True
            self.ssthresh = max(self.cwnd // 2, 2 * self.mss)

    def on_timeout(self, flight: int, now: Instant, first: bool) -> None:
        """Half of what is in flight, and slow start from one segment."""
        super().on_timeout(flight, now, first)
        if first:
            self._has_lost = True
            self.ssthresh = whole_segments(self, flight // 2)

    def start_prr(self, outstanding: int, recover_flight: int) -> Prr:
        """See `BsdPrr`."""
        return bsd_prr(self, outstanding)

    def on_repaired(self, flight: int) -> None:
        """The end of fast recovery lets no burst out (RFC 6582 3.2 step 3, first choice)."""
        self.cwnd = min(self.cwnd, max(flight, self.mss) + self.mss)


def slow_start_growth(control: CongestionControl, acked: int, limit: int) -> int:
    """By how much one ACK opens the window (RFC 3465 2.2; RFC 5681 3.1 if ``limit`` is 0)."""
    if not limit:
        return control.mss
    return min(acked, (LOSS_WINDOW_LIMIT if control.resends else limit) * control.mss)


def whole_segments(control: CongestionControl, octets: int) -> int:
    """Rounded down, two at least."""
    return max(octets // control.mss, 2) * control.mss
