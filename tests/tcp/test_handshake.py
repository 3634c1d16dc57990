"""Establishing a connection: active and simultaneous open, and what the SYNs decide (RFC 9293 3.5, 3.10.7.3)."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.config import (
    AckConfig,
    ArrivalConfig,
    BufferConfig,
    Ecn,
    KeepAliveConfig,
    OptionsConfig,
    RetransmissionConfig,
    TcpConfig,
    TimeoutConfig,
)
from halfopen.tcp.connection import Connection
from halfopen.tcp.early import begin_at_server
from halfopen.tcp.events import CONNECTED
from halfopen.tcp.fast_open import Request, ServerCookies
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.handshake import PATIENCE, SOON
from halfopen.tcp.mtu_search import MtuSearchConfig
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening
from halfopen.testing.exchange import Exchange, Setting
from halfopen.wire.tcp import ACK, Segment
from halfopen.wire.tcp_options import FAST_OPEN
from tests.tcp.states import WRAPS, is_silent_for_ever, numbers, reach

S = State
NO_OPTIONS = TcpConfig(options=OptionsConfig(window_scaling=False, timestamps=False, sack=False))
ASKS_FOR_ECN = TcpConfig(options=OptionsConfig(ecn=Ecn.ACTIVE))
EAGER = AckConfig(nagle=False)


# Active open


@pytest.mark.rfc("9293", "MUST-14", "SHLD-5", "MAY-3")
def test_a_syn_offers_what_it_is_configured_to() -> None:
    exchange = Exchange.active()
    exchange.peer.expects("[noecn] S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1000 ecr 0,wscale 7>")
    exchange = Exchange.active(Setting(config=NO_OPTIONS, mss=536))
    exchange.peer.expects("S 0:0(0) win 65535 <mss 536>")


@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
def test_a_syn_ack_establishes_and_is_acknowledged(iss: int, irs: int) -> None:
    exchange = Exchange.active(Setting(iss=iss, irs=irs))
    exchange.peer.ignores()
    exchange.peer.sends("S. 0:0(0) ack 1 win 3000 <mss 1000>")
    exchange.peer.expects(". 1:1(0) ack 1 win 65535 <>")
    exchange.user.hears("Connected")
    assert exchange.state is S.ESTABLISHED
    assert is_silent_for_ever(exchange)
    exchange.user.sends(3000)
    for first in (1, 1001, 2001):
        exchange.peer.expects_any("P." if first == 2001 else ".")


@pytest.mark.rfc("9293", "9293.P3")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("ack", [0, -1, 2, 1000])
def test_a_bad_ack_in_syn_sent_is_reset(iss: int, ack: int) -> None:
    exchange = reach(S.SYN_SENT, Setting(iss=iss))
    exchange.peer.sends(f". 7:7(0) ack {ack}")
    reset = exchange.peer.expects(f"R {ack}:{ack}(0) win 0 <>")
    assert not reset.segment.ack
    assert exchange.state is S.SYN_SENT
    exchange.peer.sends(f"S. 7:7(0) ack {ack}")
    exchange.peer.expects(f"R {ack}:{ack}(0) win 0")
    assert exchange.state is S.SYN_SENT
    assert exchange.counters["TCPBadAckInSynSent"] == 2


@pytest.mark.rfc("9293", "9293.P3")
@pytest.mark.rfc("5961", "5961.5")
@pytest.mark.parametrize("ack", [0, 2])
def test_a_rst_with_a_bad_ack_in_syn_sent_is_dropped(ack: int) -> None:
    exchange = reach(S.SYN_SENT)
    exchange.peer.sends(f"R. 0:0(0) ack {ack}")
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.state is S.SYN_SENT


@pytest.mark.rfc("9293", "9293.P3")
@pytest.mark.rfc("5961", "5961.5")
def test_a_rst_without_ack_in_syn_sent_is_dropped() -> None:
    exchange = reach(S.SYN_SENT)
    exchange.peer.sends("R 0:0(0)")
    assert exchange.state is S.SYN_SENT
    exchange.user.hears()


@pytest.mark.rfc("9293", "9293.P3")
@pytest.mark.rfc("5961", "5961.5")
def test_a_rst_with_the_ack_of_our_syn_refuses() -> None:
    exchange = reach(S.SYN_SENT)
    exchange.peer.sends("R. 0:0(0) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.hears("Closed: ConnectionRefused")
    assert is_silent_for_ever(exchange)
    assert exchange.counters["AttemptFails"] == 1


@pytest.mark.rfc("9293", "9293.P3")
@pytest.mark.parametrize("segment", [". 0:0(0) ack 1", "F. 0:0(0) ack 1", "- 0:10(10)", "F 0:0(0)"])
def test_without_syn_or_rst_a_segment_in_syn_sent_is_dropped(segment: str) -> None:
    exchange = reach(S.SYN_SENT)
    exchange.peer.sends(segment)
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.state is S.SYN_SENT
    assert exchange.counters["TCPNoSynInSynSent"] == 1


@pytest.mark.rfc("9293", "9293.P3")
def test_text_urgent_pointer_and_fin_of_a_syn_ack_are_processed() -> None:
    exchange = reach(S.SYN_SENT)
    exchange.peer.sends("SF.U 0:5(5) ack 1 urg 3")
    exchange.peer.expects(". 1:1(0) ack 7")
    exchange.user.hears("Connected", "Urgent", "Readable", "EndOfStream")
    assert exchange.state is S.CLOSE_WAIT


def test_text_that_was_queued_before_leaves_with_the_last_ack_of_the_handshake() -> None:
    exchange = Exchange.active()
    exchange.user.sends(10)
    exchange.peer.expects_any("S")
    exchange.peer.expects_nothing()
    exchange.peer.sends("S. 0:0(0) ack 1 <mss 1000>")
    exchange.peer.expects("P. 1:11(10) ack 1")
    exchange.peer.expects_nothing()


# Simultaneous open: its end is `arrivals.check_simultaneous`


@pytest.mark.rfc("9293", "MUST-10")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
def test_a_syn_alone_is_answered_by_a_syn_ack(iss: int, irs: int) -> None:
    exchange = reach(S.SYN_SENT, Setting(iss=iss, irs=irs))
    exchange.peer.sends("S 0:0(0) win 5000 <mss 1000,wscale 3,TS val 5 ecr 0>")
    exchange.peer.expects("S. 0:0(0) ack 1 win 65535 <mss 1460,TS val 1000 ecr 5,wscale 7>")
    exchange.peer.expects_nothing()
    exchange.user.hears()
    assert exchange.state is S.SYN_RECEIVED
    exchange.peer.sends(". 1:1(0) ack 1 <TS val 6 ecr 1000>")
    exchange.user.hears("Connected")


def test_text_on_a_syn_without_ack_is_left_to_be_sent_again() -> None:
    exchange = reach(S.SYN_SENT)
    exchange.peer.sends("SF 0:5(5) win 5000 <mss 1000>")
    exchange.peer.expects("S. 0:0(0) ack 1")
    exchange.peer.sends("F. 1:6(5) ack 1")
    exchange.user.hears("Connected", "Readable", "EndOfStream")


@pytest.mark.rfc("9293", "MUST-22")
def test_an_unanswered_syn_ack_is_sent_again_and_given_up() -> None:
    exchange = reach(S.SYN_RECEIVED, Setting(config=TcpConfig(retransmission=RetransmissionConfig(synack_retries=2))))
    assert [seen.when for seen in exchange.after(60 * SECOND)] == [1 * SECOND, 3 * SECOND]
    exchange.peer.expects("S. 0:0(0) ack 1")
    exchange.user.hears("Closed: ConnectionTimedOut")


# What the SYNs decide


@pytest.mark.rfc("7323", "7323.11")
@pytest.mark.rfc("9293", "MUST-15", "MUST-16")
@pytest.mark.parametrize(
    ("options", "mss"),
    [
        ("", 536),
        ("mss 1000", 1000),
        ("mss 9000", 1460),
        ("mss 1000,TS val 1 ecr 1000", 988),
        ("TS val 1 ecr 1000", 524),
        ("mss 1", 48),
    ],
)
def test_the_effective_mss_is_the_smaller_one_less_options(options: str, mss: int) -> None:
    exchange = Exchange.established(options=options)
    assert exchange.connection.tcb.snd.mss == mss
    exchange.user.sends(3 * mss)
    for _ in range(2):
        assert exchange.peer.expects_any(".").words.octets == mss
    assert exchange.peer.expects_any("P.").words.octets == mss


@pytest.mark.rfc("7323", "7323.1", "7323.2")
def test_windows_are_scaled_only_if_both_sides_have_said_so() -> None:
    for options, shift in (("mss 1460,wscale 5", 5), ("mss 1460", 0), ("mss 1460,wscale 99", 14)):
        exchange = Exchange.active()
        exchange.peer.ignores()
        exchange.peer.sends(f"S. 0:0(0) ack 1 win 2000 <{options}>")
        assert exchange.connection.tcb.snd.wnd == 2000
        exchange.peer.sends(". 1:1(0) ack 1 win 3000")
        assert exchange.connection.tcb.snd.wnd == 3000 << shift
        exchange.peer.expects(f". 1:1(0) ack 1 win {524288 >> 7 if shift else 65535}")


@pytest.mark.rfc("7323", "7323.10")
def test_our_timestamps_go_with_those_of_the_peer_only() -> None:
    exchange = Exchange.active()
    exchange.peer.expects("S 0:0(0) <TS val 1000 ecr 0,...>")
    exchange.after(5 * MILLISECOND)
    exchange.peer.sends("S. 0:0(0) ack 1 <mss 1000,TS val 77 ecr 1000>")
    exchange.peer.expects(". 1:1(0) ack 1 <TS val 1005 ecr 77>")
    exchange = Exchange.active(Setting(config=NO_OPTIONS))
    exchange.peer.ignores()
    exchange.peer.sends("S. 0:0(0) ack 1 <mss 1000,sackOK,TS val 77 ecr 1000,wscale 3>")
    exchange.peer.expects(". 1:1(0) ack 1 <>")
    assert not exchange.connection.tcb.agreed.sack


@pytest.mark.rfc("6298", "6298.2")
def test_the_handshake_is_the_first_sample() -> None:
    exchange = Exchange.active()
    exchange.after(300 * MILLISECOND)
    exchange.peer.sends("S. 0:0(0) ack 1 <mss 1000>")
    assert exchange.connection.tcb.rtt.srtt == 300 * MILLISECOND


@pytest.mark.rfc("6298", "6298.7", "6298.11")
@pytest.mark.rfc("5681", "5681.1")
def test_a_syn_that_was_sent_twice_gives_no_sample_and_a_window_of_one_segment() -> None:
    exchange = Exchange.active()
    exchange.after(1200 * MILLISECOND)
    exchange.peer.sends("S. 0:0(0) ack 1 <mss 1000>")
    tcb = exchange.connection.tcb
    assert (tcb.rtt.srtt, tcb.rtt.rto) == (0, 3 * SECOND)
    assert tcb.congestion.cwnd == 1000
    assert tcb.recovery.retries == 0


@pytest.mark.rfc("6298", "6298.7")
def test_a_simultaneous_open_gives_no_sample_for_its_syn_was_sent_twice() -> None:
    exchange = Exchange.active()
    exchange.after(300 * MILLISECOND)
    exchange.peer.sends("S 0:0(0) <mss 1000>")
    exchange.after(10 * MILLISECOND)
    exchange.peer.sends("S. 0:0(0) ack 1 <mss 1000>")
    assert exchange.connection.tcb.rtt.srtt == 0


@pytest.mark.rfc("9293", "MUST-24", "MUST-25", "MUST-27")
def test_keep_alive_runs_from_the_handshake_on_if_it_is_wanted() -> None:
    assert is_silent_for_ever(reach(S.ESTABLISHED))
    config = TcpConfig(keep_alive=KeepAliveConfig(enabled=True, idle=10 * SECOND))
    exchange = reach(S.ESTABLISHED, Setting(config=config))
    assert exchange.next_deadline() == exchange.now + 10 * SECOND


# ECN


def ask(config: TcpConfig, answer: str) -> Exchange:
    """An active open that has been answered, with text on its way."""
    exchange = Exchange.active(Setting(config=replace(config, acks=EAGER)))
    exchange.peer.ignores()
    exchange.peer.sends(answer)
    exchange.peer.ignores()
    exchange.user.sends(10)
    return exchange


@pytest.mark.rfc("3168", "3168.1", "3168.2", "3168.6")
def test_ecn_is_used_if_we_ask_and_the_peer_agrees() -> None:
    exchange = Exchange.active(Setting(config=ASKS_FOR_ECN))
    exchange.peer.expects("[noecn] SEW 0:0(0)")
    ask(ASKS_FOR_ECN, "SE. 0:0(0) ack 1 <mss 1000>").peer.expects("[ect0] P. 1:11(10) ack 1")


@pytest.mark.rfc("3168", "3168.1", "3168.9")
@pytest.mark.parametrize("answer", ["S. 0:0(0) ack 1", "SEW. 0:0(0) ack 1", "SW. 0:0(0) ack 1"])
def test_ecn_is_not_used_if_the_peer_does_not_agree_or_only_reflects(answer: str) -> None:
    ask(ASKS_FOR_ECN, answer).peer.expects("[noecn] P. 1:11(10) ack 1")


@pytest.mark.rfc("3168", "3168.1")
@pytest.mark.parametrize("ecn", [Ecn.OFF, Ecn.PASSIVE])
def test_ecn_is_not_used_by_who_has_not_asked(ecn: Ecn) -> None:
    config = TcpConfig(options=OptionsConfig(ecn=ecn))
    ask(config, "SE. 0:0(0) ack 1").peer.expects("[noecn] P. 1:11(10) ack 1")


@pytest.mark.rfc("3168", "3168.7")
def test_after_an_unanswered_syn_ecn_is_not_asked_for_and_not_used() -> None:
    exchange = Exchange.active(Setting(config=ASKS_FOR_ECN))
    exchange.after(3 * SECOND)
    for flags in ("SEW", "S", "S"):
        exchange.peer.expects_any(flags)
    exchange.peer.sends("SE. 0:0(0) ack 1")
    exchange.peer.ignores()
    exchange.user.sends(10)
    exchange.peer.expects("[noecn] P. 1:11(10) ack 1")


@pytest.mark.rfc("3168", "3168.1")
@pytest.mark.parametrize(("ecn", "flags"), [(Ecn.ACTIVE, "S.E"), (Ecn.PASSIVE, "S.")])
def test_a_simultaneous_open_uses_ecn_if_both_have_asked(ecn: Ecn, flags: str) -> None:
    exchange = reach(S.SYN_SENT, Setting(config=TcpConfig(options=OptionsConfig(ecn=ecn))))
    exchange.peer.sends("SEW 0:0(0) <mss 1000>")
    exchange.peer.expects_any(flags)


# Connections of the half-open table


@pytest.mark.rfc("9293", "MUST-16")
def test_a_passive_open_remembers_all_that_the_syn_has_said() -> None:
    exchange = Exchange.passive()
    exchange.peer.sends("SEW 0:0(0) win 5000 <mss 1000,sackOK,TS val 7 ecr 0,wscale 3>")
    exchange.after(200 * MILLISECOND)
    exchange.peer.expects("S.E 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS val 1000 ecr 7,wscale 7>")
    exchange.peer.sends(". 1:1(0) ack 1 win 100 <TS val 8 ecr 1000>")
    tcb = exchange.connection.tcb
    assert (tcb.snd.mss, tcb.snd.wnd, tcb.agreed.snd_shift, tcb.agreed.rcv_shift) == (988, 800, 3, 7)
    assert (tcb.agreed.sack, tcb.agreed.ecn) == (True, True)
    assert 199 * MILLISECOND < tcb.rtt.srtt <= 200 * MILLISECOND
    exchange.user.sends(10)
    exchange.peer.expects("[ect0] P. 1:11(10) ack 1 <TS val 1200 ecr 8>")
    assert numbers(exchange) == (1, 11)


def test_a_passive_open_without_options_goes_without() -> None:
    exchange = Exchange.passive(Setting(config=TcpConfig(buffers=BufferConfig(receive_initial=4000))))
    exchange.peer.sends("S 0:0(0) win 5000")
    exchange.peer.expects("S. 0:0(0) ack 1 win 4000 <mss 1460>")
    exchange.peer.sends(". 1:1(0) ack 1")
    tcb = exchange.connection.tcb
    assert (tcb.snd.mss, tcb.snd.wnd, tcb.agreed.snd_shift, tcb.timestamps) == (536, 5000, 0, None)


@pytest.mark.rfc("6298", "6298.7", "6298.11")
@pytest.mark.rfc("5681", "5681.1")
def test_a_syn_ack_that_was_sent_twice_gives_no_sample_and_a_window_of_one_segment() -> None:
    exchange = Exchange.passive()
    exchange.peer.sends("S 0:0(0) win 5000 <mss 1000>")
    exchange.after(1500 * MILLISECOND)
    exchange.peer.sends(". 1:1(0) ack 1")
    tcb = exchange.connection.tcb
    assert (tcb.rtt.srtt, tcb.rtt.rto, tcb.congestion.cwnd) == (0, 3 * SECOND, 1000)


@pytest.mark.rfc("5961", "5961.4")
@pytest.mark.parametrize("is_challenged", [False, True])
def test_a_passive_open_remembers_whether_the_peer_was_challenged(is_challenged: bool) -> None:
    record = HalfOpen(bytes(12), irs=99, iss=5, peer_mss=1000, is_challenged=is_challenged)
    connection = Connection.resume(Opening(local_port=443, remote_port=1025, iss=5), record, SECOND)
    connection.on_segment(Segment(1025, 443, seq=99, ack=6, flags=ACK), SECOND)
    assert (connection.poll_transmit(SECOND) is None) is is_challenged


# Fast Open


@pytest.mark.parametrize("sends_text", [False, True])
def test_a_syn_waits_for_text_if_it_may_carry_any(sends_text: bool) -> None:
    request = Request(ServerCookies(), b"peer", (FAST_OPEN, b""), 0, sends_text)
    connection = Connection.open(Opening(local_port=1, remote_port=2, iss=7), SECOND, request)
    assert (connection.poll_transmit(SECOND) is None) == sends_text


def test_who_has_been_told_of_a_connection_is_not_told_again() -> None:
    connection = Connection.resume(Opening(local_port=1, remote_port=2, iss=7), HalfOpen(bytes(12), 9, 7, 1000), SECOND)
    begin_at_server(connection.tcb, Segment(2, 1, seq=9, window=100), None, SECOND)
    assert connection.poll_event() is CONNECTED
    assert connection.poll_transmit(SECOND) is not None
    connection.on_segment(Segment(2, 1, seq=10, ack=8, flags=ACK, window=100), SECOND)
    assert connection.state is S.ESTABLISHED
    assert connection.poll_event() is None


LINUX = TcpConfig(arrivals=ArrivalConfig(order="linux"), buffers=BufferConfig(window="linux"))


def test_a_linux_repeats_its_syn_soon_after_an_answer_to_another_one() -> None:
    exchange = Exchange.active(Setting(config=LINUX))
    exchange.peer.ignores()
    exchange.peer.sends("S. 0:0(0) ack 5")
    exchange.peer.expects("R 5:5(0)")
    assert len(exchange.after(SOON)) == 1
    exchange.peer.sends("S. 0:0(0) ack 5")
    exchange.peer.ignores()
    assert not exchange.after(SOON)


def test_a_linux_counts_its_buffer_by_memory() -> None:
    exchange = Exchange.established(Setting(config=LINUX))
    assert exchange.connection.tcb.rcv.memory is not None
    assert exchange.connection.tcb.owed.acks.delays is not None


def test_a_bsd_rounds_its_window_up_to_segments_that_the_peer_can_send() -> None:
    config = TcpConfig(arrivals=ArrivalConfig(order="bsd"), buffers=BufferConfig(receive_initial=65536, window="bsd"))
    assert Exchange.established(Setting(config=config), options="mss 1000").connection.tcb.rcv.wnd == 66_000
    assert Exchange.established(Setting(config=config), options="mss 9000").connection.tcb.rcv.wnd == 65_700


def test_linux_lets_the_ack_of_a_syn_ack_wait_for_text_that_is_sure_to_come() -> None:
    buffers = BufferConfig(window="linux")
    config = TcpConfig(buffers=buffers, acks=AckConfig(manner="linux", awaits_text=True))
    exchange = Exchange.active(Setting(config=config))
    exchange.peer.ignores()
    exchange.peer.sends("S. 0:0(0) ack 1 win 1000 <mss 1000>")
    exchange.peer.expects_nothing()
    assert exchange.connection.next_deadline() == exchange.now + PATIENCE
    exchange.user.sends(100)
    exchange.peer.expects_any("P.")
    exchange.peer.expects_nothing()


def test_a_bsd_keeps_the_text_of_a_syn_that_crosses_its_own() -> None:
    exchange = Exchange.active(Setting(config=TcpConfig(arrivals=ArrivalConfig(order="bsd"))))
    exchange.peer.sends("S 0:10(10) win 65535 <mss 1460>")
    exchange.peer.ignores()
    exchange.peer.sends(". 11:11(0) ack 1")
    assert len(exchange.connection.tcb.rcv.queue) == 10


def test_where_larger_segments_are_tried_the_first_are_small_but_not_those_of_linux_s_children() -> None:
    search = TimeoutConfig(mtu_search=MtuSearchConfig(mode=2))
    for order in ("rfc9293", "linux"):
        exchange = Exchange.active(Setting(config=TcpConfig(timeouts=search, arrivals=ArrivalConfig(order=order))))
        exchange.peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1460>")
        assert exchange.connection.tcb.snd.mss == 1024
    for order, size in (("rfc9293", 1024), ("linux", 1460)):
        exchange = Exchange.passive(Setting(config=TcpConfig(timeouts=search, arrivals=ArrivalConfig(order=order))))
        exchange.peer.sends("S 0:0(0) win 65535 <mss 1460>")
        exchange.peer.ignores()
        exchange.peer.sends(". 1:1(0) ack 1 win 65535")
        assert exchange.connection.tcb.recovery.trials.search is not None
        assert exchange.connection.tcb.snd.mss == size
