"""Address resolution and Neighbor Unreachability Detection, whoever asks: ARP or NDP (RFC 1122 2.3.2, RFC 4861 7.3).

What the states mean is drawn in `halfopen.stack.neighbor`. How a question looks, and what is learnt from messages, the
two protocols know.
"""

from abc import ABC, abstractmethod
from collections import deque

from halfopen.base.addresses import Address
from halfopen.base.clock import Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack.interface import Interface
from halfopen.stack.neighbor import (
    DELAY,
    FAILED,
    INCOMPLETE,
    PROBE,
    STALE,
    Neighbor,
    NeighborSettings,
    NeighborTable,
)
from halfopen.wire.packet import Packet

Transmissions = deque[tuple[Interface, Packet]]


class NeighborLayer(ABC):
    """Finds the link addresses of next hops, keeps what waits for them, and notices when they fall silent."""

    __slots__ = ("_settings", "counters", "output", "table", "undeliverable")

    def __init__(self, settings: NeighborSettings, output: Transmissions, rng: Rng, counters: Counters) -> None:
        self._settings = settings
        self.output = output
        self.counters = counters
        self.table = NeighborTable(settings, random_reachable_time(settings.reachable, rng))
        self.undeliverable: Transmissions = deque()
        """Datagrams whose next hop did not answer: the network layer tells their senders."""

    def resolve(self, interface: Interface, address: Address, now: Instant) -> Neighbor | None:
        """The entry for ``address``, asked for if there is none; None if the table is full."""
        entry = self.table.get(interface, address)
        if entry is None:
            entry = self.table.create(interface, address, now)
            if entry is None:
                self.counters.add("NeighTableFull")
        return entry

    def send(self, entry: Neighbor, packet: Packet, now: Instant) -> None:
        """Sends a datagram (its head begins with IP) to a neighbour, or keeps it until the address is known."""
        entry.used = now
        state = entry.state_at(now)
        if state is INCOMPLETE:
            dropped = self.table.enqueue(entry, packet)
            if dropped:
                self.counters.add("NeighQueueDrops", dropped)
            if not entry.requests:
                self._ask(entry, now)
        elif state is FAILED:
            self.counters.add("NeighUnreachableDrops")
            self.undeliverable.append((entry.interface, packet))
        else:
            if state is STALE:
                entry.state = DELAY
                entry.fast_until = now + self._settings.delay
                self.table.set_deadline(entry, entry.fast_until)
            self.output.append((entry.interface, with_link_header(entry.header, packet)))

    @abstractmethod
    def next_deadline(self) -> Instant:
        """The earliest instant at which `on_deadline` has something to do."""

    @abstractmethod
    def on_deadline(self, now: Instant) -> None:
        """Asks again, gives up, forgets; each thing at its own time, so that one jump does what many steps do."""

    @abstractmethod
    def _solicit(self, entry: Neighbor) -> None:
        """Sends one question: to everybody, or to the known owner if ``entry`` is in PROBE."""

    def _retransmit_time(self, interface: Interface) -> Duration:
        """Between questions."""
        return self._settings.retransmit

    def _ask(self, entry: Neighbor, now: Instant) -> None:
        entry.requests += 1
        deadline = now + self._retransmit_time(entry.interface)
        self.table.set_deadline(entry, deadline)
        if entry.state is PROBE:
            entry.fast_until = deadline
        self._solicit(entry)

    def _probe(self, entry: Neighbor, now: Instant) -> None:
        """Asks the known owner whether he is still there (RFC 1122 2.3.2.1 (2)), unless he is being asked."""
        if entry.state is not PROBE:
            entry.state = PROBE
            entry.requests = 0
            self._ask(entry, now)

    def _flush(self, entry: Neighbor, now: Instant) -> None:
        """The address is known: what has waited for it goes."""
        for packet in self.table.drain(entry):
            self.send(entry, packet, now)

    def _on_table_deadline(self, when: Instant) -> None:
        for entry in self.table.pop_due(when):
            self._on_entry_deadline(entry, when)

    def _on_entry_deadline(self, entry: Neighbor, when: Instant) -> None:
        if entry.state is FAILED:
            self.table.remove(entry)
        elif entry.state is DELAY:
            self._probe(entry, when)
        elif entry.requests < self._settings.solicits:
            self._ask(entry, when)
        elif entry.state is PROBE:
            self._forget(entry)
        else:
            self._give_up(entry, when)

    def _forget(self, entry: Neighbor) -> None:
        """Somebody who was there does not answer any more."""
        self.counters.add("NeighProbesFailed")
        self.table.remove(entry)

    def _give_up(self, entry: Neighbor, when: Instant) -> None:
        """Nobody answered: senders are told, and for as long as an interval nobody is asked again."""
        self.counters.add("NeighResolutionFailed")
        entry.state = FAILED
        self.table.set_deadline(entry, when + self._retransmit_time(entry.interface))
        for packet in self.table.drain(entry):
            self.undeliverable.append((entry.interface, packet))


def random_reachable_time(base: Duration, rng: Rng) -> Duration:
    """ReachableTime: BaseReachableTime times a random 0.5 to 1.5 (RFC 4861 6.3.2)."""
    return base // 2 + rng.below(max(1, base))


def with_link_header(header: bytes, packet: Packet) -> Packet:
    """A datagram as a frame."""
    return Packet(
        header + packet.head,
        packet.body,
        packet.checksum,
        packet.checksum_start + len(header),
        packet.checksum_offset,
        packet.gso_size,
    )
