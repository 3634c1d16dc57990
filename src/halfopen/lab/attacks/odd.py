"""Segments that nobody sends in good faith: LAND and impossible sources, odd flags, and a quarrel by forged SYNs."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import ClassVar

from halfopen.base.clock import Instant
from halfopen.capture.record import Direction
from halfopen.lab.crafting import make_segment
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scans import FILTERED, Answer, Scan, Scanner
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World, packed
from halfopen.report.tables import format_table
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.host import SimHost
from halfopen.sim.match import Passing
from halfopen.stack.config import StackConfig
from halfopen.stack.demux import make_flow
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import SecurityConfig, TcpConfig
from halfopen.tcp.seqnum import wrap
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, RST, SYN

OPEN_PORT, CLOSED_PORT = 80, 81
FLAGS = tuple("".join(letters) for letters in product(*(("", letter) for letter in "FSRP.U")))
"""All 64 of them."""
SILENCE = "silence"
DELAY = 0.005
BETWEEN_HOSTS = 2 * DELAY
"""Seconds from the client to the server."""
MARTIANS = ("127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.51.100.255", "240.0.0.1")
"""Sources that no datagram on a wire can have (RFC 1122 3.2.1.3)."""


class OddSegments(Scenario):
    """What a host says to nonsense, and whether two can be made to quarrel."""

    name = "odd-segments"
    title = "LAND, odd flags, and two hosts that are set on each other"
    text = (
        "A host must not believe what cannot be: LAND is a SYN from its own address and port (1997), others claim to"
        " come from loopback, or from everybody. Each of the 64 combinations of flags has an answer in RFC 9293, and"
        " filters that only think of SYN are passed by the others. At last the attacker sends SYNs to two listeners,"
        " each in the other's name: both believe that the other has called. Each SYN,ACK is for the other one a segment"
        " out of its window, which it answers by an ACK, which is out of the window there, and so on for as long as"
        " both remember: LAND with two hosts. With a limit to such answers there is one for each SYN,ACK."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "seconds": Parameter(4.0, "s", "how long the quarrel is listened to", least=1, most=20),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "ack-limit": "segments out of the window are seldom answered (RFC 5961 7, our default)",
    }

    def play(self, settings: Settings) -> Outcome:
        """Martians, flags, the quarrel."""
        limit = "connection" if "ack-limit" in settings.defences else "none"
        weak = SecurityConfig(permit=SIMULATION_ONLY, challenge_limit=limit)
        config = StackConfig(tcp=replace(TcpConfig(), security=weak))
        layout = Layout(attacker="server", configs={"client": config, "server": config})
        with World(settings, layout) as world:
            return world.run(Story(world).tell())


class Mouth(Observer):
    """Counts the TCP segments that a host says, and to what port."""

    def __init__(self, host: SimHost) -> None:
        self._host = host
        self.said: Counter[int] = Counter()

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """One more."""
        if direction == "outbound" and end.pump is self._host.sim_pump:
            segment = Passing(packet, when, ("", ""), end.interface.link_octets).tcp
            if segment is not None:
                self.said[segment.destination_port] += 1


class Story:
    """One run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mouths = [Mouth(world.client), Mouth(world.server)]
        self.rows: list[tuple[str, str, str]] = []

    async def tell(self) -> Outcome:
        """All three parts."""
        world = self.world
        for mouth in self.mouths:
            world.network.observe(mouth)
        for host in (world.client, world.server):
            await host.start_server(_echo, None, OPEN_PORT)
        world.attacker.sniff()
        replies = await self._land()
        agreeing = await self._odd_flags()
        survives = await self._interrupt()
        segments = await self._quarrel()
        seconds = world.settings.number("seconds")
        is_limited = "ack-limit" in world.settings.defences
        theory = {"replies to impossible sources": 0.0, "flags answered as RFC 9293 says": 1.0}
        theory |= {"connection outlives odd flags": 1.0, "segments of the quarrel": quarrel(seconds, is_limited)}
        return world.outcome(
            attack_succeeded=segments > 100 * seconds,
            metrics={
                "replies to impossible sources": float(replies),
                "dropped as LAND": float(world.server.stack.counters["IpInLand"]),
                "dropped as martian": float(world.server.stack.counters["IpInMartianSource"]),
                "flags answered as RFC 9293 says": agreeing / (2 * len(FLAGS)),
                "connection outlives odd flags": float(survives),
                "segments of the quarrel": float(segments),
            },
            theory=theory | {"dropped as LAND": 2.0, "dropped as martian": float(len(MARTIANS))},
            counts={"flags answered as RFC 9293 says": (agreeing, 2 * len(FLAGS))},
            tolerance={"segments of the quarrel": 0.02},
            notes=(
                "RFC 9293 takes SYN,FIN for a SYN: like most hosts that have been scanned, we drop it.",
                f"Two forged SYNs were answered by {segments:,} segments in {seconds:g} s.",
            ),
            texts={"What each combination of flags gets": format_table(self.rows, ("flags", "open", "closed"))},
        )

    async def _land(self) -> int:
        """From the server itself, from and to an open and a closed port, and from the impossible: replies."""
        world, before = self.world, self.mouths[1].said.total()
        server = packed(world.server)
        for port in (OPEN_PORT, CLOSED_PORT):
            land = make_segment((port, port), "S", seq=self._number())
            world.attacker.send(land, source=server, destination=server, comment="LAND")
        for source in MARTIANS:
            syn = make_segment((40000, OPEN_PORT), "S", seq=self._number())
            world.attacker.send(syn, source=source, destination=server, comment="impossible source")
        await world.at_rest()
        return self.mouths[1].said.total() - before

    async def _odd_flags(self) -> int:
        """Every combination to an open and a closed port; how many are answered as the RFC says."""
        scanner, agreeing = Scanner(self.world.attacker, packed(self.world.server), self.world.rng), 0
        for flags in FLAGS:
            scan = Scan(name=flags or "null", flags=flags, silence=FILTERED)
            reports = await scanner.scan(scan, (OPEN_PORT, CLOSED_PORT))
            at_open, at_closed = (_names(reports[port].answer) for port in (OPEN_PORT, CLOSED_PORT))
            agreeing += at_open == expected_answer(flags, is_open=True)
            agreeing += at_closed == expected_answer(flags, is_open=False)
            self.rows.append((flags or "none", at_open, at_closed))
        return agreeing

    async def _interrupt(self) -> bool:
        """Every combination into a connection of the client's, with a number out of its window: does it go on?"""
        world = self.world
        opening = asyncio.open_connection(world.server.address, OPEN_PORT)
        reader, writer = await world.client.run(opening)
        port, expected = writer.get_extra_info("sockname")[1], b"still here"
        writer.write(expected)
        await reader.readexactly(len(expected))
        number = _next_number(world, port) - (1 << 30)
        for flags in FLAGS:
            segment = make_segment((port, OPEN_PORT), flags, seq=number, ack=number, payload=b"nonsense")
            world.attacker.send(segment, source=world.client.address, destination=world.server.address, comment="odd")
        await world.at_rest(1.0)
        writer.write(expected)
        survives = await reader.readexactly(len(expected)) == expected
        writer.transport.abort()
        await world.at_rest(1.0)
        return survives

    async def _quarrel(self) -> int:
        """A SYN to each listener in the other's name; segments that they exchange."""
        world = self.world
        hosts = [packed(world.client), packed(world.server)]
        before = sum(mouth.said[OPEN_PORT] for mouth in self.mouths)
        for source, destination in (hosts, hosts[::-1]):
            syn = make_segment((OPEN_PORT, OPEN_PORT), "S", seq=self._number())
            world.attacker.send(syn, source=source, destination=destination, comment="in the other's name")
        await asyncio.sleep(world.settings.number("seconds"))
        return sum(mouth.said[OPEN_PORT] for mouth in self.mouths) - before

    def _number(self) -> int:
        return self.world.rng.below(1 << 32)


def expected_answer(flags: str, *, is_open: bool) -> str:
    """RFC 9293 3.10.7.1 and 3.10.7.2, but for SYN with FIN."""
    if "R" in flags:
        return SILENCE
    if "." in flags:
        return "RST"
    if not is_open:
        return "RST,ACK"
    return "SYN,ACK" if "S" in flags and "F" not in flags else SILENCE


def quarrel(seconds: float, is_limited: bool) -> float:
    """Segments of two hosts that are set on each other.

    Each says SYN,ACK, at once and again after 1, 3, 7 s ... Without a limit each of these is the first of a chain, in
    which a segment follows the other as fast as they travel; with it, there is one answer, and no more.
    """
    starts = [0.0, 1.0, 3.0, 7.0, 15.0]
    if is_limited:
        return 2.0 * 2 * sum(start < seconds for start in starts)
    return sum(2 * (seconds - start) / BETWEEN_HOSTS for start in starts if start < seconds)


def _next_number(world: World, port: int) -> int:
    """SND.NXT of the client's connection from ``port``."""
    flow = make_flow(packed(world.server), OPEN_PORT, packed(world.client), port)
    socket = world.client.stack.tcp.find(flow)
    return wrap(socket.connection.tcb.snd.nxt) if isinstance(socket, TcpSocket) else 0


def _names(answer: Answer | None) -> str:
    segment = answer.segment if answer is not None else None
    if segment is None:
        return SILENCE
    return ",".join(name for bit, name in ((SYN, "SYN"), (RST, "RST"), (ACK, "ACK")) if segment.flags & bit)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while text := await reader.read(1000):
            writer.write(text)
    except OSError:
        pass  # a reset is an end like another
    finally:
        writer.close()
