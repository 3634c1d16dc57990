"""CUBIC as Linux has it: in whole segments, with the first HyStart (Ha, Rhee 2008; ``tcp_cubic.c``)."""

from math import cbrt
from typing import Final

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Duration, Instant
from halfopen.tcp.congestion.base import INFINITE, AckSample, CongestionControl

SCALE: Final = 1024
BETA: Final = 717
"""Of 1024 parts of the window, what a loss leaves."""
CUBE: Final = 410
"""C of RFC 9438 5.1, 0.4, by 1024."""
STEP: Final[Duration] = SECOND // 1024
"""Time along the curve is counted in these."""
FRIENDLY: Final = 15
"""Eighths of a window that are acknowledged while Reno's would grow by a segment."""
SLOWEST_START: Final = 20
"""Without any loss so far a segment is added for no more ACKs than this."""
QUIET: Final[Duration] = SECOND // 32
"""The step is not computed anew sooner than that, unless the window has changed."""

ACK_TRAIN: Final = 1
DELAY: Final = 2
"""Of ``hystart_detect``: slow start ends when a train of ACKs is half a round trip long, or when they come later."""
LOW_WINDOW: Final = 16
MIN_SAMPLES: Final = 8
TRAIN_GAP: Final[Duration] = 2 * MILLISECOND
MIN_THRESHOLD: Final[Duration] = 4 * MILLISECOND
MAX_THRESHOLD: Final[Duration] = 16 * MILLISECOND
MAX_ACK_DELAY: Final[Duration] = 1 * MILLISECOND
_BURSTS: Final = 4 * 65216
"""Octets of four bursts: what the peer may take for one ACK."""


class LinuxCubic(CongestionControl):
    """The window is counted in segments; ``count`` ACKs open it by one."""

    __slots__ = (
        "_acks",
        "_end",
        "_found",
        "_k",
        "_last_ack",
        "_last_cwnd",
        "_least",
        "_origin",
        "_reno",
        "_round_start",
        "_samples",
        "_updated_at",
        "count",
        "credit",
        "delay_min",
        "detects",
        "epoch",
        "last_max",
    )

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self.whole = True
        self.detects = ACK_TRAIN | DELAY
        self.credit = 0
        self.delay_min: Duration = 0
        self._reset()

    def _reset(self) -> None:
        self.count = self.last_max = self._last_cwnd = self._origin = self._k = self._acks = self._reno = 0
        self._updated_at: Instant = -SECOND
        self.epoch: Instant = NEVER
        self._found = False
        self._end = -1
        self._round_start: Instant = 0
        self._last_ack: Instant = 0
        self._least: Duration = NEVER
        self._samples = 0

    def on_ack(self, sample: AckSample) -> None:
        """Slow start, or a step along the curve, if the window is the limit."""
        acked = sample.acked // self.mss
        if not sample.is_cwnd_limited:
            return
        if self.cwnd < self.ssthresh:
            grown = min(self.cwnd + acked * self.mss, self.ssthresh)
            acked -= (grown - self.cwnd) // self.mss
            self.cwnd = grown
            if not acked:
                return
        self._update(acked, sample.now)
        self._add(acked)

    def look(self, sample: AckSample) -> None:
        """A round trip has been measured (``cubictcp_acked``)."""
        delay = sample.latest_rtt
        if delay <= 0 or (self.epoch != NEVER and sample.now - self.epoch < SECOND):
            return
        if self.delay_min == 0 or delay < self.delay_min:
            self.delay_min = delay
        if not self._found and self.cwnd < self.ssthresh and self.detects:
            self._watch(delay, sample)

    def _watch(self, delay: Duration, sample: AckSample) -> None:
        """HyStart: rounds last until what was in flight at their start is acknowledged (``hystart_update``)."""
        now = sample.now
        una = sample.una
        if una > self._end:
            self._round_start = self._last_ack = now
            self._end = una + sample.flight_before - sample.acked
            self._least = NEVER
            self._samples = 0
        if self.cwnd < LOW_WINDOW * self.mss:
            return
        if self.detects & ACK_TRAIN and now - self._last_ack <= TRAIN_GAP:
            self._last_ack = now
            rate = 2 * self.cwnd * SECOND // max(sample.smoothed_rtt, 1)
            patience = min(MAX_ACK_DELAY, _BURSTS * SECOND // max(rate, 1))
            self._found = now - self._round_start > (self.delay_min + patience) // 2
        if self.detects & DELAY:
            self._least = min(self._least, delay)
            if self._samples < MIN_SAMPLES:
                self._samples += 1
            elif self._least > self.delay_min + min(max(self.delay_min // 8, MIN_THRESHOLD), MAX_THRESHOLD):
                self._found = True
        if self._found:
            self.ssthresh = self.cwnd

    def _update(self, acked: int, now: Instant) -> None:
        """How many ACKs add a segment (``bictcp_update``)."""
        cwnd = self.cwnd // self.mss
        self._acks += acked
        if self._last_cwnd == cwnd and now - self._updated_at <= QUIET:
            return
        if self.epoch == NEVER or now != self._updated_at:
            self._last_cwnd, self._updated_at = cwnd, now
            self._follow_curve(cwnd, acked, now)
        delta = cwnd * FRIENDLY >> 3
        while self._acks > delta:
            self._acks -= delta
            self._reno += 1
        if self._reno > cwnd:
            self.count = min(self.count, cwnd // (self._reno - cwnd))
        self.count = max(self.count, 2)

    def _follow_curve(self, cwnd: int, acked: int, now: Instant) -> None:
        if self.epoch == NEVER:
            self.epoch = now
            self._acks, self._reno = acked, cwnd
            self._origin = max(self.last_max, cwnd)
            self._k = int(cbrt((self._origin - cwnd) * (1 << 40) / CUBE))
        distance = (now - self.epoch + self.delay_min) // STEP - self._k
        delta = CUBE * abs(distance) ** 3 >> 40
        target = self._origin - delta if distance < 0 else self._origin + delta
        self.count = cwnd // (target - cwnd) if target > cwnd else 100 * cwnd
        if self.last_max == 0:
            self.count = min(self.count, SLOWEST_START)

    def _add(self, acked: int) -> None:
        """``tcp_cong_avoid_ai``."""
        more = 0
        if self.credit >= self.count:
            self.credit, more = 0, 1
        steps, self.credit = divmod(self.credit + acked, self.count)
        self.cwnd = min(self.cwnd + (more + steps) * self.mss, INFINITE)

    def on_loss(self, flight: int, now: Instant) -> None:
        """Multiplicative decrease with fast convergence (RFC 9438 4.6, 4.7)."""
        self._undo = (self.cwnd, self.ssthresh)
        self.epoch = NEVER
        cwnd = self.cwnd // self.mss
        self.last_max = cwnd * (SCALE + BETA) // (2 * SCALE) if cwnd < self.last_max else cwnd
        self.ssthresh = max(cwnd * BETA // SCALE, 2) * self.mss
        self.credit = 0

    def on_timeout(self, flight: int, now: Instant, first: bool) -> None:
        """Slow start from one segment, and a new curve after it."""
        if first:
            self.on_loss(flight, now)
        self._reset()
        self.credit = 0
        self.cwnd = self.mss

    def on_idle(self, unsent: Duration, rto: Duration, now: Instant) -> None:
        """Time in which nothing was sent does not move along the curve."""
        if self.epoch != NEVER:
            self.epoch = min(now, self.epoch + unsent)
        super().on_idle(unsent, rto, now)
