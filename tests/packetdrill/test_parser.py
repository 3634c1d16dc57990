from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.parser import load, parse
from halfopen.packetdrill.script import Call, Clock, Code, PacketLine, Position, Script, ScriptOption, Shell, When
from tests.packetdrill.parsing import events

WHOLE = """// A script with everything that a script may have.
--tolerance_usecs=10000
--non_fatal=packet,syscall
--strict_segments
`sysctl -q net.ipv4.tcp_sack=0`

0.000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
0.100 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop>
   +0 > S. 0:0(0) ack 1 win 65535 <mss 1460,nop,nop,sackOK>
  +.1 < . 1:1(0) ack 1 win 257
0.3...0.5 read(4, ..., 1000) = 1000
  0.4 < P. 1:1001(1000) ack 1 win 257
+0.2~+0.3 > . 1:1(0) ack 1001 <...>
 +0.1 `tc qdisc replace dev tun0 root pfifo`
   +0 %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%
    * > (ect0) P. 1:1001(1000) ack 1
`rm -f /tmp/it`
"""


def test_a_whole_script_is_options_init_events_and_cleanup() -> None:
    script = parse(WHOLE, "whole.pkt", {"A": "1"})
    assert [(option.name, option.value) for option in script.options] == [
        ("tolerance_usecs", "10000"),
        ("non_fatal", "packet,syscall"),
        ("strict_segments", None),
    ]
    assert script.options[0] == ScriptOption("tolerance_usecs", "10000", Position(2, 1))
    assert script.init == (Shell("sysctl -q net.ipv4.tcp_sack=0"), Position(5, 1))
    assert script.cleanup == (Shell("rm -f /tmp/it"), Position(19, 1))
    kinds = [type(event.action) for event in script.events]
    assert kinds == [Call] * 3 + [PacketLine] * 3 + [Call] + [PacketLine] * 2 + [Shell, Code, PacketLine]
    assert script.events[1].position == Position(8, 4)
    assert (script.path, script.source, script.definitions) == ("whole.pkt", WHOLE, {"A": "1"})


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("0.250", When(Clock.ABSOLUTE, 250 * MILLISECOND)),
        ("2", When(Clock.ABSOLUTE, 2 * SECOND)),
        ("+0.1", When(Clock.RELATIVE, 100 * MILLISECOND)),
        ("+ 0.1", When(Clock.RELATIVE, 100 * MILLISECOND)),
        ("+2", When(Clock.RELATIVE, 2 * SECOND)),
        ("+.000001", When(Clock.RELATIVE, 1_000)),
        ("0.0000019", When(Clock.ABSOLUTE, 1_000)),
        ("0.1~0.2", When(Clock.ABSOLUTE, 100 * MILLISECOND, latest=200 * MILLISECOND)),
        ("+0.2 ~ +0.3", When(Clock.RELATIVE, 200 * MILLISECOND, latest=300 * MILLISECOND)),
        ("*", When(Clock.ANY)),
    ],
)
def test_a_time_is_read(text: str, when: When) -> None:
    assert events(f"0 close(3) = 0\n{text} > . 1:1(0) ack 1")[1].when == when


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("0.1...0.2", When(Clock.ABSOLUTE, 100 * MILLISECOND, until=200 * MILLISECOND)),
        ("0...1", When(Clock.ABSOLUTE, 0, until=SECOND)),
        ("0.1 ... 0.2", When(Clock.ABSOLUTE, 100 * MILLISECOND, until=200 * MILLISECOND)),
        ("+0...0.2", When(Clock.RELATIVE, 0, until=200 * MILLISECOND)),
        ("+.1...+.2", When(Clock.RELATIVE, 100 * MILLISECOND, until=200 * MILLISECOND)),
    ],
)
def test_a_blocking_call_has_two_times(text: str, when: When) -> None:
    assert events(f"0 close(3) = 0\n{text} close(3) = 0")[1].when == when


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "expected an event, found the end of the script"),
        ("`true`", 1, 7, "expected an event"),
        ("--mss=10\n", 2, 1, "expected an event"),
        ("1 close(3) = 0", 1, 1, "has to be at time 0"),
        ("* > . 1:1(0)", 1, 1, "has to be at time 0"),
        ("+0.1 close(3) = 0", 1, 1, "has to be at time 0"),
        ("-1 close(3) = 0", 1, 1, "negative"),
        ("0 close(3) = 0\n+-1 close(3) = 0", 2, 2, "negative"),
        ("0 close(3) = 0\n2 close(3) = 0\n 1 close(3) = 0", 3, 2, "the event before is later, at 2.0"),
        ("0 close(3) = 0\n0.2~0.1 > . 1:1(0)", 2, 5, "ends before it begins"),
        ("0 close(3) = 0\n0.2...0.1 close(3) = 0", 2, 7, "returns before it begins"),
        ("0 close(3) = 0\n0.2~+0.3 > . 1:1(0)", 2, 5, "mixes"),
        ("0 close(3) = 0\n+0.2~0.3 > . 1:1(0)", 2, 6, "mixes"),
        ("0 close(3) = 0\n0.2...+0.3 close(3) = 0", 2, 7, "ends at an offset"),
        ("0 close(3) = 0\n0.2~0.3 < . 1:1(0) win 5", 2, 1, "only outbound packets"),
        ("0 close(3) = 0\n* close(3) = 0", 2, 1, "only outbound packets"),
        ("0 close(3) = 0\n* `true`", 2, 1, "only outbound packets"),
        ("0 close(3) = 0\n0.2...0.3 > . 1:1(0)", 2, 1, "only a system call"),
        ("0 close(3) = 0\n99999999999999999999 close(3) = 0", 2, 1, "more than a year"),
        ("0 close(3) = 0\n40000000 close(3) = 0", 2, 1, "more than a year"),
        ("0 close(3) = 0\n`a`\n0 close(3) = 0", 3, 1, "needs a time"),
        ("0 `true`\nclose(3) = 0", 2, 1, "expected a time"),
        ("0 close(3) = 0\n+ close(3) = 0", 2, 3, "expected a number of seconds"),
        ("0", 1, 2, "expected a system call, a packet"),
        ("0 close(3) = 0 ;", 1, 16, "expected a time"),
        ("0x0 close(3) = 0", 1, 1, "expected a time"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_column(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(text)
    assert message in caught.value.message
    assert caught.value.position == Position(line, column)
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


def test_a_relative_time_may_stand_between_absolute_ones() -> None:
    assert len(events("0 close(3) = 0\n2 close(3) = 0\n+1 close(3) = 0\n1 close(3) = 0")) == 4


def test_the_first_event_may_be_a_call_that_blocks() -> None:
    assert events("+0...0.1 accept(3, ..., ...) = 4")[0].when.until == 100 * MILLISECOND


def test_parts_between_directives_depend_on_definitions() -> None:
    text = "0 close(3) = 0\n#ifdef STANDARD\n+0 close(4) = 0\n#endif\n#ifdef FreeBSD\n+0 close(5) = 0\n#endif\n"
    assert len(events(text)) == 1
    (_, second) = events(text, STANDARD="")
    assert second.action == Call("close", (4,), 0)


def test_a_symbol_may_stand_for_a_command() -> None:
    assert events("0 COMMAND", COMMAND="`sysctl -q a=1`")[0].action == Shell("sysctl -q a=1")


def test_a_script_is_loaded_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pkt"
    path.write_bytes(b"// \xff\n0 close(3) = 0\n")
    script = load(path, {"A": "1"})
    assert script.path == str(path)
    assert script.events[0].position == Position(2, 1)


def read(text: str) -> Script | ScriptError:
    try:
        return parse(text, definitions={"N": "7", "C": "`id`", "W": "word"})
    except ScriptError as error:
        lines = text.split("\n")
        assert 1 <= error.position.line <= len(lines)
        assert 1 <= error.position.column <= len(lines[error.position.line - 1]) + 1
        return error


PIECES = """0 +0 0.1 -1 ~ ... * < > ( ) [ ] { } . , : ; ! | = ? / ' " ` # % %{ }% // /* */ -- --mss=3 S. P.5
1:1001(1000) ack 1 win 65535 <mss 1460> <...> TS val ecr sack 1:2 FO FOEXP ECN e0b gen-3 exp-1 md5 valid 0x1f icmp udp
raw mtu id tos ttl ipv4 2001:db8::1 192.0.2.1 :: close(3)=0 N C W EINVAL #ifdef\tN #endif #else \\ \\x"""


@given(st.text())
def test_any_text_is_a_script_or_a_script_error(text: str) -> None:
    read(text)


@given(st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "\t"]), max_size=40).map(" ".join))
def test_any_row_of_pieces_is_a_script_or_a_script_error(text: str) -> None:
    read(text)


@given(st.data())
def test_a_script_with_anything_changed_is_a_script_or_a_script_error(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(start, min(len(WHOLE), start + 30)))
    change = data.draw(st.one_of(st.sampled_from(PIECES.split()), st.text(max_size=5)))
    read(WHOLE[:start] + change + WHOLE[end:])
