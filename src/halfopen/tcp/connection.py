"""One connection: the porter between its parts and the world (RFC 9293 3.3.2).

Four kinds of methods. *Inputs* tell it what happened: `on_segment`, `on_deadline`, `on_icmp_error`, `on_path_mtu`.
*Commands* are its user's calls: `send`, `receive`, `shutdown`, `close`, `abort`, `configure`. *Outputs* are taken from
it: `poll_transmit`, `poll_event`, `next_deadline`. *Getters* change nothing. The law: after any input or command poll
events and segments until there are none, then ask `next_deadline` once. Every input and command is told the time,
whether it needs it today or not.
"""

from halfopen.base.clock import Instant
from halfopen.base.errors import TcpError
from halfopen.base.octets import Buffer, Buffers
from halfopen.tcp import arrivals, calls, icmp_errors, output, timeouts
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.events import Event
from halfopen.tcp.fast_open import Request
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.handshake import resume, start_active
from halfopen.tcp.receiving import MAX_FIELD
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening, Tcb
from halfopen.tcp.time_wait import REOPEN, TimeWait, TimeWaitRules
from halfopen.wire.tcp import Segment


class Connection:
    """A TCP connection, from OPEN to CLOSED. Knows ports, no addresses; reads no clock; calls nobody."""

    __slots__ = ("_answer", "_time_wait", "tcb")

    def __init__(self, tcb: Tcb) -> None:
        self.tcb = tcb
        """To look at (`halfopen.tcp.status.make_status` takes a picture); written by the protocol alone."""
        self._time_wait: TimeWait | None = None
        self._answer: Segment | None = None

    @classmethod
    def open(cls, opening: Opening, now: Instant, request: Request | None = None) -> "Connection":
        """Active OPEN (RFC 9293 3.10.1): SYN-SENT; the SYN waits in `poll_transmit`.

        With a Fast Open ``request`` that has a cookie, it waits for the first `send` (RFC 7413).
        """
        tcb = Tcb(opening, is_active=True)
        start_active(tcb, now, request)
        return cls(tcb)

    @classmethod
    def resume(cls, opening: Opening, half_open: HalfOpen, now: Instant) -> "Connection":
        """SYN-RECEIVED, from a record of the half-open table; its first input answers our SYN,ACK."""
        tcb = Tcb(opening, is_active=False)
        resume(tcb, half_open, now)
        return cls(tcb)

    # Inputs

    def on_segment(self, segment: Segment, now: Instant) -> None:
        """SEGMENT ARRIVES (RFC 9293 3.10.7). The segment belongs to the connection from here on."""
        if self.tcb.state is not State.TIME_WAIT:
            arrivals.on_segment(self.tcb, segment, now)
            return
        record = self.time_wait()
        result = record.on_segment(segment, now)
        if result.action == REOPEN:  # not while the user of the old connection has not closed
            result = record.challenge(now)
        if result.counter:
            self.tcb.count(result.counter)
        if result.reply is not None:
            self._answer = result.reply
        self.tcb.timers.wait = record.deadline

    def on_deadline(self, now: Instant) -> None:
        """Some time has passed: whatever timer is due by ``now`` expires (RFC 9293 3.10.8)."""
        timeouts.on_deadline(self.tcb, now)

    def on_icmp_error(self, error: TcpError, seq: int, is_hard: bool, now: Instant) -> bool:
        """An ICMP error quotes our segment ``seq`` (as on the wire); False if it is not believed (RFC 5927)."""
        return icmp_errors.on_icmp_error(self.tcb, error, seq, is_hard)

    def on_path_mtu(self, mss: int, seq: int | None, now: Instant, *, is_known: bool = False) -> bool:
        """Our segment ``seq`` was too big: the path takes ``mss`` octets of options and text. False if not believed.

        ``is_known``: the host itself has found so, and did not send it. With ``seq`` None nothing was too big: the host
        has looked again, and the path may take more than before.
        """
        if seq is None:
            return icmp_errors.on_wider_path(self.tcb, mss)
        return icmp_errors.on_path_mtu(self.tcb, mss, seq, is_known)

    # Commands

    def send(self, buffer: Buffer, now: Instant, how: int = 0) -> None:
        """SEND (RFC 9293 3.10.2). ``buffer`` is kept, not copied; NotConnected once closing.

        ``how``: `halfopen.tcp.sending.URGENT`, `MORE`, `RECORD`, or several of them.
        """
        calls.send(self.tcb, buffer, how, now)

    def receive(self, limit: int, now: Instant) -> Buffers:
        """RECEIVE (RFC 9293 3.10.3): up to ``limit`` octets that are in order; () if there are none."""
        return calls.receive(self.tcb, limit, now)

    def shutdown(self, now: Instant) -> None:
        """CLOSE (RFC 9293 3.10.4): FIN behind what is queued. The peer's octets can still be read."""
        calls.shutdown(self.tcb, now)

    def close(self, now: Instant) -> None:
        """The user is gone: as `shutdown`, but octets that are unread or still come are answered by RST (SHLD-3)."""
        calls.close(self.tcb, now)

    def abort(self, now: Instant) -> None:
        """ABORT (RFC 9293 3.10.5): RST."""
        calls.abort(self.tcb, now)

    def configure(self, config: TcpConfig) -> None:
        """Other choices from now on; what the handshake has agreed on stays."""
        calls.configure(self.tcb, config)

    # Outputs

    def poll_transmit(self, now: Instant) -> Segment | None:
        """The next segment to send, or None."""
        if self._answer is not None:
            answer, self._answer = self._answer, None
            return answer
        return output.next_segment(self.tcb, now)

    def poll_event(self) -> Event | None:
        """The oldest event that has not been taken, or None."""
        return self.tcb.user.poll_event()

    def next_deadline(self) -> Instant:
        """When `on_deadline` wants to be called next; NEVER if no timer runs."""
        timer = self.tcb.timers.next_deadline()
        acknowledge = self.tcb.owed.acks.deadline
        return timer if timer < acknowledge else acknowledge

    # Getters

    @property
    def state(self) -> State:
        """Where in the diagram of RFC 9293 3.3.2 the connection is."""
        return self.tcb.state

    @property
    def queued_octets(self) -> int:
        """Octets of the user's that are not acknowledged, sent or not."""
        return len(self.tcb.snd.queue)

    @property
    def unsent_octets(self) -> int:
        """Octets of the user's that have never been sent."""
        return self.tcb.snd.unsent

    def time_wait(self) -> TimeWait:
        """The record that can stand in for a connection in TIME-WAIT, whose user has all that there was to read."""
        if self._time_wait is None:
            self._time_wait = _make_time_wait(self.tcb)
        return self._time_wait


def _make_time_wait(tcb: Tcb) -> TimeWait:
    timestamps = tcb.timestamps
    return TimeWait(
        source_port=tcb.opening.local_port,
        destination_port=tcb.opening.remote_port,
        snd_nxt=tcb.snd.nxt,
        rcv_nxt=tcb.rcv.nxt,
        rcv_wnd=min(tcb.rcv.wnd >> tcb.rcv.shift, MAX_FIELD),
        deadline=tcb.timers.wait,
        duration=2 * tcb.user.config.closing.msl,
        ts_recent=timestamps.recent if timestamps is not None else None,
        ts_recent_at=timestamps.recent_at if timestamps is not None else 0,
        rules=TimeWaitRules(
            ignores_rst=tcb.user.weak is None or tcb.user.weak.rfc1337,
            is_bsd=tcb.user.config.arrivals.order == "bsd",
            is_linux=tcb.user.config.arrivals.order == "linux",
            needs_timestamps=tcb.user.config.options.needs_timestamps,
        ),
        ts_offset=tcb.opening.timestamp_offset if tcb.user.config.options.timestamps else None,
    )
