"""Linux's receive buffer: what segments cost there, and the window that is left (``tcp_input.c``, ``tcp_output.c``).

A buffer is charged for all the memory of a packet. What share of that is text is learnt from the packets themselves,
and the window is that share of the free part. It begins small and widens as the packets prove worth their memory.
"""

from collections.abc import Sequence
from typing import Final

from halfopen.base.clock import Instant
from halfopen.tcp.config import BufferConfig
from halfopen.tcp.linux_tuning import Tuning

_HALF: Final = 128
"""Of 256 parts: how much of a buffer is text, before a segment has shown it (``TCP_DEFAULT_SCALING_RATIO``)."""
_DESCRIPTOR: Final = 256
_HEAD: Final = 64 + 320
"""Before and behind the octets of a packet."""
_SHARED: Final = 320
_SMALL_HEAD: Final = 576
PAGE: Final = 4096
_LEAST_CLAMP: Final = 1152
"""``SOCK_MIN_RCVBUF / 2``."""
HEADERS: Final = 40
COMPACT_OCTETS: Final = PAGE - _SHARED
"""Of text, in a packet that others have been copied into (``SKB_WITH_OVERHEAD(PAGE_SIZE)``)."""


def cost(octets: int) -> int:
    """Memory of an IP packet of ``octets`` as a TUN device makes them (``truesize``)."""
    return _allocated(octets + _HEAD)


def _allocated(octets: int) -> int:
    if octets <= _SMALL_HEAD:
        return _DESCRIPTOR + _SMALL_HEAD
    return _DESCRIPTOR + (1 << (octets - 1).bit_length() if octets <= PAGE else octets + -octets % PAGE)


class Packet:
    """One packet of the receive queue or, ahead of a hole, of the other one: octets ``[start, end)``."""

    __slots__ = ("end", "memory", "room", "start")

    def __init__(self, start: int, end: int, octets: int) -> None:
        self.start = start
        self.end = end
        self.memory = cost(octets + HEADERS)
        """``truesize``."""
        needed = octets + HEADERS + _HEAD
        self.room = max(0, self.memory - _DESCRIPTOR - needed) if needed <= PAGE else 0
        """Octets that can be copied behind those that are there; none where they lie in pages (``skb_tailroom``)."""

    def absorb(self, after: "Packet") -> bool:
        """``after`` goes on where this one ends, and is short enough to be copied there (``tcp_try_coalesce``)."""
        octets = after.end - after.start
        if after.start != self.end or octets > self.room:
            return False
        self.end = after.end
        self.room -= octets
        return True

    def is_bloated(self, ratio: int) -> bool:
        """Its memory holds more than its text, as packets go (``tcp_collapse``)."""
        return self.memory * ratio >> 8 > self.end - self.start


def compacted(packets: Sequence[Packet], ratio: int) -> tuple[list[Packet], int]:
    """``packets`` in a row, copied into as few as possible from the first on that wastes memory; and how many were.

    Pages are filled (``tcp_collapse``).
    """
    first = 0
    while first < len(packets) and not packets[first].is_bloated(ratio):
        first += 1
    kept = list(packets[:first])
    if first < len(packets):
        start, end = packets[first].start, packets[-1].end
        while start < end:
            stop = min(end, start + COMPACT_OCTETS)
            packet = Packet(start, stop, 0)
            packet.memory = _allocated(stop - start + _SHARED)
            packet.room = 0
            kept.append(packet)
            start = stop
    return kept, len(packets) - first


class Memory:
    """The receive buffer of one connection."""

    __slots__ = (
        "_config",
        "_queue",
        "buffer",
        "clamp",
        "is_refusing",
        "ratio",
        "threshold",
        "tuning",
        "used",
        "wnd",
    )

    def __init__(self, buffers: BufferConfig, first_window: int, mss: int) -> None:
        self._config = buffers
        self.buffer = buffers.receive_initial
        """``sk_rcvbuf``."""
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
        self.tuning = Tuning()
        self._queue: list[Packet] = []
        """What waits to be read."""

    @property
    def largest(self) -> int:
        """What buffers may grow to, and what a window is measured against (``tcp_rmem[2]``)."""
        return self._config.linux.most or self._config.receive

    def space(self, octets: int) -> int:
        """Text that ``octets`` of memory hold."""
        return max(0, octets) * self.ratio >> 8

    def measure(self, octets: int) -> None:
        """A segment of another size shows what share of its memory is text (``tcp_measure_rcv_mss``)."""
        ratio = max(1, (octets << 8) // cost(octets + HEADERS))
        if ratio != self.ratio:
            self.ratio = ratio
            self.limit_to(self.space(self.buffer))
            self.tuning.taken = min(self.tuning.taken, self.clamp)

    def limit_to(self, clamp: int) -> None:
        """No wider window than ``clamp`` from now on (``tcp_set_window_clamp``)."""
        before, self.clamp = self.clamp, max(_LEAST_CLAMP, clamp)
        if self.clamp < before:
            self.threshold = min(self.threshold, self.clamp)
        elif self.clamp > before:
            self.threshold = max(min(self.wnd, self.clamp), self.threshold)

    def resize(self, buffers: BufferConfig, was: BufferConfig) -> None:
        """SO_RCVBUF or TCP_WINDOW_CLAMP; the window follows as text comes."""
        self._config = buffers
        if buffers.receive_initial != was.receive_initial:
            self.buffer = buffers.receive_initial
        if buffers.window_clamp is not None and buffers.window_clamp != was.window_clamp:
            self.limit_to(buffers.window_clamp)

    def grow(self, octets: int, mss: tuple[int, int]) -> bool:
        """A segment worth its memory widens the window (``tcp_grow_window``); ``mss``: ours as advertised, the peer's.

        Whether it did.
        """
        room = min(self.clamp, self.space(self.buffer - self.used)) - self.threshold
        if room <= 0:
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

    def adapt(self, taken: int, early: int) -> None:
        """The buffer becomes as large as its user's pace needs it, if that is larger (``tcp_rcvbuf_grow``)."""
        window = self.tuning.demand(taken, early)
        if not self._config.linux.moderates or self._config.linux.most:
            return
        wanted = min((window << 8) // self.ratio, self.largest)
        if wanted > self.buffer:
            self.buffer = wanted
            self.clamp = self.space(wanted)

    def has_room(self) -> bool:
        """Whether the next packet is taken (``tcp_can_ingest``)."""
        return self.used <= self.buffer

    def relent(self, mss: int) -> None:
        """There is no room: the buffer grows to what it holds, unless its user has fixed it (``tcp_clamp_window``)."""
        if self.buffer < self.largest and not self._config.linux.most:
            self.buffer = min(self.used, self.largest)
        if self.used > self.buffer:
            self.threshold = min(self.clamp, 2 * mss)

    def compact(self, start: int) -> int:
        """Makes room among what has not been read from ``start`` on; how many packets went (``tcp_collapse``)."""
        if self._queue:
            self._queue[0].start = max(start, self._queue[0].start)
        before = sum(packet.memory for packet in self._queue)
        self._queue, count = compacted(self._queue, self.ratio)
        self.used += sum(packet.memory for packet in self._queue) - before
        return count

    @property
    def is_empty(self) -> bool:
        """Nothing waits to be read."""
        return not self._queue

    def put(self, packet: Packet) -> None:
        """A packet in order is kept. Short text is copied into the room behind the one before, and costs nothing."""
        if not self._queue or not self._queue[-1].absorb(packet):
            self._queue.append(packet)
            self.used += packet.memory

    def take(self, start: int, nxt: int, now: Instant) -> None:
        """The user has read everything before ``start``, and might have read up to ``nxt``.

        His pace is taken after the first packet, as he has copied it (``tcp_recvmsg_locked``).
        """
        first = min(start, self._queue[0].end) if self._queue else start
        taken = self.tuning.on_read(first, nxt - first, now)
        if taken:
            self.adapt(taken, 0)
        done = 0
        for packet in self._queue:
            if packet.end > start:
                break
            self.used -= packet.memory
            done += 1
        del self._queue[:done]

    def select(self, mss: int, unit: int) -> int:
        """What the window should be (``__tcp_select_window``); ``unit`` is the window scale's."""
        free, allowed = self.space(self.buffer - self.used), self.space(self.buffer)
        whole = min(self.clamp, allowed)
        mss = min(mss, whole)
        if self.may_shrink(unit):
            free -= free % unit
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

    def may_shrink(self, unit: int) -> bool:
        """The right edge may move left, as far as a scale can say so."""
        return self._config.linux.shrinks and unit > 1

    def is_tight(self) -> bool:
        """Less than half of the buffer is free: no ACKs in haste."""
        return self.space(self.buffer - self.used) < min(self.clamp, self.space(self.buffer)) >> 1
