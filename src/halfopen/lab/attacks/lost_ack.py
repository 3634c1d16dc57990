"""The final ACK is lost under SYN cookies: the client is connected, the server has never heard of it (RFC 4987 3.6)."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from random import Random
from typing import ClassVar

from halfopen.lab.floods import PORT
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World
from halfopen.sim.match import Passing
from halfopen.sim.rules import DROP, Verdict
from halfopen.stack.config import StackConfig, TcpLayerConfig

WORDS = b"220 ready"
PATIENCE = 60.0
PACE = 0.05
"""Seconds from client to client."""


class LoseLastAck:
    """A rule: drops the third segment of a handshake, and nothing else, with a probability."""

    def __init__(self, loss: float, chance: Random) -> None:
        self.lost = 0
        self._loss = loss
        self._chance = chance
        self._seen: set[int] = set()

    def __call__(self, passing: Passing) -> Verdict | None:
        """The first segment of a client that is a bare ACK."""
        segment = passing.tcp
        if segment is None or passing.flags != "." or segment.source_port in self._seen:
            return None
        self._seen.add(segment.source_port)
        if self._chance.random() >= self._loss:
            return None
        self.lost += 1
        return DROP


class LostAck(Scenario):
    """Clients of a server that keeps no state for them."""

    name = "lost-ack"
    title = "The lost last ACK: what a SYN cookie forgets"
    text = (
        "A server that sends cookies keeps nothing, so it cannot send its SYN,ACK again. If the ACK that brings the"
        " cookie back is lost, the client believes itself connected and the server does not know it. Where the client"
        " speaks first its data bring the cookie once more, and all is well. Where the server speaks first (SMTP, SSH,"
        " MySQL) both wait: a hang, for as long as the client has patience. Nobody attacks here; some loss is enough,"
        " and a flood that has switched cookies on."
    )
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "clients": Parameter(200, "clients", "one after the other", least=1, most=5000),
        "loss": Parameter(0.2, "", "probability that a last ACK is lost", least=0, most=1),
        "speaks": Parameter("server", "", "who has the first word", choices=("server", "client")),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "half-open-table": "no cookies: the SYN,ACK is sent again, and the client acknowledges it again",
        "hybrid": "the library's default: cookies only if the table is full, and here it is not",
        "client-speaks": "a protocol in which the client has the first word",
    }

    def play(self, settings: Settings) -> Outcome:
        """All clients."""
        with_table = settings.defences & {"half-open-table", "hybrid"}
        cookies = "always" if not with_table else "overflow" if "hybrid" in settings.defences else "off"
        config = StackConfig(tcp_layer=TcpLayerConfig(syn_cookies=cookies))
        with World(settings, Layout(attacker="none", configs={"server": config})) as world:
            return world.run(_story(world, hangs=not with_table))


async def _story(world: World, *, hangs: bool) -> Outcome:
    settings = world.settings
    client_first = settings.word("speaks") == "client" or "client-speaks" in settings.defences
    rule = LoseLastAck(settings.number("loss"), Random(world.rng.octets(16)))
    world.cables["client-side"].rule(rule, towards=world.router)
    serving = world.server.run(_serve(client_first=client_first))
    await asyncio.sleep(0.001)
    waits = await world.client.run(_all(settings.whole("clients"), client_first=client_first))
    serving.cancel()
    hung, count = sum(wait is None for wait in waits), len(waits)
    done = sorted(wait for wait in waits if wait is not None)
    expected = settings.number("loss") if hangs and not client_first else 0.0
    return world.outcome(
        attack_succeeded=hung > 0,
        metrics={
            "clients that hang": hung / count,
            "last ACKs lost": rule.lost / count,
            "longest wait of the others, s": done[-1] if done else 0.0,
        },
        theory={"clients that hang": expected, "last ACKs lost": settings.number("loss")},
        counts={"clients that hang": (hung, count), "last ACKs lost": (rule.lost, count)},
        notes=(
            f"A client counts as hanging after {PATIENCE:g} s without a word, though it is connected all the time.",
            "With the table the wait is that for the next SYN,ACK, 1 s. A client that speaks first hardly waits at all:"
            " the segment with its request says all that the lost ACK said.",
        ),
        lifelines=("client", "server"),
        port=PORT,
    )


async def _serve(*, client_first: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if client_first:
            await reader.read(1)
        with suppress(OSError):
            writer.write(WORDS)
            writer.close()

    async with await asyncio.start_server(answer, None, PORT):
        await asyncio.Event().wait()


async def _all(count: int, *, client_first: bool) -> list[float | None]:
    visits = []
    for _ in range(count):
        visits.append(asyncio.create_task(_visit(client_first=client_first)))
        await asyncio.sleep(PACE)
    return await asyncio.gather(*visits)


async def _visit(*, client_first: bool) -> float | None:
    """How long it took until the server's first word; None if it never came."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    reader, writer = await asyncio.open_connection("server", PORT)
    try:
        if client_first:
            writer.write(b"?")
        words = await asyncio.wait_for(reader.read(len(WORDS)), PATIENCE)
        return loop.time() - begun if words == WORDS else None
    except (OSError, TimeoutError):
        return None
    finally:
        writer.transport.abort()
