from itertools import pairwise

import pytest

from halfopen.base.clock import MICROSECOND, MILLISECOND, NEVER, SECOND
from halfopen.base.counters import Counters
from halfopen.base.netem import parse
from halfopen.base.rng import SeededRng
from halfopen.wire import ipv4
from halfopen.wire.channel import CORRUPTED, DUPLICATED, LOST, REORDERED, Channel, octets_on_the_wire, packets_in
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.queues import DROPPED, MARKED, OVERLIMIT

CAPABLE = Packet(ipv4.emit(Ipv4(b"\xc0\0\2\1", b"\xc0\0\2\2", 6, tos=2), 980), (bytes(980),))


def channel(words: str, network_offset: int = 0) -> tuple[Channel, Counters]:
    counters = Counters()
    return Channel(parse(words), network_offset, SeededRng(1), counters, "Cable"), counters


def numbered(count: int) -> list[Packet]:
    return [Packet(number.to_bytes(4, "big") + bytes(96)) for number in range(count)]


def numbers(packets: list[Packet]) -> list[int]:
    return [int.from_bytes(packet.head[:4], "big") for packet in packets]


def super_segment(payload_octets: int) -> Packet:
    head = bytearray(40)
    head[32] = 5 << 4
    return Packet(bytes(head), (bytes(payload_octets),), CHECKSUM_PARTIAL, 20, 16, 1000)


def drained(wire: Channel) -> list[tuple[int, int]]:
    """When each packet leaves, and its number."""
    left = []
    while (now := wire.next_deadline()) < NEVER:
        left += [(now, number) for number in numbers(wire.due(now, 100))]
    return left


def test_a_perfect_channel_gives_the_very_same_packets_at_once_and_in_order() -> None:
    wire, counters = channel("")
    packets = numbered(3)
    assert wire.next_deadline() == NEVER
    assert not any(wire.admit(packet, 7) for packet in packets)
    assert wire.next_deadline() == 7
    assert wire.due(7, 2) + wire.due(7, 2) == packets
    assert wire.next_deadline() == NEVER
    assert counters.snapshot() == {}


def test_delay_comes_behind_the_rate() -> None:
    wire, _ = channel("delay 10ms rate 1mbit")
    for packet in numbered(2):
        wire.admit(packet, 0)
    assert wire.next_deadline() == 10 * MILLISECOND + 800 * MICROSECOND
    assert numbers(wire.due(wire.next_deadline(), 8)) == [0]
    assert wire.next_deadline() == 10 * MILLISECOND + 1600 * MICROSECOND
    assert wire.due(wire.next_deadline() - 1, 8) == []


def test_jitter_never_delivers_into_the_past() -> None:
    wire, _ = channel("delay 1ms 5ms")
    for packet in numbered(200):
        wire.admit(packet, SECOND)
    assert wire.next_deadline() == SECOND
    assert sorted(numbers(wire.due(SECOND + 6 * MILLISECOND, 300))) == list(range(200))


def test_a_full_queue_refuses_and_what_the_network_loses_it_does_not() -> None:
    wire, counters = channel("delay 1ms limit 2")
    assert [wire.admit(packet, 0) for packet in numbered(3)] == [0, 0, OVERLIMIT]
    assert counters.snapshot() == {"CableOverlimit": 1}
    wire, counters = channel("loss 100%")
    assert [wire.admit(packet, 0) for packet in numbered(3)] == [LOST] * 3
    assert counters.snapshot() == {"CableLost": 3}
    assert wire.next_deadline() == NEVER


def test_with_a_rate_the_limit_is_that_of_the_queue_not_of_the_wire() -> None:
    wire, counters = channel("rate 1mbit delay 10s limit 2")
    packets = numbered(5)
    # The first goes onto the wire at once, two wait, and the wire itself holds what it holds.
    assert [wire.admit(packet, 0) for packet in packets[:4]] == [0, 0, 0, OVERLIMIT]
    assert wire.backlog(0) == (2, 200)
    assert wire.backlog(800 * MICROSECOND) == (1, 100)
    assert wire.admit(packets[4], 800 * MICROSECOND) == 0
    assert wire.backlog(SECOND) == (0, 0)
    assert [number for _, number in drained(wire)] == [0, 1, 2, 4]
    assert counters.snapshot() == {"CableOverlimit": 1}


def test_a_limit_may_be_one_of_octets() -> None:
    wire, _ = channel("rate 1mbit bfifo limit 250")
    assert [wire.admit(packet, 0) for packet in numbered(4)] == [0, 0, 0, OVERLIMIT]


def test_what_is_lost_has_been_sent() -> None:
    wire, _ = channel("rate 1mbit loss 50%")
    fates = [wire.admit(packet, 0) for packet in numbered(100)]
    assert 20 < fates.count(LOST) < 80
    arrived = drained(wire)
    assert arrived == [(800 * MICROSECOND * (at + 1), at) for at, fate in enumerate(fates) if not fate]


def test_a_lost_packet_that_was_to_be_duplicated_arrives_once() -> None:
    wire, counters = channel("loss 100% duplicate 100%")
    assert wire.admit(numbered(1)[0], 0) == LOST | DUPLICATED
    assert numbers(wire.due(0, 8)) == [0]
    assert counters.snapshot() == {"CableDuplicated": 1, "CableLost": 1}


def test_a_reordered_packet_is_not_delayed() -> None:
    wire, counters = channel("delay 1ms reorder 100%")
    assert wire.admit(numbered(1)[0], 5) == REORDERED
    assert wire.next_deadline() == 5
    assert counters.snapshot() == {"CableReordered": 1}


def test_with_a_gap_at_most_every_so_manieth_packet_overtakes() -> None:
    wire, counters = channel("delay 1ms reorder 100% gap 5")
    fates = [wire.admit(packet, 0) for packet in numbered(20)]
    assert fates == [0, 0, 0, 0, REORDERED] * 4
    wire, counters = channel("delay 1ms reorder 50% gap 5")
    fates = [wire.admit(packet, 0) for packet in numbered(1000)]
    overtaking = [number for number, fate in enumerate(fates) if fate]
    assert min(after - before for before, after in pairwise(overtaking)) == 5
    assert counters["CableReordered"] == pytest.approx(1000 / 6, rel=0.1)


def test_correlated_loss_comes_in_bursts() -> None:
    def bursts(words: str) -> float:
        wire, _ = channel(words)
        fates = [wire.admit(packet, 0) for packet in numbered(5000)]
        return fates.count(LOST) / sum(after == LOST != before for before, after in pairwise(fates))

    assert bursts("loss gemodel 5% 25%") == pytest.approx(4, rel=0.1)
    assert bursts("loss 20%") == pytest.approx(1.25, rel=0.1)


def test_loss_with_ecn_marks_who_understands() -> None:
    wire, counters = channel("loss 100% ecn")
    assert wire.admit(CAPABLE, 0) == MARKED
    assert wire.admit(Packet(ipv4.emit(Ipv4(bytes(4), bytes(4), 6), 0)), 0) == LOST
    [packet] = wire.due(0, 8)
    assert packet.head[1] == 3
    assert counters.snapshot() == {"CableMarked": 1, "CableLost": 1}


def test_corruption_inverts_one_bit_behind_the_link_header() -> None:
    wire, counters = channel("corrupt 100%", 14)
    packet = Packet(bytes(range(14)), (bytes(100),))
    for _ in range(50):
        assert wire.admit(packet, 0) == CORRUPTED
    for corrupted in wire.due(0, 50):
        octets = corrupted.joined()
        assert octets[:14] == packet.head
        assert int.from_bytes(octets[14:], "big").bit_count() == 1
    assert counters.snapshot() == {"CableCorrupted": 50}
    wire.admit(Packet(bytes(14)), 0)
    assert wire.due(0, 1)[0].head == bytes(14)


@pytest.mark.parametrize(("octets", "packets"), [(0, 1), (1, 1), (1000, 1), (1001, 2), (5000, 5)])
def test_a_super_segment_counts_as_what_it_stands_for(octets: int, packets: int) -> None:
    assert packets_in(super_segment(octets)) == packets
    assert packets_in(Packet(bytes(1500))) == 1


def test_a_super_segment_may_pass_whole_where_its_packets_share_their_fate() -> None:
    packet = super_segment(5000)
    for words in ("", "delay 1ms", "delay 1ms limit 5"):
        assert channel(words)[0].takes_whole(packet)
    for words in ("rate 1mbit", "loss 1%", "duplicate 1%", "corrupt 1%", "delay 1ms 1us", "delay 1ms limit 4"):
        assert not channel(words)[0].takes_whole(packet)
    wire, _ = channel("delay 1ms limit 9")
    assert wire.admit(packet, 0) == 0
    assert not wire.takes_whole(packet)
    assert wire.due(MILLISECOND, 1) == [packet]
    assert wire.takes_whole(packet)


def test_what_is_on_its_way_goes_on_when_the_impairment_changes() -> None:
    wire, _ = channel("delay 10ms")
    first, second = numbered(2)
    wire.admit(first, 0)
    wire.impair(parse("delay 1ms"))
    wire.admit(second, 0)
    assert drained(wire) == [(MILLISECOND, 1), (10 * MILLISECOND, 0)]


def test_packets_wait_for_the_rate_in_a_queue_that_is_managed() -> None:
    wire, counters = channel("rate 1mbit codel limit 3 delay 5ms")
    packets = numbered(5)
    assert [wire.admit(packet, 0) for packet in packets] == [0, 0, 0, 0, OVERLIMIT]
    assert wire.backlog(0) == (3, 300)
    assert drained(wire) == [(5 * MILLISECOND + 800 * MICROSECOND * (at + 1), at) for at in range(4)]
    assert counters.snapshot() == {"CableOverlimit": 1}


def test_what_a_managed_queue_does_late_is_told() -> None:
    wire, counters = channel("rate 1mbit codel loss 10%")
    told: list[tuple[Packet, int]] = []
    wire.tell = lambda packet, fate: told.append((packet, fate))
    packets = numbered(1000)
    at_once = [wire.admit(packet, 0) for packet in packets]
    arrived = drained(wire)
    assert not any(at_once[1:])
    fates = [fate for _, fate in told] + [fate for fate in at_once if fate]
    assert fates.count(DROPPED) == counters["CableDropped"] > 5
    assert fates.count(LOST) == counters["CableLost"] > 50
    assert len(arrived) + len(fates) == 1000
    assert all(packet in packets for packet, _ in told)


def test_what_a_managed_queue_does_late_need_not_be_listened_to() -> None:
    wire, counters = channel("rate 1mbit codel ecn")
    for _ in range(1000):
        wire.admit(CAPABLE, 0)
    packets = []
    while (now := wire.next_deadline()) < NEVER:
        packets += wire.due(now, 100)
    assert sum(packet.head[1] == 3 for packet in packets) == counters["CableMarked"] > 5
    assert len(packets) == 1000


def test_random_early_detection_drops_before_the_queue_is_full() -> None:
    wire, counters = channel("rate 1mbit red limit 100 min 5 max 15 weight 50% probability 10%")
    fates = [wire.admit(packet, 0) for packet in numbered(100)]
    assert set(fates) == {0, DROPPED}
    assert counters.snapshot() == {"CableDropped": fates.count(DROPPED)}
    assert len(drained(wire)) == fates.count(0) < 20


def test_a_queue_that_is_replaced_empties_first() -> None:
    wire, _ = channel("rate 1mbit codel")
    for packet in numbered(3):
        wire.admit(packet, 0)
    wire.impair(parse("rate 1mbit codel delay 1ms"))
    assert wire.backlog(0) == (2, 200)
    wire.impair(parse("rate 2mbit codel"))
    assert wire.backlog(0) == (0, 0)
    wire.admit(numbered(4)[3], 0)
    assert drained(wire) == [(400_000, 3), (800_000, 0), (1_600_000, 1), (2_400_000, 2)]
    wire.impair(parse("delay 1ms"))
    wire.admit(numbered(1)[0], SECOND)
    assert drained(wire) == [(SECOND + MILLISECOND, 0)]


def test_a_rate_takes_a_super_segment_as_what_its_packets_take_together() -> None:
    whole, pieces = channel("rate 1mbit delay 5ms")[0], channel("rate 1mbit delay 5ms")[0]
    packet = super_segment(5000)
    assert whole.serialises_whole(packet, 0)
    assert whole.admit(packet, 0) == 0
    for _ in range(5):
        assert pieces.admit(super_segment(1000), 0) == 0
    assert whole.next_deadline() == 5 * (1040 * 8 * MICROSECOND) + 5 * MILLISECOND
    assert whole.due(whole.next_deadline(), 1) == [packet]
    assert len(pieces.due(5 * (1040 * 8 * MICROSECOND) + 5 * MILLISECOND - 1, 9)) == 4


@pytest.mark.parametrize(
    "words", ["", "delay 1ms", "rate 1mbit loss 1%", "rate 1mbit delay 1ms 1us", "rate 1mbit codel"]
)
def test_only_a_rate_with_a_plain_queue_and_no_chances_takes_it_so(words: str) -> None:
    assert not channel(words)[0].serialises_whole(super_segment(5000), 0)


@pytest.mark.parametrize("limit", ["limit 9", "bfifo limit 9360"])
def test_all_packets_of_a_super_segment_have_to_find_room(limit: str) -> None:
    wire, counters = channel(f"rate 1mbit {limit}")
    packet = super_segment(5000)
    assert wire.serialises_whole(super_segment(10_000), 0)
    assert not wire.serialises_whole(super_segment(10_001), 0)
    assert wire.admit(packet, 0) == 0
    assert wire.backlog(0) == (0, 0)
    assert wire.admit(packet, 0) == 0
    assert wire.backlog(0) == (5, 5200)
    assert not wire.serialises_whole(packet, 0)
    assert wire.serialises_whole(super_segment(4000), 0)
    assert wire.admit(super_segment(4000), 0) == 0
    assert wire.admit(numbered(1)[0], 0) == OVERLIMIT
    assert wire.backlog(5 * 1040 * 8 * MICROSECOND) == (4, 4160)
    assert counters["CableOverlimit"] == 1


def test_what_packets_have_on_the_wire_are_headers_for_each() -> None:
    assert octets_on_the_wire(super_segment(2500), 3) == 2500 + 3 * 40
