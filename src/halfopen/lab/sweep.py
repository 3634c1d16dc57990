"""Sweeps: scenarios under many settings, with many seeds for each, as rows of JSON.

A cell is a scenario with its defences and parameters; a run is a cell and the number of a replicate. The seed of a run
and the key of its row are hashes of what it is: they depend neither on who runs it nor on what else is in the sweep.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import PurePath
from traceback import extract_tb

from halfopen import __version__
from halfopen.lab.catalogue import find
from halfopen.lab.measurements import wilson
from halfopen.lab.results import NONE
from halfopen.lab.scenario import Settings, Value, shown
from halfopen.report.tables import format_table

ALL = "all"
"""Every defence of a scenario at once."""
SEED_OCTETS = 6
"""Programs that read JSON into doubles lose nothing of such a seed."""

KEY_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Cell:
    """A scenario with its defences, sorted, and all of its parameters, sorted by name."""

    scenario: str
    defences: tuple[str, ...]
    parameters: tuple[tuple[str, Value], ...]

    @property
    def defence(self) -> str:
        """``"none"``, or all that are on: ``"ingress-filter+rfc6528"``."""
        return "+".join(self.defences) or NONE

    @property
    def settings(self) -> Settings:
        """Of its runs, but for the seed; a sweep keeps no captures."""
        return Settings(defences=frozenset(self.defences), parameters=dict(self.parameters), record=False)

    def __str__(self) -> str:
        values = (f"{name}={shown(value)}" for name, value in self.parameters)
        return ", ".join((self.scenario, self.defence, *values))


@dataclass(frozen=True, slots=True)
class Run:
    """One replicate of a cell."""

    cell: Cell
    replicate: int

    @property
    def seed(self) -> int:
        """Of its own, and always the same."""
        return int.from_bytes(sha256(self._identity.encode()).digest()[:SEED_OCTETS], "big")

    @property
    def key(self) -> str:
        """Of its row: another release of the code may have another result."""
        return sha256(f"{__version__} {self._identity}".encode()).hexdigest()[:KEY_DIGITS]

    @property
    def _identity(self) -> str:
        cell = self.cell
        return json.dumps([cell.scenario, cell.defences, cell.parameters, self.replicate], ensure_ascii=True)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Cells, in the order of the specification, and how often each is run."""

    seeds: Mapping[Cell, int]

    @property
    def runs(self) -> Iterator[Run]:
        """All of them, in the order of their rows."""
        return (Run(cell, replicate) for cell, count in self.seeds.items() for replicate in range(count))

    def __len__(self) -> int:
        return sum(self.seeds.values())


def run(cell: Cell, seed: int) -> dict[str, object]:
    """What came of one run; of one that failed, how and where: that is a result as well, and no end of the sweep."""
    chosen = cell.settings
    settings = Settings(seed=seed, defences=chosen.defences, parameters=chosen.parameters, record=False)
    try:
        outcome = find(cell.scenario).run(settings)
    except Exception as error:
        frame = extract_tb(error.__traceback__)[-1]
        return failure(f"{type(error).__name__}: {error}", f"{PurePath(frame.filename).name}:{frame.lineno}")
    return {
        "attack_succeeded": outcome.attack_succeeded,
        "metrics": _finite(outcome.metrics),
        "theory": _finite(outcome.theory),
        "counts": {name: list(counts) for name, counts in outcome.counts.items()},
        "tolerance": dict(outcome.tolerance),
    }


def failure(error: str, place: str | None = None) -> dict[str, object]:
    """What stands in the row of a run that has no outcome."""
    return {"error": error, "at": place}


def row(each: Run, result: Mapping[str, object]) -> str:
    """A line of the results, without its end."""
    cell = each.cell
    about: dict[str, object] = {
        "key": each.key,
        "scenario": cell.scenario,
        "defence": cell.defence,
        "parameters": dict(cell.parameters),
        "replicate": each.replicate,
        "seed": each.seed,
    }
    return json.dumps({**about, **result}, ensure_ascii=False, allow_nan=False)


def played(runs: Iterable[Run]) -> list[str]:
    """The rows of ``runs``."""
    return [row(each, run(each.cell, each.seed)) for each in runs]


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    """JSON knows no infinity."""
    return {name: value if isfinite(value) else None for name, value in figures.items()}


@dataclass(slots=True)
class Tally:
    """Of the runs of a cell: how many succeeded for the attacker, of how many that came to their end."""

    succeeded: int = 0
    finished: int = 0
    failed: int = 0

    def add(self, result: Mapping[str, object]) -> None:
        """One more row."""
        if "error" in result:
            self.failed += 1
        else:
            self.finished += 1
            self.succeeded += result["attack_succeeded"] is True


def tallies(sweep: Sweep, rows: Mapping[str, str]) -> dict[Cell, Tally]:
    """Of ``rows``, which are known by their keys."""
    found = {cell: Tally() for cell in sweep.seeds}
    for each in sweep.runs:
        if each.key in rows:
            found[each.cell].add(json.loads(rows[each.key]))
    return found


def table(found: Mapping[Cell, Tally]) -> str:
    """For people: each cell with the share of attacks that succeeded, and its 95 % interval (Wilson 1927)."""
    varied = _varied(found)
    header = ("scenario", "defence", *varied, "runs", "failed", "share", "95 % interval")
    return format_table([_cells(cell, tally, varied) for cell, tally in found.items()], header)


def _varied(cells: Iterable[Cell]) -> list[str]:
    """Parameters of which there is more than one value within a scenario."""
    values: dict[tuple[str, str], set[Value]] = {}
    for cell in cells:
        for name, value in cell.parameters:
            values.setdefault((cell.scenario, name), set()).add(value)
    return list(dict.fromkeys(name for (_, name), several in values.items() if len(several) > 1))


def _cells(cell: Cell, tally: Tally, varied: Iterable[str]) -> tuple[object, ...]:
    scenario, parameters = find(cell.scenario), dict(cell.parameters)
    is_all = len(cell.defences) > 1 and set(cell.defences) == set(scenario.defences)
    values = (shown(parameters[name]) if name in parameters else None for name in varied)
    share = interval = "-"
    if tally.finished and scenario.is_attack:
        share = f"{tally.succeeded / tally.finished:.3f}"
        interval = str(wilson(tally.succeeded, tally.finished))
    runs = tally.finished + tally.failed
    return cell.scenario, ALL if is_all else cell.defence, *values, runs, tally.failed, share, interval


def checked_cell(scenario: str, defences: Iterable[str], parameters: Mapping[str, Value]) -> Cell:
    """With all parameters; ConfigError names what is wrong."""
    chosen = find(scenario).checked(Settings(defences=frozenset(defences), parameters=parameters))
    return Cell(scenario, tuple(sorted(chosen.defences)), tuple(sorted(chosen.parameters.items())))
