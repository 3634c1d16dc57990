"""RACK step by step (RFC 8985 6.2)."""

import pytest

from halfopen.base.clock import MILLISECOND, NEVER
from halfopen.tcp.rack import REORDERING_MEMORY, Rack
from halfopen.tcp.rtt import RttEstimator
from halfopen.tcp.scoreboard import Flight
from halfopen.tcp.sent import LOST, Delivery

RTT = 100 * MILLISECOND


def estimator(rtt: int = RTT) -> RttEstimator:
    made = RttEstimator()
    made.sample(rtt, 0)
    return made


def flight_of(count: int) -> Flight:
    """Segments of 10 octets, one a millisecond."""
    flight = Flight()
    for number in range(count):
        flight.sent(10 * number, 10 * number + 10, number * MILLISECOND)
    return flight


def sacked(flight: Flight, left: int, right: int) -> Delivery:
    delivery = Delivery()
    flight.sack(left, right, delivery)
    return delivery


def lost(flight: Flight) -> list[int]:
    return [record.start for record in flight.records if record.condition == LOST]


@pytest.mark.rfc("8985", "8985.2")
def test_the_most_recently_sent_of_the_delivered_records_counts() -> None:
    flight, rack = flight_of(5), Rack()
    rack.update(sacked(flight, 20, 40), estimator(), None, RTT + 3 * MILLISECOND)
    assert (rack.sent_at, rack.end, rack.rtt) == (3 * MILLISECOND, 40, RTT)
    rack.update(sacked(flight, 10, 20), estimator(), None, RTT + 5 * MILLISECOND)
    assert (rack.sent_at, rack.end) == (3 * MILLISECOND, 40)


def test_an_acknowledgment_of_nothing_new_changes_nothing() -> None:
    rack = Rack()
    rack.update(Delivery(), estimator(), None, RTT)
    assert (rack.sent_at, rack.end, rack.rtt) == (-1, 0, 0)


@pytest.mark.rfc("8985", "8985.2")
@pytest.mark.parametrize(
    ("waited", "echo", "believed"),
    [
        (RTT - 1, None, False),
        (RTT, None, True),
        (RTT, RTT, True),
        (RTT, RTT + MILLISECOND, True),  # the timestamp clock ticks in milliseconds
        (RTT, RTT + MILLISECOND + 1, False),
    ],
)
def test_an_acknowledgment_that_may_be_for_the_original_says_nothing_about_the_retransmission(
    waited: int, echo: int | None, believed: bool
) -> None:
    flight, rack = flight_of(1), Rack()
    flight.mark_lost(flight.records[0])
    flight.retransmit(flight.records[0], RTT)
    rack.update(sacked(flight, 0, 10), estimator(), echo, RTT + waited)
    assert (rack.sent_at == RTT) is believed


@pytest.mark.rfc("8985", "8985.4")
def test_there_is_no_reordering_window_in_recovery_or_at_dupthresh_while_order_was_kept() -> None:
    rack, rtt = Rack(), estimator()
    assert rack.reordering_window(rtt, False, 2, 3) == RTT // 4
    assert rack.reordering_window(rtt, False, 3, 3) == 0
    assert rack.reordering_window(rtt, True, 0, 3) == 0


@pytest.mark.rfc("8985", "8985.4")
def test_where_order_was_seen_to_break_the_window_is_a_quarter_of_the_smallest_rtt() -> None:
    flight, rack, rtt = flight_of(3), Rack(), estimator()
    rack.update(sacked(flight, 20, 30), rtt, None, RTT)
    assert not rack.reordering_seen
    rack.update(sacked(flight, 0, 10), rtt, None, RTT + MILLISECOND)
    assert rack.reordering_seen
    assert rack.reordering_window(rtt, True, 9, 3) == RTT // 4


def report_dsack(rack: Rack, now: int) -> None:
    rack.on_dsack()
    rack.update(Delivery(), estimator(), None, now)


@pytest.mark.rfc("8985", "8985.4")
def test_each_round_with_a_duplicate_widens_the_window_up_to_srtt() -> None:
    rack, rtt, flight = Rack(), estimator(), Flight()
    widths = []
    for round_number in range(6):
        now = (2 * round_number + 1) * RTT
        report_dsack(rack, now)
        report_dsack(rack, now + 1)  # of the same round
        flight.sent(10 * round_number, 10 * round_number + 10, now + 2)
        rack.update(sacked(flight, 10 * round_number, 10 * round_number + 10), rtt, None, now + RTT + 2)
        widths.append(rack.reordering_window(rtt, False, 0, 3))
    assert rack.multiplier == 7
    assert widths == [RTT // 2, 3 * RTT // 4, RTT, RTT, RTT, RTT]


@pytest.mark.rfc("8985", "8985.4")
def test_sixteen_recoveries_without_a_duplicate_make_it_narrow_again() -> None:
    rack = Rack()
    report_dsack(rack, RTT)
    for _ in range(REORDERING_MEMORY - 1):
        rack.on_recovered()
    assert rack.multiplier == 2
    rack.on_recovered()
    assert rack.multiplier == 1
    assert REORDERING_MEMORY == 16


@pytest.mark.rfc("8985", "8985.3")
def test_lost_is_what_was_sent_an_rtt_and_the_window_before_and_before_something_delivered() -> None:
    flight, rack, rtt = flight_of(6), Rack(), estimator()
    now = RTT + 4 * MILLISECOND
    rack.update(sacked(flight, 40, 50), rtt, None, now)
    window = 2 * MILLISECOND
    assert rack.detect(flight, window, now) == 3 * MILLISECOND + RTT + window
    assert lost(flight) == [0, 10, 20]
    assert rack.detect(flight, window, now + MILLISECOND) == NEVER
    assert lost(flight) == [0, 10, 20, 30]
    assert rack.detect(flight, window, NEVER) == NEVER  # what was sent after it may be on its way for ever
    assert lost(flight) == [0, 10, 20, 30]


@pytest.mark.rfc("8985", "8985.3")
def test_a_lost_retransmission_is_found_by_what_was_sent_after_it() -> None:
    flight, rack, rtt = flight_of(4), Rack(), estimator()
    rack.update(sacked(flight, 10, 40), rtt, None, RTT + 3 * MILLISECOND)
    rack.detect(flight, 0, RTT + 3 * MILLISECOND)
    flight.retransmit(flight.records[0], RTT + 3 * MILLISECOND)
    flight.sent(40, 50, RTT + 4 * MILLISECOND)
    assert lost(flight) == []
    now = 2 * RTT + 4 * MILLISECOND
    rack.update(sacked(flight, 40, 50), rtt, None, now)
    assert rack.detect(flight, 0, now) == NEVER
    assert lost(flight) == [0]


@pytest.mark.rfc("8985", "8985.3")
def test_within_a_super_segment_the_octets_say_what_was_sent_first() -> None:
    flight, rack, rtt = Flight(), Rack(), estimator()
    flight.sent(0, 100, 0)
    rack.update(sacked(flight, 40, 50), rtt, None, RTT)
    assert rack.detect(flight, 0, RTT) == NEVER
    assert lost(flight) == [0]
    assert flight.lost == 40


def test_what_was_believed_lost_and_was_not_can_be_lost_once_more() -> None:
    flight, rack, rtt = flight_of(3), Rack(), estimator()
    now = RTT + 2 * MILLISECOND
    rack.update(sacked(flight, 20, 30), rtt, None, now)
    rack.detect(flight, 0, now)
    flight.unmark_lost()
    assert lost(flight) == []
    assert rack.detect(flight, RTT, now) == MILLISECOND + RTT + RTT
    rack.detect(flight, 0, now)
    assert lost(flight) == [0, 10]
