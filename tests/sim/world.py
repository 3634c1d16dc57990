"""Two hosts and a cable, and programs for them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

from halfopen.sim.cable import Cable
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network

T = TypeVar("T")


class World:
    """``client`` and ``server`` on one cable."""

    def __init__(self, network: Network, words: str) -> None:
        self.network = network
        self.client: SimHost = network.host("client")
        self.server: SimHost = network.host("server")
        self.cable: Cable = network.link(self.client, self.server, words)

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self.network.run(main())

    def on_client(self, program: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of ``program``, which runs on the client."""

        async def main() -> T:
            return await self.client.run(program())

        return self.run(main)

    def elapsed(self) -> float:
        """Virtual seconds since the start."""
        return self.network.loop.time() - 1000.0


@contextmanager
def two_hosts(words: str = "", seed: int = 0) -> Iterator[World]:
    with Network(seed) as network:
        yield World(network, words)


async def serve(
    on_client: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]], port: int = 7
) -> asyncio.AbstractServer:
    return await asyncio.start_server(on_client, None, port)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back what came, until the end."""
    with closing(writer):
        while octets := await reader.read(65536):
            writer.write(octets)
            await writer.drain()


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads all, says how much it was."""
    with closing(writer):
        octets = 0
        while block := await reader.read(65536):
            octets += len(block)
        writer.write(str(octets).encode())
