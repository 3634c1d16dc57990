"""Linux's receive buffer; the figures are those that a kernel of version 6.18 shows on a TUN device."""

import pytest

from halfopen.tcp.config import BufferConfig
from halfopen.tcp.linux_config import LinuxReceiverConfig
from halfopen.tcp.linux_memory import Memory, Packet, compacted, cost

MSS = 1460


def memory(octets: int = 40_000, first: int = 18_980, **choices: int) -> Memory:
    """SO_RCVBUF of half of ``octets``."""
    return Memory(BufferConfig(receive=octets, receive_initial=octets, window="linux", **choices), first, MSS)


def filled(segments: int, octets: int = 1000, buffer: int = 40_000) -> Memory:
    held = memory(buffer)
    held.measure(octets)
    for start in range(0, segments * octets, octets):
        held.put(Packet(start, start + octets, octets))
    return held


@pytest.mark.parametrize(
    ("octets", "truesize"),
    [(41, 832), (192, 832), (193, 1280), (1040, 2304), (3712, 4352), (3713, 8448), (10_040, 12_544), (60_040, 61_696)],
)
def test_a_packet_costs_what_the_allocator_has_for_it(octets: int, truesize: int) -> None:
    assert cost(octets) == truesize


def test_the_window_is_half_of_the_buffer_less_a_segment() -> None:
    held = memory()
    assert (held.clamp, held.threshold) == (18_540, 18_540)
    assert memory(window_clamp=5000).clamp == 5000
    assert memory(4000, 1460).clamp == 2000


def test_a_segment_shows_how_much_of_its_memory_is_text() -> None:
    held = memory()
    held.measure(1000)
    assert (held.ratio, held.clamp, held.threshold) == (111, 17_343, 17_343)
    held.measure(1000)
    assert held.clamp == 17_343
    held.measure(1400)
    assert (held.ratio, held.clamp, held.threshold) == (155, 24_218, 18_980)
    held.limit_to(24_218)
    assert held.threshold == 18_980


def test_the_window_opens_by_whole_segments_as_text_is_read() -> None:
    held = filled(12)
    held.wnd = 6980
    held.take(10_000, 12_000, 0)
    assert held.used == 2 * 2304
    assert held.select(1000, 1) == 15_000


def test_a_window_that_is_nearly_right_stays() -> None:
    held = memory()
    held.wnd = 18_000
    assert held.select(1000, 1) == 18_000
    assert held.select(1000, 1024) == 18_540 + 916


def test_a_window_of_one_segment_may_open_in_full() -> None:
    held = memory()
    held.wnd = 5000
    assert held.select(60_000, 1) == 18_540
    held.wnd = 1000
    held.threshold = 18_000
    assert held.select(60_000, 1) == 18_000


def test_little_room_is_none() -> None:
    held = filled(17)
    assert held.is_tight()
    assert held.select(1000, 1) == 0
    assert filled(9).select(1000, 1) > 0


def test_a_buffer_that_is_full_takes_no_more() -> None:
    assert filled(17).has_room()
    assert not filled(18).has_room()


def test_short_text_is_copied_behind_the_packet_before_it() -> None:
    held = filled(1)
    held.put(Packet(1000, 1100, 100))
    assert held.used == 2304
    held.put(Packet(1100, 2100, 1000))
    assert held.used == 2 * 2304
    assert not held.is_empty
    held.take(1100, 2100, 0)
    assert held.used == 2304
    held.take(2100, 2100, 0)
    assert (held.used, held.is_empty) == (0, True)
    held.take(2100, 2100, 0)
    assert held.is_empty


def test_nothing_is_copied_behind_a_packet_in_pages() -> None:
    held = memory(200_000)
    held.put(Packet(0, 60_000, 60_000))
    held.put(Packet(60_000, 60_100, 100))
    assert held.used == 61_696 + 832


def test_a_packet_absorbs_only_what_goes_on_where_it_ends() -> None:
    packet = Packet(0, 1000, 1000)
    assert not packet.absorb(Packet(1001, 1010, 9))
    assert packet.absorb(Packet(1000, 1010, 10))
    assert packet.end == 1010


def test_packets_that_waste_memory_become_few_that_do_not() -> None:
    full, small = Packet(0, 3776, 0), [Packet(at, at + 600, 600) for at in range(3776, 3776 + 4200, 600)]
    full.memory = 100
    packets, count = compacted([full, *small], 128)
    assert count == 7
    assert [(each.start, each.end, each.memory) for each in packets[1:]] == [(3776, 7552, 4352), (7552, 7976, 1280)]
    assert compacted([full], 128) == ([full], 0)


def test_a_full_buffer_is_made_compact_from_where_its_user_is() -> None:
    held = memory()
    for start in range(0, 6000, 600):
        held.put(Packet(start, start + 600, 600))
    assert held.used == 10 * 1280
    assert held.compact(150) == 10
    assert held.used == 2 * 4352
    held.take(6000, 6000, 0)
    assert (held.used, held.is_empty) == (0, True)
    assert held.compact(6000) == 0


def test_a_buffer_without_room_grows_to_what_it_holds_unless_its_user_has_fixed_it() -> None:
    buffers = BufferConfig(receive=1 << 25, receive_initial=40_000, window="linux")
    held = Memory(buffers, 18_980, MSS)
    held.used = 50_000
    held.relent(MSS)
    assert (held.buffer, held.threshold) == (50_000, 18_540)
    fixed = BufferConfig(
        receive=40_000, receive_initial=40_000, window="linux", linux=LinuxReceiverConfig(most=1 << 25)
    )
    held = Memory(fixed, 18_980, MSS)
    assert held.largest == 1 << 25
    held.used = 50_000
    held.relent(MSS)
    assert (held.buffer, held.threshold) == (40_000, 2920)


def paced(**choices: object) -> Memory:
    """With a round trip of 100 ms, whose user has just taken 30000 octets."""
    buffers = BufferConfig(
        receive=1 << 25, receive_initial=131_072, window="linux", linux=LinuxReceiverConfig(**choices)
    )
    held = Memory(buffers, 64_240, MSS)
    held.tuning.begin(64_240, MSS, 0, 0)
    held.tuning.rtt = 100_000_000
    held.put(Packet(0, 30_000, 30_000))
    held.take(30_000, 30_000, 100_000_000)
    return held


def test_the_buffer_grows_with_what_its_user_reads_in_a_round_trip() -> None:
    held = paced()
    assert held.tuning.taken == 30_000
    assert held.buffer == 2 * (60_000 + 2 * (60_000 * (30_000 - 14_600) // 14_600))
    assert held.clamp == held.buffer // 2


def test_not_where_it_is_not_to_or_is_fixed_or_large_enough() -> None:
    assert paced(moderates=False).buffer == 131_072
    assert paced(most=1 << 20).buffer == 131_072
    held = paced()
    before = held.buffer
    held.adapt(30_001, 0)
    assert held.buffer == before


def test_a_window_may_shrink_only_with_a_scale() -> None:
    buffers = BufferConfig(
        receive=40_000, receive_initial=40_000, window="linux", linux=LinuxReceiverConfig(shrinks=True)
    )
    held = Memory(buffers, 18_980, MSS)
    assert held.may_shrink(128)
    assert not held.may_shrink(1)
    assert not memory().may_shrink(128)
    assert held.select(1000, 128) == 18_560
    held.put(Packet(0, 4000, 4000))
    assert held.select(1000, 128) == (31_552 // 2) - (31_552 // 2) % 128


def test_a_segment_worth_its_memory_widens_the_window() -> None:
    held = memory(131_072, 64_240)
    held.measure(6000)
    before = held.threshold
    assert held.grow(6000, (MSS, MSS))
    assert held.threshold == before + 12_000


def test_none_does_where_there_is_no_room() -> None:
    held = memory(131_072, 64_240)
    held.measure(6000)
    held.threshold = held.clamp
    assert not held.grow(6000, (MSS, MSS))


def test_while_the_window_is_small_a_segment_may_waste_more() -> None:
    held = Memory(BufferConfig(receive=1 << 25, receive_initial=131_072, window="linux"), 10_000, MSS)
    assert held.grow(1000, (MSS, 1000))
    assert held.threshold == 12_000
    assert held.grow(200, (MSS, 1000))
    small = Memory(BufferConfig(receive=50_000, receive_initial=131_072, window="linux"), 10_000, MSS)
    assert not small.grow(200, (MSS, 1000))


def test_another_size_holds_at_once() -> None:
    held, was = memory(), BufferConfig(receive=40_000, receive_initial=40_000)
    held.resize(BufferConfig(receive=80_000, receive_initial=80_000), was)
    assert (held.buffer, held.largest, held.clamp) == (80_000, 80_000, 18_540)
    held.resize(BufferConfig(receive=40_000, receive_initial=40_000, window_clamp=3000), was)
    assert (held.buffer, held.clamp, held.threshold) == (80_000, 3000, 3000)
    held.resize(was, was)
    assert held.clamp == 3000
