"""Connections from real addresses (NAPTHA, CVE-2000-1039): handshakes that are completed, and nobody who speaks."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from halfopen.base.addresses import format_address
from halfopen.lab.floods import PORT
from halfopen.lab.places import SERVER
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.visitors import ANSWER, REQUEST
from halfopen.lab.world import Layout, World
from halfopen.stack.config import IpConfig, StackConfig, TcpLayerConfig

BOTS = 12
"""Addresses that the attacker really has."""
QUOTA = 4
IDLE = 0.5
"""Seconds that a place is kept for who says nothing, with "idle-timeout"."""
PATIENCE = 3.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Service:
    """A program with so many ``places``; who finds none waits. Its limits are by source and by silence."""

    def __init__(self, places: int, quota: int | None, idle: float | None) -> None:
        self.refused = 0
        self.most = 0
        self._places = asyncio.Semaphore(places)
        self._quota = quota
        self._idle = idle
        self._by_source: Counter[str] = Counter()
        self._taken = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        async with await asyncio.start_server(self._on_connection, "0.0.0.0", PORT, backlog=4096):
            await asyncio.Event().wait()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")[0]
        if self._quota is not None and self._by_source[source] >= self._quota:
            self.refused += 1
            writer.transport.abort()
            return
        self._by_source[source] += 1
        try:
            async with self._places:
                self._taken += 1
                self.most = max(self.most, self._taken)
                await self._serve(reader, writer)
                self._taken -= 1
        finally:
            self._by_source[source] -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await asyncio.wait_for(reader.read(1), self._idle):
                writer.write(ANSWER)
            writer.close()
        except (OSError, TimeoutError):
            writer.transport.abort()


class RealConnects(Scenario):
    """A few real hosts that connect and are silent."""

    name = "real-connects"
    title = "Connections from real addresses: cookies do not help"
    text = (
        "Here the attacker has the addresses that it uses: it answers every SYN,ACK, cookie or not, as any client"
        " does. Then it is silent. The server's program has so many places; each silent connection takes one, and"
        " the clients wait outside. Against SYN floods cookies are perfect, against this they are worth nothing, and"
        " so are a bigger backlog and filters for spoofed sources. What helps is to count by source, now that the"
        " source is known to be true, and not to wait for the silent."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "rate": Parameter(40.0, "1/s", "connections of the attacker", above=0, most=1000),
        "places": Parameter(100, "places", "connections that the program serves at a time", least=1, most=2000),
        "clients": Parameter(100, "clients", "real ones", least=1, most=5000),
        "seconds": Parameter(10.0, "s", "in which they come, after time to take all places", above=0, most=60),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "cookies-always": "no help: whoever answers has the cookie",
        "bigger-backlog": "no help: nobody is half-open",
        "ingress-filter": "no help: no source is spoofed",
        "source-quota": f"a source may have {QUOTA} connections at a time",
        "idle-timeout": f"who says nothing for {IDLE:g} s loses his place",
    }

    def play(self, settings: Settings) -> Outcome:
        """First the attacker, then the clients."""
        defences = settings.defences
        layer = TcpLayerConfig(
            syn_cookies="always" if "cookies-always" in defences else "overflow",
            half_open=8192 if "bigger-backlog" in defences else 1024,
        )
        edge = StackConfig(ip=IpConfig(forwarding=True, ingress_filter="ingress-filter" in defences))
        layout = Layout(configs={"server": StackConfig(tcp_layer=layer), "edge": edge})
        with World(settings, layout) as world:
            return world.run(_story(world))


async def _story(world: World) -> Outcome:
    settings = world.settings
    defences, places, rate = settings.defences, settings.whole("places"), settings.number("rate")
    service = Service(
        places,
        QUOTA if "source-quota" in defences else None,
        IDLE if "idle-timeout" in defences else None,
    )
    serving = world.server.run(service.run())
    before = 1.2 * places / rate
    seconds = before + settings.number("seconds") + PATIENCE
    attack = world.attacker.host.run(_hold(world, rate, seconds))
    await asyncio.sleep(before)
    answers = await world.client.run(_visit_all(settings.whole("clients"), settings.number("seconds")))
    held = await attack
    serving.cancel()
    served, count = sum(answers), len(answers)
    is_open = ("source-quota" in defences and places > BOTS * QUOTA) or (
        "idle-timeout" in defences and rate * IDLE < places
    )
    return world.outcome(
        attack_succeeded=served / count < 0.5,
        metrics={
            "clients served": served / count,
            "connections of the attacker": float(held),
            "refused by the quota": float(service.refused),
            "most places taken": float(service.most),
            "cookies that came back": float(world.server.stack.counters["SyncookiesRecv"]),
        },
        theory={"clients served": 1.0 if is_open else 0.0},
        counts={"clients served": (served, count)},
        notes=_notes(settings),
        port=PORT,
    )


def _notes(settings: Settings) -> tuple[str, ...]:
    notes = [
        f"The attacker has {BOTS} addresses, and each of its connections is as good as a client's: a cookie proves that"
        " somebody is there, not that he means well.",
        f"A quota of {QUOTA} for each source leaves {BOTS * QUOTA} places to {BOTS} bots; it takes a botnet of"
        f" {-(-settings.whole('places') // QUOTA)} to fill {settings.whole('places')}.",
    ]
    if settings.defences & {"cookies-always", "bigger-backlog", "ingress-filter"}:
        notes.append("Cookies, backlog and ingress filter change nothing: nothing here is half-open or spoofed.")
    return tuple(notes)


async def _hold(world: World, rate: float, seconds: float) -> int:
    """Connects and never speaks; how many connections there were."""
    host, loop = world.attacker.host, asyncio.get_running_loop()
    interface = host.stack.interfaces[0]
    own, prefix = interface.addresses[0]
    bots = [(int.from_bytes(own, "big") + number).to_bytes(4, "big") for number in range(BOTS)]
    edge = world.edge.stack
    for bot in bots[1:]:
        host.stack.add_address(interface, bot, prefix)
        edge.neighbors.add_permanent(edge.interfaces[0], bot, interface.mac)
    count, end = 0, loop.time() + seconds
    connecting: list[asyncio.Task[Stream | None]] = []
    while loop.time() < end:
        connecting.append(asyncio.create_task(_connect(format_address(bots[count % BOTS]))))
        count += 1
        await asyncio.sleep(1 / rate)
    for stream in await asyncio.gather(*connecting):
        if stream is not None:
            stream[1].transport.abort()
    return count


async def _connect(bot: str) -> Stream | None:
    try:
        return await asyncio.open_connection(SERVER, PORT, local_addr=(bot, 0))
    except OSError:
        return None


async def _visit_all(count: int, seconds: float) -> list[bool]:
    visits = []
    for _ in range(count):
        visits.append(asyncio.create_task(_visit()))
        await asyncio.sleep(seconds / count)
    return await asyncio.gather(*visits)


async def _visit() -> bool:
    """Whether the answer came."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(SERVER, PORT), PATIENCE)
    except (OSError, TimeoutError):
        return False
    try:
        writer.write(REQUEST)
        return await asyncio.wait_for(reader.read(1), PATIENCE) == ANSWER
    except (OSError, TimeoutError):
        return False
    finally:
        writer.transport.abort()
