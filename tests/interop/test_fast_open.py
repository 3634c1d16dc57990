"""Fast Open between the kernel and us: who has a cookie sends text with its SYN (RFC 7413)."""

import asyncio
import socket
import struct

import pytest

from halfopen.links.interfaces import set_sysctl
from halfopen.stack.config import StackConfig
from halfopen.stack.ports import NOBODY
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import FastOpenConfig, TcpConfig
from halfopen.tcp.fast_open import make_cookie
from halfopen.wire.tcp import ACK, SYN
from tests.interop.world import KERNEL, NEEDS, OURS, PORT, World, until

pytestmark = [
    *NEEDS,
    pytest.mark.asyncio,
    pytest.mark.parametrize(
        "config", [StackConfig(tcp=TcpConfig(fast_open=FastOpenConfig(connect=True, server=True)))], ids=["fast-open"]
    ),
]

CLIENT_AND_SERVER = "3"
TCP_FASTOPEN_KEY = 33
KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
ROUNDS = (False, True)
"""Whether the client has a cookie yet."""


def address(text: str) -> bytes:
    return socket.inet_aton(text)


def allow(world: World) -> None:
    """The kernel's sockets may, as client and as server."""
    with world.kernel.namespace.enter():
        set_sysctl("net/ipv4/tcp_fastopen", CLIENT_AND_SERVER)


async def take(socket: TcpSocket, world: World, octets: int) -> bytes:
    """What comes to a socket of ours."""
    await until(lambda: socket.readable_octets >= octets)
    taken = b"".join(socket.receive(octets, world.now()))
    world.host.pump.kick()
    return taken


def texts_of_syns(world: World) -> list[int]:
    """How much text each SYN of a client had."""
    return [seen.segment.octets for seen in world.wire.segments() if seen.segment.flags & (SYN | ACK) == SYN]


async def test_we_open_to_the_kernel(world: World) -> None:
    allow(world)
    loop = asyncio.get_running_loop()
    with world.kernel.socket() as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 8)
        listening.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, KEY)
        listening.bind((KERNEL, PORT))
        listening.listen()
        for has_cookie in ROUNDS:
            ours = world.stack.tcp.connect((address(KERNEL), PORT), NOBODY, world.now())
            ours.send(b"question", world.now())
            world.host.pump.kick()
            theirs, _ = await loop.sock_accept(listening)
            with theirs:
                assert await loop.sock_recv(theirs, 100) == b"question"
                await loop.sock_sendall(theirs, b"answer")
                assert await take(ours, world, 6) == b"answer"
            early = ours.connection.tcb.user.early
            assert early is not None and early.is_acknowledged == has_cookie
            ours.close(world.now())
            world.host.pump.kick()
            await until(lambda ours=ours: ours.row.state in ("CLOSED", "TIME-WAIT"))  # type: ignore[misc]
    assert texts_of_syns(world) == [0, 8]
    flow = address(OURS) + address(KERNEL) + bytes(4)
    cookies = [
        seen.segment.options.fast_open
        for seen in world.wire.segments()
        if seen.segment.flags == SYN and seen.segment.options is not None
    ]
    assert cookies == [(34, b""), (34, make_cookie(KEY, flow))]
    assert world.stack.counters["TCPFastOpenActive"] == 1


async def test_the_kernel_opens_to_us(world: World) -> None:
    allow(world)
    loop = asyncio.get_running_loop()
    listener = world.stack.tcp.listen((address(OURS), PORT), NOBODY)
    for has_cookie in ROUNDS:
        with world.kernel.socket() as theirs:
            try:
                theirs.sendto(b"question", socket.MSG_FASTOPEN, (OURS, PORT))
            except BlockingIOError:
                assert not has_cookie  # it is connecting; what there was to send has not been taken
                await until(lambda theirs=theirs: _is_connected(theirs))  # type: ignore[misc]
                await loop.sock_sendall(theirs, b"question")
            await until(lambda: len(listener.accepted) > 0)
            ours = listener.accept()
            assert ours is not None
            assert await take(ours, world, 8) == b"question"
            ours.send(b"answer", world.now())
            world.host.pump.kick()
            assert await loop.sock_recv(theirs, 100) == b"answer"
            early = ours.connection.tcb.user.early
            assert (early is not None and early.is_child) == has_cookie
        await until(lambda ours=ours: ours.row.state == "CLOSE-WAIT")  # type: ignore[misc]
        ours.close(world.now())
        world.host.pump.kick()
    assert texts_of_syns(world) == [0, 8]
    assert world.stack.counters["TCPFastOpenPassive"] == 1
    assert world.kernel.counters()["TcpExtTCPFastOpenActive"] == 1
    listener.close(world.now())


def _is_connected(sock: socket.socket) -> bool:
    state = struct.unpack("B", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1))[0]
    return bool(state == 1)
