"""Real clients, who come by chance and want to be served, and the server that they come to."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from halfopen.base.addresses import Address, format_address, is_link_local, parse_address
from halfopen.lab.world import World, neighbors_of
from halfopen.stack.demux import make_flow
from halfopen.stack.tcp_socket import TcpSocket

REQUEST, ANSWER = b"?", b"!"
FIRST, LAST = 20, 250
"""The last octets of the addresses that clients have with `Visitors.spread`."""


@dataclass(slots=True)
class Served:
    """What came of the clients' visits; ``kept`` are those whose options, scale and SACK, were all agreed on."""

    asked: int = 0
    served: int = 0
    kept: int = 0
    seconds: list[float] = field(default_factory=list)
    """How long each of the served waited, from SYN to answer."""

    @property
    def share(self) -> float:
        """Served of all."""
        return self.served / self.asked if self.asked else 0.0

    @property
    def median(self) -> float:
        """Of ``seconds``; 0 if nobody was served."""
        ordered = sorted(self.seconds)
        return ordered[len(ordered) // 2] if ordered else 0.0


class Visitors:
    """Clients of the server's ``port``; each gives up ``patience`` seconds after it was connected."""

    def __init__(self, world: World, port: int, patience: float) -> None:
        self.result = Served()
        self._world = world
        self._port = port
        self._patience = patience
        self._random = Random(world.rng.fork("visitors").octets(16))
        self._kept: dict[tuple[str, int], bool] = {}
        self._sources: list[Address] = []

    async def open(self) -> None:
        """Starts the server's program: one octet is answered by one octet."""
        self._program = self._world.server.run(self._serve())
        await asyncio.sleep(0.001)

    def spread(self) -> None:
        """Clients come from so many addresses that the first two hundred of them are strangers to the server."""
        host, router = self._world.client, self._world.router
        interface = host.stack.interfaces[0]
        own, prefix = next(entry for entry in interface.addresses if not is_link_local(entry[0]))
        towards = next(each for each in router.stack.interfaces if each.address_towards(own) is not None)
        for last in range(FIRST, LAST):
            address = own[:-1] + bytes((last,))
            host.stack.add_address(interface, address, prefix)
            neighbors_of(router.stack, address).add_permanent(towards, address, interface.mac)
            self._sources.append(address)

    async def come(self, count: int, seconds: float) -> None:
        """``count`` clients within ``seconds``: a Poisson process of which the number is known. Waits for the last."""
        times = sorted(self._random.random() * seconds for _ in range(count))
        await self._world.client.run(self._all(times))

    async def visit(self) -> bool:
        """One client; whether it was served."""
        result, clock = self.result, self._world.network.loop.time
        sources = self._sources
        local = (format_address(sources[result.asked % len(sources)]), 0) if sources else None
        result.asked += 1
        begun = clock()
        try:
            reader, writer = await asyncio.open_connection(self._world.places.server, self._port, local_addr=local)
        except OSError:
            return False
        answer = b""
        with suppress(OSError, TimeoutError):
            writer.write(REQUEST)
            answer = await asyncio.wait_for(reader.read(1), self._patience)
        if answer != ANSWER:
            writer.transport.abort()
            return False
        result.served += 1
        result.seconds.append(clock() - begun)
        result.kept += self._kept.pop(writer.get_extra_info("sockname")[:2], False)
        writer.close()
        return True

    async def _all(self, times: list[float]) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        visits = []
        for when in times:
            await asyncio.sleep(max(0.0, begun + when - loop.time()))
            visits.append(asyncio.create_task(self.visit()))
        await asyncio.gather(*visits)

    async def _serve(self) -> None:
        await self._world.server.start_server(self._answer, None, self._port, backlog=65535)
        await asyncio.Event().wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[:2]
        self._kept[peer] = self._has_options(*peer)
        with suppress(OSError):
            if await reader.read(1):
                writer.write(ANSWER)
            writer.close()

    def _has_options(self, host: str, port: int) -> bool:
        flow = make_flow(parse_address(host), port, parse_address(self._world.places.server), self._port)
        found = self._world.server.stack.tcp.find(flow)
        if not isinstance(found, TcpSocket):
            return False
        agreed = found.connection.tcb.agreed
        return agreed.sack and agreed.rcv_shift > 0
