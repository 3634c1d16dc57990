"""What the network does to each packet on its way, and when it comes out: one `Impairment` at work."""

from heapq import heappop, heappush

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.netem import Impairment
from halfopen.base.rng import Rng
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_NONE, Packet


class Channel:
    """One direction of a network: packets in, packets out at their time.

    What befalls a packet goes to ``counters``: ``Lost``, ``Duplicated``, ``Corrupted``, ``Reordered`` and ``Overlimit``
    behind ``prefix``. Seeded: the same packets at the same times meet the same fate.
    """

    def __init__(self, impairment: Impairment, network_offset: int, rng: Rng, counters: Counters, prefix: str) -> None:
        self.impairment = impairment
        self._network_offset = network_offset
        self._rng = rng
        self._counters = counters
        self._prefix = prefix
        self._held: list[tuple[Instant, int, Packet]] = []
        self._order = 0
        self._wire_free_at: Instant = 0

    def admit(self, packet: Packet, now: Instant) -> bool:
        """Takes one packet, no super-segment; False if the queue is full. What the network itself loses is True."""
        impairment = self.impairment
        copies = 1 + self._happens(impairment.duplicate, "Duplicated")
        if self._happens(impairment.loss, "Lost"):
            # As in netem: a lost packet that was to be duplicated arrives once.
            copies -= 1
        fits = True
        for _ in range(copies):
            fits = self._hold(packet, now) and fits
        return fits

    def _hold(self, packet: Packet, now: Instant) -> bool:
        impairment = self.impairment
        if impairment.holds_back and len(self._held) >= impairment.limit:
            self._counters.add(self._prefix + "Overlimit")
            return False
        if self._happens(impairment.corrupt, "Corrupted"):
            packet = self._corrupted(packet)
        when = now
        if impairment.rate:
            when = max(now, self._wire_free_at) + packet.octets * 8 * SECOND // impairment.rate
            self._wire_free_at = when
        if not self._happens(impairment.reorder, "Reordered"):
            when = max(now, when + impairment.delay + self._jitter())
        self._order += 1
        heappush(self._held, (when, self._order, packet))
        return True

    def _jitter(self) -> Duration:
        jitter = self.impairment.jitter
        return self._rng.below(2 * jitter + 1) - jitter if jitter else 0

    def _happens(self, probability: float, name: str) -> bool:
        if not probability or self._rng.uniform() >= probability:
            return False
        self._counters.add(self._prefix + name)
        return True

    def _corrupted(self, packet: Packet) -> Packet:
        """One bit inverted behind the link header: an Ethernet's own check would have caught one within."""
        octets = bytearray(complete_checksum(packet).joined())
        if len(octets) <= self._network_offset:
            return packet
        bit = self._rng.below(8 * (len(octets) - self._network_offset))
        octets[self._network_offset + (bit >> 3)] ^= 1 << (bit & 7)
        return Packet(bytes(octets), (), CHECKSUM_NONE)

    def next_deadline(self) -> Instant:
        """When the first packet held back is to leave."""
        return self._held[0][0] if self._held else NEVER

    def due(self, now: Instant, limit: int) -> list[Packet]:
        """Up to ``limit`` packets whose time has come, in the order of their times."""
        held = self._held
        packets: list[Packet] = []
        while held and held[0][0] <= now and len(packets) < limit:
            packets.append(heappop(held)[2])
        return packets
