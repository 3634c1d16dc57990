"""What the demonstration does: files there and back again, compared by SHA-256."""

import asyncio
import hashlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientError, web

from halfopen.base.errors import HalfopenError
from halfopen.cli.demo_addresses import Way
from halfopen.cli.demo_peers import HTTP, download
from halfopen.cli.demo_worlds import World
from halfopen.cli.parameters import host_in_url
from halfopen.cli.serving import READ_OCTETS, listening
from halfopen.stack.ports import PortRow

FILE = "random.bin"
IMPAIRED_SUFFIX = "-impaired"
CHUNK = 1 << 20
TIMEOUT = 120.0
"""Seconds after which a transfer counts as failed."""
GREETING = "Hello from a TCP in Python.\n"

RECORDED_CLEAN = 1 << 20
"""Octets of each transfer that are recorded."""
RECORDED_IMPAIRED = 6 << 20


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One file that went from one end to the other."""

    name: str
    octets: int
    seconds: float
    sha256_equal: bool


@dataclass(frozen=True, kw_only=True)
class File:
    """Random octets, and what they hash to."""

    path: Path
    octets: int
    digest: str


class Display(ABC):
    """Shows that something is going on."""

    @abstractmethod
    def watching(self, what: str, octets: int, path: Path) -> AbstractContextManager[None]:
        """Meanwhile ``path`` grows to ``octets``."""

    @abstractmethod
    def complain(self, text: str) -> None:
        """Something went wrong."""


@dataclass(slots=True)
class Exchange:
    """All transfers in a world, by way of files in ``directory``; ``ports`` is our table in the middle of an upload."""

    world: World
    directory: Path
    display: Display
    transfers: list[Transfer] = field(default_factory=list)
    ports: list[PortRow] = field(default_factory=list)

    async def run(self, octets: int, impaired_octets: int) -> None:
        """The small request first, then the transfers by both ways."""
        world, (clean, impaired) = self.world, self.world.ways
        served, received = self.directory / "served", self.directory / "received"
        served.mkdir()
        received.mkdir()
        application, anywhere = self._application(served, received), world.addresses.anywhere
        async with listening(application, anywhere, HTTP), world.peer.serving(served):
            world.record(RECORDED_CLEAN)
            await world.peer.download(f"http://{host_in_url(clean.ours)}/", self.directory / "greeting")
            await self._exchange(clean, "", await _random_file(served, octets))
            world.record(0)
            await self._exchange(impaired, IMPAIRED_SUFFIX, await _random_file(served, impaired_octets))

    async def _exchange(self, way: Way, suffix: str, file: File) -> None:
        """Down from our directory, up to our application, and down from the peer's server by a client of ours."""
        peer = self.world.peer
        fetched, received = self.directory / "fetched", self.directory / "received" / "upload"
        url = f"http://{host_in_url(way.ours)}"
        await self._transfer("download" + suffix, file, fetched, lambda: peer.download(f"{url}/files/{FILE}", fetched))
        if fetched.exists():
            await self._transfer("upload" + suffix, file, received, lambda: peer.upload(fetched, f"{url}/upload"))
        fetched.unlink(missing_ok=True)
        received.unlink(missing_ok=True)
        source = f"http://{host_in_url(way.peer)}/{FILE}"
        await self._transfer("fetch" + suffix, file, fetched, lambda: download(source, fetched))
        fetched.unlink(missing_ok=True)
        file.path.unlink()

    async def _transfer(self, name: str, file: File, target: Path, work: Callable[[], Awaitable[None]]) -> None:
        self.world.record(RECORDED_IMPAIRED if name.endswith(IMPAIRED_SUFFIX) else RECORDED_CLEAN)
        started = time.monotonic()
        try:
            with self.display.watching(name, file.octets, target):
                async with asyncio.timeout(TIMEOUT):
                    await work()
        except TimeoutError:
            self.display.complain(f"{name}: not done after {TIMEOUT:.0f} s")
        except (HalfopenError, OSError, ClientError) as error:
            self.display.complain(f"{name}: {error}")
        seconds = time.monotonic() - started
        equal = target.exists() and await asyncio.to_thread(_digest, target) == file.digest
        self.transfers.append(Transfer(name=name, octets=file.octets, seconds=seconds, sha256_equal=equal))

    def _application(self, served: Path, received: Path) -> web.Application:
        """An ordinary aiohttp application: a greeting, a directory, and a place to upload to."""

        async def greet(_: web.Request) -> web.Response:
            return web.Response(text=GREETING)

        async def take(request: web.Request) -> web.Response:
            with (received / "upload").open("wb") as file:
                async for piece in request.content.iter_any():
                    file.write(piece)
                    if not self.ports and file.tell() * 2 > (request.content_length or 0):
                        self.ports = self.world.host.stack.ports.listing()
            return web.Response(status=201)

        application = web.Application()
        application.router.add_get("/", greet)
        application.router.add_static("/files/", served, show_index=True, chunk_size=READ_OCTETS)
        application.router.add_put("/upload", take)
        application.router.add_post("/upload", take)
        return application


async def _random_file(directory: Path, octets: int) -> File:
    path = directory / FILE
    return File(path=path, octets=octets, digest=await asyncio.to_thread(_write_random, path, octets))


def _write_random(path: Path, octets: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, octets, CHUNK):
            piece = os.urandom(min(CHUNK, octets - start))
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
