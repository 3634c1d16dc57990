"""``halfopen lab sweep``: scenarios under many settings, with many seeds, on all processors."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import click

from halfopen.base.errors import ConfigError
from halfopen.cli.sweep_engine import LocalEngine
from halfopen.cli.sweep_file import Journal
from halfopen.lab.sweep import Sweep, table, tallies
from halfopen.lab.sweep_spec import parse

Advance: TypeAlias = Callable[[int], None]

MOST_ERRORS = 5
"""That are told; the rows have them all."""


@click.command("sweep", short_help="Run scenarios under many settings, with many seeds.")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Keep the rows there (JSONL), and go on where they end.")
@click.option("--workers", type=click.IntRange(1), help="Processes; as many as there are processors by default.")
@click.pass_context
def command(context: click.Context, spec: Path, out: Path | None, workers: int | None) -> None:
    """Run what SPEC (YAML) says, and print for each cell how often the attack succeeded.

    The rows are the same octets whatever the number of workers. What an interrupted sweep has finished is not run
    again. What is wrong with SPEC is told line by line, as FILE:LINE:COLUMN: WHAT.
    """
    text = text_of(spec)
    try:
        sweep = parse(text, str(spec))
    except ConfigError as error:
        # One line for each fault, and nothing in front of it: editors find the place by it.
        click.echo(str(error), err=True)
        context.exit(2)
    journal = Journal(sweep, out)
    try:
        fill(journal, len(sweep), LocalEngine(workers or processors()))
    except KeyboardInterrupt:
        if out is not None:
            told = f"{len(journal.rows):,} of {len(sweep):,} runs are in {out}; the same command goes on from there"
            click.echo(told, err=True)
        raise
    journal.sort()
    context.exit(summarize(sweep, journal))


def processors() -> int:
    """How many this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def text_of(spec: Path) -> str:
    """Of a specification; ConfigError if there is none."""
    try:
        return spec.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{spec} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{spec} is no text in UTF-8: {error.reason} at octet {error.start}") from None


def fill(journal: Journal, total: int, engine: LocalEngine) -> None:
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


def summarize(sweep: Sweep, journal: Journal) -> int:
    """The table, and what failed; the exit code."""
    found = tallies(sweep, journal.rows)
    click.echo(table(found))
    failed = sum(tally.failed for tally in found.values())
    if failed:
        errors = dict.fromkeys(_told(journal.rows[each.key]) for each in sweep.runs)
        for text in [text for text in errors if text][:MOST_ERRORS]:
            click.echo(f"halfopen lab: {text}", err=True)
        click.echo(f"halfopen lab: {failed:,} of {len(sweep):,} runs failed", err=True)
    return 1 if failed else 0


def _told(row: str) -> str:
    """The error of a row, if it has one, on one line."""
    kept = json.loads(row)
    if "error" not in kept:
        return ""
    place = f" ({kept['at']})" if kept["at"] else ""
    return " ".join(f"{kept['scenario']}, {kept['defence']}, seed {kept['seed']}: {kept['error']}{place}".split())
