"""Runs of a sweep on processes of this machine; one that dies takes nothing with it."""

import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TypeAlias

from halfopen.lab.sweep import Cell, Run, failure, played, row

Work: TypeAlias = Callable[[Sequence[Run]], list[str]]
Batch: TypeAlias = tuple[Run, ...]
Timed: TypeAlias = tuple[list[str], float]

BATCH = 1.0
"""Seconds of work that are handed over at once: much longer than handing over takes."""
MOST_IN_A_BATCH = 1000
AHEAD = 2
"""Batches for each worker, so that none waits."""
LIVES = 3
"""How many workers may die of a run, alone with it, before it counts as failed."""


class LocalEngine:
    """A pool of processes; after one of them was killed there is a new pool, and what was lost is run again."""

    def __init__(self, workers: int, work: Work = played) -> None:
        self._workers = workers
        self._work = work
        self._waiting: deque[Run] = deque()
        self._suspects: deque[Run] = deque()
        self._deaths: Counter[Run] = Counter()
        self._flying: dict[Future[Timed], Batch] = {}
        self._pace: dict[Cell, float] = {}

    def rows(self, runs: Iterable[Run]) -> Iterator[list[tuple[Run, str]]]:
        """The row of each run, batch by batch, in the order in which they are done."""
        self._waiting.extend(runs)
        while self._waiting or self._suspects:
            pool = self._pool()
            try:
                yield from self._drain(pool)
            except BrokenProcessPool:
                yield from self._condemned()
            finally:
                self._flying.clear()
                pool.shutdown(cancel_futures=True)

    def _pool(self) -> ProcessPoolExecutor:
        # Forks would inherit whatever threads and locks this process has.
        return ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"), initializer=_settle)

    def _drain(self, pool: ProcessPoolExecutor) -> Iterator[list[tuple[Run, str]]]:
        while self._waiting or self._suspects or self._flying:
            self._launch(pool)
            done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda each: each.exception() is not None):
                rows, took = future.result()
                batch = self._flying.pop(future)
                self._pace[batch[0].cell] = took / len(batch)
                yield list(zip(batch, rows, strict=True))

    def _launch(self, pool: ProcessPoolExecutor) -> None:
        """As much as the pool should have; of those that may have killed a worker, one and nothing beside it."""
        if self._suspects:
            # There are some in new pools only, in which nothing else flies.
            self._submit(pool, (self._suspects.popleft(),))
            return
        while self._waiting and len(self._flying) < AHEAD * self._workers:
            self._submit(pool, self._next_batch())

    def _submit(self, pool: ProcessPoolExecutor, batch: Batch) -> None:
        try:
            self._flying[pool.submit(_timed, self._work, batch)] = batch
        except BrokenProcessPool:
            self._waiting.extendleft(reversed(batch))
            raise

    def _next_batch(self) -> Batch:
        """Of one cell, about a second long; the first tells how many those are."""
        cell = self._waiting[0].cell
        size = min(MOST_IN_A_BATCH, max(1, int(BATCH / max(self._pace.get(cell, BATCH), 1e-6))))
        batch: list[Run] = []
        while self._waiting and self._waiting[0].cell == cell and len(batch) < size:
            batch.append(self._waiting.popleft())
        return tuple(batch)

    def _condemned(self) -> Iterator[list[tuple[Run, str]]]:
        """After a death: who may be the reason is tried alone from now on, and what was alone too often has failed."""
        lost = [each for batch in self._flying.values() for each in batch]
        if len(lost) == 1:
            self._deaths[lost[0]] += 1
        for each in lost:
            if self._deaths[each] < LIVES:
                self._suspects.append(each)
            else:
                yield [(each, row(each, failure("the process that ran it died")))]


def _timed(work: Work, batch: Batch) -> Timed:
    began = time.monotonic()
    return work(batch), time.monotonic() - began


def _settle() -> None:
    """Begins a worker: Ctrl-C is for whoever started it, and nobody is left behind when that one is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
