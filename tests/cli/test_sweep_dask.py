import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from distributed import LocalCluster

from halfopen import __version__
from halfopen.base.errors import ConfigError
from halfopen.cli.sweep_dask import DaskEngine, attempt, make_cluster
from halfopen.cli.sweep_file import Journal
from halfopen.cli.sweep_running import fill
from halfopen.lab.sweep import Run, failure, played, row
from halfopen.lab.sweep_spec import parse
from tests.cli.running import complaint, invoke, until

SPEC = """\
scenario: time-wait
defences: [none, rfc1337]
parameters: {after: [1, 20]}
seeds: 15
"""
SWEEP = parse(SPEC, "spec")
ROWS = played(SWEEP.runs)
OCTETS = "".join(f"{each}\n" for each in ROWS).encode()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A scheduler that somebody else has started, with two workers, on loopback."""
    with make_cluster(2, str(tmp_path_factory.mktemp("scratch"))) as made:
        yield made


@pytest.fixture
def address(cluster: LocalCluster) -> str:
    return str(cluster.scheduler_address)


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return str(path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def deadly(runs: Sequence[Run]) -> list[str]:
    """One of the runs kills whoever runs it."""
    if any(each.replicate == 2 and each.cell.defences for each in runs):
        os.kill(os.getpid(), signal.SIGKILL)
    return played(runs)


def workers(cluster: LocalCluster) -> dict[str, int]:
    """Their processes, each looked after by one of Dask's, by address of who looks after it."""
    return {name: nanny.pid for name, nanny in cluster.workers.items() if nanny.pid}


def test_a_scheduler_that_exists_gives_the_same_octets(spec: str, out: Path, address: str) -> None:
    engine = address.replace("tcp://", "dask://")
    result = invoke("lab", "sweep", spec, "--output", str(out), "--engine", engine)
    assert result.exit_code == 0, result.stderr
    assert out.read_bytes() == OCTETS


def test_without_an_address_there_are_processes_of_its_own(spec: str, out: Path) -> None:
    result = invoke("lab", "sweep", spec, "--output", str(out), "--engine", "dask", "--workers", "1")
    assert result.exit_code == 0, result.stderr
    assert out.read_bytes() == OCTETS


def test_a_killed_worker_costs_no_row_and_no_octet(out: Path, cluster: LocalCluster, address: str) -> None:
    before = workers(cluster)
    journal = Journal(SWEEP, out)
    batches = DaskEngine(address, 2).rows(journal.missing)
    journal.add(next(batches))
    name, victim = next(iter(before.items()))
    os.kill(victim, signal.SIGKILL)
    for batch in batches:
        journal.add(batch)
    journal.sort()
    assert out.read_bytes() == OCTETS
    until(lambda: workers(cluster).get(name) not in (None, victim))


def test_a_run_that_kills_its_worker_each_time_is_the_only_one_that_fails(out: Path, address: str) -> None:
    few = parse(SPEC.replace("seeds: 15", "seeds: 3").replace("[1, 20]", "1"), "few")
    journal = Journal(few, out)
    fill(journal, len(few), DaskEngine(address, 2, deadly))
    for each in few.runs:
        is_deadly = each.replicate == 2 and bool(each.cell.defences)
        dead = row(each, failure("the process that ran it died"))
        assert journal.rows[each.key] == (dead if is_deadly else played([each])[0])


def test_a_sweep_goes_on_where_it_was_cut_off_whatever_ran_it_before(spec: str, out: Path, address: str) -> None:
    out.write_bytes(OCTETS[: len(OCTETS) // 2])
    engine = address.replace("tcp://", "dask://")
    assert invoke("lab", "sweep", spec, "-o", str(out), "--engine", engine).exit_code == 0
    assert out.read_bytes() == OCTETS


def test_nothing_to_do_needs_no_scheduler(spec: str, out: Path) -> None:
    out.write_bytes(OCTETS)
    assert invoke("lab", "sweep", spec, "-o", str(out), "--engine", "dask://127.0.0.1:1").exit_code == 0


def test_workers_of_another_release_are_refused() -> None:
    with pytest.raises(ConfigError, match=rf"it has halfopen {__version__}: expected 0.0"):
        attempt("0.0", played, ())


def test_what_a_worker_cannot_do_is_told(address: str) -> None:
    with pytest.raises(ConfigError, match="a worker of Dask cannot run this: AttributeError"):
        list(DaskEngine(address, 2, broken).rows(SWEEP.runs))


def broken(runs: Sequence[Run]) -> list[str]:
    raise AttributeError("played")


def test_a_scheduler_that_is_not_there_is_told(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("halfopen.cli.sweep_dask.PATIENCE", "1s")
    told = complaint("lab", "sweep", spec, "--engine", "dask://127.0.0.1:1")
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in told


@pytest.mark.parametrize("name", ["dusk", "dask://", "dask://here", "dask:8786"])
def test_an_engine_that_does_not_exist_is_told(spec: str, name: str) -> None:
    told = complaint("lab", "sweep", spec, "--engine", name)
    assert f"--engine '{name}' will not do: expected local, dask, or dask://HOST:PORT" in told


def test_workers_are_not_for_a_scheduler_that_has_its_own(spec: str) -> None:
    told = complaint("lab", "sweep", spec, "--engine", "dask://127.0.0.1:8786", "--workers", "4")
    assert "--workers says nothing to a scheduler that has its own" in told
