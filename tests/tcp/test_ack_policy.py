"""When acknowledgments are owed."""

import pytest

from halfopen.base.clock import MILLISECOND, NEVER
from halfopen.tcp.ack_policy import AckPolicy
from halfopen.tcp.config import AckConfig

MSS = 1000
LATER = AckConfig(quick=0)


def policy(config: AckConfig = LATER) -> AckPolicy:
    return AckPolicy(config)


def sent(acks: AckPolicy) -> int:
    """How many bare ACKs leave."""
    count = 0
    while acks.is_owed:
        acks.on_ack_sent(False)
        count += 1
    return count


def test_nothing_is_owed_at_first() -> None:
    assert sent(policy()) == 0
    assert policy().deadline == NEVER


@pytest.mark.rfc("9293", "SHLD-18")
def test_one_segment_waits_for_the_delayed_ack_timer() -> None:
    acks = policy()
    acks.on_text(MSS, MSS, MSS, 5, LATER)
    assert not acks.is_owed
    assert acks.deadline == 5 + 40 * MILLISECOND
    acks.on_deadline(acks.deadline - 1)
    assert not acks.is_owed
    acks.on_deadline(acks.deadline)
    assert acks.deadline == NEVER
    assert sent(acks) == 1


@pytest.mark.rfc("9293", "MUST-40")
def test_small_segments_do_not_put_the_timer_off() -> None:
    acks = policy()
    for now in range(10):
        acks.on_text(1, 1, MSS, now * MILLISECOND, LATER)
    assert acks.deadline == 40 * MILLISECOND


@pytest.mark.rfc("9293", "SHLD-19")
def test_every_second_full_segment_is_acknowledged_at_once() -> None:
    acks = policy()
    counts = []
    for now in range(6):
        acks.on_text(MSS, MSS, MSS, now, LATER)
        counts.append(sent(acks))
    assert counts == [0, 1, 0, 1, 0, 1]
    acks.on_text(2 * MSS, MSS, MSS, 7, LATER)
    assert sent(acks) == 1


@pytest.mark.rfc("9293", "SHLD-19")
@pytest.mark.parametrize(
    ("sizes", "acks_after"),
    [
        ([600] * 4, [2, 4]),
        ([1000, 1000, 600, 600, 600, 600], [2, 4, 6]),
        ([1000, 600, 1000, 600], [3]),
        ([100] * 24, [11, 22]),
        ([9000, 9000], [1, 2]),
    ],
)
def test_full_sized_is_what_the_peer_sends_but_no_less_than_everybody_takes(
    sizes: list[int], acks_after: list[int]
) -> None:
    acks = policy()
    answered = []
    for count, size in enumerate(sizes, 1):
        acks.on_text(size, size, MSS, 0, LATER)
        if sent(acks):
            answered.append(count)
    assert answered == acks_after


@pytest.mark.rfc("9293", "MUST-58", "MUST-59")
def test_a_batch_in_order_owes_one_ack_for_all() -> None:
    acks = policy()
    for _ in range(20):
        acks.on_text(MSS, MSS, MSS, 0, LATER)
    acks.at_once()
    assert sent(acks) == 1
    assert acks.deadline == NEVER


@pytest.mark.rfc("5681", "5681.11")
def test_each_segment_out_of_order_owes_an_ack_of_its_own() -> None:
    acks = policy()
    for _ in range(3):
        acks.duplicate()
    assert sent(acks) == 3


@pytest.mark.rfc("9293", "MUST-58")
def test_duplicates_are_void_once_the_hole_is_filled() -> None:
    acks = policy()
    acks.duplicate()
    acks.duplicate()
    acks.on_text(3 * MSS, MSS, MSS, 0, LATER)
    assert sent(acks) == 1


def test_an_ack_of_new_text_and_duplicates_after_it_are_told_apart() -> None:
    acks = policy()
    acks.at_once()
    acks.duplicate()
    assert sent(acks) == 2


@pytest.mark.rfc("5681", "5681.6")
def test_a_segment_with_data_is_no_duplicate_ack() -> None:
    acks = policy()
    acks.duplicate()
    acks.on_ack_sent(True)
    assert sent(acks) == 1


def test_a_segment_with_data_acknowledges_all_that_came_in_order() -> None:
    acks = policy()
    acks.on_text(MSS, MSS, MSS, 0, LATER)
    acks.on_ack_sent(True)
    assert (acks.deadline, acks.is_owed) == (NEVER, False)
    acks.on_text(MSS, MSS, MSS, 0, LATER)
    assert not acks.is_owed  # the count of two starts anew
    acks.at_once()
    acks.on_ack_sent(True)
    assert not acks.is_owed


def test_a_young_connection_acknowledges_at_once_until_it_answers_with_data() -> None:
    config = AckConfig(quick=5)
    acks = policy(config)
    acks.on_text(1, 1, MSS, 0, config)
    assert sent(acks) == 1
    acks.on_ack_sent(True)
    counts = []
    for _ in range(4):
        acks.on_text(1, 1, MSS, 0, config)
        counts.append(sent(acks))
    assert counts == [1, 1, 0, 0]


def test_on_a_path_for_tiny_segments_tiny_ones_are_full() -> None:
    acks = policy()
    acks.on_text(216, 216, 216, 0, LATER)
    assert not acks.is_owed
    acks.on_text(216, 216, 216, 0, LATER)
    assert acks.is_owed


def test_a_super_segment_counts_for_as_many_as_it_has_parts() -> None:
    acks = policy()
    acks.on_text(20 * 1448, 1448, 65483, 0, LATER)
    assert acks.is_owed


def test_the_switch_to_quick_acks_concerns_what_waits_and_so_many_segments() -> None:
    acks = policy()
    acks.switch(1)
    assert sent(acks) == 0
    acks.on_text(10, 10, MSS, 0, LATER)
    assert sent(acks) == 1
    acks.on_text(10, 10, MSS, 0, LATER)
    assert sent(acks) == 0
    acks.switch(2)
    assert sent(acks) == 1
    acks.switch(0)
    acks.on_text(10, 10, MSS, 0, LATER)
    assert sent(acks) == 0


def test_an_ack_is_no_duplicate_before_all_text_in_order_is_acknowledged() -> None:
    acks = policy()
    assert not acks.is_duplicate
    acks.on_text(10, 10, MSS, 0, LATER)
    acks.duplicate()
    acks.duplicate()
    assert not acks.is_duplicate
    acks.on_ack_sent(False)
    assert acks.is_duplicate
    acks.at_once()
    assert not acks.is_duplicate


def test_so_many_segments_may_be_in_a_hurry() -> None:
    acks = policy()
    acks.hasten(2)
    acks.hasten(1)
    for expected in (1, 1, 0):
        acks.on_text(10, 10, MSS, 0, LATER)
        assert sent(acks) == expected


LINUX = AckConfig(manner="linux")


def test_linux_learns_what_full_segments_are_but_no_more_than_it_asks_for() -> None:
    acks = policy(LINUX)
    acks.measure(2500, False, 1460)
    assert acks.full_size == 1460
    acks.measure(700, False, 1460)
    acks.measure(700, False, 1460)
    assert acks.full_size == 700


def test_linux_is_quick_with_what_comes_again() -> None:
    acks = policy(LINUX)
    acks.rush(7)
    assert acks.delays is not None
    assert acks.delays.quick == 7
    policy().rush(7)


def test_linux_counts_its_quick_acks_and_can_be_told_to_wait() -> None:
    acks = policy(LINUX)
    assert acks.delays is not None
    acks.delays.quick = 5
    acks.at_once()
    acks.on_ack_sent(False)
    assert acks.delays.quick == 4
    acks.switch(0)
    assert acks.delays.talks
    acks.switch(16)
    assert not acks.delays.talks


def test_the_second_segment_of_any_size_may_be_enough() -> None:
    config = AckConfig(quick=0, second="any")
    acks = policy(config)
    acks.on_text(1, 1, MSS, 0, config)
    assert sent(acks) == 0
    acks.on_text(1, 1, MSS, 1, config)
    assert sent(acks) == 1


def test_an_ack_apart_takes_the_place_of_what_was_to_be_said() -> None:
    acks = policy()
    acks.at_once()
    acks.duplicate()
    acks.apart()
    assert acks.is_apart
    assert sent(acks) == 1


def test_an_ack_can_be_put_off_for_text_to_take_along() -> None:
    acks = policy()
    acks.put_off(50 * MILLISECOND)
    assert (sent(acks), acks.deadline) == (0, 50 * MILLISECOND)
    acks.on_ack_sent(True)
    assert (sent(acks), acks.deadline) == (0, NEVER)


def test_where_any_second_segment_counts_one_that_is_too_large_is_acknowledged_at_once() -> None:
    config = AckConfig(quick=0, second="any")
    acks = policy(config)
    acks.on_text(MSS, MSS, MSS, 0, config)
    assert not acks.is_owed
    acks = policy(config)
    acks.on_text(MSS + 1, MSS + 1, MSS, 0, config)
    assert acks.is_owed


def test_what_is_assumed_of_full_segments_holds_until_one_shows_more() -> None:
    acks = policy()
    acks.assume(257)
    assert acks.full_size == 257


def test_what_has_not_been_read_waits_in_spite_of_quick_acks() -> None:
    acks = policy()
    acks.on_text(100, 100, MSS, 0, LATER)
    acks.switch(16, is_read=False)
    assert sent(acks) == 0
    acks.switch(16)
    assert sent(acks) == 1
