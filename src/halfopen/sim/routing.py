"""Routes by hop count, computed from the topology: what a routing protocol would have found out."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Address, Prefix, parse_address
from halfopen.sim.topology import Topology
from halfopen.sim.topology_parts import NAT, Node, split

EVERYTHING = Prefix(IPV4_ANY, 0)
EVERYTHING_IPV6 = Prefix(IPV6_ANY, 0)


@dataclass(slots=True, frozen=True)
class Hop:
    """From the interface with address ``local``, datagrams to ``prefix`` go to ``gateway``."""

    prefix: Prefix
    local: Address
    gateway: Address


@dataclass(slots=True, frozen=True)
class Attachment:
    """A node on network number ``network``, which is number ``order`` of its own."""

    node: Node
    network: int
    order: int
    address: Address


class Graph:
    """A topology with all addresses given, as the routes of one version of IP are found in it.

    ``octets`` is how long its addresses are.
    """

    __slots__ = ("_by_node", "_everything", "_homed", "_prefixes", "_routers")

    def __init__(self, topology: Topology, octets: int = 4) -> None:
        nodes = {node.name: node for node in topology.nodes}
        self._everything = EVERYTHING if octets == 4 else EVERYTHING_IPV6
        self._prefixes = [
            next((prefix for prefix in map(Prefix.parse, split(each.prefix)) if len(prefix.network) == octets), None)
            for each in topology.segments
        ]
        self._by_node: dict[str, list[Attachment]] = {name: [] for name in nodes}
        self._routers: list[list[Attachment]] = [[] for _ in topology.segments]
        for number, segment in enumerate(topology.segments):
            if self._prefixes[number] is None:
                continue
            for member in segment.members:
                own = self._by_node[member.node]
                addresses = map(parse_address, split(member.address))
                address = next((address for address in addresses if len(address) == octets), bytes(octets))
                attachment = Attachment(nodes[member.node], number, len(own), address)
                own.append(attachment)
                if attachment.node.forwards and not is_outside(attachment):
                    self._routers[number].append(attachment)
        several = [own for own in self._by_node.values() if len(own) > 1]
        self._homed = [own for own in several if own[0].node.kind != NAT]

    def hops(self, name: str) -> Iterator[Hop]:
        """The routes of the node called ``name``, but those to the networks that it is on.

        Of several shortest ways it takes the one by its first network, and there by the first router.
        """
        own = self._by_node[name]
        found: dict[int, Hop | None] = dict.fromkeys((each.network for each in own), None)
        waiting = deque((each, each.network) for each in own)
        passed = {name}
        while waiting:
            left_by, network = waiting.popleft()
            for router, beyond in self._steps(network, passed):
                if beyond not in found:
                    way = found[network]
                    gateway = way.gateway if way is not None else router.address
                    found[beyond] = Hop(self._prefixes[beyond] or self._everything, left_by.address, gateway)
                    waiting.append((left_by, beyond))
        yield from (hop for hop in found.values() if hop is not None)
        yield from self._end_systems(own, found)
        yield from self._default(own)

    def _steps(self, network: int, passed: set[str]) -> Iterator[tuple[Attachment, int]]:
        """The routers on a network, each with the networks that it leads to; but none of those ``passed`` before."""
        for entered in self._routers[network]:
            ways = self._by_node[entered.node.name] if entered.node.name not in passed else []
            passed.add(entered.node.name)
            yield from ((entered, left.network) for left in ways if left.network != network)

    def _end_systems(self, own: list[Attachment], found: Mapping[int, Hop | None]) -> Iterator[Hop]:
        """Hosts on several networks, none of which leads to the first: its address is what their names mean."""
        for first, *others in self._homed:
            near = next((each for each in others if each.network in found), None)
            if near is None or first.network in found:
                continue
            way = found[near.network]
            local = way.local if way is not None else next(e.address for e in own if e.network == near.network)
            yield Hop(
                Prefix.of(first.address, 8 * len(first.address)),
                local,
                way.gateway if way is not None else near.address,
            )

    def _default(self, own: list[Attachment]) -> Iterator[Hop]:
        """A host leaves the rest to the first router beside it; a router knows all there is."""
        if own and not own[0].node.forwards:
            beside = (
                Hop(self._everything, each.address, router.address)
                for each in own
                for router in self._routers[each.network]
            )
            yield from islice(beside, 1)


def is_outside(attachment: Attachment) -> bool:
    """Whether this is the outside of a NAT, the second of its networks: from there it leads nowhere.

    For IPv6 a NAT is a router like any other.
    """
    return attachment.node.kind == NAT and attachment.order == 1 and len(attachment.address) == 4
