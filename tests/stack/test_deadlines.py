from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import NEVER
from halfopen.stack.deadlines import Deadlines, Timed


def test_what_is_due_comes_out_the_earliest_first() -> None:
    deadlines: Deadlines[Timed] = Deadlines()
    early, late = Timed(), Timed()
    deadlines.arm(late, 20)
    deadlines.arm(early, 10)
    assert deadlines.next_deadline() == 10
    assert deadlines.pop_due(9) is None
    assert deadlines.pop_due(30) is early
    assert deadlines.pop_due(30) is late
    assert deadlines.pop_due(30) is None
    assert deadlines.next_deadline() == NEVER


def test_equal_deadlines_come_out_in_the_order_of_their_setting() -> None:
    deadlines: Deadlines[Timed] = Deadlines()
    things = [Timed() for _ in range(5)]
    for thing in things:
        deadlines.arm(thing, 7)
    assert [deadlines.pop_due(7) for _ in things] == things


def test_never_asks_for_nothing() -> None:
    deadlines: Deadlines[Timed] = Deadlines()
    deadlines.arm(Timed(), NEVER)
    assert len(deadlines) == 0


def test_a_later_deadline_costs_no_entry_and_an_earlier_one_does() -> None:
    deadlines: Deadlines[Timed] = Deadlines()
    thing = Timed()
    deadlines.arm(thing, 100)
    deadlines.arm(thing, 200)
    assert len(deadlines) == 1
    deadlines.arm(thing, 50)
    assert deadlines.pop_due(60) is thing
    assert deadlines.next_deadline() == 100


def test_what_is_disarmed_never_comes_out_and_its_entries_are_swept() -> None:
    deadlines: Deadlines[Timed] = Deadlines()
    kept = Timed()
    deadlines.arm(kept, 1_000)
    for when in range(500):
        gone = Timed()
        deadlines.arm(gone, 2_000 + when)
        deadlines.disarm(gone)
    assert len(deadlines) < 150
    assert deadlines.pop_due(5_000) is kept
    assert deadlines.pop_due(5_000) is None
    assert len(deadlines) == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 100)), max_size=60))
def test_nothing_is_ever_forgotten_or_late(steps: list[tuple[int, int]]) -> None:
    deadlines: Deadlines[Timed] = Deadlines()
    things = [Timed() for _ in range(5)]
    wanted: dict[int, int] = {}
    for index, when in steps:
        deadlines.arm(things[index], when)
        wanted[index] = min(wanted.get(index, NEVER), when)
    seen: dict[int, int] = {}
    for now in range(101):
        while (thing := deadlines.pop_due(now)) is not None:
            seen.setdefault(things.index(thing), now)
    assert seen == wanted
