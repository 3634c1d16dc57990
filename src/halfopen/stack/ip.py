"""IPv4 as its transports see it: finding a way, and sending (RFC 791, RFC 1122 3)."""

from collections import deque
from struct import Struct

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
from halfopen.base.clock import NEVER, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import Malformed, NetworkUnreachable
from halfopen.base.octets import Buffers
from halfopen.stack.arp import ArpLayer, Transmissions, with_link_header
from halfopen.stack.datagram import FRAGMENTATION_NEEDED, HOST_UNREACHABLE, IcmpError, Outgoing, Transport
from halfopen.stack.fragments import fragment
from halfopen.stack.identification import Identifications
from halfopen.stack.interface import HostAddresses, Interface
from halfopen.stack.neighbor import PERMANENT, Neighbor
from halfopen.stack.path import Path
from halfopen.stack.path_mtu import PathMtus
from halfopen.stack.routes import Routes
from halfopen.wire import icmpv4, ipv4
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.offload import complete_checksum, split
from halfopen.wire.packet import CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet

HEADER_OCTETS = ipv4.MINIMUM_OCTETS
LARGEST_DATAGRAM = 65535

_HEADER = Struct("!BBHHHBBH").pack
_VERSION_WORD = 0x4500
_DONT_FRAGMENT = 0x4000


class IpLayer:
    """The host's Internet layer as its transports see it. Nothing here calls back into a transport.

    What goes to an own address comes out of `poll_local`, and what is found out here about a datagram of ours out of
    `poll_error`: the stack delivers both when it is polled.
    """

    __slots__ = (
        "_arp",
        "_atomic",
        "_counters",
        "_errors",
        "_identifications",
        "_local",
        "_path_mtus",
        "addresses",
        "output",
        "routes",
        "transports",
    )

    def __init__(
        self,
        addresses: HostAddresses,
        routes: Routes,
        arp: ArpLayer,
        path_mtus: PathMtus,
        identifications: Identifications,
    ) -> None:
        self.addresses = addresses
        self.routes = routes
        self.transports: dict[int, Transport] = {}
        self._arp = arp
        self._path_mtus = path_mtus
        self.output: Transmissions = arp.output
        self._counters: Counters = arp.counters
        self._identifications = identifications
        self._atomic = identifications if identifications.numbers_atomic else None
        self._local: deque[Packet] = deque()
        self._errors: deque[IcmpError] = deque(maxlen=1024)

    def register(self, protocol: int, transport: Transport) -> None:
        """Datagrams of IP protocol ``protocol`` go to ``transport``."""
        self.transports[protocol] = transport

    def owns(self, address: Address) -> bool:
        """Whether ``address`` is one of this host's own unicast addresses, loopback included."""
        return self.addresses.owns(address)

    def is_broadcast(self, address: Address) -> bool:
        """Whether ``address`` means several hosts: multicast, limited or directed broadcast (RFC 1122 3.2.1.3)."""
        return is_multicast(address) or address in self.addresses.broadcasts

    def find_path(self, destination: Address, source: Address | None, now: Instant) -> Path:
        """The way to ``destination``, ``source`` chosen if not given (RFC 1122 3.3.4.3); raises NetworkUnreachable."""
        if self.addresses.owns(destination):
            return Path(self.routes, self.addresses.loopback, (source or destination, destination), destination)
        interface, next_hop, preferred = self._route(destination, source)
        if source is None:
            source = preferred or self._choose_source(interface, next_hop)
        if is_loopback(source):
            raise self._unreachable("a loopback address never appears outside of its host (RFC 1122 3.2.1.3)")
        path = Path(self.routes, interface, (source, destination), next_hop)
        learnt = self._path_mtus.get(destination, now)
        if learnt is not None and learnt < path.mtu:
            path.mtu = learnt
        path.neighbor = self._find_neighbor(interface, next_hop)
        return path

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
        words = path.addresses_sum + _VERSION_WORD + tos + total + identification + flags + (ttl << 8) + protocol
        header = _HEADER(0x45, tos, total, identification, flags, ttl, protocol, -words % 0xFFFF)
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

    def transmit(self, path: Path, packet: Packet, now: Instant) -> None:
        """Hands a datagram that fits (its head begins with IP) to the link, by way of ARP where there is one."""
        interface = path.interface
        if interface is self.addresses.loopback:
            packet.checksum = CHECKSUM_VERIFIED
            self._local.append(packet)
            return
        if packet.checksum == CHECKSUM_PARTIAL and not path.checksum_offload:
            packet = complete_checksum(packet)
        neighbor = path.neighbor
        if neighbor is not None and now < neighbor.fast_until:
            self.output.append((interface, with_link_header(neighbor.header, packet)))
            return
        neighbor = self._arp.resolve(interface, path.next_hop, now)
        path.neighbor = neighbor
        if neighbor is None:
            self.report_undeliverable(packet)
        else:
            self._arp.send(neighbor, packet, now)

    def update_path_mtu(self, destination: Address, mtu: int, now: Instant) -> None:
        """A router said that ``mtu`` is all that fits on the way; the caller has checked the quote."""
        if self._path_mtus.learn(destination, mtu, now):
            self._counters.add("IpPathMtuUpdates")
            self.routes.advance()

    def report_undeliverable(self, packet: Packet) -> bool:
        """The next hop of a datagram (its head begins with IP) does not answer; False if it is not one of ours."""
        if not self.owns(packet.head[12:16]):
            return False
        self._report(HOST_UNREACHABLE, 0, packet)
        return True

    @property
    def has_errands(self) -> bool:
        """Whether `poll_local` or `poll_error` has something."""
        return bool(self._local or self._errors)

    def poll_local(self) -> Packet | None:
        """A datagram from us to us; its head begins with IP."""
        return self._local.popleft() if self._local else None

    def poll_error(self) -> IcmpError | None:
        """Something that was found out here about a datagram of ours, for its transport."""
        return self._errors.popleft() if self._errors else None

    def _route(self, destination: Address, source: Address | None) -> tuple[Interface, Address, Address | None]:
        """Interface, next hop and preferred source address."""
        if len(destination) != 4 or is_unspecified(destination):
            raise self._unreachable("an IPv4 address of a host or group is needed")
        if is_reserved_v4(destination) and destination != IPV4_BROADCAST:
            raise self._unreachable("240.0.0.0/4 is reserved (RFC 1112 4)")
        route = self.routes.lookup(destination)
        if destination == IPV4_BROADCAST or (route is None and is_multicast(destination)):
            interface = self.addresses.owners.get(source or b"") or next(iter(self.addresses.interfaces), None)
            if interface is None:
                raise self._unreachable("there is no interface")
            return interface, destination, None
        if route is None or route.interface is None:
            raise self._unreachable("no route to host")
        if is_multicast(destination) or destination in self.addresses.broadcasts:
            return route.interface, destination, route.source
        return route.interface, route.gateway or destination, route.source

    def _unreachable(self, reason: str) -> NetworkUnreachable:
        self._counters.add("IpOutNoRoutes")
        return NetworkUnreachable(reason)

    def _choose_source(self, interface: Interface, next_hop: Address) -> Address:
        """The interface's address on the next hop's network, else its first, else any (a weak end system)."""
        address = interface.address_towards(next_hop)
        if address is not None:
            return address
        for candidate in (interface, *self.addresses.interfaces):
            if candidate.addresses:
                return candidate.addresses[0][0]
        raise self._unreachable("this host has no address")

    def _find_neighbor(self, interface: Interface, next_hop: Address) -> Neighbor | None:
        """What to put in front of datagrams; a link without headers is a neighbour that needs none."""
        if not interface.is_ethernet:
            return _direct(interface, next_hop, None)
        if is_multicast(next_hop):
            return _direct(interface, next_hop, multicast_mac(next_hop))
        if next_hop in self.addresses.broadcasts:
            return _direct(interface, next_hop, MAC_BROADCAST)
        return self._arp.table.get(interface, next_hop)

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
            self._report(FRAGMENTATION_NEEDED, path.mtu, packet)
        else:
            header.dont_fragment = False
            header.identification = self._identifications.next(path.addresses, outgoing.protocol)
            self.send_fragments(path, header, complete_checksum(packet), now)

    def send_fragments(self, path: Path, header: Ipv4, packet: Packet, now: Instant) -> None:
        """Cuts a datagram (its head begins with ``header``) to the path's MTU and sends the pieces."""
        payload: Buffers = (packet.head[header.header_octets :], *packet.body)
        octets = packet.octets - header.header_octets
        pieces = fragment(header, payload, octets, path.mtu)
        self._counters.add("IpFragOKs")
        self._counters.add("IpFragCreates", len(pieces))
        for piece in pieces:
            self.transmit(path, piece, now)

    def _report(self, kind: str, mtu: int, packet: Packet) -> None:
        """Keeps news about a datagram of ours, as if a router had sent it."""
        try:
            quoted = icmpv4.parse_quoted(packet.joined()[:LARGEST_QUOTE])
        except Malformed as error:
            self._counters.add(error.reason)
            return
        self._errors.append(IcmpError(kind, mtu, quoted.source, quoted))


LARGEST_QUOTE = 548
"""What of a datagram an ICMP error quotes: with its own headers it has 576 octets (RFC 1812 4.3.2.3)."""


def _number(identifications: Identifications, path: Path, outgoing: Outgoing) -> int:
    """For an atomic datagram, or the first of those that it will be cut into."""
    count = -(-(outgoing.octets - len(outgoing.head)) // outgoing.gso_size) if outgoing.gso_size else 1
    return identifications.next(path.addresses, outgoing.protocol, count)


def multicast_mac(group: Address) -> Mac:
    """The Ethernet address of an IPv4 group (RFC 1112 6.4)."""
    return b"\x01\x00\x5e" + bytes((group[1] & 0x7F,)) + group[2:]


def _direct(interface: Interface, address: Address, mac: Mac | None) -> Neighbor:
    """A neighbour that nobody has to be asked for."""
    neighbor = Neighbor(interface, address, 0, 0)
    neighbor.state = PERMANENT
    neighbor.fast_until = NEVER
    if mac is not None:
        neighbor.bind(mac)
    return neighbor
