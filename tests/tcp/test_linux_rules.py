"""What Linux does beside RFC 9293 3.10.7.4, seen from the peer."""

from dataclasses import replace

import pytest

from halfopen.tcp.config import DEFAULT, AckConfig, ArrivalConfig
from halfopen.tcp.state import State
from halfopen.testing.exchange import Exchange, Setting

LINUX = replace(DEFAULT, arrivals=ArrivalConfig(order="linux"), acks=AckConfig(challenge_interval=0))
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
