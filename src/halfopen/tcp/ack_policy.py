"""When to acknowledge (RFC 9293 3.8.6.3, RFC 5681 4.2)."""

from typing import Final

from halfopen.base.clock import NEVER, Instant
from halfopen.base.native import mypyc_attr
from halfopen.tcp.config import AckConfig
from halfopen.tcp.linux_acks import MAX_QUICK, Delays

LEAST_FULL: Final = 536
"""Less than every host takes is no full-sized segment (RFC 9293 3.7.1), however many of them there are in a row."""


@mypyc_attr(acyclic=True)
class AckPolicy:
    """How many ACKs are owed now, and by when the next is.

    ``owed`` is a count: each segment out of order is answered by an ACK of its own, because the peer counts duplicates,
    also when several arrive in one batch; they are void once RCV.NXT moves. In-order data owes one ACK for everything
    received so far (MUST-58, MUST-59).
    """

    __slots__ = (
        "_acknowledge",
        "_full",
        "_quick",
        "_size",
        "_unacknowledged",
        "challenged_again",
        "deadline",
        "delays",
        "is_apart",
        "owed",
    )

    def __init__(self, config: AckConfig) -> None:
        self.owed = 0
        self.deadline: Instant = NEVER
        self.is_apart = False
        """The next one owed has nothing but the numbers, and settles nothing: a BSD's challenge."""
        self.challenged_again = 0
        """How many challenges have been asked for since the first of a time (RFC 5961 7)."""
        self._acknowledge = False
        self._unacknowledged = 0
        self._quick = config.quick
        self._full = LEAST_FULL
        """What the peer's full-sized segments seem to have: the largest, or two alike (Linux ``rcv_mss``)."""
        self._size = 0
        """The last segment's."""
        self.delays = Delays() if config.manner == "linux" else None
        """How Linux has ACKs wait, if that is wanted (`halfopen.tcp.linux_receiver`)."""

    def on_text(self, octets: int, size: int, mss: int, now: Instant, config: AckConfig) -> None:
        """In-order text: an ACK at once for every second full segment (SHLD-19), or while the connection is new.

        ``size`` is that of the segment it came in, or of the parts of a super-segment; ``mss`` what ours may have.
        """
        if size > self._full or (size == self._size and size >= LEAST_FULL):
            self._full = size
        self._size = size
        self._unacknowledged += octets
        if self.owed:
            self.owed = 0
            self._acknowledge = True
        elif self._quick > 0:
            self._quick -= 1
            self._acknowledge = True
        elif self._unacknowledged >= 2 * min(self._full, mss) or not config.delay:
            self._acknowledge = True
        elif self.deadline == NEVER:
            self.deadline = now + config.delay
        elif config.second == "any":
            self._acknowledge = True
        if config.second == "any" and octets > mss:
            self._acknowledge = True

    def measure(self, size: int, is_pushed: bool, most: int) -> None:
        """Linux's idea of what the peer's full-sized segments have, of which our MSS option allows ``most``."""
        assert self.delays is not None
        self._full = min(self.delays.full_size(size, self._full, self._size, is_pushed), most)
        self._size = size

    def assume(self, full: int) -> None:
        """The peer's full-sized segments have ``full`` octets, as long as none has shown more."""
        self._full = full

    def rush(self, most: int) -> None:
        """The peer has sent again what is here: it may have missed an ACK, and gets all of them now (Linux)."""
        if self.delays is not None:
            self.delays.rush(most)

    def at_once(self) -> None:
        """One ACK for all that has come: a gap was filled, a FIN or probe has arrived, the window opened (MUST-58)."""
        self._acknowledge = True

    def hasten(self, segments: int) -> None:
        """At least so many of the next segments are acknowledged at once (Linux ``tcp_enter_quickack_mode``)."""
        self.rush(segments)
        self._quick = max(self._quick, segments)

    def put_off(self, until: Instant) -> None:
        """One ACK by then, if no text takes it along; those that follow do not wait."""
        self.deadline = until
        self.rush(MAX_QUICK)

    def duplicate(self, segments: int = 1) -> None:
        """One more ACK for each of the segments that did not move RCV.NXT (RFC 5681 4.2)."""
        self.owed += segments

    def apart(self) -> None:
        """One ACK with the numbers alone, as 4.4BSD's ``tcp_respond`` sends it, in the place of what was to be said."""
        self._acknowledge = False
        self.owed = 1
        self.is_apart = True

    def on_deadline(self, now: Instant) -> None:
        """The delayed ACK timer."""
        if now >= self.deadline:
            self.deadline = NEVER
            self._acknowledge = True

    def on_ack_sent(self, is_data: bool) -> None:
        """A segment with ACK has left: that settles all in-order text, or else one duplicate.

        One with data is no duplicate ACK to the peer (RFC 5681 2) and carries no SACK blocks: it leaves those owed.
        """
        if self.delays is not None:
            self.delays.on_ack_sent(self._acknowledge or self.deadline < NEVER)
        self.deadline = NEVER
        self._unacknowledged = 0
        if self._acknowledge:
            self._acknowledge = False
        elif self.owed and not is_data:
            self.owed -= 1
        if is_data:
            self._quick = min(self._quick, 2)

    def switch(self, quick: int, *, is_read: bool = True) -> None:
        """The next ``quick`` segments are acknowledged at once, and what waits for its ACK now (Linux quick-ack mode).

        With 0 the mode ends: ACKs wait for the timer, or for text to ride on. What has not been read may go on waiting.
        """
        self._quick = quick
        if self.delays is not None:
            self.delays.talks = not quick
        if quick and is_read and self.deadline != NEVER:
            self._acknowledge = True

    @property
    def full_size(self) -> int:
        """What the peer's full-sized segments seem to have (Linux ``rcv_mss``)."""
        return self._full

    @property
    def is_duplicate(self) -> bool:
        """The ACK that leaves next says nothing that one before it has not said."""
        return self.owed > 0 and not self._acknowledge and not self._unacknowledged

    @property
    def is_owed(self) -> bool:
        """An ACK should leave now."""
        return self._acknowledge or self.owed > 0
