"""What the simulation's event loop does with socket objects."""

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable

import pytest
import trustme

from halfopen.base.errors import SimulationError
from tests.sim.socket_world import connected, echo_server, listening, non_blocking, socket_hosts, with_server
from tests.sim.world import echo, two_hosts


async def echo_transports() -> None:
    server = await asyncio.start_server(echo, sock=listening())
    async with server:
        await server.serve_forever()


def test_a_reader_is_called_as_long_as_there_is_something_to_read() -> None:
    with socket_hosts() as world:

        async def client() -> bytes:
            loop = asyncio.get_running_loop()
            taken: list[bytes] = []
            with await connected() as sock:
                loop.add_reader(sock.fileno(), lambda: taken.append(sock.recv(1)))
                sock.send(b"abc")
                await asyncio.sleep(1)
                assert taken == [b"a", b"b", b"c"]
                assert loop.remove_reader(sock.fileno())
                assert not loop.remove_reader(sock)
                sock.send(b"more")
                await asyncio.sleep(1)
                return b"".join(taken)

        assert with_server(world, echo_server, client) == b"abc"


def test_a_later_reader_takes_the_place_of_an_earlier_one() -> None:
    with socket_hosts() as world:

        async def client() -> list[str]:
            loop = asyncio.get_running_loop()
            called: list[str] = []
            with await connected() as sock:

                def take(name: str) -> None:
                    called.append(name)
                    sock.recv(10)

                loop.add_reader(sock, take, "first")
                loop.add_reader(sock, take, "second")
                sock.send(b"!")
                await asyncio.sleep(1)
            return called

        assert with_server(world, echo_server, client) == ["second"]


def test_a_reader_that_fails_is_reported_and_called_again() -> None:
    with socket_hosts() as world:

        async def client() -> int:
            loop = asyncio.get_running_loop()
            failures: list[object] = []
            loop.set_exception_handler(lambda loop, context: failures.append(context["exception"]))
            with await connected() as sock:

                def fail() -> None:
                    assert sock.recv(1) != b"b", "not this one"

                loop.add_reader(sock, fail)
                sock.send(b"abc")
                await asyncio.sleep(1)
                with pytest.raises(BlockingIOError):
                    sock.recv(1)
            return len(failures)

        assert with_server(world, echo_server, client) == 1


def test_watchers_of_a_closed_socket_are_forgotten() -> None:
    with socket_hosts() as world:

        async def client() -> None:
            loop = asyncio.get_running_loop()
            sock = await connected()
            fd = sock.fileno()
            loop.add_reader(fd, pytest.fail, "called")
            loop.add_writer(fd, pytest.fail, "called")
            sock.close()
            await asyncio.sleep(1)
            assert not loop.remove_reader(fd)
            assert not loop.remove_writer(sock)
            with pytest.raises(SimulationError, match="is real"):
                loop.add_reader(fd, print)

        with_server(world, echo_server, client)


def test_a_reader_that_never_reads_is_named_as_a_livelock() -> None:
    def forgetful() -> None:
        return None

    with socket_hosts() as world:

        async def client() -> None:
            with await connected() as sock:
                asyncio.get_running_loop().add_reader(sock, forgetful)
                sock.send(b"unread")
                await asyncio.sleep(1)

        with pytest.raises(SimulationError, match=r"livelock.*\n.*forgetful\(\), reader of <SimSocket on client"):
            with_server(world, echo_server, client)


def test_a_stopped_program_is_called_back_when_it_goes_on() -> None:
    with socket_hosts() as world:

        async def client() -> float:
            loop = asyncio.get_running_loop()
            heard = loop.create_future()
            with await connected() as sock:
                loop.add_reader(sock, lambda: heard.done() or heard.set_result(world.elapsed()))
                sock.send(b"!")
                return await heard

        async def main() -> float:
            serving = world.server.run(echo_server())
            listening = world.client.run(client())
            await asyncio.sleep(0.13)
            world.client.pause()
            await asyncio.sleep(10)
            world.client.resume()
            heard = await listening
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            return heard

        assert world.run(main) == pytest.approx(10.13)


def test_callbacks_run_on_the_host_of_who_watches() -> None:
    with socket_hosts() as world:

        async def client() -> str:
            loop = asyncio.get_running_loop()
            heard = loop.create_future()
            with await connected() as sock:
                loop.add_reader(
                    sock, lambda: heard.done() or heard.set_result(world.network.loop.current_host().program)
                )
                sock.send(b"!")
                return str(await heard)

        assert with_server(world, echo_server, client) == "client"


def test_a_transport_goes_on_with_a_connected_socket() -> None:
    with socket_hosts() as world:

        async def client() -> bytes:
            sock = await connected()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 7000)
            name = sock.getsockname()
            reader, writer = await asyncio.open_connection(sock=sock)
            assert writer.get_extra_info("sockname") == sock.getsockname() == name
            assert writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000
            assert sock.fileno() == writer.get_extra_info("socket").fileno() >= 0
            writer.write(b"by the transport")
            writer.write_eof()
            octets = await reader.read()
            writer.close()
            await writer.wait_closed()
            assert sock.fileno() == -1
            sock.close()
            return octets

        assert with_server(world, echo_transports, client) == b"by the transport"


def test_a_transport_hears_of_an_end_that_the_socket_has_seen() -> None:
    with socket_hosts() as world:

        async def server() -> None:
            with listening() as sock:
                accepted, _ = await asyncio.get_running_loop().sock_accept(sock)
                accepted.send(b"farewell")
                accepted.close()

        async def client() -> bytes:
            sock = await connected()
            await asyncio.sleep(1)
            reader, writer = await asyncio.open_connection(sock=sock)
            octets = await reader.read()
            writer.close()
            return octets

        assert with_server(world, server, client) == b"farewell"


@pytest.mark.parametrize("with_tls", [False, True])
def test_accepted_sockets_become_transports(with_tls: bool) -> None:
    authority = trustme.CA()
    for_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("server").configure_cert(for_server)
    for_client = ssl.create_default_context()
    authority.configure_trust(for_client)
    with socket_hosts() as world:

        async def server() -> None:
            loop = asyncio.get_running_loop()
            with listening() as sock:
                accepted, _ = await loop.sock_accept(sock)
                reader = asyncio.StreamReader(loop=loop)
                await loop.connect_accepted_socket(
                    lambda: asyncio.StreamReaderProtocol(reader, echo),
                    accepted,
                    ssl=for_server if with_tls else None,
                )
                await asyncio.Event().wait()

        async def client() -> bytes:
            reader, writer = await asyncio.open_connection("server", 7, ssl=for_client if with_tls else None)
            writer.write(b"accepted")
            octets = await reader.readexactly(8)
            writer.close()
            with contextlib.suppress(ssl.SSLError):
                await writer.wait_closed()
            return octets

        assert with_server(world, server, client) == b"accepted"


def test_a_server_takes_a_bound_or_a_listening_socket() -> None:
    with socket_hosts() as world:

        async def server() -> None:
            bound = socket.socket()
            bound.bind(("server", 8))
            servers = [await asyncio.start_server(echo, sock=sock) for sock in (bound, listening(7))]
            assert [each.sockets[0].getsockname() for each in servers] == [("192.0.2.2", 8), ("0.0.0.0", 7)]
            assert bound.getsockname() == ("192.0.2.2", 8)
            assert bound.fileno() >= 0
            assert bound.gettimeout() == 0
            await asyncio.sleep(1)
            for each in servers:
                each.close()
            bound.close()

        async def client() -> list[bytes]:
            answers: list[bytes] = []
            for port in (7, 8):
                reader, writer = await asyncio.open_connection("server", port)
                writer.write(b"hello")
                answers.append(await reader.readexactly(5))
                writer.close()
            await asyncio.sleep(2)
            for port in (7, 8):
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("server", port)
            return answers

        assert with_server(world, server, client) == [b"hello", b"hello"]


def test_closing_the_listening_socket_ends_the_listening_of_its_server() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            sock = listening()
            server = await asyncio.start_server(echo, sock=sock)
            sock.close()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("localhost", 7)
            server.close()

        world.on_client(program)


def test_a_datagram_endpoint_takes_a_bound_socket() -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # the UDP one
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(data.upper(), addr)

    with socket_hosts() as world:

        async def server() -> None:
            sock = non_blocking(socket.SOCK_DGRAM)
            sock.bind(("", 53))
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, sock=sock)
            assert transport.get_extra_info("sockname") == sock.getsockname() == ("0.0.0.0", 53)
            try:
                await asyncio.Event().wait()
            finally:
                transport.close()

        async def client() -> bytes:
            loop = asyncio.get_running_loop()
            with non_blocking(socket.SOCK_DGRAM) as sock:
                sock.sendto(b"name?", ("server", 53))
                return await loop.sock_recv(sock, 100)

        assert with_server(world, server, client) == b"NAME?"


def test_sockets_of_the_wrong_kind_are_refused() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            loop = asyncio.get_running_loop()
            with non_blocking() as stream, non_blocking(socket.SOCK_DGRAM) as datagrams, listening() as ears:
                with pytest.raises(ValueError, match="not connected"):
                    await loop.create_connection(asyncio.Protocol, sock=stream)
                with pytest.raises(ValueError, match="Stream Socket"):
                    await loop.connect_accepted_socket(asyncio.Protocol, datagrams)
                with pytest.raises(ValueError, match="cannot listen"):
                    await loop.create_server(asyncio.Protocol, sock=datagrams)
                with pytest.raises(ValueError, match="UDP Socket"):
                    await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=ears)
                with pytest.raises(ValueError, match="sock"):
                    await loop.create_connection(asyncio.Protocol, "server", 7, sock=stream)
                with pytest.raises(ValueError, match="sock"):
                    await loop.create_server(asyncio.Protocol, port=7, sock=stream)
                with pytest.raises(ValueError, match="sock"):
                    await loop.create_datagram_endpoint(
                        asyncio.DatagramProtocol, local_addr=("client", 7), sock=datagrams
                    )
            assert world.client.stack.ports.listing() == []
            with pytest.raises(ValueError, match="no sock specified"):
                await loop.create_connection(asyncio.Protocol)

        world.on_client(program)


def test_each_host_has_its_own_signal_handlers() -> None:
    with two_hosts() as world:
        loop = world.network.loop

        async def program(name: str) -> None:
            loop.add_signal_handler(signal.SIGTERM, lambda: heard.append((name, loop.current_host().program)))
            await asyncio.sleep(1)

        async def main() -> None:
            tasks = [world.client.run(program("one")), world.server.run(program("two"))]
            await asyncio.sleep(0.5)
            assert loop.signals.deliver(world.server, signal.SIGTERM)
            assert heard == []
            await asyncio.gather(*tasks)

        heard: list[tuple[str, str]] = []
        world.run(main)
        assert heard == [("two", "server")]


def test_signal_handlers_can_be_taken_away() -> None:
    with two_hosts() as world:
        loop = world.network.loop

        async def program() -> None:
            loop.add_signal_handler(signal.SIGTERM, pytest.fail, "called")
            assert loop.remove_signal_handler(signal.SIGTERM)
            assert not loop.remove_signal_handler(signal.SIGTERM)
            assert not loop.signals.deliver(world.client, signal.SIGTERM)
            with pytest.raises(RuntimeError, match="cannot be caught"):
                loop.add_signal_handler(signal.SIGKILL, print)
            with pytest.raises(TypeError, match="coroutines"):
                loop.add_signal_handler(signal.SIGTERM, program)

        world.on_client(program)


def test_there_are_no_processes_pipes_and_unix_sockets() -> None:
    with two_hosts() as world:

        async def program() -> None:
            loop = asyncio.get_running_loop()
            attempts: list[Callable[[], object]] = [
                lambda: asyncio.create_subprocess_exec("true"),
                lambda: asyncio.create_subprocess_shell("true"),
                lambda: asyncio.open_unix_connection("/tmp/socket"),
                lambda: asyncio.start_unix_server(echo, "/tmp/socket"),
                lambda: loop.connect_read_pipe(asyncio.Protocol, None),
                lambda: loop.connect_write_pipe(asyncio.BaseProtocol, None),
            ]
            for attempt in attempts:
                with pytest.raises(SimulationError, match="a simulated host has no"):
                    await attempt()  # type: ignore[misc]  # each is a coroutine

        world.on_client(program)
