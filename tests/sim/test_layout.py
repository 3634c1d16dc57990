from hypothesis import given
from hypothesis import strategies as st

from halfopen.sim.layout import ROW_GAP, arrange, components, layers, mean


def joined(*pairs: str, alone: str = "") -> dict[str, list[str]]:
    """``"ab"`` joins a and b."""
    neighbors: dict[str, list[str]] = {}
    for first, second in pairs:
        neighbors.setdefault(first, []).append(second)
        neighbors.setdefault(second, []).append(first)
    return neighbors | {key: [] for key in alone}


def columns(*pairs: str, alone: str = "") -> list[str]:
    """What stands in each layer, from above."""
    neighbors = joined(*pairs, alone=alone)
    places = arrange(neighbors, dict.fromkeys(neighbors, 40.0))
    count = 1 + max(place.layer for place in places.values())
    rows = [
        sorted((key for key in places if places[key].layer == layer), key=lambda k: places[k].y)
        for layer in range(count)
    ]
    return ["".join(row) for row in rows]


def test_a_chain_stands_in_a_row_with_the_first_on_the_left() -> None:
    assert columns("ab", "bc", "cd") == ["a", "b", "c", "d"]
    assert columns("cb", "ba") == ["c", "b", "a"]


def test_what_hangs_on_the_ends_of_a_dumbbell_stands_outside() -> None:
    assert columns("aL", "bL", "cL", "LR", "Rx", "Ry") == ["abc", "L", "R", "xy"]


def test_what_hangs_on_one_middle_stands_on_both_sides_of_it() -> None:
    assert columns("aS", "bS", "cS") == ["ab", "S", "c"]


def test_two_and_one_are_set_too() -> None:
    assert columns("ab") == ["a", "b"]
    assert columns(alone="a") == ["a"]


def test_a_ring_is_folded() -> None:
    assert columns("ab", "bc", "cd", "de", "ef", "fa") == ["a", "bf", "ce", "d"]


def test_lines_do_not_cross_where_they_need_not() -> None:
    # In the order in which they come, b-y and c-x would cross.
    assert columns("ab", "ac", "cx", "by", "xz", "yz") in (["a", "bc", "yx", "z"], ["a", "cb", "xy", "z"])


def test_parts_that_are_not_joined_stand_below_each_other() -> None:
    neighbors = joined("ab", "cd", alone="e")
    assert components(neighbors) == [["a", "b"], ["c", "d"], ["e"]]
    places = arrange(neighbors, dict.fromkeys(neighbors, 40.0))
    assert places["a"].y < places["c"].y < places["e"].y
    assert list(places) == list(neighbors)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    keys = "abcdefghij"[: draw(st.integers(1, 10))]
    pairs = draw(
        st.sets(st.tuples(st.sampled_from(keys), st.sampled_from(keys)).filter(lambda pair: pair[0] < pair[1]))
    )
    return {key: [] for key in keys} | joined(*("".join(pair) for pair in sorted(pairs)))


@given(graphs(), st.integers(20, 90))
def test_lines_run_to_the_next_layer_at_most_and_cards_never_overlap(
    neighbors: dict[str, list[str]], height: int
) -> None:
    heights = {key: float(height + 7 * number) for number, key in enumerate(neighbors)}
    places = arrange(neighbors, heights)
    for key, others in neighbors.items():
        assert all(abs(places[key].layer - places[other].layer) <= 1 for other in others)
    for component in components(neighbors):
        assert min(layers(neighbors, component).values()) == 0
    for first in places:
        for second in places:
            if first < second and places[first].layer == places[second].layer:
                apart = abs(places[first].y - places[second].y)
                assert apart >= (heights[first] + heights[second]) / 2 + ROW_GAP - 1e-6


def test_the_mean_of_nothing_is_what_it_was() -> None:
    assert mean([], 3.0) == 3.0
    assert mean([1.0, 2.0], 3.0) == 1.5
