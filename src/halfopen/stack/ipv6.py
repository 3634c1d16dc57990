"""IPv6: which way, from which address, with which header (RFC 8200, RFC 4291, RFC 6724)."""

from collections.abc import Set
from hashlib import blake2s
from struct import Struct
from typing import Final

from halfopen.base.addresses import Address, Mac, is_loopback, is_multicast, is_unspecified
from halfopen.base.clock import Instant
from halfopen.base.rng import Rng
from halfopen.stack.address_selection import LINK_LOCAL, OwnAddresses, choose_source, is_v4_mapped, scope_of
from halfopen.stack.config_ipv6 import Ipv6Config
from halfopen.stack.datagram import FRAGMENTATION_NEEDED, Datagram, Outgoing
from halfopen.stack.interface import Interface
from halfopen.stack.ip import Commons, NetworkLayer
from halfopen.stack.ipv6_fragments import fragment
from halfopen.stack.ndp import NdpLayer
from halfopen.stack.ndp_changes import ChangeFollower
from halfopen.stack.path import Path
from halfopen.stack.routes import Route
from halfopen.wire import icmpv6, ipv6
from halfopen.wire.icmpv4 import Icmp, Quoted
from halfopen.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from halfopen.wire.ipv6 import HEADER_OCTETS, Ipv6
from halfopen.wire.offload import complete_checksum, split
from halfopen.wire.packet import Packet

LARGEST_PAYLOAD: Final = 65535

_HEADER: Final = Struct("!IHBB").pack
_VERSION: Final = 6 << 28
_PORTS: Final = Struct("!I").unpack_from
_WITH_PORTS: Final = frozenset({PROTOCOL_TCP, PROTOCOL_UDP})
_SPREAD: Final = 0x9E3779B1
"""2^32 divided by the golden ratio: it puts labels of consecutive ports far apart (Knuth, TAOCP 6.4)."""


class Ipv6Layer(NetworkLayer):
    """IPv6 of one host."""

    __slots__ = ("_changes", "_config", "_discovery", "_rng", "_secret")

    header_octets = HEADER_OCTETS

    def __init__(self, commons: Commons, discovery: NdpLayer, config: Ipv6Config, rng: Rng) -> None:
        super().__init__(commons, discovery.neighbors)
        self._discovery = discovery
        self._changes = ChangeFollower(commons.routes, self._counters)
        self._config = config
        self._rng = rng
        self._secret = b""

    def is_broadcast(self, address: Address) -> bool:
        """Whether ``address`` means several hosts."""
        return address[0] == 0xFF

    def find_path(
        self, destination: Address, source: Address | None, now: Instant, scope: Interface | None = None
    ) -> Path:
        """The way to ``destination``, ``source`` chosen if not given (RFC 6724 5); raises NetworkUnreachable."""
        if self.addresses.owns(destination):
            own = Path(self, self.addresses.loopback, (source or destination, destination), destination)
            own.addresses_digest = 0
            return own
        interface, next_hop, preferred = self._route(destination, source, scope)
        if source is None:
            source = preferred or choose_source(
                destination, interface, OwnAddresses(self.addresses, self._discovery.autoconfiguration, now)
            )
        if source is None or is_loopback(source):
            raise self.unreachable("this host has no IPv6 address that reaches there")
        path = self.make_path(interface, (source, destination), next_hop, now)
        path.mtu = min(path.mtu, self._discovery.routers.mtu(interface))
        path.addresses_digest = self._flow_seed(path.addresses) if self._config.auto_flow_labels else 0
        return path

    def send(self, path: Path, outgoing: Outgoing, now: Instant) -> None:
        """Sends a packet along ``path``; it is counted and reported, not raised, if that cannot be done."""
        octets = outgoing.octets
        gso_size = outgoing.gso_size
        if gso_size:
            fits = HEADER_OCTETS + octets <= path.gso_octets and (
                HEADER_OCTETS + len(outgoing.head) + gso_size <= path.mtu
            )
        else:
            fits = HEADER_OCTETS + octets <= path.mtu
        if not fits:
            self._send_large(path, outgoing, now)
            return
        word = _VERSION | outgoing.tos << 20 | _flow_label(path, outgoing)
        header = _HEADER(word, octets, outgoing.protocol, outgoing.ttl)
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

    @property
    def learnt_routes(self) -> Set[Route]:
        """What neighbor discovery has found out, and would find again."""
        return self._changes.learnt

    def discover(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        """A message of neighbor discovery, whose checksum is right, and what follows from it; raises Malformed."""
        self._discovery.receive(datagram, message, now)
        self.follow_discovery()

    def hear_query(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        """A router asks for the members of groups; raises Malformed."""
        self._discovery.listeners.on_query(datagram, message, now)

    def recommended_hop_limit(self, interface: Interface) -> int:
        """What a router on the link has said, or 0."""
        return self._discovery.routers.recommended_hop_limit(interface)

    def follow_discovery(self) -> None:
        """Addresses and routes as neighbor discovery has found them."""
        self._changes.follow(self._discovery)

    def source_of(self, packet: Packet) -> Address:
        """The source address of a packet whose head begins with IPv6."""
        return packet.head[8:24]

    def parse_quoted(self, octets: bytes) -> Quoted:
        """The start of a packet as an ICMP error would quote it; raises Malformed."""
        return icmpv6.parse_quoted(octets[: icmpv6.LARGEST_QUOTE])

    def group_mac(self, next_hop: Address) -> Mac | None:
        """The Ethernet address of a group (RFC 2464 7)."""
        return ipv6.multicast_mac(next_hop) if next_hop[0] == 0xFF else None

    def _route(
        self, destination: Address, source: Address | None, scope: Interface | None
    ) -> tuple[Interface, Address, Address | None]:
        """Interface, next hop and preferred source address."""
        if is_unspecified(destination) or is_v4_mapped(destination) or is_loopback(destination):
            raise self.unreachable("an IPv6 address of a host or group is needed")
        route = self.routes.lookup(destination)
        if scope_of(destination) <= LINK_LOCAL or (route is None and is_multicast(destination)):
            return self._link_of(destination, source, scope), destination, None
        if route is None or route.interface is None:
            raise self.unreachable("no route to host")
        if is_multicast(destination):
            return route.interface, destination, route.source
        return route.interface, route.gateway or destination, route.source

    def _link_of(self, destination: Address, source: Address | None, scope: Interface | None) -> Interface:
        """Where an address is meant that means something else on each link (RFC 4007 6)."""
        if scope is not None and scope is not self.addresses.loopback:
            return scope
        owner = self.addresses.owners.get(source or b"")
        if owner is not None and owner is not self.addresses.loopback:
            return owner
        for interface in self.addresses.interfaces:
            if any(len(address) == 16 for address, _ in interface.addresses):
                return interface
        raise self.unreachable("no interface has an IPv6 address")

    def _flow_seed(self, addresses: bytes) -> int:
        """What the labels of all flows between two addresses have in common, and nobody can foresee (RFC 6437 3)."""
        if not self._secret:
            self._secret = self._rng.octets(16)
        return int.from_bytes(blake2s(addresses, key=self._secret, digest_size=4).digest(), "big") | 1

    def _send_large(self, path: Path, outgoing: Outgoing, now: Instant) -> None:
        """A packet that does not fit as it is: cut by TCP's rules, cut by IP's, or refused."""
        if outgoing.octets > LARGEST_PAYLOAD:
            self._counters.add("Ip6OutTooLong")
            return
        header = Ipv6(path.source, path.destination, outgoing.protocol, outgoing.ttl, outgoing.tos)
        header.flow_label = _flow_label(path, outgoing)
        head = ipv6.emit(header, outgoing.octets) + outgoing.head
        mark, at = outgoing.checksum, outgoing.checksum_offset
        packet = Packet(head, outgoing.body, mark, HEADER_OCTETS, at, outgoing.gso_size)
        if outgoing.gso_size and HEADER_OCTETS + len(outgoing.head) + outgoing.gso_size <= path.mtu:
            for piece in split(packet, complete=not path.checksum_offload):
                self.transmit(path, piece, now)
        elif outgoing.dont_fragment or outgoing.gso_size:
            self._counters.add("Ip6FragFails")
            self.report(FRAGMENTATION_NEEDED, path.mtu, packet)
        else:
            whole = complete_checksum(packet)
            number = int.from_bytes(self._rng.octets(4), "big")  # nobody can foresee it (RFC 7739)
            pieces = fragment(header, (whole.head[HEADER_OCTETS:], *whole.body), number, path.mtu)
            self._counters.add("Ip6FragOKs")
            self._counters.add("Ip6FragCreates", len(pieces))
            for piece in pieces:
                self.transmit(path, piece, now)


def _flow_label(path: Path, outgoing: Outgoing) -> int:
    """The same for all packets of one flow of TCP or UDP, and 0 for what is no flow (RFC 6437 3)."""
    if not path.addresses_digest or outgoing.protocol not in _WITH_PORTS:
        return 0
    ports: int = _PORTS(outgoing.head)[0]
    return ((ports ^ path.addresses_digest) * _SPREAD >> 8) & 0xFFFFF
