"""One end of a connection, driven in virtual time: the test is its peer, its user and its clock.

    exchange = Exchange.active()
    exchange.peer.expects("S 0:0(0) win 65535 <mss 1460,...>")
    exchange.peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1460>")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.user.sends(100)
    exchange.peer.expects("P. 1:101(100) ack 1")
    exchange.after(seconds(1))
    exchange.peer.expects("P. 1:101(100) ack 1")

After every input, call and deadline the connection is polled until it says no more; what it has sent waits for
`Peer.expects`, with its time. Text is never spelled out: the octet at each position of a stream is given (`text`),
both ends write it, and both check what they get.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.octets import Buffer
from halfopen.tcp.config import DEFAULT, TcpConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.events import Closed, Event, SoftError
from halfopen.tcp.half_open import HalfOpenTable
from halfopen.tcp.isn import FixedIsn
from halfopen.tcp.listener import Listener
from halfopen.tcp.passive import Listening, PathLimits
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening
from halfopen.testing.notation import Written, parse
from halfopen.wire.tcp import Segment

LOCAL_PORT = 80
REMOTE_PORT = 49152
FLOW = bytes((192, 0, 2, 2, 192, 0, 2, 1)) + REMOTE_PORT.to_bytes(2, "big") + LOCAL_PORT.to_bytes(2, "big")
START: Instant = 1 * SECOND
"""When every exchange begins; so the timestamp clock, with no offset, begins at 1000."""
LOOP_LIMIT = 100_000
"""Segments or deadlines in a row after which a connection is taken to be talking to itself."""

_PERIOD = 251
_PATTERN = bytes(range(_PERIOD)) * (65536 // _PERIOD + 2)


class ExchangeError(AssertionError):
    """What was seen is not what was expected."""


def text(position: int, octets: int) -> bytes:
    """The octets ``[position, position + octets)`` of either stream; its first octet is at 1."""
    first = position % _PERIOD
    pattern = _PATTERN if first + octets <= len(_PATTERN) else _PATTERN * (octets // len(_PATTERN) + 2)
    return pattern[first : first + octets]


def describe(event: Event) -> str:
    """``"Readable"``, ``"Closed: ConnectionReset"``: an event in the words of `User.hears`."""
    name = type(event).__name__
    if isinstance(event, Closed):
        return name if event.reason is None else f"{name}: {type(event.reason).__name__}"
    if isinstance(event, SoftError):
        return f"{name}: {type(event.error).__name__}"
    return name


@dataclass(slots=True, frozen=True)
class Seen:
    """A segment that the connection has sent: when, counted from the start of the exchange, and in words."""

    when: Duration
    segment: Segment
    words: Written

    def __str__(self) -> str:
        return str(self.words)


@dataclass(slots=True, frozen=True, kw_only=True)
class Setting:
    """What an exchange is made with: the initial sequence numbers of us and the peer, and the fields of `Opening`."""

    iss: int = 1_000_000
    irs: int = 2_000_000
    mss: int = 1460
    burst: int = 0
    config: TcpConfig = DEFAULT
    backlog: int = 8
    is_passive: bool = False


class Exchange:
    """A `Connection`, or a `Listener` and the connection that it makes, alone in the world with one test."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.now: Instant = START
        self.counters = Counters()
        self.events: list[Event] = []
        """Every event so far."""
        self.peer = Peer(self)
        self.user = User(self)
        self.sent: deque[Seen] = deque()
        """What the connection has sent and no `Peer.expects` has taken."""
        self.listener: Listener | None = None
        self._connection: Connection | None = None
        self._log: list[str] = []
        self._open()

    @classmethod
    def active(cls, setting: Setting | None = None) -> "Exchange":
        """The connection is opened here (RFC 9293 3.10.1): its SYN is the first segment to expect."""
        return cls(setting or Setting())

    @classmethod
    def passive(cls, setting: Setting | None = None) -> "Exchange":
        """The peer opens the connection: its SYN is the first segment to send."""
        return cls(replace(setting or Setting(), is_passive=True))

    @classmethod
    def established(
        cls, setting: Setting | None = None, *, window: int = 65535, options: str = "mss 1460"
    ) -> "Exchange":
        """A connection with the handshake behind it, opened here or, by ``setting.is_passive``, by the peer.

        ``window`` and ``options`` are those of the peer's SYN; the first ``window`` field without SYN is the same.
        """
        exchange = cls(setting or Setting())
        if exchange.setting.is_passive:
            exchange.peer.sends(f"S 0:0(0) win {window} <{options}>")
            exchange.peer.expects_any("S.")
            exchange.peer.sends(f". 1:1(0) ack 1 win {window}{exchange._echo(options)}")
        else:
            exchange.peer.expects_any("S")
            exchange.peer.sends(f"S. 0:0(0) ack 1 win {window} <{options}>")
            exchange.peer.expects_any(".")
        exchange.user.hears("Connected")
        return exchange

    def _echo(self, options: str) -> str:
        """The timestamps option again, for the segment that follows the peer's SYN."""
        stamps = parse(f"S 0:0(0) <{options}>").options
        value = stamps.timestamps if stamps is not None else None
        return f" <TS val {value[0]} ecr {START // 1_000_000}>" if value is not None else ""

    def _open(self) -> None:
        setting = self.setting
        if setting.is_passive:
            limits = PathLimits(mss=setting.mss, burst=setting.burst)
            self.listener = Listener(
                Listening(
                    port=LOCAL_PORT,
                    isn=FixedIsn(setting.iss),
                    paths=lambda flow: limits,
                    table=HalfOpenTable(64, bytes(16), synack_retries=setting.config.retransmission.synack_retries),
                    backlog=setting.backlog,
                    config=setting.config,
                    counters=self.counters,
                )
            )
        else:
            opening = Opening(
                local_port=LOCAL_PORT,
                remote_port=REMOTE_PORT,
                iss=setting.iss,
                mss=setting.mss,
                burst=setting.burst,
                config=setting.config,
                counters=self.counters,
            )
            self._connection = Connection.open(opening, self.now)
            self.settle()

    @property
    def connection(self) -> Connection:
        """The connection; ExchangeError if the listener has none yet."""
        if self._connection is None:
            raise ExchangeError(self.story("a connection", "a listener that has made none"))
        return self._connection

    @property
    def state(self) -> State:
        """The connection's, or LISTEN, or SYN-RECEIVED while the peer is in the half-open table."""
        if self._connection is not None:
            return self._connection.state
        assert self.listener is not None
        return State.SYN_RECEIVED if len(self.listener.half_open) else State.LISTEN

    @property
    def elapsed(self) -> Duration:
        """Time since the exchange began."""
        return self.now - START

    def on_segment(self, segment: Segment) -> None:
        """SEGMENT ARRIVES, at the connection, or at the listener while there is none."""
        self._log_line("<", Written.of(segment, self.setting.irs, self.setting.iss))
        if self._connection is not None:
            self._connection.on_segment(segment, self.now)
        elif self.listener is not None:
            self.listener.on_segment(FLOW, segment, self.now)
            accepted = self.listener.poll_accept()
            if accepted is not None:
                self._connection = accepted[1]

    def call(self, command: Callable[[Connection, Instant], object]) -> None:
        """Any input or command that the peer and the user here have no word for."""
        command(self.connection, self.now)
        self.settle()

    def after(self, duration: Duration) -> list[Seen]:
        """Lets time pass, and each deadline expire at its time; returns what was sent meanwhile.

        It can still be expected.
        """
        end = self.now + duration
        before = len(self.sent)
        for _ in range(LOOP_LIMIT):
            deadline = self.next_deadline()
            if deadline > end:
                self.now = end
                return list(self.sent)[before:]
            self.now = max(self.now, deadline)
            if self._connection is not None:
                self._connection.on_deadline(self.now)
            elif self.listener is not None:
                self.listener.on_deadline(self.now)
            self.settle()
        raise ExchangeError(self.story("the deadlines to end", f"{LOOP_LIMIT} of them"))

    def next_deadline(self) -> Instant:
        """When the connection, or the listener while there is none, wants to be called next."""
        if self._connection is not None:
            return self._connection.next_deadline()
        return self.listener.next_deadline() if self.listener is not None else NEVER

    def settle(self) -> None:
        """Polls until there is nothing more to send or to tell."""
        for _ in range(LOOP_LIMIT):
            segment = self._poll_transmit()
            if segment is None:
                break
            words = Written.of(segment, self.setting.iss, self.setting.irs)
            self._log_line(">", words)
            self._check_text(words, segment)
            self.sent.append(Seen(self.elapsed, segment, words))
        else:
            raise ExchangeError(self.story("silence in the end", f"{LOOP_LIMIT} segments at once"))
        while self._connection is not None and (event := self._connection.poll_event()) is not None:
            self.events.append(event)
            self._log.append(f"{self.elapsed / SECOND:12.6f} ! {describe(event)}")

    def _poll_transmit(self) -> Segment | None:
        reply = self.listener.poll_transmit(self.now) if self.listener is not None else None
        if reply is not None:
            return reply[1]
        return self._connection.poll_transmit(self.now) if self._connection is not None else None

    def _check_text(self, words: Written, segment: Segment) -> None:
        expected = text(words.start, words.octets)
        if sum(map(len, segment.payload)) != segment.octets or b"".join(segment.payload) != expected:
            raise ExchangeError(self.story(f"the text of {words.start}:{words.start + words.octets}", "other octets"))

    def _log_line(self, direction: str, words: Written) -> None:
        self._log.append(f"{self.elapsed / SECOND:12.6f} {direction} {words}")

    def story(self, expected: str, seen: str) -> str:
        """What was expected, what was seen instead, and all that was exchanged so far."""
        lines = [f"expected  {expected}", f"but saw   {seen}", "exchanged so far (< by the peer, > by the connection):"]
        return "\n".join(lines + (self._log or ["   nothing"]))


class Peer:
    """The other end: writes and reads segments in words."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._window = 65535

    def sends(self, *segments: str) -> None:
        """Segments arrive, all at once: nothing is answered before the last.

        A window that is not written is the one last written.
        """
        for segment in segments:
            self._sends_one(segment)
        self._exchange.settle()

    def _sends_one(self, segment: str) -> None:
        words = parse(segment)
        setting = self._exchange.setting
        payload = (text(words.start, words.octets),) if words.octets else ()
        arriving = words.segment((REMOTE_PORT, LOCAL_PORT), setting.irs, setting.iss, payload)
        if words.window is None:
            arriving.window = self._window
        self._window = arriving.window
        self._exchange.on_segment(arriving)

    def sends_segment(self, segment: Segment) -> None:
        """A segment that words cannot say, such as one with other text than `text`."""
        self._exchange.on_segment(segment)
        self._exchange.settle()

    def expects(self, segment: str) -> Seen:
        """The next segment is as written; what is not written may be anything."""
        expected = parse(segment)
        seen = self._next(str(expected))
        if not expected.matches(seen.words):
            raise ExchangeError(self._exchange.story(str(expected), str(seen.words)))
        return seen

    def expects_any(self, flags: str) -> Seen:
        """The next segment has these flags, whatever else it says."""
        seen = self._next(f"a segment with the flags {flags}")
        if str(seen.words).lstrip("[").partition(" ")[0] != flags:
            raise ExchangeError(self._exchange.story(f"a segment with the flags {flags}", str(seen.words)))
        return seen

    def expects_nothing(self) -> None:
        """Nothing has been sent that was not expected."""
        if self._exchange.sent:
            raise ExchangeError(self._exchange.story("nothing", str(self._exchange.sent[0])))

    def ignores(self) -> list[Seen]:
        """Takes all that was sent and no expectation has taken, whatever it is."""
        ignored = list(self._exchange.sent)
        self._exchange.sent.clear()
        return ignored

    def _next(self, expected: str) -> Seen:
        if not self._exchange.sent:
            raise ExchangeError(self._exchange.story(expected, "nothing"))
        return self._exchange.sent.popleft()


class User:
    """The side that calls: SEND, RECEIVE, CLOSE and ABORT (RFC 9293 3.10), and hears of events."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._heard = 0
        self._sent = 1
        self._read = 1

    def sends(self, octets: int, *, urgent: bool = False) -> None:
        """SEND of the next ``octets`` of our stream."""
        buffer: Buffer = text(self._sent, octets)
        self._exchange.call(lambda connection, now: connection.send(buffer, now, urgent))
        self._sent += octets

    def reads(self, octets: int) -> None:
        """RECEIVE of ``octets``, which must all be there, and be those of the peer's stream."""
        connection, now = self._exchange.connection, self._exchange.now
        taken = b"".join(connection.receive(octets, now))
        if taken != text(self._read, octets):
            seen = f"{len(taken)} octets" if len(taken) != octets else "other octets"
            raise ExchangeError(self._exchange.story(f"{octets} octets to read from {self._read} on", seen))
        self._read += octets
        self._exchange.settle()

    def shuts_down(self) -> None:
        """CLOSE: no more is sent, reading goes on."""
        self._exchange.call(Connection.shutdown)

    def closes(self) -> None:
        """The user is gone."""
        self._exchange.call(Connection.close)

    def aborts(self) -> None:
        """ABORT."""
        self._exchange.call(Connection.abort)

    def configures(self, config: TcpConfig) -> None:
        """Other choices from now on."""
        self._exchange.call(lambda connection, now: connection.configure(config))

    def hears(self, *events: str) -> None:
        """Exactly these have happened since this was last asked, as `describe` words them; none is an answer too."""
        heard = [describe(event) for event in self._exchange.events[self._heard :]]
        if heard != list(events):
            raise ExchangeError(self._exchange.story(", ".join(events) or "no event", ", ".join(heard) or "no event"))
        self._heard = len(self._exchange.events)

    @property
    def readable_octets(self) -> int:
        """Octets that `reads` can take now."""
        return len(self._exchange.connection.tcb.rcv.queue)
