"""SEND, RECEIVE, CLOSE, ABORT and what else a user may ask for, in every state (RFC 9293 3.10.2 to 3.10.6)."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, NEVER, SECOND
from halfopen.base.errors import NotConnected
from halfopen.tcp.calls import accept, urgent_octets
from halfopen.tcp.config import (
    AckConfig,
    ArrivalConfig,
    BufferConfig,
    ClosingConfig,
    KeepAliveConfig,
    OptionsConfig,
    RetransmissionConfig,
    TcpConfig,
)
from halfopen.tcp.congestion.cubic import Cubic
from halfopen.tcp.congestion.newreno import NewReno
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.fast_open import Request, ServerCookies
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening, Phase
from halfopen.testing.exchange import START, Exchange, Setting
from tests.tcp.states import CAN_RECEIVE, SYNCHRONIZED, WRAPS, is_silent_for_ever, numbers, reach

S = State
EVERY = (S.SYN_SENT, S.SYN_RECEIVED, *SYNCHRONIZED, S.TIME_WAIT, S.CLOSED)
BEFORE_FIN = (S.SYN_SENT, S.SYN_RECEIVED, S.ESTABLISHED, S.CLOSE_WAIT)


# SEND


@pytest.mark.parametrize("state", EVERY)
def test_send_is_possible_until_close(state: State) -> None:
    exchange = reach(state)
    if state in BEFORE_FIN:
        exchange.user.sends(10)
        assert exchange.connection.queued_octets == 10
    else:
        with pytest.raises(NotConnected, match=f"connection closing: SEND in {state.value}"):
            exchange.user.sends(10)


@pytest.mark.parametrize("state", BEFORE_FIN)
def test_send_is_not_possible_after_close_wherever_that_was(state: State) -> None:
    exchange = reach(state)
    exchange.user.shuts_down()
    with pytest.raises(NotConnected):
        exchange.user.sends(10)


@pytest.mark.rfc("9293", "MUST-30", "MUST-31", "MUST-62")
@pytest.mark.parametrize("iss", WRAPS)
def test_the_urgent_pointer_is_behind_the_last_urgent_octet(iss: int) -> None:
    exchange = reach(S.ESTABLISHED, Setting(iss=iss, config=TcpConfig(acks=AckConfig(nagle=False))))
    exchange.user.sends(2000, urgent=True)
    exchange.peer.expects(".U 1:1461(1460) ack 1 urg 2000")
    exchange.peer.expects("P.U 1461:2001(540) ack 1 urg 540")
    exchange.user.sends(10)
    exchange.peer.expects_any("P.U" if numbers(exchange)[0] > 2001 else "P.")


@pytest.mark.rfc("9293", "MUST-31")
def test_urgent_data_may_be_longer_than_the_pointer_can_say() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(100_000, urgent=True)
    assert exchange.peer.ignores()[0].words.urgent == 65535


# RECEIVE


@pytest.mark.parametrize("state", EVERY)
def test_receive_without_text_returns_none_and_sends_nothing(state: State) -> None:
    exchange = reach(state)
    exchange.user.reads(0)
    assert exchange.connection.receive(10, exchange.now) == ()
    exchange.settle()
    exchange.peer.expects_nothing()


@pytest.mark.rfc("9293", "MUST-39", "SHLD-14")
def test_the_window_opens_when_enough_has_been_read_for_an_update_to_pay() -> None:
    config = TcpConfig(buffers=BufferConfig(receive=4000, receive_initial=4000))
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    exchange.peer.sends(". 1:1461(1460) ack 1", ". 1461:4001(2540) ack 1")
    exchange.peer.expects(". 1:1(0) ack 4001 win 0")
    exchange.user.reads(1999)
    exchange.peer.expects_nothing()
    exchange.user.reads(1)
    exchange.peer.expects(". 1:1(0) ack 4001 win 2000")


@pytest.mark.parametrize("then", ["F. 4001:4001(0) ack 1", "R 4001:4001(0)"])
def test_no_window_is_offered_to_a_peer_that_has_sent_all(then: str) -> None:
    config = TcpConfig(buffers=BufferConfig(receive=4000, receive_initial=4000))
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    exchange.peer.sends(". 1:4001(4000) ack 1", then)
    exchange.peer.ignores()
    exchange.user.reads(4000)
    exchange.peer.expects_nothing()


def test_what_came_before_a_good_end_can_be_read_after_it() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends("F. 1:11(10) ack 1")
    exchange.user.shuts_down()
    exchange.peer.sends(". 12:12(0) ack 2")
    assert exchange.state is S.CLOSED
    exchange.user.reads(10)


@pytest.mark.rfc("9293", "MUST-33")
def test_the_user_can_ask_how_much_urgent_data_there_still_is() -> None:
    exchange = reach(S.ESTABLISHED)
    tcb = exchange.connection.tcb
    assert urgent_octets(tcb) == 0
    exchange.peer.sends(".U 1:21(20) ack 1 urg 15")
    assert urgent_octets(tcb) == 15
    exchange.user.reads(10)
    assert urgent_octets(tcb) == 5
    exchange.user.reads(10)
    assert urgent_octets(tcb) == 0


# CLOSE


@pytest.mark.parametrize(
    ("state", "after", "said"),
    [
        (S.SYN_SENT, S.CLOSED, ""),
        (S.SYN_RECEIVED, S.SYN_RECEIVED, ""),
        (S.ESTABLISHED, S.FIN_WAIT_1, "F. 1:1(0) ack 1"),
        (S.FIN_WAIT_1, S.FIN_WAIT_1, ""),
        (S.FIN_WAIT_2, S.FIN_WAIT_2, ""),
        (S.CLOSE_WAIT, S.LAST_ACK, "F. 1:1(0) ack 2"),
        (S.CLOSING, S.CLOSING, ""),
        (S.LAST_ACK, S.LAST_ACK, ""),
        (S.TIME_WAIT, S.TIME_WAIT, ""),
        (S.CLOSED, S.CLOSED, ""),
    ],
)
@pytest.mark.parametrize("command", ["shuts_down", "closes"])
def test_close_moves_on_and_a_second_call_changes_nothing(state: State, after: State, said: str, command: str) -> None:
    exchange = reach(state)
    for _ in range(2):
        getattr(exchange.user, command)()
        assert exchange.state is after
    if said:
        exchange.peer.expects(said)
    exchange.peer.expects_nothing()
    exchange.user.hears(*(["Closed"] if state is S.SYN_SENT else []))


@pytest.mark.rfc("9293", "MUST-61")
def test_the_fin_follows_all_that_is_queued() -> None:
    exchange = Exchange.established(window=1000)
    exchange.user.sends(2500)
    exchange.user.shuts_down()
    assert exchange.state is S.FIN_WAIT_1
    seen = exchange.peer.ignores()
    assert sum(segment.words.octets for segment in seen) <= 1000
    exchange.peer.sends(". 1:1(0) ack 1001 win 5000")
    assert str(exchange.peer.ignores()[-1]).startswith("FP.")


def test_a_close_before_the_syn_is_answered_deletes_and_the_answer_is_reset() -> None:
    exchange = reach(S.SYN_SENT)
    exchange.user.sends(10)
    exchange.user.closes()
    exchange.user.hears("Closed")
    assert is_silent_for_ever(exchange)
    exchange.peer.sends("S. 0:0(0) ack 1")
    exchange.peer.expects("R 1:1(0) win 0")


def test_a_close_right_after_a_passive_open_is_like_any_other() -> None:
    exchange = Exchange.passive()
    exchange.peer.sends("S 0:0(0) win 1000 <mss 1000>", ". 1:1(0) ack 1")
    exchange.peer.ignores()
    exchange.user.closes()
    exchange.peer.expects("F. 1:1(0) ack 1")


@pytest.mark.rfc("9293", "SHLD-3")
@pytest.mark.rfc("2525", "2525.17")
@pytest.mark.parametrize("state", CAN_RECEIVE)
def test_close_with_unread_text_resets(state: State) -> None:
    exchange = reach(state)
    una, nxt = numbers(exchange)
    exchange.peer.sends(f". 1:11(10) ack {una}")
    exchange.peer.ignores()
    exchange.user.closes()
    exchange.peer.expects(f"R. {nxt}:{nxt}(0) ack 11 win 0 <>")
    exchange.peer.expects_nothing()
    exchange.user.hears("Readable", "Closed: ConnectionAborted")
    assert is_silent_for_ever(exchange)
    assert exchange.user.readable_octets == 0
    assert exchange.counters["TCPAbortOnData"] == 1


@pytest.mark.rfc("9293", "SHLD-3")
@pytest.mark.parametrize("state", [S.CLOSE_WAIT, S.CLOSING, S.LAST_ACK])
def test_close_with_unread_text_before_the_fin_resets(state: State) -> None:
    exchange = reach(S.ESTABLISHED)
    if state is S.CLOSING:
        exchange.user.shuts_down()
    exchange.peer.sends("F. 1:11(10) ack 1")
    if state is S.LAST_ACK:
        exchange.user.shuts_down()
    exchange.peer.ignores()
    assert exchange.state is state
    exchange.user.closes()
    exchange.peer.expects_any("R.")
    assert exchange.state is S.CLOSED


@pytest.mark.rfc("9293", "SHLD-3")
def test_close_with_text_ahead_of_a_hole_resets() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends(". 11:21(10) ack 1")
    exchange.peer.ignores()
    exchange.user.closes()
    exchange.peer.expects("R. 1:1(0) ack 1")


@pytest.mark.rfc("9293", "MUST-13")
def test_close_with_unread_text_does_not_shorten_time_wait() -> None:
    exchange = reach(S.FIN_WAIT_2)
    exchange.peer.sends("F. 1:11(10) ack 2")
    exchange.user.hears("Readable", "EndOfStream", "Closed")
    exchange.peer.ignores()
    exchange.user.closes()
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.user.readable_octets == 0
    assert exchange.state is S.TIME_WAIT


@pytest.mark.parametrize("state", [S.SYN_RECEIVED, S.ESTABLISHED, S.CLOSE_WAIT, S.FIN_WAIT_2])
def test_close_with_a_linger_time_of_zero_resets(state: State) -> None:
    exchange = reach(state, Setting(config=TcpConfig(closing=ClosingConfig(linger=0))))
    exchange.user.closes()
    exchange.peer.expects_any("R.")
    assert exchange.state is S.CLOSED
    assert exchange.counters["TCPAbortOnLinger"] == 1


def test_the_linger_time_begins_with_close() -> None:
    config = TcpConfig(closing=ClosingConfig(linger=7 * SECOND))
    for state, is_running in ((S.ESTABLISHED, True), (S.FIN_WAIT_1, True), (S.FIN_WAIT_2, False), (S.SYN_SENT, False)):
        exchange = reach(state, Setting(config=config))
        exchange.user.closes()
        timer = exchange.connection.tcb.timers.linger
        assert timer == (exchange.now + 7 * SECOND if is_running else NEVER)


# ABORT


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (S.SYN_SENT, ""),
        (S.SYN_RECEIVED, "R. 1:1(0) ack 1"),
        (S.ESTABLISHED, "R. 1:1(0) ack 1"),
        (S.FIN_WAIT_1, "R. 2:2(0) ack 1"),
        (S.FIN_WAIT_2, "R. 2:2(0) ack 1"),
        (S.CLOSE_WAIT, "R. 1:1(0) ack 2"),
        (S.CLOSING, ""),
        (S.LAST_ACK, ""),
        (S.TIME_WAIT, ""),
        (S.CLOSED, ""),
    ],
)
def test_abort_tells_the_peer_where_the_rfc_says_so(state: State, said: str) -> None:
    exchange = reach(state)
    exchange.user.aborts()
    if said:
        exchange.peer.expects(f"{said} win 0 <>")
    exchange.peer.expects_nothing()
    assert exchange.state is S.CLOSED
    exchange.user.hears(*([] if state in (S.TIME_WAIT, S.CLOSED) else ["Closed: ConnectionAborted"]))
    assert is_silent_for_ever(exchange)


@pytest.mark.parametrize("iss", WRAPS)
def test_abort_gives_up_what_is_queued_and_resets_behind_what_was_sent(iss: int) -> None:
    exchange = Exchange.established(Setting(iss=iss), window=1000)
    exchange.user.sends(2000)
    exchange.peer.ignores()
    nxt = numbers(exchange)[1]
    exchange.user.aborts()
    exchange.peer.expects(f"R. {nxt}:{nxt}(0) ack 1 win 0")
    assert exchange.connection.queued_octets == 0


def test_abort_in_last_ack_resets_if_text_is_left() -> None:
    exchange = reach(S.CLOSE_WAIT)
    exchange.user.sends(10)
    exchange.user.shuts_down()
    exchange.peer.ignores()
    assert exchange.state is S.LAST_ACK
    exchange.user.aborts()
    exchange.peer.expects("R. 12:12(0) ack 2")


# Other choices


@pytest.mark.rfc("9293", "MUST-17")
def test_nagle_can_be_turned_off_while_connected() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    exchange.user.sends(10)
    exchange.peer.expects("P. 1:11(10) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.configures(TcpConfig(acks=AckConfig(nagle=False)))
    exchange.peer.expects("P. 11:21(10) ack 1")


@pytest.mark.rfc("9293", "MUST-24", "MUST-27")
def test_keep_alive_can_be_turned_on_and_off_while_connected() -> None:
    exchange = reach(S.ESTABLISHED)
    on = TcpConfig(keep_alive=KeepAliveConfig(enabled=True, idle=100 * SECOND))
    exchange.after(30 * SECOND)
    exchange.user.configures(on)
    assert exchange.next_deadline() == exchange.now + 70 * SECOND
    exchange.user.configures(replace(on, acks=AckConfig(nagle=False)))
    assert exchange.next_deadline() == exchange.now + 70 * SECOND
    exchange.user.configures(TcpConfig())
    assert is_silent_for_ever(exchange)


@pytest.mark.parametrize("state", [S.SYN_SENT, S.TIME_WAIT, S.CLOSED])
def test_keep_alive_is_for_connections_that_stand(state: State) -> None:
    exchange = reach(state)
    before = exchange.next_deadline()
    exchange.user.configures(TcpConfig(keep_alive=KeepAliveConfig(enabled=True, idle=1)))
    assert exchange.next_deadline() == before


@pytest.mark.rfc("9293", "SHLD-14")
def test_a_smaller_buffer_does_not_take_back_what_was_offered() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.configures(TcpConfig(buffers=BufferConfig(receive_initial=100)))
    exchange.peer.sends(". 1:1001(1000) ack 1")
    exchange.user.reads(1000)
    assert exchange.peer.ignores()[0].words.window == 64535
    exchange.user.configures(TcpConfig(buffers=BufferConfig(receive_initial=1 << 30)))
    assert exchange.connection.tcb.rcv.limit == 65535


# Choices while connected


def test_a_smaller_receive_buffer_closes_the_window_as_text_comes_and_never_moves_its_edge() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.configures(TcpConfig(buffers=BufferConfig(receive=4000, receive_initial=4000)))
    exchange.peer.expects_nothing()
    for start in range(1, 62_001, 1000):
        exchange.peer.sends(f". {start}:{start + 1000}(1000) ack 1")
        exchange.user.reads(1000)
    acks = [seen.words for seen in exchange.peer.ignores()]
    edges = [(words.ack or 0) + (words.window or 0) for words in acks]
    assert edges == sorted(edges)
    assert edges[0] == 65536
    assert 4000 - 1460 <= (acks[-1].window or 0) <= 4000


def test_a_larger_receive_buffer_is_offered_at_once() -> None:
    config = TcpConfig(buffers=BufferConfig(receive=50_000, receive_initial=5000))
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    exchange.user.configures(replace(config, buffers=BufferConfig(receive=50_000, receive_initial=50_000)))
    exchange.peer.expects(". 1:1(0) ack 1 win 50000")


def test_a_buffer_chosen_while_the_syn_is_on_its_way_counts_but_the_scale_is_that_of_the_syn() -> None:
    exchange = reach(S.SYN_SENT, Setting(config=TcpConfig(buffers=BufferConfig(receive=5000, receive_initial=5000))))
    exchange.user.configures(TcpConfig(buffers=BufferConfig(receive=1 << 20, receive_initial=50_000)))
    exchange.peer.expects_nothing()
    exchange.peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1460,wscale 7>")
    exchange.peer.expects(". 1:1(0) ack 1 win 50000")  # the scale is that of our SYN, which had none


def test_a_window_clamp_bounds_the_window_whatever_the_buffer_has() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=TcpConfig(buffers=BufferConfig(window_clamp=3000))))
    assert exchange.connection.tcb.rcv.wnd == 3000
    exchange.user.configures(TcpConfig(buffers=BufferConfig(send=9000, window_clamp=3000)))
    assert exchange.connection.tcb.rcv.limit == 3000
    exchange.user.configures(TcpConfig(buffers=BufferConfig(window_clamp=2000)))
    exchange.peer.sends(". 1:1461(1460) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1461 win 1540")
    exchange.user.reads(1460)
    exchange.peer.sends(". 1461:2921(1460) ack 1")
    exchange.user.reads(1460)
    assert {seen.words.window for seen in exchange.peer.ignores()} <= {80, 2000}
    assert exchange.connection.tcb.rcv.wnd == 2000
    exchange.user.configures(TcpConfig(buffers=BufferConfig(receive_initial=9000)))
    exchange.peer.expects(". 1:1(0) ack 2921 win 9000")
    exchange.user.configures(TcpConfig(buffers=BufferConfig(receive=8000, receive_initial=9000)))
    assert exchange.connection.tcb.rcv.limit == 8000


def test_the_send_buffer_bounds_what_is_in_flight() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.configures(TcpConfig(buffers=BufferConfig(send=4000)))
    exchange.user.sends(10_000)
    exchange.peer.expects(". 1:1461(1460) ack 1")
    exchange.peer.expects(". 1461:2921(1460) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 1461")
    exchange.peer.expects(". 2921:4381(1460) ack 1")
    exchange.peer.expects_nothing()


def test_a_lower_mss_holds_for_what_is_sent_from_now_on() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.configures(TcpConfig(options=OptionsConfig(mss=500)))
    exchange.user.sends(1000)
    exchange.peer.expects(". 1:501(500) ack 1")
    exchange.peer.expects("P. 501:1001(500) ack 1")
    exchange.user.configures(TcpConfig(options=OptionsConfig(mss=1000)))
    assert exchange.connection.tcb.snd.mss == 500


def test_an_mss_that_the_path_does_not_have_means_nothing() -> None:
    exchange = reach(S.ESTABLISHED, options="mss 9000")
    exchange.user.configures(TcpConfig(options=OptionsConfig(mss=2000)))
    assert exchange.connection.tcb.snd.mss == 1460


def test_another_congestion_control_goes_on_with_the_windows_of_the_first() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(20_000)
    exchange.peer.sends(". 1:1(0) ack 14601")
    before = exchange.connection.tcb.congestion
    exchange.user.configures(TcpConfig(congestion=CongestionConfig(algorithm="reno")))
    after = exchange.connection.tcb.congestion
    assert isinstance(before, Cubic)
    assert isinstance(after, NewReno)
    assert (after.cwnd, after.ssthresh, after.mss) == (before.cwnd, before.ssthresh, 1460)
    assert after.cwnd > 10 * 1460


def test_the_switch_to_quick_acks_lets_a_waiting_ack_go_and_is_thrown_each_time() -> None:
    late = TcpConfig(acks=AckConfig(quick=0))
    exchange = reach(S.ESTABLISHED, Setting(config=late))
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.configures(replace(late, acks=AckConfig(quick=1, switched=1)))
    exchange.peer.expects(". 1:1(0) ack 11")
    exchange.peer.sends(". 11:21(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 21")
    exchange.peer.sends(". 21:31(10) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.configures(replace(late, acks=AckConfig(quick=1, switched=2)))
    exchange.peer.expects(". 1:1(0) ack 31")
    exchange.user.configures(replace(late, acks=AckConfig(quick=0, switched=3)))
    exchange.peer.sends(". 31:41(10) ack 1")
    exchange.peer.expects_nothing()


def test_a_shorter_user_timeout_ends_a_connection_that_waits_already() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    exchange.after(1 * SECOND)
    assert exchange.next_deadline() > START + 1200 * MILLISECOND
    exchange.user.configures(TcpConfig(retransmission=RetransmissionConfig(user_timeout=1200 * MILLISECOND)))
    exchange.after(199 * MILLISECOND)
    exchange.user.hears()
    exchange.after(1 * MILLISECOND)
    exchange.user.hears("Closed: ConnectionTimedOut")


def test_corked_text_waits_for_a_full_segment_or_for_patience() -> None:
    corked = TcpConfig(acks=AckConfig(cork=True, nagle=False))
    exchange = reach(S.ESTABLISHED, Setting(config=corked))
    exchange.user.sends(100)
    exchange.peer.expects_nothing()
    exchange.user.sends(1400)
    exchange.peer.expects(". 1:1461(1460) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.configures(replace(corked, acks=AckConfig(nagle=False)))
    exchange.peer.expects("P. 1461:1501(40) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1501")
    exchange.user.configures(corked)
    exchange.user.sends(10)
    assert exchange.after(1 * SECOND)[0].when == 200 * MILLISECOND


def test_another_congestion_control_in_the_middle_of_a_recovery_ends_it_where_the_first_would_have() -> None:
    exchange = reach(S.ESTABLISHED, options="mss 1460,sackOK")
    exchange.after(50 * MILLISECOND)
    exchange.user.sends(14_600)
    for end in (2921, 4381, 5841):
        exchange.peer.sends(f". 1:1(0) ack 1 <sack 1461:{end}>")
    before = exchange.connection.tcb.congestion
    assert exchange.connection.tcb.recovery.phase is Phase.RECOVERY
    exchange.user.configures(TcpConfig(congestion=CongestionConfig(algorithm="reno")))
    exchange.peer.sends(". 1:1(0) ack 14601")
    after = exchange.connection.tcb.congestion
    assert exchange.connection.tcb.recovery.phase is Phase.OPEN
    assert after is not before
    assert after.cwnd == after.ssthresh == before.ssthresh


# Fast Open


@pytest.mark.rfc("7413", "7413.3")
def test_a_syn_that_waits_for_text_leaves_with_the_first_send_even_if_that_has_none() -> None:
    for text in (b"hello", b""):
        opening = Opening(local_port=1, remote_port=2, iss=7)
        connection = Connection.open(opening, START, Request(ServerCookies(), b"peer", None, 1460, True))
        assert connection.poll_transmit(START) is None
        connection.send(text, START)
        connection.send(b" there", START)
        syn = connection.poll_transmit(START)
        assert syn is not None and b"".join(syn.payload) == text + b" there"


LINUX = TcpConfig(arrivals=ArrivalConfig(order="linux"), buffers=BufferConfig(window="linux"))


def linux() -> Exchange:
    exchange = Exchange.established(Setting(config=LINUX))
    exchange.peer.ignores()
    return exchange


def test_a_linux_minds_text_behind_a_hole_as_little_as_none() -> None:
    exchange = linux()
    exchange.peer.sends("P. 11:21(10) ack 1")
    exchange.peer.ignores()
    exchange.user.closes()
    exchange.peer.expects_any("F.")


def test_a_linux_counts_what_is_read() -> None:
    exchange = linux()
    memory = exchange.connection.tcb.rcv.memory
    assert memory is not None
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.user.reads(10)
    assert memory.is_empty


def test_a_linux_takes_another_buffer_size_when_it_stands() -> None:
    exchange = linux()
    exchange.user.configures(replace(LINUX, buffers=BufferConfig(receive_initial=9000, receive=9000, window="linux")))
    assert exchange.connection.tcb.rcv.memory is not None
    assert exchange.connection.tcb.rcv.memory.buffer == 9000


@pytest.mark.parametrize("state", [S.SYN_SENT, S.SYN_RECEIVED])
def test_a_bsd_that_closes_before_there_is_a_connection_says_nothing(state: State) -> None:
    exchange = reach(state, Setting(config=TcpConfig(arrivals=ArrivalConfig(order="bsd"))))
    exchange.user.closes()
    exchange.peer.expects_nothing()
    exchange.user.hears("Closed: ConnectionAborted")


def test_a_bsd_may_forget_what_was_not_read() -> None:
    config = TcpConfig(closing=ClosingConfig(resets_unread=False))
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    exchange.peer.sends("P. 1:11(10) ack 1", "P. 21:31(10) ack 1")
    exchange.peer.ignores()
    exchange.user.closes()
    exchange.peer.expects_any("F.")
    assert exchange.state is S.FIN_WAIT_1
    assert (exchange.user.readable_octets, exchange.connection.tcb.rcv.early.octets) == (0, 0)


@pytest.mark.parametrize(("text", "is_kept"), [(b"question", True), (b"", False)])
def test_with_fast_open_close_takes_back_no_text(text: bytes, is_kept: bool) -> None:
    request = Request(ServerCookies(), b"peer", (34, bytes(8)), 1460, True)
    connection = Connection.open(Opening(local_port=1, remote_port=2, iss=7), START, request)
    if text:
        connection.send(text, START)
    connection.close(START)
    assert (connection.state is S.SYN_SENT) is is_kept
    connection = Connection.open(Opening(local_port=1, remote_port=2, iss=7), START, request)
    connection.shutdown(START)
    assert connection.state is S.SYN_SENT and connection.tcb.owed.syn


def test_who_accepts_a_child_has_it() -> None:
    connection = Connection.open(
        Opening(local_port=1, remote_port=2, iss=7), START, Request(ServerCookies(), b"peer", None, 0, True)
    )
    accept(connection.tcb)
    assert connection.tcb.user.early is not None and connection.tcb.user.early.is_accepted
    plain = reach(S.ESTABLISHED).connection
    accept(plain.tcb)
    assert plain.tcb.user.early is None


BSD_ORDER = ArrivalConfig(order="bsd")


def test_a_bsd_that_shuts_down_in_syn_received_repeats_its_syn_ack_with_fin() -> None:
    exchange = reach(S.SYN_RECEIVED, Setting(config=TcpConfig(arrivals=BSD_ORDER)))
    exchange.user.shuts_down()
    exchange.peer.expects_any("FS.")


def test_who_discards_what_he_does_not_read_has_his_buffer_emptied() -> None:
    closing = ClosingConfig(discards_unwanted=True)
    exchange = reach(S.ESTABLISHED, Setting(config=TcpConfig(closing=closing)))
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.connection.configure(TcpConfig(closing=replace(closing, is_deaf=True)))
    assert len(exchange.connection.tcb.rcv.queue) == 0


def test_shutting_down_again_in_fin_wait_2_limits_that() -> None:
    closing = ClosingConfig(discards_unwanted=True, is_deaf=True)
    exchange = reach(S.FIN_WAIT_2, Setting(config=TcpConfig(closing=replace(closing, is_deaf=False))))
    exchange.connection.configure(TcpConfig(closing=closing))
    assert is_silent_for_ever(exchange)
    exchange.user.shuts_down()
    assert not is_silent_for_ever(exchange)
