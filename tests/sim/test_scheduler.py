import random

import pytest

from halfopen.base.clock import NEVER, SECOND
from halfopen.sim.scheduler import START, Scheduler


def test_time_jumps_from_one_event_to_the_next() -> None:
    scheduler = Scheduler()
    happened: list[tuple[str, int]] = []
    for name, after in (("late", 7200 * SECOND), ("soon", 1)):
        scheduler.at(START + after, lambda name=name: happened.append((name, scheduler.now)))
    assert scheduler.now == START
    assert scheduler.next_event() == START + 1
    while scheduler.jump():
        pass
    assert happened == [("soon", START + 1), ("late", START + 7200 * SECOND)]
    assert scheduler.next_event() == NEVER
    assert scheduler.now == START + 7200 * SECOND


def test_one_instant_keeps_the_order_of_planning() -> None:
    scheduler = Scheduler()
    happened: list[int] = []
    for number in range(20):
        scheduler.at(START + 5, lambda number=number: happened.append(number))
    assert scheduler.jump()
    assert happened == list(range(20))
    assert not scheduler.jump()


def test_what_is_planned_for_now_or_the_past_happens_in_the_same_jump() -> None:
    scheduler = Scheduler()
    happened: list[int] = []
    scheduler.at(START + 5, lambda: scheduler.at(0, lambda: happened.append(scheduler.now)))
    assert scheduler.jump()
    assert happened == [START + 5]
    assert len(scheduler) == 0


def test_what_is_due_happens_without_a_jump() -> None:
    scheduler = Scheduler()
    happened: list[str] = []
    scheduler.at(START, lambda: happened.append("now"))
    scheduler.at(START + 1, lambda: happened.append("later"))
    scheduler.run_due()
    assert happened == ["now"]
    assert len(scheduler) == 1


def test_a_cancelled_event_neither_happens_nor_is_jumped_to() -> None:
    scheduler = Scheduler()
    happened: list[str] = []
    first = scheduler.at(START + 1, lambda: happened.append("first"))
    second = scheduler.at(START + 2, lambda: happened.append("second"))
    first.cancel()
    first.cancel()
    assert len(scheduler) == 1
    assert scheduler.jump()
    assert scheduler.now == START + 2
    second.cancel()
    assert happened == ["second"]
    assert len(scheduler) == 0


@pytest.mark.parametrize("seed", range(5))
def test_cancelled_events_are_cleared_away_and_the_others_happen_in_order(seed: int) -> None:
    dice = random.Random(seed)
    scheduler = Scheduler()
    happened: list[tuple[int, int]] = []
    planned = [(START + dice.randrange(50), number) for number in range(1000)]
    events = [scheduler.at(when, lambda entry=(when, number): happened.append(entry)) for when, number in planned]
    kept = set(dice.sample(range(1000), 100))
    for number, event in enumerate(events):
        if number not in kept:
            event.cancel()
    assert len(scheduler) == 100
    while scheduler.jump():
        pass
    assert happened == sorted(entry for entry in planned if entry[1] in kept)
