"""``halfopen lab report``: every scenario against every defence, as one table."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import click

from halfopen.cli.show import write
from halfopen.cli.sweep import tell_failures
from halfopen.cli.sweep_running import engine_options, make_engine, run_all
from halfopen.lab.catalogue import SCENARIOS, find
from halfopen.lab.matrix import COLUMNS, Summary, matrix, summaries
from halfopen.lab.results import NONE


@click.command("report", short_help="Run everything against every defence, as one table.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Runs in each cell.")
@click.option("--scenario", "names", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="An HTML page, or Markdown if it ends in .md.")
@click.option("--rows", type=click.Path(path_type=Path), help="Keep all runs there, as lab sweep does, and go on.")
@engine_options
@click.pass_context
def command(
    context: click.Context, /, seeds: int, names: Sequence[str], output: Path | None, **options: str | int | Path | None
) -> None:
    """Run every scenario undefended, with each defence alone, and with all of them; print a Markdown table.

    A defence that does not stop an attack is not always a fault: that is what some of them are there to show.
    """
    scenarios = [find(name) for name in dict.fromkeys(names)] or list(SCENARIOS.values())
    sweep = matrix(scenarios, seeds)
    engine, workers, kept = options["engine"], options["workers"], options["rows"]
    chosen = make_engine(str(engine), workers if isinstance(workers, int) else None)
    journal = run_all(sweep, kept if isinstance(kept, Path) else None, chosen)
    deliver(summaries(sweep, journal.rows), seeds, output)
    context.exit(tell_failures(sweep, journal))


def deliver(found: Sequence[Summary], seeds: int, output: Path | None) -> None:
    """Prints the table, or writes it."""
    rows, told = [each.row for each in found], words(found, seeds)
    if output is None:
        click.echo(as_markdown(rows))
        click.echo(told, err=True)
    else:
        write(output, f"{as_markdown(rows)}\n\n{told}\n" if output.suffix == ".md" else as_html(rows, told))
        click.echo(f"{output}: {told}")


def words(found: Sequence[Summary], seeds: int) -> str:
    """What all cells come to."""
    compared, differing = sum(each.compared for each in found), sum(len(each.differing) for each in found)
    verdict = f"{differing:,} differ" if differing else "all agree"
    return f"{len(found):,} cells of {seeds:,} runs; {compared:,} figures beside theory, {verdict}"


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


STYLE = """
td:nth-child(-n+2){white-space:nowrap}
td.good{color:#1a7f37}
"""
"""Beside that of all our pages."""


def as_html(rows: Sequence[Sequence[str]], summary: str) -> str:
    """A page of its own, which looks like all our reports."""
    style = files("halfopen.report").joinpath("page.css").read_text("utf-8") + STYLE
    head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
    body = "".join(_html_row(row, is_first=row[1] == NONE) for row in rows)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>The lab</title>\n<style>\n{style}</style></head>\n<body><main><h1>Attacks and defences</h1>\n"
        f'<p class="hint">{escape(summary)}</p>\n'
        f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'
        "<footer>Made by halfopen.</footer></main></body></html>\n"
    )


def _html_row(row: Sequence[str], *, is_first: bool) -> str:
    """Of a scenario the first one names it; what an attack did is good or bad only where there was a defence."""
    scenario, defence, attack, theory, what = row
    outcome = "" if is_first or attack.startswith("-") else "good" if attack.startswith("failed") else "bad"
    kinds = ("", "", outcome, "bad" if "DIFFERS" in theory else "", "")
    shown = (scenario if is_first else "", defence, attack, theory, what)
    cells = "".join(f'<td class="{kind}">{escape(text)}</td>' for kind, text in zip(kinds, shown, strict=True))
    return f'<tr class="{"first" if is_first else ""}">{cells}</tr>\n'
