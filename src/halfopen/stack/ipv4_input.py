"""IPv4 input: what is checked, in which order, and where it goes (RFC 791, RFC 1122 3.2, RFC 1812 5.2)."""

from typing import Final

from halfopen.base.addresses import is_loopback, is_reserved_v4, is_unspecified, is_valid_source
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.octets import cut
from halfopen.stack.datagram import Datagram
from halfopen.stack.forwarding import Forwarder
from halfopen.stack.fragments import Reassembler
from halfopen.stack.icmpv4 import Icmpv4Layer
from halfopen.stack.interface import Interface
from halfopen.stack.ipv4 import HEADER_OCTETS, Ipv4Layer
from halfopen.stack.reassembly import Partial
from halfopen.wire import icmpv4, ipv4
from halfopen.wire.codec import read_ipv4, sums_to_zero
from halfopen.wire.ipv4 import OPTION_LOOSE_SOURCE_ROUTE, OPTION_STRICT_SOURCE_ROUTE, Ipv4
from halfopen.wire.packet import Packet

_PLAIN: Final = 0x45
_FRAGMENT_BITS: Final = 0x3FFF


class Ipv4Input:
    """Takes datagrams from interfaces, and gives each to a transport, to the forwarder, or to a counter."""

    __slots__ = ("_addresses", "_counters", "_forwarder", "_icmp", "_owners", "_transports", "reassembler")

    def __init__(
        self, ip: Ipv4Layer, icmp: Icmpv4Layer, forwarder: Forwarder, reassembler: Reassembler, counters: Counters
    ) -> None:
        self._addresses = ip.addresses
        self._owners = ip.addresses.owners
        self._transports = ip.transports
        self._icmp = icmp
        self._forwarder = forwarder
        self.reassembler = reassembler
        self._counters = counters

    def receive(self, interface: Interface, packet: Packet, link_broadcast: bool, now: Instant) -> None:
        """One datagram behind the interface's link header; raises Malformed.

        A short cut for what nearly all datagrams are: whole, without options, and from a host to us, or to where others
        before it were sent on to.
        """
        head = packet.head
        offset = interface.link_octets
        available = len(head) - offset
        if available < HEADER_OCTETS or link_broadcast:
            self._receive_carefully(interface, packet, link_broadcast, now)
            return
        first, tos, total, fragment, ttl, protocol, source, destination = read_ipv4(head, offset)
        is_whole = total == packet.octets - offset if packet.body else HEADER_OCTETS <= total <= available
        if (
            is_whole
            and first == _PLAIN
            and not fragment & _FRAGMENT_BITS
            and 0 < source[0] < 224
            and source[0] != 127
            and source not in self._owners
            and source not in self._addresses.broadcasts
            and sums_to_zero(head, offset, offset + HEADER_OCTETS)
        ):
            if destination not in self._owners:
                if self._forwarder.forward_known(interface, packet, total, now):
                    return
            elif protocol in self._transports:
                transport = offset + HEADER_OCTETS
                octets = total - HEADER_OCTETS
                datagram = Datagram(
                    packet,
                    transport,
                    octets,
                    source,
                    destination,
                    protocol,
                    tos,
                    ttl,
                    interface,
                    False,
                    offset + 12,
                )
                self._transports[protocol].receive(datagram, now)
                return
        self._receive_carefully(interface, packet, link_broadcast, now)

    def on_deadline(self, now: Instant) -> None:
        """Gives up datagrams of which fragments are missing, each at its time (RFC 1122 3.3.2)."""
        while (partial := self.reassembler.poll_expired(now)) is not None:
            if partial.header is not None:
                self._tell_of_timeout(partial, partial.header)

    def _receive_carefully(self, interface: Interface, packet: Packet, link_broadcast: bool, now: Instant) -> None:
        """Every check by its name, for everything that is not plain."""
        offset = interface.link_octets
        available = packet.octets - offset
        header = ipv4.parse(packet.head, offset, available)
        if packet.body and header.total_octets < available:
            packet = _without_padding(packet, offset + header.total_octets)
        objection = self._objection(interface, header) or _objection_to_options(header)
        if objection is not None:
            self._counters.add(objection)
            return
        destination = header.destination
        if self._addresses.owns(destination):
            if link_broadcast:
                self._counters.add("IpInUnicastInBroadcast")  # RFC 1122 3.3.6
                return
        elif destination in self._addresses.groups or self._is_broadcast_on(interface, destination):
            link_broadcast = True
        else:
            self._forwarder.forward(_datagram(interface, packet, header, link_broadcast), header, now)
            return
        self._deliver(interface, packet, header, link_broadcast, now)

    def _deliver(self, interface: Interface, packet: Packet, header: Ipv4, link_broadcast: bool, now: Instant) -> None:
        if header.more_fragments or header.fragment_offset:
            whole = self.reassembler.add(interface, header, packet, now)
            if whole is None:
                return
            packet = whole
            header = ipv4.parse(packet.head, interface.link_octets, packet.octets - interface.link_octets)
        datagram = _datagram(interface, packet, header, link_broadcast)
        transport = self._transports.get(header.protocol)
        if transport is None:
            self._counters.add("IpInUnknownProtos")
            code = icmpv4.PROTOCOL_UNREACHABLE
            self._icmp.send_error(icmpv4.DESTINATION_UNREACHABLE, code, datagram, now)
            return
        transport.receive(datagram, now)

    def _objection(self, interface: Interface, header: Ipv4) -> str | None:
        """The counter of a datagram that cannot have come from a wire (RFC 1122 3.2.1.3, RFC 1812 5.3.7)."""
        source, destination = header.source, header.destination
        if interface is self._addresses.loopback:
            return None
        if source == destination:
            return "IpInLand"
        if (
            not is_valid_source(source)
            or is_reserved_v4(source)
            or self._addresses.owns(source)
            or source in self._addresses.broadcasts
        ):
            return "IpInMartianSource"
        if is_loopback(destination) or is_unspecified(destination) or destination[0] == 0:
            return "IpInMartianDestination"
        if is_reserved_v4(destination) and destination not in self._addresses.broadcasts:
            return "IpInMartianDestination"
        return None

    def _is_broadcast_on(self, interface: Interface, destination: bytes) -> bool:
        """The limited broadcast, or that of a network that ``interface`` is on (RFC 1122 3.2.1.3)."""
        if destination not in self._addresses.broadcasts:
            return False
        return destination[0] == 255 or interface.address_towards(destination) is not None

    def _tell_of_timeout(self, partial: Partial[Ipv4], header: Ipv4) -> None:
        packet = Packet(partial.first)
        datagram = _datagram(partial.interface, packet, header, self._is_for_many(partial.interface, header))
        when = partial.expires
        self._icmp.send_error(icmpv4.TIME_EXCEEDED, icmpv4.REASSEMBLY_EXCEEDED, datagram, when)

    def _is_for_many(self, interface: Interface, header: Ipv4) -> bool:
        return header.destination in self._addresses.groups or self._is_broadcast_on(interface, header.destination)


def _objection_to_options(header: Ipv4) -> str | None:
    """Options are skipped (RFC 1122 3.2.1.8), if their lengths are right; source routes are refused.

    Deviation: RFC 1122 3.3.5 lets a host follow a source route and RFC 1812 5.2.4.1 wants routers to; but they lead
    around filters, and nobody follows them any more (RFC 7126 4.3).
    """
    if not header.options:
        return None
    for kind, _ in ipv4.parse_options(header.options):
        if kind in (OPTION_LOOSE_SOURCE_ROUTE, OPTION_STRICT_SOURCE_ROUTE):
            return "IpInSourceRoute"
    return None


def _datagram(interface: Interface, packet: Packet, header: Ipv4, link_broadcast: bool) -> Datagram:
    offset = interface.link_octets
    return Datagram(
        packet,
        offset + header.header_octets,
        header.total_octets - header.header_octets,
        header.source,
        header.destination,
        header.protocol,
        header.tos,
        header.ttl,
        interface,
        link_broadcast,
        offset + 12 if not header.options else -1,
    )


def _without_padding(packet: Packet, octets: int) -> Packet:
    """The first ``octets`` of a packet in pieces."""
    head = packet.head[:octets]
    body = cut(packet.body, 0, octets - len(head))
    return Packet(head, body, packet.checksum, packet.checksum_start, packet.checksum_offset, packet.gso_size)
