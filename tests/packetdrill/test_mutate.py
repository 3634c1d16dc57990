from collections import Counter

from halfopen.base.clock import MILLISECOND
from halfopen.packetdrill.mutate import mutations, survivors
from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.script import Call, PacketLine, Script, TcpLine
from halfopen.wire.tcp import PSH

START = "0 close(9) = -1 EBADF (Bad file descriptor)\n"


def names(text: str) -> list[str]:
    return [each.what for each in mutations(parse(text)) if each.line > 1]


def changed(text: str, what: str) -> TcpLine:
    (script,) = [each.script for each in mutations(parse(START + text)) if each.what == what and each.line == 2]
    action = script.events[1].action
    assert isinstance(action, PacketLine)
    assert isinstance(action.transport, TcpLine)
    return action.transport


def test_every_expectation_of_an_outbound_segment_is_changed_once() -> None:
    line = "+0 > (ect0) P. 1:1001(1000) ack 1 win 5 <nop,nop,sack 1:2>"
    assert Counter(names(START + line)) == Counter(
        [
            "time",
            "sequence number",
            "length",
            "acknowledgment number",
            "window",
            "PSH",
            "urgent pointer",
            "option sack",
            "another option",
            "order of options",
            "ECN",
        ]
    )


def test_what_is_not_compared_stays() -> None:
    assert names(START + "* > R ...(0) <...>") == ["PSH", "urgent pointer"]
    assert names(START + "+0 < . 1:1(0) ack 1 win 5") == []
    assert names(START + "+0 `true`") == []
    assert "sequence number" not in names(START + "+0 > S. 0:0(0) ack 1")


def test_numbers_go_on_by_one_and_flags_flip() -> None:
    line = "+0 > . 4294967295:99(100) ack 7 win 4"
    assert (changed(line, "sequence number").start, changed(line, "sequence number").end) == (0, 100)
    assert changed(line, "acknowledgment number").ack == 8
    assert changed(line, "window").window == 5
    assert changed(line, "PSH").flags & PSH
    assert changed(line, "length").octets == 99


def test_a_time_moves_by_more_than_its_tolerance() -> None:
    def shift(text: str) -> int:
        script = parse(text)
        (moved,) = [each.script for each in mutations(script) if each.what == "time"]
        return moved.events[-1].when.at - script.events[-1].when.at

    assert 20 * MILLISECOND < shift(START + "+0 > . 1:1(0) ack 1") < 50 * MILLISECOND
    assert shift(START + "8 > . 1:1(0) ack 1") > 1000 * MILLISECOND
    assert shift(START + "+1~+2 > . 1:1(0) ack 1") > 1250 * MILLISECOND
    assert shift("--tolerance_usecs=500000\n" + START + "+0 > . 1:1(0) ack 1") > 500 * MILLISECOND
    assert shift("--tolerance_percent=50\n" + START + "+1 > . 1:1(0) ack 1") > 500 * MILLISECOND


def test_the_result_of_a_call_changes_or_its_error() -> None:
    def results(text: str) -> list[tuple[object, str | None]]:
        actions = [each.script.events[0].action for each in mutations(parse(text))]
        return [(action.result, action.errno) for action in actions if isinstance(action, Call)]

    assert results("0 read(3, ..., 9) = 5") == [(6, None)]
    assert results("0 socket(..., SOCK_STREAM, 0) = 3") == [(-1, None)]
    assert results("0 read(3, ..., 9) = -1 EAGAIN") == [(-1, "EXDEV"), (0, None)]
    assert results("0 read(3, ..., 9) = ...") == []


def test_other_packets_change_too() -> None:
    assert names(START + "+0 > udp (8)") == ["time", "length"]
    assert names(START + "+0 > icmp echo_reply") == ["time", "type"]


def test_a_script_that_forgives_is_left_alone() -> None:
    assert names("--non_fatal=packet\n" + START + "+0 > . 1:1(0) ack 1") == []


def test_survivors_are_the_changes_that_pass() -> None:
    script = parse(START + "+0 > . 1:1(0) ack 1 win 5")

    def passes(each: Script) -> bool:
        return each.events[1].when == script.events[1].when and each.events[0] == script.events[0]

    unnoticed = survivors(script, passes)
    assert {each.what for each in unnoticed} == {
        "sequence number",
        "acknowledgment number",
        "window",
        "PSH",
        "urgent pointer",
        "another option",
    }
    assert survivors(script, lambda each: each == script) == []
