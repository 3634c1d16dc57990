import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from io import StringIO
from multiprocessing import active_children
from pathlib import Path

import pytest

from halfopen.cli import sweep_running
from halfopen.cli.sweep import tell_failures
from halfopen.cli.sweep_engine import LocalEngine
from halfopen.cli.sweep_file import Journal
from halfopen.cli.sweep_running import fill, progress
from halfopen.lab.sweep import Run, failure, played, row
from halfopen.lab.sweep_spec import parse
from tests.cli.running import COMMAND, complaint, invoke, until

SPEC = """\
scenario: time-wait
defences: [none, rfc1337]
parameters: {after: [1, 20]}
seeds: 6
"""
SWEEP = parse(SPEC, "spec")
ROWS = played(SWEEP.runs)
OCTETS = "".join(f"{each}\n" for each in ROWS).encode()


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return str(path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


class Untouched(LocalEngine):
    """Remembers what it was asked for."""

    asked: Sequence[Run] = ()

    def rows(self, runs: Iterable[Run]) -> Iterator[list[tuple[Run, str]]]:
        Untouched.asked = list(runs)
        return super().rows(Untouched.asked)


def deadly(runs: Sequence[Run]) -> list[str]:
    """One of the runs kills whoever runs it."""
    if any(each.replicate == 2 and each.cell.defences for each in runs):
        os.kill(os.getpid(), signal.SIGKILL)
    return played(runs)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_rows_are_the_same_octets_whatever_the_number_of_workers(spec: str, out: Path, workers: str) -> None:
    result = invoke("lab", "sweep", spec, "--out", str(out), "--workers", workers)
    assert result.exit_code == 0, result.stderr
    assert out.read_bytes() == OCTETS
    assert [path.name for path in sorted(out.parent.iterdir())] == ["rows.jsonl", "spec.yaml"]


def test_the_table_has_a_line_for_each_cell(spec: str) -> None:
    result = invoke("lab", "sweep", spec)
    assert result.stderr == ""
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1] == ["time-wait", "none", "1", "6", "0", "1.000", "0.6097", "to", "1"]
    assert lines[4] == ["time-wait", "rfc1337", "20", "6", "0", "0.000", "0", "to", "0.3903"]


def test_a_killed_worker_costs_no_row_and_no_octet(out: Path) -> None:
    journal = Journal(SWEEP, out)
    before = set(active_children())
    batches = LocalEngine(2).rows(journal.missing)
    journal.add(next(batches))
    killed = next(child for child in active_children() if child not in before)
    killed.kill()
    killed.join()
    for batch in batches:
        journal.add(batch)
    journal.sort()
    assert out.read_bytes() == OCTETS


def test_a_run_that_kills_its_worker_each_time_is_the_only_one_that_fails(out: Path) -> None:
    journal = Journal(SWEEP, out)
    fill(journal, len(SWEEP), LocalEngine(2, deadly))
    journal.sort()
    lines = out.read_text().splitlines()
    failed = {number for number, each in enumerate(SWEEP.runs) if each.replicate == 2 and each.cell.defences}
    assert len(failed) == 2
    for number, each in enumerate(SWEEP.runs):
        dead = row(each, failure("the process that ran it died"))
        assert lines[number] == (dead if number in failed else ROWS[number])


def test_no_worker_is_left_behind() -> None:
    before = set(active_children())
    batches = LocalEngine(2).rows(SWEEP.runs)
    next(batches)
    assert isinstance(batches, Generator)
    batches.close()
    assert set(active_children()) <= before


def test_workers_end_when_the_command_is_killed(tmp_path: Path, out: Path) -> None:
    spec = tmp_path / "long.yaml"
    spec.write_text(SPEC.replace("seeds: 6", "seeds: 20000"))
    command = [*COMMAND, "lab", "sweep", str(spec), "--out", str(out), "--workers", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        until(lambda: out.exists() and out.stat().st_size > 0)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    assert len(children) >= 2
    until(lambda: not any(is_running(int(child)) for child in children))
    assert Journal(parse(spec.read_text(), "spec"), out).rows


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("cut", [0, 3, len(OCTETS) // 2, len(OCTETS) - 1, len(OCTETS)])
def test_a_sweep_goes_on_where_it_was_cut_off(spec: str, out: Path, cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_running, "LocalEngine", Untouched)
    out.write_bytes(OCTETS[:cut])
    whole = OCTETS[:cut].count(b"\n")
    assert invoke("lab", "sweep", spec, "--out", str(out), "--workers", "1").exit_code == 0
    assert Untouched.asked == list(SWEEP.runs)[whole:]
    assert out.read_bytes() == OCTETS


def test_rows_in_any_order_are_kept_and_put_in_order(spec: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_running, "LocalEngine", Untouched)
    out.write_text("".join(f"{each}\n" for each in reversed(ROWS[5:])))
    invoke("lab", "sweep", spec, "--out", str(out), "--workers", "1")
    assert Untouched.asked == list(SWEEP.runs)[:5]
    assert out.read_bytes() == OCTETS


def test_a_run_that_failed_is_tried_again(spec: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_running, "LocalEngine", Untouched)
    first = next(SWEEP.runs)
    out.write_text("\n".join([row(first, failure("it rained")), *ROWS[1:], ""]))
    invoke("lab", "sweep", spec, "--out", str(out), "--workers", "1")
    assert Untouched.asked == [first]
    assert out.read_bytes() == OCTETS


def test_what_is_done_is_in_the_file_before_the_sweep_ends(out: Path) -> None:
    journal = Journal(SWEEP, out)
    runs = list(SWEEP.runs)
    journal.add([(runs[3], ROWS[3])])
    assert out.read_text() == f"{ROWS[3]}\n"
    assert journal.missing == [*runs[:3], *runs[4:]]


def test_an_interrupted_sweep_says_how_to_go_on(spec: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(journal: Journal, *_: object) -> None:
        journal.add(zip(SWEEP.runs, ROWS[:2], strict=False))
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_running, "fill", interrupted)
    result = invoke("lab", "sweep", spec, "--out", str(out))
    assert result.exit_code == 130
    assert f"2 of 24 runs are kept for {out}; the same command goes on from there" in result.stderr


def test_a_terminal_is_shown_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(24, 20) as advance:
        advance(4)
    assert "24/24" in terminal.getvalue()


def test_failures_are_told_and_the_exit_code_is_one(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(SWEEP, out)
    first, *others = SWEEP.runs
    journal.add([(first, row(first, failure("KeyError: 'it\nrained'", "sky.py:7")))])
    journal.add(zip(others, ROWS[1:], strict=True))
    assert tell_failures(SWEEP, journal) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"halfopen lab: time-wait, none, seed {first.seed}: KeyError: 'it rained' (sky.py:7)",
        "halfopen lab: 1 of 24 runs failed",
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a diary\n", 1),
        ("a diary", 1),
        (OCTETS.decode() + '{"key": "0"}\n', 25),
        (OCTETS.decode() + "\n", 25),
        (OCTETS.decode() + "more", 25),
        ("[4]\n", 1),
        ('{"key": 4}\n', 1),
    ],
)
def test_a_file_that_is_not_of_the_sweep_is_left_alone(spec: str, out: Path, content: str, line: int) -> None:
    out.write_text(content)
    told = complaint("lab", "sweep", spec, "--out", str(out))
    assert f"{out}: line {line} is no row of this sweep: expected a new file, or its own" in told
    assert out.read_text() == content


def test_places_that_cannot_be_written_are_told_before_anything_is_run(spec: str, tmp_path: Path) -> None:
    assert "is no file" in complaint("lab", "sweep", spec, "--out", str(tmp_path))
    assert "is no file" in complaint("lab", "sweep", spec, "--out", "/dev/null")
    missing = tmp_path / "missing" / "rows.jsonl"
    assert f"{missing} cannot be written: No such file" in complaint("lab", "sweep", spec, "--out", str(missing))


def test_a_link_stays_one(spec: str, out: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(out)
    invoke("lab", "sweep", spec, "--out", str(link))
    assert link.is_symlink()
    assert out.read_bytes() == OCTETS


def test_faults_of_a_specification_are_told_at_once_for_editors(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("scenario: time-wait\ndefences: [rfc1336]\nparameters: {afer: 4}\nseeds: -1\n")
    result = invoke("lab", "sweep", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == [
        f"{path}:2:12",
        f"{path}:3:14",
        f"{path}:4:8",
    ]


def test_a_specification_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in complaint("lab", "sweep", str(tmp_path / "none.yaml"))
    (tmp_path / "latin").write_bytes(b"scenario: \xe9")
    assert "is no text in UTF-8" in complaint("lab", "sweep", str(tmp_path / "latin"))
    assert "0 is not in the range" in complaint("lab", "sweep", "x", "--workers", "0")


def test_the_row_of_a_sweep_is_what_the_run_alone_shows(spec: str) -> None:
    told = json.loads(ROWS[-1])
    arguments = ["--set", "after=20", "--defence", told["defence"], "--seed", str(told["seed"]), "--json"]
    alone = json.loads(invoke("lab", "run", told["scenario"], *arguments).stdout)
    assert {name: alone[name] for name in ("attack_succeeded", "metrics", "theory", "parameters")} == {
        name: told[name] for name in ("attack_succeeded", "metrics", "theory", "parameters")
    }
