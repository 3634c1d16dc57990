from halfopen.packetdrill.errors import Endless, Mismatch, ScriptError, Unsupported, failure
from halfopen.packetdrill.script import Position

HERE = Position(7, 3)


def test_an_error_names_its_line_and_column() -> None:
    assert str(ScriptError(HERE, "expected a time")) == "line 7, column 3: expected a time"


def test_a_mismatch_is_a_failure_that_tells_both_sides() -> None:
    verdict = failure("a.pkt", "ipv4", Mismatch(HERE, "the ack differs", "ack 1", "ack 2"), [(5, "> . 1:1(0) ack 2")])
    assert (verdict.verdict, verdict.line, verdict.column) == ("fail", 7, 3)
    assert verdict.message == "the ack differs"
    assert (verdict.expected, verdict.seen, verdict.trace) == ("ack 1", "ack 2", ((5, "> . 1:1(0) ack 2"),))
    assert not verdict.malformed


def test_a_malformed_script_is_a_failure_that_names_line_and_column() -> None:
    verdict = failure("a.pkt", "ipv4", ScriptError(HERE, "expected a time"))
    assert (verdict.verdict, verdict.malformed) == ("fail", True)
    assert verdict.message == "line 7, column 3: expected a time"


def test_what_is_unsupported_is_its_own_verdict() -> None:
    assert failure("a.pkt", "ipv6", Unsupported(HERE, "no such call")).verdict == "unsupported"


def test_only_a_mismatch_says_something_about_the_stack() -> None:
    errors = (
        ScriptError(HERE, "expected a time"),
        Unsupported(HERE, "no such call"),
        Endless(HERE, "read() blocks"),
        Mismatch(HERE, "the window differs"),
    )
    assert [failure("a.pkt", "ipv4", error).is_untried for error in errors] == [True, True, True, False]
