"""Deadlines of one connection."""

from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import NEVER
from halfopen.tcp.timers import Retransmit, Timers

NAMES = ("keep_alive", "linger", "patience", "retransmit", "wait")


def test_a_new_connection_waits_for_nothing() -> None:
    timers = Timers()
    assert timers.next_deadline() == NEVER
    assert timers.retransmit_for is Retransmit.RTO


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, NEVER)))
def test_the_next_deadline_is_the_earliest_until_all_are_stopped(deadlines: dict[str, int]) -> None:
    timers = Timers()
    for name, deadline in deadlines.items():
        setattr(timers, name, deadline)
    assert timers.next_deadline() == min([NEVER, *deadlines.values()])
    timers.stop()
    assert [getattr(timers, name) for name in NAMES] == [NEVER] * len(NAMES)


def test_the_pace_is_a_deadline_as_well() -> None:
    timers = Timers()
    timers.pace = 5
    timers.patience = 7
    assert timers.next_deadline() == 5
    timers.stop()
    assert timers.next_deadline() == NEVER
