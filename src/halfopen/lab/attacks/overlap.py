"""Overlapping segments: a watcher that puts them together by another rule reads another text (Ptacek, Newsham 1998)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from halfopen.base.clock import Instant
from halfopen.capture.record import Direction
from halfopen.lab.crafting import make_segment
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World, packed
from halfopen.report.tables import format_table
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.match import Passing
from halfopen.sim.rules import DROP, PASS, Verdict
from halfopen.stack.config import StackConfig
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import SecurityConfig, TcpConfig
from halfopen.tcp.seqnum import wrap
from halfopen.wire.packet import Packet

PORT = 80
FORBIDDEN = b"GET /etc/passwd"
HARMLESS = b"GET /index.html"
FIRST, LAST = "first", "last"
RELATIONS: Mapping[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "before": ((1, 3), (5, 7)),
    "meets": ((1, 3), (3, 5)),
    "overlaps": ((1, 4), (3, 6)),
    "starts": ((1, 3), (1, 6)),
    "during": ((3, 5), (1, 7)),
    "finishes": ((4, 6), (1, 6)),
    "equals": ((1, 5), (1, 5)),
    "is finished by": ((1, 6), (4, 6)),
    "contains": ((1, 7), (3, 5)),
    "is started by": ((1, 6), (1, 3)),
    "is overlapped by": ((3, 6), (1, 4)),
    "is met by": ((3, 5), (1, 3)),
    "comes after": ((5, 7), (1, 3)),
}
"""Octets of the first segment and of the second: how two intervals can lie (Allen 1983)."""


class Overlap(Scenario):
    """One text for the server, another one for whoever watches over it."""

    name = "overlap"
    title = "Two segments for the same octets, and a watcher who keeps the other one"
    text = (
        "Where two segments carry different octets for the same numbers, RFC 9293 leaves it open which ones count;"
        " systems differ. A detector on the path has to guess. The attacker sends, ahead of a hole, a harmless request"
        " and a forbidden one, in the order that makes the server keep the forbidden one, and then fills the hole. A"
        " detector that believes in the other order has seen nothing. Of the thirteen ways in which two segments can"
        " lie, nine overlap, and in all of them the two read different texts. Our hosts keep what came first, and never"
        " rewrite an octet that they have."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "host": Parameter(FIRST, text="which octets the server keeps", choices=(FIRST, LAST)),
        "watcher": Parameter(LAST, text="which octets the detector believes in", choices=(FIRST, LAST)),
    }
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    defences: ClassVar[Mapping[str, str]] = {
        "target-based": "the detector knows which rule its host follows (Snort's stream policies)",
        "normaliser": "the router lets no octet through that contradicts an earlier one (Handley and Paxson 2001)",
    }

    def play(self, settings: Settings) -> Outcome:
        """The thirteen relations, then the request."""
        host = settings.word("host")
        security = SecurityConfig() if host == FIRST else SecurityConfig(permit=SIMULATION_ONLY, overlap=LAST)
        config = StackConfig(tcp=replace(TcpConfig(), security=security))
        with World(settings, Layout(configs={"server": config})) as world:
            belief = host if "target-based" in settings.defences else settings.word("watcher")
            return world.run(Story(world, belief).tell())


@dataclass(slots=True)
class Reassembly:
    """The text of one direction of a connection, by one rule; ``begin`` is the number of its first octet."""

    rule: str
    begin: int
    octets: dict[int, int] = field(default_factory=dict)
    delivered: int = 0
    """As far as there was no hole: what is to be read there can no longer change."""

    def take(self, seq: int, text: bytes) -> None:
        """A segment's text."""
        for position, octet in enumerate(text, wrap(seq - self.begin)):
            if position >= self.delivered and (self.rule == LAST or position not in self.octets):
                self.octets[position] = octet
        while self.delivered in self.octets:
            self.delivered += 1

    def contradicts(self, seq: int, text: bytes) -> bool:
        """Whether ``text`` says of any octet anything else than what has been said before."""
        return any(self.octets.get(at, octet) != octet for at, octet in enumerate(text, wrap(seq - self.begin)))

    @property
    def text(self) -> bytes:
        """All that can be read."""
        return bytes(self.octets[position] for position in range(self.delivered))


class Watcher(Observer):
    """A detector at the server's cable, which reads along."""

    def __init__(self, world: World, rule: str) -> None:
        self.streams: dict[int, Reassembly] = {}
        self.rule = rule
        self._pump = world.server.sim_pump

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """What comes to the server."""
        if direction == "inbound" and end.pump is self._pump:
            read(self.streams, self.rule, Passing(packet, when, ("", ""), end.interface.link_octets))


def read(streams: dict[int, Reassembly], rule: str, passing: Passing) -> Reassembly | None:
    """The reassembly that a segment belongs to, after it has taken it."""
    segment = passing.tcp
    if segment is None or segment.destination_port != PORT:
        return None
    if "S" in passing.flags:
        streams[segment.source_port] = Reassembly(rule, wrap(segment.seq + 1))
    stream = streams.get(segment.source_port)
    if stream is not None:
        stream.take(segment.seq, b"".join(segment.payload))
    return stream


class Normaliser:
    """A rule of the cable: drops what contradicts."""

    def __init__(self) -> None:
        self._streams: dict[int, Reassembly] = {}

    def __call__(self, passing: Passing) -> Verdict:
        """For each packet that enters."""
        segment = passing.tcp
        stream = None if segment is None else self._streams.get(segment.source_port)
        if stream is not None and segment is not None and stream.contradicts(segment.seq, b"".join(segment.payload)):
            return DROP
        read(self._streams, FIRST, passing)
        return PASS


class Story:
    """One run."""

    def __init__(self, world: World, belief: str) -> None:
        self.world = world
        self.watcher = Watcher(world, belief)
        self.heard: dict[int, bytearray] = {}

    async def tell(self) -> Outcome:
        """The server writes down what it reads, by the client's port, and so does the watcher."""
        world = self.world
        world.network.observe(self.watcher)
        if "normaliser" in world.settings.defences:
            world.cables["server-side"].rule(Normaliser(), towards="server")
        serving = world.server.run(self._serve())
        await world.at_rest(0.01)
        rows = [await self._try(name) for name in RELATIONS]
        keeps_first = world.settings.word("host") == FIRST
        copies = (FORBIDDEN, HARMLESS) if keeps_first else (HARMLESS, FORBIDDEN)
        pieces = [(1, copies[0][1:]), (1, copies[1][1:]), (0, FORBIDDEN[:1])]
        host, watcher = await self._send(pieces, "request")
        serving.cancel()
        await world.at_rest(0.5)
        evaded = FORBIDDEN in host and FORBIDDEN not in watcher
        differing = sum(host != watcher for _, host, watcher in rows)
        return self._outcome(evaded, FORBIDDEN in host, differing, rows)

    async def _try(self, name: str) -> tuple[str, bytes, bytes]:
        """Two segments that lie so, ``A`` and ``B``, and dots for what neither has."""
        first, second = RELATIONS[name]
        covered = {*range(*first), *range(*second)}
        gaps = [(at, b".") for at in range(max(covered)) if at not in covered]
        pieces = [(first[0], b"A" * (first[1] - first[0])), (second[0], b"B" * (second[1] - second[0]))]
        return (name, *await self._send(pieces + gaps[::-1], name))

    async def _send(self, pieces: list[tuple[int, bytes]], comment: str) -> tuple[bytes, bytes]:
        """On a connection of its own; what the server has read, and the watcher."""
        world, attacker = self.world, self.world.attacker
        _, writer = await attacker.host.run(attacker.host.open_connection("server", PORT))
        await world.at_rest(0.05)
        port = int(writer.get_extra_info("sockname")[1])
        socket = next(
            each
            for each in attacker.host.stack.tcp.sockets()
            if isinstance(each, TcpSocket) and each.local_port == port
        )
        tcb = socket.connection.tcb
        for offset, text in pieces:
            segment = make_segment((port, PORT), "P.", seq=tcb.snd.nxt + offset, ack=wrap(tcb.rcv.nxt), payload=text)
            attacker.send(segment, destination=packed(world.server), comment=f"{comment}: {text.decode()}")
            await asyncio.sleep(0.001)
        await world.at_rest(0.1)
        writer.transport.abort()
        stream = self.watcher.streams.get(port)
        return bytes(self.heard.get(port, b"")), stream.text if stream is not None else b""

    async def _serve(self) -> None:
        async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard = self.heard.setdefault(int(writer.get_extra_info("peername")[1]), bytearray())
            try:
                while text := await reader.read(100):
                    heard += text
            except OSError:
                pass
            finally:
                writer.close()

        await self.world.server.start_server(keep, None, PORT)
        await asyncio.Event().wait()

    def _outcome(self, evaded: bool, obeyed: bool, differing: int, rows: list[tuple[str, bytes, bytes]]) -> Outcome:
        settings = self.world.settings
        is_same = settings.word("host") == self.watcher.rule or "normaliser" in settings.defences
        table = format_table(
            [(name, host.decode(), seen.decode()) for name, host, seen in rows], ("relation", "server", "detector")
        )
        return self.world.outcome(
            attack_succeeded=evaded,
            metrics={
                "forbidden request read by the server": float(obeyed),
                "forbidden request seen by the detector": float(obeyed and not evaded),
                "relations read differently": float(differing),
            },
            theory={"relations read differently": 0.0 if is_same else 9.0},
            notes=("A hole in front keeps both copies waiting: only there can a later one replace an earlier one.",),
            texts={"What the two read": table},
            lifelines=("attacker", "server"),
        )
