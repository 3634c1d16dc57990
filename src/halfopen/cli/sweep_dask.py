"""Runs of a sweep on Dask: a scheduler that exists already, or processes of this machine that Dask looks after."""

import logging
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import click
import distributed
from distributed.scheduler import KilledWorker

from halfopen import __version__
from halfopen.base.errors import ConfigError
from halfopen.cli.sweep_batches import Batch, Done, Queue, Timed, Work, died, timed
from halfopen.lab.sweep import Run, played

AHEAD = 3
"""Batches for each thread of a worker, so that none waits."""
FEWEST_AHEAD = 8
"""However few workers there are now: more may come."""
ANYWHERE = "127.0.0.1:0"
"""Any port, of loopback alone."""
LIVES = 2
"""How many workers may die of a batch, and then of each of its runs, before that counts as failed."""
PATIENCE = "10s"
"""For the scheduler to answer."""

_ONE_AT_A_TIME = threading.Lock()
"""Workers of others may have several threads, which would only take turns."""


class DaskEngine:
    """Batches as tasks of a scheduler; it tries again elsewhere what a killed worker had."""

    def __init__(self, address: str | None, workers: int, work: Work = played) -> None:
        self._address = address
        self._workers = workers
        self._work = work
        self._queue = Queue()
        self._suspects: list[Run] = []
        self._alone: Batch = ()

    def rows(self, runs: Iterable[Run]) -> Iterator[Done]:
        """The row of each run, batch by batch, in the order in which they are done."""
        self._queue.extend(runs)
        if not self._queue:
            return
        with self._client() as client:
            yield from self._drain(client)

    @contextmanager
    def _client(self) -> Iterator[distributed.Client]:
        with ExitStack() as stack:
            address = self._address
            if address is None:
                scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="halfopen-dask-"))
                address = stack.enter_context(make_cluster(self._workers, scratch)).scheduler_address
            try:
                client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
            except (OSError, ValueError) as error:
                raise click.UsageError(f"no Dask scheduler answers at {address}: {_reason(error)}") from None
            yield stack.enter_context(client)

    def _drain(self, client: distributed.Client) -> Iterator[Done]:
        flying: dict[distributed.Future[Timed], Batch] = {}
        finished = distributed.as_completed(loop=client.loop)
        while self._queue or self._suspects or flying:
            most = max(FEWEST_AHEAD, AHEAD * sum(client.nthreads().values()))
            while batch := self._next(len(flying), most):
                future = client.submit(attempt, __version__, self._work, batch, pure=False)
                flying[future] = batch
                finished.add(future)
            future = next(finished)
            yield from self._received(future, flying.pop(future))

    def _next(self, flying: int, most: int) -> Batch:
        """What to submit, if anything. Suspects come last, one by one: a worker that dies takes others along."""
        if self._queue:
            return self._queue.next() if flying < most else ()
        if flying or not self._suspects:
            return ()
        self._alone = (self._suspects.pop(),)
        return self._alone

    def _received(self, future: "distributed.Future[Timed]", batch: Batch) -> Iterator[Done]:
        """Of a batch that several workers died of each run is tried alone; if they die again, that run has failed."""
        error = future.exception()
        if error is None:
            yield self._queue.done(batch, future.result())
        elif not isinstance(error, KilledWorker):
            raise ConfigError(f"a worker of Dask cannot run this: {type(error).__name__}: {error}") from None
        elif batch is self._alone:
            yield died(batch[0])
        else:
            self._suspects.extend(batch)


def make_cluster(workers: int, scratch: str) -> distributed.LocalCluster:
    """Processes of this machine, which only it can reach."""
    return distributed.LocalCluster(
        host="127.0.0.1",
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        memory_limit=0,
        dashboard_address=ANYWHERE,
        worker_dashboard_address=ANYWHERE,
        scheduler_kwargs={"dashboard": False, "allowed_failures": LIVES - 1},
        local_directory=scratch,
        silence_logs=logging.CRITICAL,
    )


def attempt(version: str, work: Work, batch: Batch) -> Timed:
    """What a worker does; ConfigError if it has another release of the code, which may have other results."""
    if version != __version__:
        raise ConfigError(f"it has halfopen {__version__}: expected {version}")
    with _ONE_AT_A_TIME:
        return timed(work, batch)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
