import itertools

from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.intervals import IntervalSet

BOUND = 40
edges = st.integers(-5, BOUND)
ranges = st.tuples(edges, edges)
steps = st.lists(st.tuples(st.sampled_from(["add", "remove_below"]), edges, edges), max_size=30)


def filled(*pieces: tuple[int, int]) -> IntervalSet:
    intervals = IntervalSet()
    for start, stop in pieces:
        intervals.add(start, stop)
    return intervals


def members(intervals: IntervalSet) -> set[int]:
    return {value for start, stop in intervals for value in range(start, stop)}


@given(steps)
def test_it_holds_what_a_set_of_integers_would_hold(history: list[tuple[str, int, int]]) -> None:
    intervals, model = IntervalSet(), set[int]()
    for verb, start, stop in history:
        if verb == "add":
            added = set(range(start, stop)) - model
            assert intervals.add(start, stop) == len(added)
            model |= added
        else:
            intervals.remove_below(stop)
            model = {value for value in model if value >= stop}
        assert members(intervals) == model
        assert intervals.total == len(model)
        assert {value for value in range(-6, BOUND + 1) if value in intervals} == model


@given(st.lists(ranges, max_size=12))
def test_its_ranges_are_sorted_disjoint_and_never_touch(pieces: list[tuple[int, int]]) -> None:
    held = list(filled(*pieces))
    assert all(start < stop for start, stop in held)
    assert all(left[1] < right[0] for left, right in itertools.pairwise(held))


@given(st.lists(ranges, max_size=12), ranges)
def test_gaps_are_the_complement_within_a_range(pieces: list[tuple[int, int]], within: tuple[int, int]) -> None:
    intervals = filled(*pieces)
    gaps = list(intervals.gaps(*within))
    assert {value for low, high in gaps for value in range(low, high)} == set(range(*within)) - members(intervals)
    assert all(low < high for low, high in gaps)
    assert all(left[1] < right[0] for left, right in itertools.pairwise(gaps))


@given(st.lists(ranges, max_size=12), ranges)
def test_a_range_is_covered_when_it_has_no_gap(pieces: list[tuple[int, int]], within: tuple[int, int]) -> None:
    intervals = filled(*pieces)
    assert intervals.covers(*within) == (not list(intervals.gaps(*within)))


def test_an_empty_range_adds_nothing_and_is_always_covered() -> None:
    intervals = IntervalSet()
    assert intervals.add(5, 5) == 0
    assert intervals.add(7, 3) == 0
    assert len(intervals) == 0
    assert intervals.covers(3, 3)


def test_ranges_that_touch_become_one() -> None:
    intervals = filled((0, 10), (20, 30))
    assert intervals.add(10, 20) == 10
    assert list(intervals) == [(0, 30)]


def test_removing_below_cuts_a_range_in_two() -> None:
    intervals = filled((0, 10), (20, 30))
    intervals.remove_below(25)
    assert list(intervals) == [(25, 30)]
    intervals.remove_below(20)
    assert list(intervals) == [(25, 30)]
    intervals.remove_below(30)
    assert not list(intervals)
    intervals.remove_below(99)
    assert intervals.total == 0


def test_gaps_skip_what_lies_before_and_stop_at_what_lies_behind() -> None:
    intervals = filled((0, 2), (4, 6), (8, 9), (50, 60))
    assert list(intervals.gaps(3, 12)) == [(3, 4), (6, 8), (9, 12)]
    assert list(intervals.gaps(4, 9)) == [(6, 8)]


def test_len_counts_ranges_and_repr_shows_them_half_open() -> None:
    intervals = filled((0, 2), (4, 6))
    assert len(intervals) == 2
    assert repr(intervals) == "{[0, 2), [4, 6)}"
