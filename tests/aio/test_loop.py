"""Unmodified programs on a loop whose networking is ours."""

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
import httpx
import pytest
import trustme
import uvicorn
from aiohttp import web

from halfopen.aio.host import Host
from halfopen.aio.loop import LoopOverStack
from tests.aio.world import loop_over_stack, until

PORT = 8080
BODY = bytes(range(256)) * 4096


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs ``main`` on a host of ours, and finds what it has left open."""
    with asyncio.Runner(loop_factory=loop_over_stack) as runner:
        runner.run(main())
    gc.collect()


def our_loop() -> LoopOverStack:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LoopOverStack)
    return loop


@contextlib.asynccontextmanager
async def aiohttp_server(ssl_context: ssl.SSLContext | None = None):
    async def hello(request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(body=body or b"hello over our TCP")

    async def chat(request: web.Request) -> web.WebSocketResponse:
        chat = web.WebSocketResponse()
        await chat.prepare(request)
        async for message in chat:
            await chat.send_str(message.data.upper())
        return chat

    app = web.Application(client_max_size=1 << 24)
    app.router.add_get("/", hello)
    app.router.add_post("/", hello)
    app.router.add_get("/chat", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", PORT, ssl_context=ssl_context).start()
    try:
        yield
    finally:
        await runner.cleanup()


def test_aiohttp_serves_and_fetches() -> None:
    async def main() -> None:
        async with aiohttp_server(), aiohttp.ClientSession() as session:
            async with session.get(f"http://server:{PORT}/") as response:
                assert await response.text() == "hello over our TCP"
            async with session.post(f"http://192.0.2.2:{PORT}/", data=BODY) as response:
                assert await response.read() == BODY
            async with session.ws_connect(f"ws://localhost:{PORT}/chat") as chat:
                await chat.send_str("quietly")
                assert await chat.receive_str() == "QUIETLY"
        counters = our_loop().current_host().stack.counters
        assert counters["PassiveOpens"] == counters["ActiveOpens"] == 3

    run(main)


def test_aiohttp_speaks_tls() -> None:
    authority = trustme.CA()
    for_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("server").configure_cert(for_server)
    for_client = ssl.create_default_context()
    authority.configure_trust(for_client)

    async def main() -> None:
        async with (
            aiohttp_server(for_server),
            aiohttp.ClientSession() as session,
            session.post(f"https://server:{PORT}/", data=BODY, ssl=for_client) as response,
        ):
            assert await response.read() == BODY

    run(main)


def test_aiohttp_hears_of_a_refused_connection() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get(f"http://server:{PORT}/")
            assert isinstance(caught.value.os_error, ConnectionRefusedError)

    run(main)


async def application(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """A bare ASGI application that sends the body back."""
    assert scope["type"] == "http"
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"client", f"{scope['client'][0]}".encode()), (b"port", str(scope["server"][1]).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("implementation", ["h11", "httptools"])
def test_uvicorn_serves_httpx(implementation: str) -> None:
    async def main() -> None:
        config = uvicorn.Config(
            application, host="0.0.0.0", port=PORT, http=implementation, lifespan="off", log_level="warning"
        )
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve())
        await until(lambda: server.started)
        async with httpx.AsyncClient() as client:
            for _ in range(3):
                response = await client.post(f"http://server:{PORT}/", content=BODY)
                assert response.content == BODY
        assert response.headers["client"] == "192.0.2.2"
        assert response.headers["port"] == str(PORT)
        assert our_loop().current_host().stack.counters["ActiveOpens"] == 1
        server.should_exit = True
        await serving

    run(main)


def test_httpx_notices_that_a_pooled_connection_has_died() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.close()

        listening = await asyncio.start_server(serve, "0.0.0.0", PORT)
        async with httpx.AsyncClient() as client:
            for _ in range(2):
                assert (await client.get(f"http://server:{PORT}/")).text == "ok"
                await asyncio.sleep(0.05)
        assert our_loop().current_host().stack.counters["ActiveOpens"] == 2
        listening.close()
        await listening.wait_closed()

    run(main)


def test_names_are_looked_up_in_the_hosts_own_table() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        for name, address in (
            ("server", "192.0.2.2"),
            (b"server", "192.0.2.2"),
            (None, "127.0.0.1"),
            ("", "127.0.0.1"),
        ):
            assert await loop.getaddrinfo(name, 80, type=socket.SOCK_STREAM) == [(*stream, (address, 80))]
        passive = await loop.getaddrinfo(None, "80", proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE)
        assert passive == [(*stream, ("0.0.0.0", 80))]
        assert len(await loop.getaddrinfo("192.0.2.7", 80)) == 2
        for host, port, family in (("nowhere", 80, 0), ("server", "http", 0), ("server", 80, socket.AF_INET6)):
            with pytest.raises(socket.gaierror):
                await loop.getaddrinfo(host, port, family=family)
        assert await loop.getnameinfo(("192.0.2.2", 80)) == ("server", "80")
        assert await loop.getnameinfo(("192.0.2.2", 80), socket.NI_NUMERICHOST) == ("192.0.2.2", "80")

    run(main)


def test_a_kernel_socket_can_stand_for_a_connection_of_ours() -> None:
    async def main() -> None:
        loop = our_loop()

        async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(1 << 16):
                writer.write(data.upper())
                await writer.drain()
            writer.close()

        listening = await asyncio.start_server(shout, "server", PORT)
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, ("192.0.2.2", PORT))
        await loop.sock_sendall(sock, b"first " * 50_000)
        received = b""
        while len(received) < 300_000:
            received += await loop.sock_recv(sock, 65536)
        assert received == b"FIRST " * 50_000
        buffer = bytearray(16)
        await loop.sock_sendall(sock, b"second")
        assert await loop.sock_recv_into(sock, buffer) == 6
        reader, writer = await asyncio.open_connection(sock=sock)
        assert writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert sock.fileno() == -1
        writer.write(b"third")
        writer.write_eof()
        assert await reader.read() == b"THIRD"
        writer.close()
        await writer.wait_closed()
        listening.close()
        await listening.wait_closed()

    run(main)


def test_a_dropped_kernel_socket_takes_its_connection_along() -> None:
    async def main() -> None:
        loop = our_loop()
        listening = await asyncio.start_server(lambda reader, writer: writer.close(), "server", PORT)
        sock = socket.socket()
        sock.setblocking(False)
        await loop.sock_connect(sock, ("192.0.2.2", PORT))
        assert await loop.sock_recv(sock, 10) == b""
        sock.close()
        del sock
        gc.collect()
        ports = loop.current_host().stack.ports
        await until(lambda: {row.state for row in ports.listing()} == {"LISTEN", "TIME-WAIT"})
        with socket.socket() as stranger, pytest.raises(ValueError, match="sock_connect"):
            await loop.create_connection(asyncio.Protocol, sock=stranger)
        listening.close()
        await listening.wait_closed()

    run(main)


def test_a_bound_kernel_socket_lends_its_address_to_a_server() -> None:
    async def main() -> None:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()
        listening = await asyncio.start_server(lambda reader, writer: writer.close(), sock=sock)
        assert listening.sockets[0].getsockname() == address
        assert sock.fileno() == -1
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        listening.close()
        await listening.wait_closed()

    run(main)


def test_other_descriptors_stay_the_systems() -> None:
    async def main() -> None:
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(left, b"kernel")
            assert await loop.sock_recv(right, 10) == b"kernel"
        assert await asyncio.to_thread(lambda: 42) == 42

    run(main)


def test_a_host_that_cannot_be_made_leaves_no_loop_behind() -> None:
    def fail(loop: asyncio.AbstractEventLoop) -> Host:
        raise OSError("no such device")

    with pytest.raises(OSError, match="no such device"):
        LoopOverStack(fail)
    gc.collect()


def test_datagram_endpoints_are_ours() -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:
            self.transport = transport
            self.letters: list[bytes] = []

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.letters.append(data)
            if data.islower():
                self.transport.sendto(data.upper(), addr)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        far, _ = await loop.create_datagram_endpoint(Echo, local_addr=("server", PORT))
        near, here = await loop.create_datagram_endpoint(Echo, remote_addr=("server", PORT))
        near.sendto(b"echo")
        await until(lambda: here.letters == [b"ECHO"])
        near.close()
        far.close()
        await asyncio.sleep(0)

    run(main)
