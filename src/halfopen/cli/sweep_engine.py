"""Runs of a sweep on processes of this machine; one that dies takes nothing with it."""

import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

from halfopen.cli.sweep_batches import Batch, Done, Queue, Timed, Work, died, timed
from halfopen.lab.sweep import Run, played

AHEAD = 2
"""Batches for each worker, so that none waits."""
LIVES = 3
"""How many workers may die of a run, alone with it, before it counts as failed."""


class LocalEngine:
    """A pool of processes; after one of them was killed there is a new pool, and what was lost is run again."""

    def __init__(self, workers: int, work: Work = played) -> None:
        self._workers = workers
        self._work = work
        self._queue = Queue()
        self._suspects: deque[Run] = deque()
        self._deaths: Counter[Run] = Counter()
        self._flying: dict[Future[Timed], Batch] = {}

    def rows(self, runs: Iterable[Run]) -> Iterator[Done]:
        """The row of each run, batch by batch, in the order in which they are done."""
        self._queue.extend(runs)
        while self._queue or self._suspects:
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

    def _drain(self, pool: ProcessPoolExecutor) -> Iterator[Done]:
        while self._queue or self._suspects or self._flying:
            self._launch(pool)
            done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda each: each.exception() is not None):
                outcome = future.result()
                yield self._queue.done(self._flying.pop(future), outcome)

    def _launch(self, pool: ProcessPoolExecutor) -> None:
        """As much as the pool should have; of those that may have killed a worker, one and nothing beside it."""
        if self._suspects:
            # There are some in new pools only, in which nothing else flies.
            self._submit(pool, (self._suspects.popleft(),))
            return
        while self._queue and len(self._flying) < AHEAD * self._workers:
            self._submit(pool, self._queue.next())

    def _submit(self, pool: ProcessPoolExecutor, batch: Batch) -> None:
        try:
            self._flying[pool.submit(timed, self._work, batch)] = batch
        except BrokenProcessPool:
            self._queue.put_back(batch)
            raise

    def _condemned(self) -> Iterator[Done]:
        """After a death: who may be the reason is tried alone from now on, and what was alone too often has failed."""
        lost = [each for batch in self._flying.values() for each in batch]
        if len(lost) == 1:
            self._deaths[lost[0]] += 1
        for each in lost:
            if self._deaths[each] < LIVES:
                self._suspects.append(each)
            else:
                yield died(each)


def _settle() -> None:
    """Begins a worker: Ctrl-C is for whoever started it, and nobody is left behind when that one is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
