"""PAWS, the sequence number, RST and SYN (RFC 9293 3.10.7.4, RFC 7323 5.3, RFC 5961 3 and 4)."""

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.config import AckConfig, ArrivalConfig, BufferConfig, TcpConfig
from halfopen.tcp.state import State
from halfopen.testing.exchange import Exchange, Setting
from tests.tcp.states import CAN_RECEIVE, SYNCHRONIZED, WRAPS, edges, is_silent_for_ever, numbers, reach

S = State
TIMESTAMPS = "mss 1460,TS val 100 ecr 0"
BEHIND_FIN = (S.CLOSING, S.LAST_ACK)


def bare(exchange: Exchange) -> str:
    """<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>."""
    nxt = numbers(exchange)[1]
    return f". {nxt}:{nxt}(0) ack {edges(exchange)[0]}"


def acceptable_ack(exchange: Exchange) -> int:
    return numbers(exchange)[0]


# The sequence number


@pytest.mark.rfc("9293", "9293.P4")
@pytest.mark.parametrize("state", (S.SYN_RECEIVED, *SYNCHRONIZED))
@pytest.mark.parametrize("place", ["left - 1", "right + 1"])
def test_a_segment_out_of_the_window_is_answered_by_an_ack_and_changes_nothing(state: State, place: str) -> None:
    exchange = reach(state)
    left, right = edges(exchange)
    seq = {"left - 1": left - 1, "right + 1": right + 1}[place]
    wrong = acceptable_ack(exchange) + 1  # would be noticed if it were looked at
    exchange.peer.sends(f". {seq}:{seq}(0) ack {wrong}")
    exchange.peer.expects(bare(exchange))
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.state is state


@pytest.mark.rfc("9293", "9293.P4")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
def test_text_is_acceptable_if_some_of_it_is_in_the_window(iss: int, irs: int) -> None:
    exchange = reach(S.ESTABLISHED, Setting(iss=iss, irs=irs))
    right = edges(exchange)[1]
    for start, octets in ((1, 10), (5, 10), (right - 1, 10)):
        exchange.peer.sends(f". {start}:{start + octets}({octets}) ack 1")
    assert edges(exchange)[0] == 15
    assert exchange.connection.tcb.rcv.early.octets == 1
    exchange.user.reads(14)


def test_a_peer_who_has_filled_the_window_is_heard_before_the_hole_in_it_is_filled() -> None:
    """Else two ends that have filled each other's windows, and lost something of it, both wait for their timers."""
    exchange = reach(S.ESTABLISHED)
    right = edges(exchange)[1]
    exchange.user.sends(1000)
    exchange.peer.ignores()
    exchange.peer.sends(f". 2:{right}({right - 2}) ack 1")
    exchange.peer.expects(". 1001:1001(0) ack 1")
    exchange.peer.sends(f". {right}:{right}(0) ack 1001")
    exchange.peer.expects_nothing()
    assert numbers(exchange) == (1001, 1001)


@pytest.mark.parametrize("flags", ["F.", "S."])
def test_only_a_bare_ack_may_stand_on_the_right_edge(flags: str) -> None:
    exchange = reach(S.ESTABLISHED)
    right = edges(exchange)[1]
    exchange.user.sends(1000)
    exchange.peer.ignores()
    exchange.peer.sends(f"{flags} {right}:{right}(0) ack 1001")
    exchange.peer.expects(". 1001:1001(0) ack 1")
    assert numbers(exchange) == (1, 1001)
    assert exchange.connection.tcb.rcv.fin is None


@pytest.mark.rfc("9293", "9293.P4")
@pytest.mark.parametrize(("start", "octets"), [(-9, 10), (65536, 1), (70000, 1000)])
def test_text_that_is_wholly_out_of_the_window_is_acknowledged_each_time(start: int, octets: int) -> None:
    exchange = reach(S.ESTABLISHED)
    segment = f". {start}:{start + octets}({octets}) ack 1"
    exchange.peer.sends(segment, segment)
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.hears()


@pytest.mark.rfc("2883", "2883.1")
def test_text_that_is_here_already_is_reported_as_duplicate() -> None:
    exchange = reach(S.ESTABLISHED, options="mss 1460,sackOK")
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.peer.ignores()
    exchange.peer.sends(". 3:8(5) ack 1")
    exchange.peer.expects(". 1:1(0) ack 11 <sack 3:8>")
    assert exchange.counters["TCPDuplicateText"] == 1


def closed_window() -> Exchange:
    """ESTABLISHED, with ten octets unread in a buffer of ten."""
    config = TcpConfig(buffers=BufferConfig(receive=10, receive_initial=10))
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 11 win 0")
    exchange.user.hears("Readable")
    return exchange


@pytest.mark.rfc("9293", "MUST-66", "9293.P5")
def test_with_a_window_of_zero_an_ack_still_counts() -> None:
    exchange = closed_window()
    exchange.user.sends(100)
    exchange.peer.ignores()
    exchange.peer.sends(". 11:11(0) ack 101")
    exchange.user.hears("Writable")
    assert numbers(exchange)[0] == 101


@pytest.mark.rfc("9293", "MUST-66", "9293.P5")
def test_with_a_window_of_zero_urg_still_counts_and_text_is_cut_away() -> None:
    exchange = closed_window()
    exchange.peer.sends(".U 11:12(1) ack 1 urg 5")
    exchange.peer.expects(". 1:1(0) ack 11 win 0")
    exchange.user.hears("Urgent")
    assert exchange.user.readable_octets == 10


@pytest.mark.rfc("9293", "MUST-66", "9293.P5")
def test_with_a_window_of_zero_a_rst_still_counts() -> None:
    exchange = closed_window()
    exchange.peer.sends("R 11:11(0)")
    exchange.user.hears("Closed: ConnectionReset")


@pytest.mark.parametrize("seq", [10, 12])
def test_with_a_window_of_zero_no_other_place_is_acceptable(seq: int) -> None:
    exchange = closed_window()
    exchange.peer.sends(f".U {seq}:{seq}(0) ack 1 urg 50")
    exchange.peer.expects(". 1:1(0) ack 11 win 0")
    exchange.user.hears()


# ACK storms


@pytest.mark.rfc("5961", "5961.4", "5961.7")
def test_bare_acks_out_of_place_are_answered_once_in_the_interval() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=TcpConfig(acks=AckConfig(challenge_interval=SECOND))))
    exchange.peer.sends(". 0:0(0) ack 1", ". -5:-5(0) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    assert (exchange.counters["TCPChallengeACK"], exchange.counters["TCPChallengeACKLimited"]) == (1, 1)
    exchange.after(999 * MILLISECOND)
    exchange.peer.sends(". 0:0(0) ack 1")
    exchange.peer.expects_nothing()
    exchange.after(1 * MILLISECOND)
    exchange.peer.sends(". 0:0(0) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1")


@pytest.mark.rfc("5961", "5961.7")
def test_two_ends_that_disagree_do_not_answer_each_other_for_ever() -> None:
    left, right = reach(S.ESTABLISHED), reach(S.ESTABLISHED)
    left.peer.sends(". 99999:99999(0) ack 1")
    answers = 0
    for _ in range(10):
        for here, there in ((left, right), (right, left)):
            for seen in here.peer.ignores():
                answers += 1
                there.peer.sends(f". {seen.words.start - 7}:{seen.words.start - 7}(0) ack 1")
    assert answers == 2


@pytest.mark.rfc("9293", "9293.P10")
@pytest.mark.parametrize("state", [S.CLOSE_WAIT, S.CLOSING, S.LAST_ACK])
def test_each_retransmitted_fin_is_acknowledged(state: State) -> None:
    exchange = reach(state)
    for _ in range(3):
        exchange.peer.sends("F. 1:1(0) ack 1")
        exchange.peer.expects(bare(exchange))
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.state is state


# RST


@pytest.mark.rfc("9293", "9293.P4", "MUST-12")
@pytest.mark.rfc("5961", "5961.1")
@pytest.mark.parametrize("state", SYNCHRONIZED)
@pytest.mark.parametrize("flags", ["R", "R."])
def test_a_rst_at_rcv_nxt_ends_the_connection(state: State, flags: str) -> None:
    exchange = reach(state)
    left = edges(exchange)[0]
    exchange.peer.sends(f"{flags} {left}:{left}(0)" + (" ack 77777" if flags == "R." else ""))
    exchange.peer.expects_nothing()
    exchange.user.hears("Closed" if state in BEHIND_FIN else "Closed: ConnectionReset")
    assert exchange.state is S.CLOSED
    assert is_silent_for_ever(exchange)
    assert exchange.counters["EstabResets"] == 1


@pytest.mark.rfc("9293", "SHLD-2")
def test_a_rst_may_carry_text_which_nobody_reads() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends("R 1:20(19)")
    exchange.user.hears("Closed: ConnectionReset")
    exchange.user.reads(0)


@pytest.mark.rfc("9293", "MUST-12")
@pytest.mark.parametrize("state", BEHIND_FIN)
def test_a_rst_while_text_of_ours_is_underway_is_no_good_end(state: State) -> None:
    exchange = reach(S.ESTABLISHED)
    if state is S.LAST_ACK:
        exchange.peer.sends("F. 1:1(0) ack 1")
    exchange.user.sends(10)
    exchange.user.shuts_down()
    if state is S.CLOSING:
        exchange.peer.sends("F. 1:1(0) ack 1")
    assert exchange.state is state
    exchange.peer.sends("R 2:2(0)")
    exchange.user.hears("EndOfStream", "Closed: ConnectionReset")


@pytest.mark.rfc("5961", "5961.1")
@pytest.mark.parametrize("state", (S.SYN_RECEIVED, *SYNCHRONIZED))
@pytest.mark.parametrize("place", ["nxt + 1", "right - 1"])
def test_a_rst_elsewhere_in_the_window_is_challenged(state: State, place: str) -> None:
    exchange = reach(state)
    left, right = edges(exchange)
    seq = {"nxt + 1": left + 1, "right - 1": right - 1}[place]
    exchange.peer.sends(f"R {seq}:{seq}(0)")
    exchange.peer.expects(bare(exchange))
    exchange.peer.expects_nothing()
    assert exchange.state is state
    exchange.peer.sends(f"R {left}:{left}(0)")
    assert exchange.state is S.CLOSED


@pytest.mark.rfc("5961", "5961.1", "5961.6")
@pytest.mark.parametrize("state", (S.SYN_RECEIVED, *SYNCHRONIZED))
@pytest.mark.parametrize("place", ["left - 1", "right", "right + 1"])
@pytest.mark.parametrize("octets", [0, 10])
def test_a_rst_out_of_the_window_is_dropped_without_a_word(state: State, place: str, octets: int) -> None:
    exchange = reach(state)
    left, right = edges(exchange)
    seq = {"left - 1": left - 1, "right": right, "right + 1": right + 1}[place]
    exchange.peer.sends(f"R {seq}:{seq + octets}({octets})")
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.state is state
    assert exchange.counters["TCPOutOfWindowRST"] == 1


@pytest.mark.rfc("5961", "5961.1")
@pytest.mark.parametrize("irs", WRAPS)
@pytest.mark.parametrize(("offset", "state"), [(-1, S.ESTABLISHED), (0, S.CLOSED), (1, S.ESTABLISHED)])
def test_only_the_exact_number_resets_also_across_the_wrap(irs: int, offset: int, state: State) -> None:
    exchange = reach(S.ESTABLISHED, Setting(irs=irs))
    exchange.peer.sends(f"R {1 + offset}:{1 + offset}(0)")
    assert exchange.state is state


@pytest.mark.rfc("9293", "9293.P6", "MUST-11")
def test_a_rst_in_syn_received_after_an_active_open_refuses() -> None:
    exchange = reach(S.SYN_RECEIVED)
    exchange.peer.sends("R 1:1(0)")
    exchange.user.hears("Closed: ConnectionRefused")
    assert exchange.counters["AttemptFails"] == 1


@pytest.mark.rfc("9293", "9293.P6", "MUST-11")
def test_a_rst_in_syn_received_after_a_passive_open_returns_to_listen() -> None:
    exchange = Exchange.passive()
    exchange.peer.sends("S 0:0(0) win 1000 <mss 1000>", "R 1:1(0)")
    exchange.peer.expects("S. 0:0(0) ack 1")
    exchange.peer.expects_nothing()
    assert exchange.state is S.LISTEN


# SYN


@pytest.mark.rfc("9293", "9293.P4")
@pytest.mark.rfc("5961", "5961.2")
@pytest.mark.parametrize("state", SYNCHRONIZED)
@pytest.mark.parametrize("flags", ["S", "S."])
@pytest.mark.parametrize("place", ["left - 1", "left", "nxt + 1", "right - 1", "right", "right + 1"])
def test_a_syn_is_challenged_wherever_it_is(state: State, flags: str, place: str) -> None:
    exchange = reach(state)
    left, right = edges(exchange)
    seq = {"left - 1": left - 1, "left": left, "nxt + 1": left + 1, "right - 1": right - 1}.get(place, right)
    seq += place == "right + 1"
    exchange.peer.sends(f"{flags} {seq}:{seq}(0)" + (f" ack {acceptable_ack(exchange)}" if flags == "S." else ""))
    exchange.peer.expects(bare(exchange))
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.state is state
    assert exchange.counters["TCPChallengeACK"] == 1


@pytest.mark.rfc("5961", "5961.2", "5961.4")
def test_a_syn_with_text_is_challenged_no_more_often_than_one_without() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends("S 99999:100009(10)", "S 99999:100009(10)", "S 1:11(10)")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.hears()


@pytest.mark.rfc("5961", "5961.2")
def test_a_peer_that_has_really_restarted_gets_through_after_the_challenge() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.peer.sends("S 500000:500000(0)")
    challenge = exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.sends(f"R {challenge.words.ack}:{challenge.words.ack}(0)")  # from a TCP in SYN-SENT: a bad ACK
    exchange.user.hears("Closed: ConnectionReset")


@pytest.mark.rfc("9293", "9293.P7", "MUST-11")
@pytest.mark.parametrize("seq", [1, 65535])
def test_a_syn_in_the_window_in_syn_received_after_a_passive_open_returns_to_listen(seq: int) -> None:
    exchange = Exchange.passive()
    exchange.peer.sends("S 0:0(0) win 1000 <mss 1000>", f"S {seq}:{seq}(0)")
    exchange.peer.expects("S. 0:0(0) ack 1")
    exchange.peer.expects_nothing()
    assert exchange.state is S.LISTEN
    assert exchange.counters["TCPSynInSynReceived"] == 1


@pytest.mark.rfc("9293", "9293.P7")
def test_a_syn_in_the_window_in_syn_received_after_an_active_open_is_challenged() -> None:
    exchange = reach(S.SYN_RECEIVED)
    exchange.peer.sends("S 5:5(0)")
    exchange.peer.expects(". 1:1(0) ack 1")
    assert exchange.state is S.SYN_RECEIVED
    assert exchange.counters["TCPSYNChallenge"] == 1


# PAWS


@pytest.mark.rfc("7323", "7323.6", "7323.7")
@pytest.mark.parametrize("state", CAN_RECEIVE)
def test_a_segment_from_another_life_is_acknowledged_and_dropped(state: State) -> None:
    exchange = reach(state, options=TIMESTAMPS)
    exchange.peer.sends(f". 1:11(10) ack {acceptable_ack(exchange)} <TS val 99 ecr 1000>")
    exchange.peer.expects(bare(exchange))
    exchange.user.hears()
    assert exchange.counters["PAWSEstab"] == 1
    exchange.peer.sends(f". 1:11(10) ack {acceptable_ack(exchange)} <TS val 100 ecr 1000>")
    exchange.user.hears("Readable")


@pytest.mark.rfc("7323", "7323.6")
def test_a_bare_ack_from_another_life_is_answered_seldom() -> None:
    exchange = reach(S.ESTABLISHED, options=TIMESTAMPS)
    exchange.peer.sends(". 1:1(0) ack 1 <TS val 99 ecr 1000>", ". 1:1(0) ack 1 <TS val 98 ecr 1000>")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()


@pytest.mark.rfc("7323", "7323.6")
def test_a_rst_is_exempt_from_paws() -> None:
    exchange = reach(S.ESTABLISHED, options=TIMESTAMPS)
    exchange.peer.sends("R 1:1(0) <TS val 1 ecr 0>")
    exchange.user.hears("Closed: ConnectionReset")


@pytest.mark.rfc("7323", "7323.6")
def test_after_24_days_of_silence_any_timestamp_is_taken() -> None:
    exchange = reach(S.ESTABLISHED, options=TIMESTAMPS)
    exchange.after(24 * 24 * 3600 * SECOND)
    exchange.peer.sends(". 1:11(10) ack 1 <TS val 50 ecr 1000>")
    exchange.user.hears("Readable")


@pytest.mark.rfc("7323", "7323.4")
def test_a_segment_without_the_timestamps_agreed_on_is_taken_all_the_same() -> None:
    exchange = reach(S.ESTABLISHED, options=TIMESTAMPS)
    exchange.peer.sends(". 1:11(10) ack 1", ". 11:12(1) ack 1 <sack 5:6>")
    exchange.user.reads(11)


@pytest.mark.rfc("7323", "7323.6")
@pytest.mark.parametrize("value", [0xFFFFFFF0, 0x80000010])
def test_timestamps_are_compared_modulo_2_32(value: int) -> None:
    exchange = reach(S.ESTABLISHED, options=f"mss 1460,TS val {value} ecr 0")
    exchange.peer.sends(f". 1:11(10) ack 1 <TS val {(value + 32) % 2**32} ecr 1000>")
    exchange.user.hears("Readable")
    exchange.peer.sends(f". 11:21(10) ack 1 <TS val {value} ecr 1000>")
    exchange.user.reads(10)
    assert exchange.counters["PAWSEstab"] == 1


@pytest.mark.rfc("7323", "7323.5")
def test_the_echo_is_that_of_the_last_segment_that_came_in_order() -> None:
    exchange = reach(S.ESTABLISHED, options=TIMESTAMPS)
    exchange.peer.sends(". 1:11(10) ack 1 <TS val 110 ecr 1000>")
    exchange.peer.expects(". 1:1(0) ack 11 <TS val 1000 ecr 110>")
    exchange.peer.sends(". 21:31(10) ack 1 <TS val 120 ecr 1000>")
    exchange.peer.expects(". 1:1(0) ack 11 <TS val 1000 ecr 110,...>")
    exchange.peer.sends(". 11:21(10) ack 1 <TS val 115 ecr 1000>")
    exchange.peer.expects(". 1:1(0) ack 31 <TS val 1000 ecr 115>")


@pytest.mark.rfc("7323", "7323.5")
def test_a_segment_out_of_the_window_teaches_no_timestamp() -> None:
    exchange = reach(S.ESTABLISHED, options=TIMESTAMPS)
    exchange.peer.sends(". -9:1(10) ack 1 <TS val 900 ecr 1000>")
    exchange.peer.expects(". 1:1(0) ack 1 <TS val 1000 ecr 100>")


def test_linux_has_its_own_idea_of_what_lies_in_the_window() -> None:
    buffers = BufferConfig(receive=40_000, receive_initial=40_000, window="linux")
    config = TcpConfig(buffers=buffers, acks=AckConfig(manner="linux"), arrivals=ArrivalConfig(order="linux"))
    exchange = Exchange.established(Setting(config=config), options="mss 1460")
    exchange.peer.sends("P. 1:30001(30000) ack 1")
    assert exchange.user.readable_octets == 30_000
    exchange.peer.ignores()
    exchange.peer.sends("P. 30001:60001(30000) ack 1")
    exchange.peer.expects_any(".")
    assert exchange.user.readable_octets == 30_000
