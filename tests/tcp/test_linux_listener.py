"""What Linux remembers of half-open peers."""

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.linux_listener import Visits, timeouts_in


@pytest.mark.parametrize(("patience", "count"), [(0, 0), (1, 1), (2, 2), (3, 2), (5, 3), (7, 3), (8, 4)])
def test_a_time_is_a_number_of_timeouts(patience: int, count: int) -> None:
    assert timeouts_in(patience * SECOND) == count


def test_an_answer_counts_for_its_interval() -> None:
    visits = Visits(4)
    assert not visits.is_answered(b"a", 0, 500 * MILLISECOND)
    visits.note_answer(b"a", SECOND)
    assert visits.is_answered(b"a", SECOND, 500 * MILLISECOND)
    assert not visits.is_answered(b"b", SECOND, 500 * MILLISECOND)
    assert not visits.is_answered(b"a", SECOND + 500 * MILLISECOND, 500 * MILLISECOND)


def test_a_peer_whose_ack_has_come_is_left_alone_until_its_time_is_almost_over() -> None:
    visits, patience = Visits(4), 5 * SECOND
    assert not visits.may_rest(b"a", 0, patience)
    visits.note_answer(b"a", SECOND)
    assert not visits.may_rest(b"a", 0, patience)
    visits.note_acknowledgment(b"a")
    assert [visits.may_rest(b"a", count, patience) for count in range(4)] == [True, True, False, False]


def test_who_leaves_the_table_is_forgotten() -> None:
    visits = Visits(4)
    visits.note_answer(b"a", SECOND)
    visits.forget(b"a")
    visits.forget(b"a")
    assert not visits.is_answered(b"a", SECOND, SECOND)


def test_no_more_are_remembered_than_there_is_room_for() -> None:
    visits = Visits(2)
    for flow in (b"a", b"b", b"c"):
        visits.note_answer(flow, SECOND)
    assert not visits.is_answered(b"a", SECOND, SECOND)
    assert visits.is_answered(b"c", SECOND, SECOND)
