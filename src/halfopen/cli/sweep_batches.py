"""What all engines of a sweep have in common: batches of runs, each about a second of work."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias

from halfopen.lab.sweep import Cell, Run, failure, row

Work: TypeAlias = Callable[[Sequence[Run]], list[str]]
Batch: TypeAlias = tuple[Run, ...]
Timed: TypeAlias = tuple[list[str], float]
Done: TypeAlias = list[tuple[Run, str]]
"""Runs with their rows."""

BATCH = 1.0
"""Seconds of work that are handed over at once: much longer than handing over takes."""
MOST_IN_A_BATCH = 1000


class Engine(Protocol):
    """Has runs done, somewhere."""

    def rows(self, runs: Iterable[Run]) -> Iterator[Done]:
        """The row of each run, batch by batch, in the order in which they are done."""
        ...


class Queue:
    """Runs that are still to be handed over."""

    def __init__(self) -> None:
        self._waiting: deque[Run] = deque()
        self._pace: dict[Cell, float] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def extend(self, runs: Iterable[Run]) -> None:
        """More of them."""
        self._waiting.extend(runs)

    def put_back(self, batch: Batch) -> None:
        """It could not be handed over."""
        self._waiting.extendleft(reversed(batch))

    def next(self) -> Batch:
        """Of one cell, about a second long; the first tells how many those are."""
        cell = self._waiting[0].cell
        size = min(MOST_IN_A_BATCH, max(1, int(BATCH / max(self._pace.get(cell, BATCH), 1e-6))))
        batch: list[Run] = []
        while self._waiting and self._waiting[0].cell == cell and len(batch) < size:
            batch.append(self._waiting.popleft())
        return tuple(batch)

    def done(self, batch: Batch, outcome: Timed) -> Done:
        """Learns how long such runs take."""
        rows, took = outcome
        self._pace[batch[0].cell] = took / len(batch)
        return list(zip(batch, rows, strict=True))


def timed(work: Work, batch: Batch) -> Timed:
    """The rows of ``batch``, and the seconds that they took."""
    began = time.monotonic()
    return work(batch), time.monotonic() - began


def died(each: Run) -> Done:
    """Of a run that nobody survives."""
    return [(each, row(each, failure("the process that ran it died")))]
