"""Text as Linux takes it, seen from the peer."""

from dataclasses import replace

from halfopen.base.clock import MILLISECOND
from halfopen.tcp.config import DEFAULT, AckConfig, BufferConfig
from halfopen.testing.exchange import Exchange, Setting


def opened(octets: int = 131_072, options: str = "mss 1460,sackOK") -> Exchange:
    """With a buffer of ``octets``."""
    buffers = BufferConfig(receive=octets, receive_initial=octets, window="linux")
    config = replace(DEFAULT, acks=AckConfig(manner="linux"), buffers=buffers)
    exchange = Exchange.established(Setting(config=config), options=options)
    exchange.peer.ignores()
    return exchange


def counted(exchange: Exchange, name: str) -> int:
    return exchange.connection.tcb.opening.counters[name]


def acks_of(exchange: Exchange, first: int, octets: int, count: int) -> list[int]:
    """How many ACKs each of ``count`` segments gets at once."""
    got = []
    for start in range(first, first + octets * count, octets):
        exchange.peer.sends(f"P. {start}:{start + octets}({octets}) ack 1 win 1000")
        got.append(len(exchange.peer.ignores()))
    return got


def test_sixteen_segments_get_their_acks_at_once_and_then_they_wait() -> None:
    exchange = opened()
    assert acks_of(exchange, 1, 100, 20) == [1] * 16 + [0] * 4
    assert len(exchange.after(40 * MILLISECOND)) == 1


def test_an_ack_that_has_nearly_waited_for_its_time_goes_with_the_next_segment() -> None:
    exchange = opened()
    acks_of(exchange, 1, 100, 17)
    exchange.after(35 * MILLISECOND)
    assert acks_of(exchange, 1701, 100, 1) == [1]


def test_who_answers_gets_no_quick_acks() -> None:
    exchange = opened()
    assert acks_of(exchange, 1, 10, 1) == [1]
    exchange.user.sends(10)
    exchange.peer.ignores()
    assert acks_of(exchange, 11, 10, 1) == [0]
    assert len(exchange.after(40 * MILLISECOND)) >= 1


def test_a_fin_after_text_waits_for_the_answer() -> None:
    exchange = opened()
    acks_of(exchange, 1, 10, 1)
    exchange.peer.sends("F. 11:11(0) ack 1 win 1000")
    exchange.peer.expects_nothing()
    assert len(exchange.after(40 * MILLISECOND)) == 1


def test_text_with_fin_waits_too() -> None:
    exchange = opened()
    exchange.peer.sends("FP. 1:11(10) ack 1 win 1000")
    exchange.peer.expects_nothing()


def test_a_second_full_segment_is_acknowledged_if_the_window_stays_open() -> None:
    exchange = opened()
    acks_of(exchange, 1, 1000, 1)
    exchange.user.reads(1000)
    delays = exchange.connection.tcb.owed.acks.delays
    assert delays is not None
    delays.quick = 0
    assert acks_of(exchange, 1001, 1000, 1) == [0]
    exchange.user.reads(1000)
    assert acks_of(exchange, 2001, 1000, 1) == [1]


def test_without_a_reader_the_acks_of_full_segments_wait() -> None:
    exchange = opened()
    acks_of(exchange, 1, 1000, 16)
    assert acks_of(exchange, 16_001, 1000, 4) == [0, 0, 0, 0]


def test_reading_sends_the_ack_that_waits_if_a_small_segment_was_the_last() -> None:
    exchange = opened()
    acks_of(exchange, 1, 100, 17)
    exchange.user.reads(1700)
    assert len(exchange.peer.ignores()) == 1


def test_reading_a_part_does_not() -> None:
    exchange = opened()
    acks_of(exchange, 1, 1000, 17)
    exchange.user.reads(1000)
    exchange.peer.expects_nothing()


def test_reading_more_than_a_segment_worth_sends_it() -> None:
    exchange = opened()
    acks_of(exchange, 1, 1000, 18)
    exchange.user.reads(1000)
    assert len(exchange.peer.ignores()) == 1


def test_a_window_that_was_closed_is_told_when_it_has_doubled() -> None:
    exchange = opened(8000, "mss 1460")
    acks_of(exchange, 1, 1000, 4)
    exchange.after(300 * MILLISECOND)
    exchange.peer.ignores()
    exchange.user.reads(2000)
    assert len(exchange.peer.ignores()) == 1


def test_what_goes_beyond_the_window_is_dropped_while_text_waits_to_be_read() -> None:
    exchange = opened(10_000, "mss 1460")
    edge = exchange.connection.tcb.rcv.wnd
    acks_of(exchange, 1, 1000, 1)
    exchange.peer.sends(f"P. 1001:{edge + 1001}({edge}) ack 1 win 1000")
    exchange.peer.ignores()
    assert counted(exchange, "TCPBeyondWindow") == 1
    assert exchange.user.readable_octets == 1000


def test_an_empty_buffer_takes_more_than_the_window_said() -> None:
    exchange = opened(10_000, "mss 1460")
    edge = exchange.connection.tcb.rcv.wnd
    exchange.peer.sends(f"P. 1:{edge + 1001}({edge + 1000}) ack 1 win 1000")
    assert exchange.user.readable_octets == edge + 1000


def test_a_full_buffer_drops_and_says_that_there_is_no_window() -> None:
    exchange = opened(10_000, "mss 1460")
    memory = exchange.connection.tcb.rcv.memory
    assert memory is not None
    acks_of(exchange, 1, 100, 1)
    memory.used = 20_000
    exchange.peer.sends("P. 101:201(100) ack 1 win 1000")
    assert [each.segment.window for each in exchange.peer.ignores()] == [0]
    assert counted(exchange, "TCPRcvQDrop") == 1


def test_if_nothing_waits_it_takes_one_more_all_the_same() -> None:
    exchange = opened(10_000, "mss 1460")
    memory = exchange.connection.tcb.rcv.memory
    assert memory is not None
    memory.used = 20_000
    exchange.peer.sends("P. 1:101(100) ack 1 win 1000")
    exchange.peer.ignores()
    assert exchange.user.readable_octets == 100


def test_each_segment_behind_a_hole_is_answered_and_so_is_the_one_that_fills_it() -> None:
    exchange = opened()
    delays = exchange.connection.tcb.owed.acks.delays
    assert delays is not None
    delays.ato = 40 * MILLISECOND
    assert acks_of(exchange, 1001, 1000, 3) == [1, 1, 1]
    assert acks_of(exchange, 1, 500, 2) == [1, 1]


def test_what_comes_again_is_reported_and_makes_it_quick() -> None:
    exchange = opened()
    acks_of(exchange, 1, 100, 17)
    exchange.after(40 * MILLISECOND)
    exchange.peer.ignores()
    assert acks_of(exchange, 1601, 100, 1) == [1]
    assert acks_of(exchange, 1701, 100, 2) == [1, 1]


def test_a_window_that_is_wide_is_not_told_anew() -> None:
    exchange = opened()
    acks_of(exchange, 1, 1000, 3)
    exchange.user.reads(1500)
    exchange.peer.expects_nothing()


def test_a_segment_that_is_worth_its_memory_widens_the_window() -> None:
    exchange = opened()
    memory = exchange.connection.tcb.rcv.memory
    assert memory is not None
    before = memory.threshold
    acks_of(exchange, 1, 1400, 1)
    assert memory.threshold > before + 2000


def test_reading_a_little_of_a_full_buffer_tells_nothing() -> None:
    exchange = opened(8000, "mss 1460")
    acks_of(exchange, 1, 1000, 2)
    exchange.after(300 * MILLISECOND)
    exchange.peer.ignores()
    exchange.user.reads(1)
    exchange.peer.expects_nothing()
