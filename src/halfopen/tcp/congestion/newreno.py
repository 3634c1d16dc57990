"""NewReno's window: additive increase, multiplicative decrease (RFC 5681 3.1; RFC 6582 decides when)."""

from halfopen.base.clock import Instant
from halfopen.tcp.congestion.base import INFINITE, AckSample, CongestionControl
from halfopen.tcp.congestion.hystart import HyStart


class NewReno(CongestionControl):
    """One segment more per round trip, half the flight at a loss."""

    __slots__ = ("_bytes_acked",)

    def __init__(self, mss: int, initial_window: int, hystart: HyStart | None = None) -> None:
        super().__init__(mss, initial_window, hystart)
        self._bytes_acked = 0

    def on_ack(self, sample: AckSample) -> None:
        """Slow start below ssthresh; above it a segment more for every window that was acknowledged."""
        acked = self._slow_start(sample) if self.cwnd < self.ssthresh else sample.acked
        if acked and sample.is_cwnd_limited:
            # Appropriate byte counting (RFC 3465 2.1): the number of ACKs plays no part.
            windows, self._bytes_acked = divmod(self._bytes_acked + acked, self.cwnd)
            self.cwnd = min(self.cwnd + windows * self.mss, INFINITE)

    def on_loss(self, flight: int, now: Instant) -> None:
        """Half the flight becomes ssthresh."""
        self._remember()
        self._reduce(flight)

    def on_timeout(self, flight: int, now: Instant, first: bool) -> None:
        """The same, and slow start from one segment."""
        if first:
            self._remember()
            self._reduce(flight)
        self.cwnd = self.mss

    def _reduce(self, flight: int) -> None:
        """ssthresh = max(FlightSize / 2, 2 * SMSS) (RFC 5681 3.1, equation 4)."""
        self.ssthresh = max(self._floor(flight // 2), 2 * self.mss)
        self._bytes_acked = 0
