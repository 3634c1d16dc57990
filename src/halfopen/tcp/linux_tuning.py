"""How large a Linux's receive buffer grows (``tcp_rcv_space_adjust``): with what the user takes in a round trip.

A receiver sees no ACKs of its own. What a round trip takes it learns from timestamps that come back, or else from how
long the peer needs to fill one window.
"""

from typing import Final

from halfopen.base.clock import Duration, Instant

_SEGMENTS: Final = 10
"""``TCP_INIT_CWND``."""


class Tuning:
    """What the receiver knows of the round trip (``rcv_rtt_est``) and of its user's pace (``rcvq_space``)."""

    __slots__ = ("_echoed", "_mark", "_marked_at", "began_at", "rtt", "start", "taken")

    def __init__(self) -> None:
        self.rtt: Duration = 0
        """A round trip, smoothed; 0: not known."""
        self._echoed = -1
        self._mark = 0
        self._marked_at: Instant = -1
        self.taken = 0
        """The most octets that the user has taken in a round trip (``rcvq_space.space``)."""
        self.start = 0
        """Where the round trip at hand begins, and since when."""
        self.began_at: Instant = 0

    def begin(self, threshold: int, mss: int, start: int, now: Instant) -> None:
        """The connection stands, and ``threshold`` octets may come at once (``tcp_init_buffer_space``)."""
        self.taken = min(threshold, _SEGMENTS * mss)
        self.start = start
        self.began_at = now

    def on_window(self, nxt: int, wnd: int, now: Instant) -> None:
        """Text has come: when a whole window has, a round trip is over at the latest (``tcp_rcv_rtt_measure``)."""
        if self._marked_at >= 0:
            if nxt < self._mark:
                return
            sample = max(1000, now - self._marked_at)
            if not self.rtt or sample < self.rtt:
                self.rtt = sample
        self._mark = nxt + wnd
        self._marked_at = now

    def on_echo(self, echoed: int, elapsed: Duration | None, *, is_full: bool, is_read: bool) -> None:
        """A segment echoes a TSval of ours (``tcp_rcv_rtt_measure_ts``): only a full one is sent without waiting.

        Unless the user has read all, the sample may be of his making.
        """
        if echoed == self._echoed:
            return
        self._echoed = echoed
        if not is_full or not elapsed:
            return
        if not self.rtt or elapsed < self.rtt:
            self.rtt = elapsed
        elif is_read:
            self.rtt += (elapsed - self.rtt) // 8

    def on_read(self, start: int, unread: int, now: Instant) -> int:
        """The user has taken everything before ``start``: by how much more than ever in a round trip; 0 if not."""
        if not self.rtt or now - self.began_at < self.rtt:
            return 0
        taken = start - self.start - unread
        self.start = start
        self.began_at = now
        return taken if taken > self.taken else 0

    def demand(self, taken: int, early: int) -> int:
        """The window that a user wants who has just taken ``taken`` octets in a round trip, of which this is the last.

        The peer may send twice as much in the next, and more if it is in slow start (``tcp_rcvbuf_grow``); what is
        ahead of a hole, ``early`` octets, comes on top.
        """
        before, self.taken = self.taken, taken
        window = 2 * taken
        if before:
            window += 2 * (window * (taken - before) // before)
        return window + early
