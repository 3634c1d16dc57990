"""CUBIC as Linux has it: in whole segments (``tcp_cubic.c``)."""

from math import cbrt
from typing import Final

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.tcp.congestion.base import INFINITE, AckSample, CongestionControl
from halfopen.tcp.congestion.linux_hystart import ACK_TRAIN, DELAY, LinuxHyStart

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


class Curve:
    """How steep CUBIC's curve is at the moment, or Reno's line if that is steeper (``struct bictcp``)."""

    __slots__ = ("_acks", "_k", "_last_cwnd", "_origin", "_reno", "_updated_at", "count", "epoch", "last_max")

    def __init__(self) -> None:
        self.count = 0
        """So many ACKs add a segment."""
        self.last_max = 0
        """The window at the last loss, or somewhat less (fast convergence); 0: there was none."""
        self.epoch: Instant = NEVER
        """When congestion avoidance began after it; NEVER: it has not."""
        self._origin = 0
        self._k = 0
        self._last_cwnd = 0
        self._updated_at: Instant = -SECOND
        self._acks = 0
        self._reno = 0

    def lose(self, cwnd: int) -> None:
        """A loss at ``cwnd`` segments ends the epoch, with fast convergence (RFC 9438 4.7)."""
        self.epoch = NEVER
        self.last_max = cwnd * (SCALE + BETA) // (2 * SCALE) if cwnd < self.last_max else cwnd

    def update(self, cwnd: int, acked: int, delay_min: Duration, now: Instant) -> None:
        """How many ACKs add a segment to ``cwnd`` (``bictcp_update``)."""
        self._acks += acked
        if self._last_cwnd == cwnd and now - self._updated_at <= QUIET:
            return
        if self.epoch == NEVER or now != self._updated_at:
            self._last_cwnd, self._updated_at = cwnd, now
            self._follow(cwnd, acked, delay_min, now)
        delta = cwnd * FRIENDLY >> 3
        while self._acks > delta:
            self._acks -= delta
            self._reno += 1
        if self._reno > cwnd:
            self.count = min(self.count, cwnd // (self._reno - cwnd))
        self.count = max(self.count, 2)

    def _follow(self, cwnd: int, acked: int, delay_min: Duration, now: Instant) -> None:
        if self.epoch == NEVER:
            self.epoch = now
            self._acks, self._reno = acked, cwnd
            self._origin = max(self.last_max, cwnd)
            self._k = int(cbrt((self._origin - cwnd) * (1 << 40) / CUBE))
        distance = (now - self.epoch + delay_min) // STEP - self._k
        delta = CUBE * abs(distance) ** 3 >> 40
        target = self._origin - delta if distance < 0 else self._origin + delta
        self.count = cwnd // (target - cwnd) if target > cwnd else 100 * cwnd
        if self.last_max == 0:
            self.count = min(self.count, SLOWEST_START)


class LinuxCubic(CongestionControl):
    """The window is counted in segments; ``curve.count`` ACKs open it by one."""

    __slots__ = ("credit", "curve", "delay_min", "hystart")

    def __init__(self, mss: int, initial_window: int, detects: int = ACK_TRAIN | DELAY) -> None:
        super().__init__(mss, initial_window)
        self.whole = True
        self.credit = 0
        """Segments acknowledged that have not yet made one more (``snd_cwnd_cnt``)."""
        self.delay_min: Duration = 0
        self.curve = Curve()
        self.hystart = LinuxHyStart(detects)

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
        self.curve.update(self.cwnd // self.mss, acked, self.delay_min, sample.now)
        self._add(acked)

    def look(self, sample: AckSample) -> None:
        """A round trip has been measured (``cubictcp_acked``)."""
        delay = sample.latest_rtt
        epoch = self.curve.epoch
        if delay <= 0 or (epoch != NEVER and sample.now - epoch < SECOND):
            return
        if self.delay_min == 0 or delay < self.delay_min:
            self.delay_min = delay
        if not self.hystart.found and self.cwnd < self.ssthresh and self.hystart.detects:
            self.hystart.watch(sample, self.cwnd, self.mss, self.delay_min)
            if self.hystart.found:
                self.ssthresh = self.cwnd

    def _add(self, acked: int) -> None:
        """``tcp_cong_avoid_ai``."""
        count = self.curve.count
        more = 0
        if self.credit >= count:
            self.credit, more = 0, 1
        steps, self.credit = divmod(self.credit + acked, count)
        self.cwnd = min(self.cwnd + (more + steps) * self.mss, INFINITE)

    def on_loss(self, flight: int, now: Instant) -> None:
        """Multiplicative decrease (RFC 9438 4.6)."""
        self._undo = (self.cwnd, self.ssthresh)
        cwnd = self.cwnd // self.mss
        self.curve.lose(cwnd)
        self.ssthresh = max(cwnd * BETA // SCALE, 2) * self.mss
        self.credit = 0

    def on_timeout(self, flight: int, now: Instant, first: bool) -> None:
        """Slow start from one segment, and all is learnt anew after it (``bictcp_reset``)."""
        if first:
            self.on_loss(flight, now)
        self.curve = Curve()
        self.delay_min = 0
        self.hystart.reset()
        self.credit = 0
        self.cwnd = self.mss

    def on_idle(self, unsent: Duration, rto: Duration, now: Instant) -> None:
        """Time in which nothing was sent does not move along the curve."""
        if self.curve.epoch != NEVER:
            self.curve.epoch = min(now, self.curve.epoch + unsent)
        super().on_idle(unsent, rto, now)
