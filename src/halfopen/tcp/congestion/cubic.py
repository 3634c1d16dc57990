"""CUBIC: the window is a cubic function of the time since the last loss (RFC 9438).

    W(t) = C * (t - K)^3 + W_max                     W_max --------------___------/--
                                                                      /          /   convex: looking for more
    concave: back to where the loss was, in K seconds       cwnd_epoch        K

Windows are octets here, so that a change of segment size keeps them; C counts in segments and is multiplied by it.
"""

from math import cbrt
from typing import Final

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.tcp.congestion.base import INFINITE, AckSample, CongestionControl
from halfopen.tcp.congestion.hystart import HyStart

C: Final = 0.4
"""Segments per second cubed (RFC 9438 5.1)."""
BETA: Final = 0.7
"""Multiplicative decrease (RFC 9438 4.6), for ECN-Echo too."""
ALPHA: Final = 3 * (1 - BETA) / (1 + BETA)
"""9/17: with this increase per round trip, decrease by BETA is as fast as Reno on average (RFC 9438 4.3)."""


class Cubic(CongestionControl):
    """RFC 9438 with fast convergence, the Reno-friendly region and HyStart++."""

    __slots__ = ("_credit", "_cwnd_prior", "_epoch", "_k", "_last_ack", "_saved", "_w_est", "_w_max")

    def __init__(self, mss: int, initial_window: int, hystart: HyStart | None = None) -> None:
        super().__init__(mss, initial_window, HyStart() if hystart is None else hystart)
        self._w_max = 0.0
        self._k = 0.0
        self._w_est = 0.0
        self._cwnd_prior = 0
        self._epoch: Instant = NEVER
        """t_epoch; NEVER while no congestion avoidance stage is under way."""
        self._last_ack: Instant = 0
        self._credit = 0.0
        """The part of an octet by which cwnd ought to be larger: a large window grows by less than one per ACK."""
        self._saved = (0.0, 0.0, 0.0, 0, NEVER)

    def window_at(self, elapsed: Duration) -> float:
        """W_cubic(t) in octets, ``elapsed`` after the stage began (RFC 9438 4.2, figure 1)."""
        distance = elapsed / SECOND - self._k
        return C * self.mss * distance * distance * distance + self._w_max

    def on_ack(self, sample: AckSample) -> None:
        """Slow start, or a step along the curve; the curve's time stands still while the window is not the limit."""
        now = sample.now
        since_last_ack = now - self._last_ack
        self._last_ack = now
        acked = sample.acked
        if self.cwnd < self.ssthresh:
            self._epoch = NEVER
            acked = self._slow_start(sample)
        if not sample.is_cwnd_limited:
            if self._epoch != NEVER:
                self._epoch += since_last_ack  # RFC 9438 5.8
            return
        if acked:
            self._avoid_congestion(acked, sample.smoothed_rtt, now)

    def _avoid_congestion(self, acked: int, rtt: Duration, now: Instant) -> None:
        if self._epoch == NEVER:
            self._begin_epoch(now)
        cwnd = self.cwnd
        share = acked / cwnd if acked < cwnd else 1.0
        self._w_est += (1.0 if self._w_est >= self._cwnd_prior else ALPHA) * self.mss * share
        elapsed = now - self._epoch
        if self.window_at(elapsed) < self._w_est:  # the Reno-friendly region (RFC 9438 4.3)
            self.cwnd = min(max(cwnd, int(self._w_est)), INFINITE)
            return
        target = min(max(self.window_at(elapsed + rtt), cwnd), 1.5 * cwnd)  # RFC 9438 4.2
        self._credit += (target - cwnd) * share  # 4.4 and 4.5
        whole = int(self._credit)
        self._credit -= whole
        self.cwnd = min(cwnd + whole, INFINITE)

    def _begin_epoch(self, now: Instant) -> None:
        """A congestion avoidance stage begins (RFC 9438 4.2); K is 0 after a timeout or without a loss (4.8, 4.10)."""
        cwnd = self.cwnd
        self._epoch = now
        self._w_est = float(cwnd)
        self._credit = 0.0
        if self._w_max > cwnd:
            self._k = cbrt((self._w_max - cwnd) / (C * self.mss))
        else:
            self._w_max = float(cwnd)
            self._k = 0.0

    def on_loss(self, flight: int, now: Instant) -> None:
        """Multiplicative decrease with fast convergence (RFC 9438 4.6, 4.7)."""
        self._reduce(flight)
        cwnd = self.cwnd
        # A flow that loses again before it was back at W_max leaves room for a new one.
        self._w_max = cwnd * (1 + BETA) / 2 if cwnd < self._w_max else float(cwnd)

    def on_timeout(self, flight: int, now: Instant, first: bool) -> None:
        """Slow start from one segment, and a new curve after it (RFC 9438 4.8)."""
        if first:
            self._reduce(flight)
            self._w_max = 0.0
        self._epoch = NEVER
        self.cwnd = self.mss

    def on_undo(self) -> None:
        """Back on the curve that a spurious loss or timeout had left (RFC 9438 4.9)."""
        if self._undo is not None:
            self._w_max, self._k, self._w_est, self._cwnd_prior, self._epoch = self._saved
        super().on_undo()

    def on_idle(self, unsent: Duration, rto: Duration, now: Instant) -> None:
        """Time in which nothing was in flight, from the last ACK on, does not move along the curve (RFC 9438 5.8)."""
        if self._epoch != NEVER:
            self._epoch += now - self._last_ack
            self._last_ack = now
        super().on_idle(unsent, rto, now)

    def _reduce(self, flight: int) -> None:
        """ssthresh = max(flight * BETA, 2 segments) (RFC 9438 4.6)."""
        self._remember()
        self._saved = (self._w_max, self._k, self._w_est, self._cwnd_prior, self._epoch)
        self._cwnd_prior = self.cwnd
        self.ssthresh = max(self._floor(round(flight * BETA)), 2 * self.mss)
        self._epoch = NEVER
