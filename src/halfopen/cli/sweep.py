"""``halfopen lab sweep``: scenarios under many settings, with many seeds, on all processors or on a cluster."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from halfopen.base.errors import ConfigError
from halfopen.cli.sweep_file import Journal
from halfopen.cli.sweep_running import engine_options, make_engine, run_all
from halfopen.lab.sweep import Sweep, table, tallies
from halfopen.lab.sweep_spec import parse

MOST_ERRORS = 5
"""That are told; the rows have them all."""


@click.command("sweep", short_help="Run scenarios under many settings, with many seeds.")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "--out",
    type=click.Path(path_type=Path),
    help="Keep the rows there, as JSONL or, if it ends in .parquet, as Parquet; and go on where they end.",
)
@engine_options
@click.pass_context
def command(context: click.Context, spec: Path, output: Path | None, engine: str, workers: int | None) -> None:
    """Run what SPEC (YAML) says, and print for each cell how often the attack succeeded.

    The rows are the same octets whatever the engine and the number of workers. What an interrupted sweep has finished
    is not run again. What is wrong with SPEC is told line by line, as FILE:LINE:COLUMN: WHAT.
    """
    text = text_of(spec)
    try:
        sweep = parse(text, str(spec))
    except ConfigError as error:
        # One line for each fault, and nothing in front of it: editors find the place by it.
        click.echo(str(error), err=True)
        context.exit(2)
    journal = run_all(sweep, output, make_engine(engine, workers))
    click.echo(table(tallies(sweep, journal.rows)))
    context.exit(tell_failures(sweep, journal))


def text_of(spec: Path) -> str:
    """Of a specification; ConfigError if there is none."""
    try:
        return spec.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{spec} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{spec} is no text in UTF-8: {error.reason} at octet {error.start}") from None


def tell_failures(sweep: Sweep, journal: Journal) -> int:
    """What failed, on stderr; the exit code."""
    errors = list(_errors(sweep, journal))
    for text in list(dict.fromkeys(errors))[:MOST_ERRORS]:
        click.echo(f"halfopen lab: {text}", err=True)
    if errors:
        click.echo(f"halfopen lab: {len(errors):,} of {len(sweep):,} runs failed", err=True)
    return 1 if errors else 0


def _errors(sweep: Sweep, journal: Journal) -> Iterator[str]:
    """The error of each row that has one, on one line."""
    for each in sweep.runs:
        kept = json.loads(journal.rows[each.key])
        if "error" in kept:
            place = f" ({kept['at']})" if kept["at"] else ""
            words = f"{kept['scenario']}, {kept['defence']}, seed {kept['seed']}: {kept['error']}{place}"
            yield " ".join(words.split())
