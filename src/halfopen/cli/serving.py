"""Web applications on a host of ours, unmodified: a directory by aiohttp, an ASGI application by uvicorn."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import uvicorn
from aiohttp import web

from halfopen.base.errors import ConfigError

SHUTDOWN = 1.0
"""Seconds for requests that are under way when the server is told to end."""

READ_OCTETS = 1 << 20
"""What aiohttp reads at once, from a peer before it makes it wait and from a file; 64 KB is one super-segment only."""

ACCESS_LOG = '%a "%r" %s %b'


def directory_application(directory: Path) -> web.Application:
    """The files of ``directory``, with listings."""
    application = web.Application()
    application.router.add_static("/", directory, show_index=True, chunk_size=READ_OCTETS)
    return application


@asynccontextmanager
async def listening(application: web.Application, address: str, port: int) -> AsyncIterator[None]:
    """``application`` is served on ``address`` meanwhile."""
    runner = web.AppRunner(
        application, access_log_format=ACCESS_LOG, shutdown_timeout=SHUTDOWN, read_bufsize=READ_OCTETS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        yield
    finally:
        await runner.cleanup()


async def serve_directory(directory: Path, address: str, port: int) -> None:
    """Until cancelled."""
    async with listening(directory_application(directory), address, port):
        await asyncio.get_running_loop().create_future()


def load_application(name: str) -> Any:
    """The ASGI application ``"module:attribute"``, looked for in the current directory first."""
    module, _, attribute = name.partition(":")
    sys.path.insert(0, "")
    try:
        return attrgetter(attribute)(import_module(module))
    except ModuleNotFoundError as error:
        # A module that the application itself misses is another matter, for which a traceback is right.
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"{name!r} is not an ASGI application: there is no module {error.name!r}") from None
    except AttributeError as error:
        raise ConfigError(f"{name!r} is not an ASGI application: {error}") from None


class Server(uvicorn.Server):
    """Leaves signals to the command, which has other things to end as well."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


async def serve_asgi(application: Any, address: str, port: int) -> None:
    """Until cancelled; requests that are under way get a moment then."""
    config = uvicorn.Config(application, host=address, port=port, timeout_graceful_shutdown=round(SHUTDOWN))
    server = Server(config)
    serving = asyncio.create_task(server.serve(), name="uvicorn")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
