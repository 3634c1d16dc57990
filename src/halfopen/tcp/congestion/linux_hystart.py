"""The first HyStart, as Linux has it: leaves slow start before the queue overflows (Ha, Rhee 2008; ``tcp_cubic.c``)."""

from typing import Final

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Duration, Instant
from halfopen.tcp.congestion.base import AckSample

ACK_TRAIN: Final = 1
DELAY: Final = 2
"""Of ``hystart_detect``: slow start ends when a train of ACKs is half a round trip long, or when they come later."""
LOW_WINDOW: Final = 16
"""Segments; in smaller windows nothing is detected."""
MIN_SAMPLES: Final = 8
TRAIN_GAP: Final[Duration] = 2 * MILLISECOND
MIN_THRESHOLD: Final[Duration] = 4 * MILLISECOND
MAX_THRESHOLD: Final[Duration] = 16 * MILLISECOND
MAX_ACK_DELAY: Final[Duration] = 1 * MILLISECOND
_BURSTS: Final = 4 * 65216
"""Octets of four bursts: what the peer may take for one ACK."""


class LinuxHyStart:
    """Rounds of slow start, each until what was in flight at its start has been acknowledged (``hystart_update``)."""

    __slots__ = ("_end", "_last_ack", "_least", "_round_start", "_samples", "detects", "found")

    def __init__(self, detects: int) -> None:
        self.detects = detects
        self.reset()

    def reset(self) -> None:
        """As after a timeout: nothing has been found, and the next ACK begins a round."""
        self.found = False
        """Slow start was long enough; the caller sets ssthresh to cwnd."""
        self._end = -1
        self._round_start: Instant = 0
        self._last_ack: Instant = 0
        self._least: Duration = NEVER
        self._samples = 0

    def watch(self, sample: AckSample, cwnd: int, mss: int, delay_min: Duration) -> None:
        """An ACK of slow start, of which not enough is known to leave it; ``delay_min`` is the shortest round trip."""
        if sample.una > self._end:
            self._begin_round(sample)
        if cwnd < LOW_WINDOW * mss:
            return
        if self.detects & ACK_TRAIN and sample.now - self._last_ack <= TRAIN_GAP:
            self._lengthen_train(sample, cwnd, delay_min)
        if self.detects & DELAY:
            self._compare(sample.latest_rtt, delay_min)

    def _begin_round(self, sample: AckSample) -> None:
        self._round_start = self._last_ack = sample.now
        self._end = sample.una + sample.flight_before - sample.acked
        self._least = NEVER
        self._samples = 0

    def _lengthen_train(self, sample: AckSample, cwnd: int, delay_min: Duration) -> None:
        self._last_ack = sample.now
        rate = 2 * cwnd * SECOND // max(sample.smoothed_rtt, 1)
        patience = min(MAX_ACK_DELAY, _BURSTS * SECOND // max(rate, 1))
        self.found = sample.now - self._round_start > (delay_min + patience) // 2

    def _compare(self, delay: Duration, delay_min: Duration) -> None:
        self._least = min(self._least, delay)
        if self._samples < MIN_SAMPLES:
            self._samples += 1
        elif self._least > delay_min + min(max(delay_min // 8, MIN_THRESHOLD), MAX_THRESHOLD):
            self.found = True
