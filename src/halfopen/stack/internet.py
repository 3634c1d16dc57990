"""The Internet layer of one host, assembled: links below, transports above."""

from collections import deque

from halfopen.base.addresses import IPV4_ANY, Address, Mac, Prefix, parse_interface, parse_mac
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError, Malformed
from halfopen.base.rng import Rng
from halfopen.stack.arp import ArpLayer, Transmissions
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.datagram import Datagram
from halfopen.stack.forwarding import Forwarder
from halfopen.stack.fragments import Reassembler
from halfopen.stack.icmp import IcmpLayer
from halfopen.stack.identification import make_identifications
from halfopen.stack.interface import ETHERNET, IP, HostAddresses, Interface, Offloads
from halfopen.stack.ip import IpLayer
from halfopen.stack.ip_input import IpInput
from halfopen.stack.path_mtu import PathMtus
from halfopen.stack.routes import Route, Routes
from halfopen.wire import ethernet, icmpv4, ipv4
from halfopen.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4
from halfopen.wire.packet import Packet

_IPV4 = ETHERTYPE_IPV4.to_bytes(2, "big")


class Internet:
    """Everything between interfaces and transports; has the shape of the whole `Stack`, which adds the transports."""

    __slots__ = (
        "_forwarder",
        "_input",
        "_path_mtus",
        "addresses",
        "arp",
        "counters",
        "icmp",
        "ip",
        "output",
        "rng",
        "routes",
    )

    def __init__(self, config: StackConfig, rng: Rng, counters: Counters) -> None:
        loopback = Interface("lo", IP, mtu=config.ip.loopback_mtu, offloads=Offloads(checksum=True), forwarding=False)
        self.counters = counters
        self.rng = rng
        self.addresses = HostAddresses(loopback)
        self.routes = Routes()
        self.output: Transmissions = deque()
        """What `poll_transmit` hands out; to look at."""
        self._path_mtus = PathMtus(config.ip)
        self.arp = ArpLayer(config.arp, self.addresses, self.output, rng, counters)
        identifications = make_identifications(config.ip.ip_id, config.ip.permit, rng)
        self.ip = IpLayer(self.addresses, self.routes, self.arp, self._path_mtus, identifications)
        self.icmp = IcmpLayer(self.ip, config.icmp, counters)
        self._forwarder = Forwarder(self.ip, self.icmp, config.ip, counters)
        self._input = IpInput(self.ip, self.icmp, self._forwarder, Reassembler(config.fragments, counters), counters)

    def configure(self, config: StackConfig) -> None:
        """Another configuration from now on, as far as it is about ICMP and forwarding."""
        self.icmp.configure(config.icmp)
        self._forwarder.configure(config.ip)

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
        for address, prefix in addresses:
            self.add_address(interface, address, prefix, now, probe=config.probe)
        return interface

    def add_address(
        self, interface: Interface, address: Address, prefix: Prefix, now: Instant, *, probe: bool = False
    ) -> None:
        """Uses ``address`` on ``interface`` from now on; with ``probe`` once nobody has objected (RFC 5227 2.1)."""
        if len(address) != 4:
            raise ConfigError(f"interface {interface.name}: an IPv4 address is needed")
        if interface.is_ethernet and probe:
            self.arp.conflicts.probe(interface, address, prefix, now)
            return
        if interface.is_ethernet:
            self.arp.conflicts.hold(interface, address, prefix)
        self._use(interface, address, prefix)

    def remove_address(self, interface: Interface, address: Address) -> None:
        """Uses ``address`` no longer; the route to its network goes with it."""
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
            else:
                self._input.receive(interface, packet, False, now)
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
        return min(self.arp.next_deadline(), self._input.reassembler.next_deadline(), self._path_mtus.next_deadline())

    def on_deadline(self, now: Instant) -> None:
        """Does what is due, each thing as of its own time."""
        self.arp.on_deadline(now)
        self._follow_claims()
        self._input.on_deadline(now)
        if self._path_mtus.on_deadline(now):
            self.routes.advance()

    def _receive_frame(self, interface: Interface, packet: Packet, now: Instant) -> None:
        head = packet.head
        if head[12:14] == _IPV4 and head[:6] == interface.mac and not head[6] & 1:
            self._input.receive(interface, packet, False, now)
            return
        destination, source, ethertype = ethernet.parse(head)
        link_broadcast = destination[0] & 1 == 1
        if destination != interface.mac and not link_broadcast:
            self.counters.add("EthernetForOthers")
        elif source[0] & 1:
            self.counters.add("EthernetBadSource")
        elif ethertype == ETHERTYPE_IPV4:
            self._input.receive(interface, packet, link_broadcast, now)
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
            if not self.ip.report_undeliverable(packet):
                self._tell_unreachable(packet, now)
            return True
        error = self.ip.poll_error()
        transport = self.ip.transports.get(error.quoted.protocol) if error is not None else None
        if error is not None and transport is not None:
            transport.on_error(error, now)
        return True

    def _tell_unreachable(self, packet: Packet, now: Instant) -> None:
        """A forwarded datagram has found no neighbour (RFC 1812 5.2.7.1); like one from loopback it has no frame."""
        header = ipv4.parse(packet.head, 0, packet.octets)
        datagram = Datagram(
            packet,
            header.header_octets,
            header.total_octets - header.header_octets,
            header.source,
            header.destination,
            header.protocol,
            header.tos,
            header.ttl,
            self.addresses.loopback,
            False,
            -1,
        )
        self.icmp.send_error(icmpv4.DESTINATION_UNREACHABLE, icmpv4.HOST_UNREACHABLE, datagram, now)

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


def default_route(interface: Interface, gateway: Address | None = None) -> Route:
    """The route of last resort (RFC 1812 5.2.4.3)."""
    return Route(prefix=Prefix(IPV4_ANY, 0), interface=interface, gateway=gateway)
