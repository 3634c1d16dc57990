"""What is plugged into what: interfaces, networks and routes as the hosts of a simulated network have them."""

from collections.abc import Mapping, Sequence
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
from halfopen.sim.topology_parts import NAT, Member, Node, Segment, split
from halfopen.stack.config import InterfaceConfig
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.routes import Route

OFFLOADS = Offloads(checksum=True, gso_octets=65535)
"""Cables cut super-segments, and compute a checksum only where somebody looks."""


@dataclass(slots=True)
class Laid:
    """A segment and its cable; a prefix for each version of IP that it is of."""

    segment: Segment
    cable: Cable
    prefixes: Sequence[Prefix]


@dataclass(slots=True)
class Station:
    """A host as it is wired. ``given`` are the networks of the addresses that it was made with, by interface."""

    host: SimHost
    node: Node
    number: int
    given: dict[str, list[Prefix]] = field(default_factory=dict)
    plugged: dict[str, Laid] = field(default_factory=dict)

    @property
    def free(self) -> dict[str, list[Prefix]]:
        """The interfaces with an address that are on no network yet."""
        return {name: prefixes for name, prefixes in self.given.items() if name not in self.plugged}

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
        for texts in node.addresses:
            own = [self.plan.check(node.name, text) for text in split(texts)]
            interface = self._add_interface(station)
            for address, prefix in own:
                self._add_address(station, interface, address, prefix)
            station.given[interface.name] = [prefix for _, prefix in own]

    def lay(self, laid: Laid) -> None:
        """A new network with its members; ConfigError before anything is done."""
        members = laid.segment.members
        for prefix in laid.prefixes:
            missing = [member for member in members if not self._has_address(laid, member, prefix)]
            self.plan.next_addresses(prefix, len(missing))
            self.plan.reserve(prefix)
        laid.segment = replace(laid.segment, members=(), prefix=" ".join(map(str, laid.prefixes)))
        self.laid.append(laid)
        for member in members:
            self.join(laid, member)

    def join(self, laid: Laid, member: Member) -> None:
        """One more host on a network."""
        station = self.stations[member.node]
        name = self._given(laid, station) if member.address is None else None
        interface = self._add_interface(station) if name is None else station.interface(name)
        told = [parse_address(text) for text in split(member.address)]
        own: list[Address] = []
        for prefix in laid.prefixes:
            address = next((each for each, network in interface.addresses if network == prefix), None)
            if address is None:
                address = next((each for each in told if each in prefix), None)
                address = address or self.plan.next_addresses(prefix, 1)[0]
                self._add_address(station, interface, address, prefix)
            own.append(address)
        interface.mtu = laid.segment.mtu
        laid.cable.plug(station.host.sim_pump, interface)
        if interface.has_ipv6:
            station.host.sim_pump.kick()  # A router may have to say something, and who asks for one.
        station.plugged[interface.name] = laid
        member = Member(member.node, " ".join(map(format_address, own)))
        laid.segment = replace(laid.segment, members=(*laid.segment.members, member))
        self._is_fresh = False

    def prefixes(self, segment: Segment, told: Mapping[int, Prefix], families: Sequence[int]) -> list[Prefix]:
        """The networks that a segment is to be: as it is ``told``, or as its members have addresses, or new ones.

        Without any of these it is of ``families``; if that is both, it is in any case.
        """
        brought = {octets: self._brought(segment, octets) for octets in (4, 16)}
        known = [octets for octets in (4, 16) if octets in told or brought[octets]]
        wanted = families if len(families) > 1 or not known else known
        return [told.get(octets) or self._prefix(segment, octets, brought[octets]) for octets in wanted]

    def _brought(self, segment: Segment, octets: int) -> list[list[Prefix]]:
        """For each member that has addresses of a version and is on no network with them: of which networks."""
        of_members = (self.stations[member.node].free.values() for member in segment.members)
        choices = ([each for one in free for each in one if len(each.network) == octets] for free in of_members)
        return [choice for choice in choices if choice]

    def _prefix(self, segment: Segment, octets: int, choices: list[list[Prefix]]) -> Prefix:
        if not choices:
            return self.plan.next_prefix(len(segment.members), octets)
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
            for prefix in map(Prefix.parse, split(segment.prefix)):
                self.plan.reserve(prefix)
                self._foresee_members(segment, prefix)
        for text in [text for node in topology.nodes for texts in node.addresses for text in split(texts)]:
            self.plan.reserve(parse_interface(text)[1])

    def _foresee_members(self, segment: Segment, prefix: Prefix) -> None:
        for member in segment.members:
            for address in [each for each in map(parse_address, split(member.address)) if each in prefix]:
                self.plan.claim(member.node, address, prefix)

    def route(self) -> None:
        """Every host learns the routes to all networks, if something has changed since they were computed last."""
        if self._is_fresh:
            return
        self._is_fresh = True
        topology = self.topology()
        used = {len(prefix.network) for laid in self.laid for prefix in laid.prefixes}
        graphs = [Graph(topology, octets) for octets in sorted(used)]
        for name, station in self.stations.items():
            self._replace_routes(station, [hop for graph in graphs for hop in graph.hops(name)])

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
        for name, prefixes in free.items():
            if any(prefix in prefixes for prefix in laid.prefixes):
                return name
        if free:
            networks = " and ".join(map(str, laid.prefixes))
            raise ConfigError(f"{laid.segment.title}: {station.host.name} has addresses, but none on {networks}")
        return None

    def _has_address(self, laid: Laid, member: Member, prefix: Prefix) -> bool:
        """Whether a member is told its address on a network, or comes with one."""
        if member.address is not None:
            return any(address in prefix for address in map(parse_address, split(member.address)))
        station = self.stations[member.node]
        name = self._given(laid, station)
        return name is not None and prefix in station.given[name]

    def _add_interface(self, station: Station) -> Interface:
        host = station.host
        number = len(host.stack.interfaces)
        mac = f"02:00:00:{station.number >> 8:02x}:{station.number & 0xFF:02x}:{number:02x}"
        config = InterfaceConfig(name=f"eth{number}", kind="ethernet", mac=mac, offloads=OFFLOADS)
        return host.stack.add_interface(config, host.sim_pump.now())

    def _add_address(self, station: Station, interface: Interface, address: Address, prefix: Prefix) -> None:
        """What others call a NAT is its outside, the second of its interfaces."""
        host = station.host
        host.stack.add_address(interface, address, prefix, host.sim_pump.now())
        self.plan.claim(host.name, address, prefix)
        if host.stack.interfaces.index(interface) == (1 if station.node.kind == NAT else 0):
            self._names.add(host.name, address)

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
    return tuple(
        " ".join(
            f"{format_address(address)}/{prefix.length}"
            for address, prefix in station.interface(name).addresses
            if prefix in prefixes
        )
        for name, prefixes in station.free.items()
    )
