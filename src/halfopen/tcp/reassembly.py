"""Text that has come ahead of a hole, and what SACK says of it (RFC 815's idea, RFC 2018 4, RFC 2883 4)."""

from bisect import bisect_left, bisect_right
from typing import Final

from halfopen.base.native import mypyc_attr
from halfopen.base.octets import Buffers, cut

PIECE_OCTETS: Final = 384
"""What keeping one early segment costs beside its octets: tiny ones cannot make a window hold more than it says."""


@mypyc_attr(acyclic=True)
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


_NO_BLOCKS: Final[list[Block]] = []
_NONE_RECENT: Final[dict[int, Block]] = {}
"""What there is while nothing is early, so that most connections hold neither. Never changed: what comes makes new."""


@mypyc_attr(acyclic=True)
class Reassembly:
    """Blocks behind holes, in order of their numbers and of their arrival."""

    __slots__ = ("blocks", "duplicate", "fin", "pieces", "recent")

    def __init__(self) -> None:
        self.blocks = _NO_BLOCKS
        self.pieces = 0
        """Segments that `blocks` are made of."""
        self.recent = _NONE_RECENT
        """Blocks by their start, the one that last grew at the end (RFC 2018 4)."""
        self.duplicate: tuple[int, int] | None = None
        """Octets that have come twice, to be reported once (RFC 2883)."""
        self.fin: Block | None = None
        """The peer's FIN, if it has come ahead of a hole: it has a number, too."""

    def insert(self, seq: int, end: int, buffers: Buffers) -> None:
        """Puts ``[seq, end)`` among the blocks, in the gaps between them only, and joins what touches.

        blocks     [==)     [=====)         [=)
        segment      [------------------)
        blocks     [=====================)  [=)
        """
        blocks = self.blocks
        low = index = bisect_left(blocks, seq, key=_end_of)
        if low < len(blocks) and blocks[low].end == seq and (low + 1 == len(blocks) or blocks[low + 1].start > end):
            self._extend(blocks[low], end, buffers)
            return
        run = Block(seq)
        while index < len(blocks) and blocks[index].start <= end:
            block = blocks[index]
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
        if blocks:
            blocks[low:index] = [run]
        else:
            self.blocks = [run]
        self._note_recent(run)

    def _note_recent(self, block: Block) -> None:
        if self.recent:
            self.recent[block.start] = block
        else:
            self.recent = {block.start: block}

    def _extend(self, block: Block, end: int, buffers: Buffers) -> None:
        """The usual case behind a hole: the next segment in order continues a block."""
        block.append(buffers, end)
        self.pieces += 1
        del self.recent[block.start]
        self.recent[block.start] = block

    def pop(self) -> Block:
        """The first block, which is behind no hole any more."""
        block = self.blocks.pop(0)
        del self.recent[block.start]
        self.pieces -= len(block.buffers)
        return block

    def note_duplicate(self, left: int, right: int) -> None:
        """``[left, right)`` has come again; of several in one segment the first is reported (RFC 2883 4)."""
        if left < right and self.duplicate is None:
            self.duplicate = (left, right)

    def forget_duplicate(self) -> None:
        """It has been answered, and there is no option to say which octets it had."""
        self.duplicate = None

    def note_fin(self, position: int) -> None:
        """The FIN stands at ``position``, behind a hole."""
        self.fin = Block(position)
        self.fin.end = position + 1
        if not self.blocks or self.blocks[-1].end < position:
            self._note_recent(self.fin)

    @property
    def has_report(self) -> bool:
        """There is something that only a SACK option can tell."""
        return bool(self.recent) or self.duplicate is not None

    @property
    def octets(self) -> int:
        """How many are held."""
        return sum(block.end - block.start for block in self.blocks)

    def report(self, limit: int) -> list[tuple[int, int]]:
        """What to report (RFC 2018 4, RFC 2883 4), unwrapped: a duplicate, the block that last grew, older ones."""
        reported: list[tuple[int, int]] = []
        duplicate, fin = self.duplicate, self.fin
        if duplicate is not None:
            self.duplicate = None
            reported.append(duplicate)
            self._lead_with_block_around(duplicate)
        if fin is not None and self.blocks and self.blocks[-1].end == fin.start:
            self.recent.pop(fin.start, None)
        for block in reversed(self.recent.values()):
            if len(reported) == limit:
                break
            is_last = fin is not None and block.end == fin.start
            reported.append((block.start, block.end + is_last))
        return reported

    def _lead_with_block_around(self, duplicate: tuple[int, int]) -> None:
        """RFC 2883 4 (3): the second block names the run that the duplicate lies in."""
        index = bisect_right(self.blocks, duplicate[0], key=_start_of) - 1
        if index >= 0 and duplicate[1] <= self.blocks[index].end:
            block = self.blocks[index]
            del self.recent[block.start]
            self.recent[block.start] = block

    def forget_recent(self) -> None:
        """There is nothing to report any more but what has come twice."""
        self.recent = _NONE_RECENT

    def forget(self) -> None:
        """What came ahead of holes that nothing will fill any more."""
        self.blocks = _NO_BLOCKS
        self.forget_recent()
        self.pieces = 0
        self.duplicate = None

    def abandon(self) -> None:
        """The connection is over: nothing is held any more."""
        self.forget()

    def discard(self, start: int, end: int) -> None:
        """Forgets octets ``[start, end)``, so that others may take their place; nothing is told of it."""
        blocks: list[Block] = []
        for block in self.blocks:
            if block.end <= start or block.start >= end:
                blocks.append(block)
                continue
            del self.recent[block.start]
            self.pieces -= len(block.buffers)
            whole = tuple(buffer for buffers in block.buffers for buffer in buffers)
            for left, right in ((block.start, start), (end, block.end)):
                if left < right:
                    part = Block(left)
                    part.append(cut(whole, left - block.start, right - block.start), right)
                    self.pieces += 1
                    self._note_recent(part)
                    blocks.append(part)
        self.blocks = blocks


def _start_of(block: Block) -> int:
    return block.start


def _end_of(block: Block) -> int:
    return block.end
