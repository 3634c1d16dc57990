"""How much text makes a segment: Nagle and its variants, bursts, silly windows."""

from dataclasses import replace

import pytest

from halfopen.tcp.config import DEFAULT, AckConfig
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.segmentation import let_go, sendable
from halfopen.tcp.send_queue import RECORD
from halfopen.testing.exchange import Exchange
from tests.tcp.exchanges import EAGER, RTT, connect

BURSTS = replace(EAGER, congestion=CongestionConfig(whole_segments=True, defers=True))


def waiting(kind: str = "any", **choices: bool) -> Exchange:
    """A segment in flight, with Nagle of some ``kind``."""
    exchange = connect(config=replace(DEFAULT, acks=AckConfig(nagle_for=kind, **choices)))
    exchange.user.sends(1000)
    exchange.peer.ignores()
    return exchange


def asks(exchange: Exchange, unsent: int, allowed: int = 100_000) -> int:
    return sendable(exchange.connection.tcb, unsent, allowed, exchange.now)


@pytest.mark.parametrize(("unsent", "allowed", "count"), [(0, 5000, 0), (5000, 0, 0), (5000, 5000, 1000), (300, 9, 0)])
def test_whole_segments_go(unsent: int, allowed: int, count: int) -> None:
    assert asks(waiting(), unsent, allowed) == count


@pytest.mark.parametrize(("kind", "count"), [("any", 0), ("small", 300), ("earlier", 300)])
def test_a_rest_waits_or_goes(kind: str, count: int) -> None:
    assert asks(waiting(kind), 300) == count


def test_a_small_one_waits_for_a_small_one_and_for_earlier_ones() -> None:
    exchange = waiting("small")
    exchange.connection.tcb.snd.flight.small_end = exchange.connection.tcb.snd.nxt
    assert asks(exchange, 300) == 0


def test_what_was_there_when_nothing_was_in_flight_does_not_wait() -> None:
    exchange = waiting("earlier")
    tcb = exchange.connection.tcb
    let_go(tcb, tcb.snd.queue.stop)
    assert asks(exchange, 300) == 300
    let_go(tcb, tcb.snd.una)
    assert asks(exchange, 300) == 0


def test_other_rules_do_not_know_of_that() -> None:
    exchange = waiting("small")
    let_go(exchange.connection.tcb, 0)
    assert asks(exchange, 300) == 300


@pytest.mark.parametrize("kind", ["any", "small", "earlier"])
def test_with_nothing_in_flight_a_rest_goes(kind: str) -> None:
    assert asks(connect(config=replace(DEFAULT, acks=AckConfig(nagle_for=kind))), 300) == 300


def test_the_tail_of_a_super_segment_waits_with_nagle() -> None:
    exchange = connect(config=DEFAULT, burst=10_000)
    assert asks(exchange, 2300) == 2000


def test_the_last_octets_with_a_fin_go() -> None:
    exchange = waiting()
    exchange.connection.tcb.snd.fin = True
    assert asks(exchange, 300) == 300


@pytest.mark.parametrize("what", ["urgent", "impatient"])
def test_urgent_text_and_impatience_go_ahead_of_nagle(what: str) -> None:
    exchange = waiting()
    tcb = exchange.connection.tcb
    if what == "urgent":
        tcb.snd.up = tcb.snd.nxt + 1
    else:
        tcb.owed.impatient = True
    assert asks(exchange, 300) == 300


def test_of_a_small_window_nothing_is_used_unless_it_is_half_of_the_largest_or_patience_is_out() -> None:
    exchange = waiting()
    tcb = exchange.connection.tcb
    assert asks(exchange, 5000, 600) == 0
    tcb.snd.wnd, tcb.snd.max_wnd = 1600, 1200
    assert asks(exchange, 5000, 600) == 600
    tcb.snd.max_wnd = 65535
    tcb.owed.impatient = True
    assert asks(exchange, 5000, 600) == 600


def test_a_burst_is_no_longer_than_the_pace_has_it() -> None:
    exchange = connect("mss 1000,sackOK", config=BURSTS, burst=50_000)
    assert asks(exchange, 50_000, 10_000) == 2000


@pytest.mark.parametrize("what", ["", "tail_probe", "impatient"])
def test_a_deferred_segment_waits_unless_it_is_a_probe(what: str) -> None:
    exchange = connect("mss 1000,sackOK", config=BURSTS)
    exchange.user.sends(10_000)
    exchange.peer.ignores()
    exchange.after(RTT)
    tcb = exchange.connection.tcb
    tcb.recovery.sent_at = exchange.now
    tcb.owed.tail_probe = what == "tail_probe"
    tcb.owed.impatient = what == "impatient"
    assert asks(exchange, 20_000, 1000) == (1000 if what else 0)


def test_what_ends_a_record_does_not_wait_for_what_is_behind_it() -> None:
    exchange = waiting()
    snd = exchange.connection.tcb.snd
    snd.append(bytes(300), RECORD)
    snd.append(bytes(300))
    assert asks(exchange, 600) == 300
