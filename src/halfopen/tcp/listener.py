"""LISTEN (RFC 9293 3.10.7.2): SYNs become records of the half-open table, and records become connections.

A half-open peer is never a connection: until its ACK has come, it owns a packed record and nothing else. Segments come
with their ``flow``, the octets that name the peer and this end (addresses and ports), which mean nothing here.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.trace import SILENT, TraceSink
from halfopen.tcp.config import DEFAULT, TcpConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.half_open import SYNACK_TIMEOUT, HalfOpen, HalfOpenTable
from halfopen.tcp.isn import IsnGenerator
from halfopen.tcp.negotiation import DEFAULT_MSS, agree, answer
from halfopen.tcp.resets import reset_for
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening
from halfopen.tcp.timestamps import clock_value
from halfopen.wire.tcp import ACK, ECE, FIN, RST, SYN, Segment

EVICTION_MEMORY: Duration = 60 * SECOND
"""How long an evicted peer may take to send its first ACK (Linux mistrusts its own SYN queue for 120 s)."""


@dataclass(slots=True, frozen=True, kw_only=True)
class PathLimits:
    """What the host knows about the path to one peer; the fields are those of `halfopen.tcp.tcb.Opening`."""

    mss: int = 1460
    burst: int = 0
    default_mss: int = DEFAULT_MSS
    timestamp_offset: int = 0


Paths: TypeAlias = Callable[[bytes], PathLimits]
"""From a flow to what is known about its path. A pure look-up: it is handed in, and calls nothing back."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Listening:
    """What a passive OPEN needs to know (RFC 9293 3.10.1)."""

    port: int
    isn: IsnGenerator
    paths: Paths
    table: HalfOpenTable
    backlog: int = 4096
    """Connections that may wait in `poll_accept`; above, the ACK that would complete one more is dropped."""
    config: TcpConfig = DEFAULT
    counters: Counters
    trace: TraceSink = SILENT


class Listener:
    """A port in LISTEN."""

    __slots__ = ("_accepted", "_evicted_at", "_listening", "_replies", "config")

    state = State.LISTEN

    def __init__(self, listening: Listening) -> None:
        self._listening = listening
        self.config = listening.config
        """For connections made from now on. What SYNs say stays as it was: peers that are half-open go by it."""
        self._accepted: deque[tuple[bytes, Connection]] = deque()
        self._replies: deque[tuple[bytes, Segment]] = deque()
        self._evicted_at: Instant = -NEVER
        """When a peer that had been sent a SYN,ACK last had to make room for another."""

    @property
    def half_open(self) -> HalfOpenTable:
        """The peers in SYN-RECEIVED."""
        return self._listening.table

    def on_segment(self, flow: bytes, segment: Segment, now: Instant) -> None:
        """SEGMENT ARRIVES for a peer that has no connection: LISTEN, or SYN-RECEIVED if the table knows it."""
        record = self._listening.table.find(flow)
        if record is None:
            self._on_stranger(flow, segment, now)
        else:
            self._on_half_open(record, segment, now)

    def _on_stranger(self, flow: bytes, segment: Segment, now: Instant) -> None:
        """LISTEN: first RST, second ACK, third SYN, fourth anything else (RFC 9293 3.10.7.2).

        # Deviation: for a while after a peer had to leave the table, an ACK may be its last step, not an error. No RST.
        # Deviation: a SYN with FIN is dropped, as by every host that has been scanned (T/TCP is historic).
        # Deviation: text in a SYN is not kept; what SND.NXT the peer has then is in our SYN,ACK, and it sends it again.
        """
        if segment.flags & RST:
            self._count("TCPListenRst")
        elif segment.flags & (SYN | ACK) == ACK and now - self._evicted_at < EVICTION_MEMORY:
            self._count("TCPListenAckAfterEviction")
        elif segment.flags & ACK:
            self._reply(flow, reset_for(segment))
            self._count("TCPListenAck")
            self._count("OutRsts")
        elif segment.flags & FIN or not segment.flags & SYN:
            self._count("TCPListenOddFlags")
        else:
            self._on_syn(flow, segment, now)

    def _on_syn(self, flow: bytes, segment: Segment, now: Instant) -> None:
        """The SYN of a new peer: an ISS, a record, and <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>."""
        listening = self._listening
        limits = listening.paths(flow)
        agreed = agree(listening.config, segment, limits.default_mss)
        options = segment.options
        scaled = listening.config.options.window_scaling and options is not None and options.window_scale is not None
        timestamps = options.timestamps if options is not None and agreed.timestamps else None
        record = HalfOpen(
            flow=flow,
            irs=segment.seq,
            iss=listening.isn.next(flow, now),
            peer_mss=min(agreed.mss, 0xFFFF),
            window_scale=agreed.snd_shift if scaled else None,
            sack_permitted=agreed.sack,
            ecn=agreed.ecn,
            ts_recent=timestamps[0] if timestamps is not None else None,
        )
        evicted = listening.table.add(record, now)
        if evicted is not None:
            self._count("TCPReqQFullDrop")
            if evicted is record:
                return
            self._evicted_at = now
        self._reply(flow, self._syn_ack(record, segment.source_port, now))

    def _syn_ack(self, record: HalfOpen, remote_port: int, now: Instant) -> Segment:
        listening = self._listening
        limits = listening.paths(record.flow)
        stamp = None
        if record.ts_recent is not None:
            stamp = (clock_value(limits.timestamp_offset, now), record.ts_recent)
        scaled = record.window_scale is not None
        return Segment(
            listening.port,
            remote_port,
            seq=wrap(record.iss),
            ack=wrap(record.irs + 1),
            flags=SYN | ACK | (ECE if record.ecn else 0),
            window=min(listening.config.buffers.first_window, 0xFFFF),
            options=answer(listening.config, limits.mss, stamp, record.sack_permitted, scaled),
        )

    def _on_half_open(self, record: HalfOpen, segment: Segment, now: Instant) -> None:
        """SYN-RECEIVED (RFC 9293 3.10.7.4). The same SYN again: our SYN,ACK was lost.

        Anything else is shown to the connection that the record would become. If that is established, it is one; if it
        is closed, by a RST or another SYN, the peer is back in LISTEN, and nobody hears of it (MUST-11); if neither,
        it is forgotten, but for what it has to answer, and whether that was a challenge: of those there is one for each
        SYN,ACK, or two listeners whose peers were forged would go on answering each other for ever (RFC 5961 5.3).
        """
        if segment.flags & (SYN | ACK | RST) == SYN and segment.seq == wrap(record.irs):
            self._reply(record.flow, self._syn_ack(record, segment.source_port, now))
            self._count("TCPSynAckAgain")
            return
        connection = Connection.resume(self._opening(record, segment.source_port), record, now)
        connection.configure(self.config)
        connection.on_segment(segment, now)
        if connection.state is State.SYN_RECEIVED:
            if connection.tcb.owed.challenged_at == now:
                self._listening.table.challenge(record.flow)
            self._reply(record.flow, connection.poll_transmit(now))
        elif connection.state is State.CLOSED:
            self._listening.table.reset(record.flow)
        elif self._is_deferred(record, connection):
            self._count("TCPDeferAcceptDrop")
        elif len(self._accepted) >= self._listening.backlog:
            self._count("ListenOverflows")
        else:
            self._listening.table.complete(record.flow)
            self._accepted.append((record.flow, connection))
            self._count("PassiveOpens")

    def _is_deferred(self, record: HalfOpen, connection: Connection) -> bool:
        """The peer has nothing to say yet, and may take its time: it stays half-open until it has (TCP_DEFER_ACCEPT).

        # Unlike Linux, our SYN,ACK is sent again meanwhile. As there, the time is known by how often that was done.
        """
        waited = ((1 << record.retransmissions) - 1) * SYNACK_TIMEOUT
        has_text = len(connection.tcb.rcv.queue) > 0 or connection.state is not State.ESTABLISHED
        return not has_text and waited < self.config.listening.defer_accept

    def _opening(self, record: HalfOpen, remote_port: int) -> Opening:
        listening = self._listening
        limits = listening.paths(record.flow)
        return Opening(
            local_port=listening.port,
            remote_port=remote_port,
            iss=record.iss,
            mss=limits.mss,
            burst=limits.burst,
            default_mss=limits.default_mss,
            timestamp_offset=limits.timestamp_offset,
            config=listening.config,
            counters=listening.counters,
            trace=listening.trace,
        )

    def on_deadline(self, now: Instant) -> None:
        """SYN,ACKs that nothing has come of are sent again, or their peers given up (MUST-22: R2 is a count here)."""
        for record in self._listening.table.expire(now):
            if record.is_dropped:
                self._count("TCPHalfOpenTimeout")
            else:
                remote_port = int.from_bytes(record.flow[-4:-2], "big")
                self._reply(record.flow, self._syn_ack(record, remote_port, now))
                self._count("TCPSynAckRetrans")

    def next_deadline(self) -> Instant:
        """When the next half-open peer wants to be looked at."""
        return self._listening.table.next_deadline()

    def poll_transmit(self, now: Instant) -> tuple[bytes, Segment] | None:
        """The next reply and the flow it goes to, or None."""
        return self._replies.popleft() if self._replies else None

    def poll_accept(self) -> tuple[bytes, Connection] | None:
        """The oldest connection that has been established here and not been taken, or None."""
        return self._accepted.popleft() if self._accepted else None

    def _reply(self, flow: bytes, segment: Segment | None) -> None:
        if segment is not None:
            self._replies.append((flow, segment))

    def _count(self, name: str) -> None:
        self._listening.counters.add(name)
