import json
from pathlib import Path

import pytest
from pyarrow import parquet

from halfopen.cli import sweep_parquet
from halfopen.cli.sweep_file import Journal
from halfopen.cli.sweep_parquet import flattened
from halfopen.lab.sweep import failure, played, row
from halfopen.lab.sweep_spec import parse
from tests.cli.running import complaint, invoke

SPEC = """\
- {scenario: time-wait, defences: [none, rfc1337], parameters: {after: [1, 20]}, seeds: 3}
- {scenario: hijack, parameters: {generator: [bsd43, rfc6528]}, seeds: 2}
"""
SWEEP = parse(SPEC, "spec")
ROWS = played(SWEEP.runs)


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return str(path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "rows.parquet"


def octets(tmp_path: Path) -> bytes:
    path = tmp_path / "expected.parquet"
    sweep_parquet.write(path, ROWS)
    return path.read_bytes()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_file_has_the_same_octets_whatever_the_number_of_workers(spec: str, out: Path, workers: str) -> None:
    assert invoke("lab", "sweep", spec, "--output", str(out), "--workers", workers).exit_code == 0
    assert out.read_bytes() == octets(out.parent)
    assert not list(out.parent.glob("*.jsonl"))


def test_each_parameter_and_figure_is_a_column(out: Path) -> None:
    sweep_parquet.write(out, ROWS)
    table = parquet.read_table(out)
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["seed"] == kinds["replicate"] == kinds["hits.success"] == "int64"
    assert kinds["attack_succeeded"] == "bool"
    assert kinds["parameters.generator"] == "string"
    assert kinds["parameters.after"] == kinds["metrics.guesses"] == "double"
    for each, line in zip(table.to_pylist(), ROWS, strict=True):
        told = json.loads(line)
        assert {name: each[f"metrics.{name}"] for name in told["metrics"]} == told["metrics"]
        assert (each["seed"], each["scenario"], each["row"]) == (told["seed"], told["scenario"], line)


def test_rows_are_read_as_they_were_written(out: Path) -> None:
    sweep_parquet.write(out, ROWS)
    assert sweep_parquet.read(out) == ROWS


def test_a_finished_sweep_goes_on_with_more_seeds(spec: str, out: Path) -> None:
    less = parse(SPEC.replace("seeds: 3", "seeds: 1"), "less")
    sweep_parquet.write(out, played(less.runs))
    assert len(Journal(SWEEP, out).missing) == len(SWEEP) - len(less)
    assert invoke("lab", "sweep", spec, "-o", str(out), "--workers", "1").exit_code == 0
    assert out.read_bytes() == octets(out.parent)


def test_an_interrupted_sweep_goes_on_from_the_lines_beside_it(spec: str, out: Path) -> None:
    runs = list(SWEEP.runs)
    Journal(SWEEP, out).add([(runs[4], ROWS[4])])
    assert not out.exists()
    assert Journal(SWEEP, out).missing == [*runs[:4], *runs[5:]]
    assert invoke("lab", "sweep", spec, "-o", str(out), "--workers", "1").exit_code == 0
    assert out.read_bytes() == octets(out.parent)


def test_what_failed_has_no_figures_and_is_run_again(out: Path) -> None:
    first, *others = SWEEP.runs
    journal = Journal(SWEEP, out)
    journal.add([(first, row(first, failure("it rained")))])
    journal.add(zip(others, ROWS[1:], strict=True))
    journal.sort()
    assert parquet.read_table(out)["error"].to_pylist() == ["it rained", *(None for _ in others)]
    assert Journal(SWEEP, out).missing == [first]


def test_a_column_of_integers_and_fractions_is_one_of_fractions(out: Path) -> None:
    sweep_parquet.write(out, ['{"metrics": {"x": 1, "y": 1}}', '{"metrics": {"x": 0.5, "y": "one"}}', "{}"])
    table = parquet.read_table(out)
    assert table["metrics.x"].to_pylist() == [1.0, 0.5, None]
    assert table["metrics.y"].to_pylist() == ["1", "one", None]


def test_counts_are_hits_and_trials() -> None:
    assert flattened('{"counts": {"success": [1, 20]}}') == {"hits.success": 1, "trials.success": 20}


def test_a_file_that_is_not_of_the_sweep_is_left_alone(spec: str, out: Path) -> None:
    out.write_bytes(b"no Parquet")
    assert "has no rows of a sweep: expected a new file, or its own" in complaint("lab", "sweep", spec, "-o", str(out))
    assert out.read_bytes() == b"no Parquet"
    sweep_parquet.write(out, ['{"key": "0"}'])
    assert "line 1 is no row of this sweep" in complaint("lab", "sweep", spec, "-o", str(out))
    assert sweep_parquet.read(out) == ['{"key": "0"}']
