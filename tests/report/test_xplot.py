import re

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.report.flows import flows_of
from halfopen.report.marks import Kind, Mark
from halfopen.report.time_sequence import TimeSequence
from halfopen.report.xplot import document
from tests.report.captures import two_hosts

COLORS = "white|green|red|blue|yellow|purple|orange|magenta|pink"
POINT = r"\d+\.\d{6} \d+"


def marked(kind: Kind, low: int = 1, high: int = 6) -> list[str]:
    return document("t", [Mark(kind, 5 * SECOND + MILLISECOND, low, high, "")], (), ()).splitlines()[7:-1]


def test_a_file_begins_and_ends_as_xplot_wants_it() -> None:
    assert document("a ==> b", (), (), ()).splitlines() == [
        "timeval unsigned",
        "title",
        "a ==> b",
        "xlabel",
        "time",
        "ylabel",
        "sequence offset",
        "go",
    ]


def test_a_segment_is_a_line_between_two_arrows() -> None:
    assert marked(Kind.DATA) == [
        "line 5.001000 1 5.001000 6 white",
        "darrow 5.001000 6 white",
        "uarrow 5.001000 1 white",
    ]


def test_a_retransmission_is_red_and_bears_an_r() -> None:
    assert marked(Kind.RETRANSMISSION)[-2:] == ["atext 5.001000 6 red", "R"]


def test_signs_have_the_shapes_and_colours_of_tcptrace() -> None:
    assert marked(Kind.PUSH, 6) == ["diamond 5.001000 6 white"]
    assert marked(Kind.SYN) == ["atext 5.001000 6 orange", "SYN"]
    assert marked(Kind.SACK) == ["line 5.001000 1 5.001000 6 purple", "atext 5.001000 6 purple", "S"]


def test_a_stair_goes_level_and_then_up() -> None:
    lines = document("t", (), ((0, 1), (SECOND, 5)), ()).splitlines()[7:-1]
    assert lines == ["line 0.000000 1 1.000000 1 green", "line 1.000000 1 1.000000 5 green"]


def test_every_line_of_a_real_graph_is_a_command_of_xplot() -> None:
    records, names = two_hosts("rate 10mbit delay 20ms loss 2% limit 100", 400_000)
    (flow,) = flows_of(records)
    lines = TimeSequence.of(flow, flow.forth, names=names).as_xpl().splitlines()
    assert lines[0] == "timeval unsigned"
    assert lines[2].startswith("client:")
    assert lines[-1] == "go"
    command = re.compile(rf"line {POINT} {POINT} ({COLORS})|(darrow|uarrow|diamond|dtick|cross) {POINT} ({COLORS})")
    text = re.compile(rf"atext {POINT} ({COLORS})")
    body = iter(lines[7:-1])
    for line in body:
        if text.fullmatch(line):
            assert next(body) in ("R", "S", "D", "SYN", "FIN", "O", "P", "Z")
        else:
            assert command.fullmatch(line), line
