"""How fast the simulated network is: data segments a second, and a request of a real library beside kernel sockets.

All in one process and one thread, in virtual time, without a capture; the hosts' TCP is that of the other benchmarks.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web

from bench.question import Question
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network

MSS = 1448
SEGMENTS = 20_000
FLOWS = 100
REQUESTS = 300
PORT = 8080
BLOCK = bytes(65536)
COST = 40e-6
"""At most, for each data segment and hop."""


def one_cable(*, offloads: bool = False) -> float:
    """Data segments a second: one flow, a cable with rate and delay; with ``offloads`` as super-segments."""
    with Network(1, offloads=offloads) as network:
        client, server = network.host("client"), network.host("server")
        network.link(client, server, "rate 100mbit delay 10ms")
        return _segments_a_second(network, [(client, server)])


def over_a_router() -> float:
    """The same over two cables with a router between them."""
    with Network(1) as network:
        client, server, router = network.host("client"), network.host("server"), network.router("router")
        for host in (client, server):
            network.link(host, router, "rate 100mbit delay 5ms")
        return _segments_a_second(network, [(client, server)])


def dumbbell(*, offloads: bool = False) -> float:
    """The same for flows that share a slow cable between two routers: three hops."""
    with Network(1, offloads=offloads) as network:
        client, server = network.host("client"), network.host("server")
        left, right = network.router("left"), network.router("right")
        network.link(client, left, "rate 1gbit delay 1ms")
        network.link(left, right, "rate 100mbit delay 10ms limit 500")
        network.link(right, server, "rate 1gbit delay 1ms")
        return _segments_a_second(network, [(client, server)] * FLOWS)


one_cable_super = partial(one_cable, offloads=True)
dumbbell_super = partial(dumbbell, offloads=True)


def _segments_a_second(network: Network, pairs: Sequence[tuple[SimHost, SimHost]]) -> float:
    started = time.perf_counter()
    return move(network, pairs, SEGMENTS) / (time.perf_counter() - started)


def move(network: Network, pairs: Sequence[tuple[SimHost, SimHost]], segments: int) -> float:
    """Sends so many segments' worth of octets, a share from each client to its server; returns how many those were."""
    octets = segments * MSS // len(pairs)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ends = asyncio.Queue[int]()
        await pairs[0][1].run(_await(loop.create_server(lambda: Sink(ends), None, PORT)))
        for client, server in pairs:
            await client.run(_await(loop.create_connection(lambda: Source(octets), server.name, PORT)))
        if any([await ends.get() != octets for _ in pairs]):
            raise RuntimeError("not everything has arrived")

    network.run(main())
    return octets * len(pairs) / MSS


async def _await(call: Awaitable[Any]) -> Any:
    return await call


class Source(asyncio.Protocol):
    """Sends so many octets, and the end."""

    def __init__(self, octets: int) -> None:
        self._left = octets
        self._is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self.resume_writing()

    def pause_writing(self) -> None:
        """Enough for now."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Goes on."""
        self._is_paused = False
        while self._left and not self._is_paused:
            block = BLOCK[: self._left]
            self._left -= len(block)
            self._transport.write(block)
        if not self._left:
            self._transport.write_eof()


class Sink(asyncio.Protocol):
    """Counts what comes; ``ends`` gets the sum."""

    def __init__(self, ends: asyncio.Queue[int]) -> None:
        self._ends = ends
        self._octets = 0

    def data_received(self, data: bytes) -> None:
        """Some."""
        self._octets += len(data)

    def eof_received(self) -> None:
        """All."""
        self._ends.put_nowait(self._octets)


def aiohttp_simulated() -> float:
    """Seconds of wall time for each request of aiohttp, one after the other on one connection."""
    with Network(1) as network:
        client, server = network.host("client"), network.host("server")
        network.link(client, server, "delay 1ms")

        async def main() -> float:
            runner = await server.run(_serve(None))
            figure = await client.run(_ask("server"))
            await server.run(runner.cleanup())
            return figure

        return network.run(main())


def aiohttp_on_loopback() -> float:
    """The same on the kernel's sockets."""

    async def main() -> float:
        runner = await _serve("127.0.0.1")
        figure = await _ask("127.0.0.1")
        await runner.cleanup()
        return figure

    return asyncio.run(main())


async def _serve(host: str | None) -> web.AppRunner:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, host, PORT).start()
    return runner


async def _ask(host: str) -> float:
    async with aiohttp.ClientSession(f"http://{host}:{PORT}") as session:
        started = 0.0
        for number in range(-REQUESTS // 10, REQUESTS):
            if number == 0:
                started = time.perf_counter()
            async with session.get("/") as response:
                await response.read()
        return (time.perf_counter() - started) / REQUESTS


def _flows(name: str, says: str, hops: int, measure: Callable[[], float], cost: float = COST) -> Question:
    return Question(
        name=f"simulation-{name}",
        says=f"simulated data segments a second of wall time, {says}",
        unit="1/s",
        subjects={"halfopen": measure},
        target=1 / (hops * cost),
    )


QUESTIONS = (
    _flows("bulk", "one flow over one cable", 1, one_cable),
    _flows("router", "one flow over two cables and a router", 2, over_a_router),
    _flows("dumbbell", f"{FLOWS} flows over a dumbbell of three hops", 3, dumbbell),
    _flows("super", "one flow over one cable, in super-segments", 1, one_cable_super, COST / 5),
    _flows(
        "dumbbell-super", f"{FLOWS} flows over a dumbbell of three hops, in super-segments", 3, dumbbell_super, COST / 5
    ),
    Question(
        name="simulation-aiohttp",
        says="wall time of a request with aiohttp at both ends, one after the other on one connection",
        unit="s",
        subjects={"halfopen": aiohttp_simulated, "kernel-loopback": aiohttp_on_loopback},
        is_cost=True,
    ),
)
