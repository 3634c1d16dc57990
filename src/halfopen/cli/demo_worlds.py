"""The two worlds of the demonstration: a TAP device with the kernel behind it, or hosts of ours on cables of memory.

::

    tap       kernel 192.0.2.1    =============== 192.0.2.2    ours
                     198.51.100.1 ~~~ impaired ~~ 198.51.100.2

    memory    h1     192.0.2.1    ============ r1 ============ 198.51.100.2 h2 (ours)
                     192.0.2.129  ~ impaired ~ r1 ============ 198.51.100.3

There are two ways between the peer and us; the second one loses, delays and reorders packets.
"""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from halfopen.aio.host import Host
from halfopen.aio.loop import LoopOverStack, StackNetworking
from halfopen.base.addresses import Prefix, parse_address
from halfopen.base.entropy import SystemRng
from halfopen.capture.pcapng import Writer
from halfopen.cli.cable import make_cable
from halfopen.cli.demo_peers import KernelPeer, OurPeer, Peer, Place
from halfopen.cli.device import impaired
from halfopen.cli.excerpts import ExcerptLink
from halfopen.links.hosts import add_interface
from halfopen.links.impairment import PERFECT, Impairment, parse
from halfopen.links.interfaces import LinkSettings, configure
from halfopen.links.link import Link
from halfopen.links.namespaces import enter_private_namespace
from halfopen.links.real_pump import RealPump
from halfopen.links.tuntap import TunTap
from halfopen.stack.config import IpConfig, StackConfig
from halfopen.stack.interface import Interface
from halfopen.stack.internet import default_route
from halfopen.stack.routes import Route
from halfopen.stack.stack import Stack

CONDITIONS = "loss 1% delay 10ms reorder 1%"
IMPAIRED = parse(CONDITIONS)


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way between the peer and us, and what it does to packets."""

    peer: str
    ours: str
    impairment: Impairment = PERFECT


class World(Place):
    """Where the exchange takes place. Made before there is a loop; `make_loop` makes the hosts."""

    name: str
    ways: tuple[Way, Way]
    peer: Peer

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.undo = ExitStack()
        self._hosts: list[Host] = []
        self._excerpts: list[ExcerptLink] = []

    @property
    def host(self) -> Host:
        """Ours."""
        return self._hosts[0]

    @property
    @abstractmethod
    def description(self) -> str:
        """What it is, for people."""

    @abstractmethod
    def make_loop(self) -> asyncio.AbstractEventLoop:
        """The loop to run the exchange in, on our host."""

    def record(self, octets: int) -> None:
        """Records about so many octets of what follows, on each way."""
        for excerpt in self._excerpts:
            excerpt.record(octets)

    def close(self) -> None:
        """Closes what was opened; the loop is closed already."""
        self.undo.close()

    def recorded(self, link: Link) -> ExcerptLink:
        """``link``, of which `record` records."""
        excerpt = ExcerptLink(link, self.writer, time.monotonic_ns)
        self._excerpts.append(excerpt)
        return excerpt

    def add_host(self, stack: Stack, links: dict[Interface, Link], loop: asyncio.AbstractEventLoop) -> Host:
        """A host; the first one is ours."""
        host = Host(stack, RealPump(stack, loop, links), program="halfopen")
        self._hosts.append(host)
        return host


class TapWorld(World):
    """In a network namespace of its own, where the kernel is the peer. Moves this process there, for good."""

    name = "tap"
    ways = (
        Way(peer="192.0.2.1", ours="192.0.2.2"),
        Way(peer="198.51.100.1", ours="198.51.100.2", impairment=IMPAIRED),
    )

    def __init__(self, writer: Writer) -> None:
        super().__init__(writer)
        enter_private_namespace()
        self.peer = KernelPeer()
        with ExitStack() as undo:
            self._links = [undo.enter_context(self._open(number)) for number in range(len(self.ways))]
            self.undo = undo.pop_all()

    def _open(self, number: int) -> Link:
        way = self.ways[number]
        tap = TunTap(f"tap{number}")
        configure(tap.name, LinkSettings(addresses=(f"{way.peer}/24",), ipv6=False))
        return self.recorded(tap if way.impairment == PERFECT else impaired(tap, way.impairment))

    @property
    def description(self) -> str:
        """Where the kernel is."""
        return "two TAP devices in a network namespace of its own, the kernel at their other ends"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """There is one host only."""
        yield

    def make_loop(self) -> LoopOverStack:
        """All networking of this loop is our host's; subprocesses have the kernel's."""
        return LoopOverStack(self._make_host)

    def _make_host(self, loop: asyncio.AbstractEventLoop) -> Host:
        stack = Stack(StackConfig(), SystemRng())
        links = {
            add_interface(stack, link, f"{way.ours}/24"): link for way, link in zip(self.ways, self._links, strict=True)
        }
        return self.add_host(stack, links, loop)


CURRENT: ContextVar[Host] = ContextVar("CURRENT")
"""The host that the running code is on, where there are several."""


class LoopOverHosts(StackNetworking, asyncio.SelectorEventLoop):
    """A loop whose tasks are on different hosts of ours."""

    def current_host(self) -> Host:
        """As `CURRENT` says."""
        return CURRENT.get()


class MemoryWorld(World):
    """Two hosts of ours and a router between them, in this process; all packets stay in it."""

    name = "memory"
    ways = (
        Way(peer="192.0.2.1", ours="198.51.100.2"),
        Way(peer="192.0.2.129", ours="198.51.100.3", impairment=IMPAIRED),
    )
    GATEWAYS = ("192.0.2.126", "192.0.2.254", "198.51.100.1")

    def __init__(self, writer: Writer) -> None:
        super().__init__(writer)
        self.peer = OurPeer(self)

    @property
    def description(self) -> str:
        """What is in it."""
        return "two hosts of ours on cables of memory, a router of ours between them"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """On the peer's host."""
        token = CURRENT.set(self._hosts[1])
        try:
            yield
        finally:
            CURRENT.reset(token)

    def make_loop(self) -> LoopOverHosts:
        """Our host is the current one."""
        loop = LoopOverHosts()
        near, plain = make_cable("h2.eth0", "r1.eth2", 1)
        first, router_first = make_cable("h1.eth0", "r1.eth0", 2)
        second, router_second = make_cable("h1.eth1", "r1.eth1", 3)
        for end in (near, plain, first, router_first, second, router_second):
            self.undo.callback(end.close)
        CURRENT.set(self._add_ours(self.recorded(near), loop))
        self._add_peer((first, impaired(second, IMPAIRED)), loop)
        self._add_router((router_first, router_second, plain), loop)
        return loop

    def close(self) -> None:
        """Also the pumps, which `LoopOverStack` would do."""
        for host in self._hosts:
            host.pump.close()
        super().close()

    def _add_ours(self, link: Link, loop: asyncio.AbstractEventLoop) -> Host:
        stack = Stack(StackConfig(), SystemRng())
        interface = add_interface(stack, link, *(f"{way.ours}/24" for way in self.ways))
        gateway = parse_address(self.GATEWAYS[2])
        stack.routes.add(default_route(interface, gateway))
        # Towards the peer's second address our second one is the source, so that answers come by the same way.
        other = Prefix.parse("192.0.2.128/25")
        source = parse_address(self.ways[1].ours)
        stack.routes.add(Route(prefix=other, interface=interface, gateway=gateway, source=source))
        return self.add_host(stack, {interface: link}, loop)

    def _add_peer(self, links: tuple[Link, Link], loop: asyncio.AbstractEventLoop) -> None:
        stack = Stack(StackConfig(), SystemRng())
        by_interface: dict[Interface, Link] = {}
        for way, gateway, link in zip(self.ways, self.GATEWAYS, links, strict=False):
            interface = add_interface(stack, link, f"{way.peer}/25")
            by_interface[interface] = link
            prefix = Prefix(parse_address(way.ours), 32)
            stack.routes.add(Route(prefix=prefix, interface=interface, gateway=parse_address(gateway)))
        self.add_host(stack, by_interface, loop)

    def _add_router(self, links: tuple[Link, Link, Link], loop: asyncio.AbstractEventLoop) -> None:
        stack = Stack(StackConfig(ip=IpConfig(forwarding=True)), SystemRng())
        prefixes = (25, 25, 24)
        by_interface = {
            add_interface(stack, link, f"{address}/{length}"): link
            for link, address, length in zip(links, self.GATEWAYS, prefixes, strict=True)
        }
        self.add_host(stack, by_interface, loop)
