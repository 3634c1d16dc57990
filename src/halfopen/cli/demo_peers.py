"""Who is at the other end of the demonstration: programs over the kernel's TCP, or another host of ours."""

import asyncio
import os
import platform
import shutil
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from pathlib import Path

import aiohttp

from halfopen.base.errors import HalfopenError
from halfopen.cli.demo_addresses import Addresses
from halfopen.cli.parameters import host_in_url
from halfopen.cli.serving import READ_OCTETS, directory_application, listening

HTTP = 80
START = 10.0
"""Seconds within which a server has to listen."""

SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

NGINX = """\
daemon off; master_process off; user root root; pid {home}/nginx.pid;
events {{ }}
http {{
  access_log off; sendfile on; default_type application/octet-stream;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{ listen {address}:{port}; root {root}; }}
}}
"""


class PeerFailed(HalfopenError):
    """A program of the other end's did not do what it was asked."""


class Peer(ABC):
    """The other end; ``addresses`` are of its version of IP."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses

    @property
    @abstractmethod
    def description(self) -> str:
        """What it is made of."""

    @abstractmethod
    async def download(self, url: str, target: Path) -> None:
        """Fetches ``url`` from our host."""

    @abstractmethod
    async def upload(self, source: Path, url: str) -> None:
        """Puts a file to our host."""

    @abstractmethod
    def serving(self, directory: Path) -> AbstractAsyncContextManager[None]:
        """Serves ``directory`` on port 80 meanwhile."""


class KernelPeer(Peer):
    """curl and nginx, or Python's own client and server, over the TCP of the kernel in whose namespace we are."""

    def __init__(self, addresses: Addresses) -> None:
        super().__init__(addresses)
        self._curl = shutil.which("curl", path=SEARCH_PATH)
        self._nginx = shutil.which("nginx", path=SEARCH_PATH)

    @property
    def description(self) -> str:
        """The kernel and its programs."""
        control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
        client = "curl" if self._curl else "urllib (there is no curl)"
        server = "nginx" if self._nginx else "http.server (nginx is missing or did not start)"
        return f"{client} and {server} over the TCP of Linux {platform.release()} ({control})"

    async def download(self, url: str, target: Path) -> None:
        """By a process."""
        if self._curl:
            await _run(self._curl, "--silent", "--show-error", "--fail", "--output", str(target), url)
        else:
            await _run(sys.executable, "-m", "halfopen.cli.fetch", "get", url, str(target))

    async def upload(self, source: Path, url: str) -> None:
        """By a process."""
        if self._curl:
            await _run(self._curl, "--silent", "--show-error", "--fail", "--upload-file", str(source), url)
        else:
            await _run(sys.executable, "-m", "halfopen.cli.fetch", "put", url, str(source))

    @asynccontextmanager
    async def serving(self, directory: Path) -> AsyncIterator[None]:
        """By a process, with a configuration of its own."""
        server = await self._start_nginx(directory)
        if server is None:
            where = ("--bind", self.addresses.anywhere, "--directory", str(directory), str(HTTP))
            server = await _start(sys.executable, "-m", "http.server", *where)
        try:
            await _until_listening(server, self.addresses)
            yield
        finally:
            await _stop(server)

    async def _start_nginx(self, directory: Path) -> asyncio.subprocess.Process | None:
        """None if there is none, or none that works here."""
        if not self._nginx:
            return None
        home = directory.parent / "nginx"
        home.mkdir()
        configuration = home / "nginx.conf"
        address = host_in_url(self.addresses.anywhere)
        configuration.write_text(NGINX.format(home=home, address=address, port=HTTP, root=directory))
        server = await _start(self._nginx, "-e", "stderr", "-p", str(home), "-c", str(configuration))
        try:
            await _until_listening(server, self.addresses)
        except PeerFailed:
            self._nginx = None
            return None
        return server


async def _start(*command: str) -> asyncio.subprocess.Process:
    silence = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(*command, stdout=silence, stderr=silence)


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    await process.wait()


async def _run(*command: str) -> None:
    """Runs a program to its end; PeerFailed has its complaint."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, complaint = await process.communicate()
    except asyncio.CancelledError:
        await _stop(process)
        raise
    if process.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise PeerFailed(f"{Path(command[0]).name}: {lines[-1]}")


async def _until_listening(server: asyncio.subprocess.Process, addresses: Addresses) -> None:
    """Asks over the kernel's loopback, of which our host sees nothing."""
    async with asyncio.timeout(START):
        while not _is_listening(addresses):
            if server.returncode is not None:
                raise PeerFailed(f"the web server ended with exit code {server.returncode}")
            await asyncio.sleep(0.01)


def _is_listening(addresses: Addresses) -> bool:
    with socket.socket(addresses.family) as probe:
        return probe.connect_ex((addresses.loopback, HTTP)) == 0


class Place(ABC):
    """Where code runs: on which host."""

    @abstractmethod
    def entered(self) -> AbstractContextManager[None]:
        """What the current task does meanwhile, it does there."""


class OurPeer(Peer):
    """aiohttp's client and server on another host of ours, ``place`` says which."""

    def __init__(self, addresses: Addresses, place: Place) -> None:
        super().__init__(addresses)
        self._place = place

    @property
    def description(self) -> str:
        """No kernel."""
        return "aiohttp's client and server on another host of ours"

    async def download(self, url: str, target: Path) -> None:
        """By aiohttp."""
        with self._place.entered():
            await download(url, target)

    async def upload(self, source: Path, url: str) -> None:
        """By aiohttp."""
        with self._place.entered(), source.open("rb") as file:
            async with (
                aiohttp.ClientSession(read_bufsize=READ_OCTETS) as client,
                client.put(url, data=file) as response,
            ):
                response.raise_for_status()

    @asynccontextmanager
    async def serving(self, directory: Path) -> AsyncIterator[None]:
        """By aiohttp."""
        # Who uses this context does it somewhere else: the place is entered for the beginning and the end only.
        async with AsyncExitStack() as server:
            with self._place.entered():
                application = directory_application(directory)
                await server.enter_async_context(listening(application, self.addresses.anywhere, HTTP))
            try:
                yield
            finally:
                with self._place.entered():
                    await server.aclose()


async def download(url: str, target: Path) -> None:
    """Fetches a file with aiohttp, on the host of the current task."""
    async with aiohttp.ClientSession(read_bufsize=READ_OCTETS) as client, client.get(url) as response:
        response.raise_for_status()
        with target.open("wb") as file:
            async for piece in response.content.iter_any():
                file.write(piece)
