"""SEGMENT ARRIVES from the ACK field to the FIN bit, ICMP errors and smaller paths (RFC 9293 3.10.7.4, 3.9.2.2)."""

from itertools import pairwise

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.errors import ConnectionRefused, NetworkUnreachable
from halfopen.tcp.arrivals import SEGMENT_ARRIVES, make_steps
from halfopen.tcp.config import AckConfig, BufferConfig, ClosingConfig, Ecn, KeepAliveConfig, OptionsConfig, TcpConfig
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.state import State
from halfopen.testing.exchange import Exchange, Setting
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


def icmp(exchange: Exchange, seq: int, is_hard: bool) -> bool:
    """An ICMP error about our segment ``seq``, relative to our initial sequence number."""
    wire = wrap(exchange.setting.iss + seq)
    error = ConnectionRefused("port unreachable") if is_hard else NetworkUnreachable("host unreachable")
    taken = exchange.connection.on_icmp_error(error, wire, is_hard, exchange.now)
    exchange.settle()
    return taken


@pytest.mark.rfc("9293", "MUST-54", "MUST-56", "MUST-47", "SHLD-25")
@pytest.mark.parametrize("state", [S.SYN_SENT, S.SYN_RECEIVED, S.FIN_WAIT_1, S.CLOSING, S.LAST_ACK])
def test_a_soft_error_is_told_and_no_more(state: State) -> None:
    exchange = reach(state)
    assert icmp(exchange, numbers(exchange)[0], is_hard=False)
    exchange.user.hears("SoftError: NetworkUnreachable")
    assert exchange.state is state


@pytest.mark.rfc("9293", "SHLD-26", "MUST-54")
@pytest.mark.rfc("5927", "5927.5")
@pytest.mark.parametrize("state", [S.SYN_SENT, S.SYN_RECEIVED])
def test_a_hard_error_ends_a_connection_that_does_not_stand_yet(state: State) -> None:
    exchange = reach(state)
    assert icmp(exchange, 0, is_hard=True)
    exchange.user.hears("Closed: ConnectionRefused")
    exchange.peer.expects_nothing()


@pytest.mark.rfc("5927", "5927.2")
def test_a_hard_error_is_soft_for_a_connection_that_stands() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    assert icmp(exchange, 1, is_hard=True)
    exchange.user.hears("SoftError: ConnectionRefused")
    assert exchange.state is S.ESTABLISHED


@pytest.mark.rfc("5927", "5927.1")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize(("seq", "is_taken"), [(10, False), (11, True), (20, True), (21, False), (5000, False)])
def test_an_error_about_what_is_not_in_flight_is_not_believed(iss: int, seq: int, is_taken: bool) -> None:
    exchange = reach(S.ESTABLISHED, Setting(iss=iss))
    exchange.user.sends(10)
    exchange.peer.sends(". 1:1(0) ack 11")
    exchange.user.sends(10)
    exchange.user.hears("Writable")
    assert icmp(exchange, seq, is_hard=False) is is_taken
    assert exchange.counters["OutOfWindowIcmps"] == (0 if is_taken else 1)
    exchange.user.hears(*(["SoftError: NetworkUnreachable"] if is_taken else []))


@pytest.mark.rfc("5927", "5927.1")
def test_an_error_about_a_connection_that_is_gone_is_not_believed() -> None:
    assert not icmp(reach(S.CLOSED), 1, is_hard=True)


def test_no_number_of_errors_fills_the_memory() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    connection, seq = exchange.connection, wrap(exchange.setting.iss + 1)
    for _ in range(1000):
        connection.on_icmp_error(NetworkUnreachable("net"), seq, False, exchange.now)
        connection.on_icmp_error(ConnectionRefused("port"), seq, True, exchange.now)
    exchange.user.closes()
    exchange.user.hears("SoftError: NetworkUnreachable", "SoftError: ConnectionRefused")
    assert connection.on_icmp_error(NetworkUnreachable("net"), seq, False, exchange.now)
    assert connection.poll_event() is None


# Path MTU


def path_mtu(exchange: Exchange, mss: int, seq: int) -> bool:
    """ICMP says that our segment ``seq`` does not fit, but ``mss`` octets would."""
    taken = exchange.connection.on_path_mtu(mss, wrap(exchange.setting.iss + seq), exchange.now)
    exchange.settle()
    return taken


@pytest.mark.rfc("1191", "1191.1", "1191.4")
def test_a_smaller_path_has_everything_in_flight_sent_again_in_smaller_segments() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(2920)
    cwnd = exchange.connection.tcb.congestion.cwnd
    exchange.peer.expects(". 1:1461(1460) ack 1")
    exchange.peer.expects("P. 1461:2921(1460) ack 1")
    assert path_mtu(exchange, 1000, 1)
    again = exchange.peer.ignores()
    assert [seen.words.start for seen in again[1:]] == [seen.words.start + seen.words.octets for seen in again[:-1]]
    assert (again[0].words.start, sum(seen.words.octets for seen in again)) == (1, 2920)
    assert max(seen.words.octets for seen in again) == 1000
    assert not any(seen.segment.gso_size for seen in again)
    assert exchange.counters["TCPMTUReductions"] == 1
    exchange.peer.sends(". 1:1(0) ack 2921")
    assert exchange.connection.tcb.congestion.cwnd >= cwnd


def test_a_smaller_path_still_takes_super_segments_of_smaller_segments() -> None:
    exchange = reach(S.ESTABLISHED, Setting(burst=20000))
    exchange.user.sends(2920)
    exchange.peer.expects("P. 1:2921(2920) ack 1")
    assert path_mtu(exchange, 1000, 1)
    assert exchange.peer.expects("P. 1:2921(2920) ack 1").segment.gso_size == 1000


@pytest.mark.rfc("1191", "1191.4")
def test_options_are_part_of_what_has_to_fit() -> None:
    exchange = reach(S.ESTABLISHED, options="mss 1460,TS val 5 ecr 0")
    exchange.user.sends(1400)
    exchange.peer.ignores()
    assert path_mtu(exchange, 1012, 1)
    assert exchange.connection.tcb.snd.mss == 1000
    exchange.peer.expects(". 1:1001(1000) ack 1")


@pytest.mark.rfc("5927", "5927.4")
@pytest.mark.parametrize("mss", [0, -40, 1, 47])
def test_no_path_is_smaller_than_the_smallest_mss(mss: int) -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(96)
    exchange.peer.ignores()
    assert path_mtu(exchange, mss, 1)
    exchange.peer.expects(". 1:49(48) ack 1")
    exchange.peer.expects("P. 49:97(48) ack 1")


@pytest.mark.rfc("5927", "5927.1")
def test_a_smaller_path_is_not_believed_of_a_segment_that_is_not_in_flight() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    assert not path_mtu(exchange, 500, 11)
    assert exchange.counters["OutOfWindowIcmps"] == 1
    assert exchange.connection.tcb.snd.mss == 1460


def test_a_path_that_is_not_smaller_changes_nothing() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    exchange.peer.ignores()
    assert not path_mtu(exchange, 1460, 1)
    exchange.peer.expects_nothing()


def test_a_syn_fits_everywhere() -> None:
    exchange = reach(S.SYN_SENT)
    assert not path_mtu(exchange, 500, 0)


def host_finds(exchange: Exchange, mss: int) -> bool:
    """The host has looked for the path again."""
    return exchange.connection.on_path_mtu(mss, None, exchange.now)


@pytest.mark.rfc("1191", "1191.3")
def test_a_path_that_has_become_wider_again_takes_larger_segments() -> None:
    exchange = reach(S.ESTABLISHED, Setting(burst=20000), options="mss 1400,TS val 5 ecr 0")
    exchange.user.sends(100)
    assert path_mtu(exchange, 512, 1)
    exchange.peer.sends(". 1:1(0) ack 101 <TS val 6 ecr 1000>")
    exchange.peer.ignores()
    tcb = exchange.connection.tcb
    assert (tcb.snd.mss, tcb.congestion.mss) == (500, 500)
    assert not host_finds(exchange, 400)
    assert tcb.snd.mss == 500
    assert host_finds(exchange, 1460)
    assert not host_finds(exchange, 1460)
    assert (tcb.snd.mss, tcb.congestion.mss) == (1388, 1388)
    exchange.user.sends(2776)
    assert exchange.peer.expects("P. 101:2877(2776) ack 1").segment.gso_size == 1388
    assert exchange.counters["TCPMTUReductions"] == 1


def test_before_the_peer_has_told_its_mss_no_path_is_wider() -> None:
    exchange = reach(S.SYN_SENT)
    assert not host_finds(exchange, 9000)


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


def busy(config: TcpConfig | None = None) -> Exchange:
    """20 segments have got through, and more are in flight."""
    exchange = Exchange.established(Setting(config=config or TcpConfig()), options="mss 1000")
    exchange.user.sends(60_000)
    for ack in range(1001, 21_001, 1000):
        exchange.peer.sends(f". 1:1(0) ack {ack}")
    exchange.peer.ignores()
    return exchange


@pytest.mark.rfc("5927", "5927.1")
def test_where_segments_get_through_a_smaller_path_is_believed_only_after_a_timeout() -> None:
    exchange = busy()
    assert not path_mtu(exchange, 500, 20_001)
    assert exchange.connection.tcb.snd.mss == 1000
    assert (exchange.counters["TCPMTUPostponed"], exchange.counters["TCPMTUReductions"]) == (1, 0)
    exchange.after(5 * SECOND)
    assert exchange.connection.tcb.rtt.backoffs
    assert path_mtu(exchange, 500, 20_001)
    assert exchange.connection.tcb.snd.mss == 500
    assert exchange.counters["TCPMTUReductions"] == 1


def test_it_can_be_believed_at_once() -> None:
    assert path_mtu(busy(weak(delayed_pmtu=False)), 500, 20_001)


def test_what_the_host_has_found_itself_is_believed_at_once() -> None:
    exchange = busy()
    assert exchange.connection.on_path_mtu(500, wrap(exchange.setting.iss + 20_001), exchange.now, is_known=True)
    assert exchange.connection.tcb.snd.mss == 500


# Without the rules of security


@pytest.mark.rfc("5927", "5927.1")
@pytest.mark.parametrize("seq", [10, 21, 5000])
def test_without_the_sequence_check_an_error_about_anything_is_believed(seq: int) -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=weak(icmp_sequence_check=False)))
    exchange.user.sends(10)
    exchange.peer.sends(". 1:1(0) ack 11")
    assert icmp(exchange, seq, is_hard=False)
    assert icmp(exchange, seq, is_hard=True)
    assert exchange.state is S.ESTABLISHED
    assert exchange.connection.on_path_mtu(600, wrap(exchange.setting.iss + seq), exchange.now)
    assert exchange.connection.tcb.snd.mss == 600


def test_where_hard_errors_are_hard_one_ends_a_connection_that_stands() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=weak(soft_icmp_errors=False)))
    exchange.user.sends(10)
    assert not icmp(exchange, 5000, is_hard=True)
    assert icmp(exchange, 1, is_hard=False)
    assert exchange.state is S.ESTABLISHED
    assert icmp(exchange, 1, is_hard=True)
    assert exchange.state is S.CLOSED


def test_rules_of_old_stand_before_those_that_they_disarm() -> None:
    def added(**choices: bool | str) -> list[str]:
        names = [step.__name__ for step in make_steps(weak(**choices).security)]
        return [f"{name} {after}" for name, after in pairwise(names) if name not in strict]

    strict = [step.__name__ for step in SEGMENT_ARRIVES]
    assert added(byte_counting=False) == []
    assert added(rfc5961=False) == ["believe_rst check_rst", "reset_for_syn check_syn", "excuse_old_ack check_ack"]
    assert added(overlap="last") == ["prefer_latest process_text"]
    assert added(bounds=False) == ["charge_nothing process_text"]


def test_a_path_never_makes_segments_smaller_than_the_least_but_the_peer_may_where_there_are_no_bounds() -> None:
    exchange = Exchange.established(Setting(config=weak(bounds=False)), options="mss 20")
    exchange.user.sends(100)
    assert exchange.connection.tcb.snd.mss == 20
    assert not exchange.connection.on_path_mtu(1460, None, exchange.now)
    assert exchange.connection.tcb.snd.mss == 20
