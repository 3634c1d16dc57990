"""How much is in the network, and how much may follow (RFC 6675 4, RFC 5681 3.1, RFC 9937 5)."""

from dataclasses import replace

import pytest

from halfopen.base.clock import SECOND
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.in_network import in_segments, pipe, room
from tests.tcp.exchanges import EAGER, PLAIN, RTT, WITHOUT_RACK, connect, duplicates, flight, starts

SACK = "mss 1000,sackOK"
WHOLE = replace(EAGER, congestion=CongestionConfig(algorithm="reno", whole_segments=True))


def test_without_sack_a_duplicate_stands_for_a_segment_that_has_left() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 5)
    tcb = exchange.connection.tcb
    assert pipe(tcb) == 5000
    duplicates(exchange, 1, 2)
    assert pipe(tcb) == 3000


def test_what_is_selectively_acknowledged_has_left_the_network() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 5)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:3001>")
    assert pipe(exchange.connection.tcb) == 3000


def test_in_whole_segments_half_of_one_counts_as_one() -> None:
    exchange = connect(SACK, config=WHOLE)
    exchange.user.sends(1500)
    exchange.peer.ignores()
    tcb = exchange.connection.tcb
    assert (tcb.snd.pipe, pipe(tcb), room(tcb)) == (1500, 2000, 8000)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:1501>")
    assert pipe(tcb) == 1000


def test_what_was_sent_again_and_is_not_lost_after_all_counts_twice() -> None:
    exchange = connect(SACK, config=WHOLE)
    flight(exchange, 2)
    tcb = exchange.connection.tcb
    tcb.snd.flight.mark_all_lost()
    assert in_segments(tcb) == 0
    tcb.snd.flight.retransmit(tcb.snd.flight.records[0], exchange.now)
    assert in_segments(tcb) == 1000
    tcb.snd.flight.unmark_lost()
    assert in_segments(tcb) == 3000


def test_in_recovery_less_room_than_a_segment_is_one() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 10)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:6001>")
    tcb = exchange.connection.tcb
    tcb.congestion.cwnd = pipe(tcb) + 1
    assert room(tcb) == 1000
    tcb.congestion.cwnd = pipe(tcb)
    assert room(tcb) == 0


def test_with_nothing_in_the_network_there_is_room_for_a_segment() -> None:
    tcb = connect(config=PLAIN).connection.tcb
    for cwnd in (0, 10):
        tcb.congestion.cwnd = cwnd
        assert room(tcb) == 1000


def test_less_room_than_a_segment_is_waited_with_outside_of_recovery() -> None:
    exchange = connect(config=PLAIN)
    exchange.connection.tcb.congestion.cwnd = 2500
    exchange.user.sends(5000)
    assert starts(exchange) == [1, 1001]
    exchange.connection.tcb.congestion.cwnd = 10
    exchange.peer.sends(". 1:1(0) ack 2001")
    assert len(exchange.peer.ignores()) == 1
    exchange.after(SECOND)


@pytest.mark.parametrize("options", ["mss 1000", SACK])
def test_without_limited_transmit_duplicates_let_nothing_new_out(options: str) -> None:
    congestion = CongestionConfig(algorithm="reno", initial_window=4, limited_transmit=False)
    exchange = connect(options, config=replace(WITHOUT_RACK, congestion=congestion))
    exchange.user.sends(8000)
    exchange.peer.ignores()
    sacks = " <sack 1001:2001>" if "sackOK" in options else ""
    exchange.peer.sends(f". 1:1(0) ack 1{sacks}")
    exchange.peer.expects_nothing()
