import json
from dataclasses import replace

import pytest

from halfopen.lab.catalogue import SCENARIOS, find
from halfopen.lab.matrix import COLUMNS, cells, matrix, outcome_of, pooled, summaries
from halfopen.lab.scenario import Outcome
from halfopen.lab.sweep import Cell, Run, Sweep, checked_cell, failure, played, row

CELL = checked_cell("time-wait", [], {})
THEORY = {"share": 0.5, "seconds": 10.0, "count": 3.0}


def told(succeeded: bool = True, hits: int = 10, seconds: float = 10.0, count: float = 3.0) -> dict[str, object]:
    """A row's share of an outcome with a proportion of 20, a figure within a tenth, and an exact one."""
    return {
        "attack_succeeded": succeeded,
        "metrics": {"share": hits / 20, "seconds": seconds, "count": count, "endless": None},
        "theory": {**THEORY, "endless": None},
        "counts": {"share": [hits, 20]},
        "tolerance": {"seconds": 0.1},
    }


def one_cell(*results: dict[str, object], cell: Cell = CELL) -> tuple[str, ...]:
    sweep = Sweep({cell: len(results)})
    rows = {each.key: row(each, result) for each, result in zip(sweep.runs, results, strict=True)}
    (summary,) = summaries(sweep, rows)
    return summary.row


def test_a_scenario_has_a_cell_undefended_one_for_each_defence_and_one_for_all() -> None:
    desync, hijack = cells(find("desync")), cells(find("hijack"))
    assert [cell.defence for cell in desync] == ["none", "ack-limit"]
    assert len(hijack) == 2 + len(find("hijack").defences)
    assert hijack[-1].defences == tuple(sorted(find("hijack").defences))


def test_the_matrix_has_every_scenario_and_each_cell_as_often_as_asked() -> None:
    sweep = matrix(SCENARIOS.values(), 3)
    assert {cell.scenario for cell in sweep.seeds} == set(SCENARIOS)
    assert set(sweep.seeds.values()) == {3}


def test_a_row_has_what_the_columns_say() -> None:
    assert len(one_cell(told())) == len(COLUMNS)
    assert one_cell(told()) == ("time-wait", "none", "SUCCEEDED", "3 agree", find("time-wait").title)


def test_some_successes_are_a_share_with_its_interval() -> None:
    assert one_cell(told(), told(False), told(), told())[2] == "succeeded 3 of 4 (30% to 95%)"
    assert one_cell(told(False), told(False))[2] == "failed"


def test_what_is_no_attack_neither_succeeds_nor_fails() -> None:
    assert one_cell(told(False), cell=checked_cell("handshake", [], {}))[2] == "-"


def test_runs_that_broke_are_told_and_do_not_count() -> None:
    assert one_cell(failure("it rained"), told())[2] == "SUCCEEDED; 1 runs broke"
    assert one_cell(failure("it rained"))[2:4] == ("-; 1 runs broke", "-")


def test_a_proportion_is_that_of_all_runs_together() -> None:
    # 6 of 20 alone would agree; 60 of 200 do not.
    assert one_cell(told(hits=6))[3] == "3 agree"
    assert one_cell(*[told(hits=6)] * 10)[3] == "2 agree; DIFFERS: share"
    assert one_cell(*[told(hits=4), told(hits=16)] * 5)[3] == "3 agree"


def test_another_figure_is_the_mean_and_runs_that_stray_are_told() -> None:
    assert one_cell(told(seconds=10.9), told(seconds=9.1))[3] == "3 agree"
    assert one_cell(told(seconds=11.5), told(), told())[3] == "3 agree; not in each run: seconds (1 of 3)"
    assert one_cell(told(seconds=11.5), told(seconds=11.5))[3] == "2 agree; DIFFERS: seconds"


def test_an_exact_figure_differs_if_it_does_in_any_run() -> None:
    assert one_cell(told(), told(count=4.0))[3] == "2 agree; DIFFERS: count"


def test_many_proportions_have_wider_intervals() -> None:
    # 15 of 20 is outside of the 95 % interval, and would be in one cell of fifty by chance.
    several = {replace(CELL, parameters=(("after", float(number)),)): 1 for number in range(1, 51)}
    sweep = Sweep(several)
    rows = {each.key: row(each, told(hits=15)) for each in sweep.runs}
    assert {summary.differing for summary in summaries(sweep, rows)} == {()}
    assert one_cell(told(hits=15))[3] == "2 agree; DIFFERS: share"


def test_the_figures_of_a_cell_are_those_that_all_its_runs_have() -> None:
    first = Outcome(attack_succeeded=True, metrics={"a": 1.0, "b": 1.0}, theory={"a": 2.0})
    second = Outcome(attack_succeeded=False, metrics={"a": 3.0}, theory={})
    both = pooled([first, second])
    assert both.metrics == {"a": 2.0}
    assert both.theory == {}


@pytest.mark.parametrize("name", ["hijack", "time-wait"])
def test_what_a_sweep_keeps_is_what_a_run_has_found(name: str) -> None:
    each = Run(checked_cell(name, [], {}), 0)
    (line,) = played([each])
    kept = outcome_of(json.loads(line))
    outcome = find(name).run(replace(each.cell.settings, seed=each.seed))
    assert kept == replace(kept, metrics=outcome.metrics, theory=outcome.theory, tolerance=dict(outcome.tolerance))
    assert kept.counts == dict(outcome.counts)
