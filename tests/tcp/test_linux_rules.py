"""What Linux does beside RFC 9293 3.10.7.4, seen from the peer."""

from dataclasses import replace

import pytest

from halfopen.tcp.config import DEFAULT, AckConfig, ArrivalConfig
from halfopen.tcp.fast_open import Early, Request, ServerCookies
from halfopen.tcp.fast_open_config import FastOpenConfig, FastOpenManner
from halfopen.tcp.state import State
from halfopen.testing.exchange import Exchange, Setting

LINUX = replace(DEFAULT, arrivals=ArrivalConfig(order="linux"), acks=AckConfig(challenge_interval=0))
WARY = FastOpenConfig(connect=True, manner=FastOpenManner(blackhole=1))
STAMPED = "mss 1460,sackOK,TS val 100 ecr 0"


def opened(options: str = "mss 1460,sackOK") -> Exchange:
    exchange = Exchange.established(Setting(config=LINUX), options=options)
    exchange.peer.ignores()
    return exchange


def stamped() -> Exchange:
    exchange = opened(STAMPED)
    exchange.peer.sends("P. 1:11(10) ack 1 win 1000 <nop,nop,TS val 2000 ecr 1>")
    exchange.peer.ignores()
    return exchange


def counted(exchange: Exchange, name: str) -> int:
    return exchange.connection.tcb.opening.counters[name]


def test_an_old_ack_that_was_overtaken_is_not_answered() -> None:
    exchange = stamped()
    exchange.peer.sends(". 1:1(0) ack 1 win 1000 <nop,nop,TS val 1990 ecr 1>")
    exchange.peer.expects_nothing()
    assert counted(exchange, "PAWSOldAck") == 1


def test_one_that_repeats_what_is_known_is_no_challenge() -> None:
    exchange = stamped()
    window = exchange.connection.tcb.snd.wnd
    exchange.peer.sends(f". 11:11(0) ack 1 win {window} <nop,nop,TS val 1990 ecr 1>")
    exchange.peer.expects_nothing()
    assert exchange.connection.tcb.timestamps is not None
    assert exchange.connection.tcb.timestamps.recent == 2000


@pytest.mark.parametrize(
    "segment",
    [". 11:11(0) ack 1 win 7 <nop,nop,TS val 1990 ecr 1>", ". 11:11(0) ack 1 win 1000 <nop,nop,TS val 100 ecr 1>"],
)
def test_all_others_are_answered(segment: str) -> None:
    exchange = stamped()
    exchange.peer.sends(segment)
    exchange.peer.expects_any(".")
    assert counted(exchange, "PAWSEstab") == 1


def test_an_ack_with_the_time_of_day_is_as_ever() -> None:
    exchange = stamped()
    exchange.peer.sends(". 11:11(0) ack 1 win 900 <nop,nop,TS val 2001 ecr 1>")
    exchange.peer.expects_nothing()
    assert exchange.connection.tcb.snd.wnd == 900


def test_a_rst_behind_all_that_sack_has_told_is_believed() -> None:
    exchange = opened()
    exchange.peer.sends("P. 101:201(100) ack 1 win 1000")
    exchange.peer.ignores()
    exchange.peer.sends("R 150:150(0)")
    exchange.peer.expects_any(".")
    assert exchange.state is State.ESTABLISHED
    exchange.peer.sends("R 201:201(0)")
    assert exchange.state is State.CLOSED


def test_without_sack_only_rcv_nxt_will_do() -> None:
    exchange = opened("mss 1460")
    exchange.peer.sends("P. 101:201(100) ack 1 win 1000")
    exchange.peer.ignores()
    exchange.peer.sends("R 201:201(0)")
    assert exchange.state is State.ESTABLISHED


def test_a_syn_again_after_a_simultaneous_open_is_challenged() -> None:
    exchange = Exchange.active(Setting(config=LINUX))
    exchange.peer.ignores()
    exchange.peer.sends("S 0:0(0) win 1000 <mss 1000>")
    exchange.peer.expects_any("S.")
    exchange.peer.sends("S 0:0(0) win 1000 <mss 1000>")
    exchange.peer.expects_any(".")
    exchange.peer.sends(". 1:1(0) ack 1 win 1000")
    assert exchange.state is State.ESTABLISHED


@pytest.mark.parametrize(("octets", "signs"), [(0, 1), (10, 0)])
def test_a_rst_elsewhere_before_any_text_says_something_about_the_path(octets: int, signs: int) -> None:
    exchange = Exchange.active(Setting(config=replace(LINUX, fast_open=WARY)))
    tcb = exchange.connection.tcb
    tcb.user.early = Early(Request(ServerCookies(), b"peer", (34, b""), 0, False))
    exchange.peer.ignores()
    exchange.peer.sends("S. 0:0(0) ack 1 win 1000 <mss 1000>")
    if octets:
        exchange.peer.sends("P. 1:11(10) ack 1 win 1000")
    exchange.peer.sends("R. 101:101(0) ack 1 win 1000")
    assert counted(exchange, "TCPFastOpenBlackhole") == signs


def test_of_a_connection_without_fast_open_it_says_nothing() -> None:
    exchange = opened()
    exchange.peer.sends("R. 101:101(0) ack 1 win 1000")
    assert counted(exchange, "TCPFastOpenBlackhole") == 0


def test_text_that_was_just_expected_is_taken_though_its_ack_is_too_old() -> None:
    exchange = opened()
    exchange.peer.sends("P. 1:11(10) ack 4200000000 win 65535")
    assert exchange.user.readable_octets == 10
    exchange.peer.sends("P. 11:21(10) ack 4200000000 win 999")
    exchange.peer.sends(". 11:11(0) ack 4200000000 win 1000")
    assert exchange.user.readable_octets == 10


def test_a_rst_from_just_before_the_peers_fin_is_believed() -> None:
    exchange = opened()
    exchange.peer.sends("F. 1:1(0) ack 1 win 1000")
    exchange.peer.ignores()
    exchange.peer.sends("R 1:1(0)")
    assert exchange.state is State.CLOSED


def test_but_not_where_there_has_been_none() -> None:
    exchange = opened()
    exchange.peer.sends("R 0:0(0)")
    assert exchange.state is State.ESTABLISHED
