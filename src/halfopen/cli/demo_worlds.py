"""Where the demonstration takes place: on a TAP device, where the kernel is the peer, or in a simulated network."""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from halfopen.aio.host import Host
from halfopen.aio.loop import LoopOverStack
from halfopen.base.clock import Instant
from halfopen.base.entropy import SystemRng
from halfopen.capture.pcapng import Writer
from halfopen.capture.record import LINKTYPE_ETHERNET, Direction
from halfopen.cli.demo_addresses import CONDITIONS, Addresses, Way
from halfopen.cli.demo_peers import KernelPeer, OurPeer, Peer, Place
from halfopen.cli.device import impaired
from halfopen.cli.excerpts import ExcerptLink
from halfopen.cli.interrupts import until_interrupted
from halfopen.cli.published import published
from halfopen.links.hosts import add_interface, in_good_order
from halfopen.links.impairment import PERFECT
from halfopen.links.interfaces import LinkSettings, configure, use_at_once
from halfopen.links.link import Link
from halfopen.links.namespaces import enter_private_namespace
from halfopen.links.real_pump import RealPump
from halfopen.links.tuntap import TunTap
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network
from halfopen.stack.config import StackConfig
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.interface import Interface
from halfopen.stack.stack import Stack
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import Packet

T = TypeVar("T")

WIRE = "delay 100us"
"""What a good cable does in the simulation."""
SEED = 1


class World(Place):
    """Where the exchange takes place."""

    name: str
    description: str
    addresses: Addresses
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

    def __init__(self, writer: Writer, addresses: Addresses) -> None:
        enter_private_namespace()
        self.addresses, self.ways = addresses, addresses.on_devices
        devices = "two TAP devices in a network namespace of its own, the kernel at their other ends"
        self.description = f"IPv{addresses.version} over {devices}"
        self.peer = KernelPeer(addresses)
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
        has_ipv6 = self.addresses.version == 6
        if has_ipv6:
            use_at_once(tap.name)
        configure(tap.name, LinkSettings(addresses=(self._on_network(way.peer),), ipv6=has_ipv6))
        link: Link = tap if way.impairment == PERFECT else impaired(tap, way.impairment)
        return ExcerptLink(link, self._writer, time.monotonic_ns)

    def _make_host(self, loop: asyncio.AbstractEventLoop) -> Host:
        stack = Stack(StackConfig(ndp=NdpConfig(autoconf=AutoconfConfig(accept_ra=False))), SystemRng())
        links: dict[Interface, Link] = {
            add_interface(stack, link, self._on_network(way.ours)): link
            for way, link in zip(self.ways, self._excerpts, strict=True)
        }
        host = Host(stack, RealPump(stack, loop, links), program="halfopen")
        self._hosts.append(host)
        return host

    def _on_network(self, address: str) -> str:
        """With the length of the prefix of its network."""
        return f"{address}/{self.addresses.prefix_length}"


class SimulatedWorld(World):
    """In the simulated network: both ends are hosts of ours, and so are the routers between them."""

    name = "simulated"

    def __init__(self, writer: Writer, addresses: Addresses) -> None:
        self.addresses, self.ways = addresses, addresses.by_routers
        routers = "a simulated network in virtual time, with a router on each of two ways; the times below are real"
        self.description = f"IPv{addresses.version} in {routers}"
        self._network = network = Network(seed=SEED, families=f"ipv{addresses.version}")
        self._ours, self._theirs = network.host("ours"), network.host("peer")
        for number, (words, ends) in enumerate(zip((WIRE, CONDITIONS), addresses.networks, strict=True)):
            router = network.router(f"r{number + 1}")
            network.link(self._theirs, router, words, network=ends.peer)
            network.link(router, self._ours, WIRE, network=ends.ours)
        self._excerpt = Excerpt(self._ours, writer)
        network.observe(self._excerpt)
        self.peer = OurPeer(addresses, self)

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
