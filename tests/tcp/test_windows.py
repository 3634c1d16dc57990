import pytest

from halfopen.tcp.config import BufferConfig
from halfopen.tcp.linux_config import LinuxReceiverConfig
from halfopen.tcp.linux_memory import Memory
from halfopen.tcp.negotiation import window_shift
from halfopen.tcp.receiving import ReceiveSpace
from halfopen.tcp.windows import first_window, largest_window, scaled_octets, send_limit, syn_window


def buffers(window: str, initial: int, most: int) -> BufferConfig:
    return BufferConfig(window=window, receive_initial=initial, receive=most)


@pytest.mark.parametrize(
    ("window", "mss", "expected"),
    [
        ("steady", 1460, 65536),
        ("linux", 1460, 32120),
        ("linux", 1448, 31856),
        ("bsd", 1460, 65700),
        ("bsd", 1440, 66240),
    ],
)
def test_the_first_window_is_what_each_host_makes_of_64_kb(window: str, mss: int, expected: int) -> None:
    assert first_window(buffers(window, 65536, 1 << 21), mss) == expected


def test_linux_offers_half_of_a_fixed_buffer_in_whole_segments_and_no_scale_for_it() -> None:
    fixed = buffers("linux", 40000, 40000)
    assert first_window(fixed, 1460) == 18980
    assert largest_window(fixed) == 20000
    assert window_shift(scaled_octets(fixed)) == 0


@pytest.mark.parametrize(
    ("window", "most", "shift"), [("linux", 15728640, 8), ("linux", 1 << 25, 10), ("bsd", 1 << 21, 6)]
)
def test_the_scale_is_for_the_whole_of_a_buffer_that_grows(window: str, most: int, shift: int) -> None:
    assert window_shift(scaled_octets(buffers(window, 65536, most))) == shift


def test_a_bsd_rounds_up_only_when_it_is_connected() -> None:
    assert syn_window(buffers("bsd", 30000, 1 << 21), 1460) == 30000
    assert syn_window(buffers("linux", 131072, 1 << 21), 1448) == 65160


def space(manner: str, limit: int, shift: int = 0) -> ReceiveSpace:
    rcv = ReceiveSpace(0, limit, shift, manner)
    rcv.offer_syn()
    return rcv


def linux(octets: int, first: int, shift: int = 0) -> ReceiveSpace:
    """With a buffer of ``octets``."""
    rcv = space("segments", first, shift)
    rcv.memory = Memory(buffers("linux", octets, octets), first, 1460)
    return rcv


def test_linux_keeps_the_window_as_it_was_until_whole_segments_are_free() -> None:
    rcv = linux(131072, 64240)
    rcv.accept(rcv.nxt, (bytes(100),), 100)
    assert rcv.offer(536) == 64140
    rcv.queue.take(100)
    assert rcv.offer(536) == 64140


def test_linux_rounds_up_to_what_the_scale_can_say() -> None:
    rcv = linux(131072, 64240, 10)
    assert rcv.offer(1448) == 63
    assert rcv.wnd == 63 << 10


def test_linux_does_not_move_the_edge_to_the_left_though_nothing_is_free() -> None:
    rcv = linux(20000, 8760)
    assert rcv.memory is not None
    rcv.memory.used = 20000
    rcv.accept(rcv.nxt, (bytes(8000),), 8000)
    assert rcv.offer(1460) == 760


def test_linux_says_that_there_is_no_room_for_what_it_had_to_drop() -> None:
    rcv = linux(20000, 8760)
    assert rcv.memory is not None
    rcv.memory.is_refusing = True
    assert (rcv.offer(1460), rcv.wnd) == (0, 0)
    assert rcv.offer(1460) == 7300


def test_a_bsd_takes_what_lies_between_what_the_scale_can_say_and_what_is_free() -> None:
    rcv = space("exact", 65700, 6)
    assert rcv.free_field == 1026
    assert rcv.offer(1460) == 1027
    assert rcv.edge == rcv.nxt + (1027 << 6)


def test_a_bsd_takes_more_than_an_unscaled_field_can_say() -> None:
    rcv = space("exact", 65700)
    assert rcv.offer(1460) == 65535
    assert rcv.wnd == 65700


def test_a_bsd_offers_nothing_when_little_is_left() -> None:
    rcv = space("exact", 14600)
    rcv.accept(rcv.nxt, (bytes(14600),), 14600)
    rcv.queue.take(1000)
    assert rcv.offer(1460) == 0
    rcv.queue.take(1000)
    assert rcv.offer(1460) == 2000


@pytest.mark.parametrize("window", ["linux", "bsd"])
def test_less_than_a_segment_is_not_rounded(window: str) -> None:
    assert first_window(buffers(window, 1000, 1 << 21), 1460) <= 1000
    assert first_window(buffers(window, 30_001, 1 << 21), 0) == first_window(buffers(window, 30_001, 1 << 21), 30_001)


def test_what_linux_scales_for() -> None:
    small = BufferConfig(window="linux", receive_initial=20000, receive=60000, scale_for=1 << 22)
    assert scaled_octets(small) == 1 << 22
    chosen = LinuxReceiverConfig(most=1 << 25)
    fixed = BufferConfig(window="linux", receive_initial=60000, receive=60000, scale_for=1 << 22, linux=chosen)
    assert scaled_octets(fixed) == 30000
    clamped = BufferConfig(window="linux", receive_initial=20000, receive=60000, scale_for=1 << 22, window_clamp=5000)
    assert scaled_octets(clamped) == 5000
    assert first_window(clamped, 1460) == 4380


def test_the_scale_may_have_to_express_more_than_there_is() -> None:
    buffers = BufferConfig(receive=8000, receive_initial=8000, scale_for=2 * 1024 * 1024)
    assert scaled_octets(buffers) == 2 * 1024 * 1024


@pytest.mark.parametrize(("window", "octets"), [("bsd", 33580), ("linux", 32768)])
def test_the_send_buffer_of_a_bsd_holds_whole_segments(window: str, octets: int) -> None:
    assert send_limit(BufferConfig(send=32768, window=window), 1460) == octets


def test_less_than_a_segment_stays_less() -> None:
    assert send_limit(BufferConfig(send=1000, window="bsd"), 1460) == 1000


@pytest.mark.parametrize(("window", "send", "mss", "limit"), [("linux", 5000, 1460, 5000), ("bsd", 5000, 1460, 5840)])
def test_what_may_wait_to_be_acknowledged(window: str, send: int, mss: int, limit: int) -> None:
    assert send_limit(BufferConfig(window=window, send=send), mss) == limit
    assert send_limit(BufferConfig(window=window, send=1000), mss) == 1000
