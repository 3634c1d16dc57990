import signal
import time
from pathlib import Path

import pytest

from halfopen.packetdrill import trials
from halfopen.packetdrill.errors import Verdict
from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.script import Call, Script
from halfopen.packetdrill.settings import RunOptions
from halfopen.packetdrill.trace import TraceLine
from halfopen.packetdrill.trials import Trial, attempt, family_of, standard_definitions, written_version


def written(tmp_path: Path, text: str, name: str = "a.pkt") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Script, RunOptions]]:
    """What the runner was handed; it finds nothing to object to."""
    handed: list[tuple[Script, RunOptions]] = []

    def run_traced(script: Script, options: RunOptions) -> tuple[Verdict, list[TraceLine]]:
        handed.append((script, options))
        verdict = Verdict(script=script.path, ip_version=str(options.ip_version), verdict="pass")
        return verdict, [TraceLine(7, "> S 0:0(0)")]

    monkeypatch.setattr(trials, "run_traced", run_traced)
    return handed


def test_a_script_that_does_nothing_passes(tmp_path: Path) -> None:
    verdict = attempt(Trial(path=written(tmp_path, "0 `true`")))
    assert (verdict.verdict, verdict.ip_version, verdict.message) == ("pass", "ipv4", "")


def test_the_trace_comes_with_the_verdict(tmp_path: Path, runs: list[tuple[Script, RunOptions]]) -> None:
    assert attempt(Trial(path=written(tmp_path, "0 `true`"))).trace == ((7, "> S 0:0(0)"),)


def test_a_malformed_script_fails_with_line_and_column(tmp_path: Path) -> None:
    verdict = attempt(Trial(path=written(tmp_path, "0 close(3) = 0\n+0 nonsense 3\n")))
    assert (verdict.verdict, verdict.malformed, verdict.line) == ("fail", True, 2)
    assert verdict.message == "line 2, column 13: expected '(', found '3'"


def test_a_file_that_is_not_there_fails(tmp_path: Path) -> None:
    verdict = attempt(Trial(path=str(tmp_path / "none.pkt")))
    assert verdict.verdict == "fail"
    assert "No such file or directory" in verdict.message


def test_a_script_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(script: Script, options: RunOptions) -> None:
        while True:
            try:
                time.monotonic()
            except Exception:
                continue

    monkeypatch.setattr(trials, "run_traced", endless)
    before = signal.getsignal(signal.SIGALRM)
    verdict = attempt(Trial(path=written(tmp_path, "0 `true`"), seconds=0.05))
    assert (verdict.verdict, verdict.message) == ("fail", "it has not ended after 0.05 s")
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_failure_of_the_interpreter_names_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(script: Script, options: RunOptions) -> None:
        raise KeyError("fd")

    monkeypatch.setattr(trials, "run_traced", broken)
    verdict = attempt(Trial(path=written(tmp_path, "0 `true`")))
    assert verdict.verdict == "fail"
    assert verdict.message.startswith("the interpreter failed: KeyError: 'fd' (test_trials.py:")


def test_the_version_is_asked_for_or_written_or_named(tmp_path: Path, runs: list[tuple[Script, RunOptions]]) -> None:
    plain = written(tmp_path, "0 `true`")
    named = written(tmp_path, "0 `true`", "a-v6.pkt")
    option = written(tmp_path, "--ip_version=ipv6\n0 `true`", "b.pkt")
    for trial in (
        Trial(path=plain),
        Trial(path=named),
        Trial(path=option),
        Trial(path=option, ip_version="ipv4-mapped-ipv6"),
    ):
        attempt(trial)
    assert [options.ip_version for _, options in runs] == ["ipv4", "ipv6", "ipv6", "ipv4-mapped-ipv6"]


def test_symbols_follow_the_version_that_a_script_asks_for(
    tmp_path: Path, runs: list[tuple[Script, RunOptions]]
) -> None:
    attempt(Trial(path=written(tmp_path, "--ip_version=ipv6\n0 f(CMSG_LEVEL_IP) = 0")))
    ((script, _),) = runs
    call = script.events[0].action
    assert isinstance(call, Call)
    assert str(call.arguments[0]) == "Word(name='SOL_IPV6')"


def test_names_may_restrict_a_script_to_one_version() -> None:
    assert family_of("tests/mtu-v4.pkt") == "ipv4"
    assert family_of("tests/mtu_v6.pkt") == "ipv6"
    assert family_of("v4/mtu.pkt") is None


def test_the_symbols_of_the_standard_runs_are_defined_unless_given() -> None:
    four = standard_definitions("linux", "ipv4", {})
    six = standard_definitions("linux", "ipv6", {"CODE": "no_route"})
    mapped = standard_definitions("linux", "ipv4-mapped-ipv6", {})
    assert (four["TFO_COOKIE"], four["CODE"], four["CMSG_LEVEL_IP"]) == (
        "3021b9d889017eeb",
        "host_unreachable",
        "SOL_IP",
    )
    assert (six["TFO_COOKIE"], six["CODE"], six["CMSG_TYPE_RECVERR"]) == (
        "c1d1e9742a47a9bc",
        "no_route",
        "IPV6_RECVERR",
    )
    assert (mapped["TFO_COOKIE"], mapped["CMSG_LEVEL_IP"]) == (four["TFO_COOKIE"], "SOL_IPV6")


def test_scripts_of_freebsd_are_told_whose_behaviour_they_see() -> None:
    assert standard_definitions("freebsd", "ipv4", {}) == {"FreeBSD": "1"}
    assert standard_definitions("freebsd", "ipv4", {"STANDARD": ""}) == {"STANDARD": ""}


def test_the_version_in_a_script_counts_if_it_is_one() -> None:
    assert written_version(parse("--ip_version=ipv6\n0 `true`")) == "ipv6"
    assert written_version(parse("--ip_version=ipx\n0 `true`")) is None
    assert written_version(parse("0 `true`")) is None


@pytest.mark.parametrize("marker", ["known.exfail", "known.pkt.exfail"])
def test_a_failure_that_a_file_beside_it_announces_is_an_expected_one(tmp_path: Path, marker: str) -> None:
    script = tmp_path / "known.pkt"
    script.write_text("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = -1\n")
    assert not attempt(Trial(path=str(script))).xfail
    (tmp_path / marker).touch()
    verdict = attempt(Trial(path=str(script)))
    assert (verdict.verdict, verdict.xfail) == ("fail", True)


def test_a_script_that_passes_is_none_that_was_to_fail(tmp_path: Path) -> None:
    script = tmp_path / "known.pkt"
    script.write_text("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n")
    (tmp_path / "known.exfail").touch()
    verdict = attempt(Trial(path=str(script)))
    assert (verdict.verdict, verdict.xfail) == ("pass", False)
