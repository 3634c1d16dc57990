"""LISTEN, and SYN-RECEIVED by a passive open (RFC 9293 3.10.7.2, 3.10.7.4, 3.9.1.1)."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Duration
from halfopen.base.counters import Counters
from halfopen.base.rng import SeededRng
from halfopen.tcp.config import (
    DEFAULT,
    AckConfig,
    ArrivalConfig,
    BufferConfig,
    Ecn,
    FastOpenConfig,
    ListeningConfig,
    OptionsConfig,
    RetransmissionConfig,
    TcpConfig,
)
from halfopen.tcp.connection import Connection
from halfopen.tcp.cookies import EPOCH, Cookies
from halfopen.tcp.eviction import DropNew, DropOldest, EvictionPolicy
from halfopen.tcp.fast_open import FastOpenServer
from halfopen.tcp.half_open import HalfOpenTable
from halfopen.tcp.isn import FixedIsn
from halfopen.tcp.listener import Listener
from halfopen.tcp.passive import Admission, Listening, PathLimits
from halfopen.tcp.proven import ProvenPeers
from halfopen.tcp.state import State
from halfopen.testing.exchange import FLOW, LOCAL_PORT, REMOTE_PORT, START, Exchange, Setting
from halfopen.testing.notation import Written, parse
from halfopen.wire.tcp import ACK, RST, SYN, Segment
from halfopen.wire.tcp_options import Options
from tests.tcp.permits import weak
from tests.tcp.states import WRAPS

S = State
ISS, IRS = 1_000_000, 2_000_000


def half_open(setting: Setting | None = None, options: str = "mss 1000") -> Exchange:
    """SYN-RECEIVED: the peer's SYN has been answered."""
    exchange = Exchange.passive(setting)
    exchange.peer.sends(f"S 0:0(0) win 5000 <{options}>")
    exchange.peer.expects_any("S.")
    assert exchange.state is S.SYN_RECEIVED
    return exchange


# LISTEN


@pytest.mark.rfc("9293", "9293.P2")
@pytest.mark.parametrize("segment", ["R 0:0(0)", "R. 0:0(0) ack 5", "SR. 0:0(0) ack 5"])
def test_in_listen_a_rst_is_dropped(segment: str) -> None:
    exchange = Exchange.passive()
    exchange.peer.sends(segment)
    exchange.peer.expects_nothing()
    assert exchange.state is S.LISTEN
    assert exchange.counters["TCPListenRst"] == 1


@pytest.mark.rfc("9293", "9293.P2")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("flags", [".", "S.", "F.", "P."])
def test_in_listen_an_ack_is_reset(iss: int, flags: str) -> None:
    exchange = Exchange.passive(Setting(iss=iss))
    exchange.peer.sends(f"{flags} 0:0(0) ack 5")
    reset = exchange.peer.expects("R 5:5(0) win 0 <>")
    assert reset.segment.ack == 0
    exchange.peer.expects_nothing()
    assert exchange.state is S.LISTEN
    assert (exchange.counters["TCPListenAck"], exchange.counters["OutRsts"]) == (1, 1)


@pytest.mark.rfc("9293", "9293.P2")
@pytest.mark.parametrize("segment", ["- 0:0(0)", "F 0:0(0)", "P 0:10(10)", "SF 0:0(0)", "FPU 0:0(0) urg 0"])
def test_in_listen_anything_else_is_dropped(segment: str) -> None:
    exchange = Exchange.passive()
    exchange.peer.sends(segment)
    exchange.peer.expects_nothing()
    assert exchange.state is S.LISTEN
    assert exchange.counters["TCPListenOddFlags"] == 1


@pytest.mark.rfc("9293", "9293.P2")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
def test_a_syn_is_answered_and_its_ack_establishes(iss: int, irs: int) -> None:
    exchange = Exchange.passive(Setting(iss=iss, irs=irs))
    exchange.peer.sends("S 0:0(0) win 5000 <mss 1000>")
    exchange.peer.expects("[noecn] S. 0:0(0) ack 1 win 65535 <mss 1460>")
    exchange.peer.sends(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    exchange.user.hears("Connected")
    assert exchange.state is S.ESTABLISHED
    assert exchange.counters["PassiveOpens"] == 1


def test_text_on_the_syn_is_left_to_be_sent_again() -> None:
    exchange = Exchange.passive()
    exchange.peer.sends("S 0:10(10) win 5000 <mss 1000>")
    exchange.peer.expects("S. 0:0(0) ack 1")
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.user.reads(10)


@pytest.mark.rfc("9293", "MUST-14", "SHLD-5", "MAY-3")
@pytest.mark.rfc("7323", "7323.1", "7323.10")
@pytest.mark.rfc("2018", "2018.1")
@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        ("", "mss 1460"),
        ("mss 1000", "mss 1460"),
        ("mss 1000,sackOK", "mss 1460,sackOK"),
        ("mss 1000,nop,wscale 0", "mss 1460,nop,wscale 7"),
        ("TS val 77 ecr 0", "mss 1460,TS val 1000 ecr 77"),
        ("mss 1000,sackOK,TS val 77 ecr 0,wscale 2", "mss 1460,sackOK,TS val 1000 ecr 77,wscale 7"),
    ],
)
def test_the_answer_has_the_options_that_were_offered(offered: str, answered: str) -> None:
    exchange = Exchange.passive()
    exchange.peer.sends(f"S 0:0(0) win 5000 <{offered}>")
    exchange.peer.expects(f"S. 0:0(0) ack 1 <{answered}>")


def test_options_that_are_not_configured_are_not_answered() -> None:
    options = OptionsConfig(window_scaling=False, timestamps=False, sack=False, mss=700)
    exchange = Exchange.passive(Setting(config=TcpConfig(options=options, buffers=BufferConfig(receive_initial=3000))))
    exchange.peer.sends("SEW 0:0(0) win 5000 <mss 1000,sackOK,TS val 77 ecr 0,wscale 2>")
    exchange.peer.expects("S.E 0:0(0) ack 1 win 3000 <mss 700>")


@pytest.mark.rfc("3168", "3168.1")
@pytest.mark.parametrize("ecn", list(Ecn))
@pytest.mark.parametrize("flags", ["S", "SE", "SW", "SEW"])
def test_ecn_is_agreed_on_if_the_peer_asks_and_we_may(ecn: Ecn, flags: str) -> None:
    exchange = Exchange.passive(Setting(config=TcpConfig(options=OptionsConfig(ecn=ecn))))
    exchange.peer.sends(f"{flags} 0:0(0) win 5000 <mss 1000>")
    is_new = ecn.value >= 3 and flags in ("SE", "SW")  # which a later RFC may give a meaning (RFC 9768 3.1.3)
    exchange.peer.expects_any("S.W" if is_new else "S.E" if flags == "SEW" and ecn is not Ecn.OFF else "S.")


@pytest.mark.rfc("3168", "3168.1")
def test_each_syn_ack_of_an_ecn_connection_says_so() -> None:
    exchange = Exchange.passive()
    exchange.peer.sends("SEW 0:0(0) win 5000 <mss 1000>")
    exchange.after(2 * SECOND)
    exchange.peer.expects_any("S.E")
    exchange.peer.expects_any("S.E")


# SYN-RECEIVED


def test_the_same_syn_again_is_answered_again() -> None:
    exchange = half_open()
    exchange.peer.sends("S 0:0(0) win 5000 <mss 1000>", "SEW 0:0(0) win 5000")
    exchange.peer.expects("S. 0:0(0) ack 1 <mss 1460>")
    exchange.peer.expects("S. 0:0(0) ack 1 <mss 1460>")
    exchange.peer.expects_nothing()
    assert exchange.counters["TCPSynAckAgain"] == 2


@pytest.mark.rfc("9293", "9293.P4")
@pytest.mark.parametrize("segment", [". 0:0(0) ack 1", ". 65537:65537(0) ack 9", "S 70000:70000(0)", "S. 0:0(0) ack 1"])
def test_what_is_out_of_the_window_is_acknowledged_and_leaves_the_peer_half_open(segment: str) -> None:
    exchange = half_open()
    exchange.peer.sends(segment)
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    assert exchange.state is S.SYN_RECEIVED
    exchange.peer.sends(". 1:1(0) ack 1")
    exchange.user.hears("Connected")


@pytest.mark.rfc("5961", "5961.1")
@pytest.mark.parametrize(
    ("seq", "answers", "after"),
    [
        (0, 0, S.SYN_RECEIVED),
        (1, 0, S.LISTEN),
        (2, 1, S.SYN_RECEIVED),
        (65535, 1, S.SYN_RECEIVED),
        (65536, 0, S.SYN_RECEIVED),
    ],
)
@pytest.mark.parametrize("irs", WRAPS)
def test_a_rst_has_to_be_exact_here_too(seq: int, answers: int, after: State, irs: int) -> None:
    exchange = half_open(Setting(irs=irs))
    exchange.peer.sends(f"R {seq}:{seq}(0)")
    for _ in range(answers):
        exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    assert exchange.state is after


@pytest.mark.rfc("9293", "9293.P7")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("ack", [0, 2, -1000])
def test_a_bad_ack_is_reset_and_leaves_the_peer_half_open(iss: int, ack: int) -> None:
    exchange = half_open(Setting(iss=iss))
    exchange.peer.sends(f". 1:11(10) ack {ack}")
    exchange.peer.expects(f"R {ack}:{ack}(0) win 0")
    exchange.peer.expects_nothing()
    assert exchange.state is S.SYN_RECEIVED
    assert exchange.counters["TCPBadAckInSynReceived"] == 1


@pytest.mark.rfc("9293", "9293.P9")
def test_without_ack_a_segment_is_dropped() -> None:
    exchange = half_open()
    exchange.peer.sends("P 1:11(10)")
    exchange.peer.expects_nothing()
    assert exchange.state is S.SYN_RECEIVED


@pytest.mark.rfc("7323", "7323.6")
def test_an_ack_from_another_life_does_not_establish() -> None:
    exchange = half_open(options="mss 1000,TS val 77 ecr 0")
    exchange.peer.sends(". 1:1(0) ack 1 <TS val 76 ecr 1000>")
    exchange.peer.expects(". 1:1(0) ack 1 <TS val 1000 ecr 77>")
    assert exchange.state is S.SYN_RECEIVED
    exchange.peer.sends(". 1:1(0) ack 1 <TS val 77 ecr 1000>")
    exchange.user.hears("Connected")


@pytest.mark.rfc("9293", "9293.P4")
def test_text_and_fin_on_the_third_segment_count() -> None:
    exchange = half_open()
    exchange.peer.sends("F. 1:11(10) ack 1 win 7000")
    exchange.user.hears("Connected", "Readable", "EndOfStream")
    exchange.user.reads(10)
    exchange.peer.expects(". 1:1(0) ack 12")
    exchange.peer.expects_nothing()
    assert exchange.state is S.CLOSE_WAIT
    assert exchange.connection.tcb.snd.wnd == 7000


def test_a_third_segment_ahead_of_a_hole_establishes() -> None:
    exchange = half_open()
    exchange.peer.sends(". 11:21(10) ack 1")
    exchange.user.hears("Connected")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.sends(". 1:11(10) ack 1")
    exchange.user.reads(20)


@pytest.mark.rfc("4987", "4987.3")
@pytest.mark.rfc("9293", "MUST-22")
def test_a_syn_ack_without_answer_is_sent_again_and_the_peer_given_up() -> None:
    exchange = half_open(Setting(config=TcpConfig(retransmission=RetransmissionConfig(synack_retries=2))))
    during = exchange.after(60 * SECOND)
    assert [seen.when // (SECOND // 10) for seen in during] == [10, 30]
    exchange.peer.expects("S. 0:0(0) ack 1 win 65535 <mss 1460>")
    assert exchange.state is S.LISTEN
    assert exchange.next_deadline() == NEVER
    assert (exchange.counters["TCPSynAckRetrans"], exchange.counters["TCPHalfOpenTimeout"]) == (2, 1)
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1")
    exchange.peer.expects("R 1:1(0)")


# Many peers


def make_listener(backlog: int = 8, eviction: EvictionPolicy | None = None) -> tuple[Listener, Counters]:
    counters = Counters()
    limits = PathLimits(mss=1400, burst=14000, default_mss=1220, timestamp_offset=5)
    listener = Listener(
        Listening(
            port=LOCAL_PORT,
            isn=FixedIsn(ISS),
            paths=lambda flow: limits,
            table=HalfOpenTable(1, bytes(16), eviction),
            backlog=backlog,
            counters=counters,
        )
    )
    return listener, counters


def flow(number: int) -> bytes:
    """The octets of another peer."""
    return bytes((198, 51, 100, number)) + FLOW[4:]


def arrive(listener: Listener, peer: bytes, words: str, later: Duration = 0) -> None:
    segment = parse(words).segment((REMOTE_PORT, LOCAL_PORT), IRS, ISS, ())
    segment.window = 5000
    listener.on_segment(peer, segment, START + later)


def replies(listener: Listener) -> list[tuple[bytes, str]]:
    """To whom, and what."""
    said = []
    while (reply := listener.poll_transmit(START)) is not None:
        said.append((reply[0], str(Written.of(reply[1], ISS, IRS)).partition(" win")[0]))
    return said


def test_peers_do_not_disturb_each_other() -> None:
    table_of_many = HalfOpenTable(64, bytes(16))
    counters = Counters()
    limits = PathLimits()
    listening = Listening(
        port=LOCAL_PORT, isn=FixedIsn(ISS), paths=lambda flow: limits, table=table_of_many, counters=counters
    )
    listener = Listener(listening)
    for number in (1, 2, 3):
        arrive(listener, flow(number), "S 0:0(0) <mss 1000>")
    arrive(listener, flow(2), "R 1:1(0)")
    arrive(listener, flow(3), ". 1:1(0) ack 1")
    assert [peer for peer, _ in replies(listener)] == [flow(1), flow(2), flow(3)]
    assert len(listener.half_open) == 1
    accepted = listener.poll_accept()
    assert accepted is not None and accepted[0] == flow(3)
    assert accepted[1].state is S.ESTABLISHED
    assert listener.poll_accept() is None
    assert listener.state is S.LISTEN


def test_what_is_known_of_the_path_reaches_the_connection() -> None:
    listener, _ = make_listener()
    arrive(listener, flow(1), "S 0:0(0) <TS val 9 ecr 0>")
    assert replies(listener) == [(flow(1), "S. 0:0(0) ack 1")]
    arrive(listener, flow(1), ". 1:1(0) ack 1 <TS val 9 ecr 1005>")
    accepted = listener.poll_accept()
    assert accepted is not None
    tcb = accepted[1].tcb
    assert (tcb.snd.mss, tcb.snd.burst, tcb.opening.timestamp_offset) == (1208, 14000 - 14000 % 1208, 5)


@pytest.mark.rfc("4987", "4987.2")
def test_above_the_backlog_the_ack_is_dropped_and_the_peer_stays_half_open() -> None:
    listener, counters = make_listener(backlog=0)
    arrive(listener, flow(1), "S 0:0(0) <mss 1000>")
    arrive(listener, flow(1), ". 1:1(0) ack 1")
    assert listener.poll_accept() is None
    assert replies(listener) == [(flow(1), "S. 0:0(0) ack 1")]
    assert (len(listener.half_open), counters["ListenOverflows"], counters["PassiveOpens"]) == (1, 1, 0)


@pytest.mark.rfc("4987", "4987.4", "4987.5")
def test_a_full_table_gives_up_a_peer_and_says_so() -> None:
    listener, counters = make_listener(eviction=DropOldest())
    for number in range(1, listener.half_open.capacity + 2):
        arrive(listener, flow(number), "S 0:0(0) <mss 1000>")
    assert len(replies(listener)) == listener.half_open.capacity + 1
    assert counters["TCPReqQFullDrop"] == 1


@pytest.mark.rfc("4987", "4987.4")
def test_a_newcomer_that_finds_no_place_gets_no_answer() -> None:
    listener, counters = make_listener(eviction=DropNew())
    for number in range(1, listener.half_open.capacity + 2):
        arrive(listener, flow(number), "S 0:0(0) <mss 1000>")
    assert len(replies(listener)) == listener.half_open.capacity
    assert counters["TCPReqQFullDrop"] == 1


@pytest.mark.rfc("5961", "5961.7")
def test_two_listeners_whose_peers_were_forged_do_not_answer_each_other_for_ever() -> None:
    sides = [make_listener()[0], make_listener()[0]]
    for side, irs in zip(sides, (7, 3_000_000_000), strict=True):
        side.on_segment(FLOW, Segment(LOCAL_PORT, LOCAL_PORT, seq=irs, flags=SYN, window=1000), START)
    crossed = 0
    progress = True
    while progress and crossed < 100:
        progress = False
        for sender, receiver in (sides, reversed(sides)):
            while (reply := sender.poll_transmit(START)) is not None:
                receiver.on_segment(FLOW, reply[1], START)
                progress = True
                crossed += 1
    assert crossed == 4  # a SYN,ACK and a challenge ACK from each


@pytest.mark.rfc("5961", "5961.4")
def test_a_half_open_peer_is_challenged_once_for_each_syn_ack() -> None:
    exchange = half_open()
    for answers in range(1, 4):
        exchange.peer.sends(*[". 70000:70000(0) ack 1"] * 5)
        exchange.peer.expects(". 1:1(0) ack 1")
        exchange.peer.expects_nothing()
        assert exchange.counters["TCPChallengeACK"] == answers
        assert exchange.counters["TCPChallengeACKLimited"] == 4 * answers
        exchange.after(exchange.next_deadline() - exchange.now)
        exchange.peer.expects("S. 0:0(0) ack 1")
    exchange.peer.sends(". 1:1(0) ack 1")
    exchange.user.hears("Connected")


def crowded(eviction: EvictionPolicy) -> tuple[Listener, Counters]:
    """One SYN more has come than the table has room for."""
    listener, counters = make_listener(eviction=eviction)
    for number in range(1, listener.half_open.capacity + 2):
        arrive(listener, flow(number), "S 0:0(0) <mss 1000>")
    replies(listener)
    return listener, counters


@pytest.mark.rfc("4987", "4987.4")
def test_the_ack_of_a_peer_that_had_to_make_room_is_dropped_not_reset() -> None:
    listener, counters = crowded(DropOldest())
    arrive(listener, flow(1), ". 1:1(0) ack 1")
    arrive(listener, flow(1), "P. 1:11(10) ack 1", later=60 * SECOND - 1)
    assert replies(listener) == []
    assert (counters["TCPListenAckAfterEviction"], counters["OutRsts"]) == (2, 0)
    arrive(listener, flow(1), ". 1:1(0) ack 1", later=60 * SECOND)
    assert replies(listener) == [(flow(1), "R 1:1(0)")]


@pytest.mark.rfc("9293", "9293.P2")
def test_a_syn_ack_is_reset_even_then_for_no_peer_of_ours_sends_one() -> None:
    listener, _ = crowded(DropOldest())
    arrive(listener, flow(1), "S. 0:0(0) ack 1")
    assert replies(listener) == [(flow(1), "R 1:1(0)")]


@pytest.mark.rfc("9293", "9293.P2")
def test_where_newcomers_are_refused_nobody_is_evicted_and_acks_are_reset() -> None:
    listener, _ = crowded(DropNew())
    stranger = flow(listener.half_open.capacity + 1)
    arrive(listener, stranger, ". 1:1(0) ack 1")
    assert replies(listener) == [(stranger, "R 1:1(0)")]


# Cookies


ALL = "mss 1300,sackOK,TS val 77 ecr 0,wscale 3"


def hybrid(config: TcpConfig = DEFAULT, backlog: int = 8) -> Listening:
    """Room for one peer, and cookies for the others."""
    limits = PathLimits(mss=1400, timestamp_offset=5)
    return Listening(
        port=LOCAL_PORT,
        isn=FixedIsn(ISS),
        paths=lambda flow: limits,
        table=HalfOpenTable(1, bytes(16), DropNew()),
        cookies=Cookies(SeededRng(1)),
        backlog=backlog,
        config=config,
        counters=Counters(),
    )


def with_cookies(always: bool = False, config: TcpConfig = DEFAULT, backlog: int = 8) -> tuple[Listener, Counters]:
    listening = replace(hybrid(config, backlog), admission=Admission(always_cookies=always))
    return Listener(listening), listening.counters


def answer_to_syn(listener: Listener, peer: bytes, options: str, later: Duration = 0) -> Segment:
    arrive(listener, peer, f"S 0:0(0) <{options}>", later)
    reply = listener.poll_transmit(START)
    assert reply is not None and listener.poll_transmit(START) is None
    assert reply[0] == peer
    return reply[1]


def third(syn_ack: Segment, words: str = ". 1:1(0) ack 1", clock: int = 77) -> Segment:
    """The ACK of a peer that has seen this SYN,ACK."""
    segment = parse(words).segment((REMOTE_PORT, LOCAL_PORT), IRS, syn_ack.seq, ())
    segment.window = 5000
    stamps = syn_ack.options.timestamps if syn_ack.options is not None else None
    segment.options = Options(timestamps=(clock, stamps[0])) if stamps is not None else None
    return segment


def accepted(listener: Listener) -> Connection:
    item = listener.poll_accept()
    assert item is not None
    return item[1]


@pytest.mark.rfc("4987", "4987.6", "4987.7")
def test_who_finds_the_table_full_gets_a_cookie_and_nobody_has_to_go() -> None:
    listener, counters = with_cookies()
    assert answer_to_syn(listener, flow(1), ALL).seq == ISS
    cookie = answer_to_syn(listener, flow(2), ALL)
    assert (counters["SyncookiesSent"], counters["TCPReqQFullDrop"], len(listener.half_open)) == (1, 0, 1)
    assert listener.half_open.find(flow(2)) is None
    listener.on_segment(flow(2), third(cookie), START)
    assert accepted(listener).state is S.ESTABLISHED
    arrive(listener, flow(1), ". 1:1(0) ack 1 <TS val 78 ecr 1005>")
    assert accepted(listener).state is S.ESTABLISHED
    assert (counters["SyncookiesRecv"], counters["SyncookiesFailed"], counters["PassiveOpens"]) == (1, 0, 2)


@pytest.mark.rfc("4987", "4987.6")
def test_a_cookie_keeps_all_options_where_there_are_timestamps() -> None:
    listener, _ = with_cookies(always=True)
    cookie = answer_to_syn(listener, flow(1), ALL)
    assert len(listener.half_open) == 0
    listener.on_segment(flow(1), third(cookie), START + SECOND)
    tcb = accepted(listener).tcb
    assert (tcb.agreed.mss, tcb.agreed.snd_shift, tcb.agreed.rcv_shift) == (1300, 3, 7)
    assert tcb.agreed.sack and tcb.agreed.timestamps and not tcb.agreed.ecn
    assert tcb.snd.wnd == 5000 << 3


@pytest.mark.rfc("4987", "4987.6")
def test_a_cookie_without_timestamps_keeps_an_mss() -> None:
    listener, _ = with_cookies(always=True)
    cookie = answer_to_syn(listener, flow(1), "mss 1300,sackOK,wscale 3")
    assert cookie.options == Options(mss=1400)
    listener.on_segment(flow(1), third(cookie), START)
    tcb = accepted(listener).tcb
    assert (tcb.agreed.mss, tcb.agreed.snd_shift, tcb.agreed.rcv_shift) == (1300, 0, 0)
    assert not (tcb.agreed.sack or tcb.agreed.timestamps)


@pytest.mark.rfc("7323", "7323.14")
@pytest.mark.parametrize("later", [0, 15 * SECOND])
def test_our_timestamp_clock_goes_on_behind_a_cookie(later: Duration) -> None:
    listener, _ = with_cookies(always=True, config=TcpConfig(acks=AckConfig(nagle=False)))
    cookie = answer_to_syn(listener, flow(1), ALL)
    assert cookie.options is not None and cookie.options.timestamps == (1005, 77)
    listener.on_segment(flow(1), third(cookie), START + later)
    connection = accepted(listener)
    connection.send(b"x", START + later)
    segment = connection.poll_transmit(START + later)
    assert segment is not None and segment.options is not None
    assert segment.options.timestamps == (1005 + later // MILLISECOND, 77)


@pytest.mark.rfc("6298", "6298.1")
@pytest.mark.rfc("7323", "7323.14")
def test_with_timestamps_a_cookie_is_a_sample_of_the_round_trip_time() -> None:
    listener, _ = with_cookies(always=True)
    cookie = answer_to_syn(listener, flow(1), ALL)
    listener.on_segment(flow(1), third(cookie), START + 20 * MILLISECOND)
    tcb = accepted(listener).tcb
    assert tcb.rtt.srtt == 20 * MILLISECOND
    assert tcb.congestion.cwnd == 10 * tcb.snd.mss


@pytest.mark.rfc("6298", "6298.1")
def test_without_timestamps_it_is_none() -> None:
    listener, _ = with_cookies(always=True)
    cookie = answer_to_syn(listener, flow(1), "mss 1300")
    listener.on_segment(flow(1), third(cookie), START + 20 * MILLISECOND)
    tcb = accepted(listener).tcb
    assert (tcb.rtt.srtt, tcb.rtt.rto) == (0, SECOND)


def test_text_and_fin_with_a_cookie_count() -> None:
    listener, _ = with_cookies(always=True)
    cookie = answer_to_syn(listener, flow(1), ALL)
    segment = third(cookie, "F. 1:5(4) ack 1")
    segment.payload, segment.octets = (b"text",), 4
    listener.on_segment(flow(1), segment, START)
    connection = accepted(listener)
    assert connection.state is S.CLOSE_WAIT
    assert b"".join(connection.receive(10, START)) == b"text"


@pytest.mark.parametrize("options", [ALL, "mss 1300"])
def test_a_forged_or_old_cookie_is_reset_and_counted(options: str) -> None:
    listener, counters = with_cookies(always=True)
    genuine = third(answer_to_syn(listener, flow(1), options))
    wrong = genuine.copy()
    wrong.ack += 5
    listener.on_segment(flow(1), wrong, START)
    listener.on_segment(flow(2), genuine.copy(), START)
    assert [words[:2] for _, words in replies(listener)] == ["R "] * 2
    answer_to_syn(listener, flow(9), "mss 1300", 2 * EPOCH)
    listener.on_segment(flow(1), genuine.copy(), START + 2 * EPOCH)
    assert [words[:2] for _, words in replies(listener)] == ["R "]
    assert listener.poll_accept() is None
    assert (counters["SyncookiesFailed"], counters["OutRsts"]) == (3, 3)


def sealed(room: int = 1, retries: int = 0) -> tuple[Listener, Counters]:
    """Every ISS is a cookie; who finds the table full pushes the oldest out."""
    table = HalfOpenTable(room, bytes(16), DropOldest(), synack_retries=retries)
    listening = replace(hybrid(), table=table, admission=Admission(sealed=True))
    return Listener(listening), listening.counters


@pytest.mark.rfc("4987", "4987.7")
@pytest.mark.parametrize("options", [ALL, "mss 1300", "mss 1300,sackOK,wscale 3"])
def test_who_had_to_make_room_can_still_complete_the_handshake(options: str) -> None:
    listener, counters = sealed()
    syn_ack = answer_to_syn(listener, flow(1), options)
    assert syn_ack.seq != ISS
    answer_to_syn(listener, flow(2), options)
    assert (counters["TCPReqQFullDrop"], counters["SyncookiesSent"]) == (1, 0)
    assert listener.half_open.find(flow(1)) is None
    listener.on_segment(flow(1), third(syn_ack), START)
    tcb = accepted(listener).tcb
    assert tcb.state is S.ESTABLISHED
    assert tcb.agreed.snd_shift == (3 if options == ALL else 0)
    assert tcb.agreed.rcv_shift == (7 if "wscale" in options else 0)  # as the SYN,ACK said
    assert tcb.agreed.sack == (options == ALL)


@pytest.mark.rfc("4987", "4987.7")
@pytest.mark.parametrize("options", [ALL, "mss 1300"])
def test_who_was_given_up_can_too(options: str) -> None:
    listener, counters = sealed()
    syn_ack = answer_to_syn(listener, flow(1), options)
    later = START + 2 * SECOND
    listener.on_deadline(later)
    assert (len(listener.half_open), counters["TCPHalfOpenTimeout"]) == (0, 1)
    listener.on_segment(flow(1), third(syn_ack), later)
    assert accepted(listener).state is S.ESTABLISHED
    assert counters["SyncookiesRecv"] == 1


def test_a_record_is_better_than_a_cookie() -> None:
    listener, counters = sealed()
    syn_ack = answer_to_syn(listener, flow(1), "mss 1300,sackOK,wscale 3")
    listener.on_segment(flow(1), third(syn_ack), START)
    assert accepted(listener).tcb.agreed.snd_shift == 3
    assert counters["SyncookiesRecv"] == 0


def test_a_syn_ack_that_is_sent_again_has_the_same_cookie_and_a_clock_that_has_gone_on() -> None:
    listener, _ = sealed(retries=1)
    first = answer_to_syn(listener, flow(1), ALL)
    listener.on_deadline(START + 2 * SECOND)
    reply = listener.poll_transmit(START)
    assert reply is not None and reply[1].options is not None
    assert (reply[1].seq, reply[1].options.timestamps) == (first.seq, (3005, 77))
    listener.on_deadline(START + 9 * SECOND)
    listener.on_segment(flow(1), third(reply[1]), START + 9 * SECOND)
    assert accepted(listener).tcb.rtt.srtt == 7 * SECOND


def test_while_no_cookies_are_out_no_ack_is_tried() -> None:
    listener, counters = with_cookies()
    arrive(listener, flow(1), ". 1:1(0) ack 1")
    listener.on_segment(flow(2), third(answer_to_syn(with_cookies(always=True)[0], flow(2), ALL)), START)
    assert (counters["SyncookiesFailed"], counters["TCPListenAck"]) == (0, 2)
    assert len(replies(listener)) == 2
    answer_to_syn(listener, flow(1), ALL)
    answer_to_syn(listener, flow(2), ALL)
    arrive(listener, flow(3), ". 1:1(0) ack 1", later=2 * EPOCH - 1)
    arrive(listener, flow(3), ". 1:1(0) ack 1", later=2 * EPOCH)
    assert (counters["SyncookiesFailed"], counters["TCPListenAck"]) == (1, 4)


def test_a_cookie_comes_back_once_for_each_ack_the_replay_is_counted_too() -> None:
    listener, counters = with_cookies(always=True)
    cookie = answer_to_syn(listener, flow(1), ALL)
    for _ in range(2):  # where a connection has the flow, its segments do not come here
        listener.on_segment(flow(1), third(cookie), START)
    assert (counters["SyncookiesRecv"], counters["PassiveOpens"]) == (2, 2)


def test_a_cookie_is_dropped_while_too_many_wait_to_be_accepted() -> None:
    listener, counters = with_cookies(always=True, backlog=0)
    listener.on_segment(flow(1), third(answer_to_syn(listener, flow(1), ALL)), START)
    assert listener.poll_accept() is None
    assert replies(listener) == []
    assert counters["ListenOverflows"] == 1


def test_a_syn_ack_or_rst_brings_no_cookie_back() -> None:
    listener, counters = with_cookies(always=True)
    genuine = third(answer_to_syn(listener, flow(1), ALL))
    for extra in (SYN, RST):
        odd = genuine.copy()
        odd.flags = ACK | extra
        listener.on_segment(flow(1), odd, START)
    assert (counters["SyncookiesRecv"], counters["SyncookiesFailed"]) == (0, 0)
    assert listener.poll_accept() is None


def test_what_is_configured_on_a_listener_holds_for_cookies_too_but_nobody_is_deferred() -> None:
    listener, _ = with_cookies(always=True)
    listener.config = TcpConfig(acks=AckConfig(nagle=False), listening=ListeningConfig(defer_accept=3 * SECOND))
    listener.on_segment(flow(1), third(answer_to_syn(listener, flow(1), ALL)), START)
    assert accepted(listener).tcb.user.config is listener.config


def test_a_listener_expects_whom_it_knows_or_has_given_a_cookie() -> None:
    listener, _ = with_cookies()
    answer_to_syn(listener, flow(1), ALL)
    genuine = third(answer_to_syn(listener, flow(2), ALL))
    stranger = genuine.copy()
    stranger.ack = 5
    assert listener.expects(flow(1), stranger, START)
    assert listener.expects(flow(2), genuine, START)
    assert not listener.expects(flow(2), stranger, START)
    assert not make_listener()[0].expects(flow(2), genuine, START)
    genuine.flags = SYN | ACK
    assert not listener.expects(flow(2), genuine, START)


# Proven peers, and guesses


def strict(budget: int | None = None, reserve: float = 0.0) -> tuple[Listener, Counters]:
    counters = Counters()
    limits = PathLimits(mss=1400)
    listening = Listening(
        port=LOCAL_PORT,
        isn=FixedIsn(ISS),
        paths=lambda flow: limits,
        table=HalfOpenTable(4, bytes(16), DropNew()),
        admission=Admission(proven_reserve=reserve, proven=ProvenPeers() if reserve else None, bad_ack_budget=budget),
        counters=counters,
    )
    return Listener(listening), counters


@pytest.mark.rfc("9293", "9293.P7")
@pytest.mark.parametrize(("budget", "guesses"), [(None, 20), (1, 1), (3, 3), (7, 7)])
def test_a_peer_has_as_many_guesses_as_the_budget_allows(budget: int | None, guesses: int) -> None:
    listener, counters = strict(budget)
    arrive(listener, flow(1), "S 0:0(0) <mss 1000>")
    replies(listener)
    for guess in range(2, 2 + guesses):
        assert listener.half_open.find(flow(1)) is not None
        arrive(listener, flow(1), f". 1:1(0) ack {guess}")
        assert replies(listener) == [(flow(1), f"R {guess}:{guess}(0)")]
    assert (listener.half_open.find(flow(1)) is None) == (budget is not None)
    assert counters["TCPBadAckBudget"] == (budget is not None)
    arrive(listener, flow(1), ". 1:1(0) ack 1")
    assert (listener.poll_accept() is None) == (budget is not None)


def test_a_budget_does_nothing_against_the_right_guess() -> None:
    listener, _ = strict(1)
    arrive(listener, flow(1), "S 0:0(0) <mss 1000>")
    arrive(listener, flow(1), ". 1:1(0) ack 1")
    assert listener.poll_accept() is not None


def test_the_last_places_are_for_those_who_have_completed_a_handshake() -> None:
    listener, counters = strict(reserve=0.25)
    arrive(listener, flow(99), "S 0:0(0) <mss 1000>")
    arrive(listener, flow(99), ". 1:1(0) ack 1")
    assert listener.poll_accept() is not None
    for number in range(10):
        arrive(listener, flow(number), "S 0:0(0) <mss 1000>")
    assert (len(listener.half_open), counters["TCPReqQFullDrop"]) == (3, 7)
    arrive(listener, flow(99), "S 0:0(0) <mss 1000>")
    assert listener.half_open.find(flow(99)) is not None


# Choices after LISTEN


def test_options_set_on_a_listener_are_those_of_its_connections() -> None:
    exchange = half_open()
    listener = exchange.listener
    assert listener is not None
    listener.config = TcpConfig(acks=AckConfig(nagle=False), buffers=BufferConfig(receive=2000, receive_initial=2000))
    exchange.peer.sends(". 1:1(0) ack 1")
    assert exchange.connection.tcb.user.config is listener.config
    assert (exchange.connection.tcb.rcv.limit, exchange.connection.tcb.rcv.wnd) == (2000, 65535)


def test_a_scale_that_the_syn_ack_has_told_stays() -> None:
    exchange = half_open(options="mss 1000,wscale 3")
    assert exchange.listener is not None
    exchange.listener.config = TcpConfig(buffers=BufferConfig(receive=2000, receive_initial=2000))
    exchange.peer.sends(". 1:1(0) ack 1")
    assert exchange.connection.tcb.agreed.rcv_shift == 7


def deferring(seconds: int) -> Exchange:
    return half_open(Setting(config=TcpConfig(listening=ListeningConfig(defer_accept=seconds * SECOND))))


@pytest.mark.parametrize("text", ["P. 1:11(10) ack 1", "F. 1:1(0) ack 1"])
def test_a_deferred_connection_is_accepted_when_the_peer_has_said_something(text: str) -> None:
    exchange = deferring(3)
    exchange.peer.sends(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    assert exchange.state is S.SYN_RECEIVED
    assert exchange.counters["TCPDeferAcceptDrop"] == 1
    exchange.peer.sends(text)
    assert exchange.connection.state in (S.ESTABLISHED, S.CLOSE_WAIT)


def test_a_peer_that_says_nothing_is_accepted_all_the_same_when_the_time_is_over() -> None:
    exchange = deferring(3)
    for state in (S.SYN_RECEIVED, S.SYN_RECEIVED, S.ESTABLISHED):
        exchange.peer.sends(". 1:1(0) ack 1")
        assert exchange.state is state
        exchange.after(8 * SECOND // 5)
    assert exchange.counters["TCPDeferAcceptDrop"] == 2


@pytest.mark.parametrize("words", ["S 0:0(0)", "S. 0:0(0) ack 1", ". 1:1(0) ack 1", "R 1:1(0)", "F 1:1(0)"])
def test_a_listener_of_old_that_is_full_hears_nothing(words: str) -> None:
    counters = Counters()
    limits = PathLimits()
    table = HalfOpenTable(2, bytes(16), DropNew())
    config = weak(legacy_alloc_before_flags=True)
    listener = Listener(
        Listening(
            port=LOCAL_PORT, isn=FixedIsn(ISS), paths=lambda flow: limits, table=table, config=config, counters=counters
        )
    )
    arrive(listener, flow(1), "S. 0:0(0) ack 1")
    assert replies(listener) == [(flow(1), "R 1:1(0)")]
    for number in (1, 2):
        arrive(listener, flow(number), "S 0:0(0)")
    replies(listener)
    arrive(listener, flow(3), words)
    assert replies(listener) == []
    assert counters["TCPListenAllocFailed"] == 1
    arrive(listener, flow(1), ". 1:1(0) ack 1")
    assert listener.poll_accept() is not None
    arrive(listener, flow(3), "S. 0:0(0) ack 1")
    assert replies(listener) == [(flow(3), "R 1:1(0)")]


# Fast Open


@pytest.mark.rfc("7413", "7413.1", "7413.3")
def test_a_cookie_is_given_to_who_asks_and_opens_a_connection_at_once() -> None:
    counters = Counters()
    admission = Admission(fast_open=FastOpenServer(bytes(16), counters))
    listening = replace(hybrid(TcpConfig(fast_open=FastOpenConfig(server=True))), admission=admission)
    listener = Listener(listening)
    request = Segment(REMOTE_PORT, LOCAL_PORT, seq=IRS, flags=SYN, window=5000, options=Options(fast_open=(34, b"")))
    listener.on_segment(flow(1), request, START)
    reply = listener.poll_transmit(START)
    assert reply is not None and reply[1].options is not None and reply[1].options.fast_open is not None
    assert listener.poll_accept() is None
    early = request.copy()
    early.options, early.payload, early.octets = Options(fast_open=reply[1].options.fast_open), (b"text",), 4
    listener.on_segment(flow(1), Segment(REMOTE_PORT, LOCAL_PORT, seq=IRS + 1, flags=RST), START)
    listener.on_segment(flow(1), early, START)
    connection = accepted(listener)
    assert connection.state is S.SYN_RECEIVED
    assert b"".join(connection.receive(10, START)) == b"text"
    assert listener.poll_transmit(START) is None
    assert len(listener.half_open) == 0


def test_a_second_syn_without_accurate_ecn_makes_the_first_one_suspicious() -> None:
    exchange = Exchange.passive(Setting(config=TcpConfig(options=OptionsConfig(ecn=Ecn.ACCURATE))))
    exchange.peer.sends("SEWA 0:0(0) win 5000 <mss 1000>")
    exchange.peer.sends("S 0:0(0) win 5000 <mss 1000>")
    exchange.peer.sends("W. 1:1(0) ack 1 win 5000")
    exchange.peer.ignores()
    exchange.user.sends(10)
    exchange.peer.expects("[noecn] PEA. 1:11(10) ack 1")


# As a BSD

BSD = replace(DEFAULT, arrivals=ArrivalConfig(order="bsd"))


@pytest.mark.parametrize(
    ("segment", "answer", "state"),
    [
        ("P 1:11(10)", None, S.SYN_RECEIVED),
        ("R 1:1(0)", None, S.LISTEN),
        ("R 2:2(0)", ". 1:1(0) ack 1", S.SYN_RECEIVED),
        ("S. 0:0(0) ack 1", "R 1:1(0)", S.LISTEN),
        ("S 9:9(0) win 1000", "S. 0:0(0) ack 1", S.SYN_RECEIVED),
        (". 1:1(0) ack 5", "R 5:5(0)", S.SYN_RECEIVED),
        (". 1:1(0) ack 1", None, S.ESTABLISHED),
    ],
)
def test_a_bsd_judges_a_half_open_peer_before_there_is_a_connection(
    segment: str, answer: str | None, state: State
) -> None:
    exchange = half_open(Setting(config=BSD))
    exchange.peer.sends(segment)
    if answer is not None:
        exchange.peer.expects(answer)
    exchange.peer.expects_nothing()
    assert exchange.state is state


def test_a_bsd_without_rfc_5961_believes_a_rst_anywhere_in_the_window() -> None:
    exchange = half_open(Setting(config=replace(BSD, security=weak(rfc5961=False).security)))
    exchange.peer.sends("R 100:100(0)")
    assert exchange.state is S.LISTEN


@pytest.mark.parametrize(("refuses", "answer"), [(True, "R. 0:0(0) ack 11"), (False, None)])
def test_a_second_syn_that_is_believed_can_be_refused(refuses: bool, answer: str | None) -> None:
    config = replace(weak(rfc5961=False), listening=ListeningConfig(refuses_second_syn=refuses))
    exchange = half_open(Setting(config=config, iss=0))
    exchange.peer.sends("S 10:10(0) win 1000")
    assert exchange.state is S.LISTEN
    if answer is not None:
        exchange.peer.expects(answer)
    exchange.peer.expects_nothing()


def test_a_bsd_challenges_a_half_open_peer_so_many_times_in_a_while() -> None:
    acks = AckConfig(challenge_count=2, challenge_interval=SECOND)
    exchange = half_open(Setting(config=replace(BSD, acks=acks)))
    for _ in range(4):
        exchange.peer.sends("R 2:2(0)")
    assert len(exchange.peer.ignores()) == 2


def test_a_bsd_takes_the_timestamp_of_a_syn_that_comes_again() -> None:
    exchange = half_open(Setting(config=BSD), "mss 1000,sackOK,TS val 5 ecr 0")
    exchange.peer.sends("S 0:0(0) win 1000 <mss 1000>")
    reply = exchange.peer.expects_any("S.").segment
    assert reply.options is not None
    assert reply.options.timestamps is None


@pytest.mark.parametrize(("overflow", "answers", "left"), [("wait", 0, 1), ("reset", 1, 0), ("forgotten", 0, 0)])
def test_whose_handshake_is_over_when_there_is_no_place_waits_is_reset_or_forgotten(
    overflow: str, answers: int, left: int
) -> None:
    listener, counters = make_listener()
    listener.config = replace(DEFAULT, listening=ListeningConfig(overflow=overflow))
    arrive(listener, FLOW, "S 0:0(0) win 1000")
    replies(listener)
    listener.is_crowded = True
    arrive(listener, FLOW, ". 1:1(0) ack 1")
    assert (replies(listener), counters["ListenOverflows"]) == ([(FLOW, "R 1:1(0)")] * answers, 1)
    assert len(listener.half_open) == left


LINUX = replace(DEFAULT, arrivals=ArrivalConfig(order="linux"))


def test_linux_answers_the_same_syn_seldom_and_starts_its_timer_anew() -> None:
    exchange = half_open(Setting(config=LINUX))
    exchange.after(300 * MILLISECOND)
    exchange.peer.sends("S 0:0(0) win 5000 <mss 1000>")
    exchange.peer.expects_any("S.")
    exchange.peer.sends("S 0:0(0) win 5000 <mss 1000>")
    exchange.peer.expects_nothing()
    assert exchange.counters["TCPACKSkippedSynRecv"] == 1
    assert exchange.after(900 * MILLISECOND) == []
    assert len(exchange.after(101 * MILLISECOND)) == 1


def test_linux_challenges_a_half_open_peer_every_half_second_with_the_window_as_it_was() -> None:
    exchange = half_open(Setting(config=LINUX), "mss 1000,wscale 7")
    exchange.peer.sends(". 900000:900000(0) ack 1 win 5000")
    challenge = exchange.peer.expects_any(".")
    assert challenge.segment.window == 65535 >> 0 or challenge.segment.window > 0
    exchange.peer.sends(". 900000:900000(0) ack 1 win 5000")
    exchange.peer.expects_nothing()
    exchange.after(500 * MILLISECOND)
    exchange.peer.sends(". 900000:900000(0) ack 1 win 5000")
    exchange.peer.expects_any(".")
    exchange.peer.sends(". 1:1(0) ack 7 win 5000")
    exchange.peer.expects_any("R")
    assert exchange.state is S.SYN_RECEIVED


def test_linux_sends_no_syn_ack_again_to_who_is_here_already_and_has_nothing_to_say() -> None:
    patient = replace(LINUX, listening=ListeningConfig(defer_accept=5 * SECOND))
    exchange = half_open(Setting(config=patient))
    exchange.peer.sends(". 1:1(0) ack 1 win 5000")
    exchange.peer.expects_nothing()
    assert exchange.after(6 * SECOND) == []
    assert len(exchange.after(2 * SECOND)) == 1
    exchange.peer.sends(". 1:1(0) ack 1 win 5000")
    assert exchange.state is S.ESTABLISHED
