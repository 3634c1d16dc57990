"""IP as its transports see it, both versions: finding a way, and sending (RFC 1122 3, RFC 8200).

What is the same for both is here; `halfopen.stack.ipv4` and `halfopen.stack.ipv6` know addresses and headers.
"""

from abc import abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from halfopen.base.addresses import Address, Mac
from halfopen.base.clock import NEVER, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import Malformed, NetworkUnreachable
from halfopen.stack.datagram import HOST_UNREACHABLE, IcmpError, Outgoing, Transport
from halfopen.stack.interface import HostAddresses, Interface
from halfopen.stack.neighbor import PERMANENT, Neighbor
from halfopen.stack.nud import NeighborLayer, Transmissions, with_link_header
from halfopen.stack.path import Network, Path
from halfopen.stack.path_mtu import PathMtus
from halfopen.stack.routes import Routes
from halfopen.tcp.metrics import NO_METRICS
from halfopen.wire.icmpv4 import Quoted
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet


@dataclass(slots=True, frozen=True)
class Commons:
    """What both versions of IP share. ``local`` and ``errors`` are what the host has to tell itself.

    ``local`` are datagrams from us to us, whose heads begin with IP; ``errors`` what was found out here about datagrams
    of ours, for their transports. Nothing here calls back into a transport: the stack delivers both when it is polled.
    """

    addresses: HostAddresses
    routes: Routes
    path_mtus: PathMtus
    local: deque[Packet] = field(default_factory=deque)
    errors: deque[IcmpError] = field(default_factory=lambda: deque(maxlen=1024))


class NetworkLayer(Network):
    """One version of IP: routes and neighbours below, transports above."""

    __slots__ = ("_commons", "_counters", "_neighbors", "addresses", "output", "transports")

    header_octets: ClassVar[int]
    """Of a header without options."""

    def __init__(self, commons: Commons, neighbors: NeighborLayer) -> None:
        self.addresses = commons.addresses
        self.routes = commons.routes
        self.transports: dict[int, Transport] = {}
        self.output: Transmissions = neighbors.output
        self._commons = commons
        self._neighbors = neighbors
        self._counters: Counters = neighbors.counters

    @abstractmethod
    def find_path(
        self, destination: Address, source: Address | None, now: Instant, scope: Interface | None = None
    ) -> Path:
        """The way to ``destination``, ``source`` chosen if not given; raises NetworkUnreachable.

        ``scope`` is the link on which an address is meant that other links have as well.
        """

    @abstractmethod
    def is_broadcast(self, address: Address) -> bool:
        """Whether ``address`` means several hosts."""

    @abstractmethod
    def source_of(self, packet: Packet) -> Address:
        """The source of a datagram whose head begins with IP."""

    @abstractmethod
    def parse_quoted(self, octets: bytes) -> Quoted:
        """The start of a datagram as an ICMP error would quote it; raises Malformed."""

    @abstractmethod
    def group_mac(self, next_hop: Address) -> Mac | None:
        """The Ethernet address of a group or a broadcast; None if ``next_hop`` is one host."""

    def owns(self, address: Address) -> bool:
        """Whether ``address`` is one of this host's own unicast addresses, loopback included."""
        return self.addresses.owns(address)

    def transmit(self, path: Path, packet: Packet, now: Instant) -> None:
        """Hands a datagram that fits (its head begins with IP) to the link, its neighbour found where it takes one."""
        interface = path.interface
        if interface is self.addresses.loopback:
            packet.checksum = CHECKSUM_VERIFIED
            self._commons.local.append(packet)
            return
        if packet.checksum == CHECKSUM_PARTIAL and not path.checksum_offload:
            packet = complete_checksum(packet)
        neighbor = path.neighbor
        if neighbor is not None and now < neighbor.fast_until:
            self.output.append((interface, with_link_header(neighbor.header, packet)))
            return
        neighbor = self._neighbors.resolve(interface, path.next_hop, now)
        path.neighbor = neighbor
        if neighbor is None:
            self.report_undeliverable(packet)
        else:
            self._neighbors.send(neighbor, packet, now)

    def update_path_mtu(self, destination: Address, mtu: int, now: Instant) -> None:
        """A router said that ``mtu`` is all that fits on the way; the caller has checked the quote."""
        if self._commons.path_mtus.learn(destination, mtu, now):
            self._counters.add("IpPathMtuUpdates")
            self.routes.advance()

    def report_undeliverable(self, packet: Packet) -> bool:
        """The next hop of a datagram (its head begins with IP) does not answer; False if it is not one of ours."""
        if not self.owns(self.source_of(packet)):
            return False
        self.report(HOST_UNREACHABLE, 0, packet)
        return True

    def report(self, kind: str, mtu: int, packet: Packet) -> None:
        """Keeps news about a datagram of ours, as if a router had sent it."""
        try:
            quoted = self.parse_quoted(packet.joined())
        except Malformed as error:
            self._counters.add(error.reason)
            return
        self._commons.errors.append(IcmpError(kind, mtu, quoted.source, quoted))

    def make_path(self, interface: Interface, ends: tuple[Address, Address], next_hop: Address, now: Instant) -> Path:
        """A path, with what has been learnt of its MTU and of the neighbour that it leads to."""
        path = Path(self, interface, ends, next_hop)
        route = self.routes.lookup(path.destination)
        metrics = NO_METRICS if route is None else route.metrics
        path.heed(metrics, self._commons.path_mtus.get(path.destination, now))
        path.neighbor = self._find_neighbor(interface, next_hop)
        return path

    def unreachable(self, reason: str) -> NetworkUnreachable:
        """There is no way, and this is why."""
        self._counters.add("IpOutNoRoutes")
        return NetworkUnreachable(reason)

    def _find_neighbor(self, interface: Interface, next_hop: Address) -> Neighbor | None:
        """What to put in front of datagrams; a link without headers is a neighbour that needs none."""
        if not interface.is_ethernet:
            return _direct(interface, next_hop, None)
        mac = self.group_mac(next_hop)
        if mac is not None:
            return _direct(interface, next_hop, mac)
        return self._neighbors.table.get(interface, next_hop)


class IpLayer:
    """The host's Internet layer as its transports see it: each address is served by its version of IP."""

    __slots__ = ("_commons", "addresses", "routes", "v4", "v6")

    def __init__(self, commons: Commons, v4: NetworkLayer, v6: NetworkLayer) -> None:
        self._commons = commons
        self.addresses = commons.addresses
        self.routes = commons.routes
        self.v4 = v4
        self.v6 = v6

    def version_of(self, address: Address) -> NetworkLayer:
        """The version of IP that ``address`` is of."""
        return self.v4 if len(address) == 4 else self.v6

    def register(self, protocol: int, transport: Transport) -> None:
        """Datagrams of IP protocol ``protocol`` go to ``transport``, whatever their version."""
        self.v4.transports[protocol] = transport
        self.v6.transports[protocol] = transport

    def owns(self, address: Address) -> bool:
        """Whether ``address`` is one of this host's own unicast addresses, loopback included."""
        return self.addresses.owns(address)

    def is_broadcast(self, address: Address) -> bool:
        """Whether ``address`` means several hosts: multicast, limited or directed broadcast (RFC 1122 3.2.1.3)."""
        return self.version_of(address).is_broadcast(address)

    def find_path(
        self, destination: Address, source: Address | None, now: Instant, scope: Interface | None = None
    ) -> Path:
        """The way to ``destination``, ``source`` chosen if not given; raises NetworkUnreachable."""
        version = self.version_of(destination)
        if source is not None and len(source) != len(destination):
            raise version.unreachable("source and destination are of one version of IP")
        return version.find_path(destination, source, now, scope)

    def send(self, path: Path, outgoing: Outgoing, now: Instant) -> None:
        """Sends a datagram along ``path``; it is counted and reported, not raised, if that cannot be done."""
        path.network.send(path, outgoing, now)

    def transmit(self, path: Path, packet: Packet, now: Instant) -> None:
        """Hands a datagram that fits (its head begins with IP) to the link."""
        self.version_of(path.destination).transmit(path, packet, now)

    def update_path_mtu(self, destination: Address, mtu: int, now: Instant) -> None:
        """A router said that ``mtu`` is all that fits on the way; the caller has checked the quote."""
        self.version_of(destination).update_path_mtu(destination, mtu, now)

    def forget_path_mtus(self) -> None:
        """What has been learnt of paths no longer counts."""
        self._commons.path_mtus.clear()
        self.routes.advance()

    @property
    def has_errands(self) -> bool:
        """Whether `poll_local` or `poll_error` has something."""
        return bool(self._commons.local or self._commons.errors)

    def poll_local(self) -> Packet | None:
        """A datagram from us to us; its head begins with IP."""
        local = self._commons.local
        return local.popleft() if local else None

    def poll_error(self) -> IcmpError | None:
        """Something that was found out here about a datagram of ours, for its transport."""
        errors = self._commons.errors
        return errors.popleft() if errors else None


def _direct(interface: Interface, address: Address, mac: Mac | None) -> Neighbor:
    """A neighbour that nobody has to be asked for."""
    neighbor = Neighbor(interface, address, 0, 0)
    neighbor.state = PERMANENT
    neighbor.fast_until = NEVER
    if mac is not None:
        neighbor.bind(mac)
    return neighbor
