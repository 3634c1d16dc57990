"""SEGMENT ARRIVES from the ACK field to the FIN bit, ICMP errors and smaller paths (RFC 9293 3.10.7.4, 3.9.2.2)."""

from itertools import pairwise

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.arrivals import SEGMENT_ARRIVES, make_steps
from halfopen.tcp.config import (
    AckConfig,
    ArrivalConfig,
    BufferConfig,
    ClosingConfig,
    Ecn,
    KeepAliveConfig,
    OptionsConfig,
    TcpConfig,
)
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.state import State
from halfopen.testing.exchange import Exchange, Setting
from halfopen.wire.tcp import ACK, Segment
from tests.tcp.permits import weak
from tests.tcp.states import CAN_RECEIVE, SYNCHRONIZED, WRAPS, edges, is_silent_for_ever, numbers, reach

S = State
BEHIND_FIN = (S.CLOSE_WAIT, S.CLOSING, S.LAST_ACK)
LAZY = TcpConfig(acks=AckConfig(quick=0))
"""ACKs of text in order are delayed from the first on."""


@pytest.mark.rfc("9293", "9293.P4")
def test_the_steps_are_those_of_the_rfc_in_its_order() -> None:
    assert [step.__name__ for step in SEGMENT_ARRIVES] == [
        "check_simultaneous",
        "check_paws",
        "check_sequence",
        "check_rst",
        "check_syn",
        "check_ack",
        "check_urgent",
        "process_text",
        "check_fin",
    ]


# CLOSED


@pytest.mark.rfc("9293", "9293.P1")
@pytest.mark.parametrize("flags", ["R", "R."])
def test_in_closed_a_rst_is_ignored(flags: str) -> None:
    exchange = reach(S.CLOSED)
    exchange.peer.sends(f"{flags} 2:2(0)" + (" ack 2" if flags == "R." else ""))
    exchange.peer.expects_nothing()


@pytest.mark.rfc("9293", "9293.P1")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("flags", [".", "F.", "S.", "P."])
def test_in_closed_an_ack_is_answered_by_a_rst_where_it_points_to(iss: int, flags: str) -> None:
    exchange = reach(S.CLOSED, Setting(iss=iss))
    exchange.peer.sends(f"{flags} 2:12(10) ack 77")
    reset = exchange.peer.expects("R 77:77(0) win 0 <>")
    assert reset.segment.ack == 0
    exchange.peer.expects_nothing()
    exchange.user.hears()


@pytest.mark.rfc("9293", "9293.P1")
@pytest.mark.parametrize("irs", WRAPS)
@pytest.mark.parametrize(
    ("segment", "ack"), [("- 2:12(10)", 12), ("S 5:5(0)", 6), ("F 2:12(10)", 13), ("SF 2:12(10)", 14)]
)
def test_in_closed_a_segment_without_ack_is_acknowledged_by_the_rst(irs: int, segment: str, ack: int) -> None:
    exchange = reach(S.CLOSED, Setting(irs=irs))
    exchange.peer.sends(segment)
    reset = exchange.peer.expects_any("R.")
    assert (reset.segment.seq, reset.words.ack, reset.segment.window) == (0, ack, 0)


# Simultaneous open, from SYN-RECEIVED on


@pytest.mark.rfc("9293", "MUST-10", "9293.P11")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
def test_simultaneous_open_with_a_syn_ack_from_both(iss: int, irs: int) -> None:
    exchange = Exchange.active(Setting(iss=iss, irs=irs))
    exchange.peer.expects_any("S")
    exchange.peer.sends("S 0:0(0) win 5000 <mss 1000,wscale 3,TS val 5 ecr 0>")
    exchange.peer.expects("S. 0:0(0) ack 1 win 65535 <mss 1460,TS val 1000 ecr 5,wscale 7>")
    assert exchange.state is S.SYN_RECEIVED
    exchange.user.hears()
    exchange.peer.sends("S. 0:0(0) ack 1 win 5000 <mss 1000,wscale 3,TS val 6 ecr 1000>")
    exchange.peer.expects_nothing()
    exchange.user.hears("Connected")
    assert exchange.state is S.ESTABLISHED
    assert is_silent_for_ever(exchange)


@pytest.mark.rfc("9293", "MUST-10", "9293.P11")
def test_simultaneous_open_with_a_bare_ack_at_its_end() -> None:
    exchange = reach(S.SYN_RECEIVED)
    exchange.peer.sends(". 1:1(0) ack 1 win 700")
    exchange.user.hears("Connected")
    assert exchange.connection.tcb.snd.wnd == 700


@pytest.mark.rfc("7323", "7323.2")
def test_the_window_of_the_syn_ack_that_ends_a_simultaneous_open_is_not_scaled() -> None:
    exchange = reach(S.SYN_RECEIVED, options="mss 1000,wscale 7")
    exchange.peer.sends("S. 0:0(0) ack 1 win 5001 <mss 1000,wscale 7>")
    assert exchange.connection.tcb.snd.wnd == 5001
    exchange.peer.sends(". 1:1(0) ack 1 win 100")
    assert exchange.connection.tcb.snd.wnd == 100 << 7


@pytest.mark.rfc("7323", "7323.2")
def test_the_window_of_the_ack_that_ends_a_simultaneous_open_is_scaled() -> None:
    exchange = reach(S.SYN_RECEIVED, options="mss 1000,wscale 7")
    exchange.peer.sends(". 1:1(0) ack 1 win 100")
    assert exchange.connection.tcb.snd.wnd == 100 << 7


def test_a_syn_again_in_syn_received_is_answered_again() -> None:
    exchange = reach(S.SYN_RECEIVED)
    exchange.peer.sends("S 0:0(0) win 5000 <mss 1000>")
    exchange.peer.expects("S. 0:0(0) ack 1")
    exchange.peer.sends("S. 0:0(0) ack 9")
    exchange.peer.expects("S. 0:0(0) ack 1")
    assert exchange.state is S.SYN_RECEIVED


@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
def test_a_blind_syn_does_not_end_an_attempt_to_connect(iss: int, irs: int) -> None:
    exchange = Exchange.active(Setting(iss=iss, irs=irs))
    exchange.peer.expects_any("S")
    exchange.peer.sends("S 3000000:3000000(0) win 1000 <mss 500,TS val 7 ecr 0>")
    exchange.peer.expects("S. 0:0(0) ack 3000001")
    exchange.peer.sends("S. 5000000:5000000(0) ack 2 win 5000")
    exchange.peer.expects(". 1:1(0) ack 3000001")
    assert exchange.state is S.SYN_RECEIVED
    exchange.peer.sends("S. 0:0(0) ack 1 win 5000 <mss 1000,wscale 3>")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.user.hears("Connected")
    tcb = exchange.connection.tcb
    assert (tcb.snd.mss, tcb.snd.wnd, tcb.agreed.snd_shift, tcb.timestamps) == (1000, 5000, 3, None)
    exchange.peer.sends("F. 1:11(10) ack 1")
    exchange.user.reads(10)
    assert exchange.state is S.CLOSE_WAIT
    assert exchange.counters["TCPSynReplaced"] == 1


def test_a_rst_is_no_syn_even_with_its_flag() -> None:
    exchange = reach(S.SYN_RECEIVED)
    exchange.peer.sends("SR 0:0(0)")
    exchange.peer.expects_nothing()
    assert exchange.counters["TCPOutOfWindowRST"] == 1


def test_text_and_fin_may_come_with_the_end_of_a_simultaneous_open() -> None:
    exchange = reach(S.SYN_RECEIVED)
    exchange.peer.sends("SF. 0:5(5) ack 1")
    exchange.user.hears("Connected", "Readable", "EndOfStream")
    exchange.peer.expects(". 1:1(0) ack 7")
    assert exchange.state is S.CLOSE_WAIT


@pytest.mark.rfc("9293", "9293.P4")
@pytest.mark.parametrize("answer", ["S. 0:0(0) ack 1", ". 1:1(0) ack 1"])
def test_a_close_in_syn_received_takes_effect_when_the_connection_stands(answer: str) -> None:
    exchange = reach(S.SYN_RECEIVED)
    exchange.user.shuts_down()
    exchange.peer.expects_nothing()
    exchange.peer.sends(answer)
    exchange.peer.expects("F. 1:1(0) ack 1")
    exchange.user.hears("Connected")
    assert exchange.state is S.FIN_WAIT_1


@pytest.mark.rfc("9293", "SHLD-3")
@pytest.mark.parametrize("answer", ["SF. 0:5(5) ack 1", "F. 1:6(5) ack 1"])
def test_text_that_ends_a_simultaneous_open_whose_user_has_closed_is_reset(answer: str) -> None:
    exchange = reach(S.SYN_RECEIVED)
    exchange.user.closes()
    exchange.peer.sends(answer)
    exchange.peer.expects("R 1:1(0) win 0")
    exchange.peer.expects_nothing()
    assert exchange.state is S.CLOSED


# The ACK bit


@pytest.mark.rfc("9293", "9293.P9")
@pytest.mark.parametrize("state", (S.SYN_RECEIVED, *SYNCHRONIZED))
@pytest.mark.parametrize("flags", ["-", "F", "P"])
def test_without_ack_a_segment_is_dropped(state: State, flags: str) -> None:
    exchange = reach(state)
    left = edges(exchange)[0]
    exchange.peer.sends(f"{flags} {left}:{left + 5}(5)")
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.state is state
    assert exchange.counters["TCPNoAck"] == 1


@pytest.mark.rfc("9293", "9293.P7")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("ack", [0, -5, 2, 1000])
def test_an_unacceptable_ack_in_syn_received_is_reset(iss: int, ack: int) -> None:
    exchange = reach(S.SYN_RECEIVED, Setting(iss=iss))
    exchange.peer.sends(f". 1:11(10) ack {ack}")
    exchange.peer.expects(f"R {ack}:{ack}(0) win 0 <>")
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.state is S.SYN_RECEIVED


@pytest.mark.rfc("9293", "9293.P4")
def test_the_ack_that_ends_syn_received_may_carry_text_and_fin() -> None:
    exchange = reach(S.SYN_RECEIVED)
    exchange.peer.sends("F. 1:11(10) ack 1")
    exchange.user.hears("Connected", "Readable", "EndOfStream")
    exchange.peer.expects(". 1:1(0) ack 12")
    assert exchange.state is S.CLOSE_WAIT


@pytest.mark.rfc("9293", "9293.P8")
@pytest.mark.rfc("5961", "5961.3")
@pytest.mark.parametrize("state", SYNCHRONIZED)
def test_an_ack_of_what_was_never_sent_is_answered_and_its_segment_dropped(state: State) -> None:
    exchange = reach(state)
    left, nxt = edges(exchange)[0], numbers(exchange)[1]
    exchange.peer.sends(f"F. {left}:{left + 10}(10) ack {nxt + 1}")
    exchange.peer.expects(f". {nxt}:{nxt}(0) ack {left}")
    exchange.user.hears()
    assert exchange.state is state
    assert exchange.counters["TCPAckUnsentData"] == 1


@pytest.mark.rfc("9293", "MAY-12")
@pytest.mark.rfc("5961", "5961.3")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize(("ack", "is_taken"), [(1000, True), (1, True), (0, False), (-(2**31) + 1001, False)])
def test_an_old_ack_is_good_as_long_as_the_window_ever_was(iss: int, ack: int, is_taken: bool) -> None:
    exchange = Exchange.established(Setting(iss=iss), window=1000)
    exchange.user.sends(1000)
    exchange.peer.sends(". 1:1(0) ack 1001 win 700")
    exchange.peer.ignores()
    exchange.user.hears("Writable")
    exchange.peer.sends(f". 1:11(10) ack {ack}")
    assert exchange.user.readable_octets == (10 if is_taken else 0)
    exchange.peer.expects(". 1001:1001(0) ack " + ("11" if is_taken else "1"))
    assert exchange.counters["TCPOldAck" if is_taken else "TCPAckTooOld"] == 1


@pytest.mark.rfc("9293", "9293.P8")
@pytest.mark.parametrize(
    ("segment", "window"),
    [
        (". 11:11(0) ack 101 win 400", 400),
        (". 21:21(0) ack 101 win 500", 500),
        (". 5:15(10) ack 101 win 600", 300),
        (". 11:11(0) ack 51 win 700", 300),
    ],
    ids=["same numbers", "newer sequence number", "older sequence number", "older acknowledgment"],
)
def test_the_window_is_taken_from_no_older_segment_than_the_last_one(segment: str, window: int) -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(100)
    exchange.peer.sends("P. 1:11(10) ack 1", ". 11:11(0) ack 101 win 300")
    exchange.peer.sends(segment)
    assert exchange.connection.tcb.snd.wnd == window


@pytest.mark.rfc("9293", "9293.P4")
@pytest.mark.parametrize(
    ("state", "after"),
    [(S.FIN_WAIT_1, S.FIN_WAIT_2), (S.CLOSING, S.TIME_WAIT), (S.LAST_ACK, S.CLOSED)],
)
def test_the_ack_of_our_fin_moves_on(state: State, after: State) -> None:
    exchange = reach(state)
    left = edges(exchange)[0]
    exchange.peer.sends(f". {left}:{left}(0) ack 1")
    assert exchange.state is state
    exchange.peer.sends(f". {left}:{left}(0) ack 2")
    assert exchange.state is after


TIMESTAMPS = "mss 1460,TS val 100 ecr 0"


@pytest.mark.rfc("7323", "7323.5", "7323.6")
@pytest.mark.parametrize("ack", [2, -70000])
def test_a_forged_segment_does_not_move_the_clock_that_paws_goes_by(ack: int) -> None:
    exchange = reach(S.ESTABLISHED, options=TIMESTAMPS)
    exchange.peer.sends(f". 1:11(10) ack {ack} <TS val 2000000000 ecr 1000>")
    exchange.peer.expects(". 1:1(0) ack 1 <TS val 1000 ecr 100>")
    exchange.peer.sends(". 1:11(10) ack 1 <TS val 101 ecr 1000>")
    exchange.peer.expects(". 1:1(0) ack 11 <TS val 1000 ecr 101>")
    exchange.user.reads(10)


# Urgent


@pytest.mark.rfc("9293", "MUST-30", "MUST-32", "MUST-33", "MUST-62")
@pytest.mark.parametrize("state", CAN_RECEIVE)
def test_the_user_hears_of_urgent_data_and_how_far_it_is_away(state: State) -> None:
    exchange = reach(state)
    ack = numbers(exchange)[0]
    exchange.peer.sends(f".U 1:11(10) ack {ack} urg 25")
    exchange.user.hears("Urgent", "Readable")
    assert exchange.connection.tcb.rcv.up - exchange.connection.tcb.rcv.irs == 26
    exchange.peer.sends(f".U 11:21(10) ack {ack} urg 15")
    exchange.user.hears()
    exchange.peer.sends(f".U 21:31(10) ack {ack} urg 6")
    exchange.user.hears("Urgent")
    exchange.user.reads(30)


@pytest.mark.rfc("9293", "MUST-32")
def test_the_urgent_pointer_may_arrive_before_its_text() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends(".U 1:1(0) ack 1 urg 60000")
    exchange.user.hears("Urgent")


@pytest.mark.parametrize("urgent", [0, 3])
def test_an_urgent_pointer_to_what_was_read_says_nothing(urgent: int) -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.user.reads(10)
    exchange.user.hears("Readable")
    exchange.peer.sends(f".U 6:12(6) ack 1 urg {urgent}")
    exchange.user.hears("Readable")


@pytest.mark.rfc("9293", "9293.P10")
@pytest.mark.parametrize("state", BEHIND_FIN)
def test_behind_a_fin_nothing_is_urgent(state: State) -> None:
    exchange = reach(state)
    exchange.peer.sends(".U 2:2(0) ack 1 urg 9")
    exchange.user.hears()


# Text


@pytest.mark.parametrize("state", CAN_RECEIVE)
@pytest.mark.parametrize("irs", WRAPS)
def test_text_in_order_is_readable_and_acknowledged(state: State, irs: int) -> None:
    exchange = reach(state, Setting(irs=irs))
    una, nxt = numbers(exchange)
    exchange.peer.sends(f". 1:101(100) ack {una}", f". 101:201(100) ack {una}")
    exchange.peer.expects(f". {nxt}:{nxt}(0) ack 201")
    exchange.peer.expects_nothing()
    exchange.user.hears("Readable")
    exchange.user.reads(200)
    exchange.peer.sends(f". 201:202(1) ack {una}")
    exchange.user.hears("Readable")


@pytest.mark.rfc("9293", "MUST-58", "MUST-59")
def test_one_ack_answers_all_the_text_of_a_batch() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends(*[f". {n}:{n + 1000}(1000) ack 1" for n in range(1, 10000, 1000)])
    exchange.peer.expects(". 1:1(0) ack 10001")
    exchange.peer.expects_nothing()


@pytest.mark.rfc("9293", "SHLD-18", "MUST-40", "SHLD-19")
@pytest.mark.rfc("5681", "5681.10")
def test_the_ack_of_one_segment_is_delayed_of_two_full_ones_not() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=LAZY))
    exchange.peer.sends(". 1:1461(1460) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1461:2921(1460) ack 1")
    exchange.peer.expects(". 1:1(0) ack 2921")
    exchange.peer.sends(". 2921:2931(10) ack 1")
    assert [seen.when for seen in exchange.after(SECOND)] == [40 * MILLISECOND]
    exchange.peer.expects(". 1:1(0) ack 2931")


@pytest.mark.rfc("9293", "SHLD-31", "MAY-13")
@pytest.mark.rfc("5681", "5681.10")
def test_text_ahead_of_a_hole_is_kept_and_acknowledged_at_once_each_time() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=LAZY))
    exchange.peer.sends(". 11:21(10) ack 1", ". 21:31(10) ack 1", ". 41:51(10) ack 1")
    for _ in range(3):
        exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.counters["TCPOFOQueue"] == 3
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 31")
    exchange.user.reads(30)
    exchange.peer.sends(". 31:41(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 51")
    exchange.user.reads(20)


@pytest.mark.rfc("2883", "2883.1")
def test_text_that_is_partly_here_is_acknowledged_at_once() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=LAZY), options="mss 1460,sackOK")
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 6:16(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 16 <sack 6:11>")
    exchange.user.reads(15)


def test_text_beyond_the_window_is_cut_off() -> None:
    config = TcpConfig(buffers=BufferConfig(receive=100, receive_initial=100))
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    exchange.peer.sends("F. 1:151(150) ack 1")
    exchange.peer.expects(". 1:1(0) ack 101 win 0")
    exchange.user.hears("Readable")
    exchange.peer.sends(". 101:102(1) ack 1")
    exchange.peer.expects(". 1:1(0) ack 101 win 0")
    assert exchange.user.readable_octets == 100
    assert exchange.state is S.ESTABLISHED
    assert exchange.counters["TCPBeyondWindow"] == 1
    assert exchange.counters["TCPZeroWindowDrop"] == 1


def test_each_way_in_which_text_is_not_taken_has_a_counter_of_its_own() -> None:
    config = TcpConfig(buffers=BufferConfig(receive=4000, receive_initial=4000))
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    counters = exchange.counters
    exchange.peer.sends(". 11:21(10) ack 1", ". 11:21(10) ack 1")
    assert (counters["TCPOFOQueue"], counters["TCPDuplicateText"]) == (1, 1)
    exchange.peer.sends(*(f". {start}:{start + 1}(1) ack 1" for start in range(31, 631, 2)))
    assert counters["TCPOFOQueue"] == exchange.connection.tcb.rcv.early.pieces
    assert counters["TCPOFOQueue"] + counters["TCPOFODrop"] == 301
    exchange.peer.sends("F. 1001:1001(0) ack 1", ". 1001:1011(10) ack 1")
    assert (counters["TCPTextAfterFin"], counters["TCPDuplicateText"]) == (1, 1)
    assert (counters["TCPBeyondWindow"], counters["TCPZeroWindowDrop"]) == (0, 0)


@pytest.mark.rfc("9293", "9293.P10")
@pytest.mark.parametrize("state", BEHIND_FIN)
def test_text_behind_a_fin_is_ignored(state: State) -> None:
    exchange = reach(state)
    exchange.peer.sends(". 2:12(10) ack 1")
    exchange.user.hears()
    assert exchange.user.readable_octets == 0
    assert edges(exchange)[0] == 2
    assert exchange.counters["TCPTextAfterFin"] == 1


@pytest.mark.parametrize("state", [S.FIN_WAIT_1, S.FIN_WAIT_2])
def test_text_for_a_user_who_reads_no_more_is_reset_and_he_hears_of_it(state: State) -> None:
    exchange = reach(state)
    exchange.user.configures(TcpConfig(closing=ClosingConfig(is_deaf=True)))
    una, _ = numbers(exchange)
    exchange.peer.sends(f". 1:11(10) ack {una}")
    exchange.peer.expects(f"R {una}:{una}(0) win 0")
    exchange.user.hears("Closed: ConnectionReset")
    assert exchange.state is S.CLOSED
    assert exchange.counters["TCPAbortOnData"] == 1


def test_text_for_a_user_who_reads_no_more_is_taken_before_our_fin() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.configures(TcpConfig(closing=ClosingConfig(is_deaf=True)))
    una, _ = numbers(exchange)
    exchange.peer.sends(f". 1:11(10) ack {una}")
    assert exchange.user.readable_octets == 10


@pytest.mark.rfc("9293", "SHLD-3", "MAY-1")
@pytest.mark.parametrize("state", [S.FIN_WAIT_1, S.FIN_WAIT_2])
def test_text_for_a_user_who_has_closed_is_reset(state: State) -> None:
    exchange = reach(state)
    exchange.user.closes()
    una, _ = numbers(exchange)
    exchange.peer.sends(f"F. 1:11(10) ack {una}")
    exchange.peer.expects(f"R {una}:{una}(0) win 0")
    exchange.peer.expects_nothing()
    assert exchange.state is S.CLOSED
    assert exchange.counters["TCPAbortOnData"] == 1


def test_text_for_a_user_who_has_closed_is_no_good_end_if_his_own_was_not_acknowledged() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    exchange.user.closes()
    exchange.peer.sends(". 1:11(10) ack 6")
    exchange.user.hears("Writable", "Closed: ConnectionAborted")
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    exchange.user.closes()
    exchange.peer.sends(". 1:11(10) ack 11")
    exchange.user.hears("Writable", "Closed")


def test_old_text_for_a_user_who_has_closed_is_only_acknowledged() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.user.reads(10)
    exchange.peer.ignores()
    exchange.user.closes()
    exchange.peer.expects("F. 1:1(0) ack 11")
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.peer.expects(". 2:2(0) ack 11")
    assert exchange.state is S.FIN_WAIT_1


# ECN


@pytest.mark.rfc("3168", "3168.3")
def test_congestion_is_echoed_from_ce_to_cwr() -> None:
    config = TcpConfig(options=OptionsConfig(ecn=Ecn.ACTIVE))
    exchange = Exchange.active(Setting(config=config))
    exchange.peer.ignores()
    exchange.peer.sends("SE. 0:0(0) ack 1 <mss 1460>")
    exchange.peer.expects_any(".")
    exchange.peer.sends("[ect0] . 1:11(10) ack 1")
    exchange.peer.expects_any(".")
    exchange.peer.sends("[ce] . 11:21(10) ack 1")
    exchange.peer.expects(".E 1:1(0) ack 21")
    exchange.peer.sends("[ect0] . 21:31(10) ack 1")
    exchange.peer.expects(".E 1:1(0) ack 31")
    exchange.peer.sends("[ect0] .W 31:41(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 41")
    exchange.peer.sends("[ce] .W 41:51(10) ack 1")
    exchange.peer.expects(".E 1:1(0) ack 51")
    assert exchange.counters["InCEPkts"] == 2


@pytest.mark.rfc("3168", "3168.3")
def test_congestion_is_not_echoed_without_agreement() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends("[ce] . 1:11(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 11")
    assert exchange.counters["InCEPkts"] == 0


# FIN


@pytest.mark.rfc("9293", "9293.P4", "MUST-12")
@pytest.mark.parametrize(
    ("state", "after"),
    [(S.ESTABLISHED, S.CLOSE_WAIT), (S.FIN_WAIT_1, S.CLOSING), (S.FIN_WAIT_2, S.TIME_WAIT)],
)
def test_a_fin_is_acknowledged_and_moves_on(state: State, after: State) -> None:
    exchange = reach(state)
    una, nxt = numbers(exchange)
    exchange.peer.sends(f"F. 1:1(0) ack {una}")
    exchange.peer.expects(f". {nxt}:{nxt}(0) ack 2")
    exchange.peer.expects_nothing()
    assert exchange.state is after
    exchange.user.hears("EndOfStream", *(["Closed"] if after is S.TIME_WAIT else []))


@pytest.mark.rfc("9293", "9293.P4")
def test_a_fin_with_the_ack_of_ours_leads_from_fin_wait_1_to_time_wait() -> None:
    exchange = reach(S.FIN_WAIT_1)
    exchange.peer.sends("F. 1:1(0) ack 2")
    exchange.user.hears("Writable", "EndOfStream", "Closed")
    assert exchange.state is S.TIME_WAIT


@pytest.mark.parametrize("irs", WRAPS)
def test_a_fin_ahead_of_a_hole_waits_until_it_is_filled(irs: int) -> None:
    exchange = reach(S.ESTABLISHED, Setting(irs=irs))
    exchange.peer.sends("F. 11:21(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.hears()
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 22")
    exchange.user.hears("Readable", "EndOfStream")
    exchange.user.reads(20)
    assert exchange.state is S.CLOSE_WAIT


def test_a_bare_fin_ahead_of_a_hole_is_answered_by_a_duplicate_ack_each_time() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends("F. 11:11(0) ack 1", "F. 11:11(0) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.user.hears("Readable", "EndOfStream")


def test_a_fin_that_is_repeated_with_its_text_counts_once() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends("F. 1:11(10) ack 1", "F. 1:11(10) ack 1")
    exchange.user.hears("Readable", "EndOfStream")
    exchange.peer.expects(". 1:1(0) ack 12")
    assert edges(exchange)[0] == 12


def test_text_beyond_an_early_fin_is_cut_off_and_a_second_fin_ignored() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends("F. 11:11(0) ack 1", "F. 1:21(20) ack 1")
    exchange.user.hears("Readable", "EndOfStream")
    exchange.user.reads(10)


def test_a_fin_at_the_edge_of_a_full_window_is_taken() -> None:
    config = TcpConfig(buffers=BufferConfig(receive=10, receive_initial=10))
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    exchange.peer.sends("F. 1:11(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 12 win 0")
    assert exchange.state is S.CLOSE_WAIT


# ICMP


# Path MTU


# What an attacker who sees nothing must not be able to do


@pytest.mark.rfc("7323", "7323.5")
@pytest.mark.parametrize("segment", ["- 1:11(10)", "P. 1:11(10) ack 70001", "S 5:5(0)", "R 5:5(0)"])
def test_a_timestamp_from_the_future_counts_only_with_an_acceptable_ack(segment: str) -> None:
    exchange = reach(S.ESTABLISHED, options="mss 1460,TS val 100 ecr 0")
    exchange.peer.sends(f"{segment} <TS val 2000000000 ecr 1000>")
    exchange.peer.ignores()
    exchange.peer.sends(". 1:11(10) ack 1 <TS val 101 ecr 1000>")
    assert exchange.user.readable_octets == 10
    assert exchange.counters["PAWSEstab"] == 0


def test_a_fin_inside_text_that_is_already_here_ends_nothing() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends(". 501:1501(1000) ack 1", "F. 501:1001(500) ack 1", ". 1:501(500) ack 1")
    assert exchange.state is S.ESTABLISHED
    exchange.peer.sends("F. 1501:2501(1000) ack 1")
    assert exchange.state is S.CLOSE_WAIT
    assert exchange.user.readable_octets == 2500


@pytest.mark.rfc("9293", "MUST-26", "MUST-29")
def test_segments_that_are_not_acceptable_are_no_sign_of_life() -> None:
    keep_alive = KeepAliveConfig(enabled=True, idle=10 * SECOND, interval=1 * SECOND, count=3)
    exchange = reach(S.ESTABLISHED, Setting(config=TcpConfig(keep_alive=keep_alive)))
    for _ in range(3):
        exchange.after(5 * SECOND)
        exchange.peer.sends("- 1:1(0)", ". 1000000:1000000(0) ack 1", ". 1:1(0) ack 99999")
    assert exchange.state is S.CLOSED


# Without the rules of security


def test_rules_of_old_stand_before_those_that_they_disarm() -> None:
    def added(**choices: bool | str) -> list[str]:
        names = [step.__name__ for step in make_steps(weak(**choices).security)]
        return [f"{name} {after}" for name, after in pairwise(names) if name not in strict]

    strict = [step.__name__ for step in SEGMENT_ARRIVES]
    assert added(byte_counting=False) == []
    assert added(rfc5961=False) == ["believe_rst check_rst", "reset_for_syn check_syn", "excuse_old_ack check_ack"]
    assert added(overlap="last") == ["prefer_latest process_text"]
    assert added(bounds=False) == ["charge_nothing process_text"]


LINUX = TcpConfig(arrivals=ArrivalConfig(order="linux"), buffers=BufferConfig(window="linux", receive_initial=20000))


def test_a_linux_takes_nothing_from_a_syn_ack_but_the_syn() -> None:
    exchange = Exchange.active(Setting(config=LINUX))
    exchange.peer.ignores()
    exchange.peer.sends("S. 0:10(10) ack 1 win 1000 <mss 1000>")
    exchange.peer.expects(". 1:1(0) ack 1")


def test_a_linux_that_has_text_to_be_read_drops_what_goes_beyond_its_window() -> None:
    exchange = Exchange.established(Setting(config=LINUX), options="mss 1000")
    exchange.peer.ignores()
    exchange.peer.sends("P. 1:11(10) ack 1")
    edge = exchange.connection.tcb.rcv.wnd + 11
    exchange.peer.sends(f"P. 11:{edge + 100}({edge + 89}) ack 1")
    exchange.peer.ignores()
    assert exchange.user.readable_octets == 10


@pytest.mark.rfc("7323", "7323.4")
@pytest.mark.parametrize(("needed", "readable"), [(True, 0), (False, 10)])
def test_timestamps_that_were_agreed_on_can_be_insisted_on(needed: bool, readable: int) -> None:
    config = TcpConfig(options=OptionsConfig(needs_timestamps=needed))
    exchange = reach(State.ESTABLISHED, Setting(config=config), options="mss 1460,TS val 100 ecr 0")
    exchange.peer.sends("P. 1:11(10) ack 1")
    assert exchange.user.readable_octets == readable
    assert exchange.counters["TCPMissingTimestamps"] == needed


@pytest.mark.parametrize(("options", "octets", "acks"), [("mss 1000", 35, 4), ("mss 1000,sackOK", 35, 1)])
def test_a_super_segment_ahead_of_a_hole_is_so_many_duplicates_to_who_counts_them(
    options: str, octets: int, acks: int
) -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=LAZY), options=options)
    rcv = exchange.connection.tcb.rcv
    merged = Segment(2, 1, wrap(rcv.nxt + 10), wrap(exchange.connection.tcb.snd.una), ACK, 500)
    merged.payload, merged.octets, merged.gso_size = (bytes(octets),), octets, 10
    exchange.peer.sends_segment(merged)
    for _ in range(acks):
        exchange.peer.expects_any(".")
    exchange.peer.expects_nothing()


def test_text_from_before_the_end_of_a_handshake_is_told_of_at_that() -> None:
    exchange = reach(S.SYN_RECEIVED, Setting(config=TcpConfig(arrivals=ArrivalConfig(order="bsd"))))
    exchange.peer.sends("P 1:11(10)")
    exchange.peer.ignores()
    exchange.peer.sends(". 11:11(0) ack 1")
    exchange.user.hears("Connected", "Readable")


@pytest.mark.parametrize("state", [S.SYN_SENT, S.SYN_RECEIVED])
def test_a_fin_may_be_acknowledged_with_the_syn(state: State) -> None:
    exchange = reach(state, Setting(config=TcpConfig(arrivals=ArrivalConfig(order="bsd"))))
    exchange.user.shuts_down()
    exchange.peer.ignores()
    exchange.peer.sends("S. 0:0(0) ack 2 win 65535" if state is S.SYN_SENT else ". 1:1(0) ack 2")
    assert exchange.state is S.FIN_WAIT_2


def test_text_that_is_not_wanted_is_acknowledged_and_thrown_away() -> None:
    closing = ClosingConfig(discards_unwanted=True, is_deaf=True)
    exchange = reach(S.FIN_WAIT_2, Setting(config=TcpConfig(closing=closing)))
    exchange.peer.sends("P. 1:11(10) ack 2")
    exchange.peer.expects(". 2:2(0) ack 11")
    exchange.user.hears()
    assert len(exchange.connection.tcb.rcv.queue) == 0


LINUX = TcpConfig(
    buffers=BufferConfig(receive=40_000, receive_initial=40_000, window="linux"),
    acks=AckConfig(manner="linux"),
    arrivals=ArrivalConfig(order="linux"),
)


def linux() -> Exchange:
    exchange = Exchange.established(Setting(config=LINUX), options="mss 1460,sackOK")
    exchange.peer.ignores()
    return exchange


def test_linux_is_asked_whether_there_is_room_before_text_is_taken() -> None:
    exchange = linux()
    memory = exchange.connection.tcb.rcv.memory
    assert memory is not None
    exchange.peer.sends("P. 1:11(10) ack 1")
    memory.used = 50_000
    exchange.peer.sends("P. 11:21(10) ack 1")
    assert exchange.user.readable_octets == 10
    assert exchange.counters["TCPRcvQDrop"] == 1


def test_linux_acknowledges_what_fills_a_hole_at_once() -> None:
    exchange = linux()
    exchange.peer.sends("P. 11:21(10) ack 1")
    exchange.peer.ignores()
    delays = exchange.connection.tcb.owed.acks.delays
    assert delays is not None
    delays.talks = True
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 21")


def test_linux_keeps_a_fin_ahead_of_a_hole_with_what_is_there() -> None:
    exchange = linux()
    exchange.peer.sends("F. 11:11(0) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1 <nop,nop,sack 11:12>")
