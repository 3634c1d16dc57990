import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trustme
from aiohttp import web

from halfopen.base.addresses import parse_address
from halfopen.sim.network import Network
from tests.sim.libraries.world import Lab, for_client, for_server, play, play_secretly, record

BODY = bytes(range(256)) * 4096


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read() or b"hello")


async def think(request: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    return web.Response()


async def stall(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"one moment, please")
    await asyncio.sleep(3600)
    return response


async def chat(request: web.Request) -> web.WebSocketResponse:
    chat = web.WebSocketResponse()
    await chat.prepare(request)
    async for message in chat:
        await chat.send_str(message.data.upper())
    return chat


async def start(port: int, context: ssl.SSLContext | None = None) -> web.AppRunner:
    app = web.Application(client_max_size=1 << 24)
    handlers = {"/": echo, "/think": think, "/stall": stall, "/chat": chat}
    app.add_routes([web.route("*", path, handler) for path, handler in handlers.items()])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, None, port, ssl_context=context).start()
    return runner


@asynccontextmanager
async def browser(lab: Lab, context: ssl.SSLContext | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with a site on the server."""
    runner = await lab.serve(start(443, context) if context else start(80))
    connector = aiohttp.TCPConnector(ssl=for_client()) if context else None
    async with aiohttp.ClientSession("https://server" if context else "http://server", connector=connector) as session:
        yield session
    await lab.serve(runner.cleanup())


async def megabyte(lab: Lab) -> bool:
    async with browser(lab) as session, session.post("/", data=BODY) as response:
        return await response.read() == BODY


async def heartbeat(lab: Lab) -> tuple[str, float]:
    async with browser(lab) as session, session.ws_connect("/chat", heartbeat=20) as chat:
        await chat.send_str("quietly")
        answer = await chat.receive_str()
        await asyncio.sleep(120)
        assert not chat.closed
        lab.partition()
        began = lab.now
        await chat.receive()
        lab.heal()
        return answer, lab.now - began


async def refusal(lab: Lab) -> type[OSError]:
    async with browser(lab) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get("http://server:81/")
        return type(caught.value.os_error)


async def default_timeout(lab: Lab) -> float:
    async with browser(lab) as session:
        began = lab.now
        with pytest.raises(asyncio.TimeoutError):
            await session.get("/think")
        return lab.now - began


async def secured(lab: Lab) -> bool:
    async with browser(lab, for_server()) as session, session.post("/", data=BODY) as response:
        return await response.read() == BODY


async def secured_by_ecdsa(lab: Lab) -> bool:
    context = for_server(trustme.KeyType.ECDSA)
    async with browser(lab, context) as session, session.post("/", data=BODY) as response:
        return await response.read() == BODY


async def power_cut(lab: Lab) -> float:
    await lab.serve(start(80))
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    async with aiohttp.ClientSession("http://server", timeout=timeout) as session, session.get("/stall") as response:
        assert await response.content.readany() == b"one moment, please"
        lab.server.power_off()
        began = lab.now
        with pytest.raises(aiohttp.SocketTimeoutError):
            await response.read()
        return lab.now - began


def test_a_megabyte_goes_there_and_back() -> None:
    assert play(megabyte)


def test_a_websockets_heartbeat_finds_the_partition() -> None:
    answer, waited = play(heartbeat)
    assert answer == "QUIETLY"
    # aiohttp rounds deadlines up to whole seconds: a ping every 21 s, the sixth after the partition, 10 s for its pong.
    assert waited == pytest.approx(15.8, abs=1e-6)


def test_a_closed_port_refuses() -> None:
    assert play(refusal) is ConnectionRefusedError


def test_the_default_timeout_ends_after_five_minutes() -> None:
    assert play(default_timeout) == pytest.approx(300, abs=0.001)


def test_a_megabyte_goes_there_and_back_over_tls() -> None:
    assert play_secretly(secured)


def test_silence_after_a_power_cut_ends_after_sock_read() -> None:
    assert play(power_cut) == pytest.approx(60, abs=0.0005)


def test_a_certificate_by_ecdsa_will_do_but_its_length_is_chance() -> None:
    for_server(trustme.KeyType.ECDSA), for_client()
    assert record(secured_by_ecdsa)[0]


def test_happy_eyeballs_take_the_second_address_when_the_first_is_silent() -> None:
    with Network(1, isolated=True) as network:
        client = network.host("client", "198.51.100.1/24", "192.0.2.1/24")
        server = network.host("server", "198.51.100.2/24", "192.0.2.2/24")
        for words in ("loss 100%", "delay 20ms"):
            network.link(client, server, words)

        for address in ("198.51.100.2", "192.0.2.2"):
            client.names.add("both", parse_address(address))

        async def ask() -> tuple[bytes, float]:
            async with aiohttp.ClientSession("http://both") as session, session.get("/") as response:
                return await response.read(), network.loop.time()

        async def main() -> tuple[bytes, float]:
            runner = await server.run(start(80))
            began = network.loop.time()
            body, ended = await client.run(ask())
            await server.run(runner.cleanup())
            return body, ended - began

        body, took = network.run(main())
    assert body == b"hello"
    # aiohappyeyeballs gives each address 250 ms before it tries the next one beside it.
    assert took == pytest.approx(0.25 + 0.16, abs=1e-3)
