"""What leaves, when, and in which segments (RFC 9293 3.7, 3.8)."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.config import (
    DEFAULT,
    AckConfig,
    BufferConfig,
    Ecn,
    OptionsConfig,
    TimeoutConfig,
)
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.early import begin_at_server
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.linux_config import LinuxRetransmissionConfig
from halfopen.tcp.mtu_search import MtuSearchConfig
from halfopen.tcp.pace_config import PaceConfig
from halfopen.tcp.tcb import Opening
from halfopen.testing.exchange import Exchange, Setting
from halfopen.wire.tcp import Segment
from tests.tcp.exchanges import EAGER, PLAIN, PTO, RTO, RTT, connect, flight, retransmitting, with_ecn

ISNS = [0, (1 << 32) - 1, (1 << 32) - 3, (1 << 31) - 1]

# Nagle


@pytest.mark.rfc("9293", "SHLD-7", "MAY-16", "SHLD-27")
def test_small_text_waits_while_text_is_in_flight() -> None:
    exchange = connect(config=DEFAULT)
    exchange.user.sends(100)
    exchange.peer.expects("P. 1:101(100) ack 1")
    exchange.user.sends(50)
    exchange.user.sends(60)
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 101")
    exchange.peer.expects("P. 101:211(110) ack 1")


@pytest.mark.rfc("9293", "SHLD-28")
def test_a_full_segment_never_waits_for_nagle() -> None:
    exchange = connect(config=DEFAULT)
    exchange.user.sends(100)
    exchange.user.sends(1050)
    exchange.peer.expects("P. 1:101(100) ack 1")
    exchange.peer.expects(". 101:1101(1000) ack 1")
    exchange.peer.expects_nothing()


@pytest.mark.rfc("9293", "MUST-17")
def test_nagle_can_be_turned_off() -> None:
    exchange = connect(config=DEFAULT)
    exchange.user.configures(replace(DEFAULT, acks=AckConfig(nagle=False)))
    for start in (1, 11, 21):
        exchange.user.sends(10)
        exchange.peer.expects(f"P. {start}:{start + 10}(10) ack 1")


def test_the_rest_before_a_fin_does_not_wait() -> None:
    exchange = connect(config=DEFAULT)
    exchange.user.sends(100)
    exchange.user.sends(50)
    exchange.user.shuts_down()
    exchange.peer.expects("P. 1:101(100) ack 1")
    exchange.peer.expects("FP. 101:151(50) ack 1")


def test_urgent_text_does_not_wait() -> None:
    exchange = connect(config=DEFAULT)
    exchange.user.sends(100)
    exchange.user.sends(1, urgent=True)
    exchange.peer.expects("P. 1:101(100) ack 1")
    exchange.peer.expects("P.U 101:102(1) ack 1 urg 1")


# Silly window avoidance


@pytest.mark.rfc("9293", "MUST-38", "MUST-60")
def test_a_small_window_is_waited_for_between_a_tenth_of_a_second_and_one() -> None:
    exchange = connect(window=4000)
    exchange.user.sends(9000)
    assert len(exchange.peer.ignores()) == 4
    exchange.peer.sends(". 1:1(0) ack 4001 win 600")
    exchange.peer.expects_nothing()
    began = exchange.elapsed
    exchange.after(SECOND)
    assert 100 * MILLISECOND <= exchange.peer.expects(". 4001:4601(600) ack 1").when - began <= 1 * SECOND


@pytest.mark.rfc("9293", "MUST-38")
def test_half_of_the_largest_window_is_not_silly() -> None:
    exchange = connect(window=1200)
    exchange.user.sends(5000)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 1001 win 600")
    exchange.peer.expects(". 1001:1601(600) ack 1")


@pytest.mark.rfc("9293", "MUST-38")
def test_less_than_half_of_the_largest_window_is_silly() -> None:
    exchange = connect(window=1200)
    exchange.user.sends(5000)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1001 win 599")
    exchange.peer.expects_nothing()


def test_whoever_waited_for_a_small_window_to_grow_sends_when_it_does() -> None:
    exchange = connect(window=4000)
    exchange.user.sends(9000)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 4001 win 600", ". 1:1(0) ack 4001 win 4000")
    assert [str(seen.words.start) for seen in exchange.peer.ignores()] == ["4001", "5001", "6001", "7001"]
    assert exchange.connection.tcb.timers.patience > exchange.now + SECOND


@pytest.mark.rfc("9293", "MUST-39")
def test_the_window_opens_by_a_segment_or_half_of_the_buffer_at_least() -> None:
    small = replace(DEFAULT, buffers=BufferConfig(receive=10_000, receive_initial=10_000), acks=AckConfig(quick=16))
    exchange = connect("mss 1460", config=small)
    position = 1
    while position < 10_001:
        octets = min(1000, 10_001 - position)
        exchange.peer.sends(f". {position}:{position + octets}(1000) ack 1")
        position += octets
    exchange.peer.ignores()
    exchange.user.reads(100)
    exchange.user.reads(1200)
    exchange.peer.expects_nothing()
    exchange.user.reads(2000)
    exchange.peer.expects(". 1:1(0) ack 10001 win 3300")


# PSH and FIN


def test_a_fin_rides_on_the_last_octet() -> None:
    exchange = connect(config=DEFAULT)
    exchange.user.sends(900)
    exchange.peer.ignores()
    exchange.user.sends(900)
    exchange.user.shuts_down()
    exchange.peer.expects("FP. 901:1801(900) ack 1")


def test_a_fin_needs_room_in_the_window() -> None:
    exchange = connect(window=1000)
    exchange.user.sends(1000)
    exchange.user.shuts_down()
    exchange.peer.expects("P. 1:1001(1000) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 1001 win 1")
    exchange.peer.expects("F. 1001:1001(0) ack 1")


# Super-segments


def test_a_super_segment_is_a_multiple_of_the_segment_size() -> None:
    exchange = connect(burst=4999)
    exchange.user.sends(5500)
    first = exchange.peer.expects(". 1:4001(4000) ack 1")
    last = exchange.peer.expects("P. 4001:5501(1500) ack 1")
    assert (first.segment.gso_size, last.segment.gso_size) == (1000, 1000)


def test_a_super_segment_carries_the_fin_behind_its_last_octet() -> None:
    exchange = connect(burst=64_000, window=0)
    exchange.user.sends(2500)
    exchange.user.shuts_down()
    exchange.peer.sends(". 1:1(0) ack 1 win 65535")
    exchange.peer.expects("FP. 1:2501(2500) ack 1")


def test_one_segment_is_no_super_segment() -> None:
    exchange = connect(burst=64_000)
    exchange.user.sends(1000)
    assert exchange.peer.expects("P. 1:1001(1000) ack 1").segment.gso_size == 0


def test_a_super_segment_ends_where_the_congestion_window_does() -> None:
    exchange = connect(burst=64_000)
    exchange.user.sends(64_000)
    exchange.peer.expects(". 1:10001(10000) ack 1")
    exchange.peer.expects_nothing()


def test_with_nagle_a_super_segment_leaves_the_rest_behind() -> None:
    exchange = connect(burst=64_000, config=DEFAULT)
    exchange.user.sends(3500)
    exchange.peer.expects(". 1:3001(3000) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 3001")
    exchange.peer.expects("P. 3001:3501(500) ack 1")


# Urgent text


def test_a_window_probe_tells_of_urgent_text_that_the_window_keeps_back() -> None:
    exchange = connect(window=0)
    exchange.user.sends(10, urgent=True)
    exchange.after(RTO)
    exchange.peer.expects(".U 0:0(0) ack 1 urg 11")


# Acknowledgments


@pytest.mark.rfc("9293", "MUST-40", "SHLD-18")
def test_the_ack_of_a_segment_is_delayed_by_less_than_half_a_second() -> None:
    exchange = connect(config=replace(EAGER, acks=AckConfig(quick=0)))
    exchange.peer.sends("P. 1:101(100) ack 1")
    exchange.peer.expects_nothing()
    began = exchange.elapsed
    exchange.after(SECOND)
    assert 0 < exchange.peer.expects(". 1:1(0) ack 101").when - began < SECOND // 2


@pytest.mark.rfc("9293", "SHLD-19")
def test_every_second_full_segment_is_acknowledged() -> None:
    exchange = connect(config=replace(EAGER, acks=AckConfig(quick=0)))
    for start in (1, 2001, 4001):
        exchange.peer.sends(f". {start}:{start + 1000}(1000) ack 1")
        exchange.peer.expects_nothing()
        exchange.peer.sends(f". {start + 1000}:{start + 2000}(1000) ack 1")
        exchange.peer.expects(f". 1:1(0) ack {start + 2000}")


@pytest.mark.rfc("9293", "SHLD-19")
def test_every_second_full_segment_is_acknowledged_also_while_text_flows_both_ways() -> None:
    exchange = connect(config=replace(EAGER, acks=AckConfig(quick=0)), window=1000)
    exchange.peer.sends(". 1:1001(1000) ack 1")
    exchange.user.sends(3000)
    exchange.peer.expects(". 1:1001(1000) ack 1001")  # which settles the first
    exchange.peer.sends(". 1001:2001(1000) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 2001:3001(1000) ack 1")  # our text has to wait for the window, the ACK does not
    exchange.peer.expects(". 1001:1001(0) ack 3001")


@pytest.mark.rfc("9293", "MUST-58", "MUST-59")
def test_segments_that_come_together_are_acknowledged_together() -> None:
    exchange = connect()
    exchange.peer.sends(*(f". {start}:{start + 1000}(1000) ack 1" for start in range(1, 5001, 1000)))
    exchange.peer.expects(". 1:1(0) ack 5001")
    exchange.peer.expects_nothing()


@pytest.mark.rfc("5681", "5681.10")
def test_text_does_not_stand_in_for_duplicate_acks() -> None:
    exchange = connect("mss 1000,sackOK")
    exchange.user.sends(15_000)
    assert len(exchange.peer.ignores()) == 10
    exchange.peer.sends(*(f". {start}:{start + 1000}(1000) ack 2001" for start in (1001, 2001, 3001)))
    exchange.peer.expects(". 10001:10001(0) ack 1 <sack 1001:4001>")
    exchange.peer.expects(". 10001:10001(0) ack 1 <sack 1001:4001>")
    exchange.peer.expects(". 10001:10001(0) ack 1 <sack 1001:4001>")
    exchange.peer.expects(". 10001:11001(1000) ack 1 <>")


# Windows that shrink


@pytest.mark.rfc("9293", "MUST-34", "SHLD-15", "SHLD-16")
def test_beyond_a_shrunk_window_nothing_new_and_nothing_old_is_sent() -> None:
    exchange = connect(window=10_000, config=PLAIN)
    exchange.user.sends(20_000)
    assert len(exchange.peer.ignores()) == 10
    exchange.peer.sends(". 1:1(0) ack 1001 win 2000")
    exchange.peer.expects_nothing()
    exchange.after(RTO)
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 2001 win 1000")
    exchange.peer.expects(". 2001:3001(1000) ack 1")
    exchange.peer.expects_nothing()


@pytest.mark.rfc("9293", "MUST-35", "MAY-7")
def test_with_a_window_shrunk_to_nothing_the_first_segment_is_the_probe() -> None:
    exchange = connect(window=10_000, config=PLAIN, burst=64_000)
    exchange.user.sends(10_000)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1001 win 0")
    exchange.after(3 * RTO)
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    exchange.peer.expects_nothing()


def test_a_segment_that_the_shrunk_window_cuts_waits_for_the_rest_of_it() -> None:
    exchange = connect(window=10_000, config=PLAIN)
    exchange.user.sends(5000)
    exchange.peer.ignores()
    exchange.after(RTO)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1001 win 1500")
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 2001 win 1500")
    exchange.peer.expects(". 2001:3001(1000) ack 1")


# Retransmissions


@pytest.mark.rfc("9293", "SHLD-28")
def test_small_segments_come_again_as_one() -> None:
    exchange = connect(config=PLAIN)
    for _ in range(4):
        exchange.user.sends(300)
    assert len(exchange.peer.ignores()) == 4
    exchange.after(RTO)
    exchange.peer.expects("P. 1:901(900) ack 1")
    exchange.peer.sends(". 1:1(0) ack 901")
    exchange.peer.expects("P. 901:1201(300) ack 1")


def test_a_super_segment_comes_again_in_what_congestion_control_allows() -> None:
    exchange = connect(config=PLAIN, burst=64_000)
    exchange.user.sends(3500)
    exchange.user.shuts_down()
    exchange.peer.ignores()
    exchange.after(RTO)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1001")
    seen = exchange.peer.expects(". 1001:3001(2000) ack 1")
    assert seen.segment.gso_size == 1000
    exchange.peer.sends(". 1:1(0) ack 3001")
    exchange.peer.expects("FP. 3001:3501(500) ack 1")


def test_a_lost_fin_comes_again() -> None:
    exchange = connect(config=PLAIN)
    exchange.user.shuts_down()
    exchange.peer.expects("F. 1:1(0) ack 1")
    exchange.after(RTO)
    exchange.peer.expects("F. 1:1(0) ack 1")


@pytest.mark.rfc("3168", "3168.2")
def test_new_text_and_nothing_else_is_marked_ecn_capable() -> None:
    exchange = with_ecn()
    exchange.user.sends(100)
    exchange.peer.expects("[ect0] P. 1:101(100) ack 1")
    exchange.after(RTO)
    exchange.peer.expects("[noecn] P. 1:101(100) ack 1")
    exchange.peer.sends("P. 1:11(10) ack 101")
    exchange.peer.expects("[noecn] . 101:101(0) ack 11")
    exchange.user.shuts_down()
    exchange.peer.expects("[noecn] F. 101:101(0) ack 11")


# The tail loss probe


@pytest.mark.rfc("8985", "8985.9")
def test_a_tail_loss_probe_is_new_text_if_there_is_some() -> None:
    exchange = connect("mss 1000,sackOK")
    exchange.user.sends(11_500)
    assert len(exchange.peer.ignores()) == 10
    exchange.after(PTO)
    exchange.peer.expects(". 10001:11001(1000) ack 1")
    exchange.peer.expects_nothing()


def test_new_text_that_the_window_refuses_is_no_probe() -> None:
    exchange = connect("mss 1000,sackOK", window=2000)
    exchange.user.sends(5000)
    assert len(exchange.peer.ignores()) == 2
    exchange.after(PTO)
    exchange.peer.expects(". 1001:2001(1000) ack 1")


def test_a_fin_that_congestion_control_keeps_back_can_be_the_probe() -> None:
    exchange = connect("mss 1000,sackOK")
    exchange.user.sends(10_000)
    exchange.user.shuts_down()
    assert len(exchange.peer.ignores()) == 10
    exchange.after(PTO)
    exchange.peer.expects("F. 10001:10001(0) ack 1")


def test_a_fin_beyond_the_window_is_no_probe() -> None:
    exchange = connect("mss 1000,sackOK", window=2000)
    exchange.user.sends(2000)
    exchange.user.shuts_down()
    exchange.peer.ignores()
    exchange.after(PTO)
    exchange.peer.expects("P. 1001:2001(1000) ack 1")


@pytest.mark.rfc("8985", "8985.9")
def test_of_a_super_segment_the_last_segment_is_the_probe() -> None:
    exchange = connect("mss 1000,sackOK", burst=64_000)
    exchange.user.sends(3700)
    exchange.peer.expects("P. 1:3701(3700) ack 1")
    exchange.after(PTO)
    exchange.peer.expects("P. 3001:3701(700) ack 1")


def test_a_lone_fin_is_probed_too() -> None:
    exchange = connect("mss 1000,sackOK", config=retransmitting(rto_min=SECOND))
    exchange.user.shuts_down()
    exchange.peer.expects("F. 1:1(0) ack 1")
    exchange.after(PTO + 200 * MILLISECOND)
    exchange.peer.expects("F. 1:1(0) ack 1")
    assert exchange.counters["TCPLossProbes"] == 1


# What is not text


def test_a_reset_goes_instead_of_all_that_was_to_be_sent() -> None:
    exchange = connect(window=1000)
    exchange.user.sends(3000)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.user.aborts()
    exchange.peer.expects("R. 1001:1001(0) ack 1")
    exchange.peer.expects_nothing()


def test_until_it_is_answered_a_syn_goes_alone() -> None:
    exchange = Exchange.active()
    exchange.user.sends(10)
    exchange.peer.expects_any("S")
    exchange.peer.expects_nothing()
    exchange.after(SECOND)
    exchange.peer.expects_any("S")
    exchange.peer.expects_nothing()


def test_in_syn_sent_no_ack_is_sent() -> None:
    exchange = Exchange.active()
    exchange.peer.ignores()
    exchange.user.sends(10)
    exchange.peer.sends(". 5:5(0) ack 1")
    exchange.peer.expects_nothing()


# Congestion control and idle time


@pytest.mark.rfc("5681", "5681.9")
def test_after_an_idle_rto_sending_begins_with_a_small_window() -> None:
    exchange = connect(config=PLAIN)
    acknowledge_windows(exchange, 3)
    assert exchange.connection.tcb.congestion.cwnd > 20_000
    exchange.after(2 * SECOND)
    exchange.user.sends(30_000)
    assert len(exchange.peer.ignores()) == 10


@pytest.mark.rfc("5681", "5681.9")
def test_a_restart_after_idle_time_can_be_turned_off() -> None:
    exchange = connect(config=replace(PLAIN, congestion=replace(PLAIN.congestion, restart_after_idle=False)))
    acknowledge_windows(exchange, 3)
    exchange.after(2 * SECOND)
    exchange.user.sends(30_000)
    assert len(exchange.peer.ignores()) > 20


def acknowledge_windows(exchange: Exchange, count: int) -> None:
    """A window of text and its acknowledgments, some times; slow start."""
    exchange.user.sends(200_000)
    for _ in range(count):
        ends = [seen.words.start + seen.words.octets for seen in exchange.peer.ignores()]
        exchange.after(RTT)
        exchange.peer.sends(*(f". 1:1(0) ack {end}" for end in ends))
    tcb = exchange.connection.tcb
    while tcb.snd.outstanding:
        exchange.peer.ignores()
        exchange.peer.sends(f". 1:1(0) ack {tcb.snd.nxt - tcb.snd.iss}")
    exchange.peer.ignores()


# Recovery, as far as it shows in what is sent


@pytest.mark.rfc("9937", "9937.5", "9937.6")
@pytest.mark.rfc("3168", "3168.5")
def test_fast_recovery_sends_what_is_lost_and_then_new_text_that_says_cwr() -> None:
    exchange = Exchange.active(Setting(config=replace(PLAIN, options=OptionsConfig(ecn=Ecn.ACTIVE))))
    exchange.after(RTT)
    exchange.peer.sends("S.E 0:0(0) ack 1 win 65535 <mss 1000,sackOK>")
    exchange.peer.ignores()
    exchange.user.sends(50_000)
    assert len(exchange.peer.ignores()) == 10
    exchange.after(RTT)
    exchange.peer.sends(*(f". 1:1(0) ack 1 <sack 1001:{end}>" for end in range(2001, 10_002, 1000)))
    exchange.peer.expects("[noecn] . 1:1001(1000) ack 1")
    new = exchange.peer.ignores()
    assert new, "packets that have left make room"
    assert str(new[0]).startswith("[ect0] .W 10001:11001(1000)")
    assert all(str(seen).startswith("[ect0] . ") for seen in new[1:])


def test_new_text_does_not_put_off_the_reordering_timer() -> None:
    exchange = connect("mss 1000,sackOK")
    exchange.user.sends(3000)
    exchange.peer.ignores()
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    exchange.user.sends(1000)
    exchange.peer.expects("P. 3001:4001(1000) ack 1")
    exchange.after(RTT // 4)
    exchange.peer.expects(". 1:1001(1000) ack 1")


def test_a_probe_that_an_ack_has_overtaken_is_not_sent() -> None:
    exchange = connect("mss 1000,sackOK")
    flight(exchange, 2)
    connection = exchange.connection
    exchange.now += PTO
    connection.on_deadline(exchange.now)
    exchange.peer.sends(". 1:1(0) ack 2001")
    exchange.peer.expects_nothing()
    assert exchange.counters["TCPLossProbes"] == 0


@pytest.mark.rfc("9293", "MUST-30", "MUST-31", "MUST-62")
@pytest.mark.parametrize("iss", ISNS)
def test_urgent_text_leaves_in_no_super_segment_whose_parts_would_all_point_elsewhere(iss: int) -> None:
    exchange = connect(burst=60_000, iss=iss)
    exchange.user.sends(2500, urgent=True)
    exchange.user.sends(3500)
    exchange.peer.expects(".U 1:1001(1000) ack 1 urg 2500")
    exchange.peer.expects(".U 1001:2001(1000) ack 1 urg 1500")
    exchange.peer.expects("P.U 2001:2501(500) ack 1 urg 500")
    assert exchange.peer.expects("P. 2501:6001(3500) ack 1").segment.gso_size == 1000
    exchange.after(RTO)
    exchange.peer.expects(".U 1:1001(1000) ack 1 urg 2500")


@pytest.mark.rfc("7413", "7413.3")
def test_before_the_handshake_is_complete_text_goes_as_far_as_the_windows_allow_and_no_timer_runs_for_it() -> None:
    connection = Connection.resume(Opening(local_port=1, remote_port=2, iss=7), HalfOpen(bytes(12), 9, 7, 1000), SECOND)
    begin_at_server(connection.tcb, Segment(2, 1, seq=9, window=2000), None, SECOND)
    assert connection.poll_transmit(SECOND) is not None
    deadline = connection.next_deadline()
    for octets, sent in ((600, 600), (1400, 1000), (9000, None)):
        connection.send(bytes(octets), SECOND)
        segment = connection.poll_transmit(SECOND)
        assert (segment.octets if segment is not None else None) == sent
    assert connection.next_deadline() == deadline


LINUX = replace(
    DEFAULT,
    acks=AckConfig(nagle_for="small", patience="rto"),
    congestion=CongestionConfig(whole_segments=True, defers=True),
)


def test_minshall_sends_the_tail_of_a_large_send_and_holds_back_a_second_small_segment() -> None:
    exchange = connect("mss 1000", config=LINUX)
    exchange.user.sends(2500)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    exchange.peer.expects("P. 2001:2501(500) ack 1")
    exchange.user.sends(300)
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 2501")
    exchange.peer.expects("P. 2501:2801(300) ack 1")


def test_a_bsd_sends_the_tail_of_a_send_that_began_idle() -> None:
    exchange = connect("mss 1000", config=replace(DEFAULT, acks=AckConfig(nagle_for="earlier")))
    exchange.user.sends(1500)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.expects("P. 1001:1501(500) ack 1")
    exchange.after(1000)
    exchange.user.sends(300)
    exchange.peer.expects_nothing()


def test_linux_pushes_what_it_has_waited_with_for_an_rto() -> None:
    exchange = connect("mss 1000", config=LINUX, window=4000)
    exchange.user.sends(5000)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 4001 win 600")
    rto = exchange.connection.tcb.rtt.rto
    assert rto > 200 * MILLISECOND
    exchange.after(rto - 1)
    exchange.peer.expects_nothing()
    exchange.after(1)
    exchange.peer.expects("P. 4001:4601(600) ack 1")


def test_ten_small_segments_fill_a_window_that_counts_segments() -> None:
    exchange = connect("mss 1000,sackOK", config=replace(LINUX, acks=AckConfig(nagle=False)))
    for _ in range(12):
        exchange.user.sends(100)
    assert len(exchange.peer.ignores()) == 10
    exchange.peer.sends(". 1:1(0) ack 301")
    exchange.peer.expects("P. 1001:1201(200) ack 1")
    assert exchange.connection.tcb.congestion.cwnd == 13_000


def test_bursts_of_linux_are_no_longer_than_half_of_the_window() -> None:
    exchange = connect("mss 1000", config=LINUX, burst=65_000, rtt=1000)
    exchange.user.sends(20_000)
    exchange.peer.expects(". 1:5001(5000) ack 1")
    exchange.peer.expects(". 5001:10001(5000) ack 1")


def test_what_would_be_a_single_segment_of_a_burst_waits() -> None:
    exchange = connect("mss 1000,sackOK", config=LINUX)
    exchange.user.sends(30_000)
    exchange.peer.ignores()
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    exchange.peer.expects(". 10001:11001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:3001>")
    exchange.peer.expects_nothing()


def test_new_text_goes_ahead_of_what_a_timeout_calls_lost() -> None:
    exchange = connect("mss 1000", config=replace(PLAIN, timeouts=TimeoutConfig(frto=True)))
    exchange.user.sends(20_000)
    exchange.peer.ignores()
    exchange.after(RTO)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.peer.expects(". 10001:11001(1000) ack 1")


# Where hosts differ


def test_a_probe_of_a_closed_window_may_have_the_next_octet() -> None:
    exchange = connect(config=replace(EAGER, timeouts=TimeoutConfig(probes_with_text=True)), window=100)
    exchange.user.sends(200)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 101 win 0")
    exchange.after(RTO)
    exchange.peer.expects(". 101:102(1) ack 1")


def test_a_bsd_cuts_its_queue_into_full_segments_anew_after_a_timeout() -> None:
    config = replace(PLAIN, congestion=CongestionConfig(algorithm="reno", byte_limit=2))
    exchange = connect("mss 1000", config=config)
    exchange.user.sends(600)
    exchange.user.sends(600)
    exchange.peer.ignores()
    exchange.after(RTO)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.peer.expects("P. 1001:1201(200) ack 1")


PIECEMEAL = LinuxRetransmissionConfig(gathers=False)
KERNEL = replace(
    EAGER,
    congestion=CongestionConfig(algorithm="reno", whole_segments=True, defers=True),
    timeouts=TimeoutConfig(mtu_search=MtuSearchConfig(mode=2), linux=PIECEMEAL),
)


def test_a_probe_of_the_path_s_mtu_is_one_large_segment_and_what_follows_it_waits_for_room() -> None:
    exchange = connect("mss 1460,sackOK", config=KERNEL, burst=65_535)
    exchange.user.sends(40_000)
    exchange.peer.ignores()
    exchange.after(RTT)
    exchange.connection.tcb.congestion.cwnd = 11 * 1024
    exchange.user.sends(1000)
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 1025")
    exchange.peer.expects(". 10241:11483(1242) ack 1")
    exchange.peer.ignores()
    assert exchange.counters["TCPMTUProbes"] == 1


def test_small_segments_become_one_of_full_size_and_large_ones_stay_apart() -> None:
    config = replace(KERNEL, timeouts=TimeoutConfig(linux=PIECEMEAL))
    exchange = connect("mss 1000,sackOK", config=config)
    for octets in (300, 300, 600, 1000):
        exchange.user.sends(octets)
    exchange.peer.ignores()
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1201:2201>")
    exchange.peer.ignores()
    exchange.after(RTO)
    exchange.peer.expects("P. 1:601(600) ack 1")


def test_where_records_are_not_gathered_one_of_full_size_comes_again_as_it_was() -> None:
    exchange = connect(config=replace(PLAIN, timeouts=TimeoutConfig(linux=PIECEMEAL)))
    flight(exchange, 2)
    exchange.after(RTO)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.expects_nothing()


def test_the_probe_of_a_window_that_has_shrunk_keeps_to_it() -> None:
    config = replace(KERNEL, timeouts=TimeoutConfig(linux=PIECEMEAL))
    for window, probe in ((500, ". 1001:1501(500) ack 1"), (0, ". 1001:2001(1000) ack 1")):
        exchange = connect("mss 1000,sackOK", config=config)
        exchange.user.sends(2000)
        exchange.peer.ignores()
        exchange.peer.sends(f". 1:1(0) ack 1001 win {window}")
        exchange.after(PTO + 200 * MILLISECOND)
        seen = exchange.peer.ignores()
        assert [str(each.words).split(" win")[0].removeprefix("P").strip() for each in seen][:1] == [probe]


def test_nothing_that_a_window_has_left_is_probed_for_behind_what_it_takes() -> None:
    config = replace(KERNEL, timeouts=TimeoutConfig(linux=PIECEMEAL))
    exchange = connect("mss 1000,sackOK", config=config)
    for _ in range(3):
        exchange.user.sends(1000)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1001 win 1000")
    exchange.after(PTO + 200 * MILLISECOND)
    assert all("2001" not in str(each.words).split("(")[0].split(":")[0] for each in exchange.peer.ignores())


def test_a_paced_connection_waits_with_text() -> None:
    pace = PaceConfig(enabled=True, largest_rate=1000)
    exchange = connect("mss 1000,sackOK", config=replace(EAGER, congestion=CongestionConfig(pace=pace)))
    exchange.connection.tcb.recovery.clear_at = exchange.now + SECOND
    exchange.user.sends(1000)
    exchange.peer.expects_nothing()
    exchange.after(SECOND)
    exchange.peer.expects("P. 1:1001(1000) ack 1")
