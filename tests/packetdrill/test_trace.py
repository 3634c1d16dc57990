from halfopen.base.clock import MILLISECOND
from halfopen.packetdrill.trace import TraceLine, side_by_side

SYN = TraceLine(0, "< S 0:0(0) win 1000")


def reply(text: str, time: int = 1) -> TraceLine:
    return TraceLine(time * MILLISECOND, text)


def test_a_line_has_its_time_in_microseconds() -> None:
    assert str(reply("> . 1:1(0)", 1500)) == "1.500000 > . 1:1(0)"


def test_equal_lines_stand_beside_each_other() -> None:
    told = list(side_by_side([SYN, reply("> S. 0:0(0)")], [SYN, reply("> S. 0:0(0)", 2)], ("ours", "theirs")))
    assert told[0].split() == ["ours", "theirs"]
    assert told[2].split("   ")[0] == "0.001000 > S. 0:0(0)"
    assert told[2].endswith("    0.002000 > S. 0:0(0)")
    assert "|" not in told[2]


def test_lines_that_differ_are_marked() -> None:
    told = list(side_by_side([SYN, reply("> R. 0:0(0)")], [SYN, reply("> S. 0:0(0)")], ("ours", "theirs")))
    assert " | " in told[2]


def test_what_only_one_has_done_stands_alone() -> None:
    told = list(side_by_side([SYN], [SYN, reply("> S. 0:0(0)")], ("ours", "theirs")))
    assert told[2].split() == ["|", "0.001000", ">", "S.", "0:0(0)"]


def test_values_of_timestamps_are_no_difference() -> None:
    ours, theirs = reply("> . 1:1(0) <TS val 1 ecr 2>"), reply("> . 1:1(0) <TS val 7 ecr 2>")
    assert " | " not in "\n".join(side_by_side([ours], [theirs], ("ours", "theirs")))
