"""What the network does to each packet on its way, and when it comes out: one `Impairment` at work."""

from bisect import insort
from collections import deque
from collections.abc import Callable
from typing import Final

from halfopen.base.chance import Correlated, Jitter, make_loss
from halfopen.base.clock import NEVER, SECOND, Instant
from halfopen.base.counters import Counters
from halfopen.base.impairment import CoDel, DropTail, Impairment, Red
from halfopen.base.rng import Rng
from halfopen.wire.ecn import marked
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_NONE, Packet
from halfopen.wire.queues import DROPPED, MARKED, OVERLIMIT, Bottleneck, CoDelQueue, RedQueue

LOST: Final = 1
DUPLICATED: Final = 4
CORRUPTED: Final = 8
REORDERED: Final = 16


class Channel:
    """One direction of a network: packets in, packets out at their time.

    First a queue in front of the rate, then loss, duplication and corruption, then the delay. Unlike netem: what is
    lost or doubled behind the rate has taken its time on it once.

    What befalls a packet goes to ``counters``: ``Lost``, ``Duplicated``, ``Corrupted``, ``Reordered``, ``Overlimit``
    for what a full queue refused, ``Dropped`` and ``Marked`` for what it did before, behind ``prefix``. ``tell`` hears
    the fate of packets that met it after they were admitted. Seeded: the same packets at the same times meet the same
    fate.
    """

    def __init__(self, impairment: Impairment, network_offset: int, rng: Rng, counters: Counters, prefix: str) -> None:
        self.tell: Callable[[Packet, int], None] | None = None
        self._network_offset = network_offset
        self._rng = rng
        self._counters = counters
        self._prefix = prefix
        self._line = Line()
        self._bottlenecks: list[Bottleneck] = []
        self._held: deque[tuple[Instant, int, Packet]] = deque()
        self._held_packets = 0
        self._order = 0
        self.impairment = impairment
        self._fates = Fates(impairment)
        self._set_queue()

    def impair(self, impairment: Impairment) -> None:
        """Packets that are admitted from now on meet this; those on their way go on as they were."""
        before, self.impairment = self.impairment, impairment
        self._fates = Fates(impairment)
        if (before.queue, before.rate) != (impairment.queue, impairment.rate):
            self._set_queue()

    def _set_queue(self) -> None:
        queue, rate = self.impairment.queue, self.impairment.rate
        if isinstance(queue, CoDel):
            self._bottlenecks.append(Bottleneck(CoDelQueue(queue, self._network_offset), rate))
        elif isinstance(queue, Red):
            self._bottlenecks.append(Bottleneck(RedQueue(queue, self._network_offset, self._rng, rate), rate))

    def takes_whole(self, packet: Packet) -> bool:
        """Whether a super-segment may be admitted as it is, because its packets would meet the same fate."""
        impairment = self.impairment
        if impairment.rate or self._fates.is_eventful:
            return False
        return not impairment.holds_back or self._held_packets + packets_in(packet) <= impairment.queue.limit

    def serialises_whole(self, packet: Packet, now: Instant) -> bool:
        """Whether a super-segment may be admitted as it is although there is a rate: nothing looks at its packets.

        There has to be room for all of them. They leave the rate together, with the last bit, and its queue together,
        when the first bit does: what a device with segmentation offload has been handed waits in no queue any more.
        """
        impairment = self.impairment
        queue = impairment.queue
        if not impairment.rate or self._fates.is_eventful or not isinstance(queue, DropTail):
            return False
        return self._line.has_room(packet, now, queue)

    def admit(self, packet: Packet, now: Instant) -> int:
        """Takes one packet; its fate as a sum of the constants above, 0 if it is just handed on."""
        impairment = self.impairment
        queue = impairment.queue
        when = now
        if not isinstance(queue, DropTail):
            return self._queue(packet, now)
        if impairment.rate:
            on_line = self._line.enter(packet, now, impairment.rate, queue)
            if on_line is None:
                return self._count(OVERLIMIT)
            when = on_line
        elif self._held_packets >= queue.limit and impairment.holds_back:
            return self._count(OVERLIMIT)
        if self._fates.is_eventful:
            return self._meet(packet, when)
        self._hold(packet, when + impairment.delay)
        return 0

    def backlog(self, now: Instant) -> tuple[int, int]:
        """Packets and octets that wait for the rate."""
        if isinstance(self.impairment.queue, DropTail):
            return self._line.backlog(now)
        return self._bottlenecks[-1].backlog

    def next_deadline(self) -> Instant:
        """When `due` has something to do: a packet leaves its queue, or the network."""
        deadline = self._held[0][0] if self._held else NEVER
        if self._bottlenecks:
            return min(deadline, *[bottleneck.next_deadline() for bottleneck in self._bottlenecks])
        return deadline

    def due(self, now: Instant, limit: int) -> list[Packet]:
        """Up to ``limit`` packets whose time has come, in the order of their times."""
        if self._bottlenecks:
            self._advance(now)
        held = self._held
        packets: list[Packet] = []
        while held and held[0][0] <= now and len(packets) < limit:
            packet = held.popleft()[2]
            self._held_packets -= packets_in(packet) if packet.gso_size else 1
            packets.append(packet)
        return packets

    def _queue(self, packet: Packet, now: Instant) -> int:
        self._advance(now)
        fate = self._bottlenecks[-1].admit(packet, now)
        if fate:
            self._count(fate)
        return fate | self._advance(now, packet)

    def _advance(self, now: Instant, admitted: Packet | None = None) -> int:
        """Lets queues send until ``now``; the fate of the packet just ``admitted``, if it has gone already."""
        fate = 0
        for bottleneck in tuple(self._bottlenecks):
            for packet, mark, when in bottleneck.advance(now):
                if mark:
                    self._count(mark)
                befallen = mark if mark == DROPPED else mark | self._meet(packet, when)
                if packet is admitted:
                    fate = befallen
                elif befallen and self.tell is not None:
                    self.tell(packet, befallen)
            is_current = bottleneck is self._bottlenecks[-1] and not isinstance(self.impairment.queue, DropTail)
            if not bottleneck.backlog[0] and not is_current:
                self._bottlenecks.remove(bottleneck)
        return fate

    def _hold(self, packet: Packet, until: Instant) -> None:
        self._order += 1
        self._held_packets += packets_in(packet) if packet.gso_size else 1
        held, entry = self._held, (until, self._order, packet)
        if not held or until >= held[-1][0]:
            held.append(entry)
        else:
            insort(held, entry)

    def _meet(self, packet: Packet, when: Instant) -> int:
        """Lets fate befall one packet, no super-segment, that has left the rate at ``when``."""
        fates, rng = self._fates, self._rng
        fate = 0
        copies = 1
        if fates.duplicate.happens(rng):
            fate = self._count(DUPLICATED)
            copies = 2
        if fates.loss.happens(rng):
            spared = marked(packet, self._network_offset) if self.impairment.ecn else None
            if spared is None:
                fate |= self._count(LOST)
                # As in netem: a lost packet that was to be duplicated arrives once.
                copies -= 1
            else:
                fate |= self._count(MARKED)
                packet = spared
        for _ in range(copies):
            fate |= self._delay(packet, when)
        return fate

    def _delay(self, packet: Packet, when: Instant) -> int:
        fates, rng = self._fates, self._rng
        fate = 0
        if fates.corrupt.happens(rng):
            fate = self._count(CORRUPTED)
            packet = self._corrupted(packet)
        if fates.overtakes(rng):
            fate |= self._count(REORDERED)
            self._hold(packet, when)
        else:
            self._hold(packet, max(when, when + self.impairment.delay + fates.jitter.draw(rng)))
        return fate

    def _count(self, fate: int) -> int:
        self._counters.add(self._prefix + _NAMES[fate])
        return fate

    def _corrupted(self, packet: Packet) -> Packet:
        """One bit inverted behind the link header: an Ethernet's own check would have caught one within."""
        octets = bytearray(complete_checksum(packet).joined())
        if len(octets) <= self._network_offset:
            return packet
        bit = self._rng.below(8 * (len(octets) - self._network_offset))
        octets[self._network_offset + (bit >> 3)] ^= 1 << (bit & 7)
        return Packet(bytes(octets), (), CHECKSUM_NONE)


class Line:
    """Packets that wait in line for a wire to be free (drop-tail). When each will be on it is known when it comes."""

    __slots__ = ("_free_at", "_octets", "_packets", "_waiting")

    def __init__(self) -> None:
        self._free_at: Instant = 0
        self._waiting: deque[tuple[Instant, int, int]] = deque()
        """(until when, octets, packets)."""
        self._octets = 0
        self._packets = 0

    def has_room(self, packet: Packet, now: Instant, queue: DropTail) -> bool:
        """Whether all packets of a super-segment find room."""
        count = packets_in(packet)
        octets = octets_on_the_wire(packet, count)
        packets, waiting = self.backlog(now)
        if self._free_at <= now:  # The first of them does not wait.
            octets -= octets // count
            count -= 1
        return packets + count <= queue.limit if queue.unit == "packets" else waiting + octets <= queue.limit

    def enter(self, packet: Packet, now: Instant, rate: int, queue: DropTail) -> Instant | None:
        """When the last bit of a packet will have left at ``rate`` bits per second.

        None if it would have to wait, and the queue is full. A super-segment, which has to have room, is one.
        """
        count = packets_in(packet) if packet.gso_size else 1
        octets = octets_on_the_wire(packet, count) if packet.gso_size else packet.octets
        start = now
        if self._free_at > now:
            packets, waiting = self.backlog(now)
            if packets >= queue.limit if queue.unit == "packets" else waiting + octets > queue.limit:
                return None
            start = self._free_at
            self._waiting.append((start, octets, count))
            self._octets += octets
            self._packets += count
        self._free_at = start + octets * 8 * SECOND // rate
        return self._free_at

    def backlog(self, now: Instant) -> tuple[int, int]:
        """Packets and octets that wait."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            _, octets, packets = waiting.popleft()
            self._octets -= octets
            self._packets -= packets
        return self._packets, self._octets


class Fates:
    """The random processes of an impairment."""

    __slots__ = ("_gap", "_reorder", "_since_reordered", "corrupt", "duplicate", "is_eventful", "jitter", "loss")

    def __init__(self, impairment: Impairment) -> None:
        memory = impairment.correlations
        self.loss = make_loss(impairment.loss, memory.loss)
        self.duplicate = Correlated(impairment.duplicate, memory.duplicate)
        self.corrupt = Correlated(impairment.corrupt, memory.corrupt)
        self.jitter = Jitter(impairment.jitter, impairment.distribution, memory.delay)
        self._reorder = Correlated(impairment.reorder, memory.reorder)
        self._gap = impairment.gap
        self._since_reordered = 0
        self.is_eventful = bool(
            impairment.loss or impairment.duplicate or impairment.corrupt or impairment.jitter or impairment.reorder
        )

    def overtakes(self, rng: Rng) -> bool:
        """Whether the next packet does; ``gap`` packets after one that did, the next may."""
        self._since_reordered += 1
        if self._since_reordered < self._gap or not self._reorder.happens(rng):
            return False
        self._since_reordered = 0
        return True


_NAMES: Final = {
    LOST: "Lost",
    OVERLIMIT: "Overlimit",
    DROPPED: "Dropped",
    DUPLICATED: "Duplicated",
    CORRUPTED: "Corrupted",
    REORDERED: "Reordered",
    MARKED: "Marked",
}


def packets_in(packet: Packet) -> int:
    """How many packets a super-segment stands for; 1 for any other."""
    size = packet.gso_size
    if not size:
        return 1
    return max(1, -(-(packet.octets - _headers_octets(packet)) // size))


def octets_on_the_wire(packet: Packet, count: int) -> int:
    """What the ``count`` packets of a super-segment have together: each its own headers."""
    return packet.octets + (count - 1) * _headers_octets(packet)


def _headers_octets(packet: Packet) -> int:
    start = packet.checksum_start
    return start + (packet.head[start + 12] >> 2 & 0x3C)
