"""One host: interfaces below, TCP and UDP above, and nothing that knows what time it is or where packets come from."""

from collections.abc import Sequence
from dataclasses import replace

from halfopen.base.addresses import Address, Prefix, format_address, format_mac
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack.ack_filter import without_covered_acks
from halfopen.stack.arp import ArpLayer
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.gro import merged
from halfopen.stack.icmp import IcmpLayer
from halfopen.stack.interface import Interface
from halfopen.stack.internet import Internet
from halfopen.stack.ip import IpLayer
from halfopen.stack.ndp import NdpLayer
from halfopen.stack.neighbor import NeighborTable
from halfopen.stack.ports import DoubleHashPorts, PortTable
from halfopen.stack.routes import Routes
from halfopen.stack.tcp import TcpLayer
from halfopen.stack.tcp_over_udp import TcpOverUdp
from halfopen.stack.udp import UdpLayer
from halfopen.wire.packet import Packet


class Stack:
    """A host, driven from outside: packets, time and randomness are handed in.

    After any input or command: `poll_transmit` until None, look for events of `tcp` and `udp`, then ask `next_deadline`
    once. Datagrams from the host to itself are delivered while it is polled, so that events may come of polling, too.
    """

    __slots__ = (
        "_rng",
        "config",
        "counters",
        "icmp",
        "internet",
        "ip",
        "ports",
        "routes",
        "tcp",
        "tcp_over_udp",
        "udp",
    )

    def __init__(self, config: StackConfig, rng: Rng) -> None:
        self.config = config
        self._rng = rng
        self.counters = Counters()
        self.internet = Internet(config, rng, self.counters)
        self.ip: IpLayer = self.internet.ip
        self.icmp: IcmpLayer = self.internet.icmp
        self.routes: Routes = self.internet.routes
        self.ports = PortTable(DoubleHashPorts(rng, config.ports))
        self.tcp = TcpLayer(self.ip, self.ports, config, rng, self.counters)
        self.udp = UdpLayer(self.ip, self.icmp, self.ports, self.counters)
        self.tcp_over_udp = TcpOverUdp(self.tcp, self.udp, self.counters)
        self.tcp_over_udp.overhead = config.tcp_over_udp_octets
        self.tcp_over_udp.listen(config.tcp_over_udp)

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """All interfaces but loopback."""
        return tuple(self.internet.addresses.interfaces)

    @property
    def arp(self) -> ArpLayer:
        """Address resolution and address conflicts."""
        return self.internet.arp

    @property
    def ndp(self) -> NdpLayer:
        """Neighbor discovery: IPv6 addresses, their conflicts, routers."""
        return self.internet.ndp

    @property
    def neighbors(self) -> NeighborTable:
        """What ARP knows of neighbours' link addresses; neighbor discovery has a table of its own."""
        return self.internet.arp.table

    def add_interface(self, config: InterfaceConfig, now: Instant = 0) -> Interface:
        """A new interface, with routes to the networks that it is on; ``now`` matters if its addresses are probed."""
        return self.internet.add_interface(config, now)

    def add_address(self, interface: Interface, address: Address, prefix: Prefix, now: Instant = 0) -> None:
        """One more address on ``interface``, in use at once."""
        self.internet.add_address(interface, address, prefix, now)

    def configure(self, config: StackConfig) -> None:
        """Another configuration: ICMP, forwarding and TCP's opens follow it at once, the rest when rebooted.

        Raises AddressInUse if TCP is to come in UDP at a port that is taken.
        """
        self.tcp_over_udp.listen(config.tcp_over_udp)
        self.tcp_over_udp.overhead = config.tcp_over_udp_octets
        self.config = config
        self.internet.configure(config)
        self.tcp.config = config

    def rebooted(self, now: Instant) -> "Stack":
        """A new stack with the same configuration, interfaces and routes, which remembers nothing else.

        Not even routes that routers have told; they will tell them again.
        """
        stack = Stack(self.config, self._rng)
        twins = {each: stack.add_interface(self._config_of(each), now) for each in self.interfaces}
        known = set(stack.routes)
        for route in [route for route in self.routes if route not in self.internet.learnt_routes]:
            twin = route if route.interface is None else replace(route, interface=twins[route.interface])
            if twin not in known:
                stack.routes.add(twin)
        return stack

    def on_exit(self, pid: int, now: Instant) -> None:
        """The process ``pid`` has ended: all its sockets are closed, as if it had done so itself."""
        for socket in self.tcp.sockets():
            if socket.owner.pid == pid:
                socket.close(now)
        for datagrams in self.udp.sockets():
            if datagrams.owner.pid == pid:
                datagrams.close()
        self.ports.release_all(pid)

    def receive(self, interface: Interface, packet: Packet, now: Instant) -> None:
        """Takes one packet from a link. Never raises, whatever the octets: bad ones go to a counter."""
        self.internet.receive(interface, packet, now)

    def receive_batch(self, interface: Interface, packets: Sequence[Packet], now: Instant) -> None:
        """Takes what has been read at once: the same as `receive` for each, with less work for a batch of one flow."""
        if len(packets) > 1:
            packets = self._coalesced(interface, packets)
        for packet in packets:
            self.internet.receive(interface, packet, now)

    def poll_transmit(self, now: Instant) -> tuple[Interface, Packet] | None:
        """The next packet for a link; None when the host has nothing more to say."""
        internet, tcp = self.internet, self.tcp
        while not internet.output:
            if not (internet.run_errand(now) or tcp.transmit(now)):
                return None
        return internet.next_transmission()

    def next_deadline(self) -> Instant:
        """The earliest instant at which `on_deadline` has something to do; NEVER if there is none."""
        network, transport = self.internet.next_deadline(), self.tcp.deadlines.next_deadline()
        return network if network < transport else transport  # UDP waits for nothing.

    def on_deadline(self, now: Instant) -> None:
        """Does what is due until ``now``."""
        self.internet.on_deadline(now)
        self.tcp.on_deadline(now)
        self.udp.on_deadline(now)

    def _coalesced(self, interface: Interface, packets: Sequence[Packet]) -> list[Packet]:
        """The same batch with fewer ACKs, and with super-segments."""
        owners = self.internet.addresses.owners
        kept = without_covered_acks(packets, interface.link_octets, owners)
        if len(kept) < len(packets):
            self.counters.add("TcpAcksCovered", len(packets) - len(kept))
        fewer = merged(kept, interface, owners)
        if len(fewer) < len(kept):
            self.counters.add("TcpSegmentsMerged", len(kept) - len(fewer))
        return fewer

    def _config_of(self, interface: Interface) -> InterfaceConfig:
        """By which an interface like this one can be made again; addresses that have formed will form again."""
        forms = self.internet.ndp.autoconfiguration.is_formed
        return InterfaceConfig(
            name=interface.name,
            kind=interface.kind,
            addresses=tuple(
                f"{format_address(address)}/{prefix.length}"
                for address, prefix in interface.addresses
                if not forms(interface, address)
            ),
            mac=format_mac(interface.mac) if interface.is_ethernet else None,
            mtu=interface.mtu,
            offloads=interface.offloads,
            forwarding=interface.forwarding,
            ipv6=interface.has_ipv6,
        )
