"""Cheating receivers: who acknowledges in small pieces, or what has not come yet, is sent more (Savage 1999)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from halfopen.base.clock import Instant
from halfopen.capture.record import Direction
from halfopen.lab.crafting import make_segment
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.match import Passing
from halfopen.stack.config import StackConfig
from halfopen.tcp.config import SecurityConfig, TcpConfig
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.seqnum import wrap
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import Segment
from halfopen.wire.tcp_options import Options

PORT = 80
MSS = 1460
SHIFT = 10
FLIGHT = 10
"""Segments that the sender begins with (RFC 6928)."""
DELAY = 0.05
"""Seconds from the server to the receiver, and back."""
HONEST, DIVISION, OPTIMISTIC = "honest", "division", "optimistic"


class Cheating(Scenario):
    """Two downloads of the same file, of which one is honest."""

    name = "cheating"
    title = "A receiver that lies about what it has received"
    text = (
        "A sender's window grows with the acknowledgments, which the receiver makes. One that divides each into many"
        " has its sender's window grow many times as fast, if ACKs are counted, as RFC 2581 did; counting the octets"
        " that they acknowledge takes that away (RFC 3465, RFC 5681 3.1). One that acknowledges what is yet to come"
        " makes the path look shorter than it is. No number in TCP proves that text was received: the sender can only"
        " refuse an ACK of what it has not sent, so a receiver that knows how much is in flight is believed (Sherwood"
        " and others 2005 propose to leave out a segment now and then, and to see who acknowledges it)."
    )
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "trick": Parameter(DIVISION, text="how the receiver cheats", choices=(DIVISION, OPTIMISTIC)),
        "parts": Parameter(4, "ACKs", "that division makes of one", least=2, most=6),
        "trips": Parameter(3, "round trips", "how long the two are compared", least=2, most=3),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "byte-counting": "the window grows by octets acknowledged, not by ACKs (RFC 3465; our default)"
    }

    def play(self, settings: Settings) -> Outcome:
        """The same server, the same path."""
        security = SecurityConfig()
        if "byte-counting" not in settings.defences:
            security = SecurityConfig(permit=SIMULATION_ONLY, byte_counting=False)
        base = TcpConfig()
        congestion = CongestionConfig(algorithm="reno")
        tcp = replace(base, security=security, congestion=congestion)
        words = f"delay {DELAY / 3 * 1000:.4f}ms limit 1000000"
        with World(settings, Layout(configs={"server": StackConfig(tcp=tcp)}, words=words, silent=True)) as world:
            world.tape.shorten(f"{world.attacker.host.address}/{world.places.whole}", 900)
            return world.run(story(world, settings))


@dataclass(slots=True)
class Download(Observer):
    """The attacker's own TCP: a receiver and no more. ``delivered`` is in octets, ``highest`` an offset."""

    world: World
    port: int
    trick: str
    parts: int
    first: int = -1
    delivered: int = 0
    acked: int = 0
    packets: int = 0

    def begin(self) -> None:
        """SYN."""
        self.world.network.observe(self)
        options = Options(mss=MSS, window_scale=SHIFT)
        self._send(make_segment((self.port, PORT), "S", options=options), "SYN")

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """What comes in for this port."""
        if direction != "inbound" or end.pump is not self.world.attacker.host.sim_pump:
            return
        passing = Passing(packet, when, ("", ""), end.interface.link_octets)
        if passing.ports == (PORT, self.port) and passing.tcp is not None:
            asyncio.get_running_loop().call_soon(self._on_segment, passing.tcp)

    def _on_segment(self, segment: Segment) -> None:
        if self.first < 0:
            self.first = wrap(segment.seq + 1)
            self._ack(0, "the handshake's")
            if self.trick == OPTIMISTIC:
                asyncio.get_running_loop().call_later(PACE, self._run_ahead, FLIGHT)
            return
        if not segment.octets:
            return
        start = wrap(segment.seq - self.first)
        before = self.delivered
        if start <= before < start + segment.octets:
            self.delivered = start + segment.octets
        self.packets += 1
        if self.trick == OPTIMISTIC:
            return
        for part in range(1, self.parts + 1):
            self._ack(before + (self.delivered - before) * part // self.parts, f"part {part} of {self.parts}")

    def _run_ahead(self, flight: int) -> None:
        """ACKs for a whole flight that has just been sent, and is not here yet; it doubles the next one."""
        if self.acked + flight * MSS > MOST:
            return
        for _ in range(flight):
            self._ack(self.acked + MSS, "of what has not come yet")
        asyncio.get_running_loop().call_later(PACE, self._run_ahead, 2 * flight)

    def _ack(self, offset: int, comment: str) -> None:
        self.acked = max(self.acked, offset)
        self._send(make_segment((self.port, PORT), ".", seq=1, ack=self.first + offset), comment)

    def _send(self, segment: Segment, comment: str) -> None:
        self.world.attacker.send(segment, destination=self.world.server.address, comment=f"{self.trick}: {comment}")


PACE = 0.02
"""Seconds between two optimistic ACKs: a fifth of the true round trip."""
MOST = 1_000_000
"""Octets after which the optimist has seen enough."""


async def story(world: World, settings: Settings) -> Outcome:
    """An honest download, then one that is not."""
    trick, parts, trips = settings.word("trick"), settings.whole("parts"), settings.whole("trips")
    serving = world.server.run(serve(world))
    await world.at_rest(0.01)
    downloads = []
    for port, how in ((2000, HONEST), (2001, trick)):
        download = Download(world, port, how, parts if how == DIVISION else 1)
        download.begin()
        # The first flight comes with the answer to the handshake's last ACK: after two round trips.
        await asyncio.sleep(2 * DELAY * (trips + 1) + DELAY)
        downloads.append((download.delivered, download.acked))
        reset = make_segment((port, PORT), "R", seq=1)
        world.attacker.send(reset, destination=world.server.address, comment="enough")
        await world.at_rest(1)
    serving.cancel()
    await world.at_rest(0.1)
    honest, cheated = downloads[0][0], downloads[1][0]
    ratio = cheated / honest
    return world.outcome(
        attack_succeeded=ratio > 1.05,
        metrics={
            "octets, honest": float(honest),
            "octets, cheating": float(cheated),
            "advantage": ratio,
        },
        theory=theory(settings),
        tolerance={"octets, honest": 0.02, "octets, cheating": 0.02, "advantage": 0.04},
        notes=(
            "In slow start the window doubles in a round trip; with M parts of each ACK that count for a segment each,"
            " it grows (1 + M)-fold.",
            "Octet counting takes nothing from the optimist: only secrets in the text, or holes, could.",
        ),
        lifelines=("attacker", "server"),
    )


def theory(settings: Settings) -> dict[str, float]:
    """Of flights that double, or grow (1 + M)-fold; each has come when its round trip is over."""
    trips, parts = settings.whole("trips"), settings.whole("parts")
    honest = sum(FLIGHT * MSS * 2**trip for trip in range(trips))
    figures = {"octets, honest": float(honest)}
    if settings.word("trick") == DIVISION:
        growth = 2 if settings.defences else 1 + parts
        cheated = sum(FLIGHT * MSS * growth**trip for trip in range(trips))
        figures |= {"octets, cheating": float(cheated), "advantage": cheated / honest}
    return figures


async def serve(world: World) -> None:
    """A server with a large file for everybody."""

    async def upload(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(bytes(1 << 20))
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    await world.server.start_server(upload, None, PORT)
    await asyncio.Event().wait()
