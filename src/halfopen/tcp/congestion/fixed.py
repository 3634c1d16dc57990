"""A window that nothing moves: no congestion control, for tests and experiments on links of one's own."""

from halfopen.base.clock import Duration, Instant
from halfopen.tcp.congestion.base import AckSample, CongestionControl


class Fixed(CongestionControl):
    """cwnd is what it was made with, also through losses; RFC 5681 forbids this on a shared network."""

    __slots__ = ()

    def on_ack(self, sample: AckSample) -> None:
        """Nothing grows."""
        return None

    def on_loss(self, flight: int, now: Instant) -> None:
        """Recovery, too, sends up to the window."""
        self.ssthresh = self.initial_window

    def on_timeout(self, flight: int, now: Instant, first: bool) -> None:
        """The window stays whole."""
        self.ssthresh = self.initial_window
        self.cwnd = self.initial_window

    def on_undo(self) -> None:
        """There was no reduction."""
        self.cwnd = self.initial_window

    def on_idle(self, unsent: Duration, rto: Duration, now: Instant) -> None:
        """No restart window."""
        return None

    def on_lost_syn(self) -> None:
        """No smaller initial window."""
        return None
