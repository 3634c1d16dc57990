import asyncio

import anyio
import pytest
from anyio.abc import SocketStream

from tests.sim.libraries.world import Lab, play

BODY = bytes(range(256)) * 1024


async def shout(stream: SocketStream) -> None:
    async with stream:
        async for octets in stream:
            await stream.send(octets.upper())


async def serve(is_listening: asyncio.Event) -> None:
    listener = await anyio.create_tcp_listener(local_host="0.0.0.0", local_port=7)
    is_listening.set()
    async with listener:
        await listener.serve(shout)


async def conversation(lab: Lab) -> tuple[bytes, float]:
    is_listening = asyncio.Event()
    serving = lab.serve(serve(is_listening))
    await is_listening.wait()
    async with await anyio.connect_tcp("server", 7) as stream:
        began = lab.now
        await stream.send(b"quietly")
        answer = await stream.receive()
        took = lab.now - began
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return answer, took


async def whole(lab: Lab) -> bool:
    is_listening = asyncio.Event()
    serving = lab.serve(serve(is_listening))
    await is_listening.wait()
    answer = bytearray()
    async with await anyio.connect_tcp("server", 7) as stream, anyio.create_task_group() as group:
        group.start_soon(stream.send, BODY)
        while len(answer) < len(BODY):
            answer += await stream.receive()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return bytes(answer) == BODY.upper()


async def cancelled(lab: Lab) -> float:
    with pytest.raises(OSError):
        await anyio.connect_tcp("server", 7)  # Refused, but now the address is resolved.
    lab.partition()
    began = lab.now
    with anyio.move_on_after(10) as scope:
        await anyio.connect_tcp("server", 7)
    assert scope.cancelled_caught
    return lab.now - began


def test_a_listener_serves_a_stream() -> None:
    answer, took = play(conversation)
    assert answer == b"QUIETLY"
    assert took == pytest.approx(0.04, abs=1e-4)


def test_a_stream_is_written_and_read_at_once() -> None:
    assert play(whole)


def test_a_scope_ends_a_connection_attempt() -> None:
    assert play(cancelled) == pytest.approx(10)
