import asyncio
import ssl

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve

from tests.sim.libraries.world import Lab, for_client, for_server, play, play_secretly


async def shout(connection: ServerConnection) -> None:
    async for message in connection:
        assert isinstance(message, str)
        await connection.send(message.upper())


async def start(port: int, context: ssl.SSLContext | None = None) -> Server:
    return await serve(shout, None, port, ssl=context)


async def partitioned(lab: Lab) -> tuple[str, float]:
    await lab.serve(start(80))
    async with connect("ws://server/") as chat:
        await chat.send("quietly")
        answer = await chat.recv()
        await asyncio.sleep(5)
        lab.partition()
        began = lab.now
        with pytest.raises(websockets.ConnectionClosedError, match="keepalive ping timeout"):
            await chat.recv()
        assert isinstance(answer, str)
        return answer, lab.now - began


async def idle(lab: Lab) -> float:
    server = await lab.serve(start(80))
    async with connect("ws://server/") as chat:
        await asyncio.sleep(7200)
        await chat.send("still here")
        assert await chat.recv() == "STILL HERE"
        latency = chat.latency
    server.close()
    await server.wait_closed()
    return latency


async def secured(lab: Lab) -> int:
    await lab.serve(start(443, for_server()))
    async with connect("wss://server/", ssl=for_client()) as chat:
        await chat.send("loudly " * 10_000)
        return len(await chat.recv())


def test_the_keepalive_finds_the_partition() -> None:
    # The ping after 20 s, 20 s for the pong and 10 s for the closing frame; 10 ms and 5 s had passed.
    answer, waited = play(partitioned, "delay 5ms")
    assert answer == "QUIETLY"
    assert waited == pytest.approx(44.99, abs=1e-4)


def test_two_hours_of_pings_keep_a_connection() -> None:
    assert play(idle) == pytest.approx(0.04)


def test_a_conversation_over_tls() -> None:
    assert play_secretly(secured) == 70_000
