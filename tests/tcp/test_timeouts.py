"""Which timer has expired, and whether that is the end (RFC 9293 3.10.8, 3.8.3)."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, MINUTE, NEVER, SECOND
from halfopen.base.counters import Counters
from halfopen.tcp.config import (
    DEFAULT,
    AckConfig,
    ArrivalConfig,
    BufferConfig,
    ClosingConfig,
    FastOpenConfig,
    KeepAliveConfig,
    RetransmissionConfig,
    TcpConfig,
    TimeoutConfig,
)
from halfopen.tcp.connection import Connection
from halfopen.tcp.early import begin_at_server
from halfopen.tcp.fast_open import Request, ServerCookies
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.linux_config import LinuxRetransmissionConfig
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening, Phase
from halfopen.testing.exchange import Exchange, Setting
from halfopen.wire.tcp import SYN, Segment
from halfopen.wire.tcp_options import FAST_OPEN
from tests.tcp.exchanges import EAGER, PLAIN, PTO, RTO, RTT, connect, flight, retransmitting

HOUR = 60 * MINUTE


# R1 and R2


@pytest.mark.rfc("9293", "MUST-20", "SHLD-11")
def test_text_that_is_never_acknowledged_ends_the_connection_after_100_seconds_at_least() -> None:
    exchange = connect(config=PLAIN)
    exchange.user.sends(100)
    began = exchange.elapsed
    exchange.after(HOUR)
    seen = exchange.peer.ignores()
    assert len(seen) == 1 + 15
    assert seen[-1].when - began > 100 * SECOND
    assert exchange.state is State.CLOSED
    assert exchange.counters["TCPAbortOnTimeout"] == 1
    assert exchange.next_deadline() == NEVER


@pytest.mark.rfc("9293", "MUST-20", "SHLD-9", "SHLD-10", "MUST-47")
def test_the_user_hears_of_r1_after_three_retransmissions_and_of_r2_in_the_end() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 1)
    exchange.after(RTO + 2 * RTO + 4 * RTO - 1)
    exchange.user.hears()
    assert len(exchange.peer.ignores()) == 2
    exchange.after(1)
    exchange.user.hears("SoftError: ConnectionTimedOut")
    assert len(exchange.peer.ignores()) == 1
    exchange.after(HOUR)
    exchange.user.hears("Closed: ConnectionTimedOut")


@pytest.mark.rfc("9293", "MUST-20")
def test_an_acknowledgment_in_between_begins_the_count_anew() -> None:
    exchange = connect(config=retransmitting(retries=3, tail_loss_probe=False))
    flight(exchange, 2)
    exchange.after(RTO + 2 * RTO + 4 * RTO)
    assert len(exchange.peer.ignores()) == 3
    exchange.peer.sends(". 1:1(0) ack 1001")
    exchange.after(8 * RTO + 16 * RTO + 32 * RTO)  # the backoff stays until there is a round trip to measure
    assert len(exchange.peer.ignores()) == 1 + 3
    exchange.peer.sends(". 1:1(0) ack 2001")
    exchange.after(HOUR)
    assert exchange.state is State.ESTABLISHED


@pytest.mark.rfc("9293", "MUST-22", "MUST-23")
def test_a_syn_is_sent_for_three_minutes_at_least() -> None:
    exchange = Exchange.active()
    exchange.after(3 * MINUTE)
    exchange.user.hears()
    exchange.after(5 * MINUTE)
    exchange.user.hears("Closed: ConnectionTimedOut")
    seen = exchange.peer.ignores()
    assert all(str(one).startswith("S 0:0(0)") for one in seen)
    assert len(seen) == 1 + DEFAULT.retransmission.syn_retries


def test_the_syn_ack_of_a_simultaneous_open_has_a_limit_of_its_own() -> None:
    exchange = Exchange.active(Setting(config=retransmitting(synack_retries=2)))
    exchange.peer.ignores()
    exchange.peer.sends("S 0:0(0) win 65535 <mss 1000>")
    exchange.after(HOUR)
    assert [str(seen).split(" ack")[0] for seen in exchange.peer.ignores()] == ["S. 0:0(0)"] * 3
    exchange.user.hears("Closed: ConnectionTimedOut")


@pytest.mark.rfc("9293", "MUST-21", "MUST-23")
def test_a_user_timeout_replaces_every_count() -> None:
    patient = replace(DEFAULT, retransmission=RetransmissionConfig(user_timeout=HOUR, syn_retries=1, retries=1))
    exchange = Exchange.active(Setting(config=patient))
    exchange.after(HOUR - 1)
    assert exchange.state is State.SYN_SENT
    exchange.after(1)
    assert exchange.state is State.CLOSED


@pytest.mark.rfc("9293", "MUST-21")
def test_r2_can_be_changed_while_connected() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 1)
    exchange.user.configures(retransmitting(retries=1))
    exchange.after(RTO + 2 * RTO)
    assert len(exchange.peer.ignores()) == 1
    exchange.user.hears("Closed: ConnectionTimedOut")


def test_who_has_closed_is_given_up_for_sooner() -> None:
    exchange = connect(config=PLAIN)
    exchange.user.sends(100)
    exchange.user.closes()
    exchange.after(HOUR)
    sent_again = [seen for seen in exchange.peer.ignores() if seen.words.start == 1]
    assert len(sent_again) == 1 + PLAIN.retransmission.orphan_retries


@pytest.mark.rfc("9293", "SHLD-17", "MUST-37")
def test_text_beyond_a_window_shrunk_to_nothing_ends_nothing_while_the_peer_answers() -> None:
    exchange = connect(window=10_000, config=retransmitting(retries=4, rto_max=SECOND, tail_loss_probe=False))
    flight(exchange, 5)
    exchange.peer.sends(". 1:1(0) ack 1 win 0")
    for _ in range(60):
        exchange.after(SECOND)
        assert exchange.peer.ignores()
        exchange.peer.sends(". 1:1(0) ack 1 win 0")
    assert exchange.state is State.ESTABLISHED


@pytest.mark.rfc("9293", "MUST-20")
def test_who_shrank_the_window_to_nothing_and_fell_silent_is_given_up() -> None:
    exchange = connect(window=10_000, config=PLAIN)
    flight(exchange, 5)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1001 win 0")
    exchange.after(HOUR)
    assert exchange.state is State.CLOSED


# The timers


def test_a_connection_without_anything_to_wait_for_has_no_timer() -> None:
    exchange = connect()
    assert exchange.next_deadline() == NEVER
    exchange.after(HOUR)
    exchange.call(Connection.on_deadline)
    assert exchange.peer.ignores() == []
    exchange.user.hears()


@pytest.mark.rfc("9293", "SHLD-18")
def test_an_ack_that_was_delayed_is_counted() -> None:
    exchange = connect(config=replace(EAGER, acks=AckConfig(quick=0)))
    exchange.peer.sends("P. 1:101(100) ack 1")
    exchange.after(SECOND)
    exchange.peer.expects(". 1:1(0) ack 101")
    assert exchange.counters["DelayedACKs"] == 1


def test_each_timer_expires_by_itself() -> None:
    """A tail loss probe, a delayed ACK, keep-alive: one deadline, and each is dealt with."""
    config = replace(EAGER, acks=AckConfig(quick=0, delay=PTO), keep_alive=KeepAliveConfig(enabled=True, idle=PTO))
    exchange = connect("mss 1000,sackOK", config=config, burst=0)
    flight(exchange, 2)
    exchange.peer.sends(". 1:101(100) ack 1")
    exchange.after(PTO)
    exchange.peer.expects("P. 1001:2001(1000) ack 101")  # which is the ACK as well
    exchange.peer.expects_nothing()
    assert (exchange.counters["TCPLossProbes"], exchange.counters["DelayedACKs"]) == (1, 1)


@pytest.mark.rfc("9293", "MUST-13")
def test_time_wait_ends_after_two_maximum_segment_lifetimes() -> None:
    exchange = connect()
    exchange.user.shuts_down()
    exchange.peer.ignores()
    exchange.peer.sends("F. 1:1(0) ack 2")
    assert exchange.state is State.TIME_WAIT
    exchange.after(2 * ClosingConfig().msl - 1)
    assert exchange.state is State.TIME_WAIT
    exchange.after(1)
    assert exchange.state is State.CLOSED


def test_a_peer_that_never_closes_is_left_when_the_user_has() -> None:
    exchange = connect()
    exchange.user.closes()
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 2")
    assert exchange.state is State.FIN_WAIT_2
    exchange.after(ClosingConfig().fin_wait_2 - 1)
    assert exchange.state is State.FIN_WAIT_2
    exchange.after(1)
    exchange.user.hears("Writable", "Closed")


def test_what_is_not_acknowledged_within_the_linger_time_is_reset() -> None:
    exchange = connect(config=replace(PLAIN, closing=ClosingConfig(linger=3 * SECOND)))
    flight(exchange, 1)
    exchange.user.closes()
    exchange.after(3 * SECOND - 1)
    assert exchange.state is State.FIN_WAIT_1
    exchange.peer.ignores()
    exchange.after(1)
    exchange.peer.expects("R. 1002:1002(0) ack 1")
    exchange.user.hears("Closed: ConnectionTimedOut")
    assert exchange.counters["TCPAbortOnLinger"] == 1


@pytest.mark.rfc("8985", "8985.3", "8985.5")
def test_the_reordering_timer_finds_what_has_not_come_in_the_meantime() -> None:
    exchange = connect("mss 1000,sackOK")
    flight(exchange, 3)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    exchange.peer.expects_nothing()
    exchange.after(RTT // 4)
    exchange.peer.expects(". 1:1001(1000) ack 1")


def test_a_timer_that_expires_late_counts_from_when_it_did() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 1)
    exchange.now += 20 * SECOND
    exchange.call(Connection.on_deadline)
    exchange.peer.expects("P. 1:1001(1000) ack 1")
    assert exchange.next_deadline() == exchange.now + 2 * RTO
    assert exchange.counters["TCPTimeouts"] == 1


def test_a_patient_sender_sends_when_its_patience_is_over() -> None:
    exchange = connect(window=4000)
    exchange.user.sends(5000)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 4001 win 10")
    exchange.after(200 * MILLISECOND)
    exchange.peer.expects(". 4001:4011(10) ack 1")


def test_a_closed_window_is_probed_and_nothing_is_taken_for_lost() -> None:
    exchange = connect(window=0)
    exchange.user.sends(100)
    exchange.after(RTO)
    exchange.peer.expects(". 0:0(0) ack 1")
    assert (exchange.counters["TCPWinProbe"], exchange.counters["TCPTimeouts"]) == (1, 0)


def test_an_ack_that_had_to_wait_to_the_end_is_given_longer_the_next_time() -> None:
    exchange = Exchange.established(Setting(config=TcpConfig(buffers=BufferConfig(window="linux"))))
    exchange.peer.ignores()
    delays = exchange.connection.tcb.owed.acks.delays
    assert delays is not None
    exchange.peer.sends("P. 1:11(10) ack 1")
    delays.quick = 0
    exchange.peer.sends("P. 11:21(10) ack 1")
    exchange.after(40 * MILLISECOND)
    exchange.peer.ignores()
    assert delays.ato == 80 * MILLISECOND


def test_a_bsd_says_rst_to_a_peer_that_it_gives_up() -> None:
    bsd = replace(PLAIN, arrivals=ArrivalConfig(order="bsd"))
    exchange = connect(config=bsd)
    flight(exchange, 1)
    exchange.after(HOUR)
    assert str(exchange.peer.ignores()[-1]).startswith("R. 1001:1001(0) ack 1")
    exchange = Exchange.active(Setting(config=bsd))
    exchange.after(HOUR)
    assert str(exchange.peer.ignores()[-1]).startswith("S 0:0(0)")
    assert exchange.state is State.CLOSED


def test_the_second_timeout_of_a_childs_syn_ack_means_on_linux_that_all_is_lost() -> None:
    config = replace(DEFAULT, arrivals=ArrivalConfig(order="linux"))
    opening = Opening(local_port=80, remote_port=0xC000, iss=1000, counters=Counters(), config=config)
    child = Connection.resume(opening, HalfOpen(bytes(12), 7, 1000, 1000), 0)
    begin_at_server(child.tcb, Segment(0xC000, 80, seq=7, flags=SYN, window=5000), None, 0)
    child.send(b"answer", 0)
    now, phases = 0, []
    for _ in range(2):
        while child.poll_transmit(now) is not None:
            pass
        now = child.next_deadline()
        child.on_deadline(now)
        phases.append(child.tcb.recovery.phase)
    assert phases == [Phase.OPEN, Phase.LOSS]


def test_a_syn_waits_for_text_only_so_long() -> None:
    config = replace(DEFAULT, fast_open=FastOpenConfig(connect=True))
    opening = Opening(local_port=80, remote_port=0xC000, iss=1000, counters=Counters(), config=config)
    connection = Connection.open(opening, 0, Request(ServerCookies(), b"peer", (FAST_OPEN, bytes(8)), 1460, True))
    assert connection.poll_transmit(0) is None
    connection.on_deadline(connection.next_deadline())
    assert not connection.tcb.owed.impatient
    assert connection.poll_transmit(10 * MILLISECOND) is not None


def without_backoff(syns: int) -> TimeoutConfig:
    return TimeoutConfig(linux=LinuxRetransmissionConfig(syn_linear=syns))


def test_syns_without_backoff_end_when_those_with_it_would() -> None:
    config = replace(retransmitting(syn_retries=1), timeouts=without_backoff(4))
    exchange = Exchange.active(Setting(config=config))
    exchange.after(HOUR)
    syns = [each for each in exchange.peer.ignores() if str(each).startswith("S ")]
    assert (len(syns), exchange.state) == (3, State.CLOSED)


def test_the_pace_is_over_when_its_timer_is() -> None:
    exchange = connect("mss 1000")
    tcb = exchange.connection.tcb
    tcb.timers.pace = exchange.now + 5
    exchange.after(5)
    assert tcb.timers.pace == NEVER


def test_the_first_syns_may_do_without_backoff() -> None:
    exchange = Exchange.active(Setting(config=replace(retransmitting(syn_retries=1), timeouts=without_backoff(2))))
    exchange.peer.ignores()
    for _ in range(2):
        exchange.after(SECOND)
        assert len(exchange.peer.ignores()) == 1
    exchange.after(SECOND)
    exchange.peer.expects_nothing()
    assert exchange.connection.state is State.CLOSED
