"""LISTEN (RFC 9293 3.10.7.2): SYNs become records of the half-open table, and records become connections.

A half-open peer is never a connection: until its ACK has come, it owns a packed record and nothing else, or under a
flood not even that: its SYN,ACK is a cookie then (RFC 4987 3.6, 3.7). Segments come with their ``flow``, the octets
that name the peer and this end (addresses and ports), which mean nothing here.
"""

from collections import deque
from dataclasses import replace

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.tcp.connection import Connection
from halfopen.tcp.half_open import SYNACK_TIMEOUT, HalfOpen, HalfOpenTable
from halfopen.tcp.passive import Listening, bake, kept_from, make_opening, make_record, syn_ack
from halfopen.tcp.resets import reset_for
from halfopen.tcp.seqnum import MASK, wrap
from halfopen.tcp.state import State
from halfopen.tcp.timestamps import clock_value
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment

EVICTION_MEMORY: Duration = 60 * SECOND
"""How long an evicted peer may take to send its first ACK (Linux mistrusts its own SYN queue for 120 s)."""


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
        if record is None and self._fails_to_allocate():
            self._count("TCPListenAllocFailed")
        elif record is None:
            self._on_stranger(flow, segment, now)
        else:
            self._on_half_open(record, segment, now)

    def _fails_to_allocate(self) -> bool:
        """4.2BSD made a socket for whatever reached a listener, and looked at the flags when it had one."""
        security, table = self._listening.config.security, self._listening.table
        return security.legacy_alloc_before_flags and len(table) >= table.capacity and security.allowed() is not None

    def expects(self, flow: bytes, segment: Segment, now: Instant) -> bool:
        """Whether the segment goes on with a handshake: its peer is half-open, or it brings back a cookie."""
        listening = self._listening
        if listening.table.find(flow) is not None:
            return True
        cookies = listening.cookies
        if cookies is None or segment.flags & (SYN | ACK | RST) != ACK:
            return False
        return cookies.check(flow, segment, now) is not None

    def _on_stranger(self, flow: bytes, segment: Segment, now: Instant) -> None:
        """LISTEN: first RST, second ACK, third SYN, fourth anything else (RFC 9293 3.10.7.2).

        # Deviation: an ACK may bring back a cookie; then it is the third segment of a handshake.
        # Deviation: for a while after a peer had to leave the table, an ACK may be its last step, not an error. No RST.
        # Deviation: a SYN with FIN is dropped, as by every host that has been scanned (T/TCP is historic).
        # Deviation: text in a SYN is not kept; what SND.NXT the peer has then is in our SYN,ACK, and it sends it again.
        """
        if segment.flags & RST:
            self._count("TCPListenRst")
        elif segment.flags & ACK:
            if segment.flags & SYN or not self._on_cookie(flow, segment, now):
                self._on_unexpected_ack(flow, segment, now)
        elif segment.flags & FIN or not segment.flags & SYN:
            self._count("TCPListenOddFlags")
        else:
            self._on_syn(flow, segment, now)

    def _on_unexpected_ack(self, flow: bytes, segment: Segment, now: Instant) -> None:
        """<SEQ=SEG.ACK><CTL=RST>, also for a cookie that is forged or too old: nothing tells whether any are out."""
        if not segment.flags & SYN and now - self._evicted_at < EVICTION_MEMORY:
            self._count("TCPListenAckAfterEviction")
            return
        self._reply(flow, reset_for(segment))
        self._count("TCPListenAck")
        self._count("OutRsts")

    def _on_cookie(self, flow: bytes, segment: Segment, now: Instant) -> bool:
        """The ACK of a stranger: a connection, if it brings back a cookie (RFC 4987 3.6); False if it does not.

        Our timestamp clock goes on from the value that it echoes. TCP_DEFER_ACCEPT does not hold here, as in Linux: no
        SYN,ACK would be sent again.
        """
        listening = self._listening
        cookies = listening.cookies
        if cookies is None or not cookies.are_out(now):
            return False
        record = cookies.check(flow, segment, now)
        if record is None:
            self._count("SyncookiesFailed")
            return False
        self._count("SyncookiesRecv")
        if self._is_full():
            return True
        limits = listening.paths(flow)
        if segment.options is not None and segment.options.timestamps is not None:
            offset = (segment.options.timestamps[1] - clock_value(0, now)) & MASK
            limits = replace(limits, timestamp_offset=offset)
        connection = Connection.resume(make_opening(self._listening, record, limits), record, now)
        connection.configure(self.config)
        connection.on_segment(segment, now)
        self._accept(flow, connection, now)
        return True

    def _on_syn(self, flow: bytes, segment: Segment, now: Instant) -> None:
        """The SYN of a new peer: an ISS, a record, and <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>.

        Where there are cookies, who finds no place in the table gets one (the hybrid of RFC 4987 3.7).
        """
        listening = self._listening
        record = make_record(listening, flow, segment, now)
        kept = kept_from(listening, flow, now)
        evicted = record if listening.admission.always_cookies else listening.table.add(record, now, kept)
        if evicted is record and listening.cookies is not None:
            self._reply(flow, bake(listening, listening.cookies, record, now))
            self._count("SyncookiesSent")
            return
        if evicted is not None:
            self._count("TCPReqQFullDrop")
            if evicted is record:
                return
            self._evicted_at = now
        self._reply(flow, syn_ack(self._listening, record, now))

    def _on_half_open(self, record: HalfOpen, segment: Segment, now: Instant) -> None:
        """SYN-RECEIVED (RFC 9293 3.10.7.4). The same SYN again: our SYN,ACK was lost.

        Anything else is shown to the connection that the record would become. If that is established, it is one; if it
        is closed, by a RST or another SYN, the peer is back in LISTEN, and nobody hears of it (MUST-11); if neither,
        it is forgotten, but for what it has to answer, and whether that was a challenge: of those there is one for each
        SYN,ACK, or two listeners whose peers were forged would go on answering each other for ever (RFC 5961 5.3).
        """
        if segment.flags & (SYN | ACK | RST) == SYN and segment.seq == wrap(record.irs):
            self._reply(record.flow, syn_ack(self._listening, record, now))
            self._count("TCPSynAckAgain")
            return
        limits = self._listening.paths(record.flow)
        connection = Connection.resume(make_opening(self._listening, record, limits), record, now)
        connection.configure(self.config)
        connection.on_segment(segment, now)
        if connection.state is State.SYN_RECEIVED:
            if connection.tcb.owed.challenged_at == now:
                self._listening.table.challenge(record.flow)
            if connection.tcb.owed.reset is not None:
                self._on_bad_ack(record.flow)
            self._reply(record.flow, connection.poll_transmit(now))
        elif connection.state is State.CLOSED:
            self._listening.table.reset(record.flow)
        elif self._is_deferred(record, connection):
            self._count("TCPDeferAcceptDrop")
        elif not self._is_full():
            self._listening.table.complete(record.flow)
            self._accept(record.flow, connection, now)

    def _is_full(self) -> bool:
        """No further connection may wait to be accepted: the ACK that would make one is dropped, and counted."""
        if len(self._accepted) < self._listening.backlog:
            return False
        self._count("ListenOverflows")
        return True

    def _on_bad_ack(self, flow: bytes) -> None:
        """Each is one guess at our ISS; RFC 9293 3.10.7.4 sets no limit to them."""
        budget = self._listening.admission.bad_ack_budget
        if budget is not None and self._listening.table.count_bad_ack(flow) >= budget:
            self._listening.table.reset(flow)
            self._count("TCPBadAckBudget")

    def _accept(self, flow: bytes, connection: Connection, now: Instant) -> None:
        if self._listening.proven is not None:
            self._listening.proven.note(flow, now)
        self._accepted.append((flow, connection))
        self._count("PassiveOpens")

    def _is_deferred(self, record: HalfOpen, connection: Connection) -> bool:
        """The peer has nothing to say yet, and may take its time: it stays half-open until it has (TCP_DEFER_ACCEPT).

        # Unlike Linux, our SYN,ACK is sent again meanwhile. As there, the time is known by how often that was done.
        """
        waited = ((1 << record.retransmissions) - 1) * SYNACK_TIMEOUT
        has_text = len(connection.tcb.rcv.queue) > 0 or connection.state is not State.ESTABLISHED
        return not has_text and waited < self.config.listening.defer_accept

    def on_deadline(self, now: Instant) -> None:
        """SYN,ACKs that nothing has come of are sent again, or their peers given up (MUST-22: R2 is a count here)."""
        for record in self._listening.table.expire(now):
            if record.is_dropped:
                self._count("TCPHalfOpenTimeout")
            else:
                self._reply(record.flow, syn_ack(self._listening, record, now))
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
