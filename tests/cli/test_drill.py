import json
from pathlib import Path

import pytest

from tests.cli.running import complaint, invoke

GOOD = "0 `true`\n+0.5 `true`\n"
REFUSED = "0 close(99) = 0\n"
MALFORMED = "0 `true`\n+0 < . 1:1(0) ack 1\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two folders of scripts, of which one fails and one is malformed."""
    for name, text in {
        "a/good.pkt": GOOD,
        "a/bad.pkt": REFUSED,
        "b/none.pkt": MALFORMED,
        "b/only-v6.pkt": GOOD,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_script_that_passes_is_told_so(tree: Path) -> None:
    result = invoke("drill", str(tree / "a" / "good.pkt"))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"{tree}/a/good.pkt: passed (ipv4)",
        "1 passed, 0 failed, 0 unsupported",
    ]


def test_a_script_that_fails_names_its_line(tree: Path) -> None:
    result = invoke("drill", str(tree / "a" / "bad.pkt"))
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{tree}/a/bad.pkt:1:1: FAILED (ipv4): ")
    assert "  line 1: 0 close(99) = 0" in result.stdout or "expected: " in result.stdout
    assert result.stdout.endswith("0 passed, 1 failed, 0 unsupported\n")


def test_a_malformed_script_names_line_and_column_and_exits_with_2(tree: Path) -> None:
    result = invoke("drill", str(tree / "a" / "good.pkt"), str(tree / "b" / "none.pkt"))
    assert result.exit_code == 2
    assert result.stderr == (
        f"halfopen drill: {tree}/b/none.pkt: line 2, column 6: an inbound segment needs 'win' and its window\n"
    )
    assert result.stdout.endswith("1 passed, 1 failed, 0 unsupported\n")


def test_a_corpus_goes_on_and_is_counted_by_folder(tree: Path) -> None:
    result = invoke("drill", "--corpus", str(tree), "--jobs", "1")
    assert result.exit_code == 1
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{tree}/a/bad.pkt:1:1: FAILED (ipv4)")
    assert lines[1].startswith(f"{tree}/b/none.pkt: line 2, column 6: ")
    assert [line.split() for line in lines[2:]] == [
        ["folder", "passed", "failed", "unsupported", "scripts"],
        ["a", "1", "1", "0", "2"],
        ["b", "1", "1", "0", "2"],
        ["2", "passed,", "2", "failed,", "0", "unsupported"],
    ]


def test_for_programs_there_is_an_object_a_line_and_the_counts(tree: Path) -> None:
    result = invoke("drill", "--corpus", str(tree), "--json", "--jobs", "1")
    assert result.exit_code == 1
    *verdicts, counts = [json.loads(line) for line in result.stdout.splitlines()]
    assert {Path(each["script"]).name: each["verdict"] for each in verdicts} == {
        "good.pkt": "pass",
        "bad.pkt": "fail",
        "none.pkt": "fail",
        "only-v6.pkt": "pass",
    }
    assert all(set(each) == {"script", "ip_version", "verdict", "line", "message"} for each in verdicts)
    assert counts == {"passed": 2, "failed": 2, "unsupported": 0}


def test_each_version_that_is_asked_for_is_run_where_the_name_allows_it(tree: Path) -> None:
    result = invoke("drill", str(tree / "b" / "only-v6.pkt"), str(tree / "a" / "good.pkt"), "--ip-version", "all")
    assert [line.split(": ")[1] for line in result.stdout.splitlines()[:-1]] == [
        "passed (ipv6)",
        "passed (ipv4)",
        "passed (ipv6)",
        "passed (ipv4-mapped-ipv6)",
    ]


def test_symbols_and_options_come_from_the_command_line(tree: Path) -> None:
    path = tree / "symbol.pkt"
    path.write_text("--no_such_option\n#ifdef GO\n0 COMMAND\n#endif\n")
    assert "no_such_option" in invoke("drill", str(path), "-D", "GO", "-D", "COMMAND=`true`").output
    path.write_text("#ifdef GO\n0 COMMAND\n#endif\n")
    assert invoke("drill", str(path), "-D", "GO", "-D", "COMMAND=`true`").exit_code == 0
    assert (
        "no_such_option"
        in invoke("drill", str(path), "-D", "GO", "-D", "COMMAND=`true`", "--set", "no_such_option=1").output
    )
    assert invoke("drill", str(path)).exit_code == 2


def test_a_wrong_call_is_told_in_one_line(tree: Path) -> None:
    assert "nothing to run: name a script" in complaint("drill")
    assert "does not exist" in complaint("drill", "/nowhere.pkt")
    assert "'=3' will not do: expected NAME=VALUE" in complaint("drill", str(tree / "a" / "good.pkt"), "-D", "=3")
    assert "nothing to run: expected files" in complaint(
        "drill", str(tree / "b" / "only-v6.pkt"), "--ip-version", "ipv4"
    )
    assert "is not one of" in complaint("drill", str(tree), "--profile", "plan9")


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_the_answers_of_stack_and_kernel_stand_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "closed.pkt"
    path.write_text("0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n+0 < udp (8)\n")
    result = invoke("drill", str(path), "--against", "kernel")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:2] == [f"stack: {path}: passed (ipv4)", f"kernel: {path}: passed (ipv4)"]
    assert any(line.count("< udp (8)") == 2 for line in lines)
    assert lines[-1] == "1 scripts, 1 passed by both, 0 with different verdicts"
    *told, counts = [
        json.loads(line) for line in invoke("drill", str(path), "--against", "kernel", "--json").stdout.splitlines()
    ]
    assert [(each["stack"]["verdict"], each["kernel"]["verdict"]) for each in told] == [("pass", "pass")]
    assert counts == {"scripts": 1, "passed": 1, "differing": 0}
