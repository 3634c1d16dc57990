"""Blind injection: who knows both ends of a connection, and sees nothing of it, tries numbers until one is believed."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from halfopen.lab.crafting import make_segment, make_tcp
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, Place, World, packed
from halfopen.stack.config import StackConfig
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import SecurityConfig, TcpConfig
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK

PORT = 80
SPACE = 1 << 32
RATE = 1_000_000.0
"""Guesses a second: so fast that the connection stands still meanwhile."""
FORGED = b"rm -rf /home/alice # "
"""What is injected as text; it fills the window of a guess, so that every guess covers new numbers."""


class Blind(Scenario):
    """RST, SYN or data, one window apart, over the whole space of sequence numbers."""

    name = "blind"
    title = "A connection is cut, or spoken into, by somebody who cannot see it"
    text = (
        "The attacker knows the addresses and ports of a connection, but none of its numbers. By the rules of RFC 793 a"
        " RST or a SYN anywhere in the receive window ends a connection, and text there is taken if any of half of all"
        " acknowledgment numbers stands beside it: so guesses may be a whole window apart, and 2^32 / window of them"
        " are enough. RFC 5961 takes a RST only at exactly the next number, answers all other ones, and SYNs, by a"
        " challenge that only the true peer can answer, and believes acknowledgments only near what was really sent."
        " Somebody on the client's segment sees all numbers and needs one RST, or one segment of text, by either rules."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "weapon": Parameter("rst", text="what is forged", choices=("rst", "syn", "data")),
        "window": Parameter(65_535, "octets", "the victim's receive window", least=4096, most=1_048_576),
        "sight": Parameter("none", text="what the attacker sees of the connection", choices=("none", "all")),
    }
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    defences: ClassVar[Mapping[str, str]] = {
        "rfc5961": "exact RST, challenge ACKs, narrow acknowledgments (RFC 5961), as hosts of ours always do"
    }

    def play(self, settings: Settings) -> Outcome:
        """One connection, and as many guesses as it takes, or as there are."""
        is_safe = "rfc5961" in settings.defences
        security = SecurityConfig() if is_safe else SecurityConfig(permit=SIMULATION_ONLY, rfc5961=False)
        configs = {"server": victim(settings.whole("window"), security)}
        place: Place = "client" if settings.word("sight") == "all" else "remote"
        layout = Layout(configs=configs, attacker=place, silent=True)
        with World(settings, layout) as world:
            world.tape.shorten(f"{world.client.address}/{world.places.whole}", 24)
            return world.run(story(world, settings.word("weapon"), settings.whole("window")))


def victim(window: int, security: SecurityConfig) -> StackConfig:
    """A host with windows of that size."""
    base = TcpConfig()
    buffers = replace(base.buffers, receive=window, receive_initial=window)
    return StackConfig(tcp=replace(base, buffers=buffers, security=security))


async def story(world: World, weapon: str, window: int) -> Outcome:
    """A connection with something said over it stands still; then the guesses come."""
    heard: list[bytes] = []
    serving = world.server.run(serve(world, heard))
    world.attacker.sniff()
    _, writer = await world.client.run(connect(world))
    connection = next(each for each in world.server.stack.tcp.sockets() if isinstance(each, TcpSocket))
    port, sees = connection.remote_port, world.settings.word("sight") == "all"
    aim = seen(world, port) if sees else unseen(world, weapon, window, port)
    guesses = list(forged(world, weapon, aim))
    sent, counters = 0, world.server.stack.counters
    for batch in range(0, len(guesses), BATCH):
        sent += await world.attacker.flood(guesses[batch : batch + BATCH], RATE, comment=f"guess ({weapon})")
        await world.at_rest(0.05)
        if believed(connection, heard, weapon):
            break
    succeeded = believed(connection, heard, weapon)
    writer.close()
    serving.cancel()
    await world.at_rest(0.5)
    return world.outcome(
        attack_succeeded=succeeded,
        metrics={
            "guesses": float(sent),
            "guesses for the whole space": float(len(guesses)),
            "challenge ACKs": float(counters["TCPChallengeACK"] + counters["TCPSYNChallenge"]),
        },
        theory={"guesses for the whole space": 1.0 if sees else expected(weapon, window)},
        tolerance={"guesses for the whole space": 0.001},
        notes=(SEEN,) if sees else notes(weapon),
    )


SEEN = (
    "One packet, with the numbers that stand in the last one: no rule about numbers helps against who sees them. Only a"
    " SYN is challenged wherever it stands (RFC 5961 4)."
)


def notes(weapon: str) -> tuple[str, ...]:
    """What to see in the guesses of somebody who sees nothing."""
    twice = ", twice for the two halves of the acknowledgment numbers" if weapon == "data" else ""
    return (
        f"Guesses are a window apart: 2^32 / window of them cover all numbers{twice}.",
        "The defence leaves one number of 2^32 for a RST, and none for a SYN.",
    )


BATCH = 2048
"""Guesses between two looks at what has come of them."""


def expected(weapon: str, window: int) -> float:
    """How many guesses cover the whole space (SECURITY: 2^32 / WND; twice for data)."""
    return float(-(-SPACE // window) * (2 if weapon == "data" else 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Which numbers are tried: so many, a window apart, each with each acknowledgment number."""

    port: int
    first: int
    acks: tuple[int, ...]
    count: int = 1
    step: int = 0


def unseen(world: World, weapon: str, window: int, port: int) -> Aim:
    """All numbers there are, in steps of a window, from anywhere."""
    first = world.rng.below(SPACE)
    # Every acknowledgment number is in the past or in the future; one of two that are 2^31 apart is in the past.
    acks = (first, first + SPACE // 2) if weapon == "data" else (0,)
    return Aim(port=port, first=first, acks=acks, count=-(-SPACE // window), step=window)


def seen(world: World, port: int) -> Aim:
    """The one that comes next, by the last segment that the server has sent to ``port``."""
    segments = (passing.tcp for passing in reversed(world.attacker.heard))
    last = next(each for each in segments if each and each.destination_port == port and each.flags & ACK)
    return Aim(port=port, first=last.ack, acks=(last.seq + len(last.payload),))


def forged(world: World, weapon: str, aim: Aim) -> Iterator[Packet]:
    """All guesses, in the client's name."""
    ends = packed(world.client), packed(world.server)
    flags, payload = {"rst": ("R", b""), "syn": ("S", b""), "data": ("P.", FORGED)}[weapon]
    for number in range(aim.count):
        for ack in aim.acks:
            seq = aim.first + number * aim.step
            segment = make_segment((aim.port, PORT), flags, seq=seq, ack=ack, payload=payload)
            yield make_tcp(*ends, segment)


def believed(connection: TcpSocket, heard: list[bytes], weapon: str) -> bool:
    """Whether the server's end is gone, or has kept the forged text: read, or early in its window."""
    if weapon == "data":
        return connection.connection.tcb.rcv.early.octets > 0 or any(FORGED in text for text in heard)
    return connection.connection.state.value == "CLOSED"


async def serve(world: World, heard: list[bytes]) -> None:
    """A server that keeps what it hears, and answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while text := await reader.read(4096):
                heard.append(text)
                writer.write(b"heard")
        except OSError:
            return
        finally:
            writer.close()

    await world.server.start_server(answer, None, PORT)
    await asyncio.Event().wait()


async def connect(world: World) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which something has been said in both directions."""
    reader, writer = await world.client.open_connection("server", PORT)
    writer.write(b"hello")
    await reader.read(100)
    return reader, writer
