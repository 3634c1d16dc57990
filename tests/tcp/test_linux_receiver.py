"""Text as Linux takes it, seen from the peer."""

from dataclasses import replace

from halfopen.base.clock import MILLISECOND
from halfopen.tcp.config import DEFAULT, AckConfig, ArrivalConfig, BufferConfig
from halfopen.tcp.linux_config import LinuxReceiverConfig
from halfopen.tcp.linux_early import EarlyPackets
from halfopen.tcp.linux_memory import Memory
from halfopen.testing.exchange import Exchange, Setting


def opened(octets: int = 131_072, options: str = "mss 1460,sackOK") -> Exchange:
    """With a buffer of ``octets``."""
    buffers = BufferConfig(receive=octets, receive_initial=octets, window="linux")
    config = replace(DEFAULT, acks=AckConfig(manner="linux"), arrivals=ArrivalConfig(order="linux"), buffers=buffers)
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
    assert counted(exchange, "BeyondWindow") == 1
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


def memory_of(exchange: Exchange) -> Memory:
    memory = exchange.connection.tcb.rcv.memory
    assert memory is not None
    return memory


def early_of(exchange: Exchange) -> EarlyPackets:
    early = exchange.connection.tcb.rcv.early
    assert isinstance(early, EarlyPackets)
    return early


def patient(exchange: Exchange) -> None:
    """No ACKs in haste."""
    delays = exchange.connection.tcb.owed.acks.delays
    assert delays is not None
    delays.quick = 0


def test_at_first_a_segment_is_full_if_it_is_as_large_as_the_peers_window_lets_ours_be() -> None:
    exchange = Exchange.passive(Setting(config=opened().connection.tcb.user.config))
    exchange.peer.sends("S 0:0(0) win 5000 <mss 1000>")
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1 win 257")
    assert exchange.connection.tcb.owed.acks.full_size == 257


def test_a_closed_window_takes_no_text_into_an_empty_buffer() -> None:
    exchange = opened()
    rcv = exchange.connection.tcb.rcv
    rcv.edge = rcv.nxt
    exchange.peer.sends("P. 1:11(10) ack 1 win 1000")
    exchange.peer.expects_any(".")
    assert counted(exchange, "TCPZeroWindowDrop") == 1


def test_text_that_begins_where_the_window_ends_is_answered_and_dropped() -> None:
    exchange = opened()
    edge = exchange.connection.tcb.rcv.wnd + 1
    exchange.peer.sends(f"P. {edge}:{edge + 10}(10) ack 1 win 1000")
    exchange.peer.expects_any(".")
    assert (early_of(exchange).packets, counted(exchange, "TCPZeroWindowDrop")) == ([], 0)


def test_beyond_it_a_rst_or_syn_counts_as_such() -> None:
    exchange = opened()
    edge = exchange.connection.tcb.rcv.wnd + 1
    exchange.peer.sends(f"R {edge + 10}:{edge + 10}(0)")
    exchange.peer.sends(f"S {edge + 10}:{edge + 10}(0) win 1000")
    assert counted(exchange, "BeyondWindow") == 0


def test_where_there_is_no_room_early_text_is_dropped_without_a_word() -> None:
    exchange = opened(10_000, "mss 1460,sackOK")
    memory_of(exchange).used = 20_000
    exchange.peer.sends("P. 101:201(100) ack 1 win 1000")
    exchange.peer.expects_nothing()
    exchange.peer.sends("F. 301:301(0) ack 1 win 1000")
    exchange.peer.expects_nothing()
    assert counted(exchange, "TCPOFODrop") == 2


def test_room_is_made_by_copying_packets_together_or_at_the_cost_of_early_ones() -> None:
    exchange = opened(40_000, "mss 1460,sackOK")
    buffers = replace(exchange.connection.tcb.user.config.buffers, linux=LinuxReceiverConfig(most=1 << 25))
    exchange.connection.configure(replace(exchange.connection.tcb.user.config, buffers=buffers))
    acks_of(exchange, 1, 1400, 1)
    exchange.user.reads(1400)
    acks_of(exchange, 1401, 600, 4)
    memory_of(exchange).buffer = 5000
    acks_of(exchange, 3801, 10, 1)
    assert counted(exchange, "TCPRcvCollapsed") == 4
    exchange.peer.sends("P. 4001:4101(100) ack 1 win 1000")
    exchange.peer.ignores()
    memory_of(exchange).buffer = 5000
    memory_of(exchange).used = 5001
    exchange.peer.sends("P. 3811:3821(10) ack 1 win 1000")
    assert counted(exchange, "OfoPruned") == 1
    assert early_of(exchange).packets == []


def test_a_buffer_that_nobody_has_fixed_grows_instead() -> None:
    buffers = BufferConfig(receive=1 << 20, receive_initial=10_000, window="linux")
    config = replace(DEFAULT, acks=AckConfig(manner="linux"), arrivals=ArrivalConfig(order="linux"), buffers=buffers)
    exchange = Exchange.established(Setting(config=config), options="mss 1460")
    exchange.peer.ignores()
    acks_of(exchange, 1, 100, 1)
    memory_of(exchange).used = 20_000
    acks_of(exchange, 101, 100, 1)
    assert memory_of(exchange).buffer == 20_000
    assert counted(exchange, "PruneCalled") == 1


def test_what_brings_nothing_new_ahead_of_a_hole_is_counted() -> None:
    exchange = opened()
    for _ in range(2):
        exchange.peer.sends("P. 1001:2001(1000) ack 1 win 1000")
        exchange.peer.ignores()
    assert (counted(exchange, "TCPOFOQueue"), counted(exchange, "TCPOFOMerge")) == (2, 1)
    assert early_of(exchange).counted == 2


def test_without_sack_early_text_widens_nothing() -> None:
    thresholds = []
    for options in ("mss 1460", "mss 1460,sackOK"):
        exchange = opened(options=options)
        exchange.peer.sends("P. 1001:11001(10000) ack 1 win 1000")
        exchange.peer.ignores()
        thresholds.append(memory_of(exchange).threshold)
    assert thresholds[0] < thresholds[1]


def test_a_fin_ahead_of_a_hole_has_a_place_there() -> None:
    exchange = opened()
    exchange.peer.sends("F. 101:101(0) ack 1 win 1000")
    exchange.peer.expects_any(".")
    assert early_of(exchange).reach == 103 - 1 + exchange.connection.tcb.rcv.irs


def test_the_fourth_duplicate_ack_waits_a_part_of_a_round_trip() -> None:
    exchange = opened()
    memory = memory_of(exchange)
    memory.tuning.rtt = exchange.connection.tcb.rtt.srtt = 40 * MILLISECOND
    got = []
    for start in range(1001, 7001, 1000):
        patient(exchange)
        memory.threshold = 1 << 30
        exchange.peer.sends(f"P. {start}:{start + 1000}(1000) ack 1 win 1000")
        got.append(len(exchange.peer.ignores()))
    assert got == [1, 1, 1, 0, 0, 0]
    assert len(exchange.after(2 * MILLISECOND)) == 1


def test_an_echo_says_how_long_a_round_trip_takes() -> None:
    exchange = opened(options="mss 1460,sackOK,TS val 100 ecr 0")
    tcb = exchange.connection.tcb
    assert tcb.timestamps is not None
    exchange.after(50 * MILLISECOND)
    echoed = tcb.timestamps.value(exchange.now) - 30
    exchange.peer.sends(f"P. 1:1001(1000) ack 1 win 1000 <nop,nop,TS val 101 ecr {echoed}>")
    assert memory_of(exchange).tuning.rtt == 30 * MILLISECOND


def test_text_for_which_no_place_is_left_behind_a_fin_is_answered() -> None:
    exchange = opened()
    exchange.peer.sends("F. 11:11(0) ack 1 win 1000")
    exchange.peer.ignores()
    exchange.peer.sends("P. 11:21(10) ack 1 win 1000")
    assert len(exchange.peer.ignores()) == 1


def test_after_the_fin_reading_opens_no_window() -> None:
    exchange = opened(8000, "mss 1460")
    acks_of(exchange, 1, 1000, 3)
    exchange.peer.sends("F. 3001:3001(0) ack 1 win 1000")
    exchange.after(300 * MILLISECOND)
    exchange.peer.ignores()
    exchange.user.reads(3000)
    exchange.peer.expects_nothing()
    assert memory_of(exchange).is_empty
