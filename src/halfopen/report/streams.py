"""What a bystander can tell of a TCP stream by watching one direction of it: where it is, and what comes twice."""

from halfopen.base.intervals import IntervalSet

_MODULUS = 1 << 32
_HALF = 1 << 31


class StreamView:
    """One direction of one connection, as a capture shows it: maybe from its middle on, with gaps, out of order.

    Sequence numbers become offsets from the initial one, without wrap: SYN is 0, the first octet of text 1.
    """

    __slots__ = ("_base", "_highest", "_seen")

    def __init__(self) -> None:
        self._base: int | None = None
        self._highest = 0
        self._seen = IntervalSet()

    def begin(self, seq: int) -> None:
        """A SYN with this sequence number: another connection on the same ports if it is not the known one again."""
        if self._base != seq:
            self._base, self._highest, self._seen = seq, 0, IntervalSet()

    def offset(self, seq: int) -> int:
        """Distance from the initial sequence number, near the highest seen; the first one asked for is taken as 1."""
        if self._base is None:
            self._base = (seq - 1) % _MODULUS
        return self._highest + (seq - self._base - self._highest + _HALF) % _MODULUS - _HALF

    @property
    def highest(self) -> int:
        """Offset behind the last octet seen."""
        return self._highest

    def sack(self, edges: tuple[int, int]) -> tuple[int, int]:
        """Offsets of the edges of a SACK block (RFC 2018)."""
        return self.offset(edges[0]), self.offset(edges[1])

    def add(self, seq: int, length: int) -> str:
        """Takes note of a segment; says what is odd about its place, or nothing (``""``)."""
        start = self.offset(seq)
        stop = start + length
        remark = ""
        if self._seen.covers(start, stop) and length:
            remark = "retransmission"
        elif length and start < self._highest:
            remark = "fills a gap"
        elif start > self._highest and len(self._seen):
            remark = f"{start - self._highest} octets missing before it"
        self._seen.add(start, stop)
        self._highest = max(self._highest, stop)
        return remark
