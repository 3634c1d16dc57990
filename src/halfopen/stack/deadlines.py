"""One heap of deadlines for all connections of a host, so that whoever drives it needs one timer."""

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from halfopen.base.clock import NEVER, Instant


class Timed:
    """Something that wants to be called at a time. ``armed`` lists its entries in the heap, the earliest first."""

    __slots__ = ("armed",)

    def __init__(self) -> None:
        self.armed: tuple[Instant, ...] = ()


T = TypeVar("T", bound=Timed)


class Deadlines(Generic[T]):
    """Things with a deadline each; the earliest first, equal ones in the order of their setting.

    A deadline that moves later, as most do with every acknowledgment, costs one comparison: the entry stays, and who
    gets the thing from `pop_due` asks whether it is really time, and arms it again.
    """

    __slots__ = ("_heap", "_order", "_stale")

    def __init__(self) -> None:
        self._heap: list[tuple[Instant, int, T]] = []
        self._order = 0
        self._stale = 0

    def __len__(self) -> int:
        return len(self._heap)

    def arm(self, thing: T, when: Instant) -> None:
        """``thing`` comes out of `pop_due` at ``when`` or before; NEVER asks for nothing."""
        armed = thing.armed
        if when >= (armed[0] if armed else NEVER):
            return
        thing.armed = (when, *armed) if armed else (when,)
        self._order += 1
        heappush(self._heap, (when, self._order, thing))

    def disarm(self, thing: T) -> None:
        """``thing`` will not come out again unless it is armed again."""
        self._stale += len(thing.armed)
        thing.armed = ()
        if self._stale > 64 and 2 * self._stale > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[0] in entry[2].armed]
            heapify(self._heap)
            self._stale = 0

    def next_deadline(self) -> Instant:
        """The earliest deadline; NEVER if there is none."""
        return self._heap[0][0] if self._heap else NEVER

    def pop_due(self, now: Instant) -> T | None:
        """The thing with the earliest deadline, if that has come."""
        while self._heap and self._heap[0][0] <= now:
            when, _, thing = heappop(self._heap)
            if thing.armed and thing.armed[0] == when:
                thing.armed = thing.armed[1:]
                return thing
            self._stale -= 1
        return None
