from hypothesis import given
from hypothesis import strategies as st

from halfopen.report.arrows import Arrow, Fold, fold


def arrow(when: int, *, is_routine: bool = True) -> Arrow:
    return Arrow(when=when, source="a", destination="b", label=str(when), is_routine=is_routine)


def test_few_arrows_are_all_kept() -> None:
    arrows = [arrow(when) for when in range(60)]
    assert fold(arrows, 60) == arrows


def test_a_long_run_keeps_its_ends_and_says_how_many_are_between() -> None:
    rows = fold([arrow(when) for when in range(232)], 20)
    assert rows == [
        *(arrow(when) for when in range(10)),
        Fold(10, 221, 212),
        *(arrow(when) for when in range(222, 232)),
    ]
    assert rows[10].label == "... 212 segments ..."


def test_a_fold_that_would_save_nothing_is_not_made() -> None:
    arrows = [arrow(when, is_routine=when < 3 or when > 6) for when in range(40)]
    rows = fold(arrows, 10)
    assert rows[:7] == arrows[:7]
    assert sum(isinstance(row, Fold) for row in rows) == 1


def test_what_is_not_routine_is_kept_while_runs_around_it_are_folded() -> None:
    arrows = [arrow(when, is_routine=when not in (0, 100, 101)) for when in range(200)]
    rows = fold(arrows, 12)
    kept = [row.when for row in rows if isinstance(row, Arrow)]
    assert {0, 100, 101} <= set(kept)
    assert len(kept) <= 12
    assert len(rows) - len(kept) == 2


def test_more_arrows_of_note_than_the_limit_lose_their_middle() -> None:
    rows = fold([arrow(when, is_routine=False) for when in range(100)], 30)
    assert [row.when for row in rows] == [*range(20), 20, *range(90, 100)]
    assert rows[20] == Fold(20, 89, 70)


def test_a_fold_of_one_is_a_segment() -> None:
    assert Fold(0, 0, 1).label == "... 1 segment ..."


@given(st.lists(st.booleans(), max_size=300), st.integers(6, 80))
def test_every_arrow_is_shown_or_counted_and_order_is_kept(kinds: list[bool], limit: int) -> None:
    arrows = [arrow(when, is_routine=is_routine) for when, is_routine in enumerate(kinds)]
    rows = fold(arrows, limit)
    assert sum(row.count if isinstance(row, Fold) else 1 for row in rows) == len(arrows)
    assert [row.when for row in rows] == sorted(row.when for row in rows)
    assert sum(isinstance(row, Arrow) for row in rows) <= limit


def test_an_arrow_touches_its_ends_and_what_lies_between() -> None:
    arrow = Arrow(when=0, source="a", destination="c", label="", waypoints=((1, "b"),))
    assert arrow.places == ("a", "b", "c")
