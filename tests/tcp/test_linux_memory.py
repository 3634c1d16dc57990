"""Linux's receive buffer; the figures are those that a kernel of version 6.18 shows on a TUN device."""

import pytest

from halfopen.tcp.config import BufferConfig
from halfopen.tcp.linux_memory import Memory, cost

MSS = 1460


def memory(octets: int = 40_000, first: int = 18_980, **choices: int) -> Memory:
    """SO_RCVBUF of half of ``octets``."""
    return Memory(BufferConfig(receive=octets, receive_initial=octets, window="linux", **choices), first, MSS)


def filled(segments: int, octets: int = 1000, buffer: int = 40_000) -> Memory:
    held = memory(buffer)
    held.measure(octets)
    for start in range(0, segments * octets, octets):
        held.put(start, start + octets, start + octets, is_early=False)
    return held


@pytest.mark.parametrize(("octets", "truesize"), [(41, 896), (256, 896), (257, 1280), (1040, 2304), (4040, 8448)])
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
    held.take(10_000)
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
    held.put(1000, 1100, 1100, is_early=False)
    assert held.used == 2304
    held.put(1100, 2100, 2100, is_early=False)
    assert held.used == 2 * 2304
    assert not held.is_empty
    held.take(1100)
    assert held.used == 2304
    held.take(2100)
    assert (held.used, held.is_empty) == (0, True)


def test_what_is_behind_a_hole_is_charged_once_and_waits() -> None:
    held = memory()
    held.put(1000, 2000, 0, is_early=True)
    held.put(1000, 1500, 0, is_early=True)
    assert (held.used, held.is_empty) == (2304, True)
    held.put(5000, 6000, 0, is_early=True)
    held.put(0, 1000, 2000, is_early=False)
    assert held.used == 3 * 2304
    held.take(2000)
    assert held.used == 2304
    held.put(4500, 6500, 2000, is_early=True)
    assert held.used == cost(2040)


def test_a_segment_worth_its_memory_widens_the_window() -> None:
    held = memory(131_072, 64_240)
    held.measure(6000)
    before = held.threshold
    assert held.grow(6000, (MSS, MSS))
    assert held.threshold == before + 12_000


def test_a_small_one_does_not() -> None:
    held = memory(131_072, 64_240)
    held.measure(6000)
    assert not held.grow(100, (MSS, MSS))
    held.threshold = held.clamp
    assert not held.grow(6000, (MSS, MSS))


def test_while_the_window_is_small_a_segment_may_waste_more() -> None:
    held = Memory(BufferConfig(receive=1 << 25, receive_initial=131_072, window="linux"), 10_000, MSS)
    assert held.grow(1000, (MSS, 1000))
    assert held.threshold == 12_000
    held.largest = 1000
    assert not held.grow(1000, (MSS, 1000))
    held.largest = 1 << 25
    assert held.grow(200, (MSS, 1000))
    held.largest = 50_000
    assert not held.grow(200, (MSS, 1000))


def test_another_size_holds_at_once() -> None:
    held, was = memory(), BufferConfig(receive=40_000, receive_initial=40_000)
    held.resize(BufferConfig(receive=80_000, receive_initial=80_000), was)
    assert (held.buffer, held.largest, held.clamp) == (80_000, 80_000, 18_540)
    held.resize(BufferConfig(receive=40_000, receive_initial=40_000, window_clamp=3000), was)
    assert (held.buffer, held.clamp, held.threshold) == (80_000, 3000, 3000)
    held.resize(was, was)
    assert held.clamp == 3000
