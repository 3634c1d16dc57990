from pathlib import Path

from halfopen.base.clock import MILLISECOND
from halfopen.packetdrill.corpus import Tally
from halfopen.packetdrill.errors import Verdict
from halfopen.packetdrill.telling import LAST_PACKETS, as_ladder, as_line, as_object, as_text, comparison, folder_table

TRACE = (
    (100 * MILLISECOND, "< S 0:0(0) win 1000 <mss 1000>"),
    (100 * MILLISECOND, "> S. 0:0(0) ack 1 win 65535"),
    (200 * MILLISECOND, "0.2 accept(3, ..., ...) = 4"),
)


def failed(script: str = "a.pkt") -> Verdict:
    return Verdict(
        script=script,
        ip_version="ipv4",
        verdict="fail",
        line=2,
        column=6,
        message="the acknowledgment number differs",
        expected="> S. 0:0(0) ack 2",
        seen="> S. 0:0(0) ack 1",
        trace=TRACE,
    )


def test_a_line_names_the_place_the_verdict_and_the_reason() -> None:
    assert as_line(failed()) == "a.pkt:2:6: FAILED (ipv4): the acknowledgment number differs"
    assert as_line(Verdict(script="b.pkt", ip_version="ipv6", verdict="pass")) == "b.pkt: passed (ipv6)"


def test_a_malformed_script_is_told_by_its_place_alone() -> None:
    verdict = Verdict(
        script="a.pkt",
        ip_version="ipv4",
        verdict="fail",
        line=2,
        message="line 2, column 1: expected x",
        malformed=True,
    )
    assert as_line(verdict) == "a.pkt: line 2, column 1: expected x"


def test_an_object_has_what_programs_need() -> None:
    assert as_object(failed()) == {
        "script": "a.pkt",
        "ip_version": "ipv4",
        "verdict": "fail",
        "line": 2,
        "message": "the acknowledgment number differs",
    }


def test_a_failure_shows_what_is_written_expected_and_seen_and_a_ladder(tmp_path: Path) -> None:
    path = tmp_path / "a.pkt"
    path.write_text("0 x\n  +0 > S. 0:0(0) ack 2\n")
    lines = as_text(failed(str(path)), 100).splitlines()
    assert lines[1] == "  line 2: +0 > S. 0:0(0) ack 2"
    assert lines[2] == "  expected: > S. 0:0(0) ack 2"
    assert lines[3] == "  seen:     > S. 0:0(0) ack 1"
    assert any("script" in line and "stack" in line for line in lines)
    assert any("0.100000" in line and "S 0:0(0) win 1000" in line and "mss 1000" in line for line in lines)


def test_a_success_is_one_line() -> None:
    assert (
        as_text(Verdict(script="b.pkt", ip_version="ipv4", verdict="pass", trace=TRACE), 100) == "b.pkt: passed (ipv4)"
    )


def test_a_failure_without_a_line_has_no_facts() -> None:
    verdict = Verdict(script="none.pkt", ip_version="ipv4", verdict="fail", message="it has not ended after 20 s")
    assert as_text(verdict, 100) == "none.pkt: FAILED (ipv4): it has not ended after 20 s"


def test_the_ladder_shows_the_last_packets_only() -> None:
    trace = [(number * MILLISECOND, f"> . {number}:{number}(0)") for number in range(20)]
    text = as_ladder(trace, 100)
    assert text.count("(0)") == LAST_PACKETS
    assert "19:19(0)" in text
    assert as_ladder([(0, "0 close(3) = 0")], 100) == ""


def test_the_table_has_a_row_for_each_folder() -> None:
    lines = folder_table([("a", Tally(1, 2, 3)), ("b", Tally(4))]).splitlines()
    assert lines[0].split() == ["folder", "passed", "failed", "unsupported", "scripts"]
    assert [line.split() for line in lines[1:]] == [["a", "1", "2", "3", "6"], ["b", "4", "0", "0", "4"]]


def test_two_answers_stand_side_by_side() -> None:
    kernel = Verdict(script="a.pkt", ip_version="ipv4", verdict="pass", trace=TRACE[:1])
    lines = comparison(failed(), kernel).splitlines()
    assert lines[0].startswith("stack: a.pkt:2:6: FAILED")
    assert lines[1] == "kernel: a.pkt: passed (ipv4)"
    assert lines[3].count("S 0:0(0) win 1000") == 2
    assert "|" in lines[4]
