from itertools import pairwise
from math import sqrt
from statistics import fmean

import pytest

from halfopen.base.clock import MILLISECOND, NEVER, SECOND
from halfopen.base.impairment import CoDel, Red
from halfopen.base.rng import SeededRng
from halfopen.wire import ipv4
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.packet import Packet
from halfopen.wire.queues import (
    DROPPED,
    MARKED,
    OVERLIMIT,
    Bottleneck,
    CoDelQueue,
    RedQueue,
    control_law,
    drop_probability,
)

PLAIN = Packet(ipv4.emit(Ipv4(b"\xc0\0\2\1", b"\xc0\0\2\2", 17), 980), (bytes(980),))
CAPABLE = Packet(ipv4.emit(Ipv4(b"\xc0\0\2\1", b"\xc0\0\2\2", 6, tos=2), 980), (bytes(980),))
RED = Red(limit=100, minimum=5, maximum=15, weight=0.002, probability=0.02)


def red_queue(red: Red) -> RedQueue:
    return RedQueue(red, 0, SeededRng(1), 8_000_000)


@pytest.mark.parametrize(("average", "expected"), [(0, 0), (4.9, 0), (5, 0), (10, 0.01), (14, 0.018), (15, 1), (40, 1)])
def test_the_probability_of_red_rises_from_min_to_max(average: float, expected: float) -> None:
    assert drop_probability(RED, average) == pytest.approx(expected)


@pytest.mark.parametrize(("average", "expected"), [(15, 0.02), (22.5, 0.51), (30, 1), (31, 1)])
def test_gentle_red_goes_on_rising_to_twice_max(average: float, expected: float) -> None:
    gentle = Red(limit=100, minimum=5, maximum=15, weight=0.002, probability=0.02, gentle=True)
    assert drop_probability(gentle, average) == pytest.approx(expected)


def test_the_average_takes_in_its_weight_of_the_queue_at_each_arrival() -> None:
    queue = red_queue(Red(limit=100, minimum=50, maximum=90, weight=0.25))
    expected = 0.0
    for number in range(20):
        assert queue.enqueue(PLAIN, 0) == 0
        expected += 0.25 * (number - expected)
        assert queue.average == pytest.approx(expected)


def test_the_average_decays_while_nothing_comes_as_if_small_packets_had_come() -> None:
    queue = red_queue(Red(limit=100, minimum=50, maximum=90, weight=0.25))
    for _ in range(20):
        queue.enqueue(PLAIN, 0)
    before = queue.average
    while len(queue):
        queue.dequeue(SECOND)
    # At 8 Mbit/s a packet of 1000 octets takes a millisecond.
    queue.enqueue(PLAIN, SECOND + 10 * MILLISECOND)
    assert queue.average == pytest.approx(before * 0.75**10)
    queue.dequeue(SECOND + 10 * MILLISECOND)
    queue.enqueue(PLAIN, SECOND + 12 * MILLISECOND)
    assert queue.average == pytest.approx(before * 0.75**12)


def at_average(packets: int, red: Red, arrivals: int, packet: Packet = PLAIN) -> list[int]:
    """The fates of packets that find the queue, and its average, at so many packets."""
    queue = red_queue(red)
    while len(queue) < packets:
        queue.push(packet, 0)
    queue.average = packets
    fates = []
    for _ in range(arrivals):
        fates.append(queue.enqueue(packet, 0))
        if len(queue) > packets:
            queue.dequeue(0)
    return fates


def gaps(fates: list[int]) -> list[int]:
    at = [number for number, fate in enumerate(fates) if fate]
    return [after - before for before, after in pairwise(at)]


def test_drops_of_red_lie_evenly_up_to_one_over_p_apart() -> None:
    red = Red(limit=100, minimum=5, maximum=15, weight=0.002, probability=0.1)
    found = gaps(at_average(10, red, 20_000))
    # p_b is 0.05: each gap from 1 to 1/p_b - 1 is as likely (Floyd and Jacobson 1993, Figure 2).
    assert (min(found), max(found)) == (1, 19)
    assert fmean(found) == pytest.approx(10, rel=0.05)
    assert sum(gap <= 5 for gap in found) / len(found) == pytest.approx(5 / 19, rel=0.1)


def test_below_min_red_drops_nothing_and_above_max_all() -> None:
    assert set(at_average(4, RED, 2000)) == {0}
    assert set(at_average(16, RED, 100)) == {DROPPED}


def test_red_with_ecn_marks_those_who_understand() -> None:
    red = Red(limit=100, minimum=5, maximum=15, weight=0.002, probability=0.1, ecn=True)
    assert set(at_average(10, red, 2000, CAPABLE)) == {0, MARKED}
    assert set(at_average(10, red, 2000, PLAIN)) == {0, DROPPED}
    assert set(at_average(10, RED, 2000, CAPABLE)) == {0, DROPPED}
    queue = red_queue(red)
    queue.average = 20
    assert queue.enqueue(CAPABLE, 0) == MARKED
    [(sent, fate)] = queue.dequeue(0)
    assert (ipv4.parse(sent.head, 0, 1000).tos, fate) == (3, 0)


def test_a_full_queue_refuses_whatever_the_discipline() -> None:
    red = red_queue(Red(limit=3, minimum=1, maximum=3, weight=0.0001))
    codel = CoDelQueue(CoDel(limit=3), 0)
    assert [red.enqueue(PLAIN, 0) for _ in range(4)] == [0, 0, 0, OVERLIMIT]
    assert [codel.enqueue(PLAIN, 0) for _ in range(4)] == [0, 0, 0, OVERLIMIT]
    assert (len(codel), codel.octets) == (3, 3000)


class Slow:
    """A queue of CoDel that is always 50 ms long; a packet leaves it each millisecond."""

    def __init__(self, codel: CoDel, packet: Packet) -> None:
        self.queue = CoDelQueue(codel, 0)
        self.now = 0
        self._packet = packet

    def run(self, milliseconds: int, delay: int = 50) -> list[tuple[int, int]]:
        """Milliseconds and fates of what was dropped or marked."""
        befallen = []
        for _ in range(milliseconds):
            self.now += MILLISECOND
            while len(self.queue) < 4:
                self.queue.push(self._packet, self.now - delay * MILLISECOND)
            befallen += [(self.now // MILLISECOND, fate) for _, fate in self.queue.dequeue(self.now) if fate]
        return befallen


def test_codel_waits_for_an_interval_then_drops_faster_and_faster_by_the_square_root() -> None:
    slow = Slow(CoDel(), PLAIN)
    drops = [when for when, _ in slow.run(600)]
    expected, when = [101], 101.0
    for count in range(1, 20):
        when += 100 / sqrt(count)
        expected.append(round(when + 0.5))
    assert [abs(found - wanted) <= 1 for found, wanted in zip(drops, expected, strict=False)] == [True] * len(drops)
    assert len(drops) >= 9


@pytest.mark.parametrize("count", [1, 2, 3, 16, 10_000])
def test_the_control_law_divides_the_interval_by_the_square_root_of_the_count(count: int) -> None:
    assert control_law(7, 100 * MILLISECOND, count) == 7 + int(100 * MILLISECOND / sqrt(count))


def test_codel_lets_a_short_queue_and_a_burst_alone() -> None:
    slow = Slow(CoDel(), PLAIN)
    assert slow.run(500, delay=1) == []
    assert slow.run(99) == []
    assert slow.run(1, delay=1) == []
    assert slow.run(99) == []


def test_codel_stops_when_the_delay_is_gone_and_goes_on_where_it_was_if_it_comes_back_soon() -> None:
    slow = Slow(CoDel(), PLAIN)
    before = len(slow.run(1000))
    assert slow.run(50, delay=1) == []
    again = slow.run(400)
    gap = again[2][0] - again[1][0]
    assert gap < 100 / sqrt(before - 6)
    slow.run(3000, delay=1)
    late = slow.run(400)
    assert late[1][0] - late[0][0] == pytest.approx(100, abs=1)


def test_codel_with_ecn_marks_at_the_times_at_which_it_would_drop() -> None:
    codel = CoDel(ecn=True)
    marks = Slow(codel, CAPABLE).run(600)
    assert {fate for _, fate in marks} == {MARKED}
    drops = Slow(codel, PLAIN).run(600)
    assert {fate for _, fate in drops} == {DROPPED}
    assert [when for when, _ in marks] == [when for when, _ in drops]


def test_codel_drops_several_at_once_when_it_is_behind_its_law_but_never_the_last() -> None:
    queue = CoDelQueue(CoDel(), 0)
    for _ in range(8):
        queue.push(PLAIN, 0)
    assert [fate for _, fate in queue.dequeue(50 * MILLISECOND)] == [0]
    assert [fate for _, fate in queue.dequeue(150 * MILLISECOND)] == [DROPPED, 0]
    assert [fate for _, fate in queue.dequeue(400 * MILLISECOND)] == [DROPPED, DROPPED, DROPPED, 0]
    assert [fate for _, fate in queue.dequeue(2000 * MILLISECOND)] == [0]
    assert len(queue) == 0


def test_a_bottleneck_sends_at_its_rate_what_the_queue_gives() -> None:
    line = Bottleneck(CoDelQueue(CoDel(), 0), 8_000_000)
    assert line.next_deadline() == NEVER
    assert line.advance(SECOND) == []
    for _ in range(3):
        assert line.admit(PLAIN, SECOND) == 0
    assert line.backlog == (3, 3000)
    assert line.next_deadline() == SECOND
    assert line.advance(SECOND) == [(PLAIN, 0, SECOND + MILLISECOND)]
    assert line.next_deadline() == SECOND + MILLISECOND
    assert line.advance(SECOND + MILLISECOND - 1) == []
    assert [when for *_, when in line.advance(2 * SECOND)] == [SECOND + 2 * MILLISECOND, SECOND + 3 * MILLISECOND]
    assert line.backlog == (0, 0)


def test_what_is_dropped_takes_no_time_on_the_wire() -> None:
    line = Bottleneck(CoDelQueue(CoDel(), 0), 8_000)
    for _ in range(6):
        line.admit(PLAIN, 0)
    line.advance(0)
    left = line.advance(3 * SECOND)
    assert [fate for _, fate, _ in left] == [0, DROPPED, 0, 0]
    assert [when // SECOND for _, fate, when in left if not fate] == [2, 3, 4]
