"""The matrix: each scenario undefended, with each of its defences alone, and with all of them; seeds taken together."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypedDict

from halfopen.lab.catalogue import find
from halfopen.lab.measurements import CONFIDENCE, wilson
from halfopen.lab.results import DIFFER, NONE, findings
from halfopen.lab.scenario import Outcome, Scenario
from halfopen.lab.sweep import Cell, Sweep, Tally, checked_cell

TOGETHER = "all together"
COLUMNS = ("scenario", "defence", "the attack", "figures beside theory", "what the defence does")


def matrix(scenarios: Iterable[Scenario], seeds: int) -> Sweep:
    """Each cell that often."""
    return Sweep({cell: seeds for scenario in scenarios for cell in cells(scenario)})


def cells(scenario: Scenario) -> list[Cell]:
    """Of one scenario, with its parameters as they are by default."""
    several = [tuple(scenario.defences)] if len(scenario.defences) > 1 else []
    sets = [(), *((name,) for name in scenario.defences), *several]
    return [checked_cell(scenario.name, each, {}) for each in sets]


class Kept(TypedDict):
    """A row of a sweep, as far as it is used here."""

    attack_succeeded: bool
    metrics: dict[str, float | None]
    theory: dict[str, float | None]
    counts: dict[str, tuple[int, int]]
    tolerance: dict[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """A cell, how its attacks ended, and how its figures stand beside theory."""

    cell: Cell
    tally: Tally
    compared: int
    differing: tuple[str, ...]
    strays: tuple[str, ...]
    """Figures that agree over all runs, and not in each."""

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """As `COLUMNS` say."""
        scenario, name = find(self.cell.scenario), self.cell.defence
        what = scenario.defences.get(name, scenario.title if name == NONE else "")
        shown = TOGETHER if len(self.cell.defences) > 1 else name
        return scenario.name, shown, self._attack(scenario), self._theory(), what

    def _attack(self, scenario: Scenario) -> str:
        tally = self.tally
        failed = f"; {tally.failed} runs broke" if tally.failed else ""
        if not scenario.is_attack or not tally.finished:
            return f"-{failed}"
        if tally.succeeded in (0, tally.finished):
            return ("SUCCEEDED" if tally.succeeded else "failed") + failed
        interval = wilson(tally.succeeded, tally.finished)
        share = f"{interval.low:.0%} to {interval.high:.0%}"
        return f"succeeded {tally.succeeded} of {tally.finished} ({share}){failed}"

    def _theory(self) -> str:
        parts = [f"{self.compared - len(self.differing)} agree"] if self.compared > len(self.differing) else []
        parts += [f"DIFFERS: {', '.join(self.differing)}"] if self.differing else []
        parts += [f"not in each run: {', '.join(self.strays)}"] if self.strays else []
        return "; ".join(parts) or "-"


def summaries(sweep: Sweep, rows: Mapping[str, str]) -> list[Summary]:
    """Of all cells; ``rows`` are known by their keys.

    A matrix has so many proportions that some would lie outside of a 95 % interval by chance alone: theirs are wider,
    so that by chance one matrix in twenty has any that differs (Bonferroni).
    """
    kept: dict[Cell, list[Outcome]] = {cell: [] for cell in sweep.seeds}
    found = {cell: Tally() for cell in sweep.seeds}
    for each in sweep.runs:
        row = json.loads(rows[each.key])
        found[each.cell].add(row)
        if "error" not in row:
            kept[each.cell].append(outcome_of(row))
    proportions = sum(len(set(each.counts) & set(each.theory)) for runs in kept.values() for each in runs[:1])
    confidence = 1 - (1 - CONFIDENCE) / max(1, proportions)
    return [_summary(cell, found[cell], runs, confidence) for cell, runs in kept.items()]


def outcome_of(row: Kept) -> Outcome:
    """What a row of a sweep keeps of an outcome; figures that are infinite are compared with nothing."""
    return Outcome(
        attack_succeeded=row["attack_succeeded"],
        metrics={name: value for name, value in row["metrics"].items() if value is not None},
        theory={name: value for name, value in row["theory"].items() if value is not None},
        counts={name: (hits, trials) for name, (hits, trials) in row["counts"].items()},
        tolerance=row["tolerance"],
    )


def pooled(outcomes: Sequence[Outcome]) -> Outcome:
    """One for all: proportions of all trials, means of other figures."""
    first = outcomes[0]
    metrics = _means([each.metrics for each in outcomes])
    counts = {}
    for name in metrics:
        pairs = [each.counts[name] for each in outcomes if name in each.counts]
        if len(pairs) == len(outcomes):
            counts[name] = (sum(hits for hits, _ in pairs), sum(trials for _, trials in pairs))
    return Outcome(
        attack_succeeded=first.attack_succeeded,
        metrics=metrics | {name: hits / trials for name, (hits, trials) in counts.items()},
        theory=_means([each.theory for each in outcomes]),
        counts=counts,
        tolerance=first.tolerance,
    )


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of those that are there each time."""
    shared = [name for name in figures[0] if all(name in each for each in figures)]
    return {name: fmean(each[name] for each in figures) for name in shared}


def _summary(cell: Cell, tally: Tally, runs: Sequence[Outcome], confidence: float) -> Summary:
    if not runs:
        return Summary(cell, tally, 0, (), ())
    compared = [each for each in findings(pooled(runs), confidence) if each.verdict]
    differing = tuple(each.name for each in compared if each.verdict == DIFFER)
    outside = Counter(each.name for run in runs for each in findings(run) if each.verdict == DIFFER)
    strays = tuple(
        f"{each.name} ({outside[each.name]} of {len(runs)})"
        for each in compared
        if outside[each.name] and each.name not in differing and each.name not in runs[0].counts
    )
    return Summary(cell, tally, len(compared), differing, strays)
