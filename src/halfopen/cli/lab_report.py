"""``halfopen lab report``: every scenario against every defence, as one table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

import click

from halfopen.cli.show import write
from halfopen.lab.catalogue import SCENARIOS, find
from halfopen.lab.results import DIFFER, NONE, Result, findings, run
from halfopen.lab.scenario import Scenario, Settings

ALL = "all together"
COLUMNS = ("scenario", "defence", "the attack", "figures beside theory", "what the defence does")


@dataclass(frozen=True, slots=True)
class Cell:
    """A scenario against a defence: how often the attack succeeded, and what differed from theory in any run."""

    scenario: Scenario
    defence: str
    succeeded: int
    runs: int
    compared: int
    differing: tuple[str, ...]

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """As `COLUMNS` say."""
        attack = f"succeeded {self.succeeded} of {self.runs}" if self.scenario.is_attack else "-"
        if self.scenario.is_attack and self.succeeded in (0, self.runs):
            attack = "failed" if not self.succeeded else "SUCCEEDED"
        theory = f"DIFFERS: {', '.join(self.differing)}" if self.differing else f"{self.compared} agree"
        what = self.scenario.defences.get(self.defence, self.scenario.title if self.defence == NONE else "")
        return self.scenario.name, self.defence, attack, theory if self.compared else "-", what


@click.command("report", short_help="Run everything against every defence, as one table.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Runs in each cell.")
@click.option("--scenario", "names", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="An HTML page, or Markdown if it ends in .md.")
def command(seeds: int, names: Sequence[str], output: Path | None) -> None:
    """Run every scenario undefended, with each defence alone, and with all of them; print a Markdown table.

    A defence that does not stop an attack is not always a fault: that is what some of them are there to show.
    """
    scenarios = [find(name) for name in names] or list(SCENARIOS.values())
    cells = []
    for cell in played(scenarios, range(seeds)):
        cells.append(cell)
        click.echo(" ".join(cell.row[:4]), err=True)
    rows = [cell.row for cell in cells]
    if output is None:
        click.echo(as_markdown(rows))
    else:
        write(output, as_markdown(rows) + "\n" if output.suffix == ".md" else as_html(rows))
        click.echo(f"{output}: {len(cells)} cells of {seeds} runs")


def played(scenarios: Sequence[Scenario], seeds: Sequence[int]) -> Iterator[Cell]:
    """Cell by cell."""
    for scenario in scenarios:
        choices = {NONE: frozenset[str](), **{name: frozenset({name}) for name in scenario.defences}}
        if len(scenario.defences) > 1:
            choices[ALL] = frozenset(scenario.defences)
        for name, defences in choices.items():
            settings = (Settings(seed=seed, defences=defences, record=False) for seed in seeds)
            yield _cell(scenario, name, [run(scenario, each) for each in settings])


def _cell(scenario: Scenario, defence: str, results: Sequence[Result]) -> Cell:
    found = [finding for result in results for finding in findings(result.outcome) if finding.verdict]
    differing = dict.fromkeys(finding.name for finding in found if finding.verdict == DIFFER)
    succeeded = sum(result.outcome.attack_succeeded for result in results)
    return Cell(scenario, defence, succeeded, len(results), len(found), tuple(differing))


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def as_html(rows: Sequence[Sequence[str]]) -> str:
    """A page of its own, which looks like all our reports."""
    style = files("halfopen.report").joinpath("page.css").read_text("utf-8")
    head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
    body = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>\n" for row in rows)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>The lab</title>\n<style>\n{style}</style></head>\n<body><main><h1>Attacks and defences</h1>\n"
        f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'
        "<footer>Made by halfopen.</footer></main></body></html>\n"
    )


def _html_cell(text: str) -> str:
    kind = "bad" if text.startswith(("SUCCEEDED", "succeeded", "DIFFERS")) else ""
    return f'<td class="{kind}">{escape(text)}</td>'
