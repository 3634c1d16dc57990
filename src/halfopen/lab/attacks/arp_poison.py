"""ARP poisoning on the segment: three kinds of messages, with and without an entry, and what a host may believe."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import ClassVar

from halfopen.base.addresses import MAC_BROADCAST, MAC_ZERO, Address, Mac
from halfopen.base.clock import SECOND, Instant
from halfopen.capture.record import Direction
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World, packed
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.host import SimHost
from halfopen.sim.match import Passing
from halfopen.stack.config import ArpConfig, StackConfig
from halfopen.stack.conflicts import DEFEND_INTERVAL
from halfopen.stack.interface import Interface
from halfopen.wire.arp import REPLY, REQUEST, Arp
from halfopen.wire.packet import Packet

PORT = 9
GAP, LEAD = 0.1, 0.05
"""Seconds between the client's datagrams, and from the forged message to the first of them."""
ONCE, OFTEN = 20.0, 60.0
"""Seconds that a cell of the grid lasts, if the message is sent once, and if it is repeated."""
PRESENT, ABSENT = "present", "absent"
WEAPONS = ("request", "reply", "gratuitous", "whisper")
NEVER_SEEN = -1.0

CONFIG = ArpConfig()
LIFE = (CONFIG.delay + CONFIG.solicits * CONFIG.retransmit) / SECOND
"""Seconds that a false entry is used: until there are doubts, and while all questions go unanswered."""


class ArpPoison(Scenario):
    """Who answers to the server's address? Whoever says so."""

    name = "arp-poison"
    title = "ARP poisoning: a neighbour takes somebody's address"
    text = (
        "On one segment with client and server, the attacker tells the client that the server's address has his link"
        " address: by a request, by a reply that nobody asked for, or by a gratuitous announcement; to the client alone"
        " or, for the announcement, to all and, as a whisper, to the client alone again. The client either has an entry"
        " for the server already or not. RFC 826 believes whoever speaks. The frames that the client then sends to the"
        " server go to the attacker, until its table has doubts, asks, and hears nothing (RFC 1122 2.3.2.1): eight"
        " seconds, unless the message is repeated. Our hosts make no entry from a question and overwrite none by a"
        " claim: they ask the old owner, and believe the new one only if the old one is silent."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "weapon": Parameter("all", "", "what is sent", choices=("all", *WEAPONS)),
        "period": Parameter(0.0, "s", "between repetitions of the message; 0: it is sent once", least=0, most=60),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "verify-claims": "a claim that contradicts an entry has the known owner asked (our default)",
        "no-planting": "no entry is made from somebody's question (our default)",
        "static-entries": "the client's entry for the server is written by hand, and never changes",
    }

    def play(self, settings: Settings) -> Outcome:
        """The grid, cell by cell; at last the server dies, and another host takes its address over."""
        defences = settings.defences
        arp = ArpConfig(trust_claims="verify-claims" not in defences, learn_from_requests="no-planting" not in defences)
        layout = Layout(
            attacker="lan", switched=True, silent=True, acquainted=False, configs={"client": StackConfig(arp=arp)}
        )
        with World(settings, layout) as world:
            return world.run(Story(world).tell())


@dataclass(slots=True, kw_only=True)
class Cell:
    """What one kind of message did: seconds of the client's datagrams that went to the attacker, of how many."""

    weapon: str
    entry: str
    hijacked: float
    seconds: float
    alarm: float
    """Seconds until a watcher at the client saw an address change hands; -1 if it did not."""
    owner_objects: bool

    @property
    def name(self) -> str:
        """``"reply, entry present"``."""
        return f"{self.weapon}, entry {self.entry}"


class Arpwatch(Observer):
    """Sits at the client: notes which link address speaks for the server, and to which one the client sends."""

    def __init__(self, client: SimHost, server: Address) -> None:
        self._client = client
        self._server = server
        self._owner: Mac | None = None
        self.alarm: Instant | None = None
        self.announced: list[tuple[Instant, Mac]] = []
        self.sent: list[tuple[Instant, Mac]] = []

    def forget(self, owner: Mac | None) -> None:
        """Begins anew, with what is known of the server."""
        self._owner, self.alarm = owner, None
        self.sent.clear()

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """What the client sends to the server, and what it hears of it."""
        if end.pump is not self._client.sim_pump:
            return
        passing = Passing(packet, when, ("", ""), end.interface.link_octets)
        message, header = passing.arp, passing.ip
        if direction == "outbound":
            if header is not None and header.destination == self._server:
                self.sent.append((when, packet.head[:6]))
        elif message is not None and message.sender_address == self._server:
            self._on_claim(message, when)

    def _on_claim(self, message: Arp, when: Instant) -> None:
        if message.target_address == message.sender_address:
            self.announced.append((when, message.sender_mac))
        if self._owner is None:
            self._owner = message.sender_mac
        elif self._owner != message.sender_mac and self.alarm is None:
            self.alarm = when


class Story:
    """One run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.server = packed(world.server)
        self.watch = Arpwatch(world.client, self.server)
        self.period = world.settings.number("period")
        self.is_static = "static-entries" in world.settings.defences

    @property
    def interface(self) -> Interface:
        """The client's."""
        return self.world.client.stack.interfaces[0]

    async def tell(self) -> Outcome:
        """The grid, and the failover."""
        world = self.world
        world.network.observe(self.watch)
        world.tape.shorten(f"{world.server.address}/32", 32)
        await world.server.run(_listen(world.server.address))
        if self.is_static:
            mac = world.server.stack.interfaces[0].mac
            world.client.stack.neighbors.add_permanent(self.interface, self.server, mac)
        chosen = world.settings.word("weapon")
        weapons = WEAPONS if chosen == "all" else (chosen,)
        cells = [await self._play(weapon, entry) for weapon, entry in product(weapons, (PRESENT, ABSENT))]
        return self._outcome(cells, await self._fail_over())

    async def _play(self, weapon: str, entry: str) -> Cell:
        """One cell of the grid."""
        world, seconds = self.world, OFTEN if self.period else ONCE
        await self._prepare(entry)
        before = world.server.stack.counters["ArpAddressConflicts"]
        start = world.client.pump.now()
        poisoning = asyncio.create_task(self._poison(weapon))
        await asyncio.sleep(LEAD)
        await world.client.run(_talk(world.server.address, round(seconds / GAP)))
        poisoning.cancel()
        alarm = self.watch.alarm
        return Cell(
            weapon=weapon,
            entry=entry,
            hijacked=sum(mac == world.attacker.mac for _, mac in self.watch.sent) * GAP,
            seconds=seconds,
            alarm=NEVER_SEEN if alarm is None else (alarm - start) / SECOND,
            owner_objects=world.server.stack.counters["ArpAddressConflicts"] > before,
        )

    async def _prepare(self, entry: str) -> None:
        """The server has answered a moment ago, or never."""
        world = self.world
        await world.at_rest(10.0)  # the owner objects once in this time only (RFC 5227 2.4)
        table = world.client.stack.neighbors
        known = table.get(self.interface, self.server)
        if known is not None and not self.is_static:
            table.remove(known)
        if entry == PRESENT:
            await world.client.run(_talk(world.server.address, 2))
        self.watch.forget(world.server.stack.interfaces[0].mac if entry == PRESENT else None)

    async def _poison(self, weapon: str) -> None:
        """The message, once or for ever."""
        message, destination = self._forge(weapon)
        while True:
            self.world.attacker.send_arp(message, destination=destination, comment=f"{weapon}: I am the server")
            if not self.period:
                return
            await asyncio.sleep(self.period)

    def _forge(self, weapon: str) -> tuple[Arp, Mac]:
        """The message, and whom it is for."""
        mine, client = self.world.attacker.mac, self.interface.mac
        if weapon in ("gratuitous", "whisper"):
            message = Arp(REQUEST, mine, self.server, MAC_ZERO, self.server)
            return message, MAC_BROADCAST if weapon == "gratuitous" else client
        operation = REPLY if weapon == "reply" else REQUEST
        return Arp(operation, mine, self.server, client, packed(self.world.client)), client

    async def _fail_over(self) -> float:
        """The server dies, and the router takes its address: seconds from its announcement to the first datagram."""
        world = self.world
        await self._prepare(PRESENT)
        self.watch.announced.clear()
        world.server.power_off()
        heir = world.router.stack
        prefix = self.interface.addresses[0][1]
        heir.internet.add_address(heir.interfaces[0], self.server, prefix, world.router.pump.now(), probe=True)
        world.router.pump.kick()
        await world.client.run(_talk(world.server.address, round(ONCE / GAP)))
        mac = heir.interfaces[0].mac
        announced = [when for when, speaker in self.watch.announced if speaker == mac]
        served = [when for when, receiver in self.watch.sent if receiver == mac]
        return (served[0] - announced[0]) / SECOND if announced and served else NEVER_SEEN

    def _outcome(self, cells: list[Cell], failover: float) -> Outcome:
        world, expected = self.world, dict(theory(self.world.settings, cells))
        metrics: dict[str, float] = {}
        for cell in cells:
            metrics[f"{cell.name}: hijacked"] = cell.hijacked / cell.seconds
            metrics[f"{cell.name}: alarm after, s"] = cell.alarm
            metrics[f"{cell.name}: owner objects"] = float(cell.owner_objects)
        metrics["another takes over after, s"] = failover
        return world.outcome(
            attack_succeeded=any(cell.hijacked >= 1.0 for cell in cells),
            metrics=metrics,
            theory=expected,
            tolerance=dict.fromkeys(expected, 0.04),
            notes=(
                "An owner who hears of it objects (RFC 5227): who poisons the client alone is not heard.",
                "But he objects once in ten seconds only: of two announcements in this time the second one stays.",
                "ARP proves nothing: who is silent for three seconds loses his address, to an heir or to a thief.",
            ),
            lifelines=("client", "server", "attacker"),
        )


def theory(settings: Settings, cells: list[Cell]) -> Iterator[tuple[str, float]]:
    """The share of time that the client's datagrams go to the attacker, and what an heir has to wait for."""
    period = settings.number("period")
    is_static = "static-entries" in settings.defences
    trusts, plants = "verify-claims" not in settings.defences, "no-planting" not in settings.defences
    for cell in cells:
        takes = trusts if cell.entry == PRESENT else plants and cell.weapon == "request"
        if is_static or not takes:
            yield f"{cell.name}: hijacked", 0.0
        elif not period:
            yield f"{cell.name}: hijacked", 0.0 if cell.weapon == "gratuitous" else LIFE / cell.seconds
        elif cell.entry == PRESENT:
            yield f"{cell.name}: hijacked", share_of_time(cell.weapon, period)
    if not is_static and not trusts:
        yield "another takes over after, s", CONFIG.solicits * CONFIG.retransmit / SECOND


def share_of_time(weapon: str, period: float) -> float:
    """How long a client that trusts claims is deceived by a message that is repeated, of each second.

    A false entry lives for `LIFE`. A reply that comes meanwhile confirms it; any other message does not count until the
    entry is gone, and a true one there. To what it hears the owner objects at once, but not twice in
    `halfopen.stack.conflicts.DEFEND_INTERVAL`: the message that follows an objected one stays.
    """
    if weapon == "gratuitous":
        cycle = period * ceil(DEFEND_INTERVAL / SECOND / period)
        return min(cycle - period, LIFE) / cycle
    if weapon == "reply" and period < LIFE:
        return 1.0
    return LIFE / (period * ceil(LIFE / period))


async def _listen(address: str) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(address, PORT))


async def _talk(address: str, datagrams: int) -> None:
    """From the client to the server."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(address, PORT))
    for number in range(datagrams):
        transport.sendto(b"for the server's eyes only, %d" % number)
        await asyncio.sleep(GAP)
    transport.close()
