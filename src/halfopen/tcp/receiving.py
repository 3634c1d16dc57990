"""The receive sequence space and reassembly (RFC 9293 3.3.1, 3.10.7.4 seventh step; RFC 815's idea).

     1          2          3
----------|----------|----------
       RCV.NXT    RCV.NXT
                 +RCV.WND = the right edge, which never moves left (SHLD-14)

queue: in order, not yet taken by the user      early: blocks behind a hole
"""

from typing import Final

from halfopen.base.native import mypyc_attr
from halfopen.base.octets import Buffers, OctetQueue, cut
from halfopen.tcp.linux_memory import Memory
from halfopen.tcp.reassembly import PIECE_OCTETS, Reassembly
from halfopen.tcp.seqnum import first_lap

MAX_FIELD: Final = 0xFFFF


@mypyc_attr(acyclic=True)
class ReceiveSpace:
    """RCV.*. All memory it holds lies in the window it has offered: unread and early octets fit `limit` and 1/8."""

    __slots__ = (
        "early",
        "edge",
        "fin",
        "irs",
        "limit",
        "manner",
        "memory",
        "nxt",
        "queue",
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
        self.memory: Memory | None = None
        """What the window is counted by, if `manner` is ``"segments"``."""
        self.queue = OctetQueue(self.nxt)
        self.edge = self.nxt
        """The highest RCV.NXT + RCV.WND ever offered."""
        self.told = self.nxt
        """RCV.NXT as the peer last heard of it (Last.ACK.sent of RFC 7323)."""
        self.early = Reassembly()
        """What is behind holes, and has come twice."""
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
        self.edge = max(self.edge, self.nxt + (field if self.manner == "steady" else self.limit))
        return field

    def offer(self, mss: int) -> int:
        """The window field for a segment that leaves now; moves the edge.

        The edge stays until it can move by a segment or half of the buffer (MUST-39), and what rounding by the scale
        takes away is given back, so that it never moves left. But not for ever: to a peer that sends less than
        the scale's unit at a time the window would never close. From an eighth over `limit` on the field is rounded
        down, while text up to `edge` stays welcome (RFC 7323 2.4).
        """
        if self.manner != "steady":
            return _offer_segments(self, mss) if self.memory is not None else _offer_exactly(self, mss)
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

    @property
    def free_field(self) -> int:
        """The window field that says how much room there is, whatever the peer was told before."""
        return min(self.limit - len(self.queue), self.widest) >> self.shift

    def can_open(self, mss: int) -> bool:
        """The user has taken so much that an update is worth sending: the window can grow by two segments or double."""
        if self.manner == "exact":
            return _is_worth_telling(self, mss)
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
            self.early.note_duplicate(seq, min(end, self.nxt))
            if end <= self.nxt:
                return 0
            buffers = cut(buffers, self.nxt - seq, octets)
            seq = self.nxt
        edge = self._reach(end)
        if end > edge:
            end = edge
            buffers = cut(buffers, 0, end - seq)
        if seq >= end:
            return 0
        early = self.early
        if seq > self.nxt:
            if early.pieces * PIECE_OCTETS <= self.limit or self.memory is not None:
                early.insert(seq, end, buffers)
            return 0
        before = self.nxt
        if early.blocks and early.blocks[0].start < end:
            early.insert(seq, end, buffers)
        else:
            for buffer in buffers:
                self.queue.append(buffer)
            self.nxt = end
        if early.blocks:
            self._join()
        return self.nxt - before

    def _reach(self, end: int) -> int:
        """How far text that goes to ``end`` is welcome: to the edge, if Linux has not looked already, or a FIN."""
        edge = self.edge if self.memory is None else end
        return edge if self.fin is None else min(edge, self.fin)

    def _join(self) -> None:
        """If RCV.NXT has reached the first block, that is in order now."""
        if self.early.blocks[0].start == self.nxt:
            block = self.early.pop()
            for buffers in block.buffers:
                for buffer in buffers:
                    self.queue.append(buffer)
            self.nxt = block.end

    def present(self) -> int:
        """Takes what has come before the handshake was complete; returns how far RCV.NXT moved."""
        before = self.nxt
        if self.early.blocks:
            self._join()
        return self.nxt - before

    def take_fin(self, position: int) -> None:
        """The peer says that its text ends at ``position``: believed once, in the window, and behind all text here.

        Linux forgets what has come from behind it.
        """
        is_linux = self.memory is not None
        if is_linux and position == self.nxt:
            self.early.forget()
        blocks = self.early.blocks
        last = blocks[-1].end if blocks else self.nxt
        if self.fin is None and last <= position and (is_linux or position <= self.edge):
            self.fin = position
            if position > self.nxt and self.manner != "exact":
                self.early.note_fin(position)

    def reach_fin(self) -> bool:
        """If all text before the peer's FIN is here, RCV.NXT steps over it; whether it just has."""
        if self.fin is None or self.nxt != self.fin:
            return False
        self.nxt += 1
        self.early.forget_recent()
        if self.edge < self.nxt:
            self.edge = self.nxt
        return True


def _offer_segments(rcv: ReceiveSpace, mss: int) -> int:
    """Linux: nothing if little is free, whole segments of the peer's without a scale, and a scale's unit with one.

    ``mss`` is what the peer's segments seem to have (``__tcp_select_window``, ``tcp_select_window``).
    """
    memory, unit = rcv.memory, 1 << rcv.shift
    assert memory is not None
    window = 0
    if memory.is_refusing:
        memory.is_refusing = False
    else:
        window = memory.select(mss, unit)
        if window < rcv.wnd and not memory.may_shrink(unit):
            window = rcv.wnd + -rcv.wnd % unit
    memory.wnd = window
    rcv.edge = rcv.nxt + window
    return min(window, rcv.widest) >> rcv.shift


def _offer_exactly(rcv: ReceiveSpace, mss: int) -> int:
    """BSD: all that is free, unless that is little, rounded up by the scale; text up to there is welcome.

    A FIN takes no room.
    """
    free = rcv.limit - len(rcv.queue)
    if free < mss and free < rcv.limit // 4:
        free = 0
    window = min(max(free, rcv.wnd), rcv.widest)
    window += -window % (1 << rcv.shift)
    rcv.edge = max(rcv.edge, rcv.nxt + window)
    return window >> rcv.shift


def _is_worth_telling(rcv: ReceiveSpace, mss: int) -> bool:
    """BSD: the window can grow by two segments that are a quarter of the buffer, unless it is small, or by half of it.

    A growth that the scale hides is none.
    """
    free, limit, told = min(rcv.limit - len(rcv.queue), rcv.widest), rcv.limit, max(0, rcv.edge - rcv.nxt)
    growth = free - told
    if free >> rcv.shift <= told >> rcv.shift:
        return False
    is_large = growth >= min(limit // 4, rcv.widest) or free <= limit // 8 or limit <= 8 * mss
    return (growth >= 2 * mss and is_large) or 2 * growth >= limit
