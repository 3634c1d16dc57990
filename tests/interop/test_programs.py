"""Unmodified programs: aiohttp, uvicorn and httpx on our stack, with the kernel's curl, nginx and http.server."""

import asyncio
import hashlib
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import trustme
import uvicorn
from aiohttp import web

from halfopen.aio.host import Host
from halfopen.aio.loop import LoopOverStack
from tests.interop.world import KERNEL, MEDIA, NEEDS, OURS, Wire, World, make_world, until

pytestmark = [*NEEDS, pytest.mark.needs("curl")]

both_devices = pytest.mark.parametrize("wire", MEDIA[:2], ids=str, indirect=True)

PORT = 8080
OCTETS = 8_000_000
RESOLVE = ["--resolve", f"ours:{PORT}:{OURS}"]


def run(wire: Wire, main: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Runs ``main`` where all of asyncio's networking is ours."""
    worlds: list[World] = []

    def make_host(loop: asyncio.AbstractEventLoop) -> Host:
        worlds.append(make_world(wire, loop))
        return worlds[0].host

    with asyncio.Runner(loop_factory=lambda: LoopOverStack(make_host)) as runner:
        runner.get_loop()
        runner.run(main(worlds[0]))


async def curl(wire: Wire, *arguments: str) -> bytes:
    """What the kernel's curl prints."""
    command = wire.namespace.prefix("curl", "--silent", "--show-error", "--fail", "--max-time", "30", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output


def sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Something to serve."""
    made = tmp_path / "served"
    made.mkdir()
    (made / "large").write_bytes(os.urandom(OCTETS))
    (made / "small").write_bytes(b"small")
    return made


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@asynccontextmanager
async def aiohttp_server(directory: Path, context: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    async def upload(request: web.Request) -> web.Response:
        summed = hashlib.sha256()
        async for chunk in request.content.iter_any():
            summed.update(chunk)
        return web.Response(text=summed.hexdigest())

    app = web.Application(client_max_size=2 * OCTETS)
    app.router.add_put("/upload", upload)
    app.router.add_static("/", directory)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, OURS, PORT, ssl_context=context).start()
    try:
        yield
    finally:
        await runner.cleanup()


@both_devices
def test_curl_fetches_from_aiohttp_and_uploads_to_it(wire: Wire, directory: Path) -> None:
    async def main(world: World) -> None:
        async with aiohttp_server(directory):
            large = (directory / "large").read_bytes()
            fetched = await curl(wire, f"http://{OURS}:{PORT}/large")
            assert sha256(fetched) == sha256(large)
            part = await curl(wire, "--range", "1000000-1999999", f"http://{OURS}:{PORT}/large")
            assert part == large[1_000_000:2_000_000]
            summed = await curl(wire, "--upload-file", str(directory / "large"), f"http://{OURS}:{PORT}/upload")
            assert summed.decode() == sha256(large)
        assert world.stack.counters["PassiveOpens"] == 3

    run(wire, main)


def test_curl_fetches_over_tls(wire: Wire, directory: Path, authority: trustme.CA, tmp_path: Path) -> None:
    certificate = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))

    async def main(world: World) -> None:
        async with aiohttp_server(directory, server_tls(authority, "ours")):
            trusting = ["--cacert", str(certificate), *RESOLVE]
            large = (directory / "large").read_bytes()
            assert await curl(wire, *trusting, f"https://ours:{PORT}/large") == large
            summed = await curl(
                wire, *trusting, "--upload-file", str(directory / "large"), f"https://ours:{PORT}/upload"
            )
            assert summed.decode() == sha256(large)

    run(wire, main)


def test_many_requests_share_a_connection_and_many_connections_share_a_server(wire: Wire, directory: Path) -> None:
    async def main(world: World) -> None:
        async with aiohttp_server(directory):
            url = f"http://{OURS}:{PORT}/small?[1-100]"
            assert await curl(wire, url) == b"small" * 100
            assert world.stack.counters["PassiveOpens"] == 1
            parallel = await curl(wire, "--parallel", "--parallel-max", "50", "--http1.0", url)
            assert parallel == b"small" * 100
            assert world.stack.counters["PassiveOpens"] == 101

    run(wire, main)


async def application(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Sends the body back, and says who has asked."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"x-client", scope["client"][0].encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("implementation", ["h11", "httptools"])
def test_curl_posts_to_uvicorn(wire: Wire, directory: Path, implementation: str) -> None:
    async def main(world: World) -> None:
        config = uvicorn.Config(
            application, host=OURS, port=PORT, http=implementation, lifespan="off", log_level="warning"
        )
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve())
        await until(lambda: server.started)
        large = directory / "large"
        answer = await curl(wire, "--include", "--data-binary", f"@{large}", f"http://{OURS}:{PORT}/")
        headers, _, body = answer.partition(b"\r\n\r\n")
        if b"100 Continue" in headers:
            headers, _, body = body.partition(b"\r\n\r\n")
        assert f"x-client: {KERNEL}".encode() in headers
        assert body == large.read_bytes()
        server.should_exit = True
        await serving

    run(wire, main)


NGINX = """
daemon off;
master_process off;
pid {scratch}/pid;
error_log {scratch}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    server {{
        listen {kernel}:80;
        listen {kernel}:443 ssl;
        ssl_certificate {scratch}/certificate.pem;
        ssl_certificate_key {scratch}/key.pem;
        root {root};
    }}
}}
"""


@contextmanager
def nginx(wire: Wire, directory: Path, authority: trustme.CA) -> Iterator[None]:
    """The kernel's nginx, at ports 80 and 443."""
    scratch = directory.parent / "nginx"
    scratch.mkdir()
    certificate = authority.issue_cert("kernel")
    certificate.private_key_pem.write_to_path(str(scratch / "key.pem"))
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(str(scratch / "certificate.pem"), append=True)
    (scratch / "nginx.conf").write_text(NGINX.format(scratch=scratch, kernel=KERNEL, root=directory))
    command = ["nginx", "-c", str(scratch / "nginx.conf"), "-e", str(scratch / "error.log")]
    process = wire.namespace.popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def http_server(wire: Wire, directory: Path) -> Iterator[None]:
    """The kernel's ``python -m http.server``, at port 80."""
    command = [sys.executable, "-m", "http.server", "80", "--bind", KERNEL, "--directory", str(directory)]
    process = wire.namespace.popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


async def until_listening(port: int) -> None:
    """Our stack asks; until a server has started, it is refused."""
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection(KERNEL, port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        await writer.wait_closed()
        return
    raise AssertionError("the server did not start")


@pytest.mark.needs("nginx")
@both_devices
def test_httpx_fetches_from_nginx(wire: Wire, directory: Path, authority: trustme.CA) -> None:
    async def main(world: World) -> None:
        await until_listening(80)
        large = (directory / "large").read_bytes()
        async with httpx.AsyncClient(verify=client_tls(authority), timeout=20) as client:
            for scheme in ("http", "https"):
                assert (await client.get(f"{scheme}://kernel/large")).content == large
                assert (await client.get(f"{scheme}://kernel/missing")).status_code == 404
                opened = world.stack.counters["ActiveOpens"]
                for _ in range(20):
                    assert (await client.get(f"{scheme}://kernel/small")).text == "small"
                assert world.stack.counters["ActiveOpens"] == opened

    with nginx(wire, directory, authority):
        run(wire, main)


@pytest.mark.needs("nginx")
@both_devices
def test_aiohttp_fetches_from_nginx(wire: Wire, directory: Path, authority: trustme.CA) -> None:
    async def main(world: World) -> None:
        await until_listening(80)
        large = (directory / "large").read_bytes()
        async with aiohttp.ClientSession() as session:
            for scheme in ("http", "https"):
                async with session.get(f"{scheme}://kernel/large", ssl=client_tls(authority)) as response:
                    assert await response.read() == large

            async def fetch() -> bytes:
                async with session.get("http://kernel/small") as response:
                    return await response.read()

            assert await asyncio.gather(*(fetch() for _ in range(100))) == [b"small"] * 100

    with nginx(wire, directory, authority):
        run(wire, main)


def test_httpx_and_aiohttp_fetch_from_http_server(wire: Wire, directory: Path) -> None:
    """It answers in HTTP/1.0: the end of the stream is the end of the file."""

    async def main(world: World) -> None:
        await until_listening(80)
        large = (directory / "large").read_bytes()
        async with httpx.AsyncClient(timeout=20) as client:
            assert (await client.get("http://kernel/large")).content == large
        async with aiohttp.ClientSession() as session, session.get("http://kernel/large") as response:
            assert await response.read() == large

    with http_server(wire, directory):
        run(wire, main)


def test_a_wrong_certificate_is_refused(wire: Wire, directory: Path, authority: trustme.CA) -> None:
    async def main(world: World) -> None:
        await until_listening(443)
        async with httpx.AsyncClient(timeout=20) as client:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get("https://kernel/small")

    with nginx(wire, directory, authority):
        run(wire, main)
