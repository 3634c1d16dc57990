"""Single segments that wait for another ACK, as Linux has them."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.bursts import LARGEST, is_deferred, rate, worthwhile
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.pace_config import PaceConfig
from halfopen.tcp.tcb import Phase
from halfopen.testing.exchange import Exchange
from tests.tcp.exchanges import EAGER, connect

DEFERRING = replace(EAGER, congestion=CongestionConfig(whole_segments=True, defers=True))
SACK = "mss 1000,sackOK"


def full(octets: int = 30_000) -> Exchange:
    """A full window in flight, whose ACKs begin to come."""
    exchange = connect(SACK, config=DEFERRING)
    exchange.user.sends(octets)
    exchange.peer.ignores()
    exchange.after(50 * MILLISECOND)
    return exchange


def test_a_distant_peer_gets_bursts_of_two_segments() -> None:
    assert worthwhile(connect(SACK, config=DEFERRING).connection.tcb) == 2000


def test_a_near_peer_gets_large_ones() -> None:
    tcb = connect(SACK, config=DEFERRING, rtt=1000).connection.tcb
    assert worthwhile(tcb) == LARGEST - LARGEST % 1000
    tcb.rtt.srtt = 0
    assert worthwhile(tcb) == LARGEST - LARGEST % 1000


def test_limited_transmit_waits_for_the_next_duplicate_when_one_has_just_been_answered() -> None:
    exchange = full()
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    exchange.peer.expects(". 10001:11001(1000) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:3001>")
    exchange.peer.expects_nothing()


def test_two_milliseconds_later_it_does_not() -> None:
    exchange = full()
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    exchange.peer.ignores()
    exchange.after(2 * MILLISECOND)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:3001>")
    exchange.peer.expects(". 11001:12001(1000) ack 1")


@pytest.mark.parametrize(("unsent", "allowed"), [(1000, 1000), (20_000, 0), (20_000, 2000), (20_000, 9000)])
def test_a_last_segment_and_what_is_worth_it_do_not_wait(unsent: int, allowed: int) -> None:
    exchange = full()
    tcb = exchange.connection.tcb
    tcb.recovery.sent_at = now = exchange.now
    assert not is_deferred(tcb, unsent, allowed, now)
    assert is_deferred(tcb, 20_000, 1000, now)


def test_a_third_of_the_window_is_worth_it() -> None:
    exchange = full()
    tcb = exchange.connection.tcb
    tcb.recovery.sent_at = now = exchange.now
    tcb.snd.wnd = 3000
    assert not is_deferred(tcb, 20_000, 1000, now)


def test_what_is_lost_does_not_wait() -> None:
    exchange = full()
    tcb = exchange.connection.tcb
    tcb.recovery.sent_at = now = exchange.now
    tcb.recovery.phase = Phase.LOSS
    assert not is_deferred(tcb, 20_000, 1000, now)


def test_nothing_waits_for_an_ack_that_is_not_due_soon() -> None:
    exchange = connect(SACK, config=DEFERRING)
    exchange.user.sends(10_000)
    tcb = exchange.connection.tcb
    assert not is_deferred(tcb, 20_000, 1000, exchange.now)


def test_what_is_to_be_followed_by_more_waits_and_a_fin_does_not() -> None:
    exchange = full(10_500)
    tcb = exchange.connection.tcb
    tcb.recovery.sent_at = now = exchange.now
    rest = tcb.snd.queue.stop - tcb.snd.nxt
    assert rest == 500
    tcb.snd.append(bytes(700))
    assert is_deferred(tcb, 1200, 1500, now)
    assert not is_deferred(tcb, 1100, 1500, now)  # all of a record
    tcb.snd.fin = True
    assert not is_deferred(tcb, 1200, 1500, now)


def test_bursts_to_near_peers_need_not_be_larger() -> None:
    config = replace(DEFERRING, congestion=replace(DEFERRING.congestion, pace=PaceConfig(near_shift=0)))
    tcb = connect(SACK, config=config, rtt=10_000_000).connection.tcb
    assert worthwhile(tcb) == 2000


def test_the_rate_is_a_share_of_the_window_a_round_trip_and_no_more_than_is_allowed() -> None:
    tcb = full().connection.tcb
    assert rate(tcb) == 2 * tcb.congestion.cwnd * SECOND // tcb.rtt.srtt
    tcb.congestion.ssthresh = tcb.congestion.cwnd
    assert rate(tcb) == 6 * tcb.congestion.cwnd * SECOND // (5 * tcb.rtt.srtt)
    config = replace(DEFERRING, congestion=replace(DEFERRING.congestion, pace=PaceConfig(largest_rate=1000)))
    assert rate(connect(SACK, config=config).connection.tcb) == 1000
