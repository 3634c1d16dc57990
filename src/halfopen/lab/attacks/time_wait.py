"""TIME-WAIT assassination: one old segment, and the peer's own honest RST ends the wait (RFC 1337)."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from halfopen.base.clock import SECOND
from halfopen.lab.crafting import make_segment
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World
from halfopen.stack.config import StackConfig
from halfopen.tcp.config import SecurityConfig, TcpConfig

PORT = 80
OLD = b"an octet of an hour ago"


class TimeWaitAssassination(Scenario):
    """A connection is closed in good order; then a segment of it comes again."""

    name = "time-wait"
    title = "The wait that keeps old segments out is ended by one"
    text = (
        "Who closes first stays in TIME-WAIT for two segment lifetimes, so that no old segment can be taken for one of"
        " the next connection between the same ends. An old duplicate is answered by an ACK; the peer, which has"
        " forgotten the connection, answers that by RST; and by the letter of RFC 793 the RST ends TIME-WAIT at once."
        " Nobody did anything wrong, and the protection is gone. RFC 1337 wants the RST ignored."
    )
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "after": Parameter(5.0, "s", "how long the connection has been closed", least=0.1, most=50),
    }
    defences: ClassVar[Mapping[str, str]] = {"rfc1337": "RST does not end TIME-WAIT (RFC 1337 3, fix F1)"}

    def play(self, settings: Settings) -> Outcome:
        """The client closes first and waits."""
        security = SecurityConfig(permit=SIMULATION_ONLY, rfc1337="rfc1337" in settings.defences)
        config = StackConfig(tcp=replace(TcpConfig(), security=security))
        with World(settings, Layout(configs={"client": config}, silent=True)) as world:
            return world.run(story(world, settings.number("after")))


async def story(world: World, after: float) -> Outcome:
    """A connection, its end, an old segment, and how long TIME-WAIT was in all."""
    serving = world.server.run(serve(world))
    await world.at_rest(0.01)
    port = await world.client.run(converse(world))
    began = world.elapsed
    await asyncio.sleep(after)
    old = make_segment((PORT, port), "P.", seq=world.rng.below(1 << 32), ack=world.rng.below(1 << 32), payload=OLD)
    world.attacker.send(old, destination=world.client.address, source=world.server.address, comment="an old duplicate")
    while in_time_wait(world):
        await asyncio.sleep(STEP)
    lasted = world.elapsed - began
    serving.cancel()
    whole = 2 * TcpConfig().closing.msl / SECOND
    expected = whole if "rfc1337" in world.settings.defences else after
    return world.outcome(
        attack_succeeded=lasted < whole / 2 + after / 2,
        metrics={"TIME-WAIT, s": lasted},
        theory={"TIME-WAIT, s": expected},
        tolerance={"TIME-WAIT, s": 2 * STEP / expected},
        notes=("The forged segment needs no right number: TIME-WAIT answers anything that is out of its window.",),
        port=port,
    )


STEP = 0.05
"""Seconds between two looks at whether the client still waits: longer than a RST takes."""


def in_time_wait(world: World) -> bool:
    """Whether the client still waits."""
    return any(row.state == "TIME-WAIT" for row in world.client.stack.ports.listing())


async def serve(world: World) -> None:
    """A server that answers and closes after its client."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await reader.read()
        writer.close()

    await world.server.start_server(answer, None, PORT)
    await asyncio.Event().wait()


async def converse(world: World) -> int:
    """A word, its echo, and the end, the client's first; the client's port."""
    reader, writer = await world.client.open_connection("server", PORT)
    port = int(writer.get_extra_info("sockname")[1])
    writer.write(b"hello")
    await reader.read(100)
    writer.write_eof()
    await reader.read()
    writer.close()
    await writer.wait_closed()
    return port
