"""Congestion control (RFC 5681): few hooks; it owns its window and touches nothing else."""

from abc import ABC, abstractmethod
from typing import Final

from halfopen.base.clock import Duration, Instant
from halfopen.base.native import mypyc_attr
from halfopen.tcp.congestion.hystart import HyStart
from halfopen.tcp.congestion.prr import Prr

INFINITE: Final = 0x7FFFFFFF
"""The initial ssthresh, "arbitrarily high" (RFC 5681 3.1): above every window there is. No cwnd grows past it."""


@mypyc_attr(acyclic=True)
class AckSample:
    """What one acknowledgment of new data says to a congestion control; may be filled anew for the next one.

    ``acked`` counts octets newly delivered by this ACK, ``flight_before`` FlightSize before it. ``latest_rtt`` is the
    sample that this ACK gave, 0 if it gave none. ``is_cwnd_limited``: the window, not the application or the peer, is
    what held the sender back during the last round trip (RFC 7661 practice; Linux calls a flow in slow start limited
    when it had more than half of cwnd in flight).
    """

    __slots__ = ("acked", "flight_before", "is_cwnd_limited", "latest_rtt", "min_rtt", "now", "smoothed_rtt", "una")

    def __init__(
        self,
        acked: int,
        flight_before: int,
        latest_rtt: Duration,
        smoothed_rtt: Duration,
        min_rtt: Duration,
        now: Instant,
        is_cwnd_limited: bool = True,
    ) -> None:
        self.acked = acked
        self.flight_before = flight_before
        self.latest_rtt = latest_rtt
        self.smoothed_rtt = smoothed_rtt
        self.min_rtt = min_rtt
        self.now = now
        self.is_cwnd_limited = is_cwnd_limited
        self.una = 0
        """SND.UNA, unwrapped; only where windows are whole segments."""


@mypyc_attr(allow_interpreted_subclasses=True)
class CongestionControl(ABC):
    """The congestion window and the slow start threshold of one connection, in octets (RFC 5681 3).

    `on_ack` is called for every ACK of new data outside of fast recovery, also after a timeout. In fast recovery
    ``cwnd`` follows `halfopen.tcp.congestion.prr.Prr`: the recovery writes it between `on_loss` and `on_recovered`. An
    ECN-Echo is an `on_loss` with nothing to retransmit (RFC 3168 6.1.2). ``mss`` may be set when the path MTU changes.
    """

    __slots__ = (
        "_hystart",
        "_undo",
        "_use",
        "cwnd",
        "full_at",
        "initial_window",
        "is_bsd",
        "mss",
        "resends",
        "ssthresh",
        "whole",
    )

    def __init__(self, mss: int, initial_window: int, hystart: HyStart | None = None) -> None:
        self.mss = mss
        self.initial_window = initial_window
        self.cwnd = initial_window
        self.ssthresh = INFINITE
        self.full_at = 0
        """SND.NXT, unwrapped, when cwnd last held text back: until that is acknowledged, cwnd is the limit."""
        self.whole = False
        """Windows are whole segments, as Linux counts them, and grow by all that is acknowledged."""
        self.is_bsd = False
        """The window may grow whenever the peer's is no smaller, as `halfopen.tcp.congestion.bsd` has it."""
        self.resends = False
        """What a timeout has called lost has not all been sent again."""
        self._use = (0, 0, False)
        """(until which SND.UNA it holds, octets in flight at most, whether they filled the window)."""
        self._hystart = hystart
        self._undo: tuple[int, int] | None = None

    @abstractmethod
    def on_ack(self, sample: AckSample) -> None:
        """New data was acknowledged outside of fast recovery: slow start or congestion avoidance (RFC 5681 3.1)."""

    def look(self, sample: AckSample) -> None:
        """A round trip has been measured, in recovery or not; `on_ack` follows, if it is its turn (``pkts_acked``)."""
        return None

    @abstractmethod
    def on_loss(self, flight: int, now: Instant) -> None:
        """Fast recovery begins with ``flight`` octets outstanding: sets ssthresh (RFC 5681 3.2 step 2)."""

    @abstractmethod
    def on_timeout(self, flight: int, now: Instant, first: bool) -> None:
        """The retransmission timer expired: cwnd is one segment (RFC 5681 3.1, the loss window).

        ssthresh falls only if ``first``: the segment had not been resent by this timer before.
        """

    def on_recovered(self, now: Instant) -> None:
        """Fast recovery ends: cwnd is ssthresh (RFC 6582 3.2 step 3, RFC 9937 5)."""
        self.cwnd = self.ssthresh

    def start_prr(self, outstanding: int, recover_flight: int) -> Prr:
        """Fast recovery begins, after `on_loss`: who says how much may be sent in it (RFC 9937 5).

        ``recover_flight`` of the octets ``outstanding`` were in the network.
        """
        prr = Prr(self.mss)
        prr.start(recover_flight, self.ssthresh)
        return prr

    def on_repaired(self, flight: int) -> None:
        """Fast recovery is over, with ``flight`` octets in the network: what more there is to be said."""
        self.resends = False

    def on_undo(self) -> None:
        """The last reduction was spurious: cwnd and ssthresh are what they were, or more (RFC 3708, RFC 4015)."""
        if self._undo is not None:
            cwnd, ssthresh = self._undo
            self.cwnd = max(self.cwnd, cwnd)
            self.ssthresh = max(self.ssthresh, ssthresh)
            self._undo = None

    def resize(self, mss: int) -> None:
        """Segments of another size: windows that are whole segments stay as many."""
        if self.whole:
            before = self.mss
            self.cwnd = self.cwnd // before * mss
            if self.ssthresh < INFINITE:
                self.ssthresh = self.ssthresh // before * mss
            end, most, was_full = self._use
            self._use = (end, most // before * mss, was_full)
        self.mss = mss

    def three_quarters(self) -> int:
        """What a window that is given up for no loss leaves behind as ssthresh (Linux ``tcp_current_ssthresh``)."""
        return self._floor(self.cwnd // 2) + self._floor(self.cwnd // 4)

    def keep_reduction(self) -> None:
        """The last reduction had another reason as well: `on_undo` does nothing."""
        self._undo = None

    def on_idle(self, unsent: Duration, rto: Duration, now: Instant) -> None:
        """Nothing is in flight, and nothing was sent for the time ``unsent``: the restart window (RFC 5681 4.1).

        Only if that was longer than ``rto``; NEVER keeps the window. ssthresh remembers three quarters of it, as Linux
        and RFC 7661 4.4 have it. Linux halves the window for each RTO, as RFC 2861 did.
        """
        if unsent > rto:
            self.ssthresh = max(self.ssthresh, self.cwnd - self.cwnd // 4)
            halvings = (unsent - 1) // rto if self.whole else 31
            self.cwnd = max(self._floor(self.cwnd >> min(halvings, 31)), min(self.initial_window, self.cwnd))

    def note_use(self, una: int, nxt: int, used: int, is_full: bool) -> None:
        """What of the window has been in use, remembered for a round trip (Linux ``tcp_cwnd_validate``)."""
        end, most, was_full = self._use
        if una >= end or is_full or (not was_full and used > most):
            self._use = (nxt, used, is_full)

    @property
    def was_filled(self) -> bool:
        """The window was the limit, or in slow start half of it was in use: it may grow (``tcp_is_cwnd_limited``)."""
        _, most, was_full = self._use
        return was_full or (self.cwnd < self.ssthresh and self.cwnd < 2 * most)

    def take_over(self, other: "CongestionControl") -> None:
        """Goes on with the windows of ``other``, in whose place the user has put this (as Linux)."""
        self.cwnd = other.cwnd
        self.ssthresh = other.ssthresh
        self.full_at = other.full_at
        self.whole = other.whole
        if self.ssthresh < INFINITE:
            self._hystart = None

    def on_lost_syn(self) -> None:
        """The SYN or SYN-ACK had to be sent again: the initial window is one segment (RFC 5681 3.1)."""
        self.cwnd = self.mss

    def _remember(self) -> None:
        """Keeps what `on_undo` brings back; HyStart++ is for the time before the first loss only (RFC 9406 4.3)."""
        self._undo = (self.cwnd, self.ssthresh)
        self._hystart = None

    def _floor(self, octets: int) -> int:
        """The window that ``octets`` make."""
        return octets - octets % self.mss if self.whole else octets

    def _slow_start(self, sample: AckSample) -> int:
        """Slow start up to ssthresh, by octets acknowledged; returns the octets left for congestion avoidance.

        Counting octets, an ACK cut into a hundred opens no more than a whole one (RFC 3465 4.1).
        # Deviation: the limit L (RFC 3465 2.2, one or two segments per ACK) is the window itself: a peer with receive
        # offload acknowledges 64 KB at once, and the window may double all the same. Linux has no limit at all.
        """
        growth = sample.acked if self.whole else min(sample.acked, self.cwnd)
        hystart = self._hystart
        if hystart is not None:
            growth = hystart.growth(growth, sample.flight_before - sample.acked, sample.latest_rtt)
        rest = 0
        if sample.is_cwnd_limited:
            rest = max(growth - (self.ssthresh - self.cwnd), 0)
            self.cwnd += growth - rest
        if hystart is not None and hystart.is_done:
            self.ssthresh = self.cwnd
            self._hystart = None
        return rest
