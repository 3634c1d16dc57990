"""The usual places of a scenario: a client, a server, a router between them, and an attacker somewhere.

::

    "remote"   client ---- router ---- server      "server"   client ---- router --+-- server
                             |                                                     +-- attacker
               attacker --- edge
                                                   "client"   client --+-- router ---- server
    "lan"      client, server, attacker, router               attacker-+
               on one segment
                                                   "none"     client ---- router ---- server

Addresses are those of `halfopen.lab.places`. What is sent to ``spoofed``, where nobody lives, leaves by the router and
is never answered.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack

from halfopen.base.addresses import Address, Prefix, is_link_local, parse_address
from halfopen.base.errors import ConfigError
from halfopen.base.rng import SeededRng
from halfopen.lab.attacker import Attacker
from halfopen.lab.places import PLACES
from halfopen.lab.scenario import Outcome, Settings
from halfopen.lab.tape import Tape
from halfopen.report.arrows import Arrow
from halfopen.sim.cable import Cable
from halfopen.sim.fabric import TOLD_BY_TOPOLOGY
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network
from halfopen.stack.config import StackConfig
from halfopen.stack.neighbor import NeighborTable
from halfopen.stack.routes import Route
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener

T = TypeVar("T")

Place = Literal["remote", "lan", "server", "client", "none"]

_NOBODY = bytes.fromhex("020000ffffff")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the attacker is, and what hosts and cables are like.

    ``words`` are netem's, for each cable; without a large ``limit``, its queue of 1,000 packets would stop a flood.
    ``configs`` are by host: client, server, router, edge, attacker; others have the library's defaults. A ``switched``
    segment shows the attacker little of what others send. Neighbours that are ``acquainted`` know each other's link
    addresses for good, so that there is no ARP at all. Who reads the tape in its story ``needs_tape``, also where the
    run is not to be recorded.
    """

    attacker: Place = "remote"
    words: str = "delay 5ms limit 1000000"
    configs: Mapping[str, StackConfig] = field(default_factory=dict)
    switched: bool = False
    silent: bool = False
    acquainted: bool = True
    needs_tape: bool = False


class Results(TypedDict, total=False):
    """The fields of an `Outcome` but its capture."""

    attack_succeeded: bool
    metrics: dict[str, float]
    theory: dict[str, float]
    notes: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]
    tolerance: Mapping[str, float]
    figures: Mapping[str, str]
    texts: Mapping[str, str]
    lifelines: tuple[str, ...]
    port: int | None
    essential: Callable[[Sequence[Arrow]], Sequence[Arrow]] | None


BLANK = Outcome(attack_succeeded=False, metrics={})


class World:
    """A network by a `Layout`, with the capture running. ``rng`` is for whatever the story draws."""

    def __init__(self, settings: Settings, layout: Layout | None = None) -> None:
        layout = layout or Layout()
        self.settings = settings
        self.layout = layout
        self.rng = SeededRng(f"lab {settings.seed}")
        self._attacker: Attacker | None = None
        unknown = set(layout.configs) - {"client", "server", "router", "edge", "attacker"}
        if unknown:
            raise ConfigError(f"there is no host {min(unknown)!r} in this layout")
        self.places = PLACES[settings.ip_version]
        self.network = Network(settings.seed, families=f"ipv{settings.ip_version}")
        self.cables: dict[str, Cable] = {}
        try:
            self._build()
        except BaseException:
            self.network.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.network.close()

    @property
    def client(self) -> SimHost:
        """Who has business with the server."""
        return self.network.hosts["client"]

    @property
    def server(self) -> SimHost:
        """Who listens."""
        return self.network.hosts["server"]

    @property
    def router(self) -> SimHost:
        """Between all segments."""
        return self.network.hosts["router"]

    @property
    def edge(self) -> SimHost:
        """The attacker's own router, where an ingress filter belongs (BCP 38); only if it is remote."""
        return self.network.hosts["edge"]

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self.network.elapsed

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Plays ``story`` to its end."""
        return self.network.run(story)

    async def at_rest(self, seconds: float = 2.0) -> None:
        """Lets what was begun come to its end."""
        await asyncio.sleep(seconds)

    def outcome(self, **results: Unpack[Results]) -> Outcome:
        """The `Outcome`, with the capture so far."""
        return replace(BLANK, **results, capture=self.tape.octets if self.settings.record else b"")

    def spoofed(self, count: int) -> list[Address]:
        """``count`` addresses of nobody, over and over."""
        known = self.places.nobodys(126)
        return [known[number % len(known)] for number in range(count)]

    def _build(self) -> None:
        network, layout = self.network, self.layout
        place = layout.attacker
        if place == "lan":
            names = ("client", "server", "router", "attacker")
            hosts = [
                self._host(name, f"192.0.2.{number}/24") for name, number in zip(names, (1, 2, 254, 10), strict=True)
            ]
            self._segment("lan", *hosts)
        else:
            client, server = self._host("client", "192.0.2.1/24"), self._host("server", "198.51.100.2/24")
            router = self._host("router", "192.0.2.254/24", "198.51.100.254/24")
            extra = {"server": "198.51.100.10/24", "client": "192.0.2.10/24"}.get(place)
            beside = [self._host("attacker", extra)] if extra else []
            self._segment("client-side", client, router, *(beside if place == "client" else ()))
            self._segment("server-side", router, server, *(beside if place == "server" else ()))
            if place == "remote":
                edge = self._host("edge", "203.0.113.14/28")
                attacker = self._host("attacker", "203.0.113.1/28")
                self._segment("attacker-side", attacker, edge)
                self.cables["uplink"] = network.link(edge, router, layout.words, network=self.places.uplink)
        network.run(asyncio.sleep(0))
        self._lead_astray()
        if layout.acquainted:
            self._acquaint()
        self.tape = Tape(self._names())
        if self.settings.record or layout.needs_tape:
            network.observe(self.tape)
        if place != "none":
            self._attacker = Attacker(network, network.hosts["attacker"], self.tape, silent=layout.silent)

    @property
    def attacker(self) -> Attacker:
        """Him; ConfigError if the layout has none."""
        if self._attacker is None:
            raise ConfigError("this layout has no attacker")
        return self._attacker

    def _host(self, name: str, *addresses: str) -> SimHost:
        config = self.layout.configs.get(name, StackConfig())
        if self.places.version == 6:
            config = replace(config, ndp=TOLD_BY_TOPOLOGY)
        make = self.network.router if name in ("router", "edge") else self.network.host
        return make(name, *map(self.places.at, addresses), config=config)

    def _segment(self, name: str, *hosts: SimHost) -> None:
        """A cable between two, a hub or a switch of more."""
        words = self.layout.words
        if len(hosts) == 2:
            self.cables[name] = self.network.link(*hosts, words)
        elif self.layout.switched:
            self.cables[name] = self.network.switch(name, *hosts, words=words)
        else:
            self.cables[name] = self.network.hub(name, *hosts, words=words)

    def _acquaint(self) -> None:
        for cable in self.network.cables:
            for end, other in permutations(cable.ends, 2):
                for address, _ in other.interface.addresses:
                    neighbors_of(end.pump.stack, address).add_permanent(end.interface, address, other.interface.mac)

    def _lead_astray(self) -> None:
        """Datagrams of floods leave the router for a next hop that is nobody: as good as an Internet of silence."""
        stack = self.router.stack
        interface = stack.interfaces[-1]
        address, prefix = next(entry for entry in interface.addresses if not is_link_local(entry[0]))
        gateway = (int.from_bytes(prefix.network, "big") + 253).to_bytes(len(address), "big")
        neighbors_of(stack, gateway).add_permanent(interface, gateway, _NOBODY)
        spoofed = Prefix.parse(self.places.spoofed)
        stack.routes.add(Route(prefix=spoofed, interface=interface, gateway=gateway, source=address))

    def _names(self) -> dict[Address, str]:
        return {
            address: host.name
            for host in self.network.hosts.values()
            for interface in host.stack.interfaces
            for address, _ in interface.addresses
        }


def neighbors_of(stack: Stack, address: Address) -> NeighborTable:
    """The table that ``address`` belongs in: ARP's, or that of neighbor discovery."""
    return stack.neighbors if len(address) == 4 else stack.ndp.neighbors.table


def listener_of(stack: Stack) -> TcpListener:
    """The first listening port of a host, of IPv6 if it has that: there is one of each version then."""
    listeners = [each for each in stack.tcp.sockets() if isinstance(each, TcpListener)]
    return next((each for each in listeners if len(each.address) == 16), listeners[0])


def packed(host: SimHost) -> Address:
    """The first address of ``host``, as octets."""
    return parse_address(host.address)
