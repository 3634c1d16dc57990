"""Floods at any rate: what nobody looks at is made from a stencil and handed over in batches.

The first packets go all the way, for the capture, and so do all where something on the way must see them, such as an
ingress filter. The others appear where they would have come out of the last cable, all of one tick together, and what
answers them ends before the first one: beyond the router nobody lives at these addresses anyway.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from halfopen.base.addresses import Address
from halfopen.base.clock import MILLISECOND, SECOND, Duration, Instant
from halfopen.lab.crafting import SynStencil
from halfopen.lab.places import ends_in, ethertype_of, is_ip, is_spoofed
from halfopen.lab.world import World
from halfopen.sim.cable import CableEnd, Filter
from halfopen.sim.host import SimHost
from halfopen.sim.pump import Plug
from halfopen.stack.interface import Interface
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, SYN
from halfopen.wire.tcp_options import Options

SAMPLE = 4
"""Packets that go all the way."""
TICK: Duration = 1 * MILLISECOND
PORT = 80
FLOOD_OPTIONS = Options(mss=1460)

_TCP_FLAGS = {4: 33, 16: 53}
"""Where the flags stand behind the start of IP, by the length of an address."""


def ends_of(world: World, host: SimHost) -> list[CableEnd]:
    """Where the cables of ``host`` come in."""
    return [end for cable in world.network.cables for end in cable.ends if end.pump is host.sim_pump]


class Gauge(Filter):
    """Counts the flood's packets that reach a host."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def on_arrival(self, interface: Interface, packet: Packet, now: Instant) -> Packet | None:
        """All go on."""
        at = interface.link_octets
        if (not at or is_ip(packet.head)) and is_spoofed(ends_in(packet.head, at)[0]):
            self.count += 1
        return packet


class Drain(Plug):
    """Counts what a host says to the flood's addresses, and lets only the first ``most`` packets of it out."""

    __slots__ = ("_end", "_most", "octets", "others", "synacks")

    def __init__(self, end: CableEnd, most: int) -> None:
        self.synacks = 0
        self.others = 0
        self.octets = 0
        """Of IP, without the link's header."""
        self._end = end
        self._most = most
        end.pump.plug(end.interface, self)

    def send(self, packet: Packet, now: Instant) -> None:
        """As `Plug.send`."""
        at = self._end.interface.link_octets
        head = packet.head
        destination = ends_in(head, at)[1] if not at or is_ip(head) else b""
        if is_spoofed(destination):
            self.octets += packet.octets - at
            if head[at + _TCP_FLAGS[len(destination)]] & (SYN | ACK) == SYN | ACK:
                self.synacks += 1
            else:
                self.others += 1
            if self.synacks + self.others > self._most:
                return
        self._end.send(packet, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """``entry`` is where the packets appear; None: at the attacker's, and they go all the way."""

    rate: float
    entry: CableEnd | None
    comment: str = "spoofed SYN"


class Flood(ABC):
    """A Poisson process of packets from nobody's addresses, until it is stopped."""

    def __init__(self, world: World, aim: Aim) -> None:
        self.count = 0
        self._world = world
        self._aim = aim
        self._random = Random(world.rng.fork("flood").octets(16))
        self._stopped = False
        self._task: asyncio.Task[None] | None = None
        self._sources = world.places.nobodys(126)

    @abstractmethod
    def make(self, source: Address, port: int) -> Packet:
        """The next packet, from the IP header on."""

    def start(self) -> None:
        """From now on."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """No more of it."""
        self._stopped = True
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        aim, chance = self._aim, self._random
        pump = self._world.attacker.host.sim_pump
        version = ethertype_of(b"\x60" if self._world.places.version == 6 else b"\x45")
        link = _link_header(aim.entry) + version if aim.entry is not None else b""
        due = float(pump.now())
        mean = SECOND / aim.rate
        while not self._stopped:
            now = pump.now()
            horizon = now + TICK
            batch: list[Packet] = []
            while due < horizon:
                # ``int(random() * n)`` is a fraction of the cost of ``randrange``, and as good for such n.
                source = self._sources[int(chance.random() * len(self._sources))]
                batch.append(self.make(source, 1024 + int(chance.random() * 64512)))
                due += chance.expovariate(1.0) * mean
            self._hand_over(batch, link, now)
            await asyncio.sleep(max(TICK, due - pump.now()) / SECOND)

    def _hand_over(self, batch: list[Packet], link: bytes, now: Instant) -> None:
        entry, attacker = self._aim.entry, self._world.attacker
        for packet in batch:
            self.count += 1
            if entry is None or self.count <= SAMPLE:
                attacker.send_packet(packet, self._aim.comment)
                continue
            packet.head = link + packet.head
            arrive(entry, packet, now)


class SynFlood(Flood):
    """SYNs to `PORT` of the server."""

    def __init__(self, world: World, aim: Aim, options: Options | None = FLOOD_OPTIONS) -> None:
        super().__init__(world, aim)
        self._make: Callable[[Address, int, int], Packet] = SynStencil(world.places.server, PORT, options).make

    def make(self, source: Address, port: int) -> Packet:
        """Any number will do."""
        return self._make(source, port, self._random.getrandbits(32))


def arrive(end: CableEnd, packet: Packet, now: Instant) -> None:
    """``packet`` comes out of the cable at ``end``, unseen by who observes the cable."""
    for each in end.filters:
        passed = each.on_arrival(end.interface, packet, now)
        if passed is None:
            return
        packet = passed
    end.pump.take(end.interface, packet)


def _link_header(end: CableEnd) -> bytes:
    """Of a frame for the host at ``end``, from its neighbour, but for what it carries."""
    sender = next(iter(end.others)).interface.mac
    return end.interface.mac + sender
