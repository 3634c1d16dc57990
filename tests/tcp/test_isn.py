"""Initial sequence numbers: a clock per tuple, nothing between tuples."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import MICROSECOND, SECOND
from halfopen.base.errors import ConfigError
from halfopen.base.rng import SeededRng
from halfopen.tcp.isn import FixedIsn, IsnGenerator, RandomIsn, Rfc6528Isn

SECRET = bytes(range(16))
FLOW = bytes.fromhex("c0000201 c6336401 c001 0050")
LAP = (1 << 32) * 4 * MICROSECOND


def flows(count: int) -> list[bytes]:
    """Tuples as an attacker would take them: one address, port after port."""
    return [FLOW[:8] + port.to_bytes(2, "big") + FLOW[10:] for port in range(1024, 1024 + count)]


@pytest.mark.rfc("9293", "MUST-8")
@pytest.mark.rfc("6528", "6528.1", "6528.3")
@given(st.integers(0, 1 << 60), st.integers(0, LAP // 2 - 4 * MICROSECOND))
def test_the_numbers_of_one_tuple_rise_by_one_every_four_microseconds(start: int, elapsed: int) -> None:
    isn = Rfc6528Isn(SECRET)
    risen = (isn.next(FLOW, start + elapsed) - isn.next(FLOW, start)) % (1 << 32)
    assert elapsed // (4 * MICROSECOND) <= risen <= elapsed // (4 * MICROSECOND) + 1


@pytest.mark.rfc("9293", "MUST-8")
def test_the_clock_wraps_after_four_hours_and_three_quarters() -> None:
    isn = Rfc6528Isn(SECRET)
    assert pytest.approx(4.77 * 3600, rel=0.001) == LAP / SECOND
    assert isn.next(FLOW, 12345 * SECOND) == isn.next(FLOW, 12345 * SECOND + LAP)
    assert isn.next(FLOW, 12345 * SECOND) != isn.next(FLOW, 12345 * SECOND + LAP // 2)


@pytest.mark.rfc("9293", "MUST-9", "SHLD-1")
@pytest.mark.rfc("6528", "6528.2")
def test_another_secret_gives_other_numbers() -> None:
    own, guessed = Rfc6528Isn(SECRET), Rfc6528Isn(bytes(16))
    assert sum(own.next(flow, 0) == guessed.next(flow, 0) for flow in flows(1000)) <= 1


@pytest.mark.rfc("9293", "MUST-9", "SHLD-1")
def test_the_same_secret_tuple_and_time_give_the_same_number() -> None:
    assert Rfc6528Isn(SECRET).next(FLOW, SECOND) == Rfc6528Isn(SECRET).next(FLOW, SECOND)


@pytest.mark.rfc("6528", "6528.4")
@pytest.mark.parametrize("isn", [Rfc6528Isn(SECRET), RandomIsn(SeededRng(1))])
def test_the_differences_between_neighbouring_tuples_are_uniform(isn: IsnGenerator) -> None:
    numbers = [isn.next(flow, 0) for flow in flows(16_001)]
    assert all(0 <= number < 1 << 32 for number in numbers)
    for shift in (28, 12, 0):  # the top, middle and bottom four bits
        bins = [0] * 16
        for one, two in pairwise(numbers):
            bins[(two - one) >> shift & 0xF] += 1
        chi_square = sum((count - 1000) ** 2 / 1000 for count in bins)
        assert chi_square < 37.7  # 15 degrees of freedom, p = 0.001; the numbers are the same in every run


def test_every_part_of_the_tuple_counts() -> None:
    isn = Rfc6528Isn(SECRET)
    changed = [FLOW[:at] + bytes([FLOW[at] ^ 1]) + FLOW[at + 1 :] for at in range(len(FLOW))]
    assert len({isn.next(flow, 0) for flow in [FLOW, *changed]}) == len(FLOW) + 1


@pytest.mark.parametrize("octets", [0, 15, 33])
def test_a_secret_of_a_wrong_length_is_refused(octets: int) -> None:
    with pytest.raises(ConfigError, match=f"not {octets}"):
        Rfc6528Isn(bytes(octets))


def test_random_numbers_follow_no_clock() -> None:
    isn = RandomIsn(SeededRng(7))
    numbers = [isn.next(FLOW, now) for now in range(0, 1000 * SECOND, SECOND)]
    rises = sum(one < two for one, two in pairwise(numbers))
    assert 430 < rises < 570


def test_fixed_numbers_come_in_order_and_the_last_one_stays() -> None:
    isn = FixedIsn(1000, (1 << 32) + 5)
    assert [isn.next(FLOW, now) for now in range(4)] == [1000, 5, 5, 5]


def test_any_other_number_will_do_where_nothing_is_known_of_the_past() -> None:
    assert all(isn.least(FLOW) is None for isn in (Rfc6528Isn(bytes(16)), RandomIsn(SeededRng(1)), FixedIsn(5)))
