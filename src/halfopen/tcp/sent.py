"""One transmission, and what one acknowledgment tells of some (RFC 6675 3, RFC 8985 5.2, RFC 9937 5)."""

from typing import Final

from halfopen.base.clock import Instant
from halfopen.base.native import mypyc_attr

IN_FLIGHT: Final = 0
SACKED: Final = 1
LOST: Final = 2

PUSHED: Final = 1
"""Of `Sent.marks`: its last segment has PSH ..."""
RECORD_END: Final = 2
"""... and ends a record: nothing joins it from behind."""
FINAL: Final = 4
"""The FIN is part of it."""
MISSED: Final = 8
"""It has been taken for lost since it was first sent, or since that turned out to be wrong ..."""
AGAIN: Final = 16
"""... and has been sent again since then."""


@mypyc_attr(acyclic=True)
class Sent:
    """One run of octets (with SYN and FIN as octets of sequence space) and when it was last sent."""

    __slots__ = ("condition", "end", "marks", "pieces", "sent_at", "start", "transmissions")

    def __init__(
        self, start: int, end: int, sent_at: Instant, transmissions: int = 1, condition: int = IN_FLIGHT
    ) -> None:
        self.start = start
        self.end = end
        self.sent_at = sent_at
        self.transmissions = transmissions
        self.condition = condition
        self.marks = 0
        self.pieces = 1
        """Segments that it is on the wire."""

    def __repr__(self) -> str:
        return (
            f"Sent({self.start}:{self.end}, x{self.transmissions}, {('in flight', 'sacked', 'lost')[self.condition]})"
        )

    def segments(self, mss: int) -> int:
        """How many segments it takes on the wire; a FIN takes no room."""
        text = self.end - self.start - bool(self.marks & FINAL)
        return max(1, -(-text // mss))


@mypyc_attr(acyclic=True)
class Delivery:
    """What one acknowledgment delivered: the figures that RTT, RACK, PRR and congestion control ask for.

    ``latest`` is the most recently sent of the delivered records, also if it was a retransmission; ``sampled_at`` the
    time of the most recently sent one that was sent only once (Karn).
    """

    __slots__ = ("acked", "fack", "last", "latest", "lowest", "original", "pieces", "reordered", "sacked", "sampled_at")

    def __init__(self) -> None:
        self.acked = 0
        self.sacked = 0
        self.fack = -1
        """RACK.fack before this acknowledgment: of what one ACK tells together nobody knows in which order it came."""
        self.last: Instant | None = None
        """When that was sent which it tells of at last."""
        self.latest: Sent | None = None
        self.sampled_at: Instant | None = None
        self.original = -1
        """Where the first ends of what was sent once (-1: none): such text proves that not everything was lost."""
        self.pieces = 0
        """Segments delivered."""
        self.lowest = -1
        """Where the first begins that something sent later has overtaken; -1: none."""
        self.reordered = False
        """Something sent once was delivered after something sent later: the network reorders (RFC 8985 6.2 step 3)."""

    @property
    def octets(self) -> int:
        """DeliveredData (RFC 9937 5)."""
        return self.acked + self.sacked

    def note(self, record: Sent) -> None:
        """Takes one delivered record into account."""
        self.pieces += record.pieces
        self.last = record.sent_at
        if record.transmissions == 1:
            if record.end < self.fack:
                self.reordered = True
                if self.lowest < 0 or record.start < self.lowest:
                    self.lowest = record.start
            if self.original < 0 or record.end < self.original:
                self.original = record.end
            if self.sampled_at is None or record.sent_at > self.sampled_at:
                self.sampled_at = record.sent_at
        latest = self.latest
        if latest is None or _is_later(record, latest):
            self.latest = record


def _is_later(record: Sent, other: Sent) -> bool:
    """The order of transmissions (RFC 8985 5.2)."""
    return record.sent_at > other.sent_at or (record.sent_at == other.sent_at and record.end > other.end)
