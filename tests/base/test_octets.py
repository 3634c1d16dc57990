import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from halfopen.base.octets import SMALL, Buffer, OctetQueue, cut, total_octets, view

sizes = st.one_of(st.integers(0, 3), st.integers(SMALL - 1, SMALL + 1), st.integers(0, 3 * SMALL))
kinds = st.sampled_from([bytes, bytearray, memoryview])


def pattern(start: int, count: int) -> bytes:
    return bytes(position % 251 for position in range(start, start + count))


class QueueAgainstBytearray(RuleBasedStateMachine):
    """Any history of calls leaves the queue with what a plain bytearray would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = OctetQueue(1000)
        self.model = bytearray()
        self.start = 1000

    @rule(size=sizes, kind=kinds)
    def append(self, size: int, kind: type[bytes] | type[bytearray] | type[memoryview]) -> None:
        octets = pattern(self.start + len(self.model), size)
        self.queue.append(kind(octets))
        self.model += octets

    @rule(size=sizes, times=st.integers(1, 80))
    def append_often(self, size: int, times: int) -> None:
        for _ in range(times):
            self.append(size, bytes)

    @rule(fraction=st.floats(0, 1))
    def consume(self, fraction: float) -> None:
        count = round(fraction * len(self.model))
        self.queue.consume(count)
        del self.model[:count]
        self.start += count

    @rule(count=sizes)
    def take(self, count: int) -> None:
        assert b"".join(self.queue.take(count)) == self.model[:count]
        gone = min(count, len(self.model))
        del self.model[:gone]
        self.start += gone

    @rule(fraction=st.floats(0, 1), count=sizes)
    def peek(self, fraction: float, count: int) -> None:
        offset = round(fraction * len(self.model))
        assert b"".join(self.queue.peek(self.start + offset, count)) == self.model[offset : offset + count]

    @rule()
    def clear(self) -> None:
        self.queue.clear()
        self.start += len(self.model)
        self.model.clear()

    @invariant()
    def holds_the_same(self) -> None:
        assert (self.queue.start, self.queue.stop) == (self.start, self.start + len(self.model))
        assert len(self.queue) == len(self.model)


TestQueueAgainstBytearray = QueueAgainstBytearray.TestCase


def test_large_buffers_are_kept_as_they_are_given() -> None:
    first, second = bytes(SMALL), bytearray(SMALL)
    queue = OctetQueue()
    queue.append(first)
    queue.append(second)
    pieces = queue.peek(0, 2 * SMALL)
    assert pieces[0] is first
    assert pieces[1] is second


def test_part_of_a_large_buffer_is_a_view_of_it() -> None:
    buffer = bytes(2 * SMALL)
    queue = OctetQueue()
    queue.append(buffer)
    (piece,) = queue.peek(1, SMALL)
    assert isinstance(piece, memoryview)
    assert piece.obj is buffer


def test_small_neighbours_are_joined() -> None:
    queue = OctetQueue()
    for octet in range(SMALL):
        queue.append(bytes([octet % 256]))
    assert len(queue.peek(0, SMALL)) == 1


def test_what_was_peeked_at_does_not_change_when_its_buffer_grows() -> None:
    queue = OctetQueue()
    queue.append(b"ab")
    peeked = queue.peek(0, 2)
    queue.append(b"cd")
    assert peeked == (b"ab",)
    assert queue.take(4) == (b"abcd",)


@pytest.mark.parametrize("consumed", [1, 40, 70, 199, 200])
def test_consuming_whole_buffers_leaves_the_rest_in_place(consumed: int) -> None:
    queue = OctetQueue()
    for number in range(200):
        queue.append(bytes([number]) * SMALL)
    for _ in range(consumed):
        queue.consume(SMALL)
    rest = b"".join(bytes([number]) * SMALL for number in range(consumed, 200))
    assert b"".join(queue.peek(queue.start, 200 * SMALL)) == rest


@pytest.mark.parametrize("count", [-1, 4])
def test_more_than_there_is_cannot_be_consumed(count: int) -> None:
    queue = OctetQueue()
    queue.append(b"abc")
    with pytest.raises(ValueError, match=f"cannot consume {count} octets of 3"):
        queue.consume(count)


@pytest.mark.parametrize("position", [9, 14])
def test_a_position_outside_of_the_queue_cannot_be_peeked_at(position: int) -> None:
    queue = OctetQueue(10)
    queue.append(b"abc")
    with pytest.raises(ValueError, match=rf"position {position} is outside of \[10, 13\]"):
        queue.peek(position, 1)


@given(st.lists(st.tuples(sizes, kinds), max_size=6), st.data())
def test_cut_takes_the_octets_between_two_positions(
    pieces: list[tuple[int, type[bytes] | type[bytearray] | type[memoryview]]], data: st.DataObject
) -> None:
    buffers: tuple[Buffer, ...] = tuple(kind(pattern(index, size)) for index, (size, kind) in enumerate(pieces))
    whole = b"".join(buffers)
    start = data.draw(st.integers(0, len(whole) + 2))
    stop = data.draw(st.integers(start, len(whole) + 5))
    assert b"".join(cut(buffers, start, stop)) == whole[start:stop]
    assert total_octets(cut(buffers, start, stop)) == len(whole[start:stop])


def test_cut_keeps_a_whole_buffer_as_it_is() -> None:
    first, second = bytes(10), bytes(20)
    kept = cut((first, second), 10, 30)
    assert len(kept) == 1
    assert kept[0] is second


@pytest.mark.parametrize(("octets", "kind"), [(SMALL - 1, bytes), (SMALL, memoryview)])
def test_a_small_view_is_a_copy_that_pins_nothing(octets: int, kind: type) -> None:
    assert type(view(bytes(1500), 7, 7 + octets)) is kind


@pytest.mark.parametrize("buffer", [bytes(65536), bytearray(65536), memoryview(bytes(65536))[100:20000]])
@pytest.mark.parametrize(("octets", "kind"), [(16383, bytes), (16384, memoryview)])
def test_so_is_one_of_a_small_part_of_what_it_would_pin(buffer: Buffer, octets: int, kind: type) -> None:
    assert type(view(buffer, 7, 7 + octets)) is kind


@pytest.mark.parametrize("lengths", [(), (5,), (5, 0, 7)])
def test_total_octets_is_the_sum_of_the_lengths(lengths: tuple[int, ...]) -> None:
    assert total_octets([bytes(length) for length in lengths]) == sum(lengths)
