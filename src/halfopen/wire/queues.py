"""Active queue management: disciplines that signal congestion before the queue in front of a rate is full."""

from abc import ABC, abstractmethod
from collections import deque
from math import isqrt
from typing import Final, TypeAlias

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.base.impairment import CoDel, Red
from halfopen.base.native import mypyc_attr
from halfopen.base.rng import Rng
from halfopen.wire.ecn import marked
from halfopen.wire.packet import Packet

OVERLIMIT: Final = 2
"""Refused: the queue is full."""
MARKED: Final = 32
"""With CE (RFC 3168)."""
DROPPED: Final = 64
"""By the discipline, before the queue was full."""

Left: TypeAlias = list[tuple[Packet, int]]
"""Packets that have left a queue, each with its fate: `DROPPED`, `MARKED` or 0."""

TYPICAL_OCTETS: Final = 1000
"""Of a packet, to tell how many could have left in an idle time: tc-red(8)'s ``avpkt``."""


@mypyc_attr(allow_interpreted_subclasses=True)
class QueueDiscipline(ABC):
    """Which packets wait for the wire, and which goes next. First in, first out, unless a subclass differs."""

    def __init__(self, limit: int) -> None:
        self.octets = 0
        self._limit = limit
        self._waiting: deque[tuple[Packet, Instant]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @abstractmethod
    def enqueue(self, packet: Packet, now: Instant) -> int:
        """Takes a packet, or refuses it: its fate."""

    @abstractmethod
    def dequeue(self, now: Instant) -> Left:
        """The packet to be sent, last, behind those that are dropped instead; there is at least one waiting."""

    def push(self, packet: Packet, now: Instant) -> None:
        """At the tail."""
        self._waiting.append((packet, now))
        self.octets += packet.octets

    def pop(self) -> tuple[Packet, Instant]:
        """From the head, with the time when it came."""
        entry = self._waiting.popleft()
        self.octets -= entry[0].octets
        return entry


class RedQueue(QueueDiscipline):
    """Random early detection; names are those of Figure 2 in Floyd and Jacobson 1993."""

    def __init__(self, red: Red, network_offset: int, rng: Rng, rate: int) -> None:
        super().__init__(red.limit)
        self.average = 0.0
        self._red = red
        self._offset = network_offset
        self._rng = rng
        self._typical: Duration = TYPICAL_OCTETS * 8 * SECOND // rate
        self._count = -1
        self._idle_since: Instant | None = None

    def enqueue(self, packet: Packet, now: Instant) -> int:
        """Estimates the average queue, then rolls the dice."""
        self._average_in(now)
        fate = 0
        if self._is_picked():
            self._count = 0
            spared = marked(packet, self._offset) if self._red.ecn else None
            if spared is None:
                return DROPPED
            packet, fate = spared, MARKED
        if len(self) >= self._limit:
            return OVERLIMIT
        self.push(packet, now)
        return fate

    def dequeue(self, now: Instant) -> Left:
        """The oldest."""
        packet, _ = self.pop()
        if not len(self):
            self._idle_since = now
        return [(packet, 0)]

    def _average_in(self, now: Instant) -> None:
        weight = self._red.weight
        if len(self) or self._idle_since is None:
            self.average += weight * (len(self) - self.average)
        else:
            # As if small packets had found an empty queue while nothing came.
            self.average *= (1 - weight) ** ((now - self._idle_since) / self._typical)
            self._idle_since = now

    def _is_picked(self) -> bool:
        self._count += 1
        probability = drop_probability(self._red, self.average)
        if probability == 0:
            self._count = -1
            return False
        if probability >= 1 or self._count * probability >= 1:
            return True
        # Spreads the drops evenly: the gaps between them are uniform, not geometric.
        return self._rng.uniform() < probability / (1 - self._count * probability)


def drop_probability(red: Red, average: float) -> float:
    """p_b for an average queue of so many packets."""
    if average < red.minimum:
        return 0.0
    if average < red.maximum:
        return red.probability * (average - red.minimum) / (red.maximum - red.minimum)
    if red.gentle and average < 2 * red.maximum:
        return red.probability + (1 - red.probability) * (average - red.maximum) / red.maximum
    return 1.0


class CoDelQueue(QueueDiscipline):
    """Controlled delay (RFC 8289 5); names are those of its pseudocode."""

    def __init__(self, codel: CoDel, network_offset: int) -> None:
        super().__init__(codel.limit)
        self._codel = codel
        self._offset = network_offset
        self._first_above_time: Instant = 0
        self._drop_next: Instant = 0
        self._count = 0
        self._last_count = 0
        self._dropping = False
        self._largest = 0

    def enqueue(self, packet: Packet, now: Instant) -> int:
        """Takes it with its time, unless the queue is full."""
        if len(self) >= self._limit:
            return OVERLIMIT
        self._largest = max(self._largest, packet.octets)
        self.push(packet, now)
        return 0

    def dequeue(self, now: Instant) -> Left:
        """Drops, or marks, the packets whose turn the control law has set for now."""
        left: Left = []
        packet: Packet | None
        packet, is_late = self._next(now)
        if self._dropping:
            self._dropping = is_late
            while self._dropping and packet is not None and now >= self._drop_next:
                self._count += 1
                self._drop_next = self._control_law(self._drop_next)
                packet, is_late = self._signal(packet, left, now)
                self._dropping = is_late
        elif is_late:
            packet, _ = self._signal(packet, left, now)
            self._dropping = True
            # Where dropping ended a short while ago, it goes on at the rate that was right then.
            since = self._count - self._last_count
            recently = now - self._drop_next < 16 * self._codel.interval
            self._count = self._last_count = since if since > 1 and recently else 1
            self._drop_next = self._control_law(now)
        if packet is not None:
            left.append((packet, 0))
        return left

    def _signal(self, packet: Packet, left: Left, now: Instant) -> tuple[Packet | None, bool]:
        """Marks ``packet``, and all is done; or drops it, and the next one is looked at."""
        spared = marked(packet, self._offset) if self._codel.ecn else None
        if spared is not None:
            left.append((spared, MARKED))
            return None, True
        left.append((packet, DROPPED))
        return self._next(now)

    def _next(self, now: Instant) -> tuple[Packet, bool]:
        """dodequeue: the next packet, and whether the queue has been slow for an interval (ok_to_drop).

        There always is one: the last packet is never dropped.
        """
        packet, since = self.pop()
        if now - since < self._codel.target or self.octets <= self._largest:
            self._first_above_time = 0
            return packet, False
        if not self._first_above_time:
            self._first_above_time = now + self._codel.interval
            return packet, False
        return packet, now >= self._first_above_time

    def _control_law(self, when: Instant) -> Instant:
        return control_law(when, self._codel.interval, self._count)


def control_law(when: Instant, interval: Duration, count: int) -> Instant:
    """The next drop: an interval divided by the square root of the drops so far after the last one (RFC 8289 5.4)."""
    return when + isqrt(interval * interval // count)


class Bottleneck:
    """A rate with such a queue in front of it. `advance` before and after each `admit` keeps it up with the time."""

    __slots__ = ("_entered", "_free_at", "_queue", "_rate")

    def __init__(self, queue: QueueDiscipline, rate: int) -> None:
        self._queue = queue
        self._rate = rate
        self._free_at: Instant = 0
        self._entered: Instant = 0

    @property
    def backlog(self) -> tuple[int, int]:
        """Packets and octets that wait."""
        return len(self._queue), self._queue.octets

    def admit(self, packet: Packet, now: Instant) -> int:
        """The fate of ``packet`` so far; all that left before ``now`` has been taken by `advance`."""
        self._entered = now
        return self._queue.enqueue(packet, now)

    def next_deadline(self) -> Instant:
        """When the next packet goes onto the wire."""
        return max(self._free_at, self._entered) if len(self._queue) else NEVER

    def advance(self, now: Instant) -> list[tuple[Packet, int, Instant]]:
        """What has gone onto the wire, or was dropped, by ``now``: with its fate, and when its last bit leaves."""
        left: list[tuple[Packet, int, Instant]] = []
        while (start := self.next_deadline()) <= now:
            for packet, fate in self._queue.dequeue(start):
                if fate != DROPPED:
                    self._free_at = start + packet.octets * 8 * SECOND // self._rate
                left.append((packet, fate, self._free_at))
        return left
