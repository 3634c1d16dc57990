"""TLS on socket objects: `ssl.SSLContext.wrap_socket`."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

import pytest
import tornado.httpclient
import tornado.httpserver
import tornado.web
import trustme

from halfopen.base.errors import SimulationError
from tests.sim.socket_world import connected, listening, non_blocking, socket_hosts, with_server
from tests.sim.world import World

T = TypeVar("T")
MAKER = {"original": vars(ssl.SSLSocket)["_create"]}


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and the client's."""
    authority = trustme.CA()
    for_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("server").configure_cert(for_server)
    for_client = ssl.create_default_context()
    authority.configure_trust(for_client)
    return for_server, for_client


async def when_ready(sock: socket.socket, call: Callable[[], T]) -> T:
    """The result of ``call`` once it need not wait."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return call()
        except ssl.SSLWantReadError:
            add, remove = loop.add_reader, loop.remove_reader
        except ssl.SSLWantWriteError:
            add, remove = loop.add_writer, loop.remove_writer
        ready = loop.create_future()
        add(sock, lambda ready=ready: ready.done() or ready.set_result(None))
        await ready
        remove(sock)


async def send_all(sock: ssl.SSLSocket, data: bytes) -> None:
    while data:
        rest = data
        data = data[await when_ready(sock, lambda: sock.send(rest)) :]  # noqa: B023  # called before it changes


def tls_echo(context: ssl.SSLContext) -> Callable[[], object]:
    async def server() -> None:
        loop = asyncio.get_running_loop()
        with listening() as ears:
            accepted, _ = await loop.sock_accept(ears)
            with context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False) as sock:
                await when_ready(sock, sock.do_handshake)
                while octets := await when_ready(sock, lambda: sock.recv(30_000)):
                    await send_all(sock, octets)

    return server


def run(
    world: World, contexts: tuple[ssl.SSLContext, ssl.SSLContext], client: Callable[[ssl.SSLContext], object]
) -> object:
    return with_server(world, tls_echo(contexts[0]), lambda: client(contexts[1]))  # type: ignore[arg-type, return-value]  # coroutines


def test_a_wrapped_socket_carries_octets_both_ways(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    pattern = bytes(range(256)) * 2000

    async def client(context: ssl.SSLContext) -> int:
        plain = await connected()
        fd = plain.fileno()
        with context.wrap_socket(plain, server_hostname="server", do_handshake_on_connect=False) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            assert sock.fileno() == fd
            assert plain.fileno() == -1
            await when_ready(sock, sock.do_handshake)
            assert sock.version() == "TLSv1.3"
            assert sock.getpeercert()["subjectAltName"] == (("DNS", "server"),)
            assert sock.getpeername() == ("192.0.2.2", 7)
            sending = asyncio.ensure_future(send_all(sock, pattern))
            received = bytearray()
            buffer = bytearray(50_000)
            while len(received) < len(pattern):
                received += buffer[: await when_ready(sock, lambda: sock.recv_into(buffer))]
            await sending
            assert received == pattern
            assert sock.pending() == 0
            return len(received)

    with socket_hosts("delay 5ms rate 100mbit") as world:
        assert run(world, contexts, client) == 512_000


def test_the_end_of_the_stream_is_read_through_tls(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def client(context: ssl.SSLContext) -> bytes:
        with context.wrap_socket(await connected(), server_hostname="server", do_handshake_on_connect=False) as sock:
            await when_ready(sock, sock.do_handshake)
            await send_all(sock, b"last words")
            await when_ready(sock, lambda: sock.recv(0) if sock.pending() else sock.recv(4))
            sock.shutdown(socket.SHUT_WR)
            return b"ended"

    with socket_hosts() as world:
        assert run(world, contexts, client) == b"ended"


def test_a_certificate_for_somebody_else_ends_the_handshake(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def server() -> None:
        with pytest.raises(OSError, match=r"UNKNOWN_CA|unknown ca|bad certificate|reset"):
            await tls_echo(contexts[0])()  # type: ignore[misc]  # a coroutine
        failed.append("server")

    async def client() -> None:
        with (
            contexts[1].wrap_socket(
                await connected(), server_hostname="impostor", do_handshake_on_connect=False
            ) as sock,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            await when_ready(sock, sock.do_handshake)
        await asyncio.sleep(1)

    failed: list[str] = []
    with socket_hosts() as world:
        with_server(world, server, client)
    assert failed == ["server"]


def test_what_would_wait_or_is_not_connected_is_refused(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def client(context: ssl.SSLContext) -> bool:
        with (
            context.wrap_socket(non_blocking(), server_hostname="server") as sock,
            pytest.raises(SimulationError, match="once it is connected"),
        ):
            sock.connect(("server", 7))
        plain = await connected()
        plain.setblocking(True)
        with pytest.raises(SimulationError, match="would wait"):
            context.wrap_socket(plain, server_hostname="server")
        return True

    with socket_hosts() as world:
        assert run(world, contexts, client)


class Hello(tornado.web.RequestHandler):
    def post(self) -> None:
        self.write(str(len(self.request.body)))


def test_tornado_speaks_https(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with socket_hosts() as world:

        async def server() -> None:
            http = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Hello)]), ssl_options=contexts[0])
            http.listen(443)
            try:
                await asyncio.Event().wait()
            finally:
                http.stop()
                await http.close_all_connections()

        async def client() -> bytes:
            fetcher = tornado.httpclient.AsyncHTTPClient()
            response = await fetcher.fetch(
                "https://server/", method="POST", body=b"x" * 300_000, ssl_options=contexts[1]
            )
            fetcher.close()
            return response.body

        assert with_server(world, server, client) == b"300000"


def test_after_the_run_wrapping_is_what_it_was() -> None:
    with socket_hosts():
        assert vars(ssl.SSLSocket)["_create"] is not MAKER["original"]
    assert vars(ssl.SSLSocket)["_create"] is MAKER["original"]
