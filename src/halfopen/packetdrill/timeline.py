"""When events are due, and how far off they may be."""

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.packetdrill.errors import Mismatch
from halfopen.packetdrill.notation import time_text
from halfopen.packetdrill.script import Clock, Event, PacketLine, Position
from halfopen.packetdrill.settings import Settings

PATIENCE = 2 * SECOND
"""How long past its time an outbound packet is waited for."""


class Timeline:
    """Times of events as instants.

    A relative time counts from when the event before has finished; between two inbound packets from when the first
    was scheduled, so that a train of packets keeps its pace.
    """

    __slots__ = ("_finished", "_last_was_inbound", "_scheduled", "_settings", "start")

    def __init__(self, start: Instant, settings: Settings) -> None:
        self.start = start
        self._settings = settings
        self._finished = self._scheduled = start
        self._last_was_inbound = False

    def due(self, event: Event) -> Instant:
        """When ``event`` is scheduled; of one at any time, the end of the one before."""
        when = event.when
        match when.clock:
            case Clock.ABSOLUTE:
                return self.start + when.at
            case Clock.RELATIVE:
                return self._base(event) + when.at
            case Clock.ANY:
                return self._finished

    def _base(self, event: Event) -> Instant:
        return self._scheduled if self._last_was_inbound and _is_inbound(event) else self._finished

    def returns(self, event: Event) -> Instant:
        """When a blocking call is to return; it is written from the same base as its start."""
        return self.due(event) - event.when.at + (event.when.until or 0)

    def patience(self, event: Event) -> Instant:
        """Until when an outbound packet is waited for."""
        if event.when.clock is Clock.ANY:
            return NEVER
        return max(self._finished, self._latest(event)) + PATIENCE

    def _latest(self, event: Event) -> Instant:
        when = event.when
        return self.due(event) + (0 if when.latest is None else when.latest - when.at)

    def finish(self, event: Event, now: Instant) -> None:
        """``event`` is over."""
        self._scheduled = now if event.when.clock is Clock.ANY else self.due(event)
        self._finished = now
        self._last_was_inbound = _is_inbound(event)

    def check_start(self, event: Event, now: Instant) -> None:
        """A call, command or inbound packet that comes late would mean something else: the schedule has slipped."""
        self._check(event.position, "the event comes too late: it", (self.due(event), self.due(event)), now)

    def check_return(self, position: Position, wanted: tuple[Instant, Instant], now: Instant) -> None:
        """A blocking call returns when it is to; ``wanted`` is from when until when it blocks."""
        began, until = wanted
        if abs(now - until) > self._settings.allowance(until - began):
            raise self._mismatch(position, "the call returns", (until, until), now)

    def check_outbound(self, event: Event, sent: Instant) -> None:
        """An outbound packet was sent when it had to be; in a range of times, any of them."""
        if event.when.clock is not Clock.ANY:
            self._check(event.position, "the packet is sent", (self.due(event), self._latest(event)), sent)

    def _check(self, position: Position, what: str, wanted: tuple[Instant, Instant], seen: Instant) -> None:
        first, last = wanted
        allowance = self._settings.allowance
        early, late = allowance(first - self._scheduled), allowance(last - self._scheduled)
        if not first - early <= seen <= last + late:
            raise self._mismatch(position, what, wanted, seen)

    def _mismatch(self, position: Position, what: str, wanted: tuple[Instant, Instant], seen: Instant) -> Mismatch:
        first, last = (time_text(at - self.start) for at in wanted)
        expected = first if first == last else f"{first}~{last}"
        return Mismatch(position, f"{what} at {time_text(seen - self.start)} instead of {expected}", expected)

    def since_start(self, now: Instant) -> Duration:
        """The time of the script."""
        return now - self.start


def _is_inbound(event: Event) -> bool:
    return isinstance(event.action, PacketLine) and event.action.inbound
