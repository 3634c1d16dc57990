"""The three-way handshake as it is: who says what, what it costs the server, and what moves a sequence number."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from halfopen.aio.connecting import Connecting
from halfopen.base.addresses import Address, Mac, format_address
from halfopen.base.clock import SECOND, Instant
from halfopen.capture.record import Direction
from halfopen.lab.measurements import held_octets
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.tape import Seen
from halfopen.lab.world import Layout, World, listener_of, packed
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.match import Passing
from halfopen.sim.scheduler import START
from halfopen.stack.demux import make_flow
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.seqnum import wrap
from halfopen.wire import ndp
from halfopen.wire.arp import REPLY
from halfopen.wire.icmpv6 import NEIGHBOR_ADVERTISEMENT
from halfopen.wire.ndp import NeighborAdvertisement
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, FIN, SYN, Segment

PORT = 80
REQUEST, REPLY_TEXT = b"How do you do?", b"Fine, thank you."


@dataclass(frozen=True, slots=True)
class Holding:
    """What the server keeps for a peer from ``when`` on: ``state`` as it calls it, and octets."""

    when: Instant
    state: str
    octets: int


@dataclass(frozen=True, slots=True)
class Said:
    """A segment of one connection, when it left, and whether by the client."""

    when: Instant
    by_client: bool
    segment: Segment

    @property
    def is_pure_ack(self) -> bool:
        """Neither text, SYN nor FIN."""
        return not self.segment.length


class Handshake(Scenario):
    """Two connections, without and with data on the third segment."""

    name = "handshake"
    title = "The three-way handshake, and what it costs the server"
    text = (
        "Hosts and the router first find each other by ARP, on both segments. Then the client sends SYN with a sequence"
        " number of its own, CSEQ; the server answers SYN,ACK with CSEQ+1 and a number of its own, SSEQ; the client"
        " answers ACK with SSEQ+1. With the first segment the server has to remember something for somebody of whom it"
        " knows nothing but what is written in that segment: this is what a SYN flood exploits. There are two"
        " connections, the second with data on the third segment already. Afterwards only data moves the numbers;"
        " SYN and FIN count as one octet each, an ACK as none."
    )
    is_attack = False
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "delay": Parameter(5.0, "ms", "one way, of each of the two cables", least=0.01, most=50),
    }

    def play(self, settings: Settings) -> Outcome:
        """Two connections, one after the other."""
        delay = settings.number("delay")
        layout = Layout(attacker="none", words=f"delay {delay:g}ms", acquainted=False, needs_tape=True)
        with World(settings, layout) as world:
            return world.run(Story(world).tell())


class Story(Observer):
    """Both connections, and a look at the server after each packet that it has taken or sent."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.holdings: list[Holding] = []
        self._tcp: TcpSocket | None = None

    async def tell(self) -> Outcome:
        """From the first ARP request to the last ACK."""
        world = self.world
        world.network.observe(self)
        await world.server.run(self._serve())
        await world.client.run(self._converse(with_data=False))
        await world.at_rest(0.5)
        await world.client.run(self._converse(with_data=True))
        await world.at_rest(1.0)
        return self._outcome()

    async def _serve(self) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(len(REQUEST))
            writer.write(REPLY_TEXT)
            await reader.read()
            writer.close()

        await self.world.server.start_server(answer, None, PORT)

    async def _converse(self, *, with_data: bool) -> None:
        """A request, its answer, some silence, the end; ``with_data`` the request is there before the peer is."""
        host = self.world.client
        now = host.pump.now()
        tcp = host.stack.tcp.connect((packed(self.world.server), PORT), host.owner(), now)
        self._tcp = tcp
        if with_data:
            tcp.send(REQUEST, now)
        host.pump.kick()
        await Connecting(host.pump, tcp, f"server:{PORT}").wait()
        reader = asyncio.StreamReader()
        transport, protocol = await host.adopt(tcp, lambda: asyncio.StreamReaderProtocol(reader))
        writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
        if not with_data:
            await asyncio.sleep(0.1)
            writer.write(REQUEST)
        await reader.readexactly(len(REPLY_TEXT))
        await asyncio.sleep(0.3)
        writer.close()

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """Looks when the server is done with it: what comes in is taken with the loop's next round."""
        if end.pump is self.world.server.pump:
            loop = self.world.network.loop
            loop.call_soon(loop.call_soon, self._look)

    def _look(self) -> None:
        """Notes when what the server holds for the client has become something else."""
        holding = self._holding()
        if holding.state != (self.holdings[-1].state if self.holdings else "nothing"):
            self.holdings.append(holding)

    def _holding(self) -> Holding:
        """Nothing, a record of the half-open table, or a connection."""
        server, now = self.world.server, self.world.server.pump.now()
        if self._tcp is None:
            return Holding(now, "nothing", 0)
        # What is the peer here is the local end there.
        flow = make_flow(self._tcp.local_address, self._tcp.local_port, self._tcp.remote_address, PORT)
        found = server.stack.tcp.find(flow)
        if isinstance(found, TcpSocket):
            octets = connection_octets(found, self._tcp, (server.stack, self.world.client.stack))
            return Holding(now, found.connection.state.value, octets)
        return Holding(now, "SYN-RECEIVED", record_octets(server.stack)) if found else Holding(now, "nothing", 0)

    def _outcome(self) -> Outcome:
        first, second = conversations(list(self.world.tape.seen("client")))
        half_open = next(each.octets for each in self.holdings if each.state == "SYN-RECEIVED")
        connection = next(each.octets for each in self.holdings if each.state == "ESTABLISHED")
        metrics, theory = numbers(first)
        again = numbers(second)[0]
        metrics |= {
            "data on the third segment, octets": float(second[2].segment.octets),
            "the same numbers with data on the third": float(all(again[key] == metrics[key] for key in theory)),
            "half-open record, octets": float(half_open),
            "connection, octets": float(connection),
        }
        theory |= {
            "data on the third segment, octets": float(len(REQUEST)),
            "the same numbers with data on the third": 1.0,
        }
        return self.world.outcome(
            metrics=metrics,
            theory=theory,
            notes=notes(first, half_open, connection),
            texts={
                "What the server holds for the client, and since when": timeline(self.holdings),
                "As a Mermaid diagram": mermaid(self.world, first, self.holdings),
            },
            lifelines=("client", "router", "server"),
        )


def record_octets(stack: Stack) -> int:
    """A half-open peer's share of its listener's table, the index included; the table never grows."""
    table = listener_of(stack).listener.half_open
    return -(-table.octets // table.capacity)


def connection_octets(connection: TcpSocket, other: TcpSocket, stacks: Sequence[Stack]) -> int:
    """Python objects that exist for ``connection`` only, as `sys.getsizeof` counts: what ``other`` has is everybody's.

    ``stacks`` are those that the two belong to.
    """
    borders: list[object] = [part for end in (connection, other) for part in (end.path, end.owner)]
    borders += [part for stack in stacks for part in (stack.tcp, stack.counters)]
    return held_octets(connection, shared=(other, *(stack.config for stack in stacks)), borders=borders)


def conversations(seen: Sequence[Seen]) -> list[list[Said]]:
    """The segments of each connection, in the order in which they were on the client's cable."""
    found: dict[int, list[Said]] = {}
    for each in seen:
        segment = each.frame.tcp
        if segment is not None:
            port = segment.source_port if each.is_sent else segment.destination_port
            found.setdefault(port, []).append(Said(each.when, each.is_sent, segment))
    return list(found.values())


def numbers(said: Sequence[Said]) -> tuple[dict[str, float], dict[str, float]]:
    """What moved the sequence numbers of one connection, and what should (RFC 9293 3.4)."""
    syn, syn_ack, ack = (each.segment for each in said[:3])
    metrics = {
        "SYN,ACK acknowledges CSEQ +": float(wrap(syn_ack.ack - syn.seq)),
        "third segment acknowledges SSEQ +": float(wrap(ack.ack - syn_ack.seq)),
        "third segment has CSEQ +": float(wrap(ack.seq - syn.seq)),
        "client's number moved by": float(_distance(said, by_client=True)),
        "server's number moved by": float(_distance(said, by_client=False)),
        "moved by ACKs without data": float(sum(_moves_of_acks(said))),
        "segments of the handshake": float(sum(not each.segment.octets for each in said[:4])),
        "FINs": float(sum(bool(each.segment.flags & FIN) for each in said)),
    }
    theory = {
        "SYN,ACK acknowledges CSEQ +": 1.0,
        "third segment acknowledges SSEQ +": 1.0,
        "third segment has CSEQ +": 1.0,
        "client's number moved by": len(REQUEST) + 2.0,
        "server's number moved by": len(REPLY_TEXT) + 2.0,
        "moved by ACKs without data": 0.0,
        "segments of the handshake": 3.0,
        "FINs": 2.0,
    }
    return metrics, theory


def _distance(said: Sequence[Said], *, by_client: bool) -> int:
    """From the initial number to the last one that was acknowledged."""
    own = next(each.segment.seq for each in said if each.by_client == by_client)
    last = [each.segment.ack for each in said if each.by_client != by_client and each.segment.flags & ACK][-1]
    return wrap(last - own)


def _moves_of_acks(said: Sequence[Said]) -> Iterator[int]:
    """By how much the sender's next segment is further on than an ACK without text."""
    for index, each in enumerate(said):
        later = next((after for after in said[index + 1 :] if after.by_client == each.by_client), None)
        if each.is_pure_ack and later is not None:
            yield wrap(later.segment.seq - each.segment.seq)


def timeline(holdings: Sequence[Holding]) -> str:
    """One line for each change."""
    lines = (f"{(each.when - START) / SECOND:9.4f} s  {each.state:<13}{each.octets:6,} octets" for each in holdings)
    return "\n".join(lines)


def notes(said: Sequence[Said], half_open: int, connection: int) -> tuple[str, ...]:
    """What a student should see."""
    syn, syn_ack = said[0].segment, said[1].segment
    to_the_wrap = (1 << 32) - max(syn.seq, syn_ack.seq)
    return (
        f"CSEQ was {syn.seq:,} and SSEQ {syn_ack.seq:,}: each side chose its own, and the other acknowledged that + 1.",
        f"For the SYN the server used {half_open} octets of a table that is there from the beginning and never grows;"
        f" for the connection, {connection:,} octets of objects, and only after the ACK had proved that the client is"
        f" where it said (Linux: 312 and 2,304; FreeBSD's syncache: 160).",
        "After the handshake a number moves by the octets of data only: ACKs without data have all the same number.",
        f"The number that is next to wrap around to 0 does so after {to_the_wrap:,} octets; `halfopen lab run wrap`.",
    )


def mermaid(world: World, said: Sequence[Said], holdings: Sequence[Holding]) -> str:
    """The first connection as a textbook draws it, but each arrow is a packet that was sent."""
    syn, syn_ack, ack = (each.segment for each in said[:3])
    states = {each.state: each.octets for each in reversed(holdings)}
    way = "ARP" if world.places.version == 4 else "neighbor discovery"
    lines = [
        "sequenceDiagram",
        "    participant Client",
        "    participant Server",
        "",
        *(f"    Note over {whose}: {way}, {text}" for whose, text in _link_addresses(world)),
        f"    Client->>+Server: SYN, CSEQ={syn.seq}",
        f"    Note right of Server: Server allocates memory to preserve state, {states['SYN-RECEIVED']} octets.",
        f"    Server-->>-Client: SYN, ACK, CSEQ+1={syn_ack.ack}, SSEQ={syn_ack.seq}",
        f"    Client->>Server: ACK, SSEQ+1={ack.ack}, CSEQ+1={ack.seq}",
        "    Note left of Client: Client could send data here.",
        f"    Note right of Server: Server allocates a connection, {states['ESTABLISHED']} octets.",
        *(_mermaid_arrow(each, said[0].segment, said[1].segment) for each in said[3:]),
        "    Note right of Server: After session is made, SEQ is only incremented with data being sent.",
        f"    Note right of Server: SEQ will eventually wrap around, after {(1 << 32) - syn_ack.seq} more octets.",
    ]
    return "\n".join(lines)


def _link_addresses(world: World) -> Iterator[tuple[str, str]]:
    """What each end has learnt about its router."""
    for host in (world.client, world.server):
        for each in world.tape.seen(host.name):
            answer = None if each.is_sent else _answer_in(each.frame)
            if answer is not None:
                yield host.name.capitalize(), f"router {format_address(answer[0])} is at {answer[1].hex('-')}"


def _answer_in(frame: Passing) -> tuple[Address, Mac] | None:
    """Whose link address is which, as an ARP reply or a solicited neighbor advertisement tells it."""
    if frame.arp is not None:
        return (frame.arp.sender_address, frame.arp.sender_mac) if frame.arp.operation == REPLY else None
    if frame.icmp is None or frame.icmp.type != NEIGHBOR_ADVERTISEMENT:
        return None
    told = ndp.parse(frame.icmp)
    if not isinstance(told, NeighborAdvertisement) or not told.options.target_mac:
        return None
    return told.target, told.options.target_mac


def _mermaid_arrow(said: Said, syn: Segment, syn_ack: Segment) -> str:
    """With numbers from the initial ones on, as a textbook writes them."""
    segment = said.segment
    own, other = (("C", syn), ("S", syn_ack)) if said.by_client else (("S", syn_ack), ("C", syn))
    ends = "Client->>Server" if said.by_client else "Server->>Client"
    words = [name for bit, name in ((SYN, "SYN"), (FIN, "FIN"), (ACK, "ACK")) if segment.flags & bit]
    words.append(f"{own[0]}SEQ+{wrap(segment.seq - own[1].seq)}")
    words.append(f"{other[0]}SEQ+{wrap(segment.ack - other[1].seq)}")
    if segment.octets:
        words.append(f"{segment.octets} octets of data")
    return f"    {ends}: {', '.join(words)}"
