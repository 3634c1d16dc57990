"""Hoarding: peers that ask for much and take nothing, so that their server keeps it (sockstress, CVE-2008-4609)."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from halfopen.base.clock import SECOND
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World
from halfopen.stack.config import StackConfig
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import TcpConfig

PORT = 80
FILE = 100_000
ROOM = 40
"""Clients that the server has memory for at once."""
WINDOW = 4096
"""What each hoarder takes before its window closes."""
PATIENCE = 10
"""Seconds that the defences give a peer that takes nothing."""
PER_ADDRESS = 10
CLIENTS = 10
LATER = 30.0
"""Seconds from the hoarders' coming to the clients'."""


class Hoarding(Scenario):
    """All places are taken by those who never finish."""

    name = "hoarding"
    title = "Windows of zero, and a server that waits for them to open"
    text = (
        "A peer may close its window for as long as it likes, and as long as it answers the probes the connection must"
        " stay open (RFC 9293 3.8.6.1). So whoever connects, asks for a file and takes none of it, has the server keep"
        " the file, and a place. If the attacker is gone, the user timeout ends the wait (RFC 5482), but one whose"
        " stack goes on answering is alive by that rule. There it is for the program to give up (RFC 6429), or to limit"
        " what one address may have."
    )
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "hoarder": Parameter("answering", text="what becomes of the attacker", choices=("answering", "gone")),
        "peers": Parameter(50, "connections", "of the attacker's", least=1, most=200),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "user-timeout": f"a peer that has not been heard of for {PATIENCE} s is gone (RFC 5482)",
        "deadline": f"the program aborts what has not been taken in {PATIENCE} s (RFC 6429 4)",
        "address-limit": f"the program serves {PER_ADDRESS} connections of one address at a time",
    }

    def play(self, settings: Settings) -> Outcome:
        """The hoarders come, then, half a minute later, clients."""
        base = TcpConfig()
        timeout = PATIENCE * SECOND if "user-timeout" in settings.defences else None
        server = replace(base, retransmission=replace(base.retransmission, user_timeout=timeout))
        greedy = replace(base, buffers=replace(base.buffers, receive=WINDOW, receive_initial=WINDOW))
        configs = {"server": StackConfig(tcp=server), "attacker": StackConfig(tcp=greedy)}
        with World(settings, Layout(configs=configs)) as world:
            return world.run(Story(world).tell())


class Story:
    """One run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.defences = world.settings.defences
        self.places: list[str] = []
        """The addresses of those who are being served."""

    async def tell(self) -> Outcome:
        """What the server holds before and after, and who of the clients is served."""
        world, attacker = self.world, self.world.attacker.host
        server = await world.server.run(world.server.start_server(self._upload, None, PORT))
        peers = world.settings.whole("peers")
        writers = [await attacker.run(self._ask()) for _ in range(peers)]
        await world.at_rest(1)
        most = self.held
        if world.settings.word("hoarder") == "gone":
            attacker.power_off()
        await asyncio.sleep(LATER)
        held, taken = self.held, len(self.places)
        served = sum([await world.client.run(self._fetch()) for _ in range(CLIENTS)])
        for writer in writers:
            writer.transport.abort()
        server.close()
        for socket in world.server.stack.tcp.sockets():
            if isinstance(socket, TcpSocket):
                socket.abort(world.server.pump.now())
        await world.at_rest(1)
        return world.outcome(
            attack_succeeded=served < CLIENTS,
            metrics={
                "clients served": served / CLIENTS,
                "octets held at first": float(most),
                "octets held later": float(held),
                "places taken later": float(taken),
            },
            theory={"clients served": float(self.is_open), "places taken later": float(self.expected(peers))},
            counts={"clients served": (served, CLIENTS)},
            notes=("A peer that answers probes is alive: only the program can know that it has waited too long.",),
            lifelines=("attacker", "server", "client"),
        )

    def expected(self, peers: int) -> int:
        """Places that the attacker still has."""
        is_gone = self.world.settings.word("hoarder") == "gone"
        if "deadline" in self.defences or (is_gone and "user-timeout" in self.defences):
            return 0
        return min(peers, PER_ADDRESS if "address-limit" in self.defences else ROOM)

    @property
    def is_open(self) -> bool:
        """Whether there should be room for a client."""
        return self.expected(self.world.settings.whole("peers")) < ROOM

    @property
    def held(self) -> int:
        """Octets that the server's connections keep for their peers."""
        sockets = [each for each in self.world.server.stack.tcp.sockets() if isinstance(each, TcpSocket)]
        return sum(len(each.connection.tcb.snd.queue) for each in sockets)

    async def _upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client; who comes when all places are taken is sent away."""
        address = str(writer.get_extra_info("peername")[0])
        is_limited = "address-limit" in self.defences and self.places.count(address) >= PER_ADDRESS
        if is_limited or len(self.places) >= ROOM:
            writer.close()
            return
        self.places.append(address)
        writer.transport.set_write_buffer_limits(0)
        patience = float(PATIENCE) if "deadline" in self.defences else None
        try:
            await reader.readexactly(1)
            writer.write(bytes(FILE))
            await asyncio.wait_for(writer.drain(), patience)
            writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self.places.remove(address)

    async def _ask(self) -> asyncio.StreamWriter:
        """A request whose answer is never read."""
        reader, writer = await self.world.attacker.host.open_connection("server", PORT)
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        del reader
        writer.write(b"?")
        return writer

    async def _fetch(self) -> bool:
        """Whether a client gets its file."""
        octets = 0
        reader, writer = await self.world.client.open_connection("server", PORT)
        with suppress(OSError):
            writer.write(b"?")
            while text := await reader.read(1 << 16):
                octets += len(text)
        writer.close()
        return octets == FILE
