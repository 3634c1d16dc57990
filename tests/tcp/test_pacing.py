"""Bursts that are spread over the round trip."""

from dataclasses import replace

from halfopen.base.clock import MILLISECOND, NEVER
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.pace_config import PaceConfig
from halfopen.tcp.pacing import is_held, note_burst
from halfopen.testing.exchange import Exchange
from tests.tcp.exchanges import EAGER, RTT, connect

PACED = replace(
    EAGER,
    congestion=CongestionConfig(whole_segments=True, defers=True, pace=PaceConfig(enabled=True, largest_rate=100_000)),
)


def open_window() -> Exchange:
    """Ten segments have gone at once, and are acknowledged."""
    exchange = connect("mss 1000,sackOK", config=PACED, burst=65_535)
    exchange.user.sends(30_000)
    exchange.peer.ignores()
    assert exchange.connection.tcb.snd.outstanding == 10_000
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 10001")
    return exchange


def test_behind_the_first_ten_segments_bursts_are_as_far_apart_as_they_take() -> None:
    exchange = open_window()
    exchange.peer.expects(". 10001:12001(2000) ack 1")
    exchange.after(9 * MILLISECOND)
    exchange.peer.expects_nothing()
    exchange.after(1 * MILLISECOND)  # half of it, for nothing has been sent for a while
    exchange.peer.expects(". 12001:14001(2000) ack 1")
    exchange.after(19 * MILLISECOND)
    exchange.peer.expects_nothing()
    exchange.after(1 * MILLISECOND)
    exchange.peer.expects(". 14001:16001(2000) ack 1")


def test_a_tail_loss_probe_does_not_wait() -> None:
    exchange = open_window()
    exchange.peer.ignores()
    tcb = exchange.connection.tcb
    assert is_held(tcb, exchange.now)
    assert tcb.timers.pace == tcb.recovery.clear_at
    tcb.owed.tail_probe = True
    assert not is_held(tcb, exchange.now)


def test_without_pacing_nothing_waits() -> None:
    exchange = connect("mss 1000,sackOK")
    tcb = exchange.connection.tcb
    tcb.recovery.clear_at = NEVER
    assert not is_held(tcb, exchange.now)
    tcb.recovery.clear_at = 0
    note_burst(tcb, 100_000, exchange.now)
    assert tcb.recovery.clear_at == 0
