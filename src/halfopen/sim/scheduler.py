"""What happens when, in virtual time: a heap of instants, and a clock that jumps from one to the next.

Time is integer nanoseconds, and what is due at the same instant happens in the order in which it was planned: one seed,
one history.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from halfopen.base.clock import NEVER, SECOND, Instant

START: Instant = 1000 * SECOND
"""Some programs take 0 for "never"; small enough for floats to show single nanoseconds."""

FEW = 64
"""So many cancelled events stay in the heap; of more, at most half of the heap."""


def nothing() -> None:
    """What an event does that has happened or was cancelled."""


class Event:
    """Something planned for an instant."""

    __slots__ = ("_scheduler", "action", "when")

    def __init__(self, scheduler: "Scheduler", when: Instant, action: Callable[[], object]) -> None:
        self._scheduler = scheduler
        self.when = when
        self.action = action

    def cancel(self) -> None:
        """It will not happen; harmless when repeated, or too late."""
        if self.action is not nothing:
            self.action = nothing
            self._scheduler.forget()


class Scheduler:
    """Virtual time, and what is planned in it. ``now`` never goes back."""

    __slots__ = ("_cancelled", "_heap", "_order", "now")

    def __init__(self, start: Instant = START) -> None:
        self.now: Instant = start
        self._heap: list[tuple[Instant, int, Event]] = []
        self._order = 0
        self._cancelled = 0

    def at(self, when: Instant, action: Callable[[], object]) -> Event:
        """Plans ``action`` for ``when``; what is planned for the past happens now."""
        if when < self.now:
            when = self.now
        event = Event(self, when, action)
        heappush(self._heap, (when, self._order, event))
        self._order += 1
        return event

    def next_event(self) -> Instant:
        """When something happens next; NEVER if nothing is planned."""
        heap = self._heap
        while heap and heap[0][2].action is nothing:
            heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else NEVER

    def jump(self) -> bool:
        """Makes it the time of the next event and lets all of that instant happen; False if nothing is planned."""
        heap = self._heap
        while heap and heap[0][2].action is nothing:
            heappop(heap)
            self._cancelled -= 1
        if not heap or heap[0][0] >= NEVER:
            return False
        self.now = heap[0][0]
        self.run_due()
        return True

    def run_due(self) -> None:
        """Lets everything happen that is due by now, also what is planned for now meanwhile."""
        now = self.now
        while (heap := self._heap) and heap[0][0] <= now:
            event = heappop(heap)[2]
            action, event.action = event.action, nothing
            if action is nothing:
                self._cancelled -= 1
            else:
                action()

    def forget(self) -> None:
        """One event of the heap was cancelled; the heap is cleared of them before they are the greater part."""
        self._cancelled += 1
        if self._cancelled > FEW and 2 * self._cancelled > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not nothing]
            heapify(self._heap)
            self._cancelled = 0

    def __len__(self) -> int:
        """How many events are planned."""
        return len(self._heap) - self._cancelled
