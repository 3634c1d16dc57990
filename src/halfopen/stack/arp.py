"""ARP: asking for link addresses, answering, and believing as little as possible (RFC 826, RFC 1122 2.3.2).

RFC 826 believes whoever speaks. Here only an answer to a question of ours makes an entry, and no claim overwrites one:
a claim that contradicts an entry has the known owner asked, and only his silence lets a fresh request find another.
"""

from collections import deque
from typing import Final

from halfopen.base.addresses import MAC_BROADCAST, MAC_ZERO, Mac, is_unspecified, is_valid_source
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack.config import ArpConfig
from halfopen.stack.conflicts import Conflicts
from halfopen.stack.interface import HostAddresses, Interface
from halfopen.stack.neighbor import DELAY, FAILED, INCOMPLETE, PERMANENT, PROBE, Neighbor
from halfopen.stack.nud import NeighborLayer, Transmissions
from halfopen.wire import arp, ethernet
from halfopen.wire.arp import Arp
from halfopen.wire.packet import Packet

MAX_LOST: Final = 256
"""Neighbours that have gone and that nobody has asked for."""


class ArpLayer(NeighborLayer):
    """ARP on all Ethernet interfaces of one host."""

    __slots__ = ("_addresses", "_config", "_lost", "conflicts")

    def __init__(
        self, config: ArpConfig, addresses: HostAddresses, output: Transmissions, rng: Rng, counters: Counters
    ) -> None:
        super().__init__(config, output, rng, counters)
        self._config = config
        self._addresses = addresses
        self._lost: deque[Neighbor] = deque(maxlen=MAX_LOST)
        self.conflicts = Conflicts(config, output, rng, counters)

    def receive(self, interface: Interface, packet: Packet, now: Instant) -> None:
        """Packet Reception (RFC 826), behind an Ethernet header; raises Malformed."""
        message = arp.parse(packet.head, ethernet.HEADER_OCTETS)
        sender = message.sender_address
        if not self._is_sound(interface, message):
            return
        if self.conflicts.on_message(interface, message, now):
            return
        is_for_us = interface.address_towards(message.target_address) is not None and (
            self._addresses.owners.get(message.target_address) is interface
        )
        if not is_unspecified(sender):
            self._learn(interface, message, is_for_us, now)
        if message.operation == arp.REQUEST and is_for_us:
            self._reply(interface, message)

    def next_deadline(self) -> Instant:
        """The earliest instant at which `on_deadline` has something to do."""
        neighbor, claim = self.table.earliest, self.conflicts.earliest
        return neighbor if neighbor < claim else claim

    def on_deadline(self, now: Instant) -> None:
        """Asks again, gives up, forgets; each thing at its own time, so that one jump does what many steps do."""
        while (when := self.next_deadline()) <= now:
            self.conflicts.on_deadline(when)
            self._on_table_deadline(when)

    def poll_lost(self) -> Neighbor | None:
        """Somebody who does not answer any more, or never has (RFC 1122 3.3.1.4)."""
        return self._lost.popleft() if self._lost else None

    def _forget(self, entry: Neighbor) -> None:
        super()._forget(entry)
        self._lost.append(entry)

    def _give_up(self, entry: Neighbor, when: Instant) -> None:
        super()._give_up(entry, when)
        self._lost.append(entry)

    def _is_sound(self, interface: Interface, message: Arp) -> bool:
        """Neither our own echo nor a sender that cannot be (RFC 1122 3.2.1.3); 0.0.0.0 is a probe (RFC 5227)."""
        mac = message.sender_mac
        if mac == interface.mac:
            self.counters.add("ArpOwnEcho")
            return False
        sender = message.sender_address
        is_sound = not mac[0] & 1 and mac != MAC_ZERO
        if (
            not is_sound
            or not (is_unspecified(sender) or is_valid_source(sender))
            or sender in self._addresses.broadcasts
        ):
            self.counters.add("ArpBadSender")
            return False
        return True

    def _learn(self, interface: Interface, message: Arp, is_for_us: bool, now: Instant) -> None:
        """The merge of RFC 826, as far as the entry's state allows."""
        entry = self.table.get(interface, message.sender_address)
        if entry is None:
            if is_for_us and message.operation == arp.REQUEST and self._config.learn_from_requests:
                self._plant(interface, message, now)
            elif message.operation == arp.REPLY:
                self.counters.add("ArpUnsolicited")
        elif entry.state is PERMANENT:
            if entry.mac != message.sender_mac:
                self.counters.add("ArpClaimsRefused")
        elif entry.state is INCOMPLETE or entry.state is FAILED:
            self._complete(entry, message, is_for_us, now)
        elif entry.mac != message.sender_mac:
            self._contest(entry, message.sender_mac, now)
        elif message.operation == arp.REPLY and is_for_us and entry.state in (DELAY, PROBE):
            entry.confirm(now)

    def _complete(self, entry: Neighbor, message: Arp, is_for_us: bool, now: Instant) -> None:
        if not is_for_us:
            self.counters.add("ArpUnsolicited")
            return
        entry.bind(message.sender_mac)
        if message.operation == arp.REPLY:
            entry.confirm(now)
        else:
            entry.suspect()
            entry.used = now
        self._flush(entry, now)

    def _plant(self, interface: Interface, message: Arp, now: Instant) -> None:
        entry = self.resolve(interface, message.sender_address, now)
        if entry is not None:
            entry.bind(message.sender_mac)
            entry.suspect()

    def _contest(self, entry: Neighbor, claimant: Mac, now: Instant) -> None:
        """Somebody else says that the address is his."""
        if self._config.trust_claims:
            entry.bind(claimant)
            entry.suspect()
            return
        self.counters.add("ArpClaimsRefused")
        self._probe(entry, now)

    def _solicit(self, entry: Neighbor) -> None:
        """Broadcasts a request, or asks the known owner."""
        interface = entry.interface
        source = interface.address_towards(entry.address)
        if source is None:
            source = interface.addresses[0][0] if interface.addresses else bytes(4)
        target_mac = MAC_BROADCAST
        if entry.state is PROBE:
            target_mac = entry.mac
        question = Arp(arp.REQUEST, interface.mac, source, MAC_ZERO, entry.address)
        self.counters.add("ArpRequestsSent")
        self._transmit(interface, target_mac, question)

    def _reply(self, interface: Interface, message: Arp) -> None:
        """Swaps the fields and answers the one who asked (RFC 826)."""
        answer = Arp(arp.REPLY, interface.mac, message.target_address, message.sender_mac, message.sender_address)
        self.counters.add("ArpRepliesSent")
        self._transmit(interface, message.sender_mac, answer)

    def _transmit(self, interface: Interface, destination: Mac, message: Arp) -> None:
        header = ethernet.emit(destination, interface.mac, ethernet.ETHERTYPE_ARP)
        self.output.append((interface, Packet(header + arp.emit(message))))
