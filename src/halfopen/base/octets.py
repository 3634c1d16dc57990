"""Queues of octets that neither join nor copy large buffers: a TCP stream between the application and the wire."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, TypeAlias

from halfopen.base.native import mypyc_attr

Buffer: TypeAlias = bytes | bytearray | memoryview

Buffers: TypeAlias = tuple[Buffer, ...]
"""Octets in pieces: what `writev` takes. Read only."""

SMALL: Final = 512
"""Views shorter than this are copied, so that 20 octets cannot keep a 64 KB buffer alive."""

MOST_PINNED: Final = 4
"""A view keeps at most this many times its own octets alive; a smaller part of a buffer is copied."""


_NO_BUFFERS: Final[list[Buffer]] = []
_NO_ENDS: Final[list[int]] = []
"""What an empty queue has, so that an idle connection holds no lists. Never changed: an append makes new ones."""


def total_octets(buffers: Sequence[Buffer]) -> int:
    """The sum of the lengths."""
    if len(buffers) == 1:
        return len(buffers[0])
    return sum(map(len, buffers))


def cut(buffers: Buffers, start: int, stop: int) -> Buffers:
    """The octets ``[start, stop)`` of what ``buffers`` hold together, as views of them."""
    pieces: list[Buffer] = []
    at = 0
    for buffer in buffers:
        end = at + len(buffer)
        if end > start:
            if at >= stop:
                break
            low = start - at if start > at else 0
            high = stop - at if stop < end else end - at
            pieces.append(buffer if high - low == end - at else view(buffer, low, high))
        at = end
    return tuple(pieces)


def view(buffer: Buffer, start: int, stop: int) -> Buffer:
    """``buffer[start:stop]`` without a copy, unless it is so small, or so small a part, that a copy pins less."""
    octets = stop - start
    if octets < SMALL:
        return bytes(buffer[start:stop])
    pinned = len(buffer) if isinstance(buffer, bytes) else _pinned_octets(buffer)
    if octets * MOST_PINNED < pinned:
        return bytes(buffer[start:stop])
    return memoryview(buffer)[start:stop]


def _pinned_octets(buffer: bytearray | memoryview) -> int:
    return len(memoryview(buffer.obj) if isinstance(buffer, memoryview) else buffer)


@mypyc_attr(acyclic=True)
class OctetQueue:
    """First in, first out; each octet has a position that never changes, counted from the first octet ever appended.

    Append and consume cost O(1) per buffer; `peek` finds its place by bisection. Buffers are kept as they are given:
    who appends a mutable buffer must not change it afterwards. Only small neighbours are joined, so that a million
    single octets do not cost a million objects.
    """

    __slots__ = ("_buffers", "_ends", "_head", "start", "stop")

    def __init__(self, start: int = 0) -> None:
        self._buffers = _NO_BUFFERS
        self._ends = _NO_ENDS
        self._head = 0
        self.start = start
        self.stop = start

    def __len__(self) -> int:
        return self.stop - self.start

    def append(self, buffer: Buffer) -> None:
        """Adds octets at the end; an empty buffer adds nothing."""
        octets = len(buffer)
        if octets == 0:
            return
        self.stop += octets
        if not self._ends:
            self._buffers = [buffer]
            self._ends = [self.stop]
        elif octets < SMALL and len(self._buffers[-1]) < SMALL:
            self._buffers[-1] = bytes(self._buffers[-1]) + buffer
            self._ends[-1] = self.stop
        else:
            self._buffers.append(buffer)
            self._ends.append(self.stop)

    def consume(self, count: int) -> None:
        """Forgets the first ``count`` octets; ValueError if there are fewer."""
        if not 0 <= count <= self.stop - self.start:
            raise ValueError(f"cannot consume {count} octets of {len(self)}")
        self.start += count
        if self._head < len(self._ends) and self.start < self._ends[self._head]:
            return
        gone = bisect_right(self._ends, self.start, self._head)
        if gone == len(self._ends):
            self._empty()
        elif gone > 64 or 2 * gone > len(self._ends):
            del self._buffers[:gone]
            del self._ends[:gone]
            self._head = 0
        else:
            self._buffers[self._head : gone] = [b""] * (gone - self._head)
            self._head = gone

    def peek(self, position: int, count: int) -> Buffers:
        """Up to ``count`` octets from ``position`` on, as views; they stay in the queue."""
        if not self.start <= position <= self.stop:
            raise ValueError(f"position {position} is outside of [{self.start}, {self.stop}]")
        stop = min(position + count, self.stop)
        index = self._head
        if index < len(self._ends) and position >= self._ends[index]:
            index = bisect_right(self._ends, position, index)
        pieces: list[Buffer] = []
        while position < stop:
            buffer, end = self._buffers[index], self._ends[index]
            origin = end - len(buffer)
            high = end if end < stop else stop
            if position == origin and high == end:
                pieces.append(buffer)
            else:
                pieces.append(memoryview(buffer)[position - origin : high - origin])
            position = high
            index += 1
        return tuple(pieces)

    def take(self, count: int) -> Buffers:
        """Up to ``count`` octets from the front, which leave the queue."""
        taken = self.peek(self.start, count)
        if self.start + count < self.stop:
            self.consume(count)
        else:
            self.clear()
        return taken

    def clear(self) -> None:
        """Forgets all octets; positions go on from where they were."""
        self._empty()
        self.start = self.stop

    def _empty(self) -> None:
        self._buffers = _NO_BUFFERS
        self._ends = _NO_ENDS
        self._head = 0
