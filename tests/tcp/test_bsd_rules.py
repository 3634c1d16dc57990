"""SEGMENT ARRIVES in the order of 4.4BSD, seen from the peer."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MINUTE, SECOND
from halfopen.base.errors import ConnectionRefused, NetworkUnreachable
from halfopen.tcp.bsd_rules import on_icmp_error
from halfopen.tcp.config import (
    AckConfig,
    ArrivalConfig,
    BufferConfig,
    ClosingConfig,
    ListeningConfig,
    OptionsConfig,
    SecurityConfig,
    TcpConfig,
    TimeoutConfig,
)
from halfopen.tcp.connection import Connection
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening
from halfopen.testing.exchange import Exchange, Setting
from halfopen.wire.tcp import ACK, SYN, Segment
from tests.tcp.permits import Anywhere
from tests.tcp.states import numbers, reach

S = State
BSD = TcpConfig(
    arrivals=ArrivalConfig(order="bsd"),
    acks=AckConfig(quick=0, second="any", challenge_interval=0),
    buffers=BufferConfig(receive_initial=65536, receive=1 << 21, window="bsd"),
    listening=ListeningConfig(syn_fin=True),
)
STAMPED = "mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7"


def weak(part: str) -> TcpConfig:
    return replace(BSD, security=SecurityConfig(permit=Anywhere(), lapsed=frozenset({part})))


def bsd(state: State, config: TcpConfig = BSD) -> Exchange:
    return reach(state, Setting(config=config))


SYNCHRONIZED = [S.ESTABLISHED, S.FIN_WAIT_1, S.FIN_WAIT_2, S.CLOSE_WAIT, S.CLOSING, S.LAST_ACK]


@pytest.mark.parametrize("state", SYNCHRONIZED)
def test_a_rst_counts_at_the_last_ack_sent_only(state: State) -> None:
    exchange = bsd(state)
    rcv = exchange.connection.tcb.rcv
    told = rcv.told - rcv.irs
    exchange.peer.sends(f"R {told + 5}:{told + 5}(0)")
    exchange.peer.expects_any(".")
    exchange.peer.sends(f"R {told + 70000}:{told + 70000}(0)")
    exchange.peer.expects_nothing()
    assert exchange.state is state
    exchange.peer.sends(f"R {told}:{told}(0)")
    assert exchange.state is S.CLOSED


def test_that_is_where_the_peer_believes_us_to_be_while_an_ack_is_delayed() -> None:
    exchange = bsd(S.ESTABLISHED)
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends("R 1:1(0)")
    assert exchange.state is S.CLOSED


def test_a_rst_anywhere_in_the_window_counts_if_that_is_allowed() -> None:
    exchange = bsd(S.ESTABLISHED, weak("rst"))
    exchange.peer.sends("R 65701:65701(0)")
    assert exchange.counters["TCPOutOfWindowRST"] == 1
    exchange.peer.sends("R 65700:65700(0)")
    assert exchange.state is S.CLOSED


@pytest.mark.parametrize("state", SYNCHRONIZED)
def test_every_syn_is_challenged(state: State) -> None:
    exchange = bsd(state)
    for seq in (0, 10, 100000):
        exchange.peer.sends(f"S {seq}:{seq}(0)")
        exchange.peer.expects_any(".")
    assert exchange.state is state


def test_a_syn_in_the_window_resets_if_that_is_allowed() -> None:
    exchange = bsd(S.ESTABLISHED, weak("syn"))
    exchange.peer.sends("S 10:10(0)")
    exchange.peer.expects("R. 1:1(0) ack 1 win 0")
    assert exchange.state is S.CLOSED


def test_an_ack_in_what_is_old_counts() -> None:
    exchange = bsd(S.ESTABLISHED)
    exchange.user.sends(100)
    exchange.peer.ignores()
    exchange.peer.sends(". 0:0(0) ack 101")
    exchange.peer.expects(". 101:101(0) ack 1")
    assert exchange.connection.tcb.snd.outstanding == 0


def test_what_has_no_ack_is_dropped_and_what_is_old_acknowledged() -> None:
    exchange = bsd(S.ESTABLISHED)
    exchange.peer.sends("P 1:11(10)")
    exchange.peer.expects_nothing()
    exchange.peer.sends("F 0:0(0)")
    exchange.peer.expects_any(".")
    assert exchange.state is S.ESTABLISHED


def test_what_ends_beyond_the_window_loses_its_fin() -> None:
    exchange = bsd(S.ESTABLISHED)
    exchange.peer.sends("F. 65700:65702(2) ack 1")
    exchange.peer.expects_any(".")
    exchange.peer.sends("F. 65701:65701(0) ack 1")
    assert exchange.connection.tcb.rcv.fin is not None
    exchange.peer.sends(". 65702:65702(0) ack 1")
    exchange.peer.expects_any(".")


@pytest.mark.parametrize("seq", [0, 1, 100000])
def test_in_syn_received_a_wrong_ack_is_reset_wherever_it_stands(seq: int) -> None:
    exchange = bsd(S.SYN_RECEIVED)
    exchange.peer.sends(f". {seq}:{seq}(0) ack 77")
    exchange.peer.expects("R 77:77(0) win 0")
    assert exchange.state is S.SYN_RECEIVED


def test_an_old_timestamp_is_acknowledged_with_text_only() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=BSD), options=STAMPED)
    exchange.peer.sends(". 1:1(0) ack 1 <TS val 5 ecr 0>")
    exchange.peer.expects_nothing()
    exchange.peer.sends("P. 1:2(1) ack 1 <TS val 5 ecr 0>")
    exchange.peer.expects_any(".")
    assert exchange.counters["PAWSEstab"] == 2


@pytest.mark.rfc("7323", "7323.4")
def test_segments_without_the_timestamps_agreed_on_are_dropped_but_for_rst() -> None:
    config = replace(BSD, options=OptionsConfig(needs_timestamps=True))
    exchange = reach(S.ESTABLISHED, Setting(config=config), options=STAMPED)
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.peer.expects_nothing()
    assert exchange.user.readable_octets == 0
    exchange.peer.sends("R 1:1(0)")
    assert exchange.state is S.CLOSED


def test_every_second_segment_is_acknowledged_however_small() -> None:
    exchange = bsd(S.ESTABLISHED)
    exchange.peer.sends("P. 1:2(1) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends("P. 2:3(1) ack 1")
    exchange.peer.expects_any(".")


@pytest.mark.rfc("7323", "7323.10")
def test_the_reset_of_an_abort_has_what_it_is_configured_to() -> None:
    for form, win in (("bare", 0), ("stamped", 0), ("full", 1027)):
        config = replace(BSD, closing=ClosingConfig(reset=form))
        exchange = reach(S.ESTABLISHED, Setting(config=config), options=STAMPED)
        exchange.user.aborts()
        seen = exchange.peer.expects_any("R.").segment
        assert (seen.options is not None) == (form != "bare")
        assert seen.window == win


def test_the_fin_of_one_who_shuts_down_early_follows_the_handshake() -> None:
    exchange = bsd(S.SYN_SENT)
    exchange.user.sends(1)
    exchange.user.shuts_down()
    exchange.peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1460>")
    exchange.peer.expects("FP. 1:2(1) ack 1")
    assert exchange.state is S.FIN_WAIT_1


def test_one_who_closes_early_says_nothing() -> None:
    exchange = bsd(S.SYN_RECEIVED)
    exchange.user.closes()
    exchange.peer.expects_nothing()
    assert exchange.state is S.CLOSED


def test_an_attempt_to_connect_has_an_end_in_time() -> None:
    config = replace(BSD, timeouts=TimeoutConfig(connect=10 * SECOND))
    exchange = bsd(S.SYN_SENT, config)
    assert exchange.after(9 * SECOND)
    exchange.after(2 * SECOND)
    assert exchange.state is S.CLOSED


@pytest.mark.parametrize(
    ("segment", "answer", "stays"),
    [
        (". 1:1(0) ack 5", "R 5:5(0)", True),
        (". 100000:100000(0) ack 1", ". 1:1(0) ack 1", True),
        ("R 1:1(0)", None, False),
        ("R. 1:1(0) ack 1", None, True),
        ("R 2:2(0)", ". 1:1(0) ack 1", True),
        ("R 70000:70000(0)", None, True),
        ("S 9:9(0) win 1000", "S. 0:0(0) ack 1", True),
        ("S. 1:1(0) ack 1", "R 1:1(0)", False),
        ("P 1:11(10)", None, True),
        ("F 1:1(0)", None, True),
    ],
)
def test_a_half_open_peer_is_judged_before_there_is_a_connection(segment: str, answer: str | None, stays: bool) -> None:
    exchange = Exchange.passive(Setting(config=BSD))
    exchange.peer.sends("S 0:0(0) win 65535 <mss 1460>")
    exchange.peer.ignores()
    exchange.peer.sends(segment)
    if answer is None:
        exchange.peer.expects_nothing()
    else:
        exchange.peer.expects_any(answer.split()[0])
    assert (exchange.state is S.SYN_RECEIVED) == stays


def test_a_syn_with_fin_is_a_syn() -> None:
    exchange = Exchange.passive(Setting(config=BSD))
    exchange.peer.sends("SF 0:0(0) win 65535 <mss 1460>")
    exchange.peer.expects_any("S.")


def test_in_syn_received_the_same_syn_is_answered_again() -> None:
    exchange = bsd(S.SYN_RECEIVED)
    exchange.peer.sends("S 0:0(0) win 65535 <mss 1460>")
    exchange.peer.expects("S. 0:0(0) ack 1")
    assert exchange.state is S.SYN_RECEIVED


def test_in_syn_received_a_rst_refuses() -> None:
    exchange = bsd(S.SYN_RECEIVED)
    exchange.peer.sends("R 1:1(0)")
    exchange.user.hears("Closed: ConnectionRefused")
    assert exchange.counters["AttemptFails"] == 1


def test_a_later_timestamp_is_no_old_one() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=BSD), options=STAMPED)
    exchange.peer.sends("P. 1:2(1) ack 1 <TS val 101 ecr 0>")
    assert exchange.user.readable_octets == 1


def test_the_ack_of_a_probes_octet_moves_what_was_sent() -> None:
    exchange = bsd(S.ESTABLISHED)
    exchange.peer.sends(". 1:1(0) ack 1 win 0")
    exchange.user.sends(100)
    exchange.after(MINUTE)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 2 win 0")
    assert numbers(exchange) == (2, 2)
    exchange.peer.sends(". 1:1(0) ack 2 win 1000")
    exchange.peer.expects("P. 2:101(99) ack 1")


@pytest.mark.parametrize(("config", "challenged"), [(BSD, 1), (weak("ack"), 0)])
def test_an_ack_of_what_was_before_our_syn_is_challenged(config: TcpConfig, challenged: int) -> None:
    exchange = bsd(S.ESTABLISHED, config)
    exchange.peer.sends("P. 1:11(10) ack 0")
    assert exchange.counters["TCPGhostAck"] == challenged
    assert exchange.user.readable_octets == (0 if challenged else 10)


@pytest.mark.parametrize(("text", "answer"), [("P. 1:11(10) ack 2", "R 2:2(0)"), ("P 1:11(10)", "R. 0:0(0) ack 11")])
def test_new_text_for_a_user_who_is_gone_is_reset(text: str, answer: str) -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=BSD, iss=0))
    exchange.user.closes()
    exchange.peer.ignores()
    exchange.peer.sends(text)
    exchange.peer.expects(answer)
    exchange.user.hears("Closed")


def test_a_user_who_is_gone_hears_whether_his_own_text_may_be_lost() -> None:
    exchange = bsd(S.ESTABLISHED)
    exchange.user.sends(100)
    exchange.user.closes()
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.user.hears("Closed: ConnectionAborted")


@pytest.mark.parametrize("window", ["bsd", "steady"])
def test_a_probe_of_our_closed_window_is_acknowledged_and_its_ack_counts(window: str) -> None:
    buffers = BufferConfig(receive_initial=2920, receive=2920, window=window)
    exchange = bsd(S.ESTABLISHED, replace(BSD, buffers=buffers))
    exchange.user.sends(10)
    rcv = exchange.connection.tcb.rcv
    octets = rcv.wnd
    exchange.peer.sends(f"P. 1:{1 + octets}({octets}) ack 1")
    assert rcv.wnd == 0
    exchange.peer.ignores()
    exchange.peer.sends(f". {1 + octets}:{2 + octets}(1) ack 11")
    exchange.peer.expects(f". 11:11(0) ack {1 + octets} win 0")
    assert exchange.connection.tcb.snd.outstanding == 0
    assert exchange.user.readable_octets == octets


def test_of_text_that_has_come_in_part_the_rest_is_taken() -> None:
    exchange = bsd(S.ESTABLISHED)
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.peer.ignores()
    exchange.peer.sends("P. 1:21(20) ack 1")
    exchange.user.reads(20)
    exchange.peer.expects(". 1:1(0) ack 21")


def icmp(exchange: Exchange, *, is_hard: bool) -> None:
    error = ConnectionRefused("port unreachable") if is_hard else NetworkUnreachable("host unreachable")
    on_icmp_error(exchange.connection.tcb, error, is_hard)
    exchange.settle()


@pytest.mark.parametrize(("state", "ends"), [(S.SYN_SENT, True), (S.SYN_RECEIVED, False), (S.ESTABLISHED, False)])
def test_a_hard_error_ends_syn_sent_and_nothing_else(state: State, ends: bool) -> None:
    exchange = bsd(state)
    icmp(exchange, is_hard=True)
    exchange.user.hears(*["Closed: ConnectionRefused"] * ends)
    assert (exchange.state is S.CLOSED) == ends


def test_a_soft_error_means_nothing_once_established() -> None:
    exchange = bsd(S.ESTABLISHED)
    icmp(exchange, is_hard=False)
    exchange.user.hears()


def test_a_soft_error_is_believed_when_a_syn_has_been_repeated_often() -> None:
    exchange = bsd(S.SYN_SENT)
    exchange.after(20 * SECOND)
    icmp(exchange, is_hard=False)
    exchange.user.hears("SoftError: NetworkUnreachable")
    icmp(exchange, is_hard=False)
    exchange.user.hears("Closed: NetworkUnreachable")


@pytest.mark.parametrize("segment", [". 1:1(0) ack 1", "S. 0:0(0) ack 1 win 65535 <mss 1460>"])
def test_a_simultaneous_open_ends_with_an_ack_of_our_syn(segment: str) -> None:
    exchange = bsd(S.SYN_RECEIVED)
    exchange.peer.sends(segment)
    assert exchange.state is S.ESTABLISHED
    exchange.user.hears("Connected")


def test_a_connection_of_a_half_open_peer_answers_its_syn_again() -> None:
    opening = Opening(local_port=1, remote_port=2, iss=7, config=BSD)
    connection = Connection.resume(opening, HalfOpen(bytes(12), 9, 7, 1000), SECOND)
    connection.on_segment(Segment(2, 1, seq=9, flags=SYN, window=100), SECOND)
    answer = connection.poll_transmit(SECOND)
    assert answer is not None
    assert (answer.flags, answer.seq, answer.ack) == (SYN | ACK, 7, 10)
    assert connection.state is S.SYN_RECEIVED


def test_text_without_ack_waits_for_the_end_of_the_handshake() -> None:
    exchange = bsd(S.SYN_RECEIVED)
    exchange.peer.sends("P 1:11(10)")
    exchange.peer.expects_any("S.")
    exchange.peer.sends("F 1:1(0)")
    exchange.peer.expects_any("S.")
    exchange.peer.sends("- 1:1(0)")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 11:11(0) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.hears("Connected", "Readable")
    assert len(exchange.connection.tcb.rcv.queue) == 10


def test_text_in_the_syn_waits_too() -> None:
    exchange = bsd(S.SYN_SENT)
    exchange.peer.sends("S 0:10(10) win 65535 <mss 1460>")
    exchange.peer.expects_any("S.")
    exchange.peer.sends("F. 11:11(0) ack 1")
    exchange.peer.expects(". 1:1(0) ack 12")
    assert exchange.state is S.CLOSE_WAIT


def test_a_syn_ack_in_the_window_ends_the_handshake_without_an_answer() -> None:
    exchange = bsd(S.SYN_RECEIVED)
    exchange.peer.sends("S. 100:100(0) ack 1 win 65535")
    exchange.peer.expects_nothing()
    assert exchange.state is S.ESTABLISHED


def test_more_than_a_segment_is_acknowledged_at_once() -> None:
    exchange = bsd(S.ESTABLISHED)
    exchange.peer.sends("P. 1:1461(1460) ack 1")
    exchange.peer.expects_nothing()
    exchange = bsd(S.ESTABLISHED)
    exchange.peer.sends("P. 1:1462(1461) ack 1")
    exchange.peer.expects_any(".")


def test_who_was_told_that_there_is_no_room_is_answered_at_once() -> None:
    small = replace(BSD, buffers=BufferConfig(receive_initial=2920, receive=2920, window="bsd"))
    exchange = bsd(S.ESTABLISHED, small)
    exchange.peer.sends("P. 1:2921(2920) ack 1")
    exchange.peer.expects_any(".")
    exchange.connection.tcb.rcv.queue.take(2920)
    exchange.peer.sends("P. 2921:2922(1) ack 1")
    exchange.peer.expects(". 1:1(0) ack 2922")


def test_there_may_be_more_than_one_challenge_in_a_time() -> None:
    for count, sent in ((3, 3), (1, 1), (0, 6)):
        acks = AckConfig(quick=0, second="any", challenge_interval=SECOND, challenge_count=count)
        exchange = bsd(S.ESTABLISHED, replace(BSD, acks=acks))
        for _ in range(6):
            exchange.peer.sends("S 1:1(0) win 65535")
        assert len(exchange.peer.ignores()) == sent
        exchange.after(SECOND)
        exchange.peer.sends("S 1:1(0) win 65535")
        assert len(exchange.peer.ignores()) == 1


@pytest.mark.parametrize(("form", "is_stamped"), [("stamped", True), ("bare", False)])
def test_the_reset_for_a_wrong_ack_is_stamped_while_there_is_a_connection(form: str, is_stamped: bool) -> None:
    config = replace(BSD, closing=ClosingConfig(reset=form))
    exchange = reach(S.SYN_RECEIVED, Setting(config=config), options=STAMPED)
    exchange.peer.sends(". 1:1(0) ack 5 <nop,nop,TS val 101 ecr 1000>")
    assert (exchange.peer.expects_any("R").segment.options is not None) is is_stamped
