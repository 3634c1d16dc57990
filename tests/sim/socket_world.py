"""Two hosts whose programs use the `socket` module."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from halfopen.sim.sockets import simulated_sockets
from tests.sim.world import World, two_hosts

T = TypeVar("T")
Program = Callable[[], Coroutine[Any, Any, T]]


@contextmanager
def socket_hosts(words: str = "delay 20ms", seed: int = 0) -> Iterator[World]:
    with two_hosts(words, seed) as world, simulated_sockets(world.network.loop):
        yield world


def with_server(world: World, server: Program[Any], client: Program[T]) -> T:
    """What ``client`` returns; ``server`` has until then, or runs to its end."""

    async def main() -> T:
        serving = world.server.run(server())
        await asyncio.sleep(0)
        result = await world.client.run(client())
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        if not serving.cancelled() and serving.exception() is not None:
            raise AssertionError("the server failed") from serving.exception()
        return result

    return world.run(main)


def non_blocking(kind: int = socket.SOCK_STREAM) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.setblocking(False)
    return sock


def listening(port: int = 7, backlog: int = 5) -> socket.socket:
    sock = non_blocking()
    sock.bind(("", port))
    sock.listen(backlog)
    return sock


async def echo_server() -> None:
    """Sends back what one client after the other sends, by the event loop's ``sock_...`` methods."""
    loop = asyncio.get_running_loop()
    with listening() as sock:
        while True:
            accepted, _ = await loop.sock_accept(sock)
            with accepted:
                while octets := await loop.sock_recv(accepted, 65536):
                    await loop.sock_sendall(accepted, octets)


async def connected(port: int = 7) -> socket.socket:
    """A socket that is connected to the server."""
    sock = non_blocking()
    await asyncio.get_running_loop().sock_connect(sock, ("server", port))
    return sock
