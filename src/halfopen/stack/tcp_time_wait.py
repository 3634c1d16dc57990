"""Connections in TIME-WAIT whose users are gone: a small record each, and a bound on how many (RFC 9293 3.6.1)."""

from typing import Final

from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.stack.deadlines import Timed
from halfopen.stack.demux import Flow
from halfopen.stack.ports import NOBODY, PortRow
from halfopen.stack.tcp_socket import TcpSocket, make_row
from halfopen.tcp.isn import IsnGenerator
from halfopen.tcp.seqnum import signed_difference, wrap
from halfopen.tcp.time_wait import REOPEN, TimeWait
from halfopen.wire.tcp import Segment

GAP: Final = 65_537
"""How far above the old connection's last octet a new one's ISS lies at least (as Linux: a window and 2)."""


class Remnant(Timed):
    """What stands in the place of a connection."""

    __slots__ = ("flow", "record")

    def __init__(self, flow: Flow, record: TimeWait) -> None:
        super().__init__()
        self.flow = flow
        self.record = record

    @property
    def row(self) -> PortRow:
        """The remnant in a listing; nobody owns it."""
        return make_row(self.flow, "TIME-WAIT", NOBODY)


class Remnants:
    """The remnants among a host's flows."""

    __slots__ = ("_count", "_counters", "_flows", "_limit")

    def __init__(self, flows: dict[Flow, TcpSocket | Remnant], limit: int, counters: Counters) -> None:
        self._flows = flows
        self._limit = limit
        self._counters = counters
        self._count = 0

    def add(self, flow: Flow, record: TimeWait) -> Remnant | None:
        """Keeps ``record`` until its deadline; None if there are too many already: the connection is simply over."""
        if self._count >= self._limit:
            self._counters.add("TCPTimeWaitOverflow")
            return None
        remnant = Remnant(flow, record)
        self._flows[flow] = remnant
        self._count += 1
        return remnant

    def on_segment(
        self, remnant: Remnant, segment: Segment, now: Instant, somebody_listens: bool
    ) -> tuple[Segment | None, bool]:
        """The answer to a segment in TIME-WAIT, and whether the listener is to see it: a new connection (RFC 6191)."""
        result = remnant.record.on_segment(segment, now)
        if result.action == REOPEN and remnant.record.rules.is_bsd:
            self.forget(remnant)
        elif result.action == REOPEN and not somebody_listens:
            result = remnant.record.challenge(now)
        if result.counter:
            self._counters.add(result.counter)
        if remnant.record.deadline <= now:
            self.forget(remnant)
        return result.reply, result.action == REOPEN

    def lapse(self, remnant: Remnant, now: Instant) -> bool:
        """2 MSL may be over: forgets the remnant if so, else a retransmitted FIN has started them anew."""
        if remnant.record.deadline > now:
            return False
        self.forget(remnant)
        return True

    def forget(self, remnant: Remnant) -> None:
        """Forgets the remnant, also for a new connection in its place (RFC 1122 4.2.2.13 (b))."""
        if self._flows.get(remnant.flow) is remnant:
            del self._flows[remnant.flow]
            self._count -= 1

    def clear(self) -> None:
        """Forgets all of them (FreeBSD ``tcpdrop -s TIME_WAIT``)."""
        for remnant in [each for each in self._flows.values() if isinstance(each, Remnant)]:
            self.forget(remnant)


class RisingIsn(IsnGenerator):
    """Another generator's numbers, but above those of a connection of that flow in TIME-WAIT.

    RFC 1122 4.2.2.13 (a): a fast connection may have run ahead of the clock that its successor's ISS is taken from.
    """

    __slots__ = ("_flows", "_generator")

    def __init__(self, generator: IsnGenerator, flows: dict[Flow, TcpSocket | Remnant]) -> None:
        self._generator = generator
        self._flows = flows

    def next(self, flow: bytes, now: Instant) -> int:
        """The generator's number, or one above the remnant's if that is later; a Linux always takes that one."""
        isn = self._generator.next(flow, now)
        least = self.least(flow)
        remnant = self._flows.get(flow)
        if least is not None and isinstance(remnant, Remnant) and remnant.record.rules.is_linux:
            return least
        return isn if least is None or signed_difference(isn, least) >= 0 else least

    def least(self, flow: bytes) -> int | None:
        """The first number that is far enough above those of a remnant."""
        remnant = self._flows.get(flow)
        return wrap(remnant.record.snd_nxt + GAP) if isinstance(remnant, Remnant) else None
