import gc
import tracemalloc
from dataclasses import dataclass

import pytest

from halfopen.base.errors import ConfigError
from halfopen.lab.measurements import Interval, held_octets, mean_interval, rule_of_three, wilson


def test_the_score_interval_is_wilsons() -> None:
    # Newcombe 1998, table I, method 3.
    known = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0, 0.1611), (1, 29): (0.0061, 0.1718)}
    for (hits, trials), limits in known.items():
        interval = wilson(hits, trials)
        assert (round(interval.low, 4), round(interval.high, 4)) == limits


def test_a_proportion_of_one_lies_in_its_own_interval() -> None:
    assert 1.0 in wilson(1000, 1000)
    assert 0.99 not in wilson(1000, 1000)
    assert 0.0 in wilson(0, 7)


@pytest.mark.parametrize(("hits", "trials"), [(1, 0), (3, 2), (-1, 2)])
def test_what_is_no_proportion_has_no_interval(hits: int, trials: int) -> None:
    with pytest.raises(ConfigError, match="is no proportion"):
        wilson(hits, trials)


def test_the_interval_of_a_mean_narrows_with_the_root_of_the_number() -> None:
    few, many = mean_interval([0.0, 1.0] * 8), mean_interval([0.0, 1.0] * 800)
    assert few.low + few.high == pytest.approx(1.0)
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10, rel=0.05)
    assert mean_interval([3.0]) == Interval(3.0, 3.0)


def test_what_was_never_seen_in_n_trials_is_rarer_than_three_in_n() -> None:
    assert rule_of_three(1000) == pytest.approx(3 / 1000, rel=0.01)


@dataclass(slots=True)
class Leaf:
    name: bytes
    children: list["Leaf"]


def test_octets_held_are_those_that_the_allocator_has_given() -> None:
    def grow() -> list[Leaf]:
        return [Leaf(bytes(100 + index), []) for index in range(2000)]

    gc.collect()
    tracemalloc.start()
    try:
        tree = grow()
        traced, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_octets(tree) == pytest.approx(traced, rel=0.05)


def test_what_is_shared_and_what_lies_behind_a_border_is_not_held() -> None:
    common = Leaf(bytes(5000), [])
    holder = Leaf(b"", [common])
    assert held_octets(holder) > 5000
    assert held_octets(holder, shared=(common,)) < 500
    assert held_octets(holder, borders=(common,)) < 500


def test_what_is_held_twice_counts_once() -> None:
    leaf = Leaf(bytes(5000), [])
    assert held_octets([leaf, leaf]) < 6000
