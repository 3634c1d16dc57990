"""A transmission, and what the delivery of some says about the path (RFC 8985 5.2, 6.2; RFC 6298 3)."""

import pytest

from halfopen.tcp.sent import FINAL, LOST, SACKED, Delivery, Sent


def delivered(*records: Sent, fack: int = -1) -> Delivery:
    """What an acknowledgment of these says; before it the highest octet delivered was ``fack``."""
    delivery = Delivery()
    delivery.fack = fack
    for record in records:
        delivery.note(record)
    return delivery


def test_records_read_well() -> None:
    records = [Sent(0, 10, 0), Sent(10, 20, 0, 2, LOST), Sent(20, 30, 0, condition=SACKED)]
    assert repr(records) == "[Sent(0:10, x1, in flight), Sent(10:20, x2, lost), Sent(20:30, x1, sacked)]"


@pytest.mark.parametrize(
    ("octets", "marks", "segments"),
    [(1, 0, 1), (1000, 0, 1), (1001, 0, 2), (1001, FINAL, 1), (2501, FINAL, 3), (1, FINAL, 1)],
)
def test_segments_are_counted_and_a_fin_takes_no_room(octets: int, marks: int, segments: int) -> None:
    record = Sent(7, 7 + octets, 0)
    record.marks = marks
    assert record.segments(1000) == segments


def test_a_delivery_of_nothing_says_nothing() -> None:
    delivery = Delivery()
    assert (delivery.latest, delivery.last, delivery.sampled_at) == (None, None, None)
    assert (delivery.octets, delivery.pieces, delivery.original, delivery.lowest) == (0, 0, -1, -1)
    assert not delivery.reordered


def test_delivered_data_is_what_was_acknowledged_either_way() -> None:
    delivery = Delivery()
    delivery.acked, delivery.sacked = 20, 30
    assert delivery.octets == 50


@pytest.mark.rfc("8985", "8985.2")
def test_the_latest_is_the_last_to_be_sent_and_at_one_instant_the_one_that_ends_last() -> None:
    early, low, high = Sent(20, 30, 1), Sent(0, 10, 5), Sent(10, 20, 5)
    assert delivered(low, early).latest is low
    assert delivered(early, low).latest is low
    assert delivered(low, high).latest is high
    assert delivered(high, low).latest is high


@pytest.mark.rfc("6298", "6298.7")
def test_what_was_sent_twice_is_the_latest_but_measures_nothing() -> None:
    once, twice = Sent(0, 10, 3), Sent(10, 20, 9, 2)
    delivery = delivered(once, twice)
    assert delivery.latest is twice
    assert (delivery.sampled_at, delivery.original, delivery.last) == (3, 10, 9)


def test_of_what_was_sent_once_the_last_to_leave_measures_and_the_first_in_order_proves() -> None:
    delivery = delivered(Sent(10, 20, 4), Sent(20, 30, 7), Sent(0, 10, 5))
    assert (delivery.sampled_at, delivery.original, delivery.last) == (7, 10, 5)


@pytest.mark.rfc("8985", "8985.4")
def test_what_was_sent_once_and_comes_after_something_higher_shows_that_the_network_reorders() -> None:
    delivery = delivered(Sent(20, 30, 2), Sent(0, 10, 0), Sent(10, 20, 1), fack=40)
    assert delivery.reordered
    assert delivery.lowest == 0


@pytest.mark.rfc("8985", "8985.4")
def test_a_retransmission_that_comes_late_and_what_is_higher_than_all_before_show_nothing() -> None:
    delivery = delivered(Sent(0, 10, 9, 2), Sent(40, 50, 4), fack=40)
    assert not delivery.reordered
    assert delivery.lowest == -1


def test_a_super_segment_counts_as_so_many() -> None:
    large = Sent(0, 3000, 0)
    large.pieces = 3
    assert delivered(large, Sent(3000, 3500, 0)).pieces == 4
