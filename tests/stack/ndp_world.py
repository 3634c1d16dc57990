"""A host of ours as far as Neighbor Discovery goes, and the messages of its neighbours and routers."""

from collections import deque

from halfopen.base.addresses import Address, Mac, Prefix, parse_address, parse_mac
from halfopen.base.clock import NEVER, Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import SeededRng
from halfopen.stack.config_ndp import NdpConfig
from halfopen.stack.datagram import Datagram
from halfopen.stack.interface import HostAddresses, Interface
from halfopen.stack.ndp import NdpLayer
from halfopen.stack.ndp_changes import ChangeFollower
from halfopen.stack.routes import Routes
from halfopen.wire import ethernet, icmpv6, ipv6, ndp
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv6 import Ipv6
from halfopen.wire.ndp_options import Options
from halfopen.wire.packet import Packet

OUR_MAC = parse_mac("02:00:00:00:00:01")
PEER_MAC = parse_mac("02:00:00:00:00:02")
ROUTER_MAC = parse_mac("02:00:00:00:00:fe")
OTHER_MAC = parse_mac("02:00:00:00:00:66")
OURS = parse_address("2001:db8::1")
PEER = parse_address("2001:db8::2")
PEER_LOCAL = parse_address("fe80::2")
ROUTER = parse_address("fe80::fe")
OTHER_ROUTER = parse_address("fe80::fd")
FAR = parse_address("2001:db8:ffff::9")
NETWORK = Prefix.parse("2001:db8::/64")
NODES = ipv6.ALL_NODES


class NdpWorld:
    """One host with one Ethernet interface, ``eth0``, and an address on it unless it is to find one itself."""

    def __init__(self, config: NdpConfig | None = None, *, address: Address | None = OURS, mac: Mac = OUR_MAC) -> None:
        self.counters = Counters()
        self.addresses = HostAddresses(Interface("lo", "ip"))
        self.routes = Routes()
        self.output: deque[tuple[Interface, Packet]] = deque()
        self.interface = Interface("eth0", "ethernet", mac=mac)
        self.addresses.interfaces.append(self.interface)
        self.layer = NdpLayer(config or NdpConfig(), self.addresses, self.output, SeededRng("ndp"), self.counters)
        self.follower = ChangeFollower(self.routes, self.counters)
        if address is not None:
            self.claims(address)

    def claims(self, address: Address, *, probe: bool = False, now: Instant = 0) -> None:
        self.layer.claim(self.interface, address, Prefix.of(address, 64), now, probe=probe)
        self.follower.follow(self.layer)

    def attaches(self, *, probe: bool = False, now: Instant = 0) -> "NdpWorld":
        self.layer.attach(self.interface, now, probe=probe)
        self.follower.follow(self.layer)
        return self

    def takes(
        self,
        message: ndp.Message | Icmp,
        source: Address = PEER,
        destination: Address = OURS,
        now: Instant = 0,
        hop_limit: int = 255,
    ) -> "NdpWorld":
        datagram = Datagram(
            Packet(b""), 0, 0, source, destination, 58, 0, hop_limit, self.interface, destination[0] == 0xFF, -1
        )
        icmp = message if isinstance(message, Icmp) else ndp.emit(message)
        try:
            self.layer.receive(datagram, icmp, now)
        finally:
            self.follower.follow(self.layer)
        return self

    def sends(self, destination: Address = PEER, now: Instant = 0, source: Address = OURS) -> None:
        """A datagram of ours with eight octets for a neighbour."""
        neighbors = self.layer.neighbors
        entry = neighbors.resolve(self.interface, destination, now)
        if entry is not None:
            neighbors.send(entry, Packet(ipv6.emit(Ipv6(source, destination, 59), 8) + bytes(8)), now)

    def sent(self) -> list[Packet]:
        packets = [packet for _, packet in self.output]
        self.output.clear()
        return packets

    def said(self) -> list[ndp.Message]:
        """All Neighbor Discovery messages that have been sent."""
        return [message_of(packet) for packet in self.sent() if is_ndp(packet)]

    def runs(self, until: Instant) -> list[tuple[Instant, ndp.Message]]:
        """Lets time pass, stopping at every deadline, and tells what was said when."""
        log = [(0, message) for message in self.said()]
        while (when := self.layer.next_deadline()) <= until and when != NEVER:
            self.layer.on_deadline(when)
            self.follower.follow(self.layer)
            log.extend((when, message) for message in self.said())
        return log

    def state(self, address: Address = PEER, now: Instant = 0) -> object:
        entry = self.layer.neighbors.table.get(self.interface, address)
        return entry.state_at(now) if entry else None

    def mac(self, address: Address = PEER) -> bytes | None:
        entry = self.layer.neighbors.table.get(self.interface, address)
        return entry.mac if entry else None

    @property
    def own(self) -> list[Address]:
        return [address for address, _ in self.interface.addresses]

    @property
    def gateway(self) -> Address | None:
        """The first hop to somebody far away."""
        route = self.routes.lookup(FAR)
        return route.gateway if route else None


def header_of(packet: Packet) -> Ipv6:
    return ipv6.parse(packet.head, ethernet.HEADER_OCTETS, packet.octets - ethernet.HEADER_OCTETS)


def is_ndp(packet: Packet) -> bool:
    return header_of(packet).next_header == 58


def message_of(packet: Packet) -> ndp.Message:
    header = header_of(packet)
    message = icmpv6.parse(packet.joined()[ethernet.HEADER_OCTETS + 40 :], header.source, header.destination)
    parsed = ndp.parse(message)
    ndp.check(parsed, header.source, header.destination, header.hop_limit)
    return parsed


def advertisement(
    target: Address = PEER,
    mac: bytes = PEER_MAC,
    *,
    router: bool = False,
    solicited: bool = True,
    override: bool = True,
) -> ndp.NeighborAdvertisement:
    return ndp.NeighborAdvertisement(target, router, solicited, override, Options(target_mac=mac))


def solicitation(target: Address = OURS, mac: bytes = PEER_MAC) -> ndp.NeighborSolicitation:
    return ndp.NeighborSolicitation(target, Options(source_mac=mac))


def dad_solicitation(target: Address, nonce: bytes = b"theirs") -> ndp.NeighborSolicitation:
    return ndp.NeighborSolicitation(target, Options(nonce=nonce))
