"""The transmission control block (RFC 9293 3.3.1): data, no decisions."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from halfopen.base.clock import NEVER, Instant
from halfopen.base.counters import Counters
from halfopen.base.enums import quick
from halfopen.base.errors import TcpError
from halfopen.base.native import mypyc_attr
from halfopen.base.trace import SILENT, TraceEvent, TraceSink
from halfopen.tcp.ack_policy import AckPolicy
from halfopen.tcp.challenges import ChallengeBudget
from halfopen.tcp.config import DEFAULT, TcpConfig
from halfopen.tcp.congestion.algorithms import make_congestion_control
from halfopen.tcp.congestion.base import CongestionControl
from halfopen.tcp.congestion.prr import Prr
from halfopen.tcp.events import Closed, SoftError
from halfopen.tcp.events import Event as UserEvent
from halfopen.tcp.fast_open import Early
from halfopen.tcp.negotiation import DEFAULT_MSS, Agreed, shared
from halfopen.tcp.rack import Rack
from halfopen.tcp.receiving import ReceiveSpace
from halfopen.tcp.rtt import RttEstimator
from halfopen.tcp.sending import SendSpace
from halfopen.tcp.state import Event, State, move
from halfopen.tcp.timers import Timers
from halfopen.tcp.timestamps import Timestamps
from halfopen.tcp.trials import Trials
from halfopen.tcp.windows import syn_window


@dataclass(slots=True, frozen=True, kw_only=True)
class Opening:
    """What OPEN needs to know (RFC 9293 3.10.1), from the host that the connection is on."""

    local_port: int
    remote_port: int
    iss: int
    mss: int = 1460
    """The MSS that the path's MTU allows: MTU less 40 for IPv4, less 60 for IPv6."""
    burst: int = 0
    """Octets of a super-segment that the interface can take; 0 if none."""
    advertised_mss: int | None = None
    """Our MSS option, if the route has another (``advmss``)."""
    default_mss: int = DEFAULT_MSS
    """What a peer without an MSS option gets: 536 for IPv4, 1220 for IPv6 (MUST-15)."""
    timestamp_offset: int = 0
    challenges: ChallengeBudget | None = None
    """The host's, which counts only if `SecurityConfig.challenge_limit` says so."""
    signature_octets: int = 0
    """Octets of every segment that the host keeps for itself, to sign them (`halfopen.tcp.guard`)."""
    config: TcpConfig = DEFAULT
    counters: Counters = field(default_factory=Counters)
    trace: TraceSink = SILENT

    @property
    def receive_mss(self) -> int:
        """What the peer's segments have at most, as far as our MSS option says so."""
        mss = self.mss if self.advertised_mss is None else self.advertised_mss
        return min(mss, self.config.options.mss or mss)


@quick
class Phase(Enum):
    """Where loss recovery stands."""

    OPEN = "open"
    RECOVERY = "fast recovery"
    LOSS = "retransmission timeout"


@quick
class Cause(Enum):
    """Why text is sent once more, in the words of captures."""

    TIMEOUT = "retransmission after RTO"
    DUPLICATES = "fast retransmission"
    RACK = "RACK retransmission"
    PATH_MTU = "retransmission in smaller segments"
    SYN = "retransmission of text sent before the handshake"


@mypyc_attr(acyclic=True)
class Recovery:
    """What loss recovery remembers (RFC 6582, RFC 6675, RFC 8985, RFC 9937)."""

    __slots__ = (
        "advance",
        "clear_at",
        "dupacks",
        "ecn_point",
        "phase",
        "point",
        "progress_at",
        "prr",
        "rack",
        "retries",
        "sent_at",
        "trials",
    )

    def __init__(self, point: int) -> None:
        self.phase = Phase.OPEN
        self.point = point
        """RecoveryPoint, ``recover`` of RFC 6582: SND.NXT when the phase was entered."""
        self.dupacks = 0
        self.advance = 0
        """By how many octets SND.UNA moved last."""
        self.prr: Prr | None = None
        self.rack: Rack | None = None
        self.trials = Trials()
        self.retries = 0
        """Timeouts or probes in a row that nothing has come of."""
        self.progress_at: Instant = 0
        """When SND.UNA last moved, or the flight began: what R2 and the user timeout count from."""
        self.ecn_point = point
        """Until SND.UNA gets here a further ECN-Echo changes nothing (RFC 3168 6.1.2)."""
        self.sent_at: Instant = 0
        """When text was last sent: what is idle since then restarts from a small window (RFC 5681 4.1)."""
        self.clear_at: Instant = 0
        """Before that no burst follows the last one (`halfopen.tcp.pacing`)."""


NO_EVENTS: Final[list[UserEvent]] = []  # what who has taken all has; never changed: what is told makes a new list
_NO_ANSWER: Final[tuple[str, Instant]] = ("", -NEVER)


@mypyc_attr(acyclic=True)
class Owed:
    """What input has marked for output to send, apart from text."""

    __slots__ = (
        "acks",
        "answer",
        "cause",
        "challenged_at",
        "cwr",
        "ece",
        "impatient",
        "probe",
        "reset",
        "syn",
        "tail_probe",
        "unanswered",
    )

    def __init__(self, config: TcpConfig) -> None:
        self.acks = AckPolicy(config.acks)
        self.answer = _NO_ANSWER
        """What the last ACK was that is not simply one of text, and when; nothing but captures asks."""
        self.cause = Cause.TIMEOUT
        """Why what is lost now is owed again; nothing but captures asks."""
        self.syn = False
        self.reset: tuple[int, int | None] | None = None
        """(SEQ, ACK or None) of a RST."""
        self.probe = False
        """A keep-alive or zero window probe."""
        self.unanswered = 0
        """Probes and timeouts since the peer last gave a sign of life."""
        self.tail_probe = False
        self.impatient = False
        """A small window has been waited for long enough (RFC 9293 3.8.6.2.1)."""
        self.ece = False
        """CE has been seen and no CWR since (RFC 3168 6.1.3)."""
        self.cwr = False
        """The next new text carries CWR."""
        self.challenged_at: Instant = -NEVER
        """When a challenge ACK was last granted (RFC 5961 7), the first of some if there may be more."""


@mypyc_attr(acyclic=True)
class User:
    """The side of the connection that faces its user."""

    __slots__ = (
        "config",
        "early",
        "events",
        "flight_limit",
        "is_active",
        "is_gone",
        "is_plain",
        "minds_room",
        "reading",
        "received_at",
        "was_warned",
        "weak",
    )

    def __init__(self, config: TcpConfig, is_active: bool) -> None:
        self.take(config)
        self.events = NO_EVENTS
        self.early: Early | None = None
        """Of a connection with Fast Open."""
        self.flight_limit = 0
        """Octets that may be in flight, by what the user's buffer holds (`Tcb.bound`)."""
        self.is_active = is_active
        """Opened by us: decides what a RST or SYN in SYN-RECEIVED means (MUST-11)."""
        self.is_gone = False
        """The user has closed: nobody will read (Linux: orphaned)."""
        self.reading = False
        """Readable has been told, and not everything has been taken since."""
        self.received_at: Instant = 0
        """When the peer last gave a sign of life (MUST-26)."""
        self.was_warned = False
        """A soft ICMP error has come."""
        self.minds_room = True
        """Writable is told, each time the queue of unacknowledged text has become shorter."""

    def poll_event(self) -> UserEvent | None:
        """The oldest event that has not been taken, or None."""
        events = self.events
        if len(events) > 1:
            return events.pop(0)
        self.events = NO_EVENTS
        return events[0] if events else None

    def take(self, config: TcpConfig) -> None:
        """The configuration from now on."""
        self.config = config
        self.weak = config.security.allowed()
        """Which rules of security do not hold; None: they all do."""
        self.is_plain = self.weak is None and config.arrivals.order == "rfc9293" and not config.options.needs_timestamps
        """Segments are looked at as RFC 9293 has it, by `halfopen.tcp.arrivals.SEGMENT_ARRIVES`."""


class Tcb:
    """Everything that is known about one connection."""

    __slots__ = (
        "agreed",
        "congestion",
        "opening",
        "owed",
        "rcv",
        "recovery",
        "rtt",
        "snd",
        "state",
        "timers",
        "timestamps",
        "user",
    )

    def __init__(self, opening: Opening, is_active: bool) -> None:
        config = opening.config
        self.opening = opening
        self.state = State.CLOSED
        self.user = User(config, is_active)
        self.agreed = shared(Agreed(mss=opening.default_mss, signature_octets=opening.signature_octets))
        self.timestamps: Timestamps | None = None
        """None unless both sides use them."""
        self.snd = SendSpace(opening.iss, opening.mss, opening.burst)
        self.rcv = ReceiveSpace(0, syn_window(config.buffers, opening.receive_mss), 0)
        times = config.retransmission
        self.rtt = RttEstimator(times.rto_initial, times.rto_min, times.rto_max, slop=config.timeouts.slop)
        if config.timeouts.rto_min_of == "whole":
            self.rtt.bound_whole()
        self.congestion: CongestionControl = make_congestion_control(config.congestion, opening.mss)
        self.recovery = Recovery(self.snd.iss)
        self.timers = Timers()
        self.owed = Owed(config)
        self.bound(config.buffers.send)

    def tell(self, event: UserEvent) -> None:
        """Puts an event where the user will find it."""
        if self.user.events:
            self.user.events.append(event)
        else:
            self.user.events = [event]

    def tell_once(self, event: UserEvent) -> None:
        """Puts an event without payload where the user will find it, unless it is there already."""
        if event not in self.user.events:
            self.tell(event)

    def warn(self, error: TcpError) -> None:
        """A `SoftError`, in the place of an untaken one of its kind; none for a user who is gone, and polls no more."""
        if self.user.is_gone:
            return
        kind, events = type(error), self.user.events
        kept = [event for event in events if not isinstance(event, SoftError) or type(event.error) is not kind]
        self.user.events = [*kept, SoftError(error)]

    def bound(self, octets: int) -> None:
        """No more than ``octets`` in flight from now on, but two segments in any case (SO_SNDBUF)."""
        self.user.flight_limit = max(octets, 2 * self.snd.mss)

    @property
    def full_size(self) -> int:
        """The octets of a full segment, for windows and ACKs: of ours, or with other manners the smaller of both."""
        mss = self.opening.mss
        return mss if self.rcv.manner == "steady" else min(mss, self.agreed.mss)

    def resize(self, size: int) -> None:
        """Segments of another size from now on: Eff.snd.MSS (MUST-16), for congestion control too."""
        self.snd.resize(size, self.opening.burst)
        self.congestion.resize(size)

    def count(self, name: str) -> None:
        """Adds one to a counter of the host."""
        self.opening.counters.add(name)

    def note(self, now: Instant, what: str, details: str = "") -> None:
        """Tells the trace; ask ``opening.trace.enabled`` first where building the words costs."""
        trace = self.opening.trace
        if trace.enabled:
            subject = f"{self.opening.local_port}>{self.opening.remote_port}"
            trace.emit(TraceEvent(now, "tcp", subject, what, details))

    def challenge(self, now: Instant, what: str = "challenge ACK") -> None:
        """Owes a challenge ACK, unless one was granted a moment ago (RFC 5961 7): per connection, never shared, so that
        nobody can count others' (CVE-2016-5696)."""
        if not self._may_challenge(now):
            self.count("TCPChallengeACKLimited")
            return
        self.owed.answer = (what, now)
        if self.user.config.arrivals.order == "bsd":
            self.owed.acks.apart()
        else:
            self.owed.acks.at_once()
        self.count("TCPChallengeACK")

    def _may_challenge(self, now: Instant) -> bool:
        weak, owed, acks = self.user.weak, self.owed, self.user.config.acks
        if weak is None or weak.challenge_limit == "connection":
            if now - owed.challenged_at >= acks.challenge_interval:
                owed.challenged_at, owed.acks.challenged_again = now, 0
                return True
            owed.acks.challenged_again += 1
            return owed.acks.challenged_again < acks.challenge_count or not acks.challenge_count
        owed.challenged_at = now
        budget = self.opening.challenges
        return weak.challenge_limit == "none" or budget is None or budget.take(now)

    def delete(self, reason: TcpError | None, event: Event = Event.DELETE) -> None:
        """Deletes the TCB: CLOSED by ``event``, all timers off, nothing held but what the user can still read.

        # Deviation: RFC 9293 3.10.7.4 flushes all queues on a RST; what arrived in order before it can be read (Linux).
        """
        if self.state is State.CLOSED:
            return
        was_told = self.state is State.TIME_WAIT
        move(self, event)
        self.timers.stop()
        self.owed.acks.deadline = NEVER
        early, rcv = self.user.early, self.rcv
        if early is not None:
            has_text = rcv.queue.stop > rcv.irs + 1 or bool(rcv.early.blocks)
            has_lost_fin = rcv.fin is not None and rcv.nxt <= rcv.fin
            early.on_end(has_text, has_lost_fin, self.user.received_at, self.user.config.fast_open)
        self.snd.queue.clear()
        self.snd.flight.clear()
        self.owed.syn = self.owed.probe = self.owed.tail_probe = False
        self.rcv.early.abandon()
        if self.user.is_gone:
            self.rcv.queue.clear()
        if not was_told:
            self.tell(Closed(reason))
