"""Where the demonstration takes place: on a TAP device, where the kernel is the peer, or in a simulated network::

    tap         kernel 192.0.2.1    =============== 192.0.2.2    ours
                       198.51.100.1 ~~~ impaired ~~ 198.51.100.2

    simulated   peer   192.0.2.1    ============ r1 ============ 198.51.100.2   ours
                       192.0.2.129  ~ impaired ~ r2 ============ 198.51.100.130

There are two ways between the peer and us; the second one loses, delays and reorders packets.
"""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from halfopen.aio.host import Host
from halfopen.aio.loop import LoopOverStack
from halfopen.base.clock import Instant
from halfopen.base.entropy import SystemRng
from halfopen.capture.pcapng import Writer
from halfopen.capture.record import LINKTYPE_ETHERNET, Direction
from halfopen.cli.demo_peers import KernelPeer, OurPeer, Peer, Place
from halfopen.cli.device import impaired
from halfopen.cli.excerpts import ExcerptLink
from halfopen.cli.interrupts import until_interrupted
from halfopen.cli.published import published
from halfopen.links.hosts import add_interface, in_good_order
from halfopen.links.impairment import PERFECT, Impairment, parse
from halfopen.links.interfaces import LinkSettings, configure
from halfopen.links.link import Link
from halfopen.links.namespaces import enter_private_namespace
from halfopen.links.real_pump import RealPump
from halfopen.links.tuntap import TunTap
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network
from halfopen.stack.config import StackConfig
from halfopen.stack.interface import Interface
from halfopen.stack.stack import Stack
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import Packet

T = TypeVar("T")

CONDITIONS = "loss 1% delay 10ms reorder 1%"
IMPAIRED = parse(CONDITIONS)
WIRE = "delay 100us"
"""What a good cable does in the simulation."""
SEED = 1


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way between the peer and us, and what it does to packets."""

    peer: str
    ours: str
    impairment: Impairment = PERFECT


class World(Place):
    """Where the exchange takes place."""

    name: str
    description: str
    ways: tuple[Way, Way]
    peer: Peer

    @property
    @abstractmethod
    def host(self) -> Host:
        """Ours."""

    @abstractmethod
    def run(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What ``work`` makes of it on our host; None if it was interrupted."""

    @abstractmethod
    def record(self, octets: int) -> None:
        """Records about so many octets of what follows, on each way."""

    @abstractmethod
    def close(self) -> None:
        """Closes what was opened."""


class TapWorld(World):
    """In a network namespace of its own, where the kernel is the peer. Moves this process there, for good."""

    name = "tap"
    description = "two TAP devices in a network namespace of its own, the kernel at their other ends"
    ways = (
        Way(peer="192.0.2.1", ours="192.0.2.2"),
        Way(peer="198.51.100.1", ours="198.51.100.2", impairment=IMPAIRED),
    )

    def __init__(self, writer: Writer) -> None:
        enter_private_namespace()
        self.peer = KernelPeer()
        self._writer = writer
        self._hosts: list[Host] = []
        self._excerpts: list[ExcerptLink] = []
        with ExitStack() as undo:
            for number in range(len(self.ways)):
                self._excerpts.append(undo.enter_context(self._open(number)))
            self._undo = undo.pop_all()

    @property
    def host(self) -> Host:
        """The only one there is."""
        return self._hosts[0]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """There is one host only."""
        yield

    def run(self, work: Coroutine[Any, Any, T]) -> T | None:
        """All networking of the loop is our host's; subprocesses have the kernel's. Its ports can be seen."""

        async def seen() -> T:
            async with published(self.host), in_good_order(self.host):
                return await work

        with asyncio.Runner(loop_factory=lambda: LoopOverStack(self._make_host)) as runner:
            return runner.run(until_interrupted("demo", seen()))

    def record(self, octets: int) -> None:
        """On both devices."""
        for excerpt in self._excerpts:
            excerpt.record(octets)

    def close(self) -> None:
        """Closes the devices; the loop is closed already."""
        self._undo.close()

    def _open(self, number: int) -> ExcerptLink:
        way = self.ways[number]
        tap = TunTap(f"tap{number}")
        configure(tap.name, LinkSettings(addresses=(f"{way.peer}/24",), ipv6=False))
        link: Link = tap if way.impairment == PERFECT else impaired(tap, way.impairment)
        return ExcerptLink(link, self._writer, time.monotonic_ns)

    def _make_host(self, loop: asyncio.AbstractEventLoop) -> Host:
        stack = Stack(StackConfig(), SystemRng())
        links: dict[Interface, Link] = {
            add_interface(stack, link, f"{way.ours}/24"): link
            for way, link in zip(self.ways, self._excerpts, strict=True)
        }
        host = Host(stack, RealPump(stack, loop, links), program="halfopen")
        self._hosts.append(host)
        return host


class SimulatedWorld(World):
    """In the simulated network: both ends are hosts of ours, and so are the routers between them."""

    name = "simulated"
    description = "a simulated network in virtual time, with a router on each of two ways; the times below are real"
    ways = (
        Way(peer="192.0.2.1", ours="198.51.100.2"),
        Way(peer="192.0.2.129", ours="198.51.100.130", impairment=IMPAIRED),
    )

    def __init__(self, writer: Writer) -> None:
        self._network = network = Network(seed=SEED)
        self._ours, self._theirs = network.host("ours"), network.host("peer")
        for number, words in enumerate((WIRE, CONDITIONS)):
            router, half = network.router(f"r{number + 1}"), 128 * number
            network.link(self._theirs, router, words, network=f"192.0.2.{half}/25")
            network.link(router, self._ours, WIRE, network=f"198.51.100.{half}/25")
        self._excerpt = Excerpt(self._ours, writer)
        network.observe(self._excerpt)
        self.peer = OurPeer(self)

    @property
    def host(self) -> SimHost:
        """One of two."""
        return self._ours

    @contextmanager
    def entered(self) -> Iterator[None]:
        """On the peer's host."""
        with self._theirs:
            yield

    def run(self, work: Coroutine[Any, Any, T]) -> T | None:
        """In virtual time."""

        async def on_our_host() -> T:
            return await self._ours.run(work)

        try:
            return self._network.run(on_our_host())
        except KeyboardInterrupt:
            return None

    def record(self, octets: int) -> None:
        """As our host sees it."""
        self._excerpt.octets_left = octets

    def close(self) -> None:
        """The end of the network."""
        self._network.close()


class Excerpt(Observer):
    """Writes the next ``octets_left`` octets that pass a host's ends of its cables."""

    def __init__(self, host: SimHost, writer: Writer) -> None:
        self.octets_left = 0
        self._host = host
        self._writer = writer
        self._interfaces: dict[str, int] = {}

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """Writes it, if it is one of those."""
        if self.octets_left <= 0 or end.pump is not self._host.sim_pump:
            return
        self.octets_left -= packet.octets
        label = end.label
        if label not in self._interfaces:
            self._interfaces[label] = self._writer.add_interface(label, LINKTYPE_ETHERNET)
        whole = complete_checksum(packet)
        octets = (whole.head, *whole.body)
        self._writer.write(self._interfaces[label], when, octets, comment=comment, direction=direction)
