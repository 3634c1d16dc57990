import os
from pathlib import Path

from halfopen.packetdrill.corpus import FEW, Tally, by_folder, find_scripts, run_all, versions_for
from halfopen.packetdrill.errors import Verdict
from halfopen.packetdrill.trials import Trial


def verdict_of(trial: Trial) -> Verdict:
    """Passes what is called so, and kills the process of what is deadly."""
    name = Path(trial.path).name
    if name == "deadly.pkt":
        os._exit(3)
    return Verdict(
        script=trial.path, ip_version=str(trial.ip_version), verdict="pass" if name.startswith("p") else "unsupported"
    )


def trial(name: str) -> Trial:
    return Trial(path=name, ip_version="ipv4")


def test_a_tree_is_searched_for_scripts_in_order(tmp_path: Path) -> None:
    for name in ("b/z.pkt", "b/a.pkt", "a/y.pkt", "a/readme.md", "x.pkt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "dir.pkt").mkdir()
    found = [str(path.relative_to(tmp_path)) for path in find_scripts(tmp_path)]
    assert found == ["a/y.pkt", "b/a.pkt", "b/z.pkt", "x.pkt"]


def test_a_script_runs_in_the_versions_that_its_name_allows() -> None:
    every = ["ipv4", "ipv6", "ipv4-mapped-ipv6"]
    assert versions_for(Path("a.pkt"), every) == every
    assert versions_for(Path("a-v4.pkt"), every) == ["ipv4"]
    assert versions_for(Path("a-v6.pkt"), ["ipv4"]) == []


def test_a_tally_counts_and_adds_up() -> None:
    passed = Verdict(script="a", ip_version="ipv4", verdict="pass")
    failed = Verdict(script="a", ip_version="ipv4", verdict="fail")
    tally = Tally.of([passed, failed, passed]) + Tally(0, 0, 4)
    assert str(tally) == "2 passed, 1 failed, 4 unsupported"
    assert tally.total == 7


def test_folders_are_counted_by_themselves() -> None:
    verdicts = [verdict_of(trial(name)) for name in ("root/b/p1.pkt", "root/a/p2.pkt", "root/a/n.pkt", "else/p.pkt")]
    assert by_folder(verdicts, Path("root")) == [("a", Tally(1, 0, 1)), ("b", Tally(1)), ("else", Tally(1))]


def test_a_few_trials_run_in_this_process_in_order() -> None:
    trials = [trial(f"p{number}") for number in range(FEW)]
    assert [verdict.script for verdict in run_all(trials, 8, verdict_of)] == ["p0", "p1", "p2", "p3"]


def test_many_trials_run_on_processes_and_one_that_dies_takes_only_its_script_with_it() -> None:
    names = [f"p{number}" for number in range(20)]
    trials = [trial(name) for name in (*names[:5], "deadly.pkt", *names[5:])]
    verdicts = {verdict.script: verdict for verdict in run_all(trials, 2, verdict_of)}
    assert sorted(verdicts) == sorted([*names, "deadly.pkt"])
    assert verdicts["deadly.pkt"].verdict == "fail"
    assert verdicts["deadly.pkt"].message == "the process that ran it died"
    assert all(verdicts[name].verdict == "pass" for name in names)


def test_expected_failures_are_failures_and_a_second_number() -> None:
    verdicts = [Verdict(script="a", ip_version="ipv4", verdict="fail", xfail=xfail) for xfail in (True, False)]
    assert str(Tally.of(verdicts)) == "0 passed, 2 failed, 0 unsupported (xfail: 1 of the failed)"
