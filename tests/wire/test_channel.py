from halfopen.base.clock import MICROSECOND, MILLISECOND, NEVER, SECOND
from halfopen.base.counters import Counters
from halfopen.base.netem import parse
from halfopen.base.rng import SeededRng
from halfopen.wire.channel import Channel
from halfopen.wire.packet import Packet


def channel(words: str, network_offset: int = 0) -> tuple[Channel, Counters]:
    counters = Counters()
    return Channel(parse(words), network_offset, SeededRng(1), counters, "Cable"), counters


def numbered(count: int) -> list[Packet]:
    return [Packet(number.to_bytes(4, "big") + bytes(96)) for number in range(count)]


def numbers(packets: list[Packet]) -> list[int]:
    return [int.from_bytes(packet.head[:4], "big") for packet in packets]


def test_a_perfect_channel_gives_the_very_same_packets_at_once_and_in_order() -> None:
    wire, counters = channel("")
    packets = numbered(3)
    assert wire.next_deadline() == NEVER
    assert all(wire.admit(packet, 7) for packet in packets)
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
    assert [wire.admit(packet, 0) for packet in numbered(3)] == [True, True, False]
    assert counters.snapshot() == {"CableOverlimit": 1}
    wire, counters = channel("loss 100%")
    assert all(wire.admit(packet, 0) for packet in numbered(3))
    assert counters.snapshot() == {"CableLost": 3}
    assert wire.next_deadline() == NEVER


def test_a_lost_packet_that_was_to_be_duplicated_arrives_once() -> None:
    wire, counters = channel("loss 100% duplicate 100%")
    wire.admit(numbered(1)[0], 0)
    assert numbers(wire.due(0, 8)) == [0]
    assert counters.snapshot() == {"CableDuplicated": 1, "CableLost": 1}


def test_a_reordered_packet_is_not_delayed() -> None:
    wire, counters = channel("delay 1ms reorder 100%")
    wire.admit(numbered(1)[0], 5)
    assert wire.next_deadline() == 5
    assert counters.snapshot() == {"CableReordered": 1}


def test_corruption_inverts_one_bit_behind_the_link_header() -> None:
    wire, counters = channel("corrupt 100%", 14)
    packet = Packet(bytes(range(14)), (bytes(100),))
    for _ in range(50):
        wire.admit(packet, 0)
    for corrupted in wire.due(0, 50):
        octets = corrupted.joined()
        assert octets[:14] == packet.head
        assert int.from_bytes(octets[14:], "big").bit_count() == 1
    assert counters.snapshot() == {"CableCorrupted": 50}
    wire.admit(Packet(bytes(14)), 0)
    assert wire.due(0, 1)[0].head == bytes(14)
