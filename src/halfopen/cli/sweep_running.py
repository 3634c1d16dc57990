"""Sweeps as commands run them: which engine, how many workers, how far it is, and how to go on after an interrupt."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

import click

from halfopen.base.errors import ConfigError
from halfopen.cli.sweep_batches import Engine
from halfopen.cli.sweep_engine import LocalEngine
from halfopen.cli.sweep_file import Journal
from halfopen.lab.sweep import Sweep

Advance: TypeAlias = Callable[[int], None]
Command = TypeVar("Command", bound=Callable[..., object])

LOCAL, DASK, SCHEME = "local", "dask", "dask://"
EXPECTED = "expected local, dask, or dask://HOST:PORT"


def engine_options(command: Command) -> Command:
    """Adds ``--engine`` and ``--workers``."""
    text = "local: processes; dask: processes that Dask looks after; dask://HOST:PORT: a Dask scheduler."
    engine = click.option("--engine", default=LOCAL, show_default=True, metavar="NAME", help=text)
    count = "Processes; as many as there are processors by default."
    return engine(click.option("--workers", type=click.IntRange(1), help=count)(command))


def make_engine(name: str, workers: int | None) -> Engine:
    """What ``--engine`` and ``--workers`` mean."""
    if name == LOCAL:
        return LocalEngine(workers or processors())
    address = name.removeprefix(SCHEME)
    if name != DASK and (address == name or not address.rpartition(":")[2].isdigit()):
        raise ConfigError(f"--engine {name!r} will not do: {EXPECTED}")
    if name != DASK and workers is not None:
        raise ConfigError("--workers says nothing to a scheduler that has its own")
    from halfopen.cli.sweep_dask import DaskEngine

    return DaskEngine(None if name == DASK else f"tcp://{address}", workers or processors())


def processors() -> int:
    """How many this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(sweep: Sweep, output: Path | None, engine: Engine) -> Journal:
    """Rows of every run of ``sweep``, in order; those that ``output`` has already are not run again."""
    journal = Journal(sweep, output)
    try:
        fill(journal, len(sweep), engine)
    except KeyboardInterrupt:
        if output is not None:
            told = f"{len(journal.rows):,} of {len(sweep):,} runs are kept for {output}"
            click.echo(f"{told}; the same command goes on from there", err=True)
        raise
    journal.sort()
    return journal


def fill(journal: Journal, total: int, engine: Engine) -> None:
    """Runs whatever ``journal`` has no rows of."""
    missing = journal.missing
    with progress(total, total - len(missing)) as advance:
        for batch in engine.rows(missing):
            journal.add(batch)
            advance(len(batch))


@contextmanager
def progress(total: int, done: int) -> Iterator[Advance]:
    """A bar on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda runs: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("runs", total=total, completed=done)
        yield lambda runs: bar.advance(task, runs)
