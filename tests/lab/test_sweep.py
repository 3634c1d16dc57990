import json
from dataclasses import replace
from math import inf
from typing import ClassVar

import pytest

from halfopen.base.errors import ConfigError
from halfopen.lab import catalogue, sweep
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.sweep import Cell, Run, Sweep, Tally, checked_cell, failure, played, row, run, table, tallies

CELL = checked_cell("time-wait", [], {"after": 1})


class Coin(Scenario):
    """Seeds decide it; some of them break it."""

    name = "coin"
    title = text = "a coin"
    parameters: ClassVar = {"odd": Parameter(1, least=0)}
    defences: ClassVar = {"glue": "it stays where it is"}

    def play(self, settings: Settings) -> Outcome:
        if settings.seed == 13:
            raise ZeroDivisionError("no\nluck")
        return Outcome(attack_succeeded=bool(settings.seed % 2), metrics={"height": inf}, counts={"heads": (1, 2)})


@pytest.fixture
def coin(monkeypatch: pytest.MonkeyPatch) -> Cell:
    monkeypatch.setitem(catalogue.SCENARIOS, "coin", Coin())
    return checked_cell("coin", ["glue"], {})


def test_a_cell_has_all_parameters_and_refuses_what_its_scenario_does() -> None:
    assert checked_cell("time-wait", [], {}) == Cell("time-wait", (), (("after", 5.0),))
    assert str(checked_cell("time-wait", ["rfc1337"], {})) == "time-wait, rfc1337, after=5"
    with pytest.raises(ConfigError, match="did you mean 'rfc1337'"):
        checked_cell("time-wait", ["rfc1336"], {})


def test_seeds_and_keys_are_those_of_the_run_alone() -> None:
    # They may not change with the machine, the process or the release: results are compared over years.
    assert Run(CELL, 0).seed == 227767901247845
    assert Run(replace(CELL), 0).key == Run(CELL, 0).key


def test_every_run_has_a_seed_and_a_key_of_its_own() -> None:
    cells = [CELL, checked_cell("time-wait", [], {"after": 2}), checked_cell("time-wait", ["rfc1337"], {"after": 1})]
    runs = list(Sweep(dict.fromkeys(cells, 50)).runs)
    assert len({each.seed for each in runs}) == len({each.key for each in runs}) == 150
    assert all(each.seed < 1 << 53 for each in runs)


def test_another_release_has_the_same_seeds_and_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    seed, key = Run(CELL, 0).seed, Run(CELL, 0).key
    monkeypatch.setattr(sweep, "__version__", "99")
    assert Run(CELL, 0).seed == seed
    assert Run(CELL, 0).key != key


def test_a_row_tells_what_was_run_and_what_came_of_it() -> None:
    each = Run(CELL, 3)
    (line,) = played([each])
    told = json.loads(line)
    assert list(told)[:6] == ["key", "scenario", "defence", "parameters", "replicate", "seed"]
    assert (told["key"], told["seed"], told["replicate"]) == (each.key, each.seed, 3)
    assert (told["scenario"], told["defence"], told["parameters"]) == ("time-wait", "none", {"after": 1.0})
    assert told["attack_succeeded"] is True
    assert told["theory"] == {"TIME-WAIT, s": 1.0}


def test_a_run_is_the_same_each_time() -> None:
    assert run(CELL, 7) == run(CELL, 7)
    assert played([Run(CELL, 1), Run(CELL, 2)]) == [*played([Run(CELL, 1)]), *played([Run(CELL, 2)])]


def test_a_run_that_fails_is_a_row_with_seed_and_error(coin: Cell) -> None:
    result = run(coin, 13)
    assert result["error"] == "ZeroDivisionError: no\nluck"
    assert str(result["at"]).startswith("test_sweep.py:")
    line = row(Run(coin, 0), result)
    assert "\n" not in line
    assert json.loads(line)["seed"] == Run(coin, 0).seed


def test_infinity_is_null_in_a_row(coin: Cell) -> None:
    result = run(coin, 1)
    assert result == {
        "attack_succeeded": True,
        "metrics": {"height": None},
        "theory": {},
        "counts": {"heads": [1, 2]},
        "tolerance": {},
    }
    assert json.loads(row(Run(coin, 0), result))["metrics"] == {"height": None}


def test_the_runs_of_a_sweep_are_in_the_order_of_its_cells(coin: Cell) -> None:
    both = Sweep({coin: 2, CELL: 1})
    assert list(both.runs) == [Run(coin, 0), Run(coin, 1), Run(CELL, 0)]
    assert len(both) == 3


def test_tallies_count_successes_and_failures_of_each_cell(coin: Cell) -> None:
    both = Sweep({coin: 3, CELL: 2})
    results = [run(coin, 1), run(coin, 2), run(coin, 13), run(CELL, 1)]
    rows = {each.key: row(each, result) for each, result in zip(both.runs, results, strict=False)}
    assert tallies(both, rows) == {coin: Tally(1, 2, 1), CELL: Tally(1, 1, 0)}


def test_the_table_has_shares_with_their_intervals(coin: Cell) -> None:
    other = checked_cell("coin", [], {"odd": 2})
    lines = table({coin: Tally(20, 20), other: Tally(0, 0, 4), CELL: Tally(1, 4)}).splitlines()
    assert lines[0].split() == ["scenario", "defence", "odd", "runs", "failed", "share", "95", "%", "interval"]
    assert lines[1].split() == ["coin", "glue", "1", "20", "0", "1.000", "0.8389", "to", "1"]
    assert lines[2].split() == ["coin", "none", "2", "4", "4", "-", "-"]
    assert lines[3].split() == ["time-wait", "none", "4", "0", "0.250", "0.04559", "to", "0.6994"]


def test_what_is_no_attack_has_no_share() -> None:
    handshake = checked_cell("handshake", [], {})
    assert table({handshake: Tally(0, 9)}).splitlines()[1].split() == ["handshake", "none", "9", "0", "-", "-"]


def test_a_failure_without_a_place_says_so() -> None:
    assert failure("the process died") == {"error": "the process died", "at": None}


def test_the_table_calls_all_defences_by_one_name() -> None:
    every = checked_cell("hijack", catalogue.SCENARIOS["hijack"].defences, {})
    assert table({every: Tally(0, 9)}).splitlines()[1].split()[:3] == ["hijack", "all", "9"]
