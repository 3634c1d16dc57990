import re
from xml.etree import ElementTree

import pytest

from halfopen.report.figure import FINE_MARKS, graph_box, render
from halfopen.report.marks import Kind, Mark
from halfopen.report.sender import Span
from halfopen.report.strips import Series, Strip
from halfopen.report.time_sequence import TimeSequence

SVG = "{http://www.w3.org/2000/svg}"
MS = 1_000_000


def graph(*marks: Mark, allowed: int = 1100, stop: int = 100 * MS) -> TimeSequence:
    return TimeSequence("a → b", "1 kB", 0, stop, marks, ((0, 1), (stop, 1000)), ((0, allowed), (stop, allowed)))


def mark(kind: Kind, when: int = 50, low: int = 1, high: int = 1000) -> Mark:
    return Mark(kind, when * MS, low, high, "text & <more>")


def texts(svg: str) -> list[str]:
    return ["".join(each.itertext()) for each in ElementTree.fromstring(svg).iter(SVG + "text")]


def paths(svg: str, kind: str) -> list[str]:
    """The data of paths in panels; those of the legend are left out."""
    panels = [each for each in ElementTree.fromstring(svg).iter(SVG + "g") if each.get("class") == "panel"]
    return [each.get("d", "") for panel in panels for each in panel.iter(SVG + "path") if each.get("class") == kind]


def test_a_segment_is_a_vertical_bar_with_arrow_heads() -> None:
    svg = render(graph(mark(Kind.DATA)))
    (bar,) = paths(svg, "bar data")
    (heads,) = paths(svg, "glyph ends data")
    assert re.fullmatch(r"M[\d.]+ [\d.]+v-[\d.]+", bar)
    assert heads.count("M") == 2


def test_bars_too_small_for_arrow_heads_have_none() -> None:
    assert paths(render(graph(mark(Kind.DATA, high=10))), "glyph ends data") == [""]


@pytest.mark.parametrize(
    ("kind", "look"),
    [
        (Kind.RETRANSMISSION, "glyph red"),
        (Kind.LOST, "glyph red"),
        (Kind.SACK, "glyph purple thin"),
        (Kind.DSACK, "glyph magenta thin"),
        (Kind.DUPLICATE_ACK, "glyph green thin"),
        (Kind.PUSH, "glyph data"),
        (Kind.SYN, "glyph blue"),
        (Kind.FIN, "glyph blue"),
        (Kind.PROBE, "glyph blue"),
        (Kind.MARKED, "glyph blue bold"),
        (Kind.OUT_OF_ORDER, "glyph orange"),
        (Kind.ZERO_WINDOW, "glyph orange"),
        (Kind.RESET, "glyph red bold"),
    ],
)
def test_every_mark_is_drawn_and_explained(kind: Kind, look: str) -> None:
    with_it, without = render(graph(mark(kind))), render(graph())
    assert len(paths(with_it, look)) == len(paths(without, look)) + 1
    assert kind.value in texts(with_it)
    assert kind.value not in texts(without)


def test_a_cross_lies_in_the_middle_of_its_bar() -> None:
    svg, box = render(graph(mark(Kind.LOST, low=400, high=600))), graph_box(graph(mark(Kind.LOST)))
    (cross,) = paths(svg, "glyph red")
    assert cross.startswith(f"M{box.x(50 * MS):g} {box.y(500):g}")


def test_acks_are_green_and_the_window_is_yellow() -> None:
    svg = render(graph())
    assert len(paths(svg, "line green")) == 1
    assert len(paths(svg, "line yellow")) == 1


def test_a_window_far_beyond_the_data_leaves_the_picture_and_says_so() -> None:
    near, far = render(graph(allowed=1300)), render(graph(allowed=65_000))
    assert not any("beyond this picture" in text for text in texts(near))
    assert "the receive window reaches up to 65.0 kB, beyond this picture" in texts(far)


def test_strips_stand_below_on_the_same_time_with_phases_behind_them() -> None:
    strips = [
        Strip("Window", "B", 110, (Series("cwnd", "line blue", "stair", [(0, 1.0), (50 * MS, 100.0)]),)),
        Strip(
            "Queue", "packets", 4, (Series("q", "line blue", "stair", [(0, 1.0)]),), (Span(0, 9 * MS, "slow start"),)
        ),
    ]
    svg = render(graph(), strips)
    boxes = [
        each.get("data-box", "").split()
        for each in ElementTree.fromstring(svg).iter(SVG + "g")
        if each.get("class") == "panel"
    ]
    assert len({(left, width) for left, _, width, _ in boxes}) == 1
    assert len(boxes) == 3
    assert {"Window", "Queue", "cwnd", "slow start", "3 packets"} <= set(texts(svg))
    assert 'class="slow-start"' in svg


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    svg = render(graph(mark(Kind.DATA)))
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|<script|<image|url\((?!#)", svg)


def test_text_from_the_wire_cannot_leave_its_place() -> None:
    drawn = TimeSequence("<b>\x1b[31m", "", 0, MS, (), (), ())
    assert "<b>" not in render(drawn)
    assert "\x1b" not in render(drawn)


def test_a_picture_of_very_many_segments_stays_small() -> None:
    marks = [Mark(Kind.DATA, index * 1000, index * 1448, index * 1448 + 1448, "") for index in range(5 * FINE_MARKS)]
    points = tuple((index * 1000, index * 1448) for index in range(5 * FINE_MARKS))
    svg = render(TimeSequence("a", "", 0, len(marks) * 1000, tuple(marks), points, points))
    assert len(svg) < 200_000
