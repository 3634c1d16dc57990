"""LISTEN (RFC 9293 3.10.7.2): SYNs become records of the half-open table, and records become connections.

A half-open peer is never a connection: until its ACK has come, it owns a packed record and nothing else, or under a
flood not even that: its SYN,ACK is a cookie then (RFC 4987 3.6, 3.7). Segments come with their ``flow``, the octets
that name the peer and this end (addresses and ports), which mean nothing here.
"""

from collections import deque
from typing import Final

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.tcp.accurate_ecn import ACCURATE, ACE
from halfopen.tcp.challenges import PeerChallenges
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.cookies import EPOCH
from halfopen.tcp.early import begin_at_server
from halfopen.tcp.fast_open import REFUSED
from halfopen.tcp.half_open import CHALLENGED, SUSPECTED, SYNACK_TIMEOUT, HalfOpen, HalfOpenTable
from halfopen.tcp.linux_listener import Visits
from halfopen.tcp.passive import (
    Listening,
    PathLimits,
    bake,
    challenge,
    choose_iss,
    kept_from,
    make_opening,
    make_record,
    recall,
    syn_ack,
)
from halfopen.tcp.resets import reset_for
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.state import State
from halfopen.tcp.syncache import Fate, fate_of, renew
from halfopen.tcp.windows import syn_window
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment

EVICTION_MEMORY: Final[Duration] = 60 * SECOND
"""How long an evicted peer may take to send its first ACK (Linux mistrusts its own SYN queue for 120 s)."""


class Listener:
    """A port in LISTEN."""

    __slots__ = ("_accepted", "_challenges", "_replies", "_visits", "config", "forgotten_at", "is_crowded", "listening")

    state = State.LISTEN

    def __init__(self, listening: Listening) -> None:
        self.listening = listening
        """What the passive OPEN was told."""
        self.config = listening.config
        """For connections made from now on. What SYNs say stays as it was: peers that are half-open go by it."""
        self._accepted: deque[tuple[bytes, Connection]] = deque()
        self._replies: deque[tuple[bytes, Segment]] = deque()
        self._challenges = PeerChallenges()
        self._visits = Visits(listening.table.capacity)
        self.is_crowded = False
        """As many connections wait to be accepted as may, wherever they do."""
        self.forgotten_at: Instant = -NEVER
        """When a peer that had been sent a SYN,ACK was last left without a record, or never given one.

        So long ago the last cookie was sent; also by others for this port, who say so here.
        """

    @property
    def half_open(self) -> HalfOpenTable:
        """The peers in SYN-RECEIVED."""
        return self.listening.table

    def on_segment(self, flow: bytes, segment: Segment, now: Instant) -> None:
        """SEGMENT ARRIVES for a peer that has no connection: LISTEN, or SYN-RECEIVED if the table knows it."""
        record = self.listening.table.find(flow)
        if record is None and _fails_to_allocate(self.listening):
            self._count("TCPListenAllocFailed")
        elif record is None:
            self._on_stranger(flow, segment, now)
        else:
            self._on_half_open(record, segment, now)

    def expects(self, flow: bytes, segment: Segment, now: Instant) -> bool:
        """Whether the segment goes on with a handshake: its peer is half-open, or it brings back a cookie."""
        if self.listening.table.find(flow) is not None:
            return True
        return (
            _may_be_cookie(self.listening, segment, now - self.forgotten_at)
            and recall(self.listening, flow, segment, now) is not None
        )

    def _on_stranger(self, flow: bytes, segment: Segment, now: Instant) -> None:
        """LISTEN: first RST, second ACK, third SYN, fourth anything else (RFC 9293 3.10.7.2).

        # Deviation: an ACK may bring back a cookie; then it is the third segment of a handshake.
        # Deviation: for a while after a peer had to leave the table, an ACK may be its last step, not an error. No RST.
        # Deviation: a SYN with FIN is dropped, as by every host that has been scanned (T/TCP is historic).
        # Deviation: text in a SYN is not kept, but for Fast Open; our SYN,ACK says so, and the peer sends it again.
        """
        if segment.flags & RST:
            self._count("TCPListenRst")
        elif segment.flags & ACK:
            if not _may_be_cookie(self.listening, segment, now - self.forgotten_at) or not self._on_cookie(
                flow, segment, now
            ):
                self._on_unexpected_ack(flow, segment, now)
        elif not segment.flags & SYN or (segment.flags & FIN and not self.config.listening.syn_fin):
            self._count("TCPListenOddFlags")
        else:
            segment.flags &= ~FIN
            self._on_syn(flow, segment, now)

    def _on_unexpected_ack(self, flow: bytes, segment: Segment, now: Instant) -> None:
        """<SEQ=SEG.ACK><CTL=RST>, also for a cookie that is forged or too old: nothing tells whether any are out."""
        is_evicting = self.listening.cookies is None and now - self.forgotten_at < EVICTION_MEMORY
        if is_evicting and not segment.flags & SYN:
            self._count("TCPListenAckAfterEviction")
            return
        self._reply(flow, reset_for(segment))
        self._count("TCPListenAck")
        self._count("OutRsts")

    def _on_cookie(self, flow: bytes, segment: Segment, now: Instant) -> bool:
        """The ACK of a stranger: a connection, if it brings back a cookie (RFC 4987 3.6); False if it does not.

        TCP_DEFER_ACCEPT does not hold here, as in Linux: no SYN,ACK would be sent again.
        """
        recalled = recall(self.listening, flow, segment, now)
        if recalled is None:
            self._count("SyncookiesFailed")
            return False
        self._count("SyncookiesRecv")
        if self._has_room(flow, reset_for(segment)):
            connection = _resume(self.listening, *recalled, self.config, now)
            connection.on_segment(segment, now)
            self._accept(flow, connection, now)
        return True

    def _on_syn(self, flow: bytes, segment: Segment, now: Instant) -> None:
        """The SYN of a new peer: a record, an ISS, and <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>.

        With a Fast Open cookie it is a connection at once, and that answers itself (RFC 7413 4.2.2).
        """
        listening, fast_open = self.listening, self.listening.admission.fast_open
        limits = listening.paths(flow)
        record = make_record(listening, flow, segment, limits)
        judgement = REFUSED
        if fast_open is not None and self.config.fast_open.server and len(self._accepted) < listening.backlog:
            judgement = fast_open.judge(flow, segment, self.config.fast_open, now)
        if fast_open is not None and judgement.is_accepted:
            record.iss = choose_iss(listening, record, now)
            connection = _resume(listening, record, limits, self.config, now)
            begin_at_server(connection.tcb, segment, judgement.option, now)
            fast_open.add(connection.tcb, now)
            self._accept(flow, connection, now)
        elif self._admit(record, now):
            reply = syn_ack(listening, record, now, limits)
            assert reply.options is not None
            reply.options.fast_open = judgement.option
            self._reply(flow, reply)

    def _admit(self, record: HalfOpen, now: Instant) -> bool:
        """Chooses an ISS; the record gets a place in the table, at the cost of another, or its peer has to keep it.

        The latter, a cookie, for all who find none (the hybrid of RFC 4987 3.7). False if there is neither.
        """
        listening, cookies = self.listening, self.listening.cookies
        evicted: HalfOpen | None = record
        if not listening.admission.always_cookies:
            record.iss = choose_iss(listening, record, now)
            evicted = listening.table.add(record, now, kept_from(listening, record.flow, now))
        if evicted is None:
            return True
        if evicted is not record or cookies is None:
            self._count("TCPReqQFullDrop")
        else:
            bake(cookies, record, now)
            self._count("SyncookiesSent")
        if evicted is record and cookies is None:
            return False
        self.forgotten_at = now
        return True

    def _on_half_open(self, record: HalfOpen, segment: Segment, now: Instant) -> None:
        """SYN-RECEIVED (RFC 9293 3.10.7.4). The same SYN again: our SYN,ACK was lost.

        Anything else is shown to the connection that the record would become. If that is established, it is one; if it
        is closed, by a RST or another SYN, the peer is back in LISTEN, and nobody hears of it (MUST-11); if neither,
        it is forgotten, but for what it has to answer, and whether that was a challenge: of those there is one for each
        SYN,ACK, or two listeners whose peers were forged would go on answering each other for ever (RFC 5961 5.3).
        """
        if self.config.arrivals.order == "bsd" and not self._passes_syncache(record, segment, now):
            return
        if segment.flags & (SYN | ACK | RST) == SYN and segment.seq == wrap(record.irs):
            self._reply(record.flow, _answer_again(self.listening, self._visits, record, segment, now))
            return
        if self.config.arrivals.order == "linux":
            record.is_challenged = self._visits.is_answered(record.flow, now, self.config.acks.challenge_interval)
        refusal = reset_for(segment)
        connection = _resume(self.listening, record, self.listening.paths(record.flow), self.config, now)
        connection.on_segment(segment, now)
        if connection.state is State.SYN_RECEIVED:
            self._reply(record.flow, _answer(self.listening, self._visits, record.flow, connection, now))
        elif connection.state is State.CLOSED:
            self.listening.table.reset(record.flow)
            self._visits.forget(record.flow)
            self._count("EmbryonicRsts")
            if self.config.listening.refuses_second_syn and segment.flags & (SYN | RST) == SYN:
                self._reply(record.flow, refusal)
        elif _is_deferred(record, connection, self.config):
            self._count("TCPDeferAcceptDrop")
            self._visits.note_acknowledgment(record.flow)
        elif self._has_room(record.flow, refusal):
            self.listening.table.complete(record.flow)
            self._accept(record.flow, connection, now)

    def _passes_syncache(self, record: HalfOpen, segment: Segment, now: Instant) -> bool:
        """Whether the segment may end the handshake; else it is answered here, as a BSD does."""
        table, flow, weak = self.listening.table, record.flow, self.config.security.allowed()
        window = syn_window(self.config.buffers, 0)
        is_exact = weak is None or not weak.lacks("rst")
        fate = fate_of(record, segment, window, is_exact, self.config.options.needs_timestamps)
        if fate is Fate.GO_ON:
            return True
        self._count(f"TCPSyncache{fate.name.title()}")
        if fate in (Fate.FORGET, Fate.EXPEL):
            table.reset(flow)
        if fate in (Fate.REFUSE, Fate.EXPEL):
            self._reply(flow, reset_for(segment))
        elif fate is Fate.REPEAT:
            renew(record, segment)
            table.add(record, now)
            self._reply(flow, syn_ack(self.listening, record, now))
        elif fate is Fate.CHALLENGE:
            acks = self.config.acks
            if self._challenges.take(flow, now, acks.challenge_count, acks.challenge_interval):
                self._reply(flow, challenge(self.listening, record, now))
        return False

    def _has_room(self, flow: bytes, refusal: Segment | None) -> bool:
        """Whether a further connection may wait to be accepted, else the ACK that would make one is dropped, and
        counted, and perhaps answered."""
        if len(self._accepted) < self.listening.backlog and not self.is_crowded:
            return True
        self._count("ListenOverflows")
        if self.config.listening.overflow != "wait":
            self.listening.table.reset(flow)
        if self.config.listening.overflow == "reset":
            self._reply(flow, refusal)
        return False

    def _accept(self, flow: bytes, connection: Connection, now: Instant) -> None:
        self._visits.forget(flow)
        if self.listening.admission.proven is not None:
            self.listening.admission.proven.note(flow, now)
        self._accepted.append((flow, connection))
        self._count("PassiveOpens")

    def on_deadline(self, now: Instant) -> None:
        """SYN,ACKs that nothing has come of are sent again, or their peers given up (MUST-22: R2 is a count here)."""
        for record in self.listening.table.expire(now):
            if record.is_dropped:
                self._visits.forget(record.flow)
                self._count("TCPHalfOpenTimeout")
                if self.listening.cookies is not None and self.config.arrivals.order != "bsd":
                    self.forgotten_at = now  # a BSD believes cookies only after those that were sent for want of room
            elif not self._visits.may_rest(record.flow, record.retransmissions - 1, self.config.listening.defer_accept):
                self._reply(record.flow, syn_ack(self.listening, record, now))
                self._count("TCPSynAckRetrans")

    def next_deadline(self) -> Instant:
        """When the next half-open peer wants to be looked at."""
        return self.listening.table.next_deadline()

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
        self.listening.counters.add(name)


def _resume(listening: Listening, record: HalfOpen, limits: PathLimits, config: TcpConfig, now: Instant) -> Connection:
    """The connection that a record becomes, if its first segment is the right one."""
    connection = Connection.resume(make_opening(listening, record, limits), record, now)
    connection.configure(limits.configured(config))
    return connection


def _answer_again(listening: Listening, visits: Visits, record: HalfOpen, syn: Segment, now: Instant) -> Segment | None:
    """SYN,ACK for the same SYN. Linux limits how often, and starts the timer anew."""
    flow, config = record.flow, listening.config
    if config.arrivals.order == "linux":
        if visits.is_answered(flow, now, config.acks.challenge_interval):
            listening.counters.add("TCPACKSkippedSynRecv")
            return None
        visits.note_answer(flow, now)
        listening.table.restart(flow, now)
    _suspect(listening, record, syn)
    listening.counters.add("TCPSynAckAgain")
    return syn_ack(listening, record, now)


def _answer(listening: Listening, visits: Visits, flow: bytes, connection: Connection, now: Instant) -> Segment | None:
    """What is out of place in SYN-RECEIVED gets an ACK or a RST, and the peer stays half-open.

    A wrong ACK is one guess at our ISS; RFC 9293 3.10.7.4 sets no limit to them, but there may be a budget.
    """
    tcb, table, budget = connection.tcb, listening.table, listening.admission.bad_ack_budget
    is_linux = listening.config.arrivals.order == "linux"
    if tcb.owed.challenged_at == now and is_linux:
        visits.note_answer(flow, now)
    elif tcb.owed.challenged_at == now:
        table.flag(flow, CHALLENGED)
    if tcb.owed.reset is not None and budget is not None and table.count_bad_ack(flow) >= budget:
        table.reset(flow)
        listening.counters.add("TCPBadAckBudget")
    reply = connection.poll_transmit(now)
    if reply is not None and is_linux and not reply.flags & RST:
        reply.window = min(tcb.rcv.limit, tcb.rcv.widest) >> tcb.rcv.shift
    return reply


def _suspect(listening: Listening, record: HalfOpen, syn: Segment) -> None:
    """The same SYN again: somebody may have spoilt ECN, or the peer given it up, as if that helped (RFC 9768 3.1.5)."""
    if record.ecn & ACCURATE and not syn.flags & ACE:
        listening.table.flag(record.flow, SUSPECTED)


def _may_be_cookie(listening: Listening, segment: Segment, since: Duration) -> bool:
    """Whether the ACK of a stranger is worth a hash, and may be tried, so long after the last one lost his record."""
    if listening.cookies is None or since >= 2 * EPOCH:
        return False
    return segment.flags & (SYN | ACK | RST) == ACK


def _fails_to_allocate(listening: Listening) -> bool:
    """4.2BSD made a socket for whatever reached a listener, and looked at the flags when it had one."""
    security, table = listening.config.security, listening.table
    return security.legacy_alloc_before_flags and len(table) >= table.capacity and security.allowed() is not None


def _is_deferred(record: HalfOpen, connection: Connection, config: TcpConfig) -> bool:
    """The peer has nothing to say yet, and may take its time: it stays half-open until it has (TCP_DEFER_ACCEPT).

    The time is known by how often our SYN,ACK was due again meanwhile; a Linux does not send it then.
    """
    waited = ((1 << record.retransmissions) - 1) * SYNACK_TIMEOUT
    has_text = len(connection.tcb.rcv.queue) > 0 or connection.state is not State.ESTABLISHED
    return not has_text and waited < config.listening.defer_accept
