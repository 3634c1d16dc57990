"""``halfopen drill``: packetdrill scripts run against our stack in virtual time, or against the kernel's."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from halfopen.packetdrill.addressing import IP_VERSIONS
from halfopen.packetdrill.corpus import FEW, Tally, by_folder, find_scripts, run_all, versions_for
from halfopen.packetdrill.errors import Verdict
from halfopen.packetdrill.profiles import PROFILES
from halfopen.packetdrill.telling import KERNEL, STACK, as_line, as_object, as_text, as_trace, comparison, folder_table
from halfopen.packetdrill.trials import SECONDS, Trial

ALL = "all"
"""Stands for every IP version in turn."""
WIDTHS = range(80, 141)


@click.command("drill", short_help="Run packetdrill scripts against our TCP.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="PATH...")
@click.option("--corpus", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Run a tree of scripts.")
@click.option(
    "--profile", type=click.Choice(list(PROFILES)), default="linux", show_default=True, help="The host to be."
)
@click.option(
    "--ip-version", "versions", type=click.Choice([*IP_VERSIONS, ALL]), multiple=True, help="May be repeated."
)
@click.option("-D", "--define", "definitions", multiple=True, metavar="NAME[=VALUE]", help="Define a symbol.")
@click.option("--set", "overrides", multiple=True, metavar="NAME[=VALUE]", help="Another value for a script's option.")
@click.option("--against", type=click.Choice(["stack", "kernel"]), default="stack", help="kernel: both, side by side.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes.  [default: as many as processors]")
@click.option("--limit", type=click.FloatRange(0.1, 3600), default=SECONDS, show_default=True, help="Seconds a script.")
@click.option("--trace", is_flag=True, help="Tell all packets and calls.")
@click.option("--json", "as_objects", is_flag=True, help="Print an object a line, the last one with the counts.")
def command(paths: Sequence[Path], corpus: Path | None, **options: object) -> int:
    """Run packetdrill scripts against our stack in virtual time.

    A PATH is a script, or a directory with scripts. The exit code is 0 if all pass, 1 if one does not, and 2 if one
    that was named is no script, never ends, or wants what there is not.
    """
    if not paths and corpus is None:
        raise click.UsageError("nothing to run: name a script, or --corpus and a directory with scripts")
    trials = list(trials_for([*paths, *([corpus] if corpus else [])], options))
    if not trials:
        raise click.UsageError("nothing to run: expected files *.pkt for the IP version that was asked for")
    jobs = options["jobs"] if isinstance(options["jobs"], int) else os.cpu_count() or 1
    if options["against"] == "kernel":
        return run_both(trials, bool(options["as_objects"]))
    if options["as_objects"]:
        verdicts = print_objects(trials, jobs)
    elif corpus is not None:
        verdicts = run_corpus(trials, jobs, corpus)
    else:
        verdicts = told(trials, jobs, lambda verdict: tell(verdict, trace=bool(options["trace"])))
        click.echo(str(Tally.of(verdicts)))
    untried = corpus is None and any(verdict.is_untried for verdict in verdicts)
    return 2 if untried else int(any(verdict.verdict != "pass" for verdict in verdicts))


def trials_for(paths: Sequence[Path], options: dict[str, object]) -> Iterator[Trial]:
    """What is to be run of the files and directories that were named."""
    seconds = options["limit"]
    form = Trial(
        path="",
        profile=str(options["profile"]),
        definitions={name: value if value is not None else "1" for name, value in assigned(options["definitions"])},
        overrides=dict(assigned(options["overrides"])),
        seconds=seconds if isinstance(seconds, float) else SECONDS,
    )
    chosen = options["versions"]
    versions = list(chosen) if isinstance(chosen, tuple) else []
    if ALL in versions:
        versions = list(IP_VERSIONS)
    for path in paths:
        for script in find_scripts(path) if path.is_dir() else [path]:
            if not versions:
                yield replace(form, path=str(script))
            for version in versions_for(script, versions):
                yield replace(form, path=str(script), ip_version=version)


def assigned(texts: object) -> Iterator[tuple[str, str | None]]:
    """``["A=1", "B"]`` as names and values; a usage error for what has no name."""
    for text in texts if isinstance(texts, tuple) else ():
        name, sign, value = str(text).partition("=")
        if not name.replace("_", "").isalnum() or not name.isascii():
            raise click.UsageError(f"{text!r} will not do: expected NAME=VALUE")
        yield name, value if sign else None


def told(trials: Sequence[Trial], jobs: int, tell_of: Callable[[Verdict], None]) -> list[Verdict]:
    """All verdicts, each told when it is there."""
    verdicts = []
    for verdict in run_all(trials, jobs):
        tell_of(verdict)
        verdicts.append(verdict)
    return verdicts


def tell(verdict: Verdict, *, trace: bool) -> None:
    """One verdict for people; a malformed script is an error like any other of the command line."""
    if verdict.malformed:
        click.echo(f"halfopen drill: {as_line(verdict)}", err=True)
        return
    if trace and verdict.trace:
        click.echo(as_trace(verdict))
    columns = shutil.get_terminal_size((100, 24)).columns
    click.echo(as_text(verdict, max(WIDTHS[0], min(columns, WIDTHS[-1]))))


def print_objects(trials: Sequence[Trial], jobs: int) -> list[Verdict]:
    """An object for each verdict as it comes, and one with the counts."""

    def tell_of(verdict: Verdict) -> None:
        click.echo(json.dumps(as_object(verdict)))
        advance(verdict)

    with progress(len(trials)) as advance:
        verdicts = told(trials, jobs, tell_of)
    tally = Tally.of(verdicts)
    counts = {"passed": tally.passed, "failed": tally.failed, "unsupported": tally.unsupported}
    click.echo(json.dumps(counts | ({"xfailed": tally.xfailed} if tally.xfailed else {})))
    return verdicts


def run_corpus(trials: Sequence[Trial], jobs: int, root: Path) -> list[Verdict]:
    """A line for each script that did not pass, a table by folder, and the counts."""
    with progress(len(trials)) as advance:
        verdicts = told(trials, jobs, advance)
    verdicts.sort(key=lambda verdict: (verdict.script, verdict.ip_version))
    for verdict in verdicts:
        if verdict.verdict != "pass":
            click.echo(as_line(verdict))
    click.echo(folder_table(by_folder(verdicts, root)))
    click.echo(str(Tally.of(verdicts)))
    return verdicts


@contextmanager
def progress(total: int) -> Iterator[Callable[[Verdict], None]]:
    """A bar on stderr, if that is a terminal, with the counts so far."""
    if not sys.stderr.isatty() or total <= FEW:
        yield lambda verdict: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    tally = Tally()
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(str(tally), total=total)

        def advance(verdict: Verdict) -> None:
            nonlocal tally
            tally += Tally.of([verdict])
            bar.update(task, advance=1, description=str(tally))

        yield advance


def run_both(trials: Sequence[Trial], as_objects: bool) -> int:
    """Each script against our stack and against the kernel's, which takes the time that it says."""
    passed = differing = 0
    for trial in trials:
        ours, theirs = run_all([trial, replace(trial, against="kernel")], 1)
        if as_objects:
            click.echo(json.dumps({STACK: as_object(ours), KERNEL: as_object(theirs)}))
        else:
            click.echo(comparison(ours, theirs) + "\n")
        passed += ours.verdict == theirs.verdict == "pass"
        differing += ours.verdict != theirs.verdict
    if as_objects:
        click.echo(json.dumps({"scripts": len(trials), "passed": passed, "differing": differing}))
    else:
        click.echo(f"{len(trials)} scripts, {passed} passed by both, {differing} with different verdicts")
    return int(passed < len(trials))
