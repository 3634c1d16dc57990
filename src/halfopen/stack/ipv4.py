"""IPv4: which way, from which address, with which header (RFC 791, RFC 1122 3)."""

from typing import Final

from halfopen.base.addresses import (
    IPV4_BROADCAST,
    MAC_BROADCAST,
    Address,
    Mac,
    is_loopback,
    is_multicast,
    is_reserved_v4,
    is_unspecified,
)
from halfopen.base.clock import Instant
from halfopen.base.octets import Buffers
from halfopen.stack.datagram import FRAGMENTATION_NEEDED, Outgoing
from halfopen.stack.fragments import fragment
from halfopen.stack.identification import Identifications
from halfopen.stack.interface import Interface
from halfopen.stack.ip import Commons, NetworkLayer
from halfopen.stack.nud import NeighborLayer
from halfopen.stack.path import Path
from halfopen.wire import icmpv4, ipv4
from halfopen.wire.codec import pack_ipv4
from halfopen.wire.icmpv4 import Quoted
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.offload import complete_checksum, split
from halfopen.wire.packet import Packet

HEADER_OCTETS: Final = ipv4.MINIMUM_OCTETS
LARGEST_DATAGRAM: Final = 65535

LARGEST_QUOTE: Final = 548
"""What of a datagram an ICMP error quotes: with its own headers it has 576 octets (RFC 1812 4.3.2.3)."""

_VERSION_WORD: Final = 0x4500
_DONT_FRAGMENT: Final = 0x4000


class Ipv4Layer(NetworkLayer):
    """IPv4 of one host."""

    __slots__ = ("_atomic", "_identifications")

    header_octets = HEADER_OCTETS

    def __init__(self, commons: Commons, neighbors: NeighborLayer, identifications: Identifications) -> None:
        super().__init__(commons, neighbors)
        self._identifications = identifications
        self._atomic = identifications if identifications.numbers_atomic else None

    def is_broadcast(self, address: Address) -> bool:
        """Whether ``address`` means several hosts: multicast, limited or directed broadcast (RFC 1122 3.2.1.3)."""
        return is_multicast(address) or address in self.addresses.broadcasts

    def find_path(
        self, destination: Address, source: Address | None, now: Instant, scope: Interface | None = None
    ) -> Path:
        """The way to ``destination``, ``source`` chosen if not given (RFC 1122 3.3.4.3); raises NetworkUnreachable."""
        if self.addresses.owns(destination):
            return Path(self, self.addresses.loopback, (source or destination, destination), destination)
        interface, next_hop, preferred = self._route(destination, source, scope)
        if source is None:
            source = preferred or self._choose_source(interface, next_hop)
        if is_loopback(source):
            raise self.unreachable("a loopback address never appears outside of its host (RFC 1122 3.2.1.3)")
        return self.make_path(interface, (source, destination), next_hop, now)

    def send(self, path: Path, outgoing: Outgoing, now: Instant) -> None:
        """Sends a datagram along ``path``; it is counted and reported, not raised, if that cannot be done."""
        total = HEADER_OCTETS + outgoing.octets
        gso_size = outgoing.gso_size
        if gso_size:
            fits = total <= path.gso_octets and HEADER_OCTETS + len(outgoing.head) + gso_size <= path.mtu
        else:
            fits = total <= path.mtu
        if not fits:
            self._send_large(path, outgoing, now)
            return
        if outgoing.dont_fragment:
            identification, flags = 0, _DONT_FRAGMENT
            if self._atomic is not None:
                identification = _number(self._atomic, path, outgoing)
        else:
            identification, flags = self._identifications.next(path.addresses, outgoing.protocol), 0
        tos, ttl, protocol = outgoing.tos, outgoing.ttl, outgoing.protocol
        words = path.addresses_digest + _VERSION_WORD + tos + total + identification + flags + (ttl << 8) + protocol
        header = pack_ipv4(0x45, tos, total, identification, flags, ttl, protocol, -words % 0xFFFF)
        neighbor = path.neighbor
        if neighbor is None or now >= neighbor.fast_until or (outgoing.checksum and not path.checksum_offload):
            head = header + path.addresses + outgoing.head
            mark, at = outgoing.checksum, outgoing.checksum_offset
            self.transmit(path, Packet(head, outgoing.body, mark, HEADER_OCTETS, at, gso_size), now)
            return
        link = neighbor.header
        packet = Packet(
            link + header + path.addresses + outgoing.head,
            outgoing.body,
            outgoing.checksum,
            len(link) + HEADER_OCTETS,
            outgoing.checksum_offset,
            gso_size,
        )
        self.output.append((path.interface, packet))

    def source_of(self, packet: Packet) -> Address:
        """The source address of a datagram whose head begins with IPv4."""
        return packet.head[12:16]

    def parse_quoted(self, octets: bytes) -> Quoted:
        """The start of a datagram as an ICMP error would quote it; raises Malformed."""
        return icmpv4.parse_quoted(octets[:LARGEST_QUOTE])

    def group_mac(self, next_hop: Address) -> Mac | None:
        """The Ethernet address of a group (RFC 1112 6.4) or a broadcast (RFC 894)."""
        if is_multicast(next_hop):
            return multicast_mac(next_hop)
        return MAC_BROADCAST if next_hop in self.addresses.broadcasts else None

    def send_fragments(self, path: Path, header: Ipv4, packet: Packet, now: Instant) -> None:
        """Cuts a datagram (its head begins with ``header``) to the path's MTU and sends the pieces."""
        payload: Buffers = (packet.head[header.header_octets :], *packet.body)
        octets = packet.octets - header.header_octets
        pieces = fragment(header, payload, octets, path.mtu)
        self._counters.add("IpFragOKs")
        self._counters.add("IpFragCreates", len(pieces))
        for piece in pieces:
            self.transmit(path, piece, now)

    def _route(
        self, destination: Address, source: Address | None, scope: Interface | None
    ) -> tuple[Interface, Address, Address | None]:
        """Interface, next hop and preferred source address."""
        if len(destination) != 4 or is_unspecified(destination):
            raise self.unreachable("an IPv4 address of a host or group is needed")
        if is_reserved_v4(destination) and destination != IPV4_BROADCAST:
            raise self.unreachable("240.0.0.0/4 is reserved (RFC 1112 4)")
        route = self.routes.lookup(destination)
        if destination == IPV4_BROADCAST or (route is None and is_multicast(destination)):
            interface = scope or self.addresses.owners.get(source or b"") or next(iter(self.addresses.interfaces), None)
            if interface is None:
                raise self.unreachable("there is no interface")
            return interface, destination, None
        if route is None or route.interface is None:
            raise self.unreachable("no route to host")
        if is_multicast(destination) or destination in self.addresses.broadcasts:
            return route.interface, destination, route.source
        return route.interface, route.gateway or destination, route.source

    def _choose_source(self, interface: Interface, next_hop: Address) -> Address:
        """The interface's address on the next hop's network, else its first, else any (a weak end system)."""
        address = interface.address_towards(next_hop)
        if address is not None:
            return address
        for candidate in (interface, *self.addresses.interfaces):
            if candidate.addresses:
                return candidate.addresses[0][0]
        raise self.unreachable("this host has no address")

    def _send_large(self, path: Path, outgoing: Outgoing, now: Instant) -> None:
        """A datagram that does not fit as it is: cut by TCP's rules, cut by IP's, or refused."""
        if HEADER_OCTETS + outgoing.octets > LARGEST_DATAGRAM:
            self._counters.add("IpOutTooLong")
            return
        header = Ipv4(path.source, path.destination, outgoing.protocol, outgoing.ttl, outgoing.tos)
        if self._atomic is not None:
            header.identification = _number(self._atomic, path, outgoing)
        head = ipv4.emit(header, outgoing.octets) + outgoing.head
        mark, at = outgoing.checksum, outgoing.checksum_offset
        packet = Packet(head, outgoing.body, mark, HEADER_OCTETS, at, outgoing.gso_size)
        if outgoing.gso_size and HEADER_OCTETS + len(outgoing.head) + outgoing.gso_size <= path.mtu:
            for piece in split(packet, complete=not path.checksum_offload):
                self.transmit(path, piece, now)
        elif outgoing.dont_fragment or outgoing.gso_size:
            self._counters.add("IpFragFails")
            self.report(FRAGMENTATION_NEEDED, path.mtu, packet)
        else:
            header.dont_fragment = False
            header.identification = self._identifications.next(path.addresses, outgoing.protocol)
            self.send_fragments(path, header, complete_checksum(packet), now)


def _number(identifications: Identifications, path: Path, outgoing: Outgoing) -> int:
    """For an atomic datagram, or the first of those that it will be cut into."""
    count = -(-(outgoing.octets - len(outgoing.head)) // outgoing.gso_size) if outgoing.gso_size else 1
    return identifications.next(path.addresses, outgoing.protocol, count)


def multicast_mac(group: Address) -> Mac:
    """The Ethernet address of an IPv4 group (RFC 1112 6.4)."""
    return b"\x01\x00\x5e" + bytes((group[1] & 0x7F,)) + group[2:]
