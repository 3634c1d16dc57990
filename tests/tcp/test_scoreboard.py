"""The scoreboard against a dict from octet to what is known about it."""

import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from halfopen.base.clock import NEVER
from halfopen.tcp.scoreboard import Flight
from halfopen.tcp.sent import FINAL, IN_FLIGHT, LOST, PUSHED, RECORD_END, SACKED, Delivery, Sent

MSS = 10
DUPTHRESH = 3
ISS = (1 << 32) + 7


def flight_of(*segments: int, start: int = 0, now: int = 0) -> Flight:
    """Segments of these sizes, one a tick."""
    flight = Flight()
    for number, octets in enumerate(segments):
        flight.sent(start, start + octets, now + number)
        start += octets
    return flight


def picture(flight: Flight) -> str:
    """One letter an octet: in flight, sacked, lost."""
    return "".join("fsl"[record.condition] * (record.end - record.start) for record in flight.records)


class Octet:
    """What the model knows about one octet of sequence space."""

    def __init__(self, now: int) -> None:
        self.condition = IN_FLIGHT
        self.transmissions = 1
        self.sent_at = now


class Scoreboard(RuleBasedStateMachine):
    """Any order of events; after each the records say what the octets say."""

    def __init__(self) -> None:
        super().__init__()
        self.flight = Flight()
        self.octets: dict[int, Octet] = {}
        self.una = self.nxt = ISS
        self.now = 0
        self.sacked_end = 0

    def of(self, condition: int) -> list[int]:
        return [position for position in sorted(self.octets) if self.octets[position].condition == condition]

    def check(self, delivery: Delivery, acked: list[Octet], sacked: list[Octet], before: int) -> None:
        assert (delivery.acked, delivery.sacked, delivery.octets) == (len(acked), len(sacked), len(acked + sacked))
        once = [octet.sent_at for octet in acked + sacked if octet.transmissions == 1]
        assert delivery.sampled_at == max(once, default=None)
        latest = max((octet.sent_at for octet in acked + sacked), default=None)
        assert (delivery.latest.sent_at if delivery.latest is not None else None) == latest
        assert delivery.fack == before

    @rule(octets=st.integers(1, 60), waited=st.integers(0, 1))
    def send(self, octets: int, waited: int) -> None:
        self.now += waited
        self.flight.sent(self.nxt, self.nxt + octets, self.now)
        self.octets |= {position: Octet(self.now) for position in range(self.nxt, self.nxt + octets)}
        self.nxt += octets

    @precondition(lambda self: self.octets)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        una = data.draw(st.integers(self.una, self.nxt))
        delivery, before = Delivery(), self.flight.sacked_end
        self.flight.acknowledge(una, delivery)
        gone = [self.octets.pop(position) for position in range(self.una, una)]
        self.check(delivery, [octet for octet in gone if octet.condition != SACKED], [], before)
        self.una = una

    @precondition(lambda self: self.octets)
    @rule(data=st.data())
    def sack(self, data: st.DataObject) -> None:
        left = data.draw(st.integers(self.una - 20, self.nxt))
        right = data.draw(st.integers(left, self.nxt))
        delivery, before = Delivery(), self.flight.sacked_end
        self.flight.sack(left, right, delivery)
        new = [
            self.octets[position]
            for position in range(max(left, self.una), right)
            if self.octets[position].condition != SACKED
        ]
        self.check(delivery, [], new, before)
        for octet in new:
            octet.condition = SACKED
        if new:
            self.sacked_end = max(self.sacked_end, right)

    @precondition(lambda self: self.octets)
    @rule(data=st.data())
    def mark_lost(self, data: st.DataObject) -> None:
        record = data.draw(st.sampled_from(self.flight.records))
        self.flight.mark_lost(record)
        for position in range(record.start, record.end):
            if self.octets[position].condition == IN_FLIGHT:
                self.octets[position].condition = LOST

    @rule()
    def mark_all_lost(self) -> None:
        self.flight.mark_all_lost()
        for position in self.of(IN_FLIGHT):
            self.octets[position].condition = LOST

    @rule()
    def unmark_lost(self) -> None:
        self.flight.unmark_lost()
        for position in self.of(LOST):
            self.octets[position].condition = IN_FLIGHT

    @rule()
    def forget_sacks(self) -> None:
        self.flight.forget_sacks()
        for position in self.of(SACKED):
            self.octets[position].condition = IN_FLIGHT
        for record in self.flight.records:  # a run forgets when each of its octets was sent
            for position in range(record.start, record.end):
                self.octets[position].sent_at = record.sent_at
                self.octets[position].transmissions = record.transmissions
        self.sacked_end = 0

    @precondition(lambda self: self.octets)
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        record = data.draw(st.sampled_from(self.flight.records))
        if record.end - record.start > 1 and record.condition != SACKED:
            self.flight.split_at(data.draw(st.integers(record.start + 1, record.end - 1)))

    @rule(most=st.integers(1, 100), waited=st.integers(1, 30))
    def retransmit_first_lost(self, most: int, waited: int) -> None:
        record = self.flight.first_lost()
        lost = self.of(LOST)
        assert (record.start if record is not None else None) == (lost[0] if lost else None)
        if record is None:
            return
        self.now += waited
        if record.end - record.start > most:
            self.flight.split_at(record.start + most)
        else:
            self.flight.gather(record, most)
        assert record.end - record.start <= most
        self.resend(record)

    @precondition(lambda self: self.octets)
    @rule(data=st.data())
    def probe(self, data: st.DataObject) -> None:
        record = data.draw(st.sampled_from(self.flight.records))
        if record.condition != SACKED:
            self.now += 1
            self.resend(record)

    def resend(self, record: Sent) -> None:
        transmissions = record.transmissions
        self.flight.retransmit(record, self.now)
        assert record.transmissions == transmissions + 1
        for position in range(record.start, record.end):
            octet = self.octets[position]
            octet.condition, octet.sent_at, octet.transmissions = IN_FLIGHT, self.now, record.transmissions

    @precondition(lambda self: self.octets)
    @rule(data=st.data(), patience=st.integers(0, 40))
    def mark_late(self, data: st.DataObject, patience: int) -> None:
        """RFC 8985 6.2 step 5, word for word, against what takes each transmission in hand once."""
        newest = data.draw(st.sampled_from(self.flight.records))
        rack = (newest.sent_at, newest.end)
        due = self.now - patience
        behind = [
            record
            for record in self.flight.records
            if record.condition == IN_FLIGHT and (record.sent_at, record.end) < rack
        ]
        late = [record for record in behind if record.sent_at <= due]
        waiting = [record.sent_at for record in behind if record.sent_at > due]
        assert self.flight.mark_late(*rack, due) == max(waiting, default=NEVER)
        for record in late:
            for position in range(record.start, record.end):
                self.octets[position].condition = LOST

    @rule()
    def mark_lost_by_sacks(self) -> None:
        """IsLost of RFC 6675 4, of each record by itself."""
        judged = []
        for number, record in enumerate(self.flight.records):
            above = [other for other in self.flight.records[number:] if other.condition == SACKED]
            octets = sum(other.end - other.start for other in above)
            is_lost = len(above) >= DUPTHRESH or octets > (DUPTHRESH - 1) * MSS
            if record.condition == IN_FLIGHT and record.transmissions == 1 and is_lost:
                judged.append(record)
        self.flight.mark_lost_by_sacks(DUPTHRESH, MSS)
        for record in judged:
            for position in range(record.start, record.end):
                self.octets[position].condition = LOST

    @invariant()
    def records_tile_the_space_from_una_to_nxt(self) -> None:
        edges = [self.una, *(record.end for record in self.flight.records)]
        assert [record.start for record in self.flight.records] == edges[:-1]
        assert edges[-1] == self.nxt
        assert all(record.start < record.end for record in self.flight.records)

    @invariant()
    def records_say_what_the_octets_say(self) -> None:
        for record in self.flight.records:
            for position in range(record.start, record.end):
                octet = self.octets[position]
                assert octet.condition == record.condition
                if record.condition == IN_FLIGHT:
                    assert octet.sent_at == record.sent_at
                if record.condition != SACKED:
                    assert octet.transmissions == record.transmissions

    @invariant()
    def counters_say_what_the_records_say(self) -> None:
        assert self.flight.sacked == len(self.of(SACKED))
        assert self.flight.lost == len(self.of(LOST))
        assert self.flight.sacked_end == self.sacked_end

    @invariant()
    def sacked_neighbours_are_one(self) -> None:
        conditions = [record.condition for record in self.flight.records]
        assert (SACKED, SACKED) not in pairwise(conditions)


TestScoreboard = Scoreboard.TestCase
TestScoreboard.settings = settings(deadline=None, max_examples=200, stateful_step_count=40)


@pytest.mark.rfc("6675", "6675.1")
def test_a_block_cuts_the_records_at_its_edges() -> None:
    flight = flight_of(30, 30)
    delivery = Delivery()
    flight.sack(20, 40, delivery)
    assert picture(flight) == "f" * 20 + "s" * 20 + "f" * 20
    assert len(flight.records) == 3
    assert (delivery.sacked, flight.sacked, flight.sacked_end) == (20, 20, 40)


def test_blocks_that_are_empty_inverted_or_outside_change_nothing() -> None:
    flight = Flight()
    flight.sack(0, 10, Delivery())
    flight = flight_of(30, start=100)
    for left, right in ((110, 110), (120, 110), (0, 100), (130, 140)):
        flight.sack(left, right, Delivery())
    assert picture(flight) == "f" * 30
    assert flight.sacked == 0


@pytest.mark.rfc("6298", "6298.7")
def test_what_was_sent_twice_gives_no_round_trip() -> None:
    flight = flight_of(10, 10, 10)
    flight.mark_lost(flight.records[1])
    flight.retransmit(flight.records[1], 50)
    delivery = Delivery()
    flight.acknowledge(30, delivery)
    assert delivery.sampled_at == 2
    assert delivery.latest is not None
    assert (delivery.latest.sent_at, delivery.latest.transmissions) == (50, 2)


def test_the_latest_of_those_sent_at_one_instant_is_the_one_that_ends_last() -> None:
    flight = Flight()
    for start in (0, 10, 20):
        flight.sent(start, start + 10, 5)
    delivery = Delivery()
    flight.sack(20, 30, delivery)
    flight.sack(10, 20, delivery)
    assert delivery.latest is not None
    assert (delivery.latest.start, delivery.latest.end) == (20, 30)


@pytest.mark.rfc("8985", "8985.2")
def test_the_latest_ends_where_what_was_delivered_ends() -> None:
    flight = flight_of(100)
    delivery = Delivery()
    flight.acknowledge(40, delivery)
    assert delivery.latest is not None and delivery.latest.end == 40
    delivery = Delivery()
    flight.sack(60, 70, delivery)
    flight.sack(70, 80, Delivery())
    assert delivery.latest is not None and delivery.latest.end == 70


@pytest.mark.rfc("8985", "8985.4")
def test_a_hole_that_fills_without_a_retransmission_shows_that_the_network_reorders() -> None:
    flight = flight_of(10, 10, 10)
    first, second = Delivery(), Delivery()
    flight.sack(10, 20, first)
    assert not first.reordered
    flight.acknowledge(20, second)
    assert second.reordered


@pytest.mark.rfc("8985", "8985.4")
def test_so_does_a_block_below_an_earlier_one() -> None:
    flight = flight_of(10, 10, 10, 10)
    flight.sack(30, 40, Delivery())
    delivery = Delivery()
    flight.sack(10, 20, delivery)
    assert delivery.reordered


@pytest.mark.rfc("8985", "8985.4")
def test_a_hole_that_fills_after_a_retransmission_does_not() -> None:
    flight = flight_of(10, 10)
    flight.sack(10, 20, Delivery())
    flight.mark_lost(flight.records[0])
    flight.retransmit(flight.records[0], 9)
    delivery = Delivery()
    flight.acknowledge(20, delivery)
    assert not delivery.reordered


@pytest.mark.rfc("8985", "8985.4")
def test_one_acknowledgment_says_nothing_about_the_order_of_what_it_tells() -> None:
    flight = flight_of(*[10] * 6)
    delivery = Delivery()
    flight.sack(50, 60, delivery)
    flight.sack(30, 40, delivery)
    flight.acknowledge(20, delivery)  # the ACK of the first two was delayed, or lost
    assert (delivery.acked, delivery.sacked, delivery.reordered) == (20, 20, False)


@pytest.mark.rfc("6675", "6675.2")
@pytest.mark.parametrize(
    ("blocks", "lost"),
    [
        ([(10, 30)], 0),
        ([(10, 31)], 10),
        ([(10, 40)], 10),
        ([(10, 11), (20, 21)], 0),
        ([(10, 11), (20, 21), (30, 31)], 10),
        ([(40, 61)], 40),
    ],
)
def test_three_runs_or_more_than_two_segments_above_it_make_a_record_lost(
    blocks: list[tuple[int, int]], lost: int
) -> None:
    flight = flight_of(*[10] * 8)
    for left, right in blocks:
        flight.sack(left, right, Delivery())
    flight.mark_lost_by_sacks(DUPTHRESH, MSS)
    assert flight.lost == lost
    assert picture(flight).startswith("l" * lost + ("s" if lost else "f"))


@pytest.mark.rfc("6675", "6675.2")
def test_what_is_being_retransmitted_is_not_lost_again_by_the_same_blocks() -> None:
    flight = flight_of(*[10] * 5)
    flight.sack(10, 40, Delivery())
    flight.mark_lost_by_sacks(DUPTHRESH, MSS)
    flight.retransmit(flight.records[0], 9)
    flight.sack(40, 50, Delivery())
    flight.mark_lost_by_sacks(DUPTHRESH, MSS)
    assert flight.lost == 0


@pytest.mark.rfc("6675", "6675.2")
def test_what_a_timeout_had_sent_again_is_not_lost_by_blocks_that_may_be_of_the_first_time() -> None:
    flight = flight_of(*[10] * 5)
    flight.mark_all_lost()
    flight.retransmit(flight.records[0], 9)
    flight.sack(10, 50, Delivery())
    flight.mark_lost_by_sacks(DUPTHRESH, MSS)
    assert picture(flight) == "f" * 10 + "s" * 40


def test_what_was_not_lost_after_all_can_be_lost_by_the_same_blocks() -> None:
    flight = flight_of(*[10] * 5)
    flight.sack(20, 50, Delivery())
    flight.mark_lost_by_sacks(DUPTHRESH, MSS)
    flight.unmark_lost()
    flight.mark_lost_by_sacks(DUPTHRESH, MSS)
    assert picture(flight) == "l" * 20 + "s" * 30


def test_what_is_acknowledged_holds_no_memory() -> None:
    flight = Flight()
    tracemalloc.start()
    try:
        for now in range(5000):
            flight.sent(10 * now, 10 * now + 10, now)
            flight.acknowledge(10 * now + 10, Delivery())
        assert tracemalloc.get_traced_memory()[0] < 5000
    finally:
        tracemalloc.stop()


@pytest.mark.rfc("2018", "2018.3")
def test_a_peer_may_renege() -> None:
    flight = flight_of(10, 10, 10)
    flight.sack(0, 20, Delivery())
    flight.forget_sacks()
    flight.mark_all_lost()
    assert picture(flight) == "l" * 30
    assert (flight.sacked, flight.sacked_end, flight.lost) == (0, 0, 30)


@pytest.mark.rfc("9293", "SHLD-28")
def test_what_left_in_small_segments_returns_in_large_ones() -> None:
    flight = flight_of(3, 3, 3, 3)
    flight.mark_all_lost()
    flight.retransmit(flight.records[1], 9)
    flight.mark_lost(flight.records[1])
    record = flight.first_lost()
    assert record is not None
    flight.gather(record, 10)
    assert [(run.start, run.end, run.transmissions) for run in flight.records] == [(0, 9, 2), (9, 12, 1)]


def test_a_retransmission_in_the_same_instant_as_later_text_counts_as_sent_before_it() -> None:
    flight = flight_of(10, 10, 10)
    flight.sent(30, 40, 9)
    flight.sent(40, 50, 9)
    flight.mark_lost(flight.records[0])
    flight.retransmit(flight.records[0], 9)
    flight.sack(30, 40, Delivery())
    assert flight.mark_late(9, 40, 100) == NEVER
    assert picture(flight) == "l" * 30 + "s" * 10 + "f" * 10


def test_nothing_is_left_after_clear() -> None:
    flight = flight_of(10, 10, 10)
    flight.sack(10, 20, Delivery())
    flight.mark_all_lost()
    flight.clear()
    assert (flight.records, flight.sacked, flight.lost) == ([], 0, 0)
    assert flight.first_lost() is None
    assert flight.mark_late(100, 100, 100) == NEVER


@given(st.permutations(range(40)))
def test_the_order_of_blocks_does_not_matter(order: list[int]) -> None:
    flight = flight_of(*[10] * 40)
    for number in order:
        flight.sack(10 * number, 10 * number + 10, Delivery())
    assert len(flight.records) == 1
    assert flight.sacked == 400


def test_a_block_of_less_than_a_segment_is_believed_only_if_a_record_ends_with_it() -> None:
    flight = flight_of(3 * MSS, MSS // 2, MSS)
    delivery = Delivery()
    for left, right in ((5, 10), (0, 9), (31, 34), (36, 44)):
        assert not flight.sack(left, right, delivery, MSS)
    assert (len(flight.records), delivery.sacked) == (3, 0)
    for left, right in ((5, 15), (30, 35), (44, 45), (6, 9)):  # the last is known
        assert flight.sack(left, right, delivery, MSS)
    assert picture(flight) == "f" * 5 + "s" * 10 + "f" * 15 + "s" * 5 + "f" * 9 + "s"


class CountedRecords(list[Sent]):
    """Records that count how often one of them is looked at by its index."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        return super().__getitem__(index)


@pytest.mark.parametrize("patience", [0, 1_000])
@pytest.mark.parametrize("order", [1, -1])
def test_a_comb_of_blocks_costs_no_more_for_each_tooth(order: int, patience: int) -> None:
    """SACK Slowness, CVE-2019-11478: no ACK makes us look again at all that earlier ones have cut."""
    teeth = 2000
    flight = flight_of(2 * teeth * MSS)
    flight.records = counted = CountedRecords(flight.records)
    for left in range(MSS, 2 * teeth * MSS, 2 * MSS)[::order]:
        assert flight.sack(left, left + MSS, Delivery(), MSS)
        assert flight.mark_late(0, flight.sacked_end, -patience) == (0 if patience else NEVER)
    assert len(flight.records) == 2 * teeth
    assert counted.looks < 100 * teeth
    assert flight.mark_late(0, flight.sacked_end, 0) == NEVER
    assert picture(flight) == ("l" * MSS + "s" * MSS) * teeth


def test_a_record_is_found_by_any_of_its_octets() -> None:
    flight = flight_of(10, 20, start=5)
    assert [flight.find(position) for position in (4, 35)] == [None, None]
    assert [flight.find(position) for position in (5, 14)] == [flight.records[0]] * 2
    assert [flight.find(position) for position in (15, 34)] == [flight.records[1]] * 2


def test_small_segments_behind_a_lost_one_join_it_up_to_a_limit() -> None:
    flight = flight_of(10, 10, 10, 10)
    flight.mark_lost(flight.records[0])
    flight.mark_lost(flight.records[2])
    flight.records[1].marks = PUSHED
    flight.collapse(flight.records[0], 30)
    assert [(each.start, each.end) for each in flight.records] == [(0, 30), (30, 40)]
    assert (flight.records[0].marks & PUSHED, flight.records[0].pieces, flight.lost) == (PUSHED, 1, 30)
    flight.collapse(flight.records[0], 100)
    assert len(flight.records) == 1


def test_what_has_arrived_is_large_or_ends_a_record_joins_nothing() -> None:
    flight = flight_of(10, 10, 10)
    flight.mark_lost(flight.records[0])
    flight.sack(10, 20, Delivery())
    flight.collapse(flight.records[0], 100)
    assert len(flight.records) == 3
    flight = flight_of(10, 10)
    flight.mark_lost(flight.records[0])
    flight.records[1].pieces = 2
    flight.collapse(flight.records[0], 100)
    assert len(flight.records) == 2
    flight.records[1].pieces = 1
    flight.records[0].marks |= RECORD_END
    flight.collapse(flight.records[0], 100)
    assert len(flight.records) == 2


def test_segments_are_counted_and_a_fin_is_none() -> None:
    flight = Flight(1000)
    flight.sent(0, 2501, 0, FINAL)
    flight.sent(2501, 3501, 1, FINAL)
    assert [each.pieces for each in flight.records] == [3, 1]
    flight.acknowledge(1500, Delivery())
    assert [(each.start, each.pieces) for each in flight.records] == [(1500, 2), (2501, 1)]
    assert flight.delivered == 1


def test_what_all_was_lost_and_leaves_again_can_be_late_again() -> None:
    flight = flight_of(10, 10)
    assert flight.mark_late(2, 20, 2) == NEVER
    assert picture(flight) == "l" * 20
    flight.retransmit(flight.records[0], 5)
    flight.retransmit(flight.records[1], 6)
    assert flight.mark_late(6, 20, 4) == 5
    assert flight.mark_late(6, 20, 5) == NEVER
    assert picture(flight) == "l" * 10 + "f" * 10
