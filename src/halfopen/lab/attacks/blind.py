"""Blind injection: who knows both ends of a connection, and sees nothing of it, tries numbers until one is believed."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

from halfopen.lab.crafting import make_segment, make_tcp
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World, packed
from halfopen.stack.config import StackConfig
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import SecurityConfig, TcpConfig
from halfopen.wire.packet import Packet

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
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "weapon": Parameter("rst", text="what is forged", choices=("rst", "syn", "data")),
        "window": Parameter(65_535, "octets", "the victim's receive window", least=4096, most=1_048_576),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "rfc5961": "exact RST, challenge ACKs, narrow acknowledgments (RFC 5961), as hosts of ours always do"
    }

    def play(self, settings: Settings) -> Outcome:
        """One connection, and as many guesses as it takes, or as there are."""
        is_safe = "rfc5961" in settings.defences
        security = SecurityConfig() if is_safe else SecurityConfig(permit=SIMULATION_ONLY, rfc5961=False)
        layout = Layout(configs={"server": victim(settings.whole("window"), security)}, silent=True)
        with World(settings, layout) as world:
            world.tape.shorten(f"{world.client.address}/32", 24)
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
    _, writer = await world.client.run(connect(world))
    connection = next(each for each in world.server.stack.tcp.sockets() if isinstance(each, TcpSocket))
    port = connection.remote_port
    first = world.rng.below(SPACE)
    guesses = list(forged(world, weapon, (first, window, port)))
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
        theory={"guesses for the whole space": expected(weapon, window)},
        tolerance={"guesses for the whole space": 0.001},
        notes=(
            "Guesses are a window apart: 2^32 / window of them cover all numbers"
            + (", twice for the two halves of the acknowledgment numbers." if weapon == "data" else "."),
            "The defence leaves one number of 2^32 for a RST, and none for a SYN.",
        ),
    )


BATCH = 2048
"""Guesses between two looks at what has come of them."""


def expected(weapon: str, window: int) -> float:
    """How many guesses cover the whole space (SECURITY: 2^32 / WND; twice for data)."""
    return float(-(-SPACE // window) * (2 if weapon == "data" else 1))


def forged(world: World, weapon: str, aim: tuple[int, int, int]) -> Iterator[Packet]:
    """All guesses: from ``aim``'s first number on, a window apart, from the client's port."""
    first, window, port = aim
    ends = packed(world.client), packed(world.server)
    flags, payload = {"rst": ("R", b""), "syn": ("S", b""), "data": ("P.", FORGED)}[weapon]
    # Every acknowledgment number is in the past or in the future; one of two that are 2^31 apart is in the past.
    acks = (first, first + SPACE // 2) if weapon == "data" else (0,)
    for number in range(-(-SPACE // window)):
        for ack in acks:
            seq = first + number * window
            segment = make_segment((port, PORT), flags, seq=seq, ack=ack, payload=payload)
            yield make_tcp(*ends, segment)


def believed(connection: TcpSocket, heard: list[bytes], weapon: str) -> bool:
    """Whether the server's end is gone, or has kept the forged text: read, or early in its window."""
    if weapon == "data":
        return connection.connection.tcb.rcv.early_octets > 0 or any(FORGED in text for text in heard)
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
