import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import SECOND
from halfopen.report.chart import (
    Box,
    Entry,
    Times,
    area,
    dots,
    glyphs,
    legend,
    line,
    nice_step,
    number,
    quantity,
    stair,
    ticks,
)

BOX = Box(top=0, height=100, times=Times(0, 1066, 0), high=100)
"""One pixel a nanosecond, one a unit; the time 0 lies at 76."""


@given(st.floats(1e-9, 1e12), st.integers(1, 20))
def test_steps_are_round_and_not_too_many(span: float, count: int) -> None:
    step = nice_step(span, count)
    assert span / step <= count * (1 + 1e-6)
    assert f"{step:e}"[0] in "125"


@pytest.mark.parametrize(
    ("value", "step", "unit", "largest", "words"),
    [
        (0, 1, "B", 5, "0"),
        (400_000, 200_000, "B", 1_000_000, "0.4 MB"),
        (1_500_000, 500_000, "B", 0, "1.5 MB"),
        (0.02, 0.02, "s", 0.1, "20 ms"),
        (0.0000005, 1e-7, "s", 0, "500 ns"),
        (20_000, 10_000, "packets", 40_000, "20000 packets"),
        (-0.5, 0.5, "s", 2, "-0.5 s"),
    ],
)
def test_quantities_have_the_prefix_and_the_decimals_of_their_axis(
    value: float, step: float, unit: str, largest: float, words: str
) -> None:
    assert quantity(value, step, unit, largest) == words


def test_ticks_lie_within_the_range() -> None:
    assert [words for _, words in ticks(-0.03, 1.04, 6, "s")] == ["0", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1.0 s"]
    assert [value for value, _ in ticks(0, 3, 10, "packets")] == [0, 1, 2, 3]


def test_nothing_lies_on_the_frame() -> None:
    times = Times.around(5 * SECOND, 6 * SECOND)
    assert times.start < times.zero == 5 * SECOND
    assert times.stop > 6 * SECOND
    assert Times.around(7, 7).stop > 7


def test_a_stair_joins_what_cannot_be_told_apart() -> None:
    assert stair(BOX, [(0, 0), (10, 0), (10, 50), (10, 50), (30, 60)]) == "M76 100H86V50H106V40"


def test_an_area_goes_down_to_the_base() -> None:
    assert area(BOX, [(0, 10), (10, 20)]) == "M76 90H86V80V100H76Z"
    assert area(BOX, []) == ""


def test_lines_and_dots_draw_each_place_once() -> None:
    points = [(0, 0), (0, 0), (10, 10)]
    assert line(BOX, points) == "M76 100L86 90"
    assert dots(BOX, points) == "M76 100h0M86 90h0"
    assert line(BOX, []) == ""


def test_a_coarse_grain_lets_points_fall_together() -> None:
    coarse = Box(top=0, height=100, times=BOX.times, high=100, grain=10)
    assert (
        len(dots(coarse, [(when, 0) for when in range(100)])) < len(dots(BOX, [(when, 0) for when in range(100)])) / 5
    )


def test_glyphs_too_near_are_kept_but_not_drawn() -> None:
    made = glyphs("glyph red", "h1", [(1, 1), (2, 1), (9, 1)], gap=5)
    assert 'd="M1 1h1M9 1h1"' in made
    assert 'data-at="1 1 2 1 9 1"' in made
    assert glyphs("glyph", "h1", []) == ""


def test_numbers_are_short() -> None:
    assert [number(value) for value in (1.0, 1.256, -0.001, 100.5)] == ["1", "1.26", "0", "100.5"]


def test_a_legend_breaks_into_lines_and_tells_its_height() -> None:
    entries = [Entry("<path/>", f"entry number {index}") for index in range(20)]
    drawn, height = legend(entries, (10, 20), 500)
    assert height > 2 * 18
    assert drawn.count("<text") == 20
    assert legend([], (10, 20)) == ("", 0.0)
