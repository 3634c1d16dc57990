"""Text from the user that the peer has not acknowledged, and where segments end in what has not been sent.

Octets alone are a stream (RFC 9293 3.8); PSH, the records of ``MSG_EOR`` and Linux's super-segments are cuts in it.
"""

from typing import Final

from halfopen.base.native import mypyc_attr
from halfopen.base.octets import Buffer, OctetQueue
from halfopen.tcp.sent import PUSHED, RECORD_END

URGENT: Final = 1
"""How text is queued: its last octet is urgent; ..."""
MORE: Final = 2
"""... more is to come, and nothing is pushed; ..."""
RECORD: Final = 4
"""... or what comes later is not to be in one segment with it (Linux ``MSG_EOR``)."""

APART: Final = 8
"""... or it is not to be in one segment with what is queued before it (a full super-segment, Linux)."""

ANYWHERE: Final = 1 << 62
"""A position behind all others."""

_NO_CUTS: Final[list[tuple[int, int]]] = []


@mypyc_attr(acyclic=True)
class SendQueue(OctetQueue):
    """Octets by their sequence numbers, and the cuts that those which have not been sent have; ``nxt`` is SND.NXT."""

    __slots__ = ("_cuts", "is_pushed")

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.is_pushed = True
        """The last octet has PSH."""
        self._cuts = _NO_CUTS
        """Where what has not been sent is cut in any case, and `Sent.marks` for what ends there."""

    def append_cut(self, buffer: Buffer, how: int, nxt: int) -> None:
        """Adds octets behind others that are not pushed, or ``how``: any of `MORE`, `RECORD` and `APART`."""
        if how & APART and nxt < self.stop and not self._is_cut:
            self._cuts = [*self._cuts, (self.stop, self.is_pushed * PUSHED)]
        if nxt >= self.stop or self._is_cut:
            self.is_pushed = False
        if not how & MORE:
            self.is_pushed = True
        self.append(buffer)
        if how & RECORD:
            self._cuts = [*self._cuts, (self.stop, self.is_pushed * PUSHED | RECORD_END)]

    @property
    def _is_cut(self) -> bool:
        """What is queued next is not in one segment with the last octet."""
        return bool(self._cuts) and self._cuts[-1][0] == self.stop

    def tail(self, nxt: int) -> int:
        """Octets that what is queued next may be in one super-segment with."""
        start = max(nxt, self._cuts[-1][0]) if self._cuts else nxt
        return max(0, self.stop - start)

    def runs(self, nxt: int) -> int:
        """Super-segments, records and the like that what has not been sent is queued as."""
        return len(self._cuts) + (self.tail(nxt) > 0)

    def reach(self, nxt: int, quota: int) -> int:
        """How far the next segment may go if it is to have ``quota`` octets at most: to the end of a record, or of the
        queue. The end of a full super-segment matters only if it is no nearer than that (Linux ``tcp_grow_skb``)."""
        for end, marks in self._cuts[:2]:
            if marks & RECORD_END or end - nxt >= quota:
                return end
        return self._cuts[1][0] if len(self._cuts) > 1 else ANYWHERE

    def ends_at(self, end: int) -> int:
        """What `Sent.marks` says of text that has been sent up to ``end``; to be asked once."""
        marks = self.is_pushed * PUSHED if end >= self.stop else 0
        while self._cuts and self._cuts[0][0] <= end:
            marks |= self._cuts[0][1]
            self._cuts = self._cuts[1:] or _NO_CUTS
        return marks
