"""What an ACK says about round trips, losses and the window (RFC 5681, 6298, 6582, 6675, 8985, 9937, 3168)."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, NEVER
from halfopen.base.trace import ListSink
from halfopen.tcp.config import ArrivalConfig, Ecn, OptionsConfig, TcpConfig
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.in_network import pipe
from halfopen.tcp.mtu_search import MtuProbe, MtuSearch
from halfopen.tcp.recovery import on_rack_deadline
from halfopen.tcp.tcb import Phase
from halfopen.tcp.trials import TailProbe
from halfopen.testing.exchange import Exchange, Setting
from tests.tcp.exchanges import (
    EAGER,
    PLAIN,
    PTO,
    RTO,
    RTT,
    WITHOUT_RACK,
    connect,
    duplicates,
    flight,
    shrunk_by_an_option,
    starts,
)
from tests.tcp.permits import weak

SACK = "mss 1000,sackOK"
STAMPS = "mss 1012,TS val 7 ecr 1000"
BOTH = "mss 1012,sackOK,TS val 7 ecr 1000"
ISNS = [0, (1 << 32) - 1, (1 << 32) - 3000, (1 << 31) - 1]
WITH_AND_WITHOUT_RACK = pytest.mark.parametrize("config", [PLAIN, WITHOUT_RACK], ids=["RACK", "no RACK"])


# Duplicate ACKs, limited transmit, fast retransmit


@pytest.mark.rfc("5681", "5681.7")
@pytest.mark.rfc("5681", "5681.6")
@pytest.mark.parametrize("iss", ISNS)
def test_two_duplicates_let_a_new_segment_go_each_and_the_third_the_lost_one(iss: int) -> None:
    exchange = connect(config=PLAIN, iss=iss)
    exchange.user.sends(20_000)
    assert len(exchange.peer.ignores()) == 10
    exchange.after(RTT)
    duplicates(exchange, 1, 1)
    exchange.peer.expects(". 10001:11001(1000) ack 1")
    duplicates(exchange, 1, 1)
    exchange.peer.expects(". 11001:12001(1000) ack 1")
    assert exchange.connection.tcb.congestion.cwnd == 10_000
    exchange.peer.expects_nothing()
    duplicates(exchange, 1, 1)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    assert exchange.counters["TCPRenoRecovery"] == 1


@pytest.mark.rfc("5681", "5681.6")
@pytest.mark.parametrize(
    "segment",
    ["P. 1:2(1) ack 1", ". 1:1(0) ack 1 win {}", "F. 1:1(0) ack 1"],
    ids=["text", "another window", "FIN"],
)
def test_what_else_repeats_an_acknowledgment_is_no_duplicate(segment: str) -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 5)
    for window in (60_000, 59_000, 58_000, 57_000):
        exchange.peer.sends(segment.format(window))
    assert exchange.connection.tcb.recovery.dupacks == 0
    assert exchange.connection.tcb.recovery.phase is Phase.OPEN


def test_with_nothing_in_flight_an_ack_says_only_what_the_window_is() -> None:
    exchange = connect(config=PLAIN)
    duplicates(exchange, 1, 5)
    assert exchange.connection.tcb.recovery.dupacks == 0
    exchange.peer.sends(". 1:1(0) ack 1 win 500")
    assert exchange.connection.tcb.snd.wnd == 500


# NewReno


@pytest.mark.rfc("6582", "6582.2", "6582.3")
@pytest.mark.parametrize("iss", ISNS)
def test_a_partial_ack_brings_the_next_hole_and_a_full_one_the_end(iss: int) -> None:
    exchange = connect(config=PLAIN, iss=iss)
    flight(exchange, 8)
    exchange.after(RTT)
    duplicates(exchange, 1, 5)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    tcb = exchange.connection.tcb
    assert (tcb.recovery.phase, tcb.congestion.ssthresh) == (Phase.RECOVERY, 4000)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 3001")
    exchange.peer.expects(". 3001:4001(1000) ack 1")
    exchange.peer.expects_nothing()
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 8001")
    assert (tcb.recovery.phase, tcb.congestion.cwnd) == (Phase.OPEN, 4000)


@pytest.mark.rfc("6582", "6582.5")
def test_each_partial_ack_restarts_the_timer() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 8)
    duplicates(exchange, 1, 5)
    for ack in (1001, 2001, 3001):
        exchange.after(100 * MILLISECOND)
        exchange.peer.sends(f". 1:1(0) ack {ack}")
        assert exchange.connection.tcb.recovery.phase is Phase.RECOVERY
        assert exchange.next_deadline() == exchange.now + exchange.connection.tcb.rtt.rto


@pytest.mark.rfc("6582", "6582.1")
def test_duplicates_of_the_window_before_begin_no_second_recovery() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 8)
    exchange.after(RTT)
    duplicates(exchange, 1, 7)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 8001")
    flight(exchange, 4)
    duplicates(exchange, 8001, 3)
    exchange.peer.expects_nothing()
    assert exchange.counters["TCPRenoRecovery"] == 1


# SACK


@pytest.mark.rfc("6675", "6675.5", "6675.7", "6675.8")
@WITH_AND_WITHOUT_RACK
def test_recovery_fills_all_holes_and_ends_where_it_began(config: TcpConfig) -> None:
    exchange = connect(SACK, config=config)
    flight(exchange, 10)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>", ". 1:1(0) ack 1 <sack 3001:4001 1001:2001>")
    exchange.peer.sends(". 1:1(0) ack 1 <sack 5001:8001 3001:4001 1001:2001>")
    exchange.peer.sends(". 1:1(0) ack 1 <sack 5001:10001 3001:4001 1001:2001>")
    assert sorted(starts(exchange)) == [1, 2001, 4001]
    tcb = exchange.connection.tcb
    assert tcb.congestion.cwnd <= 10_000
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 2001 <sack 5001:10001 3001:4001>")
    assert tcb.recovery.phase is Phase.RECOVERY
    exchange.peer.sends(". 1:1(0) ack 10001")
    assert (tcb.recovery.phase, tcb.congestion.cwnd) == (Phase.OPEN, tcb.congestion.ssthresh)


def test_a_duplicate_without_news_is_none_to_who_has_sack() -> None:
    exchange = connect(SACK, config=WITHOUT_RACK)
    flight(exchange, 5)
    duplicates(exchange, 1, 5)
    exchange.peer.expects_nothing()
    assert exchange.connection.tcb.recovery.dupacks == 0


# RACK


def test_in_recovery_the_reordering_timer_begins_no_second_one() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 2)
    exchange.after(10 * MILLISECOND)
    flight(exchange, 8)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>", ". 1:1(0) ack 2001 <sack 3001:4001>")
    exchange.after(RTT // 4)
    assert starts(exchange) == [2001]
    exchange.peer.sends(". 1:1(0) ack 2001 <sack 3001:4001 5001:6001>")
    exchange.after(RTT // 4)
    assert 4001 in starts(exchange)
    assert exchange.counters["TCPSackRecovery"] == 1


def test_fast_recovery_is_told_to_the_trace() -> None:
    exchange = connect(SACK, config=PLAIN)
    story = ListSink()
    tcb = exchange.connection.tcb
    tcb.opening = replace(tcb.opening, trace=story)
    flight(exchange, 8)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:8001>")
    assert [(event.what, event.details) for event in story.events] == [("fast recovery", "ssthresh 4000")]


# Proportional rate reduction


@pytest.mark.rfc("9937", "9937.1", "9937.2", "9937.3")
@pytest.mark.parametrize("options", ["mss 1000", SACK])
def test_over_a_recovery_half_a_segment_is_sent_for_each_that_is_delivered(options: str) -> None:
    exchange = connect(options, config=PLAIN)
    exchange.connection.tcb.congestion.cwnd = 20_000
    exchange.user.sends(100_000)
    assert len(exchange.peer.ignores()) == 20
    exchange.after(RTT)
    for end in range(2001, 20_002, 1000):
        block = f" <sack 1001:{end}>" if "sackOK" in options else ""
        exchange.peer.sends(f". 1:1(0) ack 1{block}")
    assert exchange.connection.tcb.congestion.ssthresh == 10_000
    assert 8 <= len(exchange.peer.ignores()) <= 13
    assert pipe(exchange.connection.tcb) <= 11_000


@pytest.mark.rfc("9937", "9937.2")
def test_what_duplicates_have_counted_is_not_delivered_again_by_the_ack_behind_them() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 10)
    exchange.after(RTT)
    duplicates(exchange, 1, 8)
    prr = exchange.connection.tcb.recovery.prr
    assert prr is not None
    before = prr.delivered
    exchange.peer.sends(". 1:1(0) ack 9001")
    assert prr.delivered - before == 1000
    assert exchange.connection.tcb.recovery.dupacks == 0


@pytest.mark.rfc("9937", "9937.5", "9937.6")
def test_the_window_is_never_less_than_a_segment() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 4)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:4001>")
    exchange.peer.expects(". 1:1001(1000) ack 1")
    duplicates(exchange, 1, 2)
    assert exchange.connection.tcb.congestion.cwnd >= 1000


# Round trips


@pytest.mark.rfc("6298", "6298.7")
@pytest.mark.rfc("9293", "MUST-18")
def test_what_was_sent_twice_measures_nothing() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 1)
    exchange.after(RTO)
    exchange.peer.ignores()
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1001")
    rtt = exchange.connection.tcb.rtt
    assert (rtt.latest_rtt, rtt.rto) == (RTT, 2 * RTO)
    flight(exchange, 1)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 2001")
    assert rtt.rto <= RTO


@pytest.mark.rfc("6298", "6298.7")
def test_what_waited_behind_a_hole_measures_nothing_either() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 3)
    exchange.after(RTO)
    assert starts(exchange) == [1]
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 3001")
    assert exchange.connection.tcb.rtt.latest_rtt == RTT
    assert exchange.connection.tcb.rtt.srtt == RTT


@pytest.mark.rfc("6298", "6298.8")
def test_the_latest_segment_that_an_ack_covers_measures_the_round_trip() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 1)
    exchange.after(30 * MILLISECOND)
    flight(exchange, 1)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 2001")
    assert exchange.connection.tcb.rtt.latest_rtt == RTT


@pytest.mark.rfc("6298", "6298.7")
@pytest.mark.rfc("7323", "7323.8")
def test_an_echoed_timestamp_measures_a_retransmission() -> None:
    exchange = connect(STAMPS, config=PLAIN)
    flight(exchange, 1)
    exchange.after(RTO)
    exchange.after(2 * RTT)
    exchange.peer.sends(". 1:1(0) ack 1001 <TS val 8 ecr 1300>")
    assert exchange.connection.tcb.rtt.latest_rtt == 2 * RTT
    assert exchange.connection.tcb.rtt.backoffs == 0


@pytest.mark.rfc("6298", "6298.7")
def test_an_echo_from_before_the_timeout_measures_nothing() -> None:
    exchange = connect(STAMPS, config=PLAIN)
    flight(exchange, 1)
    exchange.after(RTO)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1001 <TS val 8 ecr 1050>")
    assert exchange.connection.tcb.rtt.latest_rtt == RTT
    assert exchange.connection.tcb.rtt.rto == 2 * RTO


@pytest.mark.rfc("7323", "7323.8")
def test_an_echo_of_zero_is_none() -> None:
    exchange = connect(STAMPS, config=PLAIN)
    flight(exchange, 1)
    exchange.after(RTO)
    exchange.peer.sends(". 1:1(0) ack 1001 <TS val 8 ecr 0>")
    assert exchange.connection.tcb.rtt.rto == 2 * RTO


@pytest.mark.parametrize("options", [SACK, BOTH])
def test_if_only_the_ack_was_lost_the_backoff_ends(options: str) -> None:
    """The ACK that comes acknowledges, and reports as a duplicate: so the first copy had arrived too."""
    exchange = connect(options, config=PLAIN)
    flight(exchange, 1)
    exchange.after(RTO + 2 * RTO)
    rtt = exchange.connection.tcb.rtt
    assert rtt.rto == 4 * RTO
    stamps = "TS val 8 ecr 1050," if "TS" in options else ""
    exchange.peer.sends(f". 1:1(0) ack 1001 <{stamps}sack 1:1001>")
    assert (rtt.rto, rtt.backoffs) == (RTO, 0)


@pytest.mark.parametrize("block", ["-999:1", "1:2001", "1001:1"])
def test_other_duplicates_do_not_end_the_backoff(block: str) -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 2)
    exchange.after(RTO)
    exchange.peer.sends(f". 1:1(0) ack 1001 <sack {block}>")
    assert exchange.connection.tcb.rtt.backoffs == 1


# ECN


def with_ecn(options: str = SACK) -> Exchange:
    exchange = Exchange.active(Setting(config=replace(PLAIN, options=OptionsConfig(ecn=Ecn.ACTIVE))))
    exchange.after(RTT)
    exchange.peer.sends(f"S.E 0:0(0) ack 1 win 65535 <{options}>")
    exchange.peer.ignores()
    return exchange


@pytest.mark.rfc("3168", "3168.4", "3168.5")
@pytest.mark.rfc("9293", "SHLD-8")
def test_congestion_echo_halves_the_window_once_and_the_next_new_text_says_so() -> None:
    exchange = with_ecn()
    flight(exchange, 10)
    exchange.after(RTT)
    congestion = exchange.connection.tcb.congestion
    exchange.peer.sends(".E 1:1(0) ack 1001")
    assert (congestion.cwnd, congestion.ssthresh) == (5000, 5000)
    exchange.peer.sends(".E 1:1(0) ack 3001", ".E 1:1(0) ack 10001")
    assert congestion.cwnd == 5000
    exchange.user.sends(2000)
    exchange.peer.expects("[ect0] .W 10001:11001(1000) ack 1")
    exchange.peer.expects("[ect0] P. 11001:12001(1000) ack 1")
    exchange.peer.sends(".E 1:1(0) ack 12001")
    assert congestion.ssthresh == 2000
    assert exchange.counters["TCPECNReductions"] == 2


@pytest.mark.rfc("9438", "9438.8")
def test_cubic_takes_a_congestion_echo_for_a_loss() -> None:
    exchange = Exchange.active(Setting(config=replace(EAGER, options=OptionsConfig(ecn=Ecn.ACTIVE))))
    exchange.after(RTT)
    exchange.peer.sends(f"S.E 0:0(0) ack 1 win 65535 <{SACK}>")
    exchange.peer.ignores()
    flight(exchange, 10)
    exchange.after(RTT)
    exchange.peer.sends(".E 1:1(0) ack 1001")
    assert exchange.connection.tcb.congestion.ssthresh == 7000


def test_echoes_that_were_never_agreed_on_are_ignored() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 10)
    exchange.peer.sends(".E 1:1(0) ack 1001")
    assert exchange.connection.tcb.congestion.cwnd >= 10_000


@pytest.mark.rfc("3168", "3168.4")
def test_a_loss_and_an_echo_in_one_window_are_one_congestion() -> None:
    exchange = with_ecn()
    flight(exchange, 10)
    exchange.after(RTT)
    exchange.peer.sends(".E 1:1(0) ack 1 <sack 1001:9001>", ".E 1:1(0) ack 10001")
    assert exchange.connection.tcb.congestion.ssthresh == 5000
    flight(exchange, 2)
    exchange.after(RTT)
    exchange.peer.sends(".E 1:1(0) ack 11001")
    assert exchange.counters["TCPECNReductions"] == 1


@pytest.mark.rfc("3168", "3168.5")
def test_a_timeout_says_cwr_too() -> None:
    exchange = with_ecn()
    flight(exchange, 1)
    exchange.after(RTO)
    exchange.peer.expects("[noecn] P. 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.user.sends(10)
    exchange.peer.expects("[ect0] P.W 1001:1011(10) ack 1")


# What became of a tail loss probe


def probed(segments: int) -> Exchange:
    """A flight whose last segment has been sent again."""
    exchange = connect(SACK, config=replace(EAGER, congestion=PLAIN.congestion))
    flight(exchange, segments)
    exchange.after(PTO)
    assert len(exchange.peer.ignores()) == 1
    return exchange


@pytest.mark.rfc("8985", "8985.10")
def test_a_probe_that_repaired_a_loss_costs_one_reduction() -> None:
    exchange = probed(8)
    exchange.peer.sends(". 1:1(0) ack 8001")
    flight(exchange, 8)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 16001")
    assert exchange.connection.tcb.congestion.ssthresh == 4000
    assert exchange.counters["TCPLossProbeRecovery"] == 1


@pytest.mark.rfc("8985", "8985.10")
@pytest.mark.parametrize("answer", [". 1:1(0) ack 8001 <sack 7001:8001>", ". 1:1(0) ack 8001"])
def test_a_probe_that_was_needless_costs_nothing(answer: str) -> None:
    exchange = probed(8)
    exchange.peer.sends(". 1:1(0) ack 8001")
    flight(exchange, 8)
    exchange.peer.sends(answer)
    exchange.peer.sends(". 1:1(0) ack 16001")
    assert exchange.connection.tcb.congestion.ssthresh > 64_000
    assert exchange.connection.tcb.recovery.trials.probe is None


def test_other_sacks_do_not_answer_the_probe() -> None:
    exchange = probed(8)
    exchange.peer.sends(". 1:1(0) ack 8001")
    flight(exchange, 8)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 8001 <sack 9001:10001>")
    assert exchange.connection.tcb.recovery.trials.probe is not None


def test_a_probe_of_new_text_proves_nothing() -> None:
    exchange = connect(SACK, config=replace(EAGER, congestion=PLAIN.congestion))
    exchange.user.sends(11_000)
    exchange.peer.ignores()
    exchange.after(PTO)
    exchange.peer.expects("P. 10001:11001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 5001")
    assert exchange.connection.tcb.recovery.trials.probe is not None
    exchange.peer.sends(". 1:1(0) ack 11001")
    assert exchange.connection.tcb.recovery.trials.probe is None
    assert exchange.connection.tcb.congestion.ssthresh > 64_000


@pytest.mark.rfc("8985", "8985.11")
def test_the_sack_of_a_probe_begins_recovery_of_the_rest() -> None:
    exchange = probed(8)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 7001:8001>")
    assert starts(exchange)[:1] == [1]
    assert exchange.counters["TCPTimeouts"] == 0


# The user


def test_room_in_the_queue_is_told_once_until_it_is_heard() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 3)
    connection = exchange.connection
    exchange.peer.sends(". 1:1(0) ack 1001", ". 1:1(0) ack 2001", ". 1:1(0) ack 3001")
    exchange.user.hears("Writable")
    assert connection.queued_octets == 0


@pytest.mark.rfc("5681", "5681.12")
def test_who_does_not_fill_the_window_does_not_widen_it() -> None:
    exchange = connect(config=PLAIN)
    for end in range(1001, 50_001, 1000):
        flight(exchange, 1)
        exchange.after(RTT)
        exchange.peer.sends(f". 1:1(0) ack {end}")
    assert exchange.connection.tcb.congestion.cwnd == 10_000


@pytest.mark.rfc("5681", "5681.3")
@pytest.mark.parametrize(("config", "cwnd"), [(PLAIN, 11_000), (weak(byte_counting=False), 110_000)])
def test_an_ack_in_a_hundred_pieces_opens_the_window_a_hundredfold_where_acks_are_counted(
    config: TcpConfig, cwnd: int
) -> None:
    exchange = connect(config=replace(PLAIN, security=config.security))
    exchange.user.sends(200_000)
    for ack in range(11, 1011, 10):
        exchange.peer.sends(f". 1:1(0) ack {ack}")
    assert exchange.connection.tcb.congestion.cwnd == cwnd


WHOLE = replace(EAGER, congestion=CongestionConfig(algorithm="reno", whole_segments=True))


def test_without_sack_linux_leaves_a_recovery_when_more_than_its_end_is_acknowledged() -> None:
    exchange = connect("mss 1000", config=WHOLE)
    exchange.user.sends(20_000)
    exchange.peer.ignores()
    exchange.peer.sends(*[". 1:1(0) ack 1"] * 3)
    exchange.peer.ignores()
    recovery = exchange.connection.tcb.recovery
    assert recovery.phase is Phase.RECOVERY
    exchange.peer.sends(". 1:1(0) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1")
    assert exchange.peer.ignores()
    edge = recovery.point - exchange.connection.tcb.snd.iss
    exchange.peer.sends(f". 1:1(0) ack {edge}")
    assert recovery.phase is Phase.RECOVERY
    exchange.peer.ignores()
    exchange.peer.sends(f". 1:1(0) ack {edge + 1000}")
    assert recovery.phase is Phase.OPEN


def test_where_order_breaks_by_more_than_three_segments_a_sack_opens_the_window() -> None:
    exchange = connect("mss 1000,sackOK", config=WHOLE)
    exchange.user.sends(30_000)
    exchange.peer.ignores()
    congestion = exchange.connection.tcb.congestion
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 5001:6001>")
    assert congestion.cwnd == 10_000
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001 5001:6001>")
    assert congestion.cwnd == 11_000


LINUX = replace(EAGER, arrivals=ArrivalConfig(order="linux"))


@pytest.mark.parametrize(("config", "begins_anew"), [(LINUX, True), (EAGER, False)])
def test_after_the_answer_to_a_window_probe_linux_begins_the_interval_anew(
    config: TcpConfig, begins_anew: bool
) -> None:
    exchange = connect("mss 1000", window=1000, config=config)
    exchange.user.sends(2000)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1001 win 0")
    exchange.after(RTO)
    assert len(exchange.peer.ignores()) == 1
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1001 win 0")
    exchange.after(exchange.connection.tcb.rtt.rto - 1)
    assert len(exchange.peer.ignores()) == (not begins_anew)
    exchange.after(1)
    assert len(exchange.peer.ignores()) == begins_anew


def test_an_ack_of_nothing_with_the_window_open_sets_no_timer_on_linux() -> None:
    exchange = connect(config=LINUX)
    exchange.peer.sends(". 1:1(0) ack 1 win 5000")
    assert exchange.next_deadline() == NEVER


def test_what_an_ack_without_anything_in_flight_says_of_marks_is_heard() -> None:
    options = OptionsConfig(ecn=Ecn.ACCURATE)
    exchange = Exchange.active(Setting(config=replace(PLAIN, options=options)))
    exchange.peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1012,sackOK,TS val 5 ecr 1000,ECN e1b 1 ceb 0 e0b 1>")
    exchange.user.sends(100)
    exchange.peer.sends("EA. 1:1(0) ack 101 <TS val 6 ecr 1000>")
    accurate = exchange.connection.tcb.agreed.accurate
    assert accurate is not None
    assert accurate.account.packets == 0
    exchange.peer.sends("WEA. 1:1(0) ack 101 <TS val 7 ecr 1000>")
    assert accurate.account.packets == 2


@pytest.mark.rfc("8985", "8985.4")
def test_what_rack_finds_lost_is_sent_again_in_full_though_an_option_makes_segments_smaller() -> None:
    exchange = shrunk_by_an_option(3)
    exchange.after(RTT)
    exchange.peer.sends("EA. 1:1(0) ack 1 <sack 1001:3001>")
    tcb = exchange.connection.tcb
    on_rack_deadline(tcb, exchange.now + RTT)
    assert tcb.recovery.phase is Phase.RECOVERY
    assert tcb.snd.mss < tcb.congestion.mss
    assert tcb.congestion.cwnd - pipe(tcb) == tcb.congestion.mss


@pytest.mark.rfc("9937", "9937.5", "9937.6")
def test_the_window_of_a_recovery_is_a_full_segment_though_an_option_makes_segments_smaller() -> None:
    exchange = shrunk_by_an_option(4)
    exchange.after(RTT)
    exchange.peer.sends("EA. 1:1(0) ack 1 <sack 1001:4001>")
    tcb = exchange.connection.tcb
    assert tcb.recovery.phase is Phase.RECOVERY
    duplicates(exchange, 1, 2)
    assert tcb.congestion.cwnd >= tcb.congestion.mss == 1012


# As FreeBSD has it


def test_the_window_of_a_bsd_grows_while_the_peers_is_no_smaller() -> None:
    congestion = CongestionConfig(algorithm="reno", byte_limit=2)
    exchange = connect(config=replace(WITHOUT_RACK, congestion=congestion), window=12_000)
    for acked in (1001, 2001, 3001):
        exchange.user.sends(1000)
        exchange.peer.sends(f". 1:1(0) ack {acked} win 12000")
    assert exchange.connection.tcb.congestion.cwnd == 13_000


def test_without_sack_a_partial_ack_lets_the_next_segment_go_again() -> None:
    congestion = CongestionConfig(algorithm="reno", byte_limit=2)
    exchange = connect(config=replace(WITHOUT_RACK, congestion=congestion))
    exchange.user.sends(10_000)
    exchange.peer.ignores()
    for _ in range(3):
        exchange.peer.sends(". 1:1(0) ack 1")
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 3001")
    exchange.peer.expects(". 3001:4001(1000) ack 1")


def test_what_is_selectively_acknowledged_need_not_be_timed() -> None:
    timeouts = replace(WITHOUT_RACK.timeouts, times_sacked=False)
    exchange = connect(SACK, config=replace(WITHOUT_RACK, timeouts=timeouts))
    exchange.user.sends(3000)
    exchange.peer.ignores()
    before = exchange.connection.tcb.rtt.srtt
    exchange.after(2 * RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    assert exchange.connection.tcb.rtt.srtt == before


MARKED = replace(WHOLE, options=OptionsConfig(ecn=Ecn.ACTIVE))


def marked() -> Exchange:
    """Ten segments of a connection with ECN in flight, and more to send."""
    exchange = Exchange.active(Setting(config=MARKED))
    exchange.after(RTT)
    exchange.peer.sends("SE. 0:0(0) ack 1 win 65535 <mss 1000,sackOK>")
    exchange.peer.ignores()
    exchange.user.hears("Connected")
    exchange.user.sends(30_000)
    exchange.peer.ignores()
    exchange.after(RTT)
    return exchange


def test_in_whole_segments_an_echo_reduces_the_window_over_a_round_trip() -> None:
    exchange = marked()
    tcb = exchange.connection.tcb
    exchange.peer.sends("E. 1:1(0) ack 1001")
    assert (tcb.congestion.ssthresh, tcb.congestion.cwnd) == (5000, 10_000)
    exchange.peer.sends("E. 1:1(0) ack 5001")
    assert (tcb.congestion.ssthresh, tcb.congestion.cwnd) == (5000, 8000)
    exchange.peer.sends("E. 1:1(0) ack 10001")
    assert (tcb.congestion.cwnd, tcb.recovery.prr is None) == (5000, False)
    exchange.peer.ignores()
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 11001")
    assert (tcb.congestion.cwnd, tcb.recovery.prr) == (5000, None)
    assert exchange.counters["TCPECNReductions"] == 1


def test_a_loss_in_a_window_that_is_reduced_already_reduces_no_more_and_cannot_be_taken_back() -> None:
    exchange = marked()
    tcb = exchange.connection.tcb
    exchange.peer.sends("E. 1:1(0) ack 1001")
    point = tcb.recovery.point
    exchange.peer.sends(". 1:1(0) ack 1001 <sack 2001:6001>")
    assert (tcb.recovery.phase, tcb.congestion.ssthresh, tcb.recovery.point) == (Phase.RECOVERY, 5000, point)
    tcb.congestion.on_undo()
    assert tcb.congestion.ssthresh == 5000


def test_a_loss_that_is_told_together_with_an_echo_cannot_be_taken_back() -> None:
    exchange = marked()
    tcb = exchange.connection.tcb
    exchange.peer.sends("E. 1:1(0) ack 1 <sack 1001:6001>")
    assert tcb.recovery.phase is Phase.RECOVERY
    tcb.congestion.on_undo()
    assert tcb.congestion.ssthresh == 5000


def test_in_whole_segments_the_reordering_timer_lets_go_as_if_a_segment_had_arrived() -> None:
    exchange = connect(SACK, config=WHOLE)
    flight(exchange, 10)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    exchange.peer.ignores()
    exchange.after(RTT // 2)
    tcb = exchange.connection.tcb
    assert (tcb.recovery.phase, tcb.congestion.cwnd) == (Phase.RECOVERY, 9000)
    on_rack_deadline(tcb, exchange.now)
    assert tcb.congestion.cwnd == 9000


def test_a_wider_window_says_how_large_a_child_s_segments_may_be() -> None:
    exchange = connect("mss 1460,sackOK", config=WHOLE, window=20_000)
    tcb = exchange.connection.tcb
    tcb.recovery.trials.search = MtuSearch(1024, 1460, 0)
    flight(exchange, 2, 1460)
    exchange.peer.sends(". 1:1(0) ack 1461 win 20000")
    assert tcb.snd.mss == 1460
    exchange.peer.sends(". 1:1(0) ack 2921 win 30000")
    assert tcb.snd.mss == 1024


def test_a_probe_of_the_path_that_is_lost_is_no_recovery() -> None:
    exchange = connect("mss 1460,sackOK", config=WHOLE)
    tcb = exchange.connection.tcb
    flight(exchange, 4, 1460)
    tcb.recovery.trials.search = MtuSearch(1024, 1460, 0)
    tcb.recovery.trials.search.probe = MtuProbe(tcb.snd.una, tcb.snd.una + 1460, 1460)
    tcb.resize(1024)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1461:5841>")
    assert tcb.recovery.phase is Phase.LOSS
    assert exchange.counters["TCPSackRecovery"] == 0


def test_with_nothing_in_flight_only_a_bare_duplicate_says_that_a_probe_was_needless() -> None:
    exchange = connect(SACK, config=EAGER)
    flight(exchange, 1)
    exchange.peer.sends(". 1:1(0) ack 1001")
    tcb = exchange.connection.tcb
    for segment, is_answered in ((". 1:101(100) ack 1001", False), (". 101:101(0) ack 1001", True)):
        tcb.recovery.trials.probe = TailProbe(tcb.snd.nxt, is_retransmission=True)
        exchange.peer.sends(segment)
        assert (tcb.recovery.trials.probe is None) == is_answered


@pytest.mark.rfc("2883", "2883.4")
def test_with_nothing_in_flight_the_peer_may_still_tell_what_came_twice() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 2)
    exchange.peer.sends(". 1:1(0) ack 2001", ". 1:1(0) ack 2001 <sack 1001:2001>")
    assert exchange.counters["TCPDSACKRecv"] == 1


def test_who_does_not_mind_room_in_the_queue_is_told_of_none() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 1)
    exchange.connection.tcb.user.minds_room = False
    exchange.peer.sends(". 1:1(0) ack 1001")
    assert exchange.connection.queued_octets == 0
    assert exchange.connection.tcb.user.events == []
