"""How simulated sockets send and receive."""

import asyncio
import errno
import io
import socket

import pytest

from halfopen.aio.connected import SEND_ROOM
from tests.sim.socket_world import connected, echo_server, listening, non_blocking, socket_hosts, with_server

UDP = socket.SOCK_DGRAM


async def arrival(sock: socket.socket) -> None:
    """Until something can be read."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.add_reader(sock, lambda: done.done() or done.set_result(None))
    await done
    loop.remove_reader(sock)


def test_every_way_to_send_and_to_receive_moves_the_same_octets() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            with await connected() as sock:
                assert sock.send(memoryview(b"one ")) == 4
                assert sock.sendmsg([b"two", bytearray(b" ")]) == 4
                assert sock.sendfile(io.BytesIO(b"not this: three "), 10, 6) == 6
                sock.sendall(bytearray(b"four five six"))
                await arrival(sock)
                assert sock.recv(4, socket.MSG_PEEK) == b"one "
                assert sock.recv(4) == b"one "
                buffer = bytearray(100)
                assert sock.recv_into(buffer, 4) == 4
                assert buffer[:4] == b"two "
                assert sock.recvfrom(6) == (b"three ", None)
                assert sock.recvfrom_into(buffer, 5) == (5, None)
                assert sock.recvmsg(5) == (b"five ", [], 0, None)
                assert sock.recv(0) == b""
                assert sock.recv(100) == b"six"
                with pytest.raises(BlockingIOError):
                    sock.recv(1)

        with_server(world, echo_server, client)


def test_a_socket_takes_what_it_has_room_for_and_is_writable_when_there_is_room_again() -> None:
    with socket_hosts("delay 20ms rate 10mbit") as world:

        async def server() -> None:
            with listening() as sock:
                loop = asyncio.get_running_loop()
                accepted, _ = await loop.sock_accept(sock)
                with accepted:
                    while octets := await loop.sock_recv(accepted, 65536):
                        received.append(len(octets))

        async def client() -> int:
            loop = asyncio.get_running_loop()
            turns = 0
            with await connected() as sock:
                assert sock.send(bytes(1_000_000)) == SEND_ROOM
                with pytest.raises(BlockingIOError):
                    sock.send(b"!")
                left = 1_000_000 - SEND_ROOM
                while left:
                    done = loop.create_future()
                    loop.add_writer(sock, lambda done=done: done.done() or done.set_result(None))
                    await done
                    loop.remove_writer(sock)
                    left -= sock.send(bytes(left))
                    turns += 1
            await asyncio.sleep(2)
            return turns

        received: list[int] = []
        assert with_server(world, server, client) > 10
        assert sum(received) == 1_000_000


def test_the_send_buffer_limits_what_is_in_flight() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            with non_blocking() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
                await asyncio.get_running_loop().sock_connect(sock, ("server", 7))
                assert sock.send(bytes(50_000)) == 10_000
                await asyncio.sleep(0.01)
                with pytest.raises(BlockingIOError):
                    sock.send(b"!")
                await asyncio.sleep(1)
                assert sock.send(bytes(50_000)) == 10_000

        with_server(world, echo_server, client)


def test_the_loops_methods_wait_for_room_and_for_octets() -> None:
    with socket_hosts("delay 5ms rate 50mbit") as world:

        async def client() -> bytes:
            loop = asyncio.get_running_loop()
            pattern = bytes(range(256)) * 2000
            received = bytearray(len(pattern))
            with await connected() as sock:

                async def collect() -> None:
                    at = 0
                    while at < len(received):
                        at += await loop.sock_recv_into(sock, memoryview(received)[at:])

                await asyncio.gather(loop.sock_sendall(sock, pattern), collect())
            assert received == pattern
            return bytes(received)

        assert len(with_server(world, echo_server, client)) == 512_000


def test_sock_sendfile_reads_and_sends() -> None:
    with socket_hosts() as world:

        async def client() -> bytes:
            loop = asyncio.get_running_loop()
            with await connected() as sock:
                assert await loop.sock_sendfile(sock, io.BytesIO(b"a file with contents"), 7) == 13
                sock.shutdown(socket.SHUT_WR)
                received = b""
                while octets := await loop.sock_recv(sock, 100):
                    received += octets
                return received

        assert with_server(world, echo_server, client) == b"with contents"


async def datagram_echo() -> None:
    loop = asyncio.get_running_loop()
    with non_blocking(UDP) as sock:
        sock.bind(("0.0.0.0", 7))
        while True:
            octets, peer = await loop.sock_recvfrom(sock, 2000)
            assert await loop.sock_sendto(sock, octets.upper(), peer) == len(octets)


def test_datagrams_go_there_and_back() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            loop = asyncio.get_running_loop()
            with non_blocking(UDP) as sock:
                assert (sock.type, sock.family) == (UDP, socket.AF_INET)
                assert sock.sendto(b"one", ("server", 7)) == 3
                assert await loop.sock_recvfrom(sock, 100) == (b"ONE", ("192.0.2.2", 7))
                sock.sendto(b"a longer one", socket.MSG_DONTWAIT, ("server", 7))
                await arrival(sock)
                assert sock.recv(8, socket.MSG_PEEK) == b"A LONGER"
                assert sock.recvfrom(8) == (b"A LONGER", ("192.0.2.2", 7))
                with pytest.raises(BlockingIOError):
                    sock.recv(1)
                buffer = bytearray(10)
                sock.sendmsg([b"t", b"wo"], [], 0, ("server", 7))
                assert await loop.sock_recvfrom_into(sock, buffer) == (3, ("192.0.2.2", 7))
                assert buffer[:3] == b"TWO"

        with_server(world, datagram_echo, client)


def test_a_connected_datagram_socket_has_one_peer_and_hears_that_nobody_is_there() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            loop = asyncio.get_running_loop()
            with non_blocking(UDP) as sock:
                with pytest.raises(OSError, match="Destination address"):
                    sock.send(b"to whom?")
                with pytest.raises(OSError, match="not connected"):
                    sock.shutdown(socket.SHUT_WR)
                await loop.sock_connect(sock, ("server", 7))
                assert sock.getpeername() == ("192.0.2.2", 7)
                assert sock.getsockname()[0] == "192.0.2.1"
                sock.send(b"hello")
                assert await loop.sock_recv(sock, 100) == b"HELLO"
                sock.connect(("server", 9))
                sock.send(b"anybody?")
                with pytest.raises(ConnectionRefusedError):
                    await loop.sock_recv(sock, 100)
                sock.send(b"anybody?")
                await arrival(sock)
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
            with non_blocking(UDP) as sock:
                sock.sendto(b"anybody?", ("server", 9))
                await asyncio.sleep(1)
                with pytest.raises(BlockingIOError):
                    sock.recv(100)

        with_server(world, datagram_echo, client)


def test_datagram_options_act() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            with non_blocking(UDP) as sock:
                with pytest.raises(PermissionError):
                    sock.sendto(b"all", ("<broadcast>", 7))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
                assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 1
                sock.sendto(b"all", ("192.0.2.255", 7))
                with pytest.raises(OSError, match="too long"):
                    sock.sendto(bytes(70_000), ("server", 7))

        with_server(world, datagram_echo, client)


def test_addresses_are_checked_as_by_the_socket_module() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            with non_blocking() as sock:
                with pytest.raises(TypeError, match="must be tuple"):
                    sock.connect("server")
                with pytest.raises(OverflowError):
                    sock.connect(("server", 70_000))
                with pytest.raises(socket.gaierror):
                    sock.connect_ex(("nobody", 7))
                with pytest.raises(ValueError, match="out of range"):
                    sock.settimeout(-1)

        world.on_client(program)
