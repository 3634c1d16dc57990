"""Two connections and a wire that loses, repeats, reorders, delays and cuts what they send each other; time is virtual."""

import heapq
import random
from dataclasses import dataclass, field

from halfopen.base.clock import MILLISECOND, SECOND, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import TcpError
from halfopen.base.octets import cut
from halfopen.base.rng import SeededRng
from halfopen.tcp.config import DEFAULT, TcpConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.events import Closed
from halfopen.tcp.half_open import HalfOpenTable
from halfopen.tcp.isn import FixedIsn
from halfopen.tcp.listener import Listener, Listening, PathLimits
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening
from halfopen.wire.tcp import CWR, FIN, PSH, SYN, Segment

FLOW = bytes(8) + (4000).to_bytes(2, "big") + (80).to_bytes(2, "big")


@dataclass
class Weather:
    """What the wire does to a segment, each with a probability; delays in nanoseconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: int = 5 * MILLISECOND
    jitter: int = 0
    keep_super_segments: bool = False


@dataclass
class End:
    """One end: its connection once there is one, what it still has to send, and what it has received."""

    counters: Counters = field(default_factory=Counters)
    connection: Connection | None = None
    to_send: bytes = b""
    chunk: int = 65536
    read: int = 1 << 30
    received: bytearray = field(default_factory=bytearray)
    closed: bool = False
    reason: TcpError | None = None
    saw_end: bool = False
    sent_all: bool = False


class Exchange:
    """Runs both ends until both are closed, or `limit` of virtual time has passed."""

    def __init__(
        self,
        seed: int,
        weather: Weather,
        *,
        isn: tuple[int, int] = (100, 200),
        configs: tuple[TcpConfig, TcpConfig] = (DEFAULT, DEFAULT),
        burst: int = 65000,
        mss: int = 1460,
    ) -> None:
        self.dice = random.Random(seed)
        self.weather = weather
        self.now: Instant = 1_000 * SECOND
        self.order = 0
        self.wire: list[tuple[Instant, int, int, Segment]] = []
        self.client = End()
        self.server = End()
        self.ends = (self.client, self.server)
        self.segments = 0
        self.client.connection = Connection.open(
            Opening(
                local_port=4000,
                remote_port=80,
                iss=isn[0],
                mss=mss,
                burst=burst,
                timestamp_offset=0xFFFFF000,
                config=configs[0],
                counters=self.client.counters,
            ),
            self.now,
        )
        limits = PathLimits(mss=mss, burst=burst, timestamp_offset=77)
        self.listener = Listener(
            Listening(
                port=80,
                isn=FixedIsn(isn[1]),
                paths=lambda flow: limits,
                table=HalfOpenTable(32, SeededRng(seed).octets(32)),
                config=configs[1],
                counters=self.server.counters,
            )
        )

    def run(self, limit: int = 3600 * SECOND) -> None:
        end = self.now + limit
        self.settle()
        while self.now < end and not (self.client.closed and self.server.closed and not self.wire):
            due = min([self.wire[0][0]] if self.wire else [end])
            for endpoint in self.ends:
                if endpoint.connection is not None:
                    due = min(due, endpoint.connection.next_deadline())
            due = min(due, self.listener.next_deadline())
            if due >= end:
                self.now = end
                return
            self.now = max(self.now, due)
            self.deliver()
            for endpoint in self.ends:
                connection = endpoint.connection
                if connection is not None and connection.next_deadline() <= self.now:
                    connection.on_deadline(self.now)
            if self.listener.next_deadline() <= self.now:
                self.listener.on_deadline(self.now)
            self.settle()

    def deliver(self) -> None:
        while self.wire and self.wire[0][0] <= self.now:
            _, _, side, segment = heapq.heappop(self.wire)
            receiver = self.ends[side]
            if receiver.connection is not None:
                receiver.connection.on_segment(segment, self.now)
            else:
                self.listener.on_segment(FLOW, segment, self.now)
                accepted = self.listener.poll_accept()
                if accepted is not None:
                    receiver.connection = accepted[1]

    def settle(self) -> None:
        progress = True
        while progress:
            progress = False
            for side, endpoint in enumerate(self.ends):
                connection = endpoint.connection
                if connection is None:
                    continue
                self.user(endpoint, connection)
                while (segment := connection.poll_transmit(self.now)) is not None:
                    progress = True
                    self.put(1 - side, segment)
            while (reply := self.listener.poll_transmit(self.now)) is not None:
                self.put(0, reply[1])

    def user(self, endpoint: End, connection: Connection) -> None:
        while (event := connection.poll_event()) is not None:
            if isinstance(event, Closed):
                endpoint.closed = True
                endpoint.reason = event.reason
            elif type(event).__name__ == "EndOfStream":
                endpoint.saw_end = True
        for buffer in connection.receive(endpoint.read, self.now):
            endpoint.received += buffer
        if endpoint.closed:
            return
        while endpoint.to_send and connection.unsent_octets < endpoint.chunk:
            connection.send(endpoint.to_send[: endpoint.chunk], self.now)
            endpoint.to_send = endpoint.to_send[endpoint.chunk :]
        if not endpoint.to_send and not endpoint.sent_all and connection.state is not State.SYN_SENT:
            endpoint.sent_all = True
            connection.shutdown(self.now)

    def put(self, side: int, segment: Segment) -> None:
        pieces = [segment] if self.weather.keep_super_segments else split(segment)
        for piece in pieces:
            self.segments += 1
            dice, weather = self.dice, self.weather
            if dice.random() < weather.loss:
                continue
            copies = 2 if dice.random() < weather.duplicate else 1
            for _ in range(copies):
                delay = weather.delay + (dice.randrange(weather.jitter) if weather.jitter else 0)
                if dice.random() < weather.reorder:
                    delay += dice.randrange(3 * weather.delay)
                self.order += 1
                heapq.heappush(self.wire, (self.now + delay, self.order, side, clone(piece)))


def clone(segment: Segment) -> Segment:
    """A segment is used up by who receives it."""
    return Segment(
        segment.source_port,
        segment.destination_port,
        segment.seq,
        segment.ack,
        segment.flags,
        segment.window,
        segment.urgent,
        segment.options,
        segment.payload,
        segment.octets,
        segment.gso_size,
        segment.ecn,
    )


def split(segment: Segment) -> list[Segment]:
    """A super-segment as what it stands for."""
    size = segment.gso_size
    if not size or segment.octets <= size:
        return [segment]
    pieces = []
    for start in range(0, segment.octets, size):
        stop = min(start + size, segment.octets)
        piece = clone(segment)
        piece.seq = (segment.seq + start) & 0xFFFFFFFF
        piece.payload = cut(segment.payload, start, stop)
        piece.octets = stop - start
        piece.gso_size = 0
        if stop < segment.octets:
            piece.flags &= ~(PSH | FIN)
        if start:
            piece.flags &= ~CWR
        pieces.append(piece)
    return pieces


def is_handshake(segment: Segment) -> bool:
    """SYN or SYN,ACK."""
    return bool(segment.flags & SYN)
