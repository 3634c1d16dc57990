"""What is plugged into what: interfaces, networks and routes as the hosts of a simulated network have them."""

from dataclasses import dataclass, field, replace
from functools import partial

from halfopen.aio.names import Names
from halfopen.base.addresses import Address, Prefix, format_address, parse_address, parse_interface
from halfopen.base.errors import ConfigError
from halfopen.sim.addressing import AddressPlan, common
from halfopen.sim.cable import Cable
from halfopen.sim.host import SimHost
from halfopen.sim.routing import Graph, Hop
from halfopen.sim.sysctl import Value
from halfopen.sim.topology import Topology
from halfopen.sim.topology_parts import NAT, Member, Node, Segment
from halfopen.stack.config import InterfaceConfig
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.routes import Route

OFFLOADS = Offloads(checksum=True, gso_octets=65535)
"""Cables cut super-segments, and compute a checksum only where somebody looks."""


@dataclass(slots=True)
class Laid:
    """A segment and its cable."""

    segment: Segment
    cable: Cable
    prefix: Prefix


@dataclass(slots=True)
class Station:
    """A host as it is wired. ``given`` are the networks of the addresses that it was made with, by interface."""

    host: SimHost
    node: Node
    number: int
    given: dict[str, Prefix] = field(default_factory=dict)
    plugged: dict[str, Laid] = field(default_factory=dict)

    @property
    def free(self) -> dict[str, Prefix]:
        """The interfaces with an address that are on no network yet."""
        return {name: prefix for name, prefix in self.given.items() if name not in self.plugged}

    @property
    def is_mentioned(self) -> bool:
        """Whether it is on a network, also one that somebody has made by hand."""
        stack = self.host.stack
        return bool(self.plugged) or (bool(stack.interfaces) and self.host.sim_pump.free_interface() is None)

    def interface(self, name: str) -> Interface:
        """The interface called ``name``."""
        return next(interface for interface in self.host.stack.interfaces if interface.name == name)


class Wiring:
    """Hosts, the networks they are on, and the routes that follow from it."""

    __slots__ = ("_is_fresh", "_names", "_routes", "laid", "plan", "stations")

    def __init__(self, names: Names) -> None:
        self.plan = AddressPlan()
        self.stations: dict[str, Station] = {}
        self.laid: list[Laid] = []
        self._names = names
        self._routes: dict[str, list[Hop]] = {}
        self._is_fresh = True

    def add(self, host: SimHost, node: Node) -> None:
        """A host, with an interface for each address that it has been given."""
        station = Station(host, node, len(self.stations))
        self.stations[node.name] = station
        host.on_sysctl = partial(self._configured, station)
        for text in node.addresses:
            address, prefix = self.plan.check(node.name, text)
            name = self._add_interface(station, address, prefix)
            station.given[name] = prefix

    def lay(self, laid: Laid) -> None:
        """A new network with its members; ConfigError before anything is done."""
        members = laid.segment.members
        missing = [self._given(laid, self.stations[member.node]) for member in members if member.address is None]
        self.plan.next_addresses(laid.prefix, missing.count(None))
        self.plan.reserve(laid.prefix)
        laid.segment = replace(laid.segment, members=(), prefix=str(laid.prefix))
        self.laid.append(laid)
        for member in members:
            self.join(laid, member)

    def join(self, laid: Laid, member: Member) -> None:
        """One more host on a network."""
        station = self.stations[member.node]
        name = self._given(laid, station) if member.address is None else None
        if name is None:
            address = parse_address(member.address) if member.address else self.plan.next_addresses(laid.prefix, 1)[0]
            name = self._add_interface(station, address, laid.prefix)
        interface = station.interface(name)
        interface.mtu = laid.segment.mtu
        laid.cable.plug(station.host.sim_pump, interface)
        station.plugged[name] = laid
        member = Member(member.node, format_address(interface.addresses[0][0]))
        laid.segment = replace(laid.segment, members=(*laid.segment.members, member))
        self._is_fresh = False

    def prefix(self, segment: Segment) -> Prefix:
        """The network of the addresses that the members have, or a new one."""
        choices = [list(free.values()) for member in segment.members if (free := self.stations[member.node].free)]
        if not choices:
            return self.plan.next_prefix(len(segment.members))
        prefix = common(choices)
        if prefix is None:
            networks = " and ".join(str(each[0]) for each in choices)
            raise ConfigError(f"{segment.title}: the addresses of its hosts are of different networks: {networks}")
        return prefix

    def idle(self) -> list[Station]:
        """The hosts that are on no network."""
        return [station for station in self.stations.values() if not station.is_mentioned]

    def find(self, name: str) -> Laid | None:
        """The network called ``name``."""
        return next((laid for laid in self.laid if laid.segment.name == name), None)

    def foresee(self, topology: Topology) -> None:
        """Nobody else gets the addresses that ``topology`` gives."""
        for segment in topology.segments:
            prefix = Prefix.parse(segment.prefix) if segment.prefix else None
            for member in segment.members:
                if member.address and prefix:
                    self.plan.claim(member.node, parse_address(member.address), prefix)
            if prefix:
                self.plan.reserve(prefix)
        for node in topology.nodes:
            for text in node.addresses:
                self.plan.reserve(parse_interface(text)[1])

    def route(self) -> None:
        """Every host learns the routes to all networks, if something has changed since they were computed last."""
        if self._is_fresh:
            return
        self._is_fresh = True
        graph = Graph(self.topology())
        for name, station in self.stations.items():
            self._replace_routes(station, list(graph.hops(name)))

    def topology(self) -> Topology:
        """The description of what is there."""
        nodes = (replace(station.node, addresses=_unplugged(station)) for station in self.stations.values())
        return Topology(tuple(nodes), tuple(laid.segment for laid in self.laid))

    def _configured(self, station: Station, name: str, value: Value) -> None:
        """The topology tells it from now on, and who has become a router, or is none any more, changes the routes."""
        before = station.node
        station.node = replace(before, sysctl={**before.sysctl, name: value})
        if station.node.forwards != before.forwards:
            self._is_fresh = False
            self.route()

    def _given(self, laid: Laid, station: Station) -> str | None:
        """The interface that a host has for a network already; None if it is to get one."""
        free = station.free
        for name, prefix in free.items():
            if prefix == laid.prefix:
                return name
        if free:
            raise ConfigError(f"{laid.segment.title}: {station.host.name} has addresses, but none on {laid.prefix}")
        return None

    def _add_interface(self, station: Station, address: Address, prefix: Prefix) -> str:
        """Its name. What others call a NAT is its outside, the second of its interfaces."""
        host = station.host
        number, now = len(host.stack.interfaces), host.sim_pump.now()
        mac = f"02:00:00:{station.number >> 8:02x}:{station.number & 0xFF:02x}:{number:02x}"
        config = InterfaceConfig(name=f"eth{number}", kind="ethernet", mac=mac, offloads=OFFLOADS)
        interface = host.stack.add_interface(config, now)
        host.stack.add_address(interface, address, prefix, now)
        self.plan.claim(host.name, address, prefix)
        if number == (1 if station.node.kind == NAT else 0):
            self._names.add(host.name, address)
        return interface.name

    def _replace_routes(self, station: Station, hops: list[Hop]) -> None:
        routes = station.host.stack.routes
        old = {(hop.prefix, hop.gateway) for hop in self._routes.get(station.host.name, ())}
        for route in [route for route in routes if (route.prefix, route.gateway) in old]:
            routes.remove(route)
        owners = station.host.stack.internet.addresses.owners
        for hop in hops:
            routes.add(Route(prefix=hop.prefix, interface=owners[hop.local], gateway=hop.gateway))
        self._routes[station.host.name] = hops


def _unplugged(station: Station) -> tuple[str, ...]:
    addresses = {name: station.interface(name).addresses[0][0] for name in station.free}
    return tuple(f"{format_address(address)}/{station.given[name].length}" for name, address in addresses.items())
