"""What an attacker gets where the rules of old hold, and does not get otherwise."""

import pytest

from halfopen.tcp.state import State
from halfopen.testing.exchange import LOCAL_PORT, REMOTE_PORT, Exchange, Setting, text
from halfopen.wire.tcp import ACK, Segment
from tests.tcp.permits import weak

S = State


def passive(*, is_old: bool, **choices: bool | str) -> Exchange:
    setting = Setting(config=weak(**choices), is_passive=True) if is_old else Setting(is_passive=True)
    exchange = Exchange.established(setting)
    exchange.peer.ignores()
    return exchange


@pytest.mark.parametrize("is_old", [True, False])
@pytest.mark.parametrize(("seq", "kills"), [(1, True), (2, None), (60_000, None), (65_537, False), (0, False)])
def test_a_rst_anywhere_in_the_window_resets(is_old: bool, seq: int, kills: bool | None) -> None:
    exchange = passive(is_old=is_old, rfc5961=False)
    exchange.peer.sends(f"R {seq}:{seq}(0)")
    expected = is_old if kills is None else kills
    assert (exchange.state is S.CLOSED) == expected


@pytest.mark.parametrize("is_old", [True, False])
def test_a_syn_in_the_window_resets_both_ends(is_old: bool) -> None:
    exchange = passive(is_old=is_old, rfc5961=False)
    exchange.peer.sends("S 100:100(0)")
    exchange.peer.expects("R 1:1(0)" if is_old else ". 1:1(0) ack 1")
    assert (exchange.state is S.CLOSED) == is_old
    assert exchange.counters["TCPSynInWindow"] == is_old


def test_a_syn_in_syn_received_is_what_it_was() -> None:
    exchange = Exchange.passive(Setting(config=weak(rfc5961=False)))
    exchange.peer.sends("S 0:0(0) win 5000", "S 100:100(0)")
    exchange.peer.ignores()
    assert exchange.state is S.LISTEN


@pytest.mark.parametrize("is_old", [True, False])
@pytest.mark.parametrize("ack", [-70_000, -1_000_000_000, 1])
def test_text_is_taken_with_half_of_all_acks(is_old: bool, ack: int) -> None:
    exchange = passive(is_old=is_old, rfc5961=False)
    exchange.peer.sends(f"P. 1:11(10) ack {ack}")
    assert len(exchange.connection.tcb.rcv.queue) == (10 if is_old or ack == 1 else 0)
    exchange.peer.expects(". 1:1(0) ack 11" if is_old or ack == 1 else ". 1:1(0) ack 1")


def test_an_ack_of_what_was_never_sent_is_refused_by_both() -> None:
    exchange = passive(is_old=True, rfc5961=False)
    exchange.peer.sends("P. 1:11(10) ack 2", "P 1:11(10)")
    assert len(exchange.connection.tcb.rcv.queue) == 0


def test_the_third_segment_has_to_be_right_all_the_same() -> None:
    exchange = Exchange.passive(Setting(config=weak(rfc5961=False)))
    exchange.peer.sends("S 0:0(0) win 5000", ". 1:1(0) ack -5")
    assert exchange.state is S.SYN_RECEIVED


@pytest.mark.parametrize("overlap", ["first", "last"])
def test_of_early_octets_that_come_twice_one_policy_keeps_the_first_and_one_the_last(overlap: str) -> None:
    exchange = passive(is_old=overlap == "last", overlap="last")
    seq, ack = exchange.setting.irs + 1, exchange.setting.iss + 1
    forged = Segment(
        REMOTE_PORT, LOCAL_PORT, seq=seq + 4, ack=ack, flags=ACK, window=9000, payload=(b"EVIL",), octets=4
    )
    exchange.peer.sends(". 3:11(8) ack 1")
    exchange.peer.sends_segment(forged)
    exchange.peer.sends(". 1:3(2) ack 1")
    octets = b"".join(exchange.connection.receive(100, exchange.now))
    genuine = text(1, 10)
    assert octets == (genuine if overlap == "first" else genuine[:4] + b"EVIL" + genuine[8:])


@pytest.mark.parametrize("is_old", [True, False])
def test_tiny_early_segments_are_free_where_nothing_is_charged(is_old: bool) -> None:
    exchange = passive(is_old=is_old, bounds=False)
    for position in range(3, 6003, 2):
        exchange.peer.sends(f". {position}:{position + 1}(1) ack 1")
        exchange.peer.ignores()
    held = exchange.connection.tcb.rcv.early.octets
    assert (held == 3000) if is_old else (held < 1500)
