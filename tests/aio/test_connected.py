import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from halfopen.aio.connected import SEND_ROOM, Connected
from halfopen.aio.socket_states import READ, WRITE
from halfopen.aio.unconnected import Unconnected
from halfopen.base.addresses import IPV4_ANY, parse_address
from tests.aio.world import two_hosts, until

pytestmark = pytest.mark.asyncio
SERVER = parse_address("192.0.2.2")


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[Connected, Connected]]:
    """The client's end and the server's."""
    async with two_hosts() as (client, server):
        fresh = Unconnected(server)
        fresh.bind((IPV4_ANY, 7))
        listening = fresh.listen(1)
        state = Unconnected(client).connect((SERVER, 7))
        assert isinstance(state, Connected)
        accepted = await listening.until_served(listening.accept)
        await state.until_served(state.finish_connecting)
        assert isinstance(accepted, Connected)
        try:
            yield state, accepted
        finally:
            for each in (state, accepted, listening):
                each.close()


async def test_octets_go_both_ways_and_can_be_peeked_at() -> None:
    async with connection() as (client, server):
        assert client.send(b"there") == 5
        assert await server.until_served(lambda: server.receive(3, peek=True)) == b"the"
        assert server.receive(100) == b"there"
        with pytest.raises(BlockingIOError):
            server.receive(1)
        assert server.send(b"back") == 4
        assert await client.until_served(lambda: client.receive_from(100)) == (b"back", None)


async def test_observers_are_told_when_readiness_changes() -> None:
    async with connection() as (client, server):
        seen: list[tuple[bool, bool]] = []
        server.observer = lambda: seen.append((server.is_ready(READ), server.is_ready(WRITE)))
        client.send(b"!")
        await until(lambda: (True, True) in seen)
        seen.clear()
        server.receive(1)
        assert seen == [(False, True)]


async def test_a_full_socket_is_not_writable_until_half_of_it_is_sent() -> None:
    async with connection() as (client, server):
        while client.is_writable:
            client.send(bytes(SEND_ROOM))
        with pytest.raises(BlockingIOError):
            while True:
                client.send(bytes(SEND_ROOM))
        assert not client.is_writable
        received = 0
        while not client.is_writable:
            received += len(await server.until_served(lambda: server.receive(1 << 20)))
        assert received > 0


async def test_the_end_of_the_stream_and_what_follows() -> None:
    async with connection() as (client, server):
        client.shutdown(socket.SHUT_WR)
        assert await server.until_served(lambda: server.receive(1)) == b""
        assert server.has_ended
        with pytest.raises(BrokenPipeError):
            client.send(b"!")
        server.send(b"still here")
        assert await client.until_served(lambda: client.receive(100)) == b"still here"
        server.shutdown(socket.SHUT_RDWR)
        assert server.receive(1) == b""
        assert await client.until_served(lambda: client.receive(100)) == b""
        await until(lambda: not server.is_in_use)
        with pytest.raises(OSError, match="not connected"):
            server.shutdown(socket.SHUT_WR)


async def test_an_error_is_told_once() -> None:
    async with connection() as (client, server):
        client.tcp.abort(client.pump.now())
        client.pump.kick()
        await until(lambda: server.is_readable)
        assert server.take_error() == errno.ECONNRESET
        assert server.take_error() == 0
        assert server.receive(1) == b""


async def test_who_takes_the_connection_over_hears_of_its_end() -> None:
    async with connection() as (client, server):
        client.send(b"last words")
        client.close()
        await until(lambda: server.has_ended)
        tcp = server.release()
        again = Connected(server.pump, tcp, is_established=True)
        assert again.receive(100) == b"last words"
        assert again.receive(100) == b""
        again.close()


async def test_a_failed_attempt_says_why() -> None:
    async with two_hosts() as (client, _):
        state = Unconnected(client).connect((SERVER, 81))
        assert isinstance(state, Connected)
        with pytest.raises(OSError, match="already in progress"):
            state.connect((SERVER, 7))
        with pytest.raises(BlockingIOError):
            state.receive(1)
        with pytest.raises(BlockingIOError):
            state.send(b"!")
        assert not state.is_writable
        with pytest.raises(ConnectionRefusedError):
            await state.until_served(state.finish_connecting)
        assert state.is_writable
        state.close()
