"""Closing a connection: all the ways through the lower half of the diagram (RFC 9293 3.6)."""

import pytest

from halfopen.base.clock import MILLISECOND, MINUTE, SECOND
from halfopen.tcp.config import BufferConfig, ClosingConfig, KeepAliveConfig, RetransmissionConfig, TcpConfig
from halfopen.tcp.state import State
from halfopen.testing.exchange import Exchange, Setting
from tests.tcp.states import WRAPS, is_silent_for_ever, reach

S = State


@pytest.mark.rfc("9293", "MUST-13")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
def test_who_closes_first_ends_in_time_wait_for_2_msl(iss: int, irs: int) -> None:
    exchange = reach(S.ESTABLISHED, Setting(iss=iss, irs=irs))
    exchange.user.shuts_down()
    exchange.peer.expects("F. 1:1(0) ack 1")
    assert exchange.state is S.FIN_WAIT_1
    exchange.peer.sends(". 1:1(0) ack 2")
    assert exchange.state is S.FIN_WAIT_2
    assert is_silent_for_ever(exchange)
    exchange.peer.sends("F. 1:1(0) ack 2")
    exchange.peer.expects(". 2:2(0) ack 2")
    assert exchange.state is S.TIME_WAIT
    exchange.user.hears("Writable", "EndOfStream", "Closed")
    exchange.after(60 * SECOND - 1)
    assert exchange.state is S.TIME_WAIT
    exchange.after(1)
    assert exchange.state is S.CLOSED
    exchange.peer.expects_nothing()
    exchange.user.hears()


@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
def test_who_closes_second_is_done_with_the_ack_of_its_fin(iss: int, irs: int) -> None:
    exchange = reach(S.ESTABLISHED, Setting(iss=iss, irs=irs))
    exchange.peer.sends("F. 1:1(0) ack 1")
    exchange.peer.expects(". 1:1(0) ack 2")
    assert exchange.state is S.CLOSE_WAIT
    exchange.user.shuts_down()
    exchange.peer.expects("F. 1:1(0) ack 2")
    assert exchange.state is S.LAST_ACK
    exchange.peer.sends(". 2:2(0) ack 2")
    assert exchange.state is S.CLOSED
    exchange.user.hears("EndOfStream", "Writable", "Closed")
    exchange.peer.expects_nothing()
    assert is_silent_for_ever(exchange)


@pytest.mark.rfc("9293", "9293.P11", "MUST-13")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
def test_simultaneous_close(iss: int, irs: int) -> None:
    exchange = reach(S.ESTABLISHED, Setting(iss=iss, irs=irs))
    exchange.user.shuts_down()
    exchange.peer.expects("F. 1:1(0) ack 1")
    exchange.peer.sends("F. 1:1(0) ack 1")
    exchange.peer.expects(". 2:2(0) ack 2")
    assert exchange.state is S.CLOSING
    exchange.peer.sends(". 2:2(0) ack 2")
    exchange.peer.expects_nothing()
    assert exchange.state is S.TIME_WAIT
    exchange.user.hears("EndOfStream", "Writable", "Closed")


@pytest.mark.rfc("9293", "9293.P11")
def test_simultaneous_close_with_text_on_both_fins() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    exchange.user.shuts_down()
    exchange.peer.expects("P. 1:11(10) ack 1")
    exchange.peer.expects("F. 11:11(0) ack 1")
    exchange.peer.sends("F. 1:21(20) ack 1")
    exchange.peer.expects(". 12:12(0) ack 22")
    exchange.peer.sends("F. 1:21(20) ack 12")
    assert exchange.state is S.CLOSING  # its number is out of the window, so its ACK does not count
    exchange.peer.expects(". 12:12(0) ack 22")
    exchange.peer.sends(". 22:22(0) ack 12")
    assert exchange.state is S.TIME_WAIT
    exchange.user.reads(20)


def test_half_close_by_us_leaves_the_peer_the_time_it_wants() -> None:
    exchange = reach(S.FIN_WAIT_2)
    exchange.after(24 * 60 * MINUTE)
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1001(1000) ack 2")
    exchange.user.reads(1000)
    exchange.peer.sends("F. 1001:2001(1000) ack 2")
    exchange.user.reads(1000)
    assert exchange.state is S.TIME_WAIT


def test_half_close_by_the_peer_leaves_us_the_time_we_want() -> None:
    exchange = reach(S.CLOSE_WAIT)
    exchange.after(24 * 60 * MINUTE)
    exchange.user.sends(1000)
    exchange.peer.expects("P. 1:1001(1000) ack 2")
    exchange.peer.sends(". 2:2(0) ack 1001")
    exchange.user.shuts_down()
    exchange.peer.expects("F. 1001:1001(0) ack 2")
    assert exchange.state is S.LAST_ACK


def test_a_lost_fin_is_sent_again() -> None:
    exchange = reach(S.FIN_WAIT_1)
    exchange.after(2 * SECOND)
    exchange.peer.expects("F. 1:1(0) ack 1")
    exchange.peer.sends(". 1:1(0) ack 2")
    assert exchange.state is S.FIN_WAIT_2


@pytest.mark.rfc("9293", "MUST-13", "9293.P10")
def test_a_fin_again_in_time_wait_is_acknowledged_and_starts_2_msl_anew() -> None:
    exchange = reach(S.TIME_WAIT)
    exchange.after(50 * SECOND)
    exchange.peer.sends("F. 1:1(0) ack 2")
    exchange.peer.expects(". 2:2(0) ack 2")
    exchange.after(60 * SECOND - 1)
    assert exchange.state is S.TIME_WAIT
    exchange.after(1)
    assert exchange.state is S.CLOSED


def test_msl_is_configurable() -> None:
    exchange = reach(S.TIME_WAIT, Setting(config=TcpConfig(closing=ClosingConfig(msl=1 * SECOND))))
    exchange.after(2 * SECOND)
    assert exchange.state is S.CLOSED


@pytest.mark.parametrize("closes_early", [True, False])
def test_a_peer_that_never_closes_is_not_waited_for_without_a_user(closes_early: bool) -> None:
    exchange = reach(S.FIN_WAIT_1)
    if closes_early:
        exchange.user.closes()
        exchange.after(5 * SECOND // 10)
        exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 2")
    exchange.user.closes()
    exchange.after(1 * MINUTE - 1)
    assert exchange.state is S.FIN_WAIT_2
    exchange.after(1)
    assert exchange.state is S.CLOSED
    exchange.peer.expects_nothing()
    exchange.user.hears("Writable", "Closed")


def test_without_a_user_the_fin_still_leads_to_time_wait() -> None:
    exchange = reach(S.FIN_WAIT_2)
    exchange.user.closes()
    exchange.after(30 * SECOND)
    exchange.peer.sends("F. 1:1(0) ack 2")
    assert exchange.state is S.TIME_WAIT
    exchange.after(60 * SECOND - 1)
    assert exchange.state is S.TIME_WAIT


def test_a_peer_that_never_acknowledges_the_fin_is_given_up() -> None:
    config = TcpConfig(retransmission=RetransmissionConfig(orphan_retries=2))
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    exchange.user.closes()
    exchange.after(60 * SECOND)
    assert len(exchange.peer.ignores()) == 3
    exchange.user.hears("Closed: ConnectionTimedOut")


def linger() -> Exchange:
    return reach(S.ESTABLISHED, Setting(config=TcpConfig(closing=ClosingConfig(linger=5 * SECOND))))


def test_the_linger_time_ends_with_a_rst_if_text_is_left() -> None:
    exchange = linger()
    exchange.user.sends(10)
    exchange.user.closes()
    exchange.peer.expects("P. 1:11(10) ack 1")
    exchange.peer.expects("F. 11:11(0) ack 1")
    exchange.after(5 * SECOND)
    assert str(exchange.peer.ignores()[-1]) == "R. 12:12(0) ack 1 win 0"
    exchange.user.hears("Closed: ConnectionTimedOut")
    assert exchange.counters["TCPAbortOnLinger"] == 1


def test_the_linger_time_is_over_when_all_has_arrived() -> None:
    exchange = linger()
    exchange.user.sends(10)
    exchange.user.closes()
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 12")
    exchange.after(6 * SECOND)
    exchange.peer.expects_nothing()
    assert exchange.state is S.FIN_WAIT_2


def test_the_linger_time_does_not_begin_if_all_has_arrived() -> None:
    exchange = linger()
    exchange.user.shuts_down()
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 2")
    exchange.user.closes()
    exchange.after(6 * SECOND)
    exchange.peer.expects_nothing()
    assert exchange.state is S.FIN_WAIT_2


def test_the_linger_time_of_a_simultaneous_open_outlives_the_handshake() -> None:
    exchange = reach(S.SYN_RECEIVED, Setting(config=TcpConfig(closing=ClosingConfig(linger=5 * SECOND))))
    exchange.user.sends(10)
    exchange.user.closes()
    exchange.peer.sends(". 1:1(0) ack 1")
    exchange.after(5 * SECOND)
    assert exchange.state is S.CLOSED
    assert exchange.counters["TCPAbortOnLinger"] == 1


def test_who_gives_the_peer_no_time_at_all_to_close_resets_once_all_has_arrived() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=TcpConfig(closing=ClosingConfig(fin_wait_2=0))))
    exchange.user.closes()
    exchange.peer.expects("F. 1:1(0) ack 1")
    exchange.peer.sends(". 1:1(0) ack 2")
    exchange.peer.expects("R 2:2(0)")
    assert exchange.state is S.CLOSED


def test_a_linux_has_the_ack_of_a_fin_wait_for_an_answer() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=TcpConfig(buffers=BufferConfig(window="linux"))))
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 11")
    exchange.peer.sends("F. 11:11(0) ack 1")
    exchange.peer.expects_nothing()
    exchange.after(40 * MILLISECOND)
    exchange.peer.expects(". 1:1(0) ack 12")


def test_a_bsd_gives_up_the_peers_fin_as_it_does_an_idle_peer() -> None:
    config = TcpConfig(
        closing=ClosingConfig(fin_wait_2_by_keep_alive=True), keep_alive=KeepAliveConfig(count=3, interval=SECOND)
    )
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    exchange.user.closes()
    exchange.peer.sends(". 1:1(0) ack 2")
    exchange.after(4 * SECOND - 1)
    assert exchange.state is S.FIN_WAIT_2
    exchange.after(1)
    assert exchange.state is S.CLOSED


def test_a_peer_that_is_heard_of_while_it_has_to_close_gets_more_time() -> None:
    config = TcpConfig(
        closing=ClosingConfig(fin_wait_2_by_keep_alive=True), keep_alive=KeepAliveConfig(count=3, interval=SECOND)
    )
    exchange = reach(S.FIN_WAIT_2, Setting(config=config))
    exchange.user.closes()
    exchange.after(2 * SECOND)
    exchange.peer.sends(". 1:1(0) ack 2")
    exchange.after(3 * SECOND)
    assert exchange.state is S.FIN_WAIT_2
    exchange.after(SECOND)
    assert exchange.state is S.CLOSED
