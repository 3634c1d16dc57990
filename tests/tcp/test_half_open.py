"""The SYN-RECEIVED table against a plain dict, its schedule, its policies and its memory."""

import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Instant
from halfopen.base.errors import ConfigError
from halfopen.base.rng import SeededRng
from halfopen.tcp.eviction import DropNew, DropOldest, DropRandom, EvictionPolicy
from halfopen.tcp.half_open import CHALLENGED, SUSPECTED, HalfOpen, HalfOpenTable

SECRET = bytes(range(16))
PRECISION = 1 << 15
"""Deadlines are late by up to this many nanoseconds."""


def flow_of(number: int, octets: int = 12) -> bytes:
    return bytes([192, 0, 2, 1]) * ((octets - 4) // 4) + number.to_bytes(4, "big")


def peer(number: int, octets: int = 12) -> HalfOpen:
    return HalfOpen(flow=flow_of(number, octets), irs=number, iss=number ^ 0xFFFFFFFF, peer_mss=1460)


def table(capacity: int = 8, policy: EvictionPolicy | None = None, retries: int = 5) -> HalfOpenTable:
    return HalfOpenTable(capacity, SECRET, policy, retries)


@pytest.mark.parametrize(
    "record",
    [
        peer(1),
        peer(2, 36),
        HalfOpen(flow_of(3, 36), 0xFFFFFFFF, 0, 65535, 0, True, True, 0xFFFFFFFF),
        HalfOpen(flow_of(4), 0, 0xFFFFFFFF, 65535, 14, ts_recent=7),
        HalfOpen(flow_of(5), 1, 2, 3, 5, sack_permitted=True),
        HalfOpen(flow_of(6), 1, 2, 3, 5, ecn=True),
    ],
)
def test_what_is_found_is_what_was_added(record: HalfOpen) -> None:
    half_open = table()
    assert half_open.add(replace(record), 5 * SECOND) is None
    found = half_open.find(record.flow)
    assert found is not None
    assert 6 * SECOND <= found.deadline < 6 * SECOND + PRECISION
    assert replace(found, deadline=0) == record
    assert half_open.complete(record.flow) == found
    assert half_open.find(record.flow) is None
    assert half_open.complete(record.flow) is None
    assert len(half_open) == 0


def test_a_reset_forgets_the_peer() -> None:
    half_open = table()
    half_open.add(peer(1), 0)
    assert half_open.reset(flow_of(1))
    assert not half_open.reset(flow_of(1))
    assert half_open.next_deadline() == NEVER


def test_the_syn_ack_is_sent_again_after_1_2_4_8_and_16_seconds_and_given_up_after_32() -> None:
    half_open = table()
    half_open.add(peer(1), 0)
    seen = []
    while (deadline := half_open.next_deadline()) < NEVER:
        assert not list(half_open.expire(deadline - 1))
        (record,) = half_open.expire(deadline)
        seen.append((round(deadline / SECOND, 3), record.retransmissions, record.is_dropped))
        assert record.is_dropped or record.deadline == half_open.next_deadline()
    assert seen == [(1, 1, False), (3, 2, False), (7, 3, False), (15, 4, False), (31, 5, False), (63, 5, True)]
    assert len(half_open) == 0


def test_with_no_retries_the_peer_is_dropped_after_a_second() -> None:
    half_open = table(retries=0)
    half_open.add(peer(1), 0)
    (record,) = half_open.expire(2 * SECOND)
    assert record.is_dropped and record.flow == flow_of(1)


def test_the_timeout_grows_to_two_minutes_and_no_further() -> None:
    half_open = table(retries=15)
    half_open.add(peer(1), 0)
    last, waits = 0, []
    while (deadline := half_open.next_deadline()) < NEVER:
        waits.append(round((deadline - last) / SECOND, 2))
        last = deadline
        assert len(list(half_open.expire(deadline))) == 1
    assert waits == [1, 2, 4, 8, 16, 32, 64] + [120] * 9


def test_peers_come_up_in_the_order_of_their_deadlines() -> None:
    half_open = table(64)
    for number in range(10):
        half_open.add(peer(number), number * 250 * MILLISECOND)
    seen: list[tuple[Instant, int]] = []
    while (now := half_open.next_deadline()) < 20 * SECOND:
        seen.extend((now, record.irs) for record in half_open.expire(now))
    assert [number for _, number in seen[:4]] == [0, 1, 2, 3]
    assert sorted(seen, key=lambda each: each[0]) == seen
    assert len(seen) == 40


def test_who_stops_early_goes_on_with_the_next_call() -> None:
    half_open = table(64)
    for number in range(10):
        half_open.add(peer(number), 0)
    for expected in range(4):
        assert next(half_open.expire(SECOND + PRECISION)).irs == expected
    assert [record.irs for record in half_open.expire(SECOND + PRECISION)] == [4, 5, 6, 7, 8, 9]


def test_a_repeated_syn_replaces_the_record_and_starts_its_timer_anew() -> None:
    half_open = table()
    half_open.add(peer(1), 0)
    list(half_open.expire(SECOND + PRECISION))
    half_open.add(replace(peer(1), ts_recent=99), 2 * SECOND)
    found = half_open.find(flow_of(1))
    assert found is not None
    assert (found.ts_recent, found.retransmissions, len(half_open)) == (99, 0, 1)
    assert half_open.next_deadline() // SECOND == 3


def test_leaving_from_the_middle_and_the_ends_keeps_the_queue_whole() -> None:
    for leaver in range(3):
        half_open = table()
        for number in range(3):
            half_open.add(peer(number), number)
        half_open.complete(flow_of(leaver))
        assert [record.irs for record in half_open.expire(2 * SECOND)] == [n for n in range(3) if n != leaver]


def test_after_a_long_sleep_all_who_were_due_come_up_though_a_syn_came_first() -> None:
    half_open = table(64)
    for number in range(5):
        half_open.add(peer(number), number * MILLISECOND)
    morning = 4 * 3600 * SECOND
    half_open.add(peer(5), morning)
    assert [record.irs for record in half_open.expire(morning)][:5] == [0, 1, 2, 3, 4]


@pytest.mark.rfc("4987", "4987.2")
def test_tail_drop_refuses_the_newcomer() -> None:
    half_open = table(8, DropNew())
    for number in range(8):
        assert half_open.add(peer(number), 0) is None
    newcomer = peer(8)
    assert half_open.add(newcomer, 0) is newcomer
    assert half_open.find(newcomer.flow) is None
    assert len(half_open) == 8


@pytest.mark.rfc("4987", "4987.4", "4987.5")
def test_the_oldest_goes_first_however_often_it_was_retransmitted() -> None:
    half_open = table(4, DropOldest())
    half_open.add(peer(0), 0)
    list(half_open.expire(2 * SECOND))  # sent again: its next deadline is later than that of the others
    for number in range(1, 4):
        half_open.add(peer(number), 2 * SECOND + number * MILLISECOND)
    evicted = [half_open.add(peer(number), 3 * SECOND) for number in range(4, 8)]
    assert [record.irs for record in evicted if record is not None] == [0, 1, 2, 3]


def test_the_oldest_goes_if_nothing_else_is_said() -> None:
    half_open = table(1)
    half_open.add(peer(0), 0)
    evicted = half_open.add(peer(1), 1)
    assert evicted is not None and evicted.flow == flow_of(0)


def test_random_eviction_spares_nobody() -> None:
    half_open = table(8, DropRandom(SeededRng(1)))
    for number in range(8):
        half_open.add(peer(number), 0)
    gone = set()
    for number in range(8, 208):
        evicted = half_open.add(peer(number), number)
        assert evicted is not None
        gone.add(evicted.irs)
    assert set(range(8)) <= gone
    assert len(half_open) == 8


def test_capacity_is_rounded_up_to_whole_buckets() -> None:
    assert [table(n).capacity for n in (1, 5, 32, 33, 100, 2048)] == [1, 5, 32, 34, 100, 2048]


def test_peers_spread_over_the_buckets() -> None:
    half_open = table(1024, DropNew())
    refused = sum(half_open.add(peer(number), 0) is not None for number in range(1024 * 6 // 10))
    assert refused <= 10
    assert len(half_open) == 614 - refused


def test_flows_aimed_at_one_bucket_under_a_guessed_secret_spread_under_the_real_one() -> None:
    guessed = HalfOpenTable(256, bytes(16), DropOldest())
    place: dict[int, int] = {}
    for number in range(16_000):  # who evicts another sits in its bucket
        evicted = guessed.add(peer(number), number * MILLISECOND)
        place[number] = number if evicted is None else place[evicted.irs]
    places = list(place.values())
    favourite = max(set(places), key=places.count)
    aimed = [peer(number) for number, each in place.items() if each == favourite]
    assert len(aimed) >= 60
    same, other = HalfOpenTable(256, bytes(16), DropNew()), HalfOpenTable(256, SECRET, DropNew())
    assert sum(same.add(replace(record), 0) is None for record in aimed) == 32
    assert sum(other.add(replace(record), 0) is None for record in aimed) == len(aimed)


def test_places_that_are_kept_are_for_others() -> None:
    half_open = table(8, DropNew())
    for number in range(6):
        assert half_open.add(peer(number), 0, kept=2) is None
    refused = peer(6)
    assert half_open.add(refused, 0, kept=2) is refused
    assert [half_open.add(peer(number), 0) for number in (7, 8)] == [None, None]
    assert half_open.add(refused, 0) is refused


def test_who_must_leave_places_to_others_evicts_nobody_from_them() -> None:
    half_open = table(4, DropOldest())
    for number in range(4):
        half_open.add(peer(number), number * MILLISECOND)
    for number in (0, 1):
        half_open.complete(flow_of(number))
        half_open.add(peer(number + 8), SECOND + number * MILLISECOND)
    evicted = half_open.add(peer(4), SECOND + MILLISECOND, kept=2)
    assert evicted is not None and evicted.irs == 8
    assert half_open.ways == 4


def test_wrong_acks_are_counted_up_to_seven_and_through_retransmissions() -> None:
    half_open = table(retries=3)
    half_open.add(peer(1), 0)
    assert [half_open.count_bad_ack(flow_of(1)) for _ in range(3)] == [1, 2, 3]
    half_open.flag(flow_of(1), CHALLENGED)
    (again,) = half_open.expire(2 * SECOND)
    assert (again.bad_acks, again.retransmissions, again.is_challenged) == (3, 1, False)
    assert [half_open.count_bad_ack(flow_of(1)) for _ in range(6)] == [4, 5, 6, 7, 7, 7]
    found = half_open.find(flow_of(1))
    assert found is not None
    assert (found.bad_acks, found.retransmissions, found.deadline) == (7, 1, again.deadline)
    half_open.add(peer(1), 3 * SECOND)
    assert half_open.count_bad_ack(flow_of(1)) == 1


def test_an_empty_place_is_no_peer() -> None:
    assert table().find(bytes(12)) is None


def test_a_flow_that_appears_across_two_fields_is_not_taken_for_one() -> None:
    half_open = HalfOpenTable(8, SECRET, flow_octets=12)
    wanted = flow_of(1)
    record = HalfOpen(
        flow=b"\xaa" * 12,
        irs=int.from_bytes(wanted[0:4], "little"),
        iss=int.from_bytes(wanted[4:8], "little"),
        ts_recent=int.from_bytes(wanted[8:12], "little"),
        peer_mss=0,
    )
    half_open.add(record, 0)
    assert half_open.find(wanted) is None
    half_open.add(replace(record, flow=wanted), 0)
    found = half_open.find(wanted)
    assert found is not None and found.flow == wanted


def flood(half_open: HalfOpenTable, flow_octets: int) -> None:
    for number in range(2000):
        half_open.add(peer(number, flow_octets), number * MILLISECOND)
        for _ in half_open.expire(number * MILLISECOND):
            pass


@pytest.mark.parametrize(("flow_octets", "at_most"), [(12, 37), (36, 61)])
@pytest.mark.rfc("4987", "4987.5")
def test_memory_is_what_was_promised_and_does_not_grow_in_a_flood(flow_octets: int, at_most: int) -> None:
    flood(HalfOpenTable(1024, SECRET, flow_octets=flow_octets), flow_octets)  # whoever watches the lines has seen them
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    half_open = HalfOpenTable(1024, SECRET, flow_octets=flow_octets)
    made = tracemalloc.get_traced_memory()[0] - before
    flood(half_open, flow_octets)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert half_open.octets <= at_most * half_open.capacity
    assert made < half_open.octets + 8192
    assert held - made < 8192


@pytest.mark.parametrize("capacity", [0, -1, 65535])
def test_a_capacity_that_cannot_be_is_refused(capacity: int) -> None:
    with pytest.raises(ConfigError, match=f"not {capacity}"):
        table(capacity)


@pytest.mark.parametrize("retries", [-1, 16])
def test_retries_that_cannot_be_counted_are_refused(retries: int) -> None:
    with pytest.raises(ConfigError, match=f"not {retries}"):
        table(retries=retries)


@pytest.mark.parametrize("octets", [15, 33])
def test_a_secret_of_a_wrong_length_is_refused(octets: int) -> None:
    with pytest.raises(ConfigError, match=f"not {octets}"):
        HalfOpenTable(8, bytes(octets))


def test_a_flow_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="36 octets"):
        HalfOpenTable(8, SECRET, flow_octets=12).add(peer(1, 36), 0)


WAITED = [SECOND, 3 * SECOND, 7 * SECOND, 15 * SECOND]
"""From a record's arrival to its deadline, by its retransmissions."""


def rounded(deadline: Instant) -> Instant:
    return -(-deadline // PRECISION) * PRECISION


class Model:
    """The table as it would be with a dict and all the memory in the world: one bucket, the oldest evicted."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.records: dict[bytes, tuple[int, Instant]] = {}
        """Flow to retransmissions and deadline."""

    def came(self, flow: bytes) -> Instant:
        retransmissions, deadline = self.records[flow]
        return deadline - WAITED[retransmissions]

    def check_eviction(self, flow: bytes, evicted: bytes | None) -> None:
        """Of several that came at the same time any may have to go."""
        if flow in self.records or len(self.records) < self.capacity:
            assert evicted is None
            return
        assert evicted is not None
        assert self.came(evicted) == min(map(self.came, self.records))
        del self.records[evicted]

    def expire(self, now: Instant) -> list[tuple[bytes, int, bool]]:
        out = []
        for flow, (retransmissions, deadline) in list(self.records.items()):
            if deadline > now:
                continue
            if retransmissions == 3:
                del self.records[flow]
                out.append((flow, 3, True))
            else:
                self.records[flow] = (retransmissions + 1, rounded(now + (SECOND << retransmissions + 1)))
                out.append((flow, retransmissions + 1, False))
        return out


steps = st.tuples(
    st.sampled_from(["add", "add", "add", "complete", "reset", "find", "wait", "wait"]),
    st.integers(0, 11),
    st.integers(1, 4000),
)


@settings(max_examples=300)
@given(
    st.integers(1, 8),
    st.sampled_from([0, 3600 * SECOND, (1 << 48) - 5 * SECOND, 1 << 60]),
    st.lists(steps, max_size=60),
)
def test_the_table_does_what_a_dict_would_do(capacity: int, now: Instant, script: list[tuple[str, int, int]]) -> None:
    half_open, model = table(capacity, DropOldest(), retries=3), Model(capacity)
    for verb, number, pause in script:
        now += pause * MILLISECOND
        flow = flow_of(number, 36 if number % 2 else 12)
        due = [(record.flow, record.retransmissions, record.is_dropped) for record in half_open.expire(now)]
        assert sorted(due) == sorted(model.expire(now))
        if verb == "add":
            evicted = half_open.add(peer(number, len(flow)), now)
            model.check_eviction(flow, None if evicted is None else evicted.flow)
            model.records[flow] = (0, rounded(now + SECOND))
        elif verb == "find":
            found = half_open.find(flow)
            assert (found is None) == (flow not in model.records)
        elif verb != "wait":
            assert (half_open.complete(flow) is not None) == (model.records.pop(flow, None) is not None)
        assert len(half_open) == len(model.records)
        earliest = min((deadline for _, deadline in model.records.values()), default=NEVER)
        assert half_open.next_deadline() == earliest


@pytest.mark.rfc("5961", "5961.4")
def test_a_challenge_is_remembered_until_the_next_syn_ack() -> None:
    half_open = table()
    half_open.add(peer(1), 0)
    half_open.add(peer(2), 0)
    half_open.flag(flow_of(1), CHALLENGED)
    challenged, other = half_open.find(flow_of(1)), half_open.find(flow_of(2))
    assert challenged is not None and other is not None
    assert (challenged.is_challenged, other.is_challenged) == (True, False)
    assert (challenged.deadline, challenged.retransmissions) == (other.deadline, 0)
    half_open.flag(flow_of(1), CHALLENGED)
    assert [record.is_challenged for record in half_open.expire(2 * SECOND)] == [False, False]
    half_open.flag(flow_of(1), CHALLENGED)
    half_open.add(replace(challenged), 3 * SECOND)
    again = half_open.find(flow_of(1))
    assert again is not None and not again.is_challenged


@pytest.mark.parametrize("ecn", [0, 1, 4, 5, 6, 7])
def test_what_is_agreed_on_of_ecn_is_kept_also_when_the_syn_ack_is_sent_again(ecn: int) -> None:
    half_open = table()
    half_open.add(replace(peer(1), ecn=ecn), 0)
    (again,) = half_open.expire(2 * SECOND)
    found = half_open.find(flow_of(1))
    assert found is not None
    assert (again.ecn, found.ecn) == (ecn, ecn)


def test_who_is_suspected_stays_so() -> None:
    half_open = table()
    half_open.add(replace(peer(1), ecn=6), 0)
    half_open.flag(flow_of(1), SUSPECTED)
    (again,) = half_open.expire(2 * SECOND)
    found = half_open.find(flow_of(1))
    assert found is not None
    assert (again.ecn, found.ecn) == (14, 14)


def test_all_records_can_be_looked_through() -> None:
    half_open = table(16)
    for number in range(5):
        half_open.add(peer(number), 0)
    half_open.reset(flow_of(3))
    assert sorted(record.irs for record in half_open) == [0, 1, 2, 4]


def test_a_timer_that_starts_anew_keeps_the_time_that_it_had_by_then() -> None:
    half_open = table()
    half_open.add(peer(1), 0)
    half_open.add(peer(2), 0)
    list(half_open.expire(SECOND + PRECISION))
    half_open.restart(flow_of(1), 2 * SECOND)
    found = half_open.find(flow_of(1))
    assert found is not None
    assert found.retransmissions == 1
    assert 4 * SECOND <= found.deadline < 4 * SECOND + PRECISION
    assert [record.flow for record in half_open.expire(3 * SECOND + 2 * PRECISION)] == [flow_of(2)]


def test_the_waits_can_be_chosen_one_by_one() -> None:
    table = HalfOpenTable(16, bytes(16), synack_retries=[SECOND, 3 * SECOND])
    table.add(HalfOpen(flow=bytes(36), irs=1, iss=2, peer_mss=1460), 0)
    assert SECOND <= table.next_deadline() < 1.1 * SECOND
    assert [record.is_dropped for record in table.expire(2 * SECOND)] == [False]
    assert 5 * SECOND <= table.next_deadline() < 5.1 * SECOND


def test_there_is_one_wait_at_least() -> None:
    with pytest.raises(ConfigError, match="SYN-ACK"):
        HalfOpenTable(16, bytes(16), synack_retries=())
