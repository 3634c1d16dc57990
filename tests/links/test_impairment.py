import math

from halfopen.base.clock import MICROSECOND, MILLISECOND, NEVER, SECOND
from halfopen.base.netem import parse
from halfopen.base.rng import SeededRng
from halfopen.links.impairment import ImpairedLink
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, Packet
from tests.links.packets import Clock, MemoryLink, tcp_packet, transport_checksum_is_right, udp_packet

FULL = "loss 1% delay 10ms 2ms reorder 1% duplicate 0.1% corrupt 0.1% rate 100mbit limit 500"


def numbered(count: int) -> list[Packet]:
    return [Packet(number.to_bytes(4, "big") + bytes(96)) for number in range(count)]


def numbers(packets: list[Packet]) -> list[int]:
    return [int.from_bytes(packet.head[:4], "big") for packet in packets]


def impaired(
    behind: MemoryLink, clock: Clock, inbound: str = "", outbound: str = "", seed: int | str = 1
) -> ImpairedLink:
    return ImpairedLink(behind, rng=SeededRng(seed), clock=clock, inbound=parse(inbound), outbound=parse(outbound))


def test_a_perfect_network_hands_on_the_very_same_packets() -> None:
    packet = tcp_packet(bytes(5000), gso_size=1460)
    behind = MemoryLink([packet])
    link = impaired(behind, Clock())
    assert link.read(8) == [packet]
    assert link.write(packet)
    assert behind.sent == [packet]
    assert link.next_deadline() == NEVER
    link.on_deadline(5)


def assert_frequency(happened: int, count: int, probability: float) -> None:
    """Within five standard deviations of the binomial distribution; the seed makes it the same on every run."""
    assert abs(happened - count * probability) < 5 * math.sqrt(count * probability * (1 - probability))


def test_packets_are_lost_as_often_as_was_asked() -> None:
    behind = MemoryLink()
    link = impaired(behind, Clock(), outbound="loss 10%")
    for packet in numbered(4000):
        assert link.write(packet)
    assert_frequency(link.counters["ImpairedOutLost"], 4000, 0.1)
    assert len(behind.sent) == 4000 - link.counters["ImpairedOutLost"]


def test_packets_are_duplicated_as_often_as_was_asked() -> None:
    behind = MemoryLink(numbered(4000))
    link = impaired(behind, Clock(), inbound="duplicate 5%")
    packets = link.read(10_000)
    assert_frequency(link.counters["ImpairedInDuplicated"], 4000, 0.05)
    assert len(packets) == 4000 + link.counters["ImpairedInDuplicated"]
    assert sorted(set(numbers(packets))) == list(range(4000))


def test_packets_are_corrupted_as_often_as_was_asked() -> None:
    behind = MemoryLink()
    link = impaired(behind, Clock(), outbound="corrupt 20%")
    originals = numbered(4000)
    for packet in originals:
        assert link.write(packet)
    corrupted = sum(sent.head != packet.head for sent, packet in zip(behind.sent, originals, strict=True))
    assert corrupted == link.counters["ImpairedOutCorrupted"]
    assert_frequency(corrupted, 4000, 0.2)


def test_the_same_seed_gives_the_same_history_and_another_another() -> None:
    def history(seed: int) -> list[int]:
        clock = Clock()
        behind = MemoryLink()
        link = impaired(behind, clock, outbound=FULL, seed=seed)
        for packet in numbered(300):
            clock.now += 100 * MICROSECOND
            link.write(packet)
        link.on_deadline(10 * SECOND)
        return numbers(behind.sent)

    assert history(1) == history(1)
    assert history(1) != history(2)


def test_what_one_direction_carries_does_not_shift_the_others_fate() -> None:
    def lost(noise: int) -> list[int]:
        behind = MemoryLink(numbered(100))
        link = impaired(behind, Clock(), inbound="loss 50%", outbound="loss 50%")
        for packet in numbered(noise):
            link.write(packet)
        return numbers(link.read(100))

    assert lost(0) == lost(37)


def test_delayed_packets_leave_at_their_time_in_order() -> None:
    clock = Clock(1000)
    behind = MemoryLink()
    link = impaired(behind, clock, outbound="delay 10ms")
    for packet in numbered(3):
        link.write(packet)
        clock.now += MILLISECOND
    assert behind.sent == []
    assert link.next_deadline() == 1000 + 10 * MILLISECOND
    link.on_deadline(1000 + 11 * MILLISECOND)
    assert numbers(behind.sent) == [0, 1]
    assert link.next_deadline() == 1000 + 12 * MILLISECOND


def test_delayed_inbound_packets_wait_for_a_read_after_their_time() -> None:
    clock = Clock()
    link = impaired(MemoryLink(numbered(3)), clock, inbound="delay 10ms")
    assert link.read(8) == []
    assert link.next_deadline() == 10 * MILLISECOND
    clock.now = 10 * MILLISECOND
    link.on_deadline(clock.now)
    assert numbers(link.read(2)) == [0, 1]
    assert link.next_deadline() <= clock.now
    assert numbers(link.read(2)) == [2]
    assert link.next_deadline() == NEVER


def test_jitter_stays_within_its_bounds_and_reorders() -> None:
    behind = MemoryLink()
    link = impaired(behind, Clock(), outbound="delay 10ms 2ms")
    for packet in numbered(200):
        link.write(packet)
    link.on_deadline(8 * MILLISECOND - 1)
    assert behind.sent == []
    link.on_deadline(12 * MILLISECOND)
    assert sorted(numbers(behind.sent)) == list(range(200))
    assert numbers(behind.sent) != list(range(200))


def test_a_reordered_packet_overtakes_the_delayed_ones() -> None:
    behind = MemoryLink()
    link = impaired(behind, Clock(), outbound="delay 10ms reorder 20%")
    for packet in numbered(100):
        link.write(packet)
    ahead = link.counters["ImpairedOutReordered"]
    assert 5 < ahead < 40
    assert len(behind.sent) == ahead


def test_the_rate_spaces_packets_as_a_wire_does() -> None:
    clock = Clock()
    behind = MemoryLink()
    link = impaired(behind, clock, outbound="rate 1mbit")
    for packet in numbered(4):
        link.write(packet)
    # 100 octets at 1 Mbit/s take 800 us.
    for sent in range(1, 5):
        assert link.next_deadline() == sent * 800 * MICROSECOND
        link.on_deadline(link.next_deadline())
        assert len(behind.sent) == sent
    clock.now = SECOND
    link.write(numbered(1)[0])
    assert link.next_deadline() == SECOND + 800 * MICROSECOND


def test_a_full_queue_drops_and_says_so() -> None:
    behind = MemoryLink()
    link = impaired(behind, Clock(), outbound="delay 10ms limit 5")
    assert [link.write(packet) for packet in numbered(7)] == [True] * 5 + [False] * 2
    assert link.counters["ImpairedOutOverlimit"] == 2


def test_a_managed_queue_drops_before_it_is_full() -> None:
    clock = Clock()
    behind = MemoryLink()
    link = impaired(behind, clock, outbound="rate 1mbit codel limit 5000")
    assert all(link.write(udp_packet(bytes(100))) for _ in range(1000))
    while (deadline := link.next_deadline()) < NEVER:
        clock.now = deadline
        link.on_deadline(deadline)
    assert len(behind.sent) + link.counters["ImpairedOutDropped"] == 1000
    assert link.counters["ImpairedOutDropped"] > 5
    red = impaired(behind, clock, outbound="rate 1mbit red limit 9 min 1 max 2 weight 100%")
    assert [red.write(udp_packet(bytes(100))) for _ in range(5)] == [True, True, True, False, False]


def test_a_queue_that_holds_nothing_back_is_never_full_and_reads_no_faster_than_it_gives() -> None:
    behind = MemoryLink([tcp_packet(bytes(60_000), gso_size=100) for _ in range(10)])
    link = impaired(behind, Clock(), inbound="corrupt 0.0001%")
    given = 0
    while packets := link.read(4):
        given += len(packets)
        assert len(behind.arriving) >= 10 - math.ceil(given / 600) - 4
    assert given == 6000
    assert link.counters["ImpairedInOverlimit"] == 0


def test_super_segments_lose_single_packets() -> None:
    behind = MemoryLink([tcp_packet(bytes(50_000), gso_size=1000)])
    link = impaired(behind, Clock(), inbound="loss 20%", outbound="loss 20%")
    packets = link.read(64)
    assert 25 < len(packets) < 50
    assert {packet.octets for packet in packets} == {1040}
    assert {packet.gso_size for packet in packets} == {0}
    assert link.write(tcp_packet(bytes(50_000), gso_size=1000))
    assert 25 < len(behind.sent) < 50


def test_a_corrupted_packet_differs_in_one_bit_behind_the_link_header_and_its_checksum_tells() -> None:
    packet = udp_packet(bytes(100), link=bytes(range(14)))
    assert packet.checksum == CHECKSUM_PARTIAL
    behind = MemoryLink(kind="ethernet")
    link = impaired(behind, Clock(), outbound="corrupt 100%")
    whole = int.from_bytes(complete_checksum(packet).joined(), "big")
    for _ in range(200):
        link.write(packet)
    for corrupted in behind.sent:
        assert corrupted.checksum == CHECKSUM_NONE
        assert corrupted.head[:14] == bytes(range(14))
        assert (int.from_bytes(corrupted.joined(), "big") ^ whole).bit_count() == 1
    in_payload = [sent for sent in behind.sent if sent.head[:34] == packet.head[:34]]
    assert len(in_payload) > 100
    assert not any(transport_checksum_is_right(sent, 14) for sent in in_payload)


def test_a_frame_too_short_to_be_corrupted_goes_on() -> None:
    behind = MemoryLink(kind="ethernet")
    link = impaired(behind, Clock(), outbound="corrupt 100%")
    assert link.write(Packet(bytes(14)))
    assert behind.sent[0].head == bytes(14)


def test_marks_that_contradict_the_packet_are_dropped_and_counted() -> None:
    link = impaired(MemoryLink(), Clock(), outbound="loss 1%")
    assert not link.write(Packet(bytes(40), (bytes(3000),), gso_size=1460))
    assert link.counters.snapshot() == {"VnetGsoWithoutChecksum": 1}


def test_it_has_the_face_of_the_link_behind() -> None:
    behind = MemoryLink(kind="ethernet")
    link = impaired(behind, Clock())
    assert (link.kind, link.mtu, link.mac, link.fileno()) == ("ethernet", 1500, behind.mac, -1)
    with link:
        assert not behind.is_closed
    assert behind.is_closed
