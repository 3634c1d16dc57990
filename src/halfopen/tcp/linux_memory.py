"""Linux's receive buffer: what segments cost there, and the window that is left (``tcp_input.c``, ``tcp_output.c``).

A buffer is charged for all the memory of a packet. What share of that is text is learnt from the packets themselves,
and the window is that share of the free part. It begins small and widens as the packets prove worth their memory.
"""

from collections import deque
from typing import Final

from halfopen.tcp.config import BufferConfig

_HALF: Final = 128
"""Of 256 parts: how much of a buffer is text, before a segment has shown it (``TCP_DEFAULT_SCALING_RATIO``)."""
_DESCRIPTOR: Final = 256
_HEAD: Final = 64 + 320
"""Before and behind the octets of a packet."""
_SMALL_HEAD: Final = 640
_LEAST_CLAMP: Final = 1152
"""``SOCK_MIN_RCVBUF / 2``."""
_WORTH_GROWING: Final = 128
"""Octets of the smallest segment that widens the window."""
_FIRST_SEGMENTS: Final = 10
HEADERS: Final = 40


def cost(octets: int) -> int:
    """Memory of an IP packet of ``octets`` as a TUN device makes them (``truesize``)."""
    needed = octets + _HEAD
    return _DESCRIPTOR + (_SMALL_HEAD if needed <= _SMALL_HEAD else 1 << (needed - 1).bit_length())


class Memory:
    """The receive buffer of one connection."""

    __slots__ = ("_early", "_queue", "buffer", "clamp", "is_refusing", "largest", "ratio", "threshold", "used", "wnd")

    def __init__(self, buffers: BufferConfig, first_window: int, mss: int) -> None:
        self.buffer = buffers.receive_initial
        """``sk_rcvbuf``."""
        self.largest = buffers.receive
        """What the buffer may grow to, and what a window is measured against (``tcp_rmem[2]``)."""
        self.ratio = _HALF
        self.used = 0
        """``sk_rmem_alloc``."""
        self.wnd = first_window
        """The window last offered (``rcv_wnd``)."""
        whole = self.space(self.buffer)
        clamp = whole if buffers.window_clamp is None else min(whole, buffers.window_clamp)
        if clamp > 2 * mss and clamp + mss > whole:
            clamp = max(2 * mss, whole - mss)
        self.clamp = clamp
        self.threshold = min(first_window, clamp)
        """The window may be as wide as this for now (``rcv_ssthresh``)."""
        self.is_refusing = False
        """A packet has found no room: the next ACK says that there is none (``ICSK_ACK_NOMEM``)."""
        self._queue: deque[tuple[int, int, int]] = deque()
        """(end, memory, room behind it) of packets that wait to be read."""
        self._early: dict[int, tuple[int, int]] = {}
        """By their start, the end and memory of packets behind a hole."""

    def space(self, octets: int) -> int:
        """Text that ``octets`` of memory hold."""
        return max(0, octets) * self.ratio >> 8

    def measure(self, octets: int) -> None:
        """A segment of another size shows what share of its memory is text (``tcp_measure_rcv_mss``)."""
        ratio = max(1, (octets << 8) // cost(octets + HEADERS))
        if ratio != self.ratio:
            self.ratio = ratio
            self.limit_to(self.space(self.buffer))

    def limit_to(self, clamp: int) -> None:
        """No wider window than ``clamp`` from now on (``tcp_set_window_clamp``)."""
        before, self.clamp = self.clamp, max(_LEAST_CLAMP, clamp)
        if self.clamp < before:
            self.threshold = min(self.threshold, self.clamp)
        elif self.clamp > before:
            self.threshold = max(min(self.wnd, self.clamp), self.threshold)

    def resize(self, buffers: BufferConfig, was: BufferConfig) -> None:
        """SO_RCVBUF or TCP_WINDOW_CLAMP; the window follows as text comes."""
        if buffers.receive_initial != was.receive_initial:
            self.buffer, self.largest = buffers.receive_initial, buffers.receive
        if buffers.window_clamp is not None and buffers.window_clamp != was.window_clamp:
            self.limit_to(buffers.window_clamp)

    def grow(self, octets: int, mss: tuple[int, int]) -> bool:
        """A segment worth its memory widens the window (``tcp_grow_window``); ``mss``: ours as advertised, the peer's.

        Whether it did.
        """
        room = min(self.clamp, self.space(self.buffer - self.used)) - self.threshold
        if octets < _WORTH_GROWING or room <= 0:
            return False
        memory = cost(octets + HEADERS)
        increment = 2 * mss[0] if self.space(memory) <= octets else self._small_increment(memory, octets, mss[1])
        if increment:
            self.threshold += min(room, max(increment, 2 * octets))
        return increment > 0

    def _small_increment(self, memory: int, octets: int, mss: int) -> int:
        """The smaller the window still is, the more a segment may waste (``__tcp_grow_window``)."""
        share, window = self.space(memory) >> 1, self.space(self.largest) >> 1
        while self.threshold <= window:
            if share <= octets:
                return 2 * mss
            share >>= 1
            window >>= 1
        return 0

    def has_room(self) -> bool:
        """Whether the next packet is taken (``tcp_can_ingest``)."""
        return self.used <= self.buffer

    @property
    def is_empty(self) -> bool:
        """Nothing waits to be read."""
        return not self._queue

    def put(self, start: int, end: int, nxt: int, *, is_early: bool) -> None:
        """A packet with octets ``[start, end)`` is kept; those up to ``nxt`` can be read."""
        memory = cost(end - start + HEADERS)
        if is_early:
            for covered in [each for each, (stop, _) in self._early.items() if start <= each and stop <= end]:
                self.used -= self._early.pop(covered)[1]
            if start not in self._early:
                self._early[start] = (end, memory)
                self.used += memory
            return
        self._append(end - start, end, memory)
        for early in sorted(each for each in self._early if each <= nxt):
            stop, size = self._early.pop(early)
            self.used -= size
            self._append(stop - early, stop, size)

    def _append(self, octets: int, end: int, memory: int) -> None:
        """Short text is copied into the room behind the packet before it, and costs nothing."""
        if self._queue and octets <= self._queue[-1][2]:
            _, size, room = self._queue[-1]
            self._queue[-1] = (end, size, room - octets)
            return
        self._queue.append((end, memory, max(0, memory - _DESCRIPTOR - _HEAD - HEADERS - octets)))
        self.used += memory

    def take(self, start: int) -> None:
        """The user has read everything before ``start``."""
        while self._queue and self._queue[0][0] <= start:
            self.used -= self._queue.popleft()[1]

    def select(self, mss: int, unit: int) -> int:
        """What the window should be (``__tcp_select_window``); ``unit`` is the window scale's."""
        free, allowed = self.space(self.buffer - self.used), self.space(self.buffer)
        whole = min(self.clamp, allowed)
        mss = min(mss, whole)
        if free < whole >> 1:
            free -= free % unit
            if free < allowed >> 4 or free < mss:
                return 0
        free = min(free, self.threshold)
        if unit > 1:
            return free + -free % unit
        if self.wnd <= free - mss or self.wnd > free:
            return free - free % mss
        if mss == whole and free > self.wnd + (whole >> 1):
            return free
        return self.wnd

    def is_tight(self) -> bool:
        """Less than half of the buffer is free: no ACKs in haste."""
        return self.space(self.buffer - self.used) < min(self.clamp, self.space(self.buffer)) >> 1
