"""Sweeps as YAML: what is to be run, and what is wrong with it, all at once and each with line and column.

    scenario: syn-flood
    defences: [none, random-drop, bigger-backlog+shorter-timer, all]
    parameters:
      rate: [10, 100, 1000]
      backlog: [128, 1024]
    seeds: 20

Each set of defences is run with each value of each parameter, so many times. Without ``defences`` there are none, what
``parameters`` does not name has its default, and without ``seeds`` each cell is run once. A list of such is one sweep.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

from halfopen.base.errors import ConfigError
from halfopen.lab.catalogue import find
from halfopen.lab.results import NONE
from halfopen.lab.scenario import Parameter, Scenario, Value, nearest
from halfopen.lab.sweep import ALL, Cell, Sweep, checked_cell
from halfopen.sim.yaml_source import Data, Path, Source, read

FIELDS = ("scenario", "defences", "parameters", "seeds")
MOST_RUNS = 1_000_000
"""All rows are held until they are put in order."""


def parse(text: str, name: str) -> Sweep:
    """The sweep of YAML text; ConfigError has a line for each fault: ``name:line:column: what``."""
    source = read(text, name)
    reader = _Reader(source)
    if isinstance(source.data, list) and source.data:
        for number, entry in enumerate(source.data):
            reader.entry(entry, (number,))
    else:
        reader.entry(source.data, ())
    source.check()
    return Sweep(reader.seeds)


class _Reader:
    """Makes cells of what can be understood, and complains of the rest."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.seeds: dict[Cell, int] = {}
        self._runs = 0

    def entry(self, data: Data, path: Path) -> None:
        """One scenario, its defences and its grid."""
        if not isinstance(data, dict):
            self._source.complain(path, f"a sweep has {', '.join(FIELDS)}")
            return
        for field in data:
            if field not in FIELDS:
                self._source.complain((*path, field), f"{field} means nothing here: {nearest(field, FIELDS)}", True)
        seeds = self._seeds(data.get("seeds", 1), (*path, "seeds"))
        scenario = self._scenario(data.get("scenario"), (*path, "scenario"))
        if scenario is None:
            return
        sets = self._sets(scenario, data.get("defences"), (*path, "defences"))
        grid = self._grid(scenario, data.get("parameters"), (*path, "parameters"))
        self._runs += len(sets) * prod(map(len, grid.values())) * seeds
        if self._runs > MOST_RUNS:
            self._source.complain(path, f"these are {self._runs:,} runs: expected up to {MOST_RUNS:,}")
            return
        for defences, values in product(sets, product(*grid.values())):
            cell = checked_cell(scenario.name, defences, dict(zip(grid, values, strict=True)))
            if cell in self.seeds:
                self._source.complain(path, f"this is in the sweep already: {cell}")
            self.seeds[cell] = seeds

    def _scenario(self, data: Data, path: Path) -> Scenario | None:
        try:
            if isinstance(data, str):
                return find(data)
            self._source.complain(path, "scenario: expected the name of one; `halfopen lab list` has them all")
        except ConfigError as error:
            self._source.complain(path, str(error))
        return None

    def _seeds(self, data: Data, path: Path) -> int:
        if isinstance(data, int) and not isinstance(data, bool) and data >= 1:
            return data
        self._source.complain(path, f"seeds: {data!r} will not do: expected how many, from 1")
        return 1

    def _sets(self, scenario: Scenario, data: Data, path: Path) -> list[frozenset[str]]:
        """A set of defences for each item."""
        if data is None:
            return [frozenset()]
        sets: list[frozenset[str]] = []
        for item, where in self._items(data, path, "defences"):
            names = self._defences(scenario, item, where)
            if names in sets:
                self._source.complain(where, f"defences: {'+'.join(sorted(names)) or NONE} is there already")
            elif names is not None:
                sets.append(names)
        return sets

    def _defences(self, scenario: Scenario, data: Data, path: Path) -> frozenset[str] | None:
        """``"none"``, ``"all"``, ``"a"``, ``"a+b"`` or ``["a", "b"]``; None, and complaints, for what is not."""
        words = [word.strip() for word in data.split("+")] if isinstance(data, str) else data
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            self._source.complain(path, "defences: expected names, such as none, all, or two at once: a+b")
            return None
        if words in ([NONE], [ALL]):
            return frozenset(scenario.defences if words == [ALL] else ())
        names = frozenset(str(word) for word in words)
        unknown = sorted(names - set(scenario.defences))
        for name in unknown:
            hint = nearest(name, scenario.defences)
            self._source.complain(path, f"{scenario.name} has no defence {name!r}: {hint}")
        return None if unknown else names

    def _grid(self, scenario: Scenario, data: Data, path: Path) -> Mapping[str, list[Value]]:
        """The values of each parameter that is named."""
        if data is None:
            return {}
        if not isinstance(data, dict):
            self._source.complain(path, "parameters: expected names with values, such as rate: [10, 100]")
            return {}
        grid: dict[str, list[Value]] = {}
        for name, given in data.items():
            parameter = scenario.parameters.get(name)
            if parameter is None:
                hint = nearest(name, scenario.parameters)
                self._source.complain((*path, name), f"{scenario.name} has no parameter {name!r}: {hint}", True)
            else:
                grid[name] = self._values(parameter, given, (*path, name))
        return grid

    def _values(self, parameter: Parameter, data: Data, path: Path) -> list[Value]:
        name = str(path[-1])
        values: list[Value] = []
        for item, where in self._items(data, path, name):
            try:
                value = parameter.read(name, _scalar(name, item, parameter))
            except ConfigError as error:
                self._source.complain(where, str(error))
                continue
            if value in values:
                self._source.complain(where, f"{name}: {item} is there already")
            else:
                values.append(value)
        return values

    def _items(self, data: Data, path: Path, name: str) -> Sequence[tuple[Data, Path]]:
        """Of a list; what is none stands for a list of itself."""
        if not isinstance(data, list):
            return [(data, path)]
        if not data:
            self._source.complain(path, f"{name}: the list is empty")
        return [(item, (*path, number)) for number, item in enumerate(data)]


def _scalar(name: str, data: Data, parameter: Parameter) -> Value:
    if isinstance(data, bool) or not isinstance(data, str | int | float):
        raise ConfigError(f"{name}: this will not do: expected {parameter.range}")
    return data
