"""What `socket.socket` does in a simulated run, call by call."""

import asyncio
import errno
import gc
import socket
import threading

import pytest

from halfopen.base.errors import SimulationError
from halfopen.sim.sockets import SimSocket, simulated_sockets
from tests.sim.socket_world import connected, echo_server, listening, non_blocking, socket_hosts, with_server
from tests.sim.world import two_hosts

REAL = {"socket": socket.socket}
"""Out of reach of who replaces the class in every module."""


async def ready(sock: socket.socket, *, writing: bool = False) -> None:
    """Until ``sock`` is readable or writable."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    add(sock, lambda: done.done() or done.set_result(None))
    await done
    assert remove(sock)


def test_the_class_is_a_socket_that_opens_nothing() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            with socket.socket() as sock:
                assert type(sock) is SimSocket
                assert isinstance(sock, socket.socket)
                assert isinstance(sock, REAL["socket"])
                assert issubclass(SimSocket, socket.socket)
                assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, 0)
                assert repr(sock) == "<SimSocket on client, SOCK_STREAM, unconnected, ('0.0.0.0', 0)>"
            assert repr(sock) == "<SimSocket on client, SOCK_STREAM, closed, ('0.0.0.0', 0)>"
            assert sock.fileno() == -1

        world.on_client(program)
    assert socket.socket is REAL["socket"]


def test_a_connection_takes_a_round_trip_and_carries_octets_both_ways() -> None:
    with socket_hosts() as world:

        async def client() -> bytes:
            with await connected() as sock:
                # ARP there and back, the SYN, and the server's ARP before its answer.
                assert world.elapsed() == pytest.approx(0.12)
                sock.sendall(b"there and back")
                await ready(sock)
                assert world.elapsed() == pytest.approx(0.16)
                return sock.recv(100)

        assert with_server(world, echo_server, client) == b"there and back"


def test_a_non_blocking_connect_is_in_progress_until_it_is_decided() -> None:
    with socket_hosts() as world:

        async def client() -> list[object]:
            seen: list[object] = []
            with non_blocking() as sock:
                seen.append(sock.connect_ex(("server", 7)))
                seen.append(sock.connect_ex(("server", 7)))
                with pytest.raises(BlockingIOError):
                    sock.connect(("server", 7))
                with pytest.raises(OSError, match=r"not connected"):
                    sock.getpeername()
                await ready(sock, writing=True)
                seen.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                seen.append(sock.connect_ex(("server", 7)))
                seen.append(sock.getpeername())
            return seen

        assert with_server(world, echo_server, client) == [
            errno.EINPROGRESS,
            errno.EALREADY,
            0,
            errno.EISCONN,
            ("192.0.2.2", 7),
        ]


def test_a_refused_connection_is_told_once_by_so_error() -> None:
    with socket_hosts() as world:

        async def program() -> list[int]:
            with non_blocking() as sock:
                assert sock.connect_ex(("server", 81)) == errno.EINPROGRESS
                await ready(sock, writing=True)
                return [sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for _ in range(2)]

        assert world.on_client(program) == [errno.ECONNREFUSED, 0]


def test_the_loops_sock_connect_raises_what_went_wrong() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            loop = asyncio.get_running_loop()
            with non_blocking() as sock, pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(sock, ("server", 81))
            with non_blocking() as sock, pytest.raises(OSError, match="unreachable"):
                await loop.sock_connect(sock, ("203.0.113.1", 7))
            with non_blocking() as sock, pytest.raises(socket.gaierror):
                await loop.sock_connect(sock, ("nobody", 7))
            began = world.elapsed()
            world.server.power_off()
            with non_blocking() as sock, pytest.raises(TimeoutError):
                await loop.sock_connect(sock, ("server", 81))
            assert 120 < world.elapsed() - began < 260
            with non_blocking() as sock, pytest.raises(OSError, match=r"No route to host \(192\.0\.2\.77:7\)"):
                await loop.sock_connect(sock, ("192.0.2.77", 7))

        world.on_client(program)


def test_options_that_are_set_before_connecting_act_on_the_connection() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            loop = asyncio.get_running_loop()
            with non_blocking() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
                await loop.sock_connect(sock, ("server", 7))
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 5
                world.server.power_off()
                began = world.elapsed()
                with pytest.raises(TimeoutError):
                    await loop.sock_recv(sock, 1)
                assert world.elapsed() - began == pytest.approx(25, abs=0.2)

        with_server(world, echo_server, client)


def test_accepted_connections_inherit_the_options_of_the_listening_socket() -> None:
    with socket_hosts() as world:

        async def server() -> None:
            loop = asyncio.get_running_loop()
            with listening() as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                accepted, peer = await loop.sock_accept(sock)
                with accepted:
                    assert peer == accepted.getpeername()
                    assert accepted.getsockname() == ("192.0.2.2", 7)
                    assert accepted.gettimeout() == 0
                    seen.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                    seen.append(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))

        async def client() -> None:
            (await connected()).close()
            await asyncio.sleep(1)

        seen: list[int] = []
        with_server(world, server, client)
        assert seen == [1, 1]


def test_a_bound_port_is_reserved_until_it_is_closed() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            first, second = socket.socket(), socket.socket()
            first.bind(("", 0))
            port = first.getsockname()[1]
            assert port >= 1024
            with pytest.raises(OSError, match=r"in use") as caught:
                second.bind(("127.0.0.1", port))
            assert caught.value.errno == errno.EADDRINUSE
            with pytest.raises(OSError, match=r"Invalid argument"):
                first.bind(("", 0))
            with pytest.raises(OSError, match=r"Cannot assign") as caught:
                second.bind(("server", 0))
            assert caught.value.errno == errno.EADDRNOTAVAIL
            first.close()
            second.bind(("127.0.0.1", port))
            second.listen()
            assert second.getsockname() == ("127.0.0.1", port)
            assert second.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
            with pytest.raises(OSError, match=r"already connected"):
                second.connect(("server", 7))
            second.close()
            assert world.client.stack.ports.listing() == []

        world.on_client(program)


def test_a_bound_socket_connects_from_its_port() -> None:
    with socket_hosts() as world:

        async def client() -> tuple[str, int]:
            with non_blocking() as sock:
                sock.bind(("client", 4000))
                await asyncio.get_running_loop().sock_connect(sock, ("server", 7))
                return sock.getsockname()

        assert with_server(world, echo_server, client) == ("192.0.2.1", 4000)


def test_shutdown_ends_one_direction() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            loop = asyncio.get_running_loop()
            with await connected() as sock:
                await loop.sock_sendall(sock, b"last words")
                sock.shutdown(socket.SHUT_WR)
                with pytest.raises(BrokenPipeError):
                    sock.send(b"more")
                assert await loop.sock_recv(sock, 100) == b"last words"
                assert await loop.sock_recv(sock, 100) == b""
            with await connected() as sock:
                sock.shutdown(socket.SHUT_RD)
                assert sock.recv(1) == b""
            with non_blocking() as sock, pytest.raises(OSError, match="not connected"):
                sock.shutdown(socket.SHUT_WR)

        with_server(world, echo_server, client)


def test_a_reset_is_an_error_once_and_then_the_end() -> None:
    with socket_hosts() as world:

        async def server() -> None:
            with listening() as sock:
                accepted, _ = await asyncio.get_running_loop().sock_accept(sock)
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                accepted.close()

        async def client() -> None:
            with await connected() as sock:
                await ready(sock)
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)
                assert sock.recv(1) == b""
                with pytest.raises(BrokenPipeError):
                    sock.send(b"!")

        with_server(world, server, client)


def test_a_blocking_call_that_would_wait_is_an_error_and_one_that_need_not_is_served() -> None:
    with socket_hosts() as world:

        async def client() -> bytes:
            with socket.socket() as sock, pytest.raises(SimulationError, match=r"socket\.connect\(\) would wait"):
                sock.connect(("server", 7))
            with pytest.raises(SimulationError, match=r"nothing happens while the only thread stands still"):
                socket.create_connection(("server", 7), timeout=5)
            with await connected() as sock:
                sock.setblocking(True)
                assert sock.getblocking()
                with pytest.raises(SimulationError, match=r"socket\.recv\(\) would wait"):
                    sock.recv(1)
                with pytest.raises(BlockingIOError):
                    sock.recv(1, socket.MSG_DONTWAIT)
                sock.sendall(b"blocking")
                await ready(sock)
                return sock.recv(100)

        assert with_server(world, echo_server, client) == b"blocking"


def test_the_helpers_of_the_socket_module_make_simulated_sockets() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            with socket.create_server(("", 80)) as sock:
                assert type(sock) is SimSocket
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
                assert sock.getsockname() == ("0.0.0.0", 80)
            assert not socket.has_dualstack_ipv6()
            with pytest.raises(OSError, match="family") as caught:
                socket.socket(socket.AF_INET6)
            assert caught.value.errno == errno.EAFNOSUPPORT
            with pytest.raises(PermissionError):
                socket.socket(socket.AF_INET, socket.SOCK_RAW)
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
                assert sock.gettimeout() == 0

        world.on_client(program)


def test_unix_sockets_and_pairs_stay_real() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            left, right = socket.socketpair()
            with left, right:
                assert isinstance(left, socket.socket)
                assert type(left) is REAL["socket"]
                left.send(b"real")
                assert right.recv(10) == b"real"
                with pytest.raises(SimulationError, match="is real"):
                    asyncio.get_running_loop().add_reader(left, print)
                with pytest.raises(SimulationError, match="is real"):
                    await asyncio.get_running_loop().sock_recv(left, 1)

        world.on_client(program)


def test_a_socket_cannot_be_taken_off_its_object() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            with socket.socket() as sock:
                for call in (sock.detach, sock.dup):
                    with pytest.raises(SimulationError, match="descriptor"):
                        call()
                with pytest.raises(SimulationError, match="descriptor 3"):
                    SimSocket(fileno=3)

        world.on_client(program)


def test_code_on_no_host_gets_no_socket_and_other_threads_get_real_ones() -> None:
    kinds: list[type] = []
    begin, done = threading.Event(), threading.Event()

    def beside() -> None:
        begin.wait(10)
        with socket.socket() as sock:
            kinds.append(type(sock))
        done.set()

    thread = threading.Thread(target=beside)
    thread.start()
    with socket_hosts() as world:

        async def main() -> None:
            with pytest.raises(SimulationError, match="on no host"):
                socket.socket()
            begin.set()
            done.wait(10)

        world.run(main)
    thread.join()
    assert kinds == [REAL["socket"]]


def test_a_closed_socket_says_so() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            sock = await connected()
            waiting = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(sock, 1))
            await asyncio.sleep(0)
            sock.close()
            sock.close()
            with pytest.raises(OSError, match="Bad file descriptor"):
                await waiting
            for call in (sock.getsockname, sock.getpeername, lambda: sock.recv(1), lambda: sock.send(b"")):
                with pytest.raises(OSError, match="Bad file descriptor"):
                    call()

        with_server(world, echo_server, client)


def test_a_socket_that_is_lost_is_closed_with_a_warning() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            sock = await connected()
            with pytest.warns(ResourceWarning, match="unclosed <SimSocket on client"):
                del sock
                gc.collect()
            await asyncio.sleep(1)
            assert [row.state for row in world.client.stack.ports.listing()] == ["TIME-WAIT"]
            unused = socket.socket()
            unused.bind(("", 0))
            del unused
            gc.collect()

        with_server(world, echo_server, client)


def test_files_made_of_a_socket_keep_it_open() -> None:
    with socket_hosts() as world:

        async def client() -> bytes:
            sock = await connected()
            sock.sendall(b"first line\nsecond line\n")
            await ready(sock)
            file = sock.makefile("rb")
            sock.close()
            with file:
                line: bytes = file.readline()
            await asyncio.sleep(1)
            return line

        assert with_server(world, echo_server, client) == b"first line\n"
        assert {row.state for row in world.client.stack.ports.listing()} == {"TIME-WAIT"}


def test_one_simulation_at_a_time_has_the_sockets() -> None:
    with socket_hosts(), two_hosts() as other, pytest.raises(SimulationError, match="one at a time"):
        simulated_sockets(other.network.loop).__enter__()
    assert socket.socket is REAL["socket"]


def test_a_host_without_power_leaks_nothing() -> None:
    with socket_hosts() as world:

        async def hold() -> None:
            sock = await connected()
            await asyncio.Event().wait()
            sock.close()

        async def main() -> None:
            serving = world.server.run(echo_server())
            holding = world.client.run(hold())
            await asyncio.sleep(1)
            world.client.power_off()
            await asyncio.gather(holding, return_exceptions=True)
            assert holding.cancelled()
            del holding
            gc.collect()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

        world.run(main)


def test_the_port_of_a_program_that_was_killed_is_free() -> None:
    with socket_hosts() as world:

        async def take() -> socket.socket:
            sock = socket.socket()
            sock.bind(("", 80))
            return sock

        async def main() -> None:
            killed = await world.client.run(take())
            world.client.kill()
            taken = await world.client.run(take())
            killed.close()
            assert world.client.stack.ports.owner_of("tcp", b"\0\0\0\0", 80) is not None
            taken.close()
            assert world.client.stack.ports.owner_of("tcp", b"\0\0\0\0", 80) is None

        world.run(main)


def test_connecting_to_the_unspecified_address_means_this_host() -> None:
    with socket_hosts() as world:

        async def program() -> tuple[str, int]:
            loop = asyncio.get_running_loop()
            with listening(80) as ears, non_blocking() as sock:
                await loop.sock_connect(sock, ("0.0.0.0", 80))
                (await loop.sock_accept(ears))[0].close()
                return sock.getpeername()

        assert world.on_client(program) == ("127.0.0.1", 80)
