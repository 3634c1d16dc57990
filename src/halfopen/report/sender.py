"""What a capture tells of a sender: what was outstanding, how long ACKs took, when it recovered from a loss.

All of it is seen from the sender's place: its segments when they left, the ACKs when they had come to it. Where the
capture has only one place, that is the place.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from halfopen.base.clock import Duration, Instant
from halfopen.base.intervals import IntervalSet
from halfopen.report.flows import Flow, Sent, Stream, acknowledgements
from halfopen.wire import tcp

Phase: TypeAlias = Literal["slow start", "congestion avoidance", "recovery", "loss"]
"""Of congestion control (RFC 5681 3; *loss* is what follows a retransmission timeout)."""

Points: TypeAlias = list[tuple[Instant, int]]

_CONTROL = tcp.SYN | tcp.FIN | tcp.RST


@dataclass(slots=True, frozen=True)
class Span:
    """A phase from ``start`` to ``stop``."""

    start: Instant
    stop: Instant
    phase: Phase


@dataclass(slots=True)
class SenderView:
    """One direction of a connection, as its sender saw it.

    ``acked`` and ``allowed`` are SND.UNA and the right edge of the window, ``outstanding`` is SND.NXT - SND.UNA,
    ``delivered`` how many octets an ACK or its SACK blocks were the first to tell of, and
    ``round_trips`` has a Duration for each ACK that tells one (RFC 6298 3, Karn's algorithm; SACK counts).
    """

    stream: Stream
    acked: Points = field(default_factory=list)
    allowed: Points = field(default_factory=list)
    outstanding: Points = field(default_factory=list)
    delivered: Points = field(default_factory=list)
    round_trips: list[tuple[Instant, Duration]] = field(default_factory=list)
    duplicate_acks: list[tuple[Instant, Sent]] = field(default_factory=list)
    sacked: list[tuple[Instant, tuple[int, int], Sent]] = field(default_factory=list)
    zero_windows: list[tuple[Instant, Sent]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)


def sender_view(flow: Flow, stream: Stream) -> SenderView:
    """The view of the sender of ``stream``."""
    walk = _Walk(stream)
    events = [(one.passage.departed, one.passage.sightings[0].number, one, True) for one in stream.sent]
    events += [(when, one.passage.sightings[-1].number, one, False) for when, one in acknowledgements(flow, stream)]
    for when, _, one, is_sent in sorted(events, key=lambda event: event[:2]):
        if is_sent:
            walk.on_sent(when, one)
        else:
            walk.on_ack(when, one)
    walk.finish(flow.ended)
    return walk.view


@dataclass(slots=True)
class _Outstanding:
    """What waits for its ACK, and may tell a round-trip time if it has been sent only once."""

    start: int
    stop: int
    when: Instant
    is_clean: bool = True


class _Walk:
    """Goes through what was sent and acknowledged, in the order of time."""

    __slots__ = ("_duplicates", "_highest", "_last", "_phase", "_queue", "_recover", "_since", "_told", "view")

    def __init__(self, stream: Stream) -> None:
        self.view = SenderView(stream)
        self._queue: deque[_Outstanding] = deque()
        self._highest = 0
        self._last: Sent | None = None
        self._duplicates = 0
        self._phase: Phase | None = None
        self._since: Instant = 0
        self._recover = 0
        self._told = IntervalSet()

    def on_sent(self, when: Instant, one: Sent) -> None:
        """A segment left."""
        if not one.occupies:
            return
        if one.is_retransmission:
            for waiting in self._queue:
                waiting.is_clean = waiting.is_clean and (waiting.stop <= one.start or one.stop <= waiting.start)
            self._suspect(when, one)
        if one.stop > self._highest:
            first = max(one.start, self._highest) if one.is_retransmission else one.start
            self._queue.append(_Outstanding(first, one.stop, when, not one.is_retransmission))
            self._highest = one.stop
        self._note_outstanding(when)

    def _suspect(self, when: Instant, one: Sent) -> None:
        """A retransmission begins recovery, or loss if nothing but the timer can have caused it (RFC 5681 3.1, 3.2)."""
        comment = one.passage.comment
        if one.flags & tcp.SYN or "tail loss probe" in comment:
            return
        phase: Phase = "loss" if "RTO" in comment or not (comment or self._duplicates) else "recovery"
        if self._phase is None or (phase == "loss" != self._phase and "RTO" in comment):
            self._end_phase(when)
            self._phase, self._since, self._recover = phase, when, self._highest

    def _end_phase(self, when: Instant) -> None:
        if self._phase is not None and when > self._since:
            self.view.spans.append(Span(self._since, when, self._phase))
        self._phase = None

    def on_ack(self, when: Instant, one: Sent) -> None:
        """An ACK came."""
        view, last = self.view, self._last
        if view.acked and one.ack < view.acked[-1][1]:
            return  # Older than what is known: overtaken on its way.
        if last is not None and self._is_duplicate(last, one):
            view.duplicate_acks.append((when, one))
            self._duplicates += 1
        for block in one.sack:
            if last is None or block not in last.sack:
                view.sacked.append((when, block, one))
        if not one.window and not one.flags & (tcp.SYN | tcp.RST):
            view.zero_windows.append((when, one))
        if last is None or one.ack > last.ack:
            self._advance(when, one)
        self._duplicates += bool(one.sack)
        self._time(when, one)
        self._deliver(when, one)
        edge = one.ack + one.window
        if not one.flags & tcp.RST and (not view.allowed or view.allowed[-1][1] != edge):
            view.allowed.append((when, edge))
        self._last = one

    def _is_duplicate(self, last: Sent, one: Sent) -> bool:
        """RFC 5681 2: nothing new in it, while data is outstanding."""
        same = one.ack == last.ack and one.window == last.window
        return same and not one.octets and not one.flags & _CONTROL and one.ack < self._highest

    def _advance(self, when: Instant, one: Sent) -> None:
        self.view.acked.append((when, one.ack))
        self._duplicates = 0
        if self._phase is not None and one.ack >= self._recover:
            self._end_phase(when)
        self._note_outstanding(when)

    def _time(self, when: Instant, one: Sent) -> None:
        """The youngest segment that this ACK, or a SACK block of it, is the first to tell of gives the sample."""
        youngest: Instant | None = None
        while self._queue and self._queue[0].stop <= one.ack:
            waiting = self._queue.popleft()
            youngest = waiting.when if waiting.is_clean else youngest
        for left, right in one.sack:
            for waiting in self._queue:
                if waiting.is_clean and left <= waiting.start and waiting.stop <= right:
                    waiting.is_clean = False
                    youngest = max(youngest or 0, waiting.when)
        if youngest is not None:
            self.view.round_trips.append((when, when - youngest))

    def _deliver(self, when: Instant, one: Sent) -> None:
        first = self.view.acked[0][1] if self.view.acked else one.ack
        news = self._told.add(first, one.ack) + sum(self._told.add(left, right) for left, right in one.sack)
        if news:
            self.view.delivered.append((when, news))

    def _note_outstanding(self, when: Instant) -> None:
        acked = self.view.acked[-1][1] if self.view.acked else 0
        self.view.outstanding.append((when, max(0, self._highest - max(acked, self._first()))))

    def _first(self) -> int:
        """Where the capture begins, while no ACK has been seen; for who has sent nothing, ACKs of it are forged."""
        sent = self.view.stream.sent
        return sent[0].start if sent else self._highest

    def finish(self, when: Instant) -> None:
        """The capture is over."""
        self._end_phase(when)
