"""What counts as lost, and when (RFC 5681 3.2, RFC 6582, RFC 6675, RFC 8985)."""

from dataclasses import replace

import pytest

from halfopen.tcp.config import TcpConfig
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.in_network import pipe
from halfopen.tcp.tcb import Phase
from tests.tcp.exchanges import PLAIN, RTO, RTT, WITHOUT_RACK, connect, duplicates, flight, starts

SACK = "mss 1000,sackOK"
ISNS = [0, (1 << 32) - 1, (1 << 32) - 3000, (1 << 31) - 1]
WITH_AND_WITHOUT_RACK = pytest.mark.parametrize("config", [PLAIN, WITHOUT_RACK], ids=["RACK", "no RACK"])


def test_a_hole_that_was_filled_a_moment_ago_is_not_filled_again() -> None:
    exchange = connect(config=PLAIN, burst=64_000)
    exchange.user.sends(8000)
    exchange.peer.ignores()
    exchange.after(RTT)
    duplicates(exchange, 1, 3)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 501")  # half of it
    exchange.peer.expects_nothing()


@pytest.mark.rfc("6582", "6582.4")
def test_after_a_timeout_what_was_sent_less_than_a_round_trip_ago_is_not_lost_again() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 10)
    exchange.after(RTO)
    assert starts(exchange) == [1]
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1001")
    assert starts(exchange) == [1001, 2001]
    exchange.peer.sends(". 1:1(0) ack 3001")
    assert starts(exchange) == [3001, 4001, 5001, 6001]
    exchange.after(RTT // 2)
    duplicates(exchange, 3001, 3)
    assert 3001 not in starts(exchange)
    assert exchange.counters["TCPRenoRecovery"] == 0


def test_after_a_timeout_a_lost_retransmission_is_found_by_its_duplicates() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 10)
    exchange.after(RTO)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1001", ". 1:1(0) ack 3001")
    assert starts(exchange) == [1, 3001, 4001, 5001, 6001]
    exchange.after(2 * RTT)
    duplicates(exchange, 3001, 3)
    assert starts(exchange)[0] == 3001
    assert exchange.counters["TCPRenoRecovery"] == 1


def test_after_a_leap_as_many_duplicates_may_be_needless_copies() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 10)
    exchange.after(RTO)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 6001")
    assert starts(exchange) == [1, 6001, 7001]
    exchange.after(2 * RTT)
    duplicates(exchange, 6001, 8)
    assert exchange.counters["TCPRenoRecovery"] == 0
    duplicates(exchange, 6001, 1)
    assert exchange.counters["TCPRenoRecovery"] == 1


@pytest.mark.rfc("6675", "6675.1", "6675.2", "6675.3")
@pytest.mark.rfc("8985", "8985.3")
@WITH_AND_WITHOUT_RACK
@pytest.mark.parametrize("iss", ISNS)
def test_what_is_far_enough_below_the_sacks_is_sent_again(config: TcpConfig, iss: int) -> None:
    exchange = connect(SACK, config=config, iss=iss)
    flight(exchange, 9)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1001 <sack 2001:4001>")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 1001 <sack 2001:5001>")
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    exchange.peer.expects_nothing()
    assert pipe(exchange.connection.tcb) == 5000
    assert exchange.counters["TCPSackRecovery"] == 1


@pytest.mark.rfc("6675", "6675.4")
def test_three_duplicates_suffice_where_segments_are_small() -> None:
    exchange = connect(SACK, config=WITHOUT_RACK)
    flight(exchange, 1, 100)
    flight(exchange, 1, 100)
    flight(exchange, 1, 100)
    flight(exchange, 1, 100)
    exchange.after(RTT)
    for end in (201, 301):
        exchange.peer.sends(f". 1:1(0) ack 1 <sack 101:{end}>")
        exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 1 <sack 101:401>")
    exchange.peer.expects("P. 1:101(100) ack 1")


@pytest.mark.rfc("8985", "8985.4")
def test_two_segments_out_of_order_are_waited_for_a_quarter_of_a_round_trip() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 3)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:3001>")
    exchange.after(RTT // 4 - 1)
    exchange.peer.expects_nothing()
    exchange.after(1)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    assert exchange.connection.tcb.recovery.phase is Phase.RECOVERY


@pytest.mark.rfc("8985", "8985.4")
def test_where_order_was_seen_to_break_even_three_are_waited_for() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 3)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>", ". 1:1(0) ack 3001")
    flight(exchange, 6)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 3001 <sack 4001:9001>")
    exchange.peer.expects_nothing()
    exchange.after(RTT // 4)
    exchange.peer.expects(". 3001:4001(1000) ack 1")


@pytest.mark.rfc("8985", "8985.6")
def test_a_lost_retransmission_is_found_by_what_was_sent_after_it() -> None:
    exchange = connect(SACK, config=PLAIN)
    exchange.user.sends(40_000)
    assert len(exchange.peer.ignores()) == 10
    exchange.after(RTT)
    exchange.peer.sends(*(f". 1:1(0) ack 1 <sack 1001:{end}>" for end in range(2001, 10_002, 1000)))
    assert starts(exchange)[:2] == [1, 10_001]
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:11001>")
    exchange.after(RTT // 4)
    assert 1 in starts(exchange)
    assert exchange.counters["TCPTimeouts"] == 0


def test_in_recovery_further_duplicates_show_no_further_loss() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 8)
    exchange.after(RTT)
    duplicates(exchange, 1, 3)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.after(RTT)
    duplicates(exchange, 1, 4)
    exchange.peer.expects_nothing()
    assert exchange.connection.tcb.snd.flight.lost == 0


def test_on_a_bsd_every_hole_below_a_sack_is_lost_once_recovery_has_begun() -> None:
    congestion = CongestionConfig(algorithm="reno", byte_limit=2)
    exchange = connect(SACK, config=replace(WITHOUT_RACK, congestion=congestion))
    flight(exchange, 8)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:4001>")
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1 <sack 5001:6001 1001:4001>")
    assert 4001 in starts(exchange)
