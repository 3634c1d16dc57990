"""What is to be sent, and where segments end in it: PSH, records, super-segments."""

from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.octets import total_octets
from halfopen.tcp.send_queue import ANYWHERE, APART, MORE, RECORD, SendQueue
from halfopen.tcp.sent import PUSHED, RECORD_END

FIRST = 1


def test_what_was_queued_with_more_to_come_is_not_pushed() -> None:
    queue = SendQueue(FIRST)
    queue.append_cut(bytes(300), MORE, FIRST)
    assert queue.ends_at(queue.stop) == 0
    queue.append_cut(bytes(300), 0, FIRST)
    assert queue.ends_at(queue.stop - 1) == 0
    assert queue.ends_at(queue.stop) == PUSHED
    queue.append_cut(bytes(300), MORE, FIRST)
    assert queue.ends_at(queue.stop) == PUSHED  # in one segment with what was
    queue.append_cut(bytes(300), MORE, queue.stop)
    assert queue.ends_at(queue.stop) == 0


def test_nothing_goes_beyond_the_end_of_a_record() -> None:
    queue = SendQueue(FIRST)
    assert queue.reach(FIRST, 1000) == ANYWHERE
    queue.append_cut(bytes(300), RECORD, FIRST)
    queue.append_cut(bytes(300), RECORD | MORE, FIRST)
    queue.append_cut(bytes(300), 0, FIRST)
    assert queue.reach(FIRST, 1000) == FIRST + 300
    assert queue.ends_at(FIRST + 300) == PUSHED | RECORD_END
    assert queue.ends_at(FIRST + 600) == RECORD_END
    assert queue.reach(FIRST + 600, 1000) == ANYWHERE
    assert queue.ends_at(FIRST + 900) == PUSHED


def test_a_full_super_segment_grows_at_the_cost_of_the_next() -> None:
    queue = SendQueue(FIRST)
    queue.append(bytes(3000))
    assert queue.tail(FIRST) == 3000
    queue.append_cut(bytes(3000), APART, FIRST)
    assert queue.tail(FIRST) == 3000
    first, second = FIRST + 3000, FIRST + 6000
    assert queue.reach(FIRST, 2000) == first
    assert queue.reach(FIRST, 3000) == first
    assert queue.reach(FIRST, 4000) == ANYWHERE
    queue.append_cut(bytes(3000), APART, FIRST)
    assert (queue.reach(FIRST, 4000), queue.reach(FIRST, 7000)) == (second, second)
    assert queue.ends_at(FIRST + 4000) == PUSHED
    assert queue.ends_at(second) == PUSHED


def test_where_a_record_ends_nothing_has_to_be_kept_apart_besides() -> None:
    queue = SendQueue(FIRST)
    queue.append_cut(bytes(300), RECORD, FIRST)
    queue.append_cut(bytes(300), APART, FIRST)
    assert queue.ends_at(FIRST + 300) == PUSHED | RECORD_END
    assert queue.reach(FIRST, 1000) == ANYWHERE


def test_from_what_has_been_sent_nothing_has_to_be_kept_apart() -> None:
    queue = SendQueue(FIRST)
    queue.append(bytes(300))
    queue.append_cut(bytes(300), APART, queue.stop)
    assert queue.reach(FIRST + 300, 1000) == ANYWHERE
    assert queue.tail(FIRST + 300) == 300


def test_what_is_unsent_is_queued_in_runs() -> None:
    queue = SendQueue(FIRST)
    assert queue.runs(FIRST) == 0
    queue.append_cut(b"1234", MORE, FIRST)
    assert queue.runs(FIRST) == 1
    queue.append_cut(b"5678", APART, FIRST)
    assert queue.runs(FIRST) == 2
    queue.append_cut(b"9", RECORD, FIRST)
    assert queue.runs(FIRST) == 2


@given(st.lists(st.tuples(st.integers(1, 600), st.sampled_from((0, MORE, RECORD, APART, RECORD | MORE)))))
def test_each_record_ends_with_a_segment_however_text_is_queued(pieces: list[tuple[int, int]]) -> None:
    queue = SendQueue(FIRST)
    records = []
    for size, how in pieces:
        queue.append_cut(bytes(size), how, FIRST)
        if how & RECORD:
            records.append(queue.stop)
    nxt, ended = FIRST, []
    while nxt < queue.stop:
        end = min(queue.reach(nxt, 1000), nxt + 1000, queue.stop)
        assert total_octets(queue.peek(nxt, end - nxt)) == end - nxt > 0
        if queue.ends_at(end) & RECORD_END:
            ended.append(end)
        nxt = end
    assert ended == records
