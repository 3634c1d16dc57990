"""The Internet layer of one host, assembled: links below, transports above."""

from collections import deque
from collections.abc import Set
from dataclasses import replace
from typing import Final

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Address, Mac, Prefix, parse_interface, parse_mac
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError, Malformed
from halfopen.base.rng import Rng
from halfopen.stack import datagram as kinds
from halfopen.stack.arp import ArpLayer
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.config_ndp import NdpConfig, RouterConfig
from halfopen.stack.datagram import Datagram
from halfopen.stack.icmp import EchoReply, IcmpLayer
from halfopen.stack.interface import ETHERNET, IP, HostAddresses, Interface, Offloads
from halfopen.stack.ip import Commons, IpLayer
from halfopen.stack.ndp import NdpLayer
from halfopen.stack.ndp_changes import HopLost
from halfopen.stack.nud import Transmissions
from halfopen.stack.path_mtu import PathMtus
from halfopen.stack.routes import Route, Routes
from halfopen.stack.versions import make_version4, make_version6
from halfopen.wire import ethernet, ipv4, ipv6
from halfopen.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6
from halfopen.wire.packet import Packet

_IPV4: Final = ETHERTYPE_IPV4.to_bytes(2, "big")
_IPV6: Final = ETHERTYPE_IPV6.to_bytes(2, "big")
_IPV6_FIRST: Final = 0x60
"""The first octet of a header of version 6 is no less."""


class Internet:
    """Everything between interfaces and transports; has the shape of the whole `Stack`, which adds the transports."""

    __slots__ = (
        "_commons",
        "_v4",
        "_v6",
        "addresses",
        "arp",
        "counters",
        "icmp",
        "ip",
        "ndp",
        "output",
        "rng",
    )

    def __init__(self, config: StackConfig, rng: Rng, counters: Counters) -> None:
        loopback = Interface("lo", IP, mtu=config.ip.loopback_mtu, offloads=Offloads(checksum=True), forwarding=False)
        self.counters = counters
        self.rng = rng
        self.addresses = HostAddresses(loopback)
        self._commons = Commons(self.addresses, Routes(), PathMtus(config.ip))
        self.output: Transmissions = deque()
        """What `poll_transmit` hands out; to look at."""
        self.arp = ArpLayer(config.arp, self.addresses, self.output, rng, counters)
        private = rng.fork("ipv6")
        self.ndp = NdpLayer(_discovery_config(config), self.addresses, self.output, private, counters)
        self.ndp.listeners.enabled = config.ipv6.mld
        self.ndp.neighbors.undeliverable = self.arp.undeliverable
        replies: deque[EchoReply] = deque()
        self._v4 = make_version4(config, self._commons, self.arp, rng, replies)
        self._v6 = make_version6(config, self._commons, self.ndp, private, replies)
        self.ip = IpLayer(self._commons, self._v4.ip, self._v6.ip)
        self.icmp = IcmpLayer(self._v4.icmp, self._v6.icmp, replies)

    @property
    def routes(self) -> Routes:
        """The routing table of both versions."""
        return self._commons.routes

    @property
    def learnt_routes(self) -> Set[Route]:
        """Those of the routing table that nobody has configured."""
        return self._v6.ip.learnt_routes | self._v4.icmp.redirects.learnt

    def configure(self, config: StackConfig) -> None:
        """Another configuration from now on, as far as it is about ICMP and forwarding."""
        self.icmp.configure(config.icmp)
        self._v4.forwarder.configure(config.ip)
        self._v6.forwarder.configure(config.ip)

    def add_interface(self, config: InterfaceConfig, now: Instant = 0) -> Interface:
        """A new interface, with routes to the networks that it is on; ``now`` matters if its addresses are probed."""
        if any(interface.name == config.name for interface in self.addresses.interfaces):
            raise ConfigError(f"there is an interface {config.name} already")
        try:
            addresses = [parse_interface(text) for text in config.addresses]
            mac = self._mac(config)
        except ValueError as error:
            raise ConfigError(f"interface {config.name}: {error}") from None
        interface = Interface(config.name, config.kind, config.mtu, mac, config.offloads, config.forwarding)
        self.addresses.interfaces.append(interface)
        if config.has_ipv6:
            self._begin_ipv6(interface, now, config.probe)
        for address, prefix in addresses:
            self.add_address(interface, address, prefix, now, probe=config.probe)
        return interface

    def add_address(
        self, interface: Interface, address: Address, prefix: Prefix, now: Instant, *, probe: bool = False
    ) -> None:
        """Uses ``address`` on ``interface`` from now on; with ``probe`` once nobody has objected.

        That is RFC 5227 2.1 for IPv4, RFC 4862 5.4 for IPv6.
        """
        if len(address) == 16:
            self._begin_ipv6(interface, now, probe)
            self.ndp.claim(interface, address, prefix, now, probe=probe)
            self._v6.ip.follow_discovery()
            return
        if interface.is_ethernet and probe:
            self.arp.conflicts.probe(interface, address, prefix, now)
            return
        if interface.is_ethernet:
            self.arp.conflicts.hold(interface, address, prefix)
        self._use(interface, address, prefix)

    def remove_address(self, interface: Interface, address: Address) -> None:
        """Uses ``address`` no longer; the route to its network goes with it."""
        if len(address) == 16:
            self.ndp.release(interface, address)
            self._v6.ip.follow_discovery()
            return
        self.arp.conflicts.release(interface, address)
        self._give_up(interface, address)

    def receive(self, interface: Interface, packet: Packet, now: Instant) -> None:
        """Takes one packet from a link. Never raises: bad octets go to a counter."""
        statistics = interface.statistics
        statistics.received_packets += 1
        statistics.received_octets += packet.octets if packet.body else len(packet.head)
        try:
            if interface.is_ethernet:
                self._receive_frame(interface, packet, now)
            elif packet.head and packet.head[0] >= _IPV6_FIRST:
                self._v6.input.receive(interface, packet, False, now)
            else:
                self._v4.input.receive(interface, packet, False, now)
        except Malformed as error:
            self.counters.add(error.reason)

    def poll_transmit(self, now: Instant) -> tuple[Interface, Packet] | None:
        """The next packet for a link. Datagrams from us to us are delivered on the way."""
        while not self.output:
            if not self.run_errand(now):
                return None
        return self.next_transmission()

    def next_transmission(self) -> tuple[Interface, Packet]:
        """What `output` begins with, which leaves it."""
        transmission = self.output.popleft()
        interface, packet = transmission
        statistics = interface.statistics
        statistics.sent_packets += 1
        statistics.sent_octets += packet.octets if packet.body else len(packet.head)
        return transmission

    def next_deadline(self) -> Instant:
        """The earliest instant at which `on_deadline` has something to do."""
        earliest = self.arp.next_deadline()
        deadline = self.ndp.next_deadline()
        if deadline < earliest:
            earliest = deadline
        deadline = self._v4.input.reassembler.next_deadline()
        if deadline < earliest:
            earliest = deadline
        deadline = self._v6.input.reassembler.next_deadline()
        if deadline < earliest:
            earliest = deadline
        deadline = self._commons.path_mtus.next_deadline()
        return deadline if deadline < earliest else earliest

    def on_deadline(self, now: Instant) -> None:
        """Does what is due, each thing as of its own time."""
        self.arp.on_deadline(now)
        while (lost := self.arp.poll_lost()) is not None:
            self._v4.icmp.redirects.follow_loss(HopLost(lost.interface, lost.address))
        self._follow_claims()
        self.ndp.on_deadline(now)
        self._v6.ip.follow_discovery()
        self._v4.input.on_deadline(now)
        self._v6.input.on_deadline(now)
        if self._commons.path_mtus.on_deadline(now):
            self.routes.advance()

    def _receive_frame(self, interface: Interface, packet: Packet, now: Instant) -> None:
        head = packet.head
        if head[12:14] == _IPV4 and head[:6] == interface.mac and not head[6] & 1:
            self._v4.input.receive(interface, packet, False, now)
            return
        if head[12:14] == _IPV6 and head[:6] == interface.mac and not head[6] & 1:
            self._v6.input.receive(interface, packet, False, now)
            return
        destination, source, ethertype = ethernet.parse(head)
        link_broadcast = destination[0] & 1 == 1
        if destination != interface.mac and not link_broadcast:
            self.counters.add("EthernetForOthers")
        elif source[0] & 1:
            self.counters.add("EthernetBadSource")
        elif ethertype == ETHERTYPE_IPV4:
            self._v4.input.receive(interface, packet, link_broadcast, now)
        elif ethertype == ETHERTYPE_IPV6:
            self._v6.input.receive(interface, packet, link_broadcast, now)
        elif ethertype == ETHERTYPE_ARP:
            self.arp.receive(interface, packet, now)
            self._follow_claims()
        else:
            self.counters.add("EthernetUnknownType")

    def run_errand(self, now: Instant) -> bool:
        """One thing that is to be done here before the host is quiet; False if there is none."""
        if not (self.ip.has_errands or self.arp.undeliverable):
            return False
        packet = self.ip.poll_local()
        if packet is not None:
            self.receive(self.addresses.loopback, packet, now)
            return True
        if self.arp.undeliverable:
            _, packet = self.arp.undeliverable.popleft()
            version = self.ip.v6 if packet.head[0] >> 4 == 6 else self.ip.v4
            if not version.report_undeliverable(packet):
                self._tell_unreachable(packet, now)
            return True
        error = self.ip.poll_error()
        if error is not None:
            transport = self.ip.version_of(error.source).transports.get(error.quoted.protocol)
            if transport is not None:
                transport.on_error(error, now)
        return True

    def _tell_unreachable(self, packet: Packet, now: Instant) -> None:
        """A forwarded datagram has found no neighbour (RFC 1812 5.2.7.1); like one from loopback it has no frame."""
        as_datagram = _as_ipv6 if packet.head[0] >> 4 == 6 else _as_ipv4
        self.icmp.send_error(kinds.HOST_UNREACHABLE, as_datagram(self.addresses.loopback, packet), now)

    def _begin_ipv6(self, interface: Interface, now: Instant, probe: bool) -> None:
        """From now on the interface has IPv6, if it has not yet."""
        if interface.mtu < ipv6.MINIMUM_MTU:
            raise ConfigError(f"interface {interface.name}: with IPv6 an MTU is at least 1280 (RFC 8200 5)")
        if not interface.has_ipv6:
            interface.has_ipv6 = True
            self.ndp.attach(interface, now, probe=probe)
            self._v6.ip.follow_discovery()

    def _follow_claims(self) -> None:
        while (claim := self.arp.conflicts.poll_change()) is not None:
            if claim.is_used:
                self._use(claim.interface, claim.address, claim.prefix)
            else:
                self._give_up(claim.interface, claim.address)

    def _use(self, interface: Interface, address: Address, prefix: Prefix) -> None:
        self.addresses.add(interface, address, prefix)
        self.routes.add(Route(prefix=prefix, interface=interface, source=address))

    def _give_up(self, interface: Interface, address: Address) -> None:
        self.addresses.remove(interface, address)
        for route in [route for route in self.routes if route.interface is interface and route.source == address]:
            self.routes.remove(route)

    def _mac(self, config: InterfaceConfig) -> Mac:
        if config.kind != ETHERNET:
            return b""
        if config.mac is not None:
            return parse_mac(config.mac)
        return b"\x02" + self.rng.octets(5)


def default_route(interface: Interface, gateway: Address | None = None, any_address: Address = IPV4_ANY) -> Route:
    """The route of last resort (RFC 1812 5.2.4.3), of the gateway's version of IP if there is one."""
    network = IPV6_ANY if gateway is not None and len(gateway) == 16 else any_address
    return Route(prefix=Prefix(network, 0), interface=interface, gateway=gateway)


def _discovery_config(config: StackConfig) -> NdpConfig:
    """A host that forwards says that it is a router (RFC 4861 6.2.2)."""
    if config.ip.forwarding and config.ndp.router is None:
        return replace(config.ndp, router=RouterConfig())
    return config.ndp


def _as_ipv4(interface: Interface, packet: Packet) -> Datagram:
    """A datagram without a frame, as ICMP quotes it."""
    header = ipv4.parse(packet.head, 0, packet.octets)
    start, ends = header.header_octets, (header.source, header.destination)
    octets = header.total_octets - start
    return Datagram(packet, start, octets, *ends, header.protocol, header.tos, header.ttl, interface, False, -1)


def _as_ipv6(interface: Interface, packet: Packet) -> Datagram:
    """A packet without a frame, as ICMP quotes it."""
    header = ipv6.parse(packet.head, 0, packet.octets)
    start, ends = ipv6.HEADER_OCTETS, (header.source, header.destination)
    octets, tos = header.payload_octets, header.traffic_class
    return Datagram(packet, start, octets, *ends, header.next_header, tos, header.hop_limit, interface, False, -1)
