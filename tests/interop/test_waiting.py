"""Slow readers, idle connections and peers that vanish: what a connection does when nothing moves."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.stack.config import StackConfig
from halfopen.tcp.config import BufferConfig, KeepAliveConfig, RetransmissionConfig, TcpConfig
from halfopen.wire.tcp import RST
from tests.interop.world import MEDIA, NEEDS, OURS, PORT, Streams, World, finish, until

pytestmark = [*NEEDS, pytest.mark.asyncio]

both_devices = pytest.mark.parametrize("wire", MEDIA[:2], ids=str, indirect=True)


def configured(**groups: object) -> StackConfig:
    return StackConfig(tcp=replace(TcpConfig(), **groups))  # type: ignore[arg-type]  # by name


@asynccontextmanager
async def accepted_from_kernel(world: World) -> AsyncIterator[tuple[socket.socket, Streams]]:
    """A connection from the kernel to us: its socket, and our streams."""
    accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result((reader, writer))

    server = await world.ours.serve(accept)
    with world.kernel.socket() as sock:
        # Set before the handshake: it also chooses the window scale.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        await asyncio.get_running_loop().sock_connect(sock, (OURS, PORT))
        streams = await accepted
        server.close()
        yield sock, streams


async def read_all(sock: socket.socket) -> bytes:
    octets = bytearray()
    while more := await asyncio.get_running_loop().sock_recv(sock, 1 << 16):
        octets += more
    return bytes(octets)


@both_devices
async def test_we_wait_for_a_kernel_that_does_not_read(world: World) -> None:
    """We probe its closed window and go on when it opens (MUST-36, MUST-37)."""
    async with accepted_from_kernel(world) as (sock, (_, writer)):
        octets = os.urandom(400_000)
        writer.write(octets)
        writer.write_eof()
        await asyncio.sleep(1.5)
        seen = world.wire.segments()
        closed = next(i for i, each in enumerate(seen) if not each.is_ours and each.segment.window == 0)
        probes = [each for each in seen[closed:] if each.is_ours]
        assert 2 <= len(probes) <= 6
        assert all(each.octets <= 1448 for each in probes)
        assert await read_all(sock) == octets
        await finish(writer)


@both_devices
@pytest.mark.parametrize("config", [configured(buffers=BufferConfig(receive=65536, receive_initial=65536))])
async def test_the_kernel_waits_for_us_when_we_do_not_read(world: World) -> None:
    async with accepted_from_kernel(world) as (sock, (reader, writer)):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # typeshed: WriteTransport
        octets = os.urandom(400_000)

        async def write() -> None:
            await asyncio.get_running_loop().sock_sendall(sock, octets)
            sock.shutdown(socket.SHUT_WR)

        writing = asyncio.ensure_future(write())
        await asyncio.sleep(1.5)
        assert not writing.done()
        assert any(each.is_ours and each.segment.window == 0 for each in world.wire.segments())
        counters = world.kernel.counters()
        assert counters["TcpExtTCPWinProbe"] >= 2
        assert counters["TcpExtTCPTimeouts"] == 0
        writer.transport.resume_reading()  # type: ignore[attr-defined]  # typeshed: WriteTransport
        assert await reader.read() == octets
        await writing
        await finish(writer)


async def test_a_kernel_that_reads_drop_by_drop_gets_no_silly_windows_filled(world: World) -> None:
    """MUST-38: we send full segments, half a window, or the rest."""
    async with accepted_from_kernel(world) as (sock, (_, writer)):
        octets = os.urandom(300_000)
        writer.write(octets)
        writer.write_eof()
        received = bytearray()
        while len(received) < len(octets):
            received += await asyncio.get_running_loop().sock_recv(sock, 3001)
            await asyncio.sleep(0.001)
        assert received == octets
        small = [each for each in world.wire.segments() if each.is_ours and 0 < each.octets < 1448]
        assert len(small) <= 12
        await finish(writer)


@pytest.mark.parametrize("config", [configured(buffers=BufferConfig(receive=65536, receive_initial=65536))])
async def test_we_offer_no_silly_windows_when_we_read_drop_by_drop(world: World) -> None:
    """MUST-39: the right edge moves by a segment or half the buffer, so the kernel sends full ones."""
    async with accepted_from_kernel(world) as (sock, (reader, writer)):
        octets = os.urandom(400_000)
        writing = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(sock, octets))
        received = bytearray()
        while len(received) < len(octets):
            received += await reader.read(3001)
            await asyncio.sleep(0.001)
        await writing
        assert received == octets
        small = [each for each in world.wire.segments() if not each.is_ours and 0 < each.octets < 1448]
        assert len(small) <= 12
        await finish(writer)


# Linux answers one probe in 500 ms at most (tcp_invalid_ratelimit).
SHORT_KEEP_ALIVE = KeepAliveConfig(enabled=True, idle=600 * MILLISECOND, interval=600 * MILLISECOND, count=2)


@pytest.mark.parametrize("config", [configured(keep_alive=SHORT_KEEP_ALIVE)])
async def test_the_kernel_answers_our_keep_alives_until_it_is_gone(world: World) -> None:
    async with accepted_from_kernel(world) as (sock, (reader, writer)):
        await asyncio.sleep(2.0)
        seen = world.wire.segments()
        probes = [each for each in seen if each.is_ours and each.is_bare_ack]
        answers = [each for each in seen if not each.is_ours and each.is_bare_ack]
        assert 2 <= len(probes) <= 3
        # The kernel's first bare ACK is that of the handshake.
        assert len(answers) == len(probes) + 1
        writer.write(b"still there")
        assert await asyncio.get_running_loop().sock_recv(sock, 100) == b"still there"
        world.wire.namespace.run(["ip", "link", "set", world.wire.name, "down"])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()


async def test_we_answer_the_kernels_keep_alives_until_we_are_gone(world: World) -> None:
    async with accepted_from_kernel(world) as (sock, (_, writer)):
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 1)):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await until(lambda: world.kernel.counters()["TcpExtTCPKeepAlive"] >= 2)
        writer.write(b"still there")
        assert await asyncio.get_running_loop().sock_recv(sock, 100) == b"still there"
        world.host.pump.close()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 100), 5)
        writer.transport.abort()


@pytest.mark.parametrize("config", [configured(retransmission=RetransmissionConfig(user_timeout=800 * MILLISECOND))])
async def test_we_give_up_a_kernel_that_has_vanished_with_octets_under_way(world: World) -> None:
    async with accepted_from_kernel(world) as (_, (reader, writer)):
        world.wire.namespace.run(["ip", "link", "set", world.wire.name, "down"])
        writer.write(b"into the void")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()


async def test_the_kernel_gives_us_up_when_we_have_vanished_with_octets_under_way(world: World) -> None:
    async with accepted_from_kernel(world) as (sock, (_, writer)):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 800)
        world.host.pump.close()
        sock.send(b"into the void")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 100), 5)
        writer.transport.abort()


async def test_a_connection_that_the_kernel_has_forgotten_is_reset_when_used(world: World) -> None:
    """The kernel restarts, as it were: its socket is repaired away without a word."""
    async with accepted_from_kernel(world) as (sock, (reader, writer)):
        with world.kernel.namespace.enter():
            sock.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR
        sock.close()
        writer.write(b"hello?")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        assert [each.segment.flags & RST for each in world.wire.segments() if not each.is_ours][-1]
        writer.close()
        assert world.stack.ports.listing() == []
