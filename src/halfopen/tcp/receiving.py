"""The receive sequence space and reassembly (RFC 9293 3.3.1, 3.10.7.4 seventh step; RFC 815's idea).

     1          2          3
----------|----------|----------
       RCV.NXT    RCV.NXT
                 +RCV.WND = the right edge, which never moves left (SHLD-14)

queue: in order, not yet taken by the user      ahead: blocks behind a hole
"""

from bisect import bisect_left, bisect_right
from typing import Final

from halfopen.base.octets import Buffers, OctetQueue, cut
from halfopen.tcp.seqnum import first_lap

MAX_FIELD: Final = 0xFFFF
PIECE_OCTETS: Final = 384
"""What keeping one early segment costs beside its octets: tiny ones cannot make a window hold more than it says."""


class Block:
    """Octets ``[start, end)`` that arrived ahead of a hole."""

    __slots__ = ("buffers", "end", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self.buffers: list[Buffers] = []

    def append(self, buffers: Buffers, end: int) -> None:
        """Grows to ``end``."""
        self.buffers.append(buffers)
        self.end = end

    def join(self, after: "Block") -> "Block":
        """Both as one; the pieces of the smaller move, so that none moves more often than log2 of their number."""
        if len(self.buffers) < len(after.buffers):
            after.buffers[:0] = self.buffers
            after.start = min(self.start, after.start)
            return after
        self.buffers.extend(after.buffers)
        self.end = after.end
        return self


class ReceiveSpace:
    """RCV.*. All memory it holds lies in the window it has offered: unread and early octets fit `limit` and 1/8."""

    __slots__ = (
        "ahead",
        "duplicate",
        "edge",
        "fin",
        "irs",
        "limit",
        "manner",
        "nxt",
        "offered",
        "pieces",
        "queue",
        "recent",
        "shift",
        "told",
        "up",
    )

    def __init__(self, irs: int, limit: int, shift: int, manner: str = "steady") -> None:
        self.irs = first_lap(irs)
        self.nxt = self.irs + 1
        self.limit = limit if manner == "exact" else min(limit, MAX_FIELD << shift)
        """Octets that unread and early text may have together; no more than the window field can say, but to a BSD."""
        self.shift = shift
        """Rcv.Wind.Shift."""
        self.manner = manner
        """How the window moves: `halfopen.tcp.windows.WindowRule.offer`."""
        self.offered = 0
        """Octets of the window last offered, if `manner` is not steady."""
        self.queue = OctetQueue(self.nxt)
        self.edge = self.nxt
        """The highest RCV.NXT + RCV.WND ever offered."""
        self.told = self.nxt
        """RCV.NXT as the peer last heard of it (Last.ACK.sent of RFC 7323)."""
        self.ahead: list[Block] = []
        self.pieces = 0
        """Segments that `ahead` is made of."""
        self.recent: dict[int, Block] = {}
        """Blocks by their start, the one that last grew at the end (RFC 2018 4)."""
        self.duplicate: tuple[int, int] | None = None
        """Octets that have come twice, to be reported once (RFC 2883)."""
        self.fin: int | None = None
        """Where the peer's FIN stands."""
        self.up = self.nxt
        """RCV.UP."""

    @property
    def wnd(self) -> int:
        """RCV.WND, as last offered."""
        return self.edge - self.nxt

    @property
    def widest(self) -> int:
        """The largest window that the field can express with the scale agreed on."""
        return MAX_FIELD << self.shift

    def offer_syn(self) -> int:
        """The window field of a SYN, which is never scaled (RFC 7323 2.2); moves the edge."""
        field = min(self.limit, MAX_FIELD)
        self.offered = field
        self.edge = max(self.edge, self.nxt + (self.limit if self.manner == "exact" else field))
        return field

    def offer(self, mss: int) -> int:
        """The window field for a segment that leaves now; moves the edge.

        The edge stays until it can move by a segment or half of the buffer (MUST-39), and what rounding by the scale
        takes away is given back, so that it never moves left. But not for ever: to a peer that sends less than
        the scale's unit at a time the window would never close. From an eighth over `limit` on the field is rounded
        down, while text up to `edge` stays welcome (RFC 7323 2.4).
        """
        if self.manner != "steady":
            return _offer_segments(self, mss) if self.manner == "segments" else _offer_exactly(self, mss)
        full = self.queue.start + self.limit
        target = full if full - self.edge >= min(self.limit // 2, mss) else self.edge
        shift = self.shift
        field = (target - self.nxt) >> shift
        edge = self.nxt + (field << shift)
        if edge < self.edge and edge + (1 << shift) <= full + self.limit // 8:
            field += 1
            edge += 1 << shift
        if edge > self.edge:
            self.edge = edge
        return field

    def can_open(self, mss: int) -> bool:
        """The user has taken so much that an update is worth sending: the window can grow by two segments or double."""
        growth = self.queue.start + self.limit - self.edge
        return growth >= min(self.limit // 2, 2 * mss) and growth >= self.wnd

    def grow(self, most: int) -> None:
        """Doubles the buffer, up to ``most``, if the peer fills it and the user keeps up (as Linux's auto-tuning)."""
        if self.limit < most and 2 * self.wnd < self.limit and 4 * len(self.queue) < self.limit:
            self.limit = min(2 * self.limit, most, self.widest)

    def accept(self, seq: int, buffers: Buffers, octets: int) -> int:
        """Takes text at ``seq`` (unwrapped); returns how far RCV.NXT moved: 0 for a duplicate or ahead of a hole.

        What is outside of the window, behind the FIN or already here is cut off; of octets that arrive twice the first
        stay (SECURITY: no rewriting). Sets `duplicate` to what was here before.
        """
        end = seq + octets
        if seq < self.nxt:
            self.note_duplicate(seq, min(end, self.nxt))
            if end <= self.nxt:
                return 0
            buffers = cut(buffers, self.nxt - seq, octets)
            seq = self.nxt
        edge = self.edge if self.fin is None else min(self.edge, self.fin)
        if end > edge:
            end = edge
            buffers = cut(buffers, 0, end - seq)
        if seq >= end:
            return 0
        if seq > self.nxt:
            if self.pieces * PIECE_OCTETS <= self.limit:
                self._insert(seq, end, buffers)
            return 0
        before = self.nxt
        if self.ahead and self.ahead[0].start < end:
            self._insert(seq, end, buffers)
        else:
            for buffer in buffers:
                self.queue.append(buffer)
            self.nxt = end
        if self.ahead:
            self._join()
        return self.nxt - before

    def _join(self) -> None:
        """If RCV.NXT has reached the first block, that is in order now."""
        if self.ahead[0].start == self.nxt:
            block = self.ahead.pop(0)
            del self.recent[block.start]
            for buffers in block.buffers:
                for buffer in buffers:
                    self.queue.append(buffer)
            self.pieces -= len(block.buffers)
            self.nxt = block.end

    def _insert(self, seq: int, end: int, buffers: Buffers) -> None:
        """Puts ``[seq, end)`` among the blocks, in the gaps between them only, and joins what touches.

        ahead     [==)     [=====)         [=)
        segment      [------------------)
        ahead     [=====================)  [=)
        """
        ahead = self.ahead
        low = index = bisect_left(ahead, seq, key=_end_of)
        if low < len(ahead) and ahead[low].end == seq and (low + 1 == len(ahead) or ahead[low + 1].start > end):
            self._extend(ahead[low], end, buffers)
            return
        run = Block(seq)
        while index < len(ahead) and ahead[index].start <= end:
            block = ahead[index]
            if run.end < block.start:
                run.append(cut(buffers, run.end - seq, block.start - seq), block.start)
                self.pieces += 1
            self.note_duplicate(max(seq, block.start), min(end, block.end))
            del self.recent[block.start]
            run = run.join(block)
            index += 1
        if run.end < end:
            run.append(cut(buffers, run.end - seq, end - seq), end)
            self.pieces += 1
        ahead[low:index] = [run]
        self.recent[run.start] = run

    def _extend(self, block: Block, end: int, buffers: Buffers) -> None:
        """The usual case behind a hole: the next segment in order continues a block."""
        block.append(buffers, end)
        self.pieces += 1
        del self.recent[block.start]
        self.recent[block.start] = block

    def note_duplicate(self, left: int, right: int) -> None:
        """``[left, right)`` has come again; of several in one segment the first is reported (RFC 2883 4)."""
        if left < right and self.duplicate is None:
            self.duplicate = (left, right)

    def take_fin(self, position: int) -> None:
        """The peer says that its text ends at ``position``: believed once, in the window, and behind all text here."""
        last = self.ahead[-1].end if self.ahead else self.nxt
        if self.fin is None and last <= position <= self.edge:
            self.fin = position

    def forget_duplicate(self) -> None:
        """It has been answered, and there is no option to say which octets it had."""
        self.duplicate = None

    def reach_fin(self) -> bool:
        """If all text before the peer's FIN is here, RCV.NXT steps over it; whether it just has."""
        if self.fin is None or self.nxt != self.fin:
            return False
        self.nxt += 1
        if self.edge < self.nxt:
            self.edge = self.nxt
        return True

    def sack_blocks(self, limit: int) -> list[tuple[int, int]]:
        """What to report (RFC 2018 4, RFC 2883 4), unwrapped: a duplicate, the block that last grew, older ones."""
        blocks: list[tuple[int, int]] = []
        duplicate = self.duplicate
        if duplicate is not None:
            self.duplicate = None
            blocks.append(duplicate)
            self._lead_with_block_around(duplicate)
        for block in reversed(self.recent.values()):
            if len(blocks) == limit:
                break
            blocks.append((block.start, block.end))
        return blocks

    def _lead_with_block_around(self, duplicate: tuple[int, int]) -> None:
        """RFC 2883 4 (3): the second block names the run that the duplicate lies in."""
        index = bisect_right(self.ahead, duplicate[0], key=_start_of) - 1
        if index >= 0 and duplicate[1] <= self.ahead[index].end:
            block = self.ahead[index]
            del self.recent[block.start]
            self.recent[block.start] = block

    @property
    def has_report(self) -> bool:
        """There is something that only a SACK option can tell."""
        return bool(self.ahead) or self.duplicate is not None

    @property
    def early_octets(self) -> int:
        """Octets held ahead of holes."""
        return sum(block.end - block.start for block in self.ahead)

    def forget_early(self) -> None:
        """What came ahead of holes that nothing will fill any more."""
        self.ahead.clear()
        self.recent.clear()
        self.pieces = 0
        self.duplicate = None


def _offer_segments(rcv: ReceiveSpace, mss: int) -> int:
    """Linux: nothing if little is free, whole segments of the peer's without a scale, and a scale's unit with one.

    ``mss`` is what the peer's segments seem to have (``__tcp_select_window``, ``tcp_select_window``).
    """
    unit = 1 << rcv.shift
    free = rcv.queue.start + rcv.limit - rcv.nxt
    mss = min(mss, rcv.limit)
    if free < rcv.limit >> 1 and free - free % unit < max(rcv.limit >> 4, mss):
        window = 0
    elif rcv.shift:
        window = free + -free % unit
    else:
        window = rcv.offered
        if window <= free - mss or window > free:
            window = free - free % mss
    if window < rcv.wnd:
        window = rcv.wnd + -rcv.wnd % unit
    rcv.offered = min(window, rcv.widest)
    rcv.edge = rcv.nxt + rcv.offered
    return rcv.offered >> rcv.shift


def _offer_exactly(rcv: ReceiveSpace, mss: int) -> int:
    """BSD: all that is free, unless that is little, rounded down by the scale; text up to there is welcome."""
    free = rcv.queue.start + rcv.limit - rcv.nxt
    if free < mss and free < rcv.limit // 4:
        free = 0
    rcv.offered = min(max(free, rcv.wnd), rcv.widest)
    rcv.edge = max(rcv.edge, rcv.nxt + rcv.offered)
    return rcv.offered >> rcv.shift


def discard(rcv: ReceiveSpace, start: int, end: int) -> None:
    """Forgets early octets ``[start, end)``, so that others may take their place; nothing is told of it."""
    ahead: list[Block] = []
    for block in rcv.ahead:
        if block.end <= start or block.start >= end:
            ahead.append(block)
            continue
        del rcv.recent[block.start]
        rcv.pieces -= len(block.buffers)
        whole = tuple(buffer for buffers in block.buffers for buffer in buffers)
        for left, right in ((block.start, start), (end, block.end)):
            if left < right:
                part = Block(left)
                part.append(cut(whole, left - block.start, right - block.start), right)
                rcv.pieces += 1
                rcv.recent[left] = part
                ahead.append(part)
    rcv.ahead = ahead


def _start_of(block: Block) -> int:
    return block.start


def _end_of(block: Block) -> int:
    return block.end
