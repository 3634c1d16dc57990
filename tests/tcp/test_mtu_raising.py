"""Larger segments are tried on purpose (RFC 4821 7)."""

from dataclasses import replace

import pytest

from halfopen.base.clock import SECOND
from halfopen.tcp.config import RetransmissionConfig, TimeoutConfig
from halfopen.tcp.congestion.prr import Prr
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.mtu_raising import (
    NO_PROBE,
    NOT_YET,
    begin_search,
    forget_probe,
    is_probe_lost,
    limit_size,
    on_probe_acknowledged,
    probe_size,
    resend_large,
)
from halfopen.tcp.mtu_search import MtuSearch, MtuSearchConfig
from halfopen.tcp.sent import LOST
from halfopen.tcp.tcb import Phase, Tcb
from halfopen.testing.exchange import Exchange
from tests.tcp.exchanges import EAGER, RTT, connect

SEARCHING = replace(
    EAGER,
    timeouts=TimeoutConfig(mtu_search=MtuSearchConfig(mode=2)),
    congestion=CongestionConfig(algorithm="reno", whole_segments=True),
    retransmission=RetransmissionConfig(tail_loss_probe=False),
)
OPTIONS = "mss 1460,sackOK"


def searching(octets: int = 30_000) -> Exchange:
    """A window of eleven segments, and more to send than that."""
    exchange = connect(OPTIONS, config=SEARCHING)
    exchange.user.sends(octets)
    exchange.peer.ignores()
    return exchange


def probing() -> Exchange:
    """The first probe is on its way."""
    exchange = searching()
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 2049")
    exchange.peer.expects(". 10241:11483(1242) ack 1")
    exchange.peer.ignores()
    return exchange


def known(exchange: Exchange) -> MtuSearch:
    search = exchange.connection.tcb.recovery.trials.search
    assert search is not None
    return search


def asks(tcb: Tcb, unsent: int = 20_000, free: int = 5000, now: int = 0) -> int:
    return probe_size(tcb, unsent, free, now)


@pytest.mark.rfc("4821", "4821.3")
def test_a_search_begins_with_segments_that_get_through_anywhere() -> None:
    exchange = searching()
    assert exchange.connection.tcb.snd.mss == 1024
    assert (known(exchange).low, known(exchange).high) == (1024, 1460)


def test_a_path_that_takes_less_is_not_exceeded() -> None:
    exchange = connect(OPTIONS)
    assert begin_search(exchange.connection.tcb, 500, exchange.now) == 500


@pytest.mark.rfc("4821", "4821.1")
def test_a_probe_is_one_segment_half_way_between_and_counts_as_two() -> None:
    exchange = probing()
    tcb = exchange.connection.tcb
    assert tcb.congestion.cwnd == 11 * 1024
    assert exchange.counters["TCPMTUProbes"] == 1
    assert asks(tcb) == NO_PROBE


def test_a_probe_that_gets_through_makes_segments_larger_and_the_window_in_segments_smaller() -> None:
    exchange = probing()
    exchange.peer.sends(". 1:1(0) ack 10241")
    exchange.peer.ignores()
    before = exchange.connection.tcb.congestion.cwnd // 1024
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 11483")
    tcb = exchange.connection.tcb
    assert (tcb.snd.mss, known(exchange).low) == (1242, 1242)
    assert tcb.congestion.cwnd // 1242 <= before
    assert exchange.counters["TCPMTUPSuccess"] == 1
    on_probe_acknowledged(tcb)
    assert exchange.counters["TCPMTUPSuccess"] == 1


@pytest.mark.rfc("4821", "4821.2")
def test_a_probe_that_is_lost_goes_again_in_small_segments_and_nobody_slows_down() -> None:
    exchange = probing()
    tcb = exchange.connection.tcb
    exchange.peer.sends(". 1:1(0) ack 10241")
    exchange.peer.ignores()
    assert is_probe_lost(tcb)
    cwnd, ssthresh = tcb.congestion.cwnd, tcb.congestion.ssthresh
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 10241 <sack 11483:14555>")
    exchange.peer.expects(". 10241:11265(1024) ack 1")
    exchange.peer.expects(". 11265:11483(218) ack 1")
    assert (known(exchange).high, known(exchange).probe) == (1241, None)
    assert (tcb.recovery.phase, tcb.congestion.ssthresh) == (Phase.LOSS, ssthresh)
    assert tcb.congestion.cwnd >= cwnd
    assert not is_probe_lost(tcb)


def test_what_is_sent_again_makes_the_answer_worth_nothing() -> None:
    exchange = probing()
    forget_probe(exchange.connection.tcb)
    assert known(exchange).probe is None
    plain = connect(OPTIONS).connection.tcb
    forget_probe(plain)
    assert plain.recovery.trials.search is None
    on_probe_acknowledged(plain)


@pytest.mark.rfc("4821", "4821.6")
def test_nothing_is_tried_without_a_search_in_recovery_or_with_a_small_window() -> None:
    assert asks(connect(OPTIONS).connection.tcb) == NO_PROBE
    exchange = searching()
    tcb = exchange.connection.tcb
    assert asks(tcb) == NO_PROBE
    tcb.congestion.cwnd = 11 * 1024
    tcb.snd.wnd = 100_000
    assert asks(tcb) == 1242
    tcb.recovery.phase = Phase.LOSS
    assert asks(tcb) == NO_PROBE
    tcb.recovery.phase = Phase.OPEN
    tcb.snd.flight.sacked = 1
    assert asks(tcb) == NO_PROBE


@pytest.mark.rfc("4821", "4821.6")
def test_a_probe_has_to_be_followed_by_enough_to_tell_of_its_loss() -> None:
    exchange = searching()
    tcb = exchange.connection.tcb
    tcb.congestion.cwnd = 11 * 1024
    needed = 1242 + 4 * 1024
    assert asks(tcb, unsent=needed - 1) == NO_PROBE
    tcb.snd.wnd = needed - 1
    assert asks(tcb) == NO_PROBE
    tcb.snd.wnd = needed
    assert asks(tcb) == NOT_YET
    tcb.snd.wnd = 100_000
    assert asks(tcb, free=2047) == NOT_YET
    tcb.snd.una = tcb.snd.nxt
    assert asks(tcb, free=2047) == NO_PROBE


def test_while_there_is_no_room_for_it_nothing_goes() -> None:
    exchange = searching()
    exchange.connection.tcb.congestion.cwnd = 11 * 1024
    exchange.connection.tcb.snd.wnd = 100_000
    exchange.peer.expects_nothing()


def test_sizes_that_are_near_each_other_are_not_told_apart_until_much_later() -> None:
    exchange = searching()
    tcb, search = exchange.connection.tcb, known(exchange)
    tcb.congestion.cwnd = 11 * 1024
    tcb.snd.wnd = 100_000
    search.low, search.high = 1024, 1031
    assert asks(tcb) == NO_PROBE
    assert search.high == 1031
    assert asks(tcb, now=search.since + 600 * SECOND) == NO_PROBE
    assert (search.low, search.high) == (1024, 1460)
    assert asks(tcb) == 1242


def test_no_segment_is_larger_than_what_is_known_to_get_through() -> None:
    exchange = connect(OPTIONS)
    tcb = exchange.connection.tcb
    limit_size(tcb)
    assert tcb.snd.mss == 1460
    tcb.recovery.trials.search = MtuSearch(1200, 1460, 0)
    limit_size(tcb)
    assert tcb.snd.mss == 1200
    limit_size(tcb)
    assert tcb.snd.mss == 1200


def test_what_is_small_enough_is_not_sent_again() -> None:
    exchange = connect(OPTIONS)
    exchange.user.sends(1460)
    exchange.user.sends(500)
    exchange.peer.ignores()
    tcb = exchange.connection.tcb
    resend_large(tcb)
    assert (tcb.snd.flight.lost, tcb.recovery.phase) == (0, Phase.OPEN)
    tcb.resize(1000)
    resend_large(tcb)
    assert (tcb.snd.flight.lost, tcb.recovery.phase) == (1460, Phase.LOSS)
    assert tcb.snd.flight.records[0].condition == LOST
    resend_large(tcb)
    assert tcb.snd.flight.lost == 1460


def test_a_reduction_that_is_under_way_stays() -> None:
    exchange = searching()
    tcb = exchange.connection.tcb
    tcb.congestion.on_loss(10_240, exchange.now)
    ssthresh = tcb.congestion.ssthresh

    tcb.recovery.prr = Prr(1024)
    tcb.resize(1000)
    resend_large(tcb)
    assert tcb.congestion.ssthresh == ssthresh // 1024 * 1000
    assert tcb.recovery.prr is None
