"""Builds what a simulated network is made of: hosts, cables, and what joins them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import BinaryIO

from halfopen.aio.names import Name, Names
from halfopen.base.addresses import Address, Prefix
from halfopen.base.clock import SECOND
from halfopen.base.errors import ConfigError
from halfopen.base.impairment import Impairment
from halfopen.base.netem import parse
from halfopen.base.rng import SeededRng
from halfopen.sim.cable import Cable, Observer
from halfopen.sim.host import SimHost
from halfopen.sim.loop import SimLoop
from halfopen.sim.nat import Nat
from halfopen.sim.nat_table import NatPolicy
from halfopen.sim.profiles import words_of
from halfopen.sim.sniffer import Sniffer
from halfopen.sim.switch import Switch
from halfopen.sim.sysctl import LINUX, write
from halfopen.sim.topology import Topology
from halfopen.sim.topology_check import check, check_segment, fault_of_name
from halfopen.sim.topology_parts import (
    FAMILIES,
    IP_FORWARD,
    IPV4,
    LINK,
    NAT,
    SWITCH,
    Member,
    Node,
    Segment,
    split,
)
from halfopen.sim.wiring import Laid, Wiring
from halfopen.stack.config import StackConfig
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.stack import Stack
from halfopen.wire.ipv6 import MINIMUM_MTU

TOLD_BY_TOPOLOGY = NdpConfig(autoconf=AutoconfConfig(accept_ra=False))
"""Hosts that nobody has configured ask no router for addresses and routes of IPv6: they have them already."""

IMPLICIT = "lan"
"""The switch for hosts that are on no network."""


class SettledNames(Names):
    """The names of all hosts; who asks makes sure that everybody has an address."""

    __slots__ = ("_settle",)

    def __init__(self, settle: Callable[[], None]) -> None:
        super().__init__()
        self._settle = settle

    def resolve(self, host: Name, passive: bool = False) -> list[Address]:
        """As `Names.resolve`."""
        self._settle()
        return super().resolve(host, passive)


class Fabric:
    """Hosts and cables as they are made. ``words`` are for networks that are given none."""

    def __init__(self, loop: SimLoop, rng: SeededRng, words: str, families: str = IPV4) -> None:
        self.hosts: dict[str, SimHost] = {}
        self.cables: list[Cable] = []
        self.observers: list[Observer] = []
        self.words = words
        self.families = families
        self.offloads = False
        """Whether cables with a rate carry super-segments as they are."""
        self._captures: list[BinaryIO] = []
        self._loop = loop
        self._rng = rng
        self._names = SettledNames(self.settle)
        self._wiring = Wiring(self._names)

    @property
    def topology(self) -> Topology:
        """What is there."""
        return replace(self._wiring.topology(), families=self.families)

    def add(self, node: Node, config: StackConfig | None = None) -> SimHost:
        """A host, router or NAT; ConfigError if its name or an address is taken or cannot be meant."""
        name = node.name
        if fault := fault_of_name(name):
            raise ConfigError(f"{node.kind} {name!r} {fault}")
        if name.lower() in {taken.lower() for taken in self.hosts}:
            raise ConfigError(f"there is a host called {name!r} already")
        addresses = [self._wiring.plan.check(name, text)[0] for texts in node.addresses for text in split(texts)]
        if len(set(addresses)) < len(addresses):
            raise ConfigError(f"{node.kind} {name!r} is given an address twice")
        config = config or replace(LINUX, ndp=TOLD_BY_TOPOLOGY)
        for setting, value in {IP_FORWARD: int(node.forwards or config.ip.forwarding), **node.sysctl}.items():
            config = write(config, setting, value)
        stack = Stack(config, self._rng.fork(f"host {name}"))
        if node.kind == NAT:
            host: SimHost = Nat(stack, self._loop, name, self._names, nat_policy(node))
        else:
            host = SimHost(stack, self._loop, name, self._names)
        self._wiring.add(host, node)
        self.hosts[name] = host
        self._settle_soon()
        return host

    def lay(self, segment: Segment) -> Cable:
        """A link, switch or hub with all its members; ConfigError, and nothing done, if it cannot be meant."""
        if self._wiring.find(segment.name) is not None:
            raise ConfigError(f"{segment.title}: there is a network called {segment.name!r} already")
        segment = replace(segment, words=segment.words or self.words)
        check_segment(segment)
        if len({member.node for member in segment.members}) < len(segment.members):
            raise ConfigError(f"{segment.title} joins hosts each of which it names once")
        forth = impairment(segment.title, segment.words)
        back = forth if segment.back is None else impairment(segment.title, segment.back)
        make = Switch if segment.kind == SWITCH else Cable
        rng = self._rng.fork(f"cable {len(self.cables)}")
        cable = make(self._loop.scheduler, rng, forth, segment.name, offloads=self.offloads)
        self._wiring.lay(Laid(segment, cable, self._prefixes(segment)))
        if segment.kind == LINK and back != forth:
            cable.impair(back, towards=segment.members[0].node)
        cable.observers = self.observers
        self.cables.append(cable)
        self._settle_soon()
        return cable

    def build(self, topology: Topology) -> None:
        """All that is described; ConfigError with a line for each thing that cannot be meant."""
        check(topology.nodes, topology.segments)
        self._wiring.foresee(topology)
        for node in topology.nodes:
            self.add(node)
        for segment in topology.segments:
            self.lay(segment)

    def members(self, hosts: Sequence[object]) -> tuple[Member, ...]:
        """``hosts`` as those of a network; ConfigError if one is none, or of another simulation."""
        names = {id(host): name for name, host in self.hosts.items()}
        for host in hosts:
            if id(host) not in names:
                who = host.name if isinstance(host, SimHost) else host
                raise ConfigError(f"{who!r} is none of the hosts that this network has made")
        return tuple(Member(names[id(host)]) for host in hosts)

    def free_name(self, hosts: Sequence[SimHost]) -> str:
        """What a network is called after its hosts; the second between the same is ``"a-b-2"``."""
        name = "-".join(member.node for member in self.members(hosts))
        names = (name, *(f"{name}-{number}" for number in range(2, len(self.cables) + 3)))
        return next(each for each in names if self._wiring.find(each) is None)

    def settle(self) -> None:
        """Puts the hosts that are on no network on one, and computes the routes."""
        idle = self._wiring.idle()
        if len(idle) > 1 or any(not station.given for station in idle):
            members = tuple(Member(station.host.name) for station in idle)
            lan = self._wiring.find(IMPLICIT)
            if lan is None:
                self.lay(Segment(name=IMPLICIT, kind=SWITCH, members=members))
            else:
                for member in members:
                    self._wiring.join(lan, member)
        self._wiring.route()
        for file in self._captures:
            self.observers.append(Sniffer(file, self._wiring.plan.names))
        self._captures.clear()

    def capture(self, file: BinaryIO) -> None:
        """Begins when all hosts have addresses, for the names stand at the beginning of the file."""
        self._captures.append(file)
        if self._loop.is_running():
            self.settle()

    def _prefixes(self, segment: Segment) -> list[Prefix]:
        """The networks that it is told to be, or that its hosts have addresses of, or new ones."""
        told = {len(prefix.network): prefix for prefix in map(Prefix.parse, split(segment.prefix))}
        for prefix in told.values():
            self._wiring.plan.check_prefix(segment.title, prefix)
            if any(prefix in laid.prefixes for laid in self._wiring.laid):
                raise ConfigError(f"{segment.title}: {prefix} is another network's")
        prefixes = self._wiring.prefixes(segment, told, FAMILIES[self.families])
        if segment.mtu < MINIMUM_MTU and any(len(prefix.network) == 16 for prefix in prefixes):
            raise ConfigError(f"{segment.title}: with IPv6 an MTU is at least 1280 (RFC 8200 5), not {segment.mtu}")
        return prefixes

    def _settle_soon(self) -> None:
        """What is new within a running program is ready before the programs that it starts."""
        if self._loop.is_running():
            self._loop.call_soon(self.settle)


def nat_policy(node: Node) -> NatPolicy:
    """What a NAT does, with defaults for what is not said; ConfigError if it cannot be meant."""
    policy = NatPolicy()
    if node.idle_timeout is not None:
        policy = replace(policy, idle_timeout=node.idle_timeout / SECOND)
    if node.on_expire is not None:
        policy = replace(policy, on_expire=node.on_expire)
    return policy


def impairment(title: str, words: str) -> Impairment:
    """What a profile, or netem's words, ask for; ConfigError names the link and the word that is not understood."""
    try:
        return parse(words_of(words))
    except ConfigError as error:
        raise ConfigError(f"{title}: {error}") from None
