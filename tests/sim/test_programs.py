"""Unmodified programs over simulated networks."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
import pytest
from aiohttp import web

from halfopen.base.errors import SimulationError
from halfopen.base.netem import parse
from tests.sim.world import World, echo, two_hosts

T = TypeVar("T")
BODY = bytes(range(256)) * 4096


async def answer(request: web.Request) -> web.Response:
    return web.Response(body=await request.read() or b"hello from virtual time")


async def think(request: web.Request) -> web.Response:
    await asyncio.sleep(90)
    return web.Response(text="42")


async def chat(request: web.Request) -> web.WebSocketResponse:
    chat = web.WebSocketResponse(heartbeat=30)
    await chat.prepare(request)
    async for message in chat:
        await chat.send_str(message.data.upper())
    return chat


@asynccontextmanager
async def site(world: World) -> AsyncIterator[None]:
    """An aiohttp server on the server."""
    app = web.Application(client_max_size=1 << 24)
    app.add_routes([web.get("/", answer), web.post("/", answer), web.get("/think", think), web.get("/chat", chat)])
    runner = web.AppRunner(app)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", 80).start()

    await world.server.run(start())
    try:
        yield
    finally:
        await world.server.run(runner.cleanup())


def browse(world: World, program: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T:
    """What ``program`` makes of an aiohttp session on the client."""

    async def session() -> T:
        async with aiohttp.ClientSession() as session:
            return await program(session)

    async def main() -> T:
        async with site(world):
            return await world.client.run(session())

    return world.run(main)


def test_aiohttp_takes_the_round_trips_that_it_takes() -> None:
    with two_hosts("delay 20ms") as world:

        async def program(session: aiohttp.ClientSession) -> list[float]:
            times: list[float] = []
            for _ in range(3):
                began = world.elapsed()
                async with session.get("http://server/") as response:
                    assert await response.text() == "hello from virtual time"
                times.append(world.elapsed() - began)
            return times

        # First ARP there and back, the handshake with the server's own ARP in it, and then the request.
        assert browse(world, program) == pytest.approx([0.16, 0.04, 0.04], abs=1e-6)
        assert world.client.stack.counters["ActiveOpens"] == 1


def test_a_megabyte_goes_there_and_back_over_a_bad_link() -> None:
    with two_hosts("delay 5ms 1ms loss 1% rate 50mbit") as world:

        async def program(session: aiohttp.ClientSession) -> bytes:
            async with session.post("http://server/", data=BODY) as response:
                return await response.read()

        assert browse(world, program) == BODY
        assert world.cable.counters["CableLost"] > 5


def test_timeouts_of_the_client_cost_no_real_time() -> None:
    with two_hosts("delay 20ms") as world:

        async def program(session: aiohttp.ClientSession) -> str:
            with pytest.raises(asyncio.TimeoutError):
                await session.get("http://server/think", timeout=aiohttp.ClientTimeout(total=60))
            assert world.elapsed() == pytest.approx(60, abs=0.001)
            async with session.get("http://server/think") as response:
                return await response.text()

        assert browse(world, program) == "42"
        assert world.elapsed() > 150


def test_a_websockets_heartbeat_finds_the_partition() -> None:
    with two_hosts("delay 20ms") as world:

        async def program(session: aiohttp.ClientSession) -> float:
            async with session.ws_connect("http://server/chat", heartbeat=20) as chat:
                await chat.send_str("quietly")
                assert await chat.receive_str() == "QUIETLY"
                world.cable.impair(parse("loss 100%"))
                began = world.elapsed()
                message = await chat.receive()
                assert message.type in (aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSED)
                return world.elapsed() - began

        # The ping after 20 s, and half of that for the pong.
        assert browse(world, program) == pytest.approx(30, abs=1.5)


def test_an_unknown_name_and_a_closed_port_are_heard_of() -> None:
    with two_hosts("delay 20ms") as world:

        async def program(session: aiohttp.ClientSession) -> None:
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get("http://nobody/")
            assert isinstance(caught.value.os_error, socket.gaierror)
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get("http://server:81/")
            assert isinstance(caught.value.os_error, ConnectionRefusedError)

        browse(world, program)


def test_datagrams_arrive_after_the_delay() -> None:
    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            heard.append((data, address[0], round(world.elapsed(), 6)))

    heard: list[tuple[bytes, str, float]] = []
    with two_hosts("delay 20ms") as world:

        async def main() -> None:
            loop = world.network.loop
            receiver, _ = await world.server.run(loop.create_datagram_endpoint(Receiver, ("0.0.0.0", 53)))
            sender, _ = await world.client.run(
                loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("server", 53))
            )
            sender.sendto(b"who is there?")
            await asyncio.sleep(1)
            sender.close()
            receiver.close()

        world.run(main)
    assert heard == [(b"who is there?", "192.0.2.1", 0.06)]


def test_a_server_that_nobody_calls_is_a_deadlock() -> None:
    with two_hosts() as world:

        async def serve() -> None:
            server = await asyncio.start_server(lambda reader, writer: None, None, 7)
            await server.serve_forever()

        async def main() -> None:
            await world.server.run(serve())

        with pytest.raises(
            SimulationError, match=r"serve\(\) waits in StackServer.serve_forever\(\) \(server.py:\d+\)"
        ):
            world.run(main)


def test_nobody_can_be_at_an_address_that_his_host_does_not_have() -> None:
    with two_hosts() as world:

        async def program() -> None:
            loop = asyncio.get_running_loop()
            stranger = ("server", 7000)
            for attempt in (
                asyncio.start_server(echo, *stranger),
                asyncio.open_connection("server", 7, local_addr=stranger),
                loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=stranger),
            ):
                with pytest.raises(OSError, match=r"address: 192\.0\.2\.2 is none of client's") as raised:
                    await attempt
                assert raised.value.errno == errno.EADDRNOTAVAIL
            server = await asyncio.start_server(echo, "client", 7000)
            server.close()

        world.on_client(program)
