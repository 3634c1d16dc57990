"""What simulated sockets say of themselves: names, options, descriptors."""

import asyncio
import os
import select
import socket
import struct

import pytest

from tests.sim.socket_world import connected, echo_server, listening, non_blocking, socket_hosts, with_server


def polls(fd: int) -> bool:
    """Whether ``fd`` is readable now."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def test_the_descriptor_tells_the_truth_about_octets_and_the_end() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            with await connected() as sock:
                fd = sock.fileno()
                assert fd == sock.fileno() >= 0
                assert not polls(fd)
                sock.send(b"octets")
                await asyncio.sleep(1)
                assert polls(fd)
                sock.recv(3)
                assert polls(fd)
                sock.recv(3)
                assert not polls(fd)
                sock.shutdown(socket.SHUT_WR)
                await asyncio.sleep(1)
                assert polls(fd)
                assert sock.recv(1) == b""
                assert polls(fd)
            assert sock.fileno() == -1
            with pytest.raises(OSError, match="Bad file"):
                os.fstat(fd)

        with_server(world, echo_server, client)


def test_the_descriptor_of_a_listening_socket_tells_of_connections() -> None:
    with socket_hosts() as world:

        async def server() -> None:
            with listening() as sock:
                assert not polls(sock.fileno())
                await asyncio.sleep(1)
                assert polls(sock.fileno())
                sock.accept()[0].close()
                assert not polls(sock.fileno())
                seen.append(True)

        async def client() -> None:
            (await connected()).close()
            await asyncio.sleep(2)

        seen: list[bool] = []
        with_server(world, server, client)
        assert seen


def test_options_are_those_of_our_tcp() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            with non_blocking() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
                await asyncio.get_running_loop().sock_connect(sock, ("server", 7))
                assert struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 5)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0") == b"reno"
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) == 1448
                information = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
                assert information[0] == 1  # TCP_ESTABLISHED
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) == socket.AF_INET
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == socket.IPPROTO_TCP
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR, 4) == bytes(4)

        with_server(world, echo_server, client)


def test_options_without_meaning_are_remembered_from_state_to_state() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            with non_blocking() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, None, 4)
                await asyncio.get_running_loop().sock_connect(sock, ("server", 7))
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) == bytes(4)

        with_server(world, echo_server, client)


def test_timeouts_and_inheritance_are_kept_in_mind() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            with socket.socket() as sock:
                assert sock.gettimeout() is sock.timeout is None
                assert sock.getblocking()
                sock.settimeout(1.5)
                assert sock.gettimeout() == sock.timeout == 1.5
                sock.setblocking(False)
                assert sock.gettimeout() == 0
                assert not sock.getblocking()
                sock.set_inheritable(True)
                assert not sock.get_inheritable()
                assert sock.getsockname() == ("0.0.0.0", 0)
                with pytest.raises(OSError, match="not connected"):
                    sock.getpeername()

        world.on_client(program)
