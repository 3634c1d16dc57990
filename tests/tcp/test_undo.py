"""Retransmissions that turn out to have been needless (RFC 3522, RFC 3708, RFC 4015)."""

from dataclasses import replace

import pytest

from halfopen.tcp.config import TimeoutConfig
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.tcb import Phase
from halfopen.tcp.trials import TailProbe
from halfopen.tcp.undo import start_undo
from halfopen.testing.exchange import Exchange
from tests.tcp.exchanges import EAGER, PLAIN, PTO, RTO, RTT, WITHOUT_RACK, connect, flight

SACK = "mss 1000,sackOK"
STAMPS = "mss 1012,TS val 7 ecr 1000"
BOTH = "mss 1012,sackOK,TS val 7 ecr 1000"


@pytest.mark.parametrize("options", [STAMPS, BOTH])
def test_an_ack_of_the_original_takes_a_timeout_back(options: str) -> None:
    exchange = connect(options, config=PLAIN)
    flight(exchange, 8)
    exchange.after(RTO)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    congestion = exchange.connection.tcb.congestion
    assert congestion.cwnd == 1000
    exchange.peer.sends(". 1:1(0) ack 1001 <TS val 8 ecr 1050>")
    exchange.peer.expects_nothing()
    assert congestion.cwnd >= 10_000
    assert congestion.ssthresh > 64_000
    assert exchange.connection.tcb.recovery.phase is Phase.OPEN
    assert exchange.counters["TCPSpuriousRTOs"] == 1


def test_an_ack_of_the_retransmission_takes_nothing_back() -> None:
    exchange = connect(STAMPS, config=PLAIN)
    flight(exchange, 8)
    exchange.after(RTO)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1001 <TS val 8 ecr 1300>")
    assert len(exchange.peer.ignores()) == 2
    assert exchange.connection.tcb.recovery.phase is Phase.LOSS
    assert exchange.counters["TCPSpuriousRTOs"] == 0


@pytest.mark.parametrize("ack", [". 1:1(0) ack 1001", ". 1:1(0) ack 1001 <TS val 8 ecr 0>"])
def test_an_ack_without_an_echo_proves_nothing(ack: str) -> None:
    exchange = connect(STAMPS, config=PLAIN)
    flight(exchange, 8)
    exchange.after(RTO)
    exchange.peer.ignores()
    exchange.peer.sends(ack)
    assert exchange.connection.tcb.recovery.phase is Phase.LOSS


@pytest.mark.parametrize("config", [PLAIN, WITHOUT_RACK], ids=["RACK", "no RACK"])
def test_an_ack_of_the_original_takes_a_fast_retransmit_back(config: object) -> None:
    assert isinstance(config, type(PLAIN))
    exchange = connect(BOTH, config=config)
    flight(exchange, 8)
    exchange.after(RTT)
    exchange.peer.sends(*(f". 1:1(0) ack 1 <TS val 8 ecr 1050,sack 1001:{end}>" for end in (2001, 3001, 4001)))
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 4001 <TS val 9 ecr 1050>")
    assert exchange.counters["TCPFullUndo"] == 1
    assert exchange.connection.tcb.congestion.cwnd >= 10_000
    rack = exchange.connection.tcb.recovery.rack
    assert rack is None or rack.reordering_seen


@pytest.mark.rfc("2883", "2883.4")
def test_once_the_peer_has_everything_twice_that_was_sent_twice_the_reduction_is_taken_back() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 8)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 2001:5001>")
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1 <sack 2001:6001>")
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 8001")
    congestion = exchange.connection.tcb.congestion
    assert congestion.ssthresh == 4000
    exchange.peer.sends(". 1:1(0) ack 8001 <sack 1:1001>")  # nothing need be in flight
    assert congestion.ssthresh == 4000
    exchange.user.sends(1000)
    exchange.peer.sends(". 1:1(0) ack 8001 <sack 1001:2001>")
    assert congestion.ssthresh > 64_000
    assert exchange.counters["TCPDSACKUndo"] == 1


@pytest.mark.parametrize("block", ["8001:9001", "-999:1", "1:1", "2001:1001"])
def test_duplicates_that_nobody_retransmitted_prove_nothing(block: str) -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 8)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:5001>")
    exchange.peer.sends(". 1:1(0) ack 8001")
    exchange.user.sends(5000)
    exchange.peer.sends(f". 1:1(0) ack 9001 <sack {block}>")
    assert exchange.counters["TCPDSACKUndo"] == 0
    assert exchange.connection.tcb.congestion.ssthresh == 4000


def test_without_a_retransmission_there_is_nothing_to_take_back() -> None:
    exchange = connect(BOTH, config=PLAIN)
    flight(exchange, 8)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1001 <TS val 9 ecr 1050,sack 1:1001>")
    assert exchange.connection.tcb.recovery.trials.undo is None
    assert exchange.counters["TCPDSACKUndo"] == 0


def test_what_was_marked_lost_and_not_sent_again_is_no_proof() -> None:
    exchange = connect(BOTH, config=PLAIN)
    flight(exchange, 8)
    exchange.now += RTO
    connection = exchange.connection
    connection.on_deadline(exchange.now)  # and the ACK comes before anything is polled
    exchange.peer.sends(". 1:1(0) ack 1001 <TS val 8 ecr 1050>")
    assert exchange.counters["TCPSpuriousRTOs"] == 0
    assert connection.tcb.recovery.phase is Phase.LOSS


def test_a_timeout_without_timestamps_is_taken_back_by_duplicates() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 1)
    exchange.after(RTO)
    exchange.peer.expects("P. 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1001")
    flight(exchange, 1)
    exchange.peer.sends(". 1:1(0) ack 1001 <sack 1:1001>")
    assert exchange.counters["TCPDSACKUndo"] == 1
    assert exchange.connection.tcb.congestion.cwnd >= 10_000


@pytest.mark.rfc("7323", "7323.8")
def test_the_echo_of_a_probe_is_a_round_trip_like_any_other() -> None:
    exchange = connect(BOTH, config=EAGER)
    flight(exchange, 2)
    exchange.after(PTO)
    assert len(exchange.peer.ignores()) == 1
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 2001 <TS val 8 ecr 1150>")
    assert exchange.connection.tcb.rtt.latest_rtt == RTT


FRTO = replace(PLAIN, timeouts=TimeoutConfig(frto=True))
"""What RFC 5682 adds."""


def timed_out(options: str = SACK, segments: int = 20) -> Exchange:
    """An initial window, of which nothing has been heard for an RTO."""
    exchange = connect(options, config=FRTO)
    exchange.user.sends(segments * 1000)
    assert len(exchange.peer.ignores()) == min(segments, 10)
    exchange.after(RTO)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    return exchange


@pytest.mark.parametrize("options", ["mss 1000", SACK])
@pytest.mark.rfc("5682", "3.1")
def test_after_a_timeout_new_text_is_tried_and_the_second_ack_proves_it_needless(options: str) -> None:
    exchange = timed_out(options)
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.peer.expects(". 10001:11001(1000) ack 1")
    exchange.peer.expects(". 11001:12001(1000) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 2001")
    assert exchange.counters["TCPSpuriousRTOs"] == 1
    assert exchange.connection.tcb.recovery.phase is Phase.OPEN
    assert exchange.connection.tcb.congestion.cwnd >= 10_000


def test_a_sack_of_the_new_text_proves_that_something_was_lost() -> None:
    exchange = timed_out()
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1001 <sack 10001:11001>")
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    assert exchange.connection.tcb.recovery.phase is Phase.LOSS


def test_without_new_text_what_may_be_lost_is_sent_again() -> None:
    exchange = timed_out(segments=10)
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.peer.expects(". 1001:2001(1000) ack 1")


def test_a_sack_of_what_was_sent_once_proves_it_too() -> None:
    exchange = timed_out(segments=1 + 9)
    exchange.peer.sends(". 1:1(0) ack 1001 <sack 2001:3001>")
    assert exchange.counters["TCPSpuriousRTOs"] == 1


def test_a_repeated_ack_of_what_was_sent_again_leaves_it_open() -> None:
    exchange = timed_out("mss 1000,sackOK")
    exchange.peer.sends(". 1:1(0) ack 1 <sack 10001:10001>")
    assert exchange.connection.tcb.recovery.phase is Phase.LOSS
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.peer.expects(". 10001:11001(1000) ack 1")


LINUX = replace(PLAIN, congestion=CongestionConfig(whole_segments=True))


def test_in_whole_segments_what_is_still_on_its_way_twice_has_to_be_reported_as_well() -> None:
    exchange = connect(SACK, config=LINUX)
    flight(exchange, 8)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:4001>")
    exchange.peer.ignores()
    tcb = exchange.connection.tcb
    assert tcb.recovery.trials.undo is not None
    assert tcb.recovery.trials.undo.octets == 1000
    start_undo(tcb, exchange.now)
    assert tcb.recovery.trials.undo.octets == 1000
    tcb.recovery.trials.probe = TailProbe(1, is_retransmission=True)
    start_undo(tcb, exchange.now)
    assert tcb.recovery.trials.undo.octets == 2000
    tcb.recovery.trials.probe = TailProbe(1, is_retransmission=False)
    start_undo(tcb, exchange.now)
    assert tcb.recovery.trials.undo.octets == 1000
