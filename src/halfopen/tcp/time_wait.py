"""TIME-WAIT: what is left of a connection for 2 MSL after its end (RFC 9293 3.10.7.4; RFC 1337; RFC 6191)."""

from dataclasses import dataclass
from typing import Final

from halfopen.base.clock import MILLISECOND, Duration, Instant
from halfopen.tcp.seqnum import signed_difference, wrap
from halfopen.tcp.timestamps import RECENT_EXPIRES, clock_value
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment
from halfopen.wire.tcp_options import Options

IGNORE: Final = 0
ACKNOWLEDGE: Final = 1
REOPEN: Final = 2

ACK_INTERVAL: Final[Duration] = 500 * MILLISECOND
"""At most one answer to segments out of place in this time (RFC 5961 7; Linux ``tcp_invalid_ratelimit``)."""
_NOT_YET: Final[Instant] = -ACK_INTERVAL


@dataclass(slots=True, frozen=True)
class TimeWaitResult:
    """What a segment led to: IGNORE, ACKNOWLEDGE with the ``reply`` to send, or REOPEN.

    REOPEN: a listener may take the SYN. It chooses an ISS above `TimeWait.snd_nxt` (RFC 1122 4.2.2.13 (a)), and keeps
    the record until the new handshake is complete (b). Where nobody listens, `TimeWait.challenge` is the answer.
    ``counter`` is the name under which this is counted, or empty.
    """

    action: int
    counter: str = ""
    reply: Segment | None = None


_NOTHING_NEW: Final = TimeWaitResult(IGNORE)
_REOPEN: Final = TimeWaitResult(REOPEN, "TWRecycled")
_RST_IGNORED: Final = TimeWaitResult(IGNORE, "TCPTimeWaitRstIgnored")
_RST_BELIEVED: Final = TimeWaitResult(IGNORE, "TCPTimeWaitRst")
_NO_ACK_BIT: Final = TimeWaitResult(IGNORE, "TCPTimeWaitNoAck")
_SKIPPED: Final = TimeWaitResult(IGNORE, "TCPACKSkippedTimeWait")


@dataclass(slots=True, frozen=True)
class TimeWaitRules:
    """What segments in TIME-WAIT may do."""

    ignores_rst: bool = True
    """RFC 1337 3, fix F1: the echo of an old duplicate must not end TIME-WAIT."""
    is_bsd: bool = False
    """Segments are looked at in 4.4BSD's order: no answer is one too many, and a SYN's number alone decides."""
    is_linux: bool = False
    """A RST has to be exact, and in time; what is in place is never answered; the successor's ISS is foreseen."""
    needs_timestamps: bool = False
    """What comes without the timestamps agreed on is dropped (RFC 7323 3.2)."""


DEFAULT_RULES: Final = TimeWaitRules()


@dataclass(slots=True, eq=False)
class TimeWait:
    """A dozen numbers in the place of a connection; ``deadline`` is when they may be forgotten.

    ``rcv_wnd`` is the 16-bit field to advertise, already scaled; sequence numbers may be wrapped or not. ``ts_recent``
    None: the connection had no timestamps; ``ts_offset`` None: this host uses none at all. ``duration`` is 2 MSL.
    """

    source_port: int
    destination_port: int
    snd_nxt: int
    rcv_nxt: int
    rcv_wnd: int
    deadline: Instant
    duration: Duration
    ts_recent: int | None = None
    ts_recent_at: Instant = 0
    ts_offset: int | None = None
    acknowledged_at: Instant = _NOT_YET
    """When an answer to a segment out of place was last sent."""
    rules: TimeWaitRules = DEFAULT_RULES

    def on_segment(self, segment: Segment, now: Instant) -> TimeWaitResult:
        """SEGMENT ARRIVES in TIME-WAIT, where "the only thing that can arrive is a retransmission of the remote FIN".

        Segments out of place are acknowledged, limited in rate, so that two such ends cannot keep each other talking.
        """
        flags = segment.flags
        if self.rules.is_linux:
            return self._on_segment_as_linux(segment, now)
        if flags & RST:
            if self.rules.ignores_rst or not 0 <= signed_difference(segment.seq, self.rcv_nxt) <= self.rcv_wnd:
                return _RST_IGNORED
            self.deadline = now
            return _RST_BELIEVED
        if self.rules.is_bsd:
            return self._on_segment_as_bsd(segment, now)
        if flags & SYN and not flags & ACK:
            return _REOPEN if self.may_reopen(segment) else self.challenge(now)
        if not flags & ACK:
            return _NO_ACK_BIT
        timestamps = segment.options.timestamps if segment.options is not None else None
        if timestamps is not None and self._is_old(timestamps[0], now):
            return self._answer("PAWSTimewait", now)
        start = signed_difference(segment.seq, self.rcv_nxt)
        if flags & FIN and not flags & SYN and start + segment.octets == -1:
            self._learn(timestamps, now)
            self.deadline = now + self.duration
            return TimeWaitResult(ACKNOWLEDGE, "TCPTimeWaitFin", self._acknowledgment(now))
        if start != 0 or segment.length or signed_difference(segment.ack, self.snd_nxt) > 0:
            return self._answer("TCPTimeWaitOutOfPlace", now)
        self._learn(timestamps, now)
        return _NOTHING_NEW

    def _on_segment_as_linux(self, segment: Segment, now: Instant) -> TimeWaitResult:
        """``tcp_timewait_state_process``: PAWS is for RSTs, too."""
        flags, start = segment.flags, signed_difference(segment.seq, self.rcv_nxt)
        timestamps = segment.options.timestamps if segment.options is not None else None
        is_old = timestamps is not None and self._is_old(timestamps[0], now)
        if not is_old and start == 0 and (flags & RST or not segment.length):
            if flags & RST and not self.rules.ignores_rst:
                self.deadline = now
                return _RST_BELIEVED
            self._learn(timestamps, now)
            if flags & RST:
                return _RST_IGNORED
            self.deadline = now + self.duration
            return _NOTHING_NEW
        if flags & (SYN | ACK | RST) == SYN and not is_old and self._follows(start, timestamps):
            return _REOPEN
        if flags & RST:
            return _RST_IGNORED
        if is_old or flags & ACK:
            self.deadline = now + self.duration
        counter = "PAWSTimewait" if is_old else "TCPTimeWaitOutOfPlace"
        if segment.length and not flags & SYN:
            return TimeWaitResult(ACKNOWLEDGE, counter, self._acknowledgment(now))
        return self._answer(counter, now)

    def _follows(self, start: int, timestamps: tuple[int, int] | None) -> bool:
        """A SYN above all of the old connection, by its number or by its timestamp."""
        if start > 0:
            return True
        return (
            timestamps is not None
            and self.ts_recent is not None
            and signed_difference(timestamps[0], self.ts_recent) > 0
        )

    def _on_segment_as_bsd(self, segment: Segment, now: Instant) -> TimeWaitResult:
        """Any segment with ACK that is not a bare duplicate is acknowledged; FreeBSD's ``tcp_twcheck``."""
        flags = segment.flags
        if self.gives_way(segment):
            return _REOPEN
        start = signed_difference(segment.seq, self.rcv_nxt)
        timestamps = segment.options.timestamps if segment.options is not None else None
        is_missing = self.rules.needs_timestamps and self.ts_recent is not None and timestamps is None
        if not flags & ACK or is_missing:
            return _NO_ACK_BIT
        if flags & FIN and start + segment.length == 0:
            self.deadline = now + self.duration
        if flags == ACK and not segment.octets and start == 0 and segment.ack == wrap(self.snd_nxt):
            return _NOTHING_NEW
        return TimeWaitResult(ACKNOWLEDGE, "TCPTimeWaitOutOfPlace", self._acknowledgment(now))

    def gives_way(self, segment: Segment) -> bool:
        """A BSD lets go of the old connection for any SYN above it, even if its user has not closed."""
        if not self.rules.is_bsd or segment.flags & (SYN | ACK | RST) != SYN:
            return False
        return signed_difference(segment.seq, self.rcv_nxt) > 0

    def challenge(self, now: Instant) -> TimeWaitResult:
        """The answer to a SYN that opens nothing, as in every synchronized state (RFC 5961 4.2)."""
        return self._answer("TCPSYNChallenge", now)

    def may_reopen(self, syn: Segment) -> bool:
        """Whether ``syn`` is certainly newer than everything of the old connection (RFC 6191 2; RFC 1122 4.2.2.13).

        Timestamps decide if the old and the new connection have them, their mere presence if only the new one has them;
        otherwise, and between equal ones, SEG.SEQ has to be greater than the last sequence number seen, the FIN's.
        """
        is_above = signed_difference(syn.seq, self.rcv_nxt) >= 0
        timestamps = syn.options.timestamps if syn.options is not None else None
        if timestamps is None or self.ts_offset is None:
            return is_above
        if self.ts_recent is None:
            return True
        ticks = signed_difference(timestamps[0], self.ts_recent)
        return ticks > 0 or (ticks == 0 and is_above)

    def _is_old(self, value: int, now: Instant) -> bool:
        """PAWS (RFC 7323 5.3 R1)."""
        if self.ts_recent is None:
            return False
        return signed_difference(value, self.ts_recent) < 0 and now - self.ts_recent_at < RECENT_EXPIRES

    def _learn(self, timestamps: tuple[int, int] | None, now: Instant) -> None:
        """TS.Recent from a segment that is in place (RFC 7323 4.3), so that the next ACK echoes it."""
        if timestamps is not None and self.ts_recent is not None:
            self.ts_recent = timestamps[0]
            self.ts_recent_at = now

    def _answer(self, counter: str, now: Instant) -> TimeWaitResult:
        if now - self.acknowledged_at < ACK_INTERVAL:
            return _SKIPPED
        self.acknowledged_at = now
        return TimeWaitResult(ACKNOWLEDGE, counter, self._acknowledgment(now))

    def _acknowledgment(self, now: Instant) -> Segment:
        """``<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>``, with timestamps if the connection had them."""
        options = None
        if self.ts_recent is not None and self.ts_offset is not None:
            options = Options(timestamps=(clock_value(self.ts_offset, now), self.ts_recent))
        return Segment(
            source_port=self.source_port,
            destination_port=self.destination_port,
            seq=wrap(self.snd_nxt),
            ack=wrap(self.rcv_nxt),
            flags=ACK,
            window=self.rcv_wnd,
            options=options,
        )
