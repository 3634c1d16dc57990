from pathlib import Path

import pytest

from halfopen.base.errors import ConfigError
from halfopen.lab.sweep import checked_cell
from halfopen.lab.sweep_spec import parse

BAD = """\
scenario: syn-flood
defences: [none, randm-drop, none, 7]
parameters:
  rate: [10, 0, ten]
  backlg: 4
  backlog: []
  clients: true
seeds: 0
sedes: 4
"""


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "s.yaml")
    return str(caught.value).splitlines()


def test_a_scenario_alone_is_one_run_without_defences() -> None:
    assert parse("scenario: time-wait", "s").seeds == {checked_cell("time-wait", [], {}): 1}


def test_every_set_of_defences_is_run_with_every_value_in_the_order_of_the_file() -> None:
    sweep = parse("{scenario: wrap, defences: [all, none], parameters: {before: [3000, 4000], rate: 9}, seeds: 3}", "s")
    assert [(cell.defence, dict(cell.parameters)["before"], count) for cell, count in sweep.seeds.items()] == [
        ("timestamps", 3000, 3),
        ("timestamps", 4000, 3),
        ("none", 3000, 3),
        ("none", 4000, 3),
    ]
    assert {dict(cell.parameters)["rate"] for cell in sweep.seeds} == {9.0}


@pytest.mark.parametrize(
    "written", ["[rfc6528+modern-client]", "[[modern-client, rfc6528]]", "modern-client + rfc6528"]
)
def test_several_defences_at_once_may_be_written_in_any_way(written: str) -> None:
    sweep = parse(f"{{scenario: hijack, defences: {written}}}", "s")
    assert [cell.defence for cell in sweep.seeds] == ["modern-client+rfc6528"]


def test_a_list_of_scenarios_is_one_sweep() -> None:
    sweep = parse("- {scenario: wrap, seeds: 2}\n- {scenario: time-wait, seeds: 3}", "s")
    assert [(cell.scenario, count) for cell, count in sweep.seeds.items()] == [("wrap", 2), ("time-wait", 3)]


def test_all_faults_are_told_at_once_each_with_its_place() -> None:
    told = faults(BAD)
    assert told == [
        "s.yaml:2:18: syn-flood has no defence 'randm-drop': did you mean 'random-drop'?",
        "s.yaml:2:30: defences: none is there already",
        "s.yaml:2:36: defences: expected names, such as none, all, or two at once: a+b",
        *told[3:5],
        "s.yaml:5:3: syn-flood has no parameter 'backlg': did you mean 'backlog'?",
        "s.yaml:6:12: backlog: the list is empty",
        told[7],
        "s.yaml:8:8: seeds: 0 will not do: expected how many, from 1",
        "s.yaml:9:1: sedes means nothing here: did you mean 'seeds'?",
    ]
    assert told[3].startswith("s.yaml:4:14: rate: 0 is out of range: expected a number above 0")
    assert told[4].startswith("s.yaml:4:17: rate: 'ten' will not do: expected a number above 0")
    assert told[7].startswith("s.yaml:7:12: clients: this will not do: expected an integer")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "s.yaml:1:1: a sweep has scenario, defences, parameters, seeds"),
        ("[]", "s.yaml:1:1: a sweep has scenario, defences, parameters, seeds"),
        ("- 4", "s.yaml:1:3: a sweep has scenario, defences, parameters, seeds"),
        ("seeds: 4", "s.yaml:1:1: scenario: expected the name of one; `halfopen lab list` has them all"),
        ("scenario: isnn", "s.yaml:1:11: there is no scenario 'isnn': did you mean 'isn'?"),
        ("{scenario: isn, seeds: yes}", "s.yaml:1:24: seeds: True will not do: expected how many, from 1"),
        ("{scenario: wrap, parameters: 4}", "s.yaml:1:30: parameters: expected names with values, such as"),
        ("{scenario: wrap, parameters: {before: [3000, 3e+3]}}", "s.yaml:1:46: before: 3e+3 is there already"),
        ("{scenario: time-wait, seeds: 1000001}", "s.yaml:1:1: these are 1,000,001 runs: expected up to 1,000,000"),
        ("- scenario: isn\n- scenario: isn", "s.yaml:2:3: this is in the sweep already: isn, none, "),
        ("{scenario: isn", "s.yaml:1:15: this is no YAML: "),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, told: str) -> None:
    (line,) = faults(text)
    assert line.startswith(told)


def test_the_example_of_the_manual_is_one() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "lab.md").read_text("utf-8")
    sweep = parse(manual.partition("```yaml\n")[2].partition("```")[0], "docs/lab.md")
    assert (len(sweep.seeds), len(sweep)) == (24, 480)
