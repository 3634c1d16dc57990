"""Sequence numbers against unbounded integers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.tcp.seqnum import HALF, MODULUS, first_lap, signed_difference, unwrap, wrap

INITIAL = (0, MODULUS - 1, MODULUS - 3, HALF - 1)
STREAM = st.integers(0, 1 << 70)
NEAR = st.integers(-HALF, HALF - 1)


@given(near=STREAM, distance=NEAR)
def test_what_left_wrapped_comes_back_as_the_integer_it_was(near: int, distance: int) -> None:
    assert unwrap(wrap(near + distance), near) == near + distance


@given(value=st.integers(0, MODULUS - 1), near=STREAM)
def test_the_integer_found_stands_for_the_value_and_is_the_closest(value: int, near: int) -> None:
    number = unwrap(value, near)
    assert wrap(number) == value
    assert -HALF <= number - near < HALF


@given(left=STREAM, distance=NEAR)
def test_differences_modulo_the_lap_are_those_of_unbounded_numbers(left: int, distance: int) -> None:
    right = left - distance
    assert signed_difference(left, right) == distance
    assert signed_difference(wrap(left), wrap(right)) == distance


@given(st.integers(0, MODULUS - 1))
def test_the_number_half_a_lap_away_counts_as_older(value: int) -> None:
    assert signed_difference(value, wrap(value + HALF)) == -HALF


@pytest.mark.parametrize("iss", INITIAL)
def test_initial_numbers_start_in_the_second_lap(iss: int) -> None:
    start = first_lap(iss)
    assert wrap(start) == iss
    assert MODULUS <= start < 2 * MODULUS
    assert first_lap(start) == start


@pytest.mark.parametrize("iss", INITIAL)
@pytest.mark.rfc("9293", "REC-1")
def test_nothing_a_segment_can_say_near_an_initial_number_is_negative(iss: int) -> None:
    start = first_lap(iss)
    assert min(unwrap(value, start) for value in (0, 1, HALF, wrap(start - HALF), MODULUS - 1)) >= 0
    assert start - (0xFFFF << 14) > 0  # SND.UNA - MAX.SND.WND, the oldest acceptable ACK


@pytest.mark.parametrize("iss", INITIAL)
def test_order_survives_the_wrap(iss: int) -> None:
    start = first_lap(iss)
    numbers = [unwrap(wrap(iss + step), start) for step in range(6)]
    assert numbers == list(range(start, start + 6))
