"""The transmission control block: what it starts with, what it tells, what is left of it."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, NEVER, SECOND
from halfopen.base.counters import Counters
from halfopen.base.errors import ConnectionReset, ConnectionTimedOut, NetworkUnreachable, SimulationError
from halfopen.base.octets import Buffer
from halfopen.base.trace import ListSink, NullSink, TraceSink
from halfopen.tcp.challenges import ChallengeBudget
from halfopen.tcp.config import (
    DEFAULT,
    AckConfig,
    ArrivalConfig,
    BufferConfig,
    OptionsConfig,
    SecurityConfig,
    TcpConfig,
    TimeoutConfig,
)
from halfopen.tcp.congestion.newreno import NewReno
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.events import CONNECTED, WRITABLE, Closed, SoftError
from halfopen.tcp.fast_open import Early, Request, ServerCookies
from halfopen.tcp.fast_open_config import FastOpenConfig, FastOpenManner
from halfopen.tcp.state import Event, State, move
from halfopen.tcp.tcb import Opening, Phase, Tcb
from halfopen.tcp.trials import Undo
from halfopen.wire.tcp_options import FAST_OPEN
from tests.tcp.permits import Nowhere, weak


def opening(trace: TraceSink | None = None) -> Opening:
    return Opening(local_port=49152, remote_port=80, iss=7, counters=Counters(), trace=trace or NullSink())


@pytest.mark.parametrize(
    ("said", "chosen", "expected"), [(None, None, 1460), (1400, None, 1400), (1400, 1000, 1000), (None, 9000, 1460)]
)
def test_the_mss_option_is_the_routes_unless_the_user_wants_less(
    said: int | None, chosen: int | None, expected: int
) -> None:
    config = TcpConfig(options=OptionsConfig(mss=chosen))
    assert Opening(local_port=1, remote_port=2, iss=7, advertised_mss=said, config=config).receive_mss == expected


def established() -> Tcb:
    tcb = Tcb(opening(), is_active=True)
    move(tcb, Event.ACTIVE_OPEN)
    move(tcb, Event.RCV_SYN_ACK)
    return tcb


def receive(tcb: Tcb, text: Buffer, at: int = 0) -> None:
    tcb.rcv.offer(1460)
    tcb.rcv.accept(tcb.rcv.nxt + at, (text,), len(text))


@pytest.mark.parametrize("is_active", [True, False])
def test_a_new_block_is_closed_and_nothing_is_under_way(is_active: bool) -> None:
    tcb = Tcb(opening(), is_active)
    assert (tcb.state, tcb.user.is_active, tcb.recovery.phase) == (State.CLOSED, is_active, Phase.OPEN)
    assert tcb.timers.next_deadline() == NEVER
    assert (tcb.snd.outstanding, tcb.snd.unsent, tcb.recovery.point) == (0, 0, tcb.snd.iss)
    assert tcb.timestamps is None
    assert not (tcb.owed.syn or tcb.owed.probe or tcb.owed.acks.is_owed or tcb.user.events)


@pytest.mark.rfc("9293", "MUST-15")
def test_until_the_peer_has_spoken_the_default_mss_holds() -> None:
    assert Tcb(opening(), True).agreed.mss == 536
    assert Tcb(replace(opening(), default_mss=1220), True).agreed.mss == 1220


def test_its_parts_are_made_as_configured() -> None:
    config = replace(
        DEFAULT,
        congestion=CongestionConfig(algorithm="reno", initial_window=2),
        buffers=BufferConfig(receive_initial=5000),
    )
    tcb = Tcb(replace(opening(), mss=1000, burst=64_000, config=config), True)
    assert type(tcb.congestion) is NewReno
    assert (tcb.congestion.cwnd, tcb.rcv.limit, tcb.snd.burst) == (2000, 5000, 64_000)
    assert tcb.rtt.rto == config.retransmission.rto_initial


def test_events_wait_in_order_and_some_are_told_once() -> None:
    tcb = Tcb(opening(), True)
    tcb.tell(CONNECTED)
    tcb.tell_once(WRITABLE)
    tcb.tell_once(WRITABLE)
    tcb.tell(CONNECTED)
    assert tcb.user.events == [CONNECTED, WRITABLE, CONNECTED]


@pytest.mark.rfc("9293", "MUST-47", "SHLD-25")
def test_events_are_taken_oldest_first_and_who_has_taken_all_holds_no_list() -> None:
    tcb, other = Tcb(opening(), True), Tcb(opening(), True)
    tcb.tell(CONNECTED)
    tcb.tell(WRITABLE)
    assert [tcb.user.poll_event() for _ in range(3)] == [CONNECTED, WRITABLE, None]
    assert tcb.user.events is other.user.events
    tcb.tell(CONNECTED)
    assert other.user.events == []


def test_of_soft_errors_of_one_kind_the_latest_waits() -> None:
    tcb = Tcb(opening(), True)
    silent, unreachable = ConnectionTimedOut("no answer"), NetworkUnreachable("no route to host")
    tcb.warn(silent)
    tcb.tell(CONNECTED)
    tcb.warn(NetworkUnreachable("no route to network"))
    tcb.warn(unreachable)
    assert tcb.user.events == [SoftError(silent), CONNECTED, SoftError(unreachable)]
    tcb.user.is_gone = True
    tcb.warn(ConnectionTimedOut("nobody listens"))
    assert len(tcb.user.events) == 3


def test_a_trace_names_the_ports_and_nobody_is_told_who_does_not_listen() -> None:
    sink = ListSink()
    Tcb(opening(sink), True).note(1_500_000_000, "RTO 1", "next in 0.4 s")
    assert [str(event) for event in sink.events] == ["1.500000 tcp 49152>80: RTO 1 (next in 0.4 s)"]
    sink.enabled = False
    Tcb(opening(sink), True).note(0, "RTO 2")
    assert len(sink.events) == 1


@pytest.mark.rfc("5961", "5961.4", "5961.7")
def test_challenges_are_limited_for_each_connection_by_itself() -> None:
    counters = Counters()
    config = replace(DEFAULT, acks=AckConfig(challenge_interval=500 * MILLISECOND))
    first, second = (Tcb(replace(opening(), counters=counters, config=config), True) for _ in range(2))
    granted = []
    for tcb, now in ((first, 0), (first, 499), (second, 499), (first, 500), (second, 998), (second, 999)):
        tcb.challenge(now * MILLISECOND)
        granted.append(tcb.owed.acks.is_owed)
        tcb.owed.acks.on_ack_sent(False)
    assert granted == [True, False, True, True, False, True]
    assert counters.snapshot() == {"TCPChallengeACK": 4, "TCPChallengeACKLimited": 2}


def test_a_deleted_block_keeps_what_the_user_can_read_and_nothing_else() -> None:
    tcb = established()
    tcb.snd.append(b"never sent")
    tcb.snd.flight.sent(tcb.snd.una, tcb.snd.una + 1, 0)
    tcb.owed.syn = tcb.owed.probe = tcb.owed.tail_probe = True
    tcb.timers.keep_alive = tcb.owed.acks.deadline = 5
    receive(tcb, b"read me")
    receive(tcb, b"early", at=3)
    reason = ConnectionReset("the peer sent RST")
    tcb.delete(reason)
    assert tcb.state is State.CLOSED
    assert tcb.user.events == [Closed(reason)]
    assert (len(tcb.snd.queue), tcb.snd.unsent, tcb.snd.flight.records) == (0, 0, [])
    assert (len(tcb.rcv.queue), tcb.rcv.early.octets) == (7, 0)
    assert not (tcb.owed.syn or tcb.owed.probe or tcb.owed.tail_probe)
    assert min(tcb.timers.next_deadline(), tcb.owed.acks.deadline) == NEVER


@pytest.mark.parametrize(("text_at", "is_sign"), [(None, True), (0, False), (3, False)])
def test_a_fin_behind_a_hole_is_a_sign_against_fast_open_only_if_no_text_came(
    text_at: int | None, is_sign: bool
) -> None:
    wary = FastOpenConfig(connect=True, manner=FastOpenManner(blackhole=SECOND))
    tcb = Tcb(replace(opening(), config=replace(DEFAULT, fast_open=wary)), is_active=True)
    move(tcb, Event.ACTIVE_OPEN)
    move(tcb, Event.RCV_SYN_ACK)
    cookies = ServerCookies()
    tcb.user.early = Early(Request(cookies, b"peer", (FAST_OPEN, b""), 0, False))
    tcb.rcv.fin = tcb.rcv.nxt + 10
    tcb.rcv.offer(1460)
    if text_at is not None:
        receive(tcb, b"text", at=1 + text_at)
    tcb.delete(None)
    assert (cookies.request(b"peer", wary, 0) is None) is is_sign


def test_without_a_user_nothing_is_kept_to_read() -> None:
    tcb = established()
    receive(tcb, b"nobody reads me")
    tcb.user.is_gone = True
    tcb.delete(None)
    assert (len(tcb.rcv.queue), tcb.user.events) == (0, [Closed(None)])


def test_what_is_closed_cannot_be_deleted_again() -> None:
    tcb = established()
    tcb.delete(None)
    tcb.delete(ConnectionReset("the peer sent RST"))
    assert tcb.user.events == [Closed(None)]


@pytest.mark.rfc("9293", "MUST-13")
def test_the_end_of_time_wait_is_no_news_to_the_user() -> None:
    tcb = established()
    for event in (Event.CLOSE, Event.RCV_ACK_OF_FIN, Event.RCV_FIN):
        move(tcb, event)
    assert tcb.state is State.TIME_WAIT
    tcb.delete(None, Event.TIMEOUT_2MSL)
    assert (tcb.state, tcb.user.events) == (State.CLOSED, [])


@pytest.mark.parametrize("timestamp", [None, 1000])
def test_an_episode_of_retransmissions_begins_with_none(timestamp: int | None) -> None:
    episode = Undo(10, 20, 10, timestamp)
    assert (episode.start, episode.end, episode.octets) == (10, 20, 0)
    assert episode.latest == episode.timestamp == timestamp


def test_segments_of_another_size_are_those_of_congestion_control_too() -> None:
    tcb = Tcb(opening(), True)
    tcb.resize(700)
    assert (tcb.snd.mss, tcb.congestion.mss) == (700, 700)


def test_what_may_be_in_flight_is_never_less_than_two_segments() -> None:
    tcb = Tcb(opening(), True)
    tcb.bound(5000)
    assert tcb.user.flight_limit == 5000
    tcb.bound(10)
    assert tcb.user.flight_limit == 2 * tcb.snd.mss


@pytest.mark.parametrize(("budget", "granted"), [(ChallengeBudget(), 100), (None, 300)])
def test_challenges_can_be_limited_for_all_connections_together(budget: ChallengeBudget | None, granted: int) -> None:
    start = replace(opening(), config=weak(challenge_limit="host"), challenges=budget)
    blocks = [Tcb(start, is_active=True), Tcb(start, is_active=True)]
    for now in range(300):
        blocks[now % 2].challenge(now)
    assert start.counters["TCPChallengeACK"] == granted
    assert start.counters["TCPChallengeACKLimited"] == 300 - granted


def test_challenges_can_be_unlimited() -> None:
    tcb = Tcb(replace(opening(), config=weak(challenge_limit="none"), challenges=ChallengeBudget()), is_active=True)
    for _ in range(300):
        tcb.challenge(0)
    assert tcb.opening.counters["TCPChallengeACK"] == 300


def test_a_weak_connection_needs_a_permit_that_holds() -> None:
    config = replace(DEFAULT, security=SecurityConfig(permit=Nowhere(), rfc1337=False))
    with pytest.raises(SimulationError):
        Tcb(replace(opening(), config=config), is_active=True)


def test_a_bsd_challenges_by_an_ack_apart() -> None:
    tcb = Tcb(Opening(local_port=1, remote_port=2, iss=7, config=TcpConfig(arrivals=ArrivalConfig(order="bsd"))), True)
    tcb.owed.acks.at_once()
    tcb.challenge(SECOND)
    assert tcb.owed.acks.is_apart
    assert tcb.owed.acks.owed == 1


def test_the_least_timeout_may_bound_the_whole_of_it() -> None:
    rtos = []
    for whole in ("variance", "whole"):
        config = TcpConfig(timeouts=TimeoutConfig(rto_min_of=whole))
        rtt = Tcb(Opening(local_port=1, remote_port=2, iss=7, config=config), True).rtt
        for _ in range(100):
            rtt.sample(100 * MILLISECOND, SECOND)
        rtos.append(rtt.rto)
    assert rtos == [300 * MILLISECOND, 200 * MILLISECOND]


@pytest.mark.parametrize(("count", "granted"), [(1, 1), (3, 3), (0, 5)])
def test_so_many_challenges_are_granted_in_a_time(count: int, granted: int) -> None:
    config = TcpConfig(acks=AckConfig(challenge_interval=SECOND, challenge_count=count))
    tcb = Tcb(replace(opening(), config=config), True)
    for now in range(5):
        tcb.challenge(now)
    assert tcb.opening.counters["TCPChallengeACK"] == granted
    tcb.challenge(SECOND)
    assert tcb.opening.counters["TCPChallengeACK"] == granted + 1


def test_a_full_segment_is_ours_or_with_other_manners_the_smaller_of_both() -> None:
    tcb = Tcb(replace(opening(), mss=1460), True)
    assert tcb.full_size == 1460
    tcb.rcv.manner = "exact"
    assert tcb.full_size == tcb.agreed.mss == 536
