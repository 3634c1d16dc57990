"""Two connections and a wire that loses, repeats, reorders, delays and cuts what they send each other; time is virtual.

After every step both ends are looked at (`check`): what must always hold, holds.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import TcpError
from halfopen.base.octets import cut
from halfopen.base.rng import SeededRng
from halfopen.tcp.config import (
    DEFAULT,
    AckConfig,
    BufferConfig,
    Ecn,
    OptionsConfig,
    RetransmissionConfig,
    TcpConfig,
)
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.events import Closed
from halfopen.tcp.half_open import HalfOpenTable
from halfopen.tcp.isn import FixedIsn
from halfopen.tcp.listener import Listener
from halfopen.tcp.passive import Listening, PathLimits
from halfopen.tcp.sent import LOST, SACKED
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening, Tcb
from halfopen.wire.tcp import CWR, FIN, PSH, Segment

START: Instant = 1_000 * SECOND
FLOW = bytes(8) + (4000).to_bytes(2, "big") + (80).to_bytes(2, "big")
CLIENT, SERVER = 0, 1


@dataclass(frozen=True)
class Weather:
    """What the wire does to a segment, each with a probability; delays in nanoseconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: int = 5 * MILLISECOND
    jitter: int = 0
    keep_super_segments: bool = False


@dataclass(frozen=True)
class Terms:
    """Everything but the weather and the octets that a run is made with."""

    configs: tuple[TcpConfig, TcpConfig] = (DEFAULT, DEFAULT)
    isn: tuple[int, int] = (100, 200)
    burst: int = 65000
    mss: int = 1460


Tamper = Callable[[int, Segment], "list[Segment]"]
"""What somebody on the wire makes of a segment for the side: nothing, the same, another, more."""
Trace = list[tuple[Instant, int, int, int, int, int, int]]
"""(when, to which side, SEQ, ACK, flags, window, octets) of every segment that was sent."""


@dataclass
class End:
    """One end: its connection once there is one, what it still has to send, and what it has received."""

    counters: Counters = field(default_factory=Counters)
    connection: Connection | None = None
    to_send: bytes = b""
    chunk: int = 65536
    reads_from: Instant = 0
    received: bytearray = field(default_factory=bytearray)
    closed: bool = False
    reason: TcpError | None = None
    saw_end: bool = False
    sent_all: bool = False
    edge: tuple[int, int] = (0, 0)
    """IRS and the right edge of the receive window at the last look."""

    @property
    def is_done(self) -> bool:
        """Closed, or in TIME-WAIT."""
        return self.connection is not None and self.connection.state in (State.CLOSED, State.TIME_WAIT)


class Exchange:
    """Runs both ends until both are done and the wire is empty, or a limit of virtual time has passed."""

    def __init__(self, seed: int, weather: Weather, terms: Terms | None = None, tamper: Tamper | None = None) -> None:
        terms = terms or Terms()
        self.dice = random.Random(seed)
        self.weather = weather
        self.tamper = tamper
        self.now: Instant = START
        self.order = 0
        self.wire: list[tuple[Instant, int, int, Segment]] = []
        self.client = End()
        self.server = End()
        self.ends = (self.client, self.server)
        self.trace: Trace = []
        self.client.connection = Connection.open(
            Opening(
                local_port=4000,
                remote_port=80,
                iss=terms.isn[CLIENT],
                mss=terms.mss,
                burst=terms.burst,
                timestamp_offset=0xFFFFF000,
                config=terms.configs[CLIENT],
                counters=self.client.counters,
            ),
            self.now,
        )
        limits = PathLimits(mss=terms.mss, burst=terms.burst, timestamp_offset=77)
        self.listener = Listener(
            Listening(
                port=80,
                isn=FixedIsn(terms.isn[SERVER]),
                paths=lambda flow: limits,
                table=HalfOpenTable(32, SeededRng(seed).octets(32)),
                config=terms.configs[SERVER],
                counters=self.server.counters,
            )
        )

    def sends(self, client: bytes, server: bytes, chunks: tuple[int, int] = (65536, 65536)) -> "Exchange":
        """What both ends have to send, in which portions."""
        self.client.to_send, self.server.to_send = client, server
        self.client.chunk, self.server.chunk = chunks
        return self

    @property
    def elapsed(self) -> float:
        """Seconds of virtual time so far."""
        return (self.now - START) / SECOND

    @property
    def is_over(self) -> bool:
        """Nothing more will happen but the end of TIME-WAIT."""
        is_done = self.client.is_done and (self.server.is_done or self.server.connection is None)
        return is_done and not self.wire and all(end.reads_from <= self.now for end in self.ends)

    def run(self, limit: int = 3600 * SECOND, *, early: bool = False) -> "Exchange":
        """Goes from event to event; with ``early`` also asks both ends in between, when nothing is due."""
        end = self.now + limit
        between = random.Random(0)
        self.settle()
        while not self.is_over:
            due = min(end, self.next_event())
            if early and due > self.now:
                self.now += between.randrange(due - self.now)
                self.on_deadlines(early=True)
                self.settle()
            self.now = max(self.now, due)
            if due >= end:
                break
            self.deliver()
            self.on_deadlines()
            self.settle()
        return self

    def next_event(self) -> Instant:
        """When the next segment arrives, a timer expires or a user begins to read."""
        due = min(self.wire[0][0] if self.wire else NEVER, self.listener.next_deadline())
        for end in self.ends:
            if end.connection is not None and not end.is_done:
                due = min(due, end.connection.next_deadline())
            if end.reads_from > self.now:
                due = min(due, end.reads_from)
        return due

    def on_deadlines(self, *, early: bool = False) -> None:
        """Tells everybody the time, if they asked for it, or although they did not."""
        for end in self.ends:
            if end.connection is not None and (early or end.connection.next_deadline() <= self.now):
                end.connection.on_deadline(self.now)
        self.listener.on_deadline(self.now)

    def deliver(self) -> None:
        while self.wire and self.wire[0][0] <= self.now:
            _, _, side, segment = heapq.heappop(self.wire)
            self.receive(side, segment)

    def receive(self, side: int, segment: Segment) -> None:
        """``segment`` arrives at one end."""
        receiver = self.ends[side]
        if receiver.connection is not None:
            receiver.connection.on_segment(segment, self.now)
            return
        self.listener.on_segment(FLOW, segment, self.now)
        accepted = self.listener.poll_accept()
        if accepted is not None:
            receiver.connection = accepted[1]

    def settle(self) -> None:
        progress = True
        while progress:
            progress = False
            for side, end in enumerate(self.ends):
                connection = end.connection
                if connection is None:
                    continue
                self.use(end, connection)
                while (segment := connection.poll_transmit(self.now)) is not None:
                    progress = True
                    self.put(1 - side, segment)
            while (reply := self.listener.poll_transmit(self.now)) is not None:
                self.put(CLIENT, reply[1])
        for end in self.ends:
            if end.connection is not None:
                check(end, end.connection.tcb, self.now)

    def use(self, end: End, connection: Connection) -> None:
        """What a user does: reads, writes while there is room, and closes behind the last octet."""
        while (event := connection.poll_event()) is not None:
            if isinstance(event, Closed):
                end.closed = True
                end.reason = event.reason
            elif type(event).__name__ == "EndOfStream":
                end.saw_end = True
        if self.now >= end.reads_from:
            for buffer in connection.receive(1 << 30, self.now):
                end.received += buffer
        if end.closed:
            return
        while end.to_send and connection.unsent_octets < end.chunk:
            connection.send(end.to_send[: end.chunk], self.now)
            end.to_send = end.to_send[end.chunk :]
        if not end.to_send and not end.sent_all and connection.state is not State.SYN_SENT:
            end.sent_all = True
            connection.shutdown(self.now)

    def put(self, side: int, segment: Segment) -> None:
        self.trace.append(
            (self.now, side, segment.seq, segment.ack, segment.flags, segment.window, segment.octets),
        )
        pieces = [segment] if self.weather.keep_super_segments else split(segment)
        if self.tamper is not None:
            pieces = [changed for piece in pieces for changed in self.tamper(side, piece)]
        dice, weather = self.dice, self.weather
        for piece in pieces:
            if dice.random() < weather.loss:
                continue
            for _ in range(2 if dice.random() < weather.duplicate else 1):
                delay = weather.delay + (dice.randrange(weather.jitter) if weather.jitter else 0)
                if dice.random() < weather.reorder:
                    delay += dice.randrange(3 * weather.delay)
                self.order += 1
                heapq.heappush(self.wire, (self.now + delay, self.order, side, clone(piece)))


def check(end: End, tcb: Tcb, now: Instant) -> None:
    """What holds between any two steps, once all segments have been taken."""
    snd, rcv, timers = tcb.snd, tcb.rcv, tcb.timers
    assert snd.una <= snd.nxt
    if tcb.state is State.SYN_SENT:
        assert timers.retransmit > now
        return
    assert rcv.nxt <= rcv.edge
    assert rcv.irs != end.edge[0] or rcv.edge >= end.edge[1], "the right edge has moved left"
    end.edge = (rcv.irs, rcv.edge)
    assert len(rcv.queue) + rcv.early.octets <= max(rcv.limit, rcv.edge - rcv.queue.start)
    if tcb.state in (State.CLOSED, State.TIME_WAIT):
        assert timers.retransmit == timers.patience == timers.keep_alive == NEVER
        return
    _check_flight(tcb)
    assert min(timers.next_deadline(), tcb.owed.acks.deadline) > now, "something is due, and was not done"
    if snd.una < snd.nxt:
        assert timers.retransmit != NEVER, "in flight, and nobody waits for it"
    elif tcb.state is not State.SYN_RECEIVED and (snd.unsent or (snd.fin and not snd.flight.records)):
        is_sent = snd.fin and snd.nxt > snd.queue.stop
        assert is_sent or timers.retransmit != NEVER or timers.patience != NEVER, "text waits, and nobody will ask"


def _check_flight(tcb: Tcb) -> None:
    snd = tcb.snd
    flight = snd.flight
    at = snd.una
    for record in flight.records:
        assert record.start == at < record.end, "records do not tile what is in flight"
        at = record.end
    assert at == snd.nxt or not flight.records
    assert flight.sacked == sum(one.end - one.start for one in flight.records if one.condition == SACKED)
    assert flight.lost == sum(one.end - one.start for one in flight.records if one.condition == LOST)
    assert snd.pipe >= 0
    assert tcb.congestion.cwnd >= snd.mss


def clone(segment: Segment) -> Segment:
    """A segment is used up by who receives it."""
    return segment.copy()


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


def random_config(dice: random.Random) -> TcpConfig:
    """Any combination of what an end can be told."""
    receive = dice.choice([3000, 20000, 65535, 200000, 6 << 20])
    return TcpConfig(
        options=OptionsConfig(
            window_scaling=dice.random() < 0.8,
            timestamps=dice.random() < 0.7,
            sack=dice.random() < 0.7,
            ecn=dice.choice(list(Ecn)),
        ),
        buffers=BufferConfig(receive=receive, receive_initial=min(receive, dice.choice([3000, 65535, 512 * 1024]))),
        retransmission=RetransmissionConfig(rack=dice.random() < 0.8, tail_loss_probe=dice.random() < 0.8),
        congestion=CongestionConfig(algorithm=dice.choice(["cubic", "reno"])),
        acks=AckConfig(nagle=dice.random() < 0.7, quick=dice.choice([0, 16])),
    )


def random_weather(dice: random.Random) -> Weather:
    """From a clear day to one segment in five lost and one in three late."""
    reorder = dice.choice([0, 0, 0.1, 0.3])
    delay = dice.choice([0, 1000, MILLISECOND, 50 * MILLISECOND])
    return Weather(
        loss=dice.choice([0, 0, 0.01, 0.1, 0.2]),
        duplicate=dice.choice([0, 0, 0.1]),
        reorder=reorder,
        delay=max(delay, 1000) if reorder else delay,
        jitter=dice.choice([0, 0, MILLISECOND]),
        keep_super_segments=dice.random() < 0.3,
    )


def random_exchange(seed: int) -> tuple[Exchange, bytes, bytes]:
    """An exchange of which the seed decides everything, and what the client and the server have to send."""
    dice = random.Random(seed)
    weather = random_weather(dice)
    terms = Terms(
        configs=(random_config(dice), random_config(dice)),
        isn=((1 << 32) - dice.randrange(60000), (1 << 32) - dice.randrange(60000)),
        burst=dice.choice([0, 20000, 65000]),
        mss=dice.choice([100, 536, 1460]),
    )
    sizes = [dice.choice([0, 1, 1000, 100_000]) for _ in range(2)]
    streams = [dice.randbytes(size) for size in sizes]
    chunks = [dice.choice([1, 100, 65536] if size < 2000 else [500, 65536]) for size in sizes]
    exchange = Exchange(seed, weather, terms).sends(streams[0], streams[1], (chunks[0], chunks[1]))
    return exchange, streams[0], streams[1]
