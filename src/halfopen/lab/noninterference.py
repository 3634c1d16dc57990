"""Non-interference: what an attacker sees must not depend on what he is not to know (Goguen and Meseguer 1982).

Two worlds have the same seed, the same clock and the same packets of the attacker's. They differ in one secret bit:
whether somebody else has a connection, whether a port is open to others, whether a table is full of others. All that
reaches the attacker's interface, octets and instants, must be equal; the first difference is a leak::

    world 0    attacker --probes--> server                 what came back, and when  --+
                                                                                       +-- equal?
    world 1    attacker --probes--> server <--> client     what came back, and when  --+
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from halfopen.base.clock import Instant
from halfopen.lab.crafting import make_segment, make_tcp
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scenario import Settings
from halfopen.lab.world import Layout, World, packed
from halfopen.stack.config import IpConfig, StackConfig
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import SecurityConfig
from halfopen.tcp.seqnum import wrap
from halfopen.wire.packet import Packet
from halfopen.wire.tcp_options import Options

OPEN, DOUBTFUL = 80, 81
"""The port that all may use, and the one of which it is a secret whether anybody listens there."""
CLIENT_PORT = 40_000
FRESH_PORT = 50_000
SET_UP, BEGIN = 1.0, 3.1
"""Seconds after which the secret comes about, and the first probe is sent, in every world."""
ROOM = 8
"""Half-open peers that the small table takes."""

Origin = Literal["own", "client", "fresh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """``count`` segments of the attacker's, a millisecond apart, ``wait`` milliseconds after those before.

    They go on his own connection, come in the name of the client's, or from a port that was never used. ``offset`` is
    from the next number, of his own or of the client's connection.
    """

    origin: Origin
    flags: str
    port: int = OPEN
    offset: int = 0
    ack: int = 0
    octets: int = 0
    options: Options | None = None
    count: int = 1
    wait: int = 20


@dataclass(frozen=True, slots=True)
class Event:
    """What reached the attacker."""

    when: Instant
    octets: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """The first event that is not the same in both worlds; None where one has seen all."""

    index: int
    without: Event | None
    with_secret: Event | None


Setup = Callable[[World], Coroutine[object, object, Callable[[], None]]]
"""Makes the secret true; what it returns ends it."""


async def connect(world: World) -> Callable[[], None]:
    """The client has a connection."""
    client = world.client
    _, writer = await client.run(
        client.open_connection("server", OPEN, local_addr=(client.address, CLIENT_PORT)),
    )
    return writer.close


async def listen(world: World) -> Callable[[], None]:
    """Somebody listens at the doubtful port."""
    server = await world.server.run(world.server.start_server(_hold, None, DOUBTFUL))
    return server.close


async def half_open(world: World) -> Callable[[], None]:
    """Others fill the table of half-open peers, and never come back."""
    server = packed(world.server)
    for number, source in enumerate(world.spoofed(ROOM)):
        segment = make_segment((1024 + number, OPEN), "S", seq=number)
        world.router.stack.ip.transmit(
            world.router.stack.ip.find_path(server, None, world.router.pump.now()),
            make_tcp(source, server, segment),
            world.router.pump.now(),
        )
    world.router.sim_pump.flush()
    return lambda: None


SECRETS: Mapping[str, Setup] = {"connection": connect, "open port": listen, "half-open peers": half_open}
"""What differs between the worlds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A resource that all share, the bit that it gives away, and how to ask for it."""

    text: str
    secret: str
    config: StackConfig
    probes: tuple[Probe, ...]
    safe: StackConfig = field(default_factory=StackConfig)
    """The same host without the leak."""


def _shared_challenges() -> StackConfig:
    config = StackConfig()
    security = SecurityConfig(permit=SIMULATION_ONLY, challenge_limit="host")
    return replace(config, tcp=replace(config.tcp, security=security))


def _table(cookies: str) -> StackConfig:
    config = StackConfig()
    return replace(config, tcp_layer=replace(config.tcp_layer, half_open=ROOM, syn_cookies=cookies))


def _limited() -> StackConfig:
    config = StackConfig()
    return replace(config, tcp_layer=replace(config.tcp_layer, closed_ports="limit", rst_rate=20))


LEAKS: Mapping[str, Leak] = {
    "challenge limit": Leak(
        text="challenge ACKs are limited for the whole host (CVE-2016-5696)",
        secret="connection",
        config=_shared_challenges(),
        probes=(Probe(origin="client", flags="S."), Probe(origin="own", flags="R", offset=1, count=110)),
    ),
    "RST limit": Leak(
        text="RSTs of closed ports are limited for the whole host",
        secret="open port",
        config=_limited(),
        probes=(
            Probe(origin="client", flags="S", port=DOUBTFUL, count=10),
            Probe(origin="fresh", flags="S", port=DOUBTFUL + 1, count=30),
        ),
    ),
    "IP-ID": Leak(
        text="all datagrams are numbered by one counter (the idle scan)",
        secret="open port",
        config=replace(StackConfig(), ip=IpConfig(ip_id="global", permit=SIMULATION_ONLY)),
        probes=(
            Probe(origin="client", flags="F", port=DOUBTFUL),
            Probe(origin="fresh", flags="S", port=DOUBTFUL + 1),
        ),
    ),
    "SYN table": Leak(
        text="one table of half-open peers; who has no room there gets a cookie, too small for a window's scale",
        secret="half-open peers",
        config=_table("overflow"),
        probes=(Probe(origin="fresh", flags="S", options=Options(mss=1460, window_scale=7)),),
        safe=_table("always"),
    ),
}
"""The four that are known (SECURITY: global budgets, one counter, one table)."""


def trace(secret: str, probes: Sequence[Probe], config: StackConfig, *, bit: bool, seed: int = 0) -> list[Event]:
    """What reaches the attacker from his first probe on, in the world with the secret or in the one without."""
    number = client_number(seed)
    with World(Settings(seed=seed, record=False), Layout(configs={"server": config})) as world:
        return world.run(_trace(world, SECRETS[secret] if bit else None, probes, number))


def difference(secret: str, probes: Sequence[Probe], config: StackConfig, seed: int = 0) -> Difference | None:
    """The first, or None: then the attacker learns nothing by ``probes``."""
    without = trace(secret, probes, config, bit=False, seed=seed)
    having = trace(secret, probes, config, bit=True, seed=seed)
    for index in range(max(len(without), len(having))):
        pair = [events[index] if index < len(events) else None for events in (without, having)]
        if pair[0] != pair[1]:
            return Difference(index, *pair)
    return None


@cache
def client_number(seed: int) -> int:
    """The next number that the server expects of the client in the world where that has a connection."""
    with World(Settings(seed=seed, record=False)) as world:
        return world.run(_client_number(world))


async def _client_number(world: World) -> int:
    server = await world.server.run(world.server.start_server(_hold, None, OPEN))
    await asyncio.sleep(SET_UP - world.elapsed)
    end = await connect(world)
    socket = next(each for each in world.client.stack.tcp.sockets() if isinstance(each, TcpSocket))
    number = wrap(socket.connection.tcb.snd.nxt)
    for finish in (server.close, end):
        finish()
    await world.at_rest(0.1)
    return number


async def _trace(world: World, setup: Setup | None, probes: Sequence[Probe], number: int) -> list[Event]:
    attacker = world.attacker
    server = await world.server.run(world.server.start_server(_hold, None, OPEN))
    _, writer = await attacker.host.run(attacker.host.open_connection("server", OPEN))
    await asyncio.sleep(SET_UP - world.elapsed)
    end = await setup(world) if setup is not None else lambda: None
    await asyncio.sleep(BEGIN - world.elapsed)
    own = next(each for each in attacker.host.stack.tcp.sockets() if isinstance(each, TcpSocket))
    ends = {
        "own": (own.local_port, wrap(own.connection.tcb.snd.nxt)),
        "client": (CLIENT_PORT, number),
    }
    attacker.sniff()
    used = 0
    for probe in probes:
        await asyncio.sleep(probe.wait / 1000)
        for _ in range(probe.count):
            attacker.send_packet(_packet(world, probe, ends.get(probe.origin, (FRESH_PORT + used, 0))))
            used += probe.origin == "fresh"
            await asyncio.sleep(0.001)
    await world.at_rest(1.5)
    events = [Event(heard.when, heard.packet.joined()) for heard in attacker.heard]
    for finish in (writer.close, server.close, end):
        finish()
    await world.at_rest(0.1)
    return events


def _packet(world: World, probe: Probe, begin: tuple[int, int]) -> Packet:
    """One segment of ``probe``, from a port and a number."""
    port, first = begin
    source = packed(world.client) if probe.origin == "client" else world.attacker.address
    segment = make_segment(
        (port, probe.port),
        probe.flags,
        seq=first + probe.offset,
        ack=probe.ack,
        payload=bytes(probe.octets),
        options=probe.options,
    )
    return make_tcp(source, packed(world.server), segment)


async def _hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A program that keeps its connections, and reads what comes."""
    try:
        while await reader.read(1000):
            pass
    except OSError:
        pass
    finally:
        writer.close()
