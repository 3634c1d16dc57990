import pytest

from halfopen.base.clock import (
    MICROSECOND,
    MILLISECOND,
    MINUTE,
    NEVER,
    SECOND,
    as_seconds,
    format_duration,
    millis,
    seconds,
)


def test_the_units_are_nanoseconds() -> None:
    assert (MICROSECOND, MILLISECOND, SECOND, MINUTE) == (10**3, 10**6, 10**9, 60 * 10**9)


def test_never_is_later_than_a_century() -> None:
    assert NEVER > 100 * 365 * 24 * 60 * MINUTE


@pytest.mark.parametrize(
    ("value", "nanoseconds"), [(0, 0), (1.5, 1_500_000_000), (0.1, 100_000_000), (-2, -2 * SECOND)]
)
def test_seconds_become_the_nearest_nanosecond_and_come_back(value: float, nanoseconds: int) -> None:
    assert seconds(value) == nanoseconds
    assert as_seconds(nanoseconds) == value


def test_milliseconds_become_the_nearest_nanosecond() -> None:
    assert millis(0.0000016) == 2
    assert millis(40) == 40 * MILLISECOND


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0, "0 ns"),
        (-7, "-7 ns"),
        (999, "999 ns"),
        (1_000, "1.00 us"),
        (40_000, "40.0 us"),
        (-40_000, "-40.0 us"),
        (200 * MILLISECOND, "200 ms"),
        (1_500 * MILLISECOND, "1.50 s"),
        (90 * SECOND, "90.0 s"),
        (7_200 * SECOND, "7200 s"),
    ],
)
def test_durations_show_three_figures_and_a_unit(duration: int, text: str) -> None:
    assert format_duration(duration) == text


@pytest.mark.parametrize(("duration", "text"), [(9_996, "10.0 us"), (999_600, "1.00 ms"), (999_900_000, "1.00 s")])
def test_rounding_carries_into_the_next_figure_and_unit(duration: int, text: str) -> None:
    assert format_duration(duration) == text
