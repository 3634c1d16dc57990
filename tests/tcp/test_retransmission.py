"""The retransmission timer and the tail loss probe: when they expire, and what they take to be lost."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Duration
from halfopen.base.trace import ListSink
from halfopen.tcp.config import DEFAULT, AckConfig, RetransmissionConfig, TimeoutConfig
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.linux_config import LinuxRetransmissionConfig
from halfopen.tcp.retransmission import (
    MAX_ACK_DELAY,
    MIN_PTO,
    MIN_WAIT,
    PATIENCE,
    expect_reneging,
    lose_all,
    on_retransmission_timeout,
    patience,
)
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Phase
from halfopen.testing.exchange import Exchange, Setting
from tests.tcp.exchanges import (
    EAGER,
    PLAIN,
    PTO,
    RTO,
    RTT,
    WITHOUT_RACK,
    connect,
    flight,
    retransmitting,
    shrunk_by_an_option,
)

SACK = "mss 1000,sackOK"


def times(exchange: Exchange, duration: Duration) -> list[int]:
    """When something was sent while time passed, in milliseconds from now on."""
    began = exchange.elapsed
    exchange.peer.ignores()
    exchange.after(duration)
    return [(seen.when - began) // MILLISECOND for seen in exchange.peer.ignores()]


# RFC 6298


@pytest.mark.rfc("9293", "MUST-18", "MUST-19")
@pytest.mark.rfc("6298", "6298.9", "6298.10")
@pytest.mark.parametrize("iss", [0, (1 << 32) - 1, (1 << 32) - 3, (1 << 31) - 1])
def test_the_oldest_segment_is_sent_again_at_intervals_that_double(iss: int) -> None:
    exchange = connect(config=PLAIN, iss=iss)
    exchange.user.sends(1500)
    assert times(exchange, 8 * SECOND) == [250, 750, 1750, 3750, 7750]
    exchange.after(8 * SECOND)
    exchange.peer.expects(". 1:1001(1000) ack 1")


@pytest.mark.rfc("6298", "6298.9")
def test_new_text_does_not_put_the_timer_off() -> None:
    exchange = connect(config=PLAIN)
    exchange.user.sends(100)
    exchange.after(200 * MILLISECOND)
    exchange.user.sends(100)
    assert times(exchange, 60 * MILLISECOND) == [50]


@pytest.mark.rfc("6298", "6298.9")
def test_an_ack_of_new_data_restarts_the_timer_and_one_of_everything_stops_it() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 2)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1001")
    rto = exchange.connection.tcb.rtt.rto
    assert exchange.next_deadline() == exchange.now + rto
    exchange.peer.sends(". 1:1(0) ack 2001")
    assert exchange.next_deadline() == NEVER


def test_a_duplicate_ack_does_not_put_the_timer_off() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 3)
    due = exchange.next_deadline()
    exchange.after(100 * MILLISECOND)
    exchange.peer.sends(". 1:1(0) ack 1")
    assert exchange.next_deadline() == due


def test_a_fast_retransmit_of_the_oldest_segment_restarts_the_timer() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 5)
    exchange.after(200 * MILLISECOND)
    exchange.peer.sends(*[". 1:1(0) ack 1"] * 3)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    assert exchange.next_deadline() == exchange.now + RTO


@pytest.mark.rfc("6298", "6298.6")
def test_the_backoff_ends_at_the_maximum() -> None:
    exchange = connect(
        config=replace(PLAIN, retransmission=RetransmissionConfig(tail_loss_probe=False, rto_max=SECOND))
    )
    exchange.user.sends(100)
    assert times(exchange, 4 * SECOND) == [250, 750, 1750, 2750, 3750]


@pytest.mark.rfc("5681", "5681.5")
@pytest.mark.rfc("6582", "6582.4")
def test_a_timeout_leaves_one_segment_of_window_and_halves_the_threshold_once() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 8)
    exchange.after(RTO)
    tcb = exchange.connection.tcb
    assert (tcb.congestion.cwnd, tcb.congestion.ssthresh) == (1000, 4000)
    assert (tcb.recovery.phase, tcb.recovery.point) == (Phase.LOSS, tcb.snd.nxt)
    exchange.after(2 * RTO)
    assert (tcb.congestion.cwnd, tcb.congestion.ssthresh) == (1000, 4000)


@pytest.mark.rfc("5681", "5681.5")
def test_a_timeout_after_progress_is_another_loss() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 8)
    exchange.after(RTO)
    exchange.peer.sends(". 1:1(0) ack 5001")
    exchange.after(3 * RTO)
    assert exchange.connection.tcb.congestion.ssthresh == 2000


def test_without_sack_everything_is_sent_again() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 4)
    exchange.after(RTO)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    exchange.peer.expects(". 2001:3001(1000) ack 1")


@pytest.mark.rfc("6675", "6675.9")
def test_without_rack_everything_that_is_not_sacked_is_sent_again() -> None:
    exchange = connect(SACK, config=WITHOUT_RACK)
    flight(exchange, 4)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    exchange.after(RTO)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 2001")
    exchange.peer.expects(". 2001:3001(1000) ack 1")
    exchange.peer.expects("P. 3001:4001(1000) ack 1")


@pytest.mark.rfc("8985", "8985.7")
def test_with_rack_what_was_sent_a_moment_ago_is_not_lost_by_a_timeout() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 2)
    exchange.after(RTO - 10 * MILLISECOND)
    flight(exchange, 2)
    exchange.after(10 * MILLISECOND)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.expects_nothing()
    assert exchange.connection.tcb.snd.flight.lost == 1000  # the other old one


@pytest.mark.rfc("2018", "2018.3")
def test_a_peer_whose_sacks_were_not_meant_is_sent_everything() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 3)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:3001>")
    exchange.after(RTT)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1001 <>")  # and 1001:3001 is gone
    exchange.after(2 * RTO)
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    assert exchange.counters["TCPSACKReneging"] == 1
    exchange.peer.sends(". 1:1(0) ack 2001")
    exchange.peer.expects("P. 2001:3001(1000) ack 1")


@pytest.mark.rfc("2018", "2018.3")
def test_a_peer_can_renege_after_a_timeout_too() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 3)
    exchange.after(RTO)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:3001>", ". 1:1(0) ack 1001")
    exchange.peer.ignores()
    exchange.after(4 * RTO)
    exchange.peer.expects(". 1001:2001(1000) ack 1")


def test_a_timeout_is_told_to_the_trace() -> None:
    exchange = connect(config=PLAIN)
    story = ListSink()
    tcb = exchange.connection.tcb
    tcb.opening = replace(tcb.opening, trace=story)
    flight(exchange, 1)
    exchange.after(RTO)
    assert [(event.what, event.details) for event in story.events] == [("RTO 1", "next in 0.500 s")]


# Tail loss probes


@pytest.mark.rfc("8985", "8985.8", "8985.11")
def test_a_probe_follows_after_two_round_trips_and_then_a_whole_rto_counts() -> None:
    exchange = connect(SACK)
    exchange.user.sends(3000)
    assert times(exchange, PTO + RTO) == [100, 350]
    assert (exchange.counters["TCPLossProbes"], exchange.counters["TCPTimeouts"]) == (1, 1)


@pytest.mark.rfc("8985", "8985.8")
def test_for_a_single_segment_the_peer_may_delay_its_ack() -> None:
    exchange = connect(SACK, config=retransmitting(rto_min=SECOND))
    exchange.user.sends(1000)
    assert times(exchange, SECOND) == [(PTO + MAX_ACK_DELAY) // MILLISECOND]
    exchange.peer.expects_nothing()
    assert exchange.counters["TCPLossProbes"] == 1


@pytest.mark.rfc("8985", "8985.8")
def test_without_a_round_trip_a_probe_takes_a_second() -> None:
    exchange = Exchange.active(Setting(config=EAGER))
    exchange.after(SECOND)
    exchange.peer.sends(f"S. 0:0(0) ack 1 win 65535 <{SACK}>")
    exchange.user.sends(2000)
    assert times(exchange, SECOND)[-1:] == [1000]
    assert exchange.counters["TCPLossProbes"] == 1


@pytest.mark.rfc("8985", "8985.8")
def test_a_probe_is_never_later_than_the_timeout_it_is_to_avoid() -> None:
    rtt = 900 * MILLISECOND
    exchange = connect(SACK, rtt=rtt, config=retransmitting(rto_min=100 * MILLISECOND))
    for start in range(1, 40_001, 1000):  # so that RTTVAR falls
        flight(exchange, 1)
        exchange.after(rtt)
        exchange.peer.sends(f". 1:1(0) ack {start + 1000}")
    rto = exchange.connection.tcb.rtt.rto
    assert rto < 2 * rtt
    exchange.user.sends(2000)
    assert times(exchange, rto) == [rto // MILLISECOND]
    assert (exchange.counters["TCPLossProbes"], exchange.counters["TCPTimeouts"]) == (1, 0)


def test_on_a_path_of_microseconds_a_probe_waits_until_a_busy_peer_has_had_its_turn() -> None:
    exchange = connect(SACK, rtt=100_000)
    exchange.user.sends(3000)
    assert exchange.next_deadline() == exchange.now + MIN_PTO
    exchange.after(MIN_PTO)
    assert exchange.counters["TCPLossProbes"] == 1


@pytest.mark.rfc("8985", "8985.1")
def test_there_is_no_probe_without_sack_or_if_it_is_turned_off() -> None:
    for exchange in (connect(), connect(SACK, config=PLAIN)):
        flight(exchange, 2)
        exchange.after(RTO)
        assert (exchange.counters["TCPLossProbes"], exchange.counters["TCPTimeouts"]) == (0, 1)


@pytest.mark.rfc("8985", "8985.8", "8985.9")
def test_there_is_one_probe_at_a_time_and_none_after_a_timeout() -> None:
    exchange = connect(SACK)
    flight(exchange, 3)
    exchange.after(PTO)
    flight_again = exchange.peer.ignores()
    assert len(flight_again) == 1
    exchange.user.sends(1000)
    exchange.after(20 * SECOND)
    assert exchange.counters["TCPLossProbes"] == 1
    assert exchange.counters["TCPTimeouts"] > 3


@pytest.mark.rfc("8985", "8985.8")
def test_there_is_no_probe_while_sacks_tell_of_a_hole() -> None:
    exchange = connect(SACK, config=retransmitting(rack=False))
    flight(exchange, 4)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    exchange.after(RTO)
    assert (exchange.counters["TCPLossProbes"], exchange.counters["TCPTimeouts"]) == (0, 1)


def test_new_text_puts_the_probe_off_but_not_beyond_the_timeout() -> None:
    exchange = connect(SACK)
    flight(exchange, 2)
    for _ in range(4):
        exchange.after(60 * MILLISECOND)
        flight(exchange, 1)
    assert exchange.counters["TCPLossProbes"] == 0
    exchange.after(RTO - 240 * MILLISECOND)
    assert exchange.counters["TCPLossProbes"] == 1


# The reordering timer


@pytest.mark.rfc("8985", "8985.5")
def test_the_reordering_timer_is_set_to_the_window_that_is_left() -> None:
    exchange = connect(SACK)
    flight(exchange, 3)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    assert exchange.next_deadline() == exchange.now + RTT // 4


def test_the_reordering_timer_is_no_shorter_than_clocks_are_good_for() -> None:
    exchange = connect(SACK, rtt=100_000)
    flight(exchange, 3)
    exchange.after(100_000)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    assert exchange.next_deadline() == exchange.now + MIN_WAIT


def test_after_the_reordering_timer_the_timeout_counts() -> None:
    exchange = connect(SACK)
    flight(exchange, 3)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    exchange.after(RTT // 4)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    assert exchange.next_deadline() == exchange.now + exchange.connection.tcb.rtt.rto


# The user timeout


@pytest.mark.rfc("9293", "MUST-21")
def test_the_user_timeout_is_kept_to_the_moment() -> None:
    exchange = connect(config=retransmitting(user_timeout=5 * SECOND))
    exchange.user.sends(100)
    began = exchange.elapsed
    exchange.after(5 * SECOND - 1)
    exchange.user.hears("SoftError: ConnectionTimedOut")
    exchange.after(1)
    exchange.user.hears("Closed: ConnectionTimedOut")
    assert exchange.elapsed - began == 5 * SECOND


@pytest.mark.rfc("9293", "MUST-21", "MUST-22")
def test_the_user_timeout_holds_for_the_syn_too() -> None:
    exchange = Exchange.active(
        Setting(config=replace(DEFAULT, retransmission=RetransmissionConfig(user_timeout=4 * SECOND)))
    )
    exchange.after(4 * SECOND - 1)
    exchange.user.hears()
    exchange.after(1)
    exchange.user.hears("Closed: ConnectionTimedOut")


@pytest.mark.rfc("9293", "MUST-37")
def test_a_user_timeout_does_not_end_a_connection_whose_peer_answers_with_a_closed_window() -> None:
    exchange = connect(window=0, config=retransmitting(user_timeout=5 * SECOND, rto_max=2 * SECOND))
    exchange.user.sends(100)
    for _ in range(30):
        exchange.after(2 * SECOND)
        assert exchange.peer.ignores()
        exchange.peer.sends(". 1:1(0) ack 1 win 0")
    exchange.user.hears()
    exchange.after(5 * SECOND)
    exchange.user.hears("Closed: ConnectionTimedOut")


def test_time_without_anything_to_wait_for_does_not_count() -> None:
    exchange = connect(window=0, config=retransmitting(user_timeout=5 * SECOND))
    exchange.after(3600 * SECOND)
    exchange.user.sends(100)
    exchange.after(4 * SECOND)
    exchange.user.hears()
    exchange.after(1 * SECOND)
    exchange.user.hears("Closed: ConnectionTimedOut")


LINUX = replace(
    EAGER,
    congestion=CongestionConfig(algorithm="reno", whole_segments=True),
    timeouts=TimeoutConfig(frto=True),
)


def test_linux_takes_a_share_of_cwnd_and_in_a_recovery_none_again() -> None:
    exchange = connect("mss 1000,sackOK", config=LINUX)
    exchange.user.sends(6000)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:4001>")
    congestion, recovery = exchange.connection.tcb.congestion, exchange.connection.tcb.recovery
    assert (congestion.ssthresh, recovery.phase) == (5000, Phase.RECOVERY)
    exchange.after(RTO)
    assert (congestion.ssthresh, recovery.phase) == (5000, Phase.LOSS)
    assert recovery.trials.undo is not None
    assert not recovery.trials.undo.is_open


def test_a_peer_that_seems_to_renege_gets_half_a_round_trip() -> None:
    exchange = connect("mss 1000,sackOK", config=LINUX)
    exchange.user.sends(6000)
    exchange.peer.ignores()
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:6001>")
    exchange.peer.ignores()
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.after(RTT // 2 - 1)
    exchange.peer.expects_nothing()
    exchange.after(1)
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    assert exchange.counters["TCPSACKReneging"] == 1


def test_reneging_puts_no_timer_off() -> None:
    exchange = connect("mss 1000,sackOK", config=LINUX)
    exchange.user.sends(1000)
    tcb = exchange.connection.tcb
    tcb.timers.retransmit = now = exchange.now
    expect_reneging(tcb, now)
    assert tcb.timers.retransmit == now


def test_a_repeated_timeout_of_an_episode_that_was_taken_back_has_nothing_to_prove() -> None:
    exchange = connect("mss 1000,sackOK", config=LINUX)
    exchange.user.sends(2000)
    exchange.after(3 * RTO)
    recovery = exchange.connection.tcb.recovery
    recovery.trials.undo = None
    assert recovery.retries > 0
    on_retransmission_timeout(exchange.connection.tcb, exchange.now)
    assert recovery.trials.undo is None


def test_an_attempt_to_connect_can_have_an_end_in_time() -> None:
    exchange = Exchange.active(Setting(config=replace(DEFAULT, timeouts=TimeoutConfig(connect=10 * SECOND))))
    exchange.after(10 * SECOND - 1)
    assert len(exchange.peer.ignores()) == 4
    assert exchange.state is State.SYN_SENT
    exchange.after(1)
    exchange.user.hears("Closed: ConnectionTimedOut")


@pytest.mark.rfc("5681", "5681.5")
def test_the_loss_window_is_a_full_segment_where_an_option_makes_segments_smaller() -> None:
    exchange = shrunk_by_an_option()
    tcb = exchange.connection.tcb
    on_retransmission_timeout(tcb, exchange.now)
    assert tcb.snd.mss < tcb.congestion.mss
    assert tcb.congestion.cwnd - tcb.snd.pipe == tcb.congestion.mss


@pytest.mark.parametrize("whole", [True, False])
def test_all_may_be_lost_by_another_timer(whole: bool) -> None:
    exchange = connect(SACK, config=replace(PLAIN, congestion=CongestionConfig(whole_segments=whole)))
    exchange.user.sends(4000)
    exchange.peer.ignores()
    tcb = exchange.connection.tcb
    before = tcb.congestion.cwnd
    lose_all(tcb, exchange.now)
    assert (tcb.recovery.phase, tcb.congestion.cwnd, tcb.snd.flight.lost) == (Phase.LOSS, tcb.snd.mss, 4000)
    assert tcb.congestion.ssthresh < before


@pytest.mark.parametrize(
    ("manner", "wait"), [("fixed", PATIENCE), ("rto", max(PATIENCE, RTO)), ("persist", 5 * SECOND)]
)
def test_hosts_differ_in_how_long_they_wait_for_a_larger_window(manner: str, wait: Duration) -> None:
    timeouts = TimeoutConfig(persist_min=5 * SECOND, persist_from="bsd")
    exchange = connect(config=replace(DEFAULT, acks=AckConfig(patience=manner), timeouts=timeouts))
    assert patience(exchange.connection.tcb) == wait


def test_timeouts_of_thin_streams_do_without_backoff() -> None:
    timeouts = TimeoutConfig(linux=LinuxRetransmissionConfig(thin_linear=True))
    config = replace(retransmitting(tail_loss_probe=False), timeouts=timeouts)
    exchange = connect(SACK, config=config)
    exchange.user.sends(1000)
    exchange.peer.ignores()
    for _ in range(6):
        exchange.after(250 * MILLISECOND)
        exchange.peer.expects("P. 1:1001(1000) ack 1")
    assert exchange.connection.tcb.rtt.backoffs == 0
    exchange.after(250 * MILLISECOND)
    exchange.peer.ignores()
    assert exchange.connection.tcb.rtt.backoffs == 1
