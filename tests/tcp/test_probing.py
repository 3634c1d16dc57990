"""Zero window probes, the sender's patience, and keep-alive (RFC 9293 3.8.4, 3.8.6)."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, MINUTE, NEVER, SECOND
from halfopen.tcp.config import DEFAULT, ArrivalConfig, KeepAliveConfig, TcpConfig
from halfopen.tcp.retransmission import PATIENCE
from halfopen.testing.exchange import Exchange
from tests.tcp.exchanges import PLAIN, RTO, RTT, connect, flight, retransmitting

HOUR = 60 * MINUTE


def probes(exchange: Exchange) -> list[int]:
    """When probes were sent, in milliseconds since the start."""
    seen = exchange.peer.ignores()
    assert all(str(one).startswith(". 0:0(0) ack 1") for one in seen)
    return [one.when // MILLISECOND for one in seen]


# A closed window


@pytest.mark.rfc("9293", "MUST-36", "SHLD-29", "SHLD-30")
def test_a_closed_window_is_probed_after_an_rto_and_then_at_intervals_that_double() -> None:
    exchange = connect(window=0)
    began = exchange.elapsed // MILLISECOND
    exchange.user.sends(100)
    exchange.peer.expects_nothing()
    exchange.after(8 * SECOND)
    assert [when - began for when in probes(exchange)] == [250, 750, 1750, 3750, 7750]
    assert exchange.counters["TCPWinProbe"] == 5


@pytest.mark.rfc("9293", "MUST-35")
def test_a_window_that_closes_behind_acknowledged_text_is_probed() -> None:
    exchange = connect(window=2000)
    exchange.user.sends(3000)
    assert len(exchange.peer.ignores()) == 2
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 2001 win 0")
    rto = exchange.connection.tcb.rtt.rto
    exchange.after(rto)
    exchange.peer.expects(". 2000:2000(0) ack 1")


@pytest.mark.rfc("9293", "MUST-37", "MAY-8")
def test_a_peer_that_answers_probes_may_keep_its_window_closed_for_ever() -> None:
    exchange = connect(window=0)
    exchange.user.sends(100)
    for _ in range(200):
        exchange.after(2 * MINUTE)
        assert len(exchange.peer.ignores()) >= 1
        exchange.peer.sends(". 1:1(0) ack 1 win 0")
    exchange.user.hears()
    exchange.peer.sends(". 1:1(0) ack 1 win 1000")
    exchange.peer.expects("P. 1:101(100) ack 1")


@pytest.mark.rfc("9293", "MUST-20")
def test_a_peer_that_answers_no_probe_is_given_up() -> None:
    exchange = connect(window=0)
    exchange.user.sends(100)
    exchange.after(HOUR)
    exchange.user.hears("Closed: ConnectionTimedOut")
    assert len(probes(exchange)) == 15


def test_once_the_window_opens_the_timer_is_what_it_was() -> None:
    exchange = connect(window=0)
    exchange.user.sends(100)
    exchange.after(2 * MINUTE)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1 win 1000")
    exchange.peer.expects("P. 1:101(100) ack 1")
    assert exchange.next_deadline() == exchange.now + RTO
    exchange.after(RTO)
    exchange.peer.expects("P. 1:101(100) ack 1")


@pytest.mark.rfc("9293", "MUST-36")
def test_a_window_of_less_than_a_segment_ends_probing_and_begins_patience() -> None:
    exchange = connect(window=10_000)
    exchange.user.sends(30_000)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 10001 win 0")
    exchange.after(5 * SECOND)
    assert exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 10001 win 700")
    exchange.peer.expects_nothing()
    exchange.after(PATIENCE)
    exchange.peer.expects(". 10001:10701(700) ack 1")
    exchange.peer.sends(". 1:1(0) ack 10701 win 0")
    exchange.after(RTO)
    exchange.peer.expects(". 10700:10700(0) ack 1")


@pytest.mark.rfc("9293", "MUST-36")
def test_a_fin_is_worth_a_probe() -> None:
    exchange = connect(window=0)
    exchange.user.shuts_down()
    exchange.after(RTO)
    exchange.peer.expects(". 0:0(0) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1 win 1")
    exchange.peer.expects("F. 1:1(0) ack 1")


@pytest.mark.rfc("9293", "MUST-38")
def test_patience_is_not_counted_anew_by_every_call() -> None:
    exchange = connect(window=4000)
    exchange.user.sends(4000)
    exchange.user.sends(400)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 4001 win 300")
    for _ in range(4):
        exchange.after(PATIENCE // 4)
        exchange.user.sends(1)
    exchange.peer.expects(". 4001:4301(300) ack 1")


# Keep-alive


def kept_alive(**choices: int) -> TcpConfig:
    """`PLAIN`, with keep-alive on."""
    return replace(PLAIN, keep_alive=KeepAliveConfig(enabled=True, **choices))


@pytest.mark.rfc("9293", "MUST-25")
def test_keep_alive_is_off_unless_it_is_asked_for() -> None:
    exchange = connect(config=DEFAULT)
    assert exchange.next_deadline() == NEVER
    assert exchange.after(100 * HOUR) == []


@pytest.mark.rfc("9293", "MAY-5", "MUST-28", "SHLD-12")
def test_the_default_interval_is_two_hours_and_the_probe_has_no_text() -> None:
    exchange = connect(config=kept_alive())
    exchange.after(2 * HOUR - 1)
    exchange.peer.expects_nothing()
    exchange.after(1)
    exchange.peer.expects(". 0:0(0) ack 1")


@pytest.mark.rfc("9293", "MUST-24")
def test_keep_alive_can_be_turned_on_and_off_while_connected() -> None:
    exchange = connect(config=PLAIN)
    exchange.after(HOUR)
    exchange.user.configures(kept_alive())
    exchange.after(HOUR)
    exchange.peer.expects(". 0:0(0) ack 1")
    exchange.user.configures(PLAIN)
    exchange.after(24 * HOUR)
    exchange.peer.expects_nothing()
    assert exchange.next_deadline() == NEVER


@pytest.mark.rfc("9293", "MUST-27")
def test_the_interval_can_be_chosen() -> None:
    exchange = connect(config=kept_alive(idle=10 * SECOND, interval=3 * SECOND, count=3))
    began = exchange.elapsed // MILLISECOND
    exchange.after(17 * SECOND)
    assert [when - began for when in probes(exchange)] == [10_000, 13_000, 16_000]


@pytest.mark.rfc("9293", "MUST-29")
def test_one_unanswered_probe_is_no_proof_of_death_but_all_of_them_are() -> None:
    exchange = connect(config=kept_alive(idle=10 * SECOND, interval=3 * SECOND, count=3))
    exchange.after(17 * SECOND)
    exchange.user.hears()
    exchange.after(2 * SECOND)
    exchange.user.hears("Closed: ConnectionTimedOut")
    assert exchange.counters["TCPKeepAliveTimeout"] == 1


@pytest.mark.rfc("9293", "MUST-26")
def test_whatever_the_peer_sends_begins_the_interval_anew() -> None:
    exchange = connect(config=kept_alive(idle=10 * SECOND, interval=3 * SECOND, count=3))
    exchange.after(9 * SECOND)
    exchange.peer.sends("P. 1:2(1) ack 1")
    exchange.peer.ignores()
    exchange.after(10 * SECOND - 1)
    exchange.peer.expects_nothing()
    exchange.after(4 * SECOND)
    assert len(exchange.peer.ignores()) == 2
    exchange.peer.sends(". 2:2(0) ack 1")  # the answer to a probe
    exchange.after(10 * SECOND + 6 * SECOND)
    assert len(exchange.peer.ignores()) == 3
    exchange.user.hears("Readable")


@pytest.mark.rfc("9293", "MUST-26")
def test_while_text_is_in_flight_its_own_timer_does_the_asking() -> None:
    config = replace(kept_alive(idle=10 * SECOND, interval=3 * SECOND, count=1), retransmission=PLAIN.retransmission)
    exchange = connect(config=config)
    exchange.after(5 * SECOND)
    flight(exchange, 1)
    exchange.after(2 * MINUTE)
    assert all(seen.words.octets == 1000 for seen in exchange.peer.ignores())
    assert exchange.counters["TCPKeepAlive"] == 0
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.after(11 * SECOND)
    exchange.peer.expects(". 1000:1000(0) ack 1")


def test_while_a_window_is_probed_keep_alive_is_silent() -> None:
    exchange = connect(window=0, config=kept_alive(idle=10 * SECOND, interval=3 * SECOND, count=1))
    exchange.user.sends(10)
    exchange.after(2 * MINUTE)
    assert exchange.counters["TCPKeepAlive"] == 0
    exchange.user.hears()


def test_probes_before_do_not_count_against_a_peer_whose_window_is_closed_now() -> None:
    exchange = connect(
        window=0,
        config=replace(
            kept_alive(idle=SECOND, interval=SECOND, count=9), retransmission=retransmitting(retries=5).retransmission
        ),
    )
    exchange.after(8 * SECOND)
    assert exchange.counters["TCPKeepAlive"] == 8
    exchange.user.sends(10)
    exchange.after(RTO)
    exchange.user.hears()


def test_with_a_user_timeout_that_decides_when_keep_alive_gives_up() -> None:
    patient = replace(DEFAULT.retransmission, user_timeout=6 * SECOND)
    for idle, ends in ((2 * SECOND, 6), (10 * SECOND, 11)):  # the first probe is sent however late
        config = replace(kept_alive(idle=idle, interval=SECOND, count=2), retransmission=patient)
        exchange = connect(config=config)
        began = exchange.now
        exchange.after(ends * SECOND - 1)
        exchange.user.hears()
        exchange.after(1)
        exchange.user.hears("Closed: ConnectionTimedOut")
        assert exchange.now == began + ends * SECOND


def test_a_bsd_does_not_ask_whether_a_peer_is_there_that_only_has_to_close() -> None:
    keep_alive = KeepAliveConfig(enabled=True, idle=HOUR)
    for order, count in (("rfc9293", 1), ("bsd", 0)):
        exchange = connect(config=TcpConfig(keep_alive=keep_alive, arrivals=ArrivalConfig(order=order)))
        exchange.user.shuts_down()
        exchange.peer.ignores()
        exchange.peer.sends(". 1:1(0) ack 2")
        exchange.after(HOUR + SECOND)
        assert len(exchange.peer.ignores()) == count
