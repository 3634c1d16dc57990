"""Connections with Fast Open, one end at a time (RFC 7413 4.2)."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConnectionRefused, NetworkUnreachable
from halfopen.tcp.calls import accept
from halfopen.tcp.config import DEFAULT, ArrivalConfig, FastOpenConfig, OptionsConfig, RetransmissionConfig, TcpConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.early import begin_at_server, speaks_early, suspect_path
from halfopen.tcp.events import CONNECTED, READABLE
from halfopen.tcp.fast_open import CookieOption, Request, ServerCookies
from halfopen.tcp.fast_open_config import FastOpenManner
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening, Phase
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment
from halfopen.wire.tcp_options import EXPERIMENT, FAST_OPEN, Options

ISS, IRS = 1_000_000, 2_000_000
NOW = 10 * SECOND
COOKIE = (FAST_OPEN, b"12345678")
PEER = b"\xc0\x00\x02\x02"
FLOW = PEER + b"\xc0\x00\x02\x01\xc0\x00\x00\x50"
ASKING = FastOpenConfig(connect=True)
WARY = FastOpenConfig(connect=True, manner=FastOpenManner(patience=None, blackhole=60 * SECOND))
LINUX = TcpConfig(arrivals=ArrivalConfig(order="linux"), fast_open=WARY)


class Client:
    """An active OPEN; ``cookies`` has what it learns."""

    def __init__(
        self,
        text: bytes,
        option: CookieOption | None = COOKIE,
        mss: int = 1460,
        config: TcpConfig = DEFAULT,
        cookies: ServerCookies | None = None,
    ) -> None:
        self.counters = Counters()
        self.cookies = cookies or ServerCookies()
        opening = Opening(local_port=0xC000, remote_port=80, iss=ISS, counters=self.counters, config=config)
        sends = option is None or option[1] != b""
        self.connection = Connection.open(opening, NOW, Request(self.cookies, PEER, option, mss, sends))
        self.tcb = self.connection.tcb
        self.connection.send(text, NOW)

    def sends(self, now: int = NOW) -> list[Segment]:
        """All that it has to send."""
        sent = []
        while (segment := self.connection.poll_transmit(now)) is not None:
            sent.append(segment)
        return sent

    def hears(self, ack: int, flags: int = SYN | ACK, option: CookieOption | None = None) -> None:
        """A SYN,ACK that acknowledges ``ack`` octets, SYN included."""
        options = Options(mss=1400, fast_open=option)
        segment = Segment(80, 0xC000, seq=IRS, ack=ISS + ack, flags=flags, window=5000, options=options)
        self.connection.on_segment(segment, NOW + 30 * MILLISECOND)

    @property
    def was_taken(self) -> bool:
        early = self.tcb.user.early
        assert early is not None
        return early.is_acknowledged


@pytest.mark.rfc("7413", "7413.3")
def test_the_syn_carries_cookie_and_text_and_waits_for_the_latter() -> None:
    client = Client(b"question")
    (syn,) = client.sends()
    assert (syn.flags, syn.seq, b"".join(syn.payload)) == (SYN, ISS, b"question")
    assert syn.options is not None and syn.options.fast_open == COOKIE
    client.hears(9)
    assert client.was_taken and client.tcb.state is State.ESTABLISHED
    assert [segment.octets for segment in client.sends()] == [0]
    assert client.tcb.rtt.srtt == 30 * MILLISECOND
    assert (client.counters["TCPFastOpenActive"], client.connection.next_deadline() > NOW + SECOND) == (1, True)


@pytest.mark.rfc("7413", "7413.1")
def test_who_asks_sends_no_text_yet_and_keeps_what_it_is_given() -> None:
    client = Client(b"question", (FAST_OPEN, b""))
    (syn,) = client.sends()
    assert (syn.octets, syn.options is not None and syn.options.fast_open) == (0, (FAST_OPEN, b""))
    client.hears(1, option=COOKIE)
    assert [segment.octets for segment in client.sends()] == [8]
    assert not client.was_taken
    request = client.cookies.request(PEER, ASKING, NOW)
    assert request is not None and (request.option, request.mss) == (COOKIE, 1400)
    assert client.counters["TCPFastOpenActive"] == client.counters["TCPFastOpenActiveFail"] == 0


@pytest.mark.rfc("7413", "7413.8")
@pytest.mark.parametrize(("taken", "again"), [(0, [1000]), (600, [400])])
def test_what_the_syn_ack_leaves_out_is_sent_again_at_once(taken: int, again: list[int]) -> None:
    client = Client(bytes(1000))
    client.sends()
    client.hears(1 + taken)
    assert not client.was_taken
    assert [segment.octets for segment in client.sends()] == again
    assert client.tcb.congestion.cwnd >= 10 * client.tcb.snd.mss
    assert (client.counters["TCPFastOpenActiveFail"], client.counters["RetransSegs"]) == (1, 1)


@pytest.mark.rfc("7413", "7413.7")
@pytest.mark.parametrize(("known", "octets"), [(1460, 1420), (1000, 960), (0, 496), (40, 0)])
def test_there_is_as_much_text_as_the_servers_mss_allows(known: int, octets: int) -> None:
    client = Client(bytes(5000), mss=known)
    (syn,) = client.sends()
    assert syn.octets == octets
    client.hears(1 + octets)
    assert client.was_taken == (octets > 0)


@pytest.mark.rfc("7413", "7413.8")
@pytest.mark.parametrize(("answer", "is_lost"), [(None, True), (COOKIE, False)])
def test_a_syn_is_sent_again_without_either_and_then_counts_as_lost(answer: CookieOption | None, is_lost: bool) -> None:
    client = Client(b"question")
    client.sends()
    client.connection.on_deadline(NOW + SECOND)
    (syn,) = client.sends(NOW + SECOND)
    assert (syn.flags, syn.octets, syn.options is not None and syn.options.fast_open) == (SYN, 0, None)
    client.hears(1, option=answer)
    client.cookies.lose(Request(client.cookies, PEER, COOKIE, 0, True), NOW)
    assert (client.cookies.request(PEER, ASKING, NOW) is None) == is_lost
    assert [segment.octets for segment in client.sends()] == [8]


def test_what_was_not_asked_for_is_not_believed() -> None:
    client = Client(b"question", None)
    (syn,) = client.sends()
    assert (syn.octets, syn.options is not None and syn.options.fast_open) == (8, None)
    client.hears(9, option=COOKIE)
    request = client.cookies.request(PEER, ASKING, NOW)
    assert request is not None and request.option == (FAST_OPEN, b"")


def test_an_option_without_room_stays_at_home() -> None:
    client = Client(b"question", (EXPERIMENT, bytes(18)))
    (syn,) = client.sends()
    assert syn.options is not None and syn.options.fast_open is None


@pytest.mark.rfc("9293", "MUST-10")
@pytest.mark.parametrize("taken", [0, 8])
def test_both_may_open_at_once(taken: int) -> None:
    client = Client(b"question")
    client.sends()
    client.hears(0, SYN)
    (answer,) = client.sends()
    assert (answer.flags, answer.octets, client.tcb.state) == (SYN | ACK, 0, State.SYN_RECEIVED)
    client.hears(1 + taken)
    assert client.tcb.state is State.ESTABLISHED
    assert sum(segment.octets for segment in client.sends()) == 8 - taken


def test_the_ack_that_ends_it_may_have_no_options_to_learn_from() -> None:
    client = Client(b"question")
    client.sends()
    client.connection.on_segment(Segment(80, 0xC000, seq=IRS, ack=ISS + 9, flags=SYN | ACK, window=5000), NOW)
    assert client.was_taken
    request = client.cookies.request(PEER, ASKING, NOW)
    assert request is not None and request.mss == 0


# At the server


class Server:
    """A connection that a SYN with a cookie has made."""

    def __init__(
        self,
        text: bytes = b"question",
        answer: CookieOption | None = None,
        window: int = 5000,
        config: TcpConfig = DEFAULT,
    ) -> None:
        self.counters = Counters()
        opening = Opening(local_port=80, remote_port=0xC000, iss=ISS, counters=self.counters, config=config)
        self.connection = Connection.resume(opening, HalfOpen(FLOW, IRS, ISS, 1000), NOW)
        self.tcb = self.connection.tcb
        payload = (text,) if text else ()
        syn = Segment(0xC000, 80, seq=IRS, flags=SYN, window=window, payload=payload, octets=len(text))
        begin_at_server(self.tcb, syn, answer, NOW)

    def sends(self, now: int = NOW) -> list[Segment]:
        sent = []
        while (segment := self.connection.poll_transmit(now)) is not None:
            sent.append(segment)
        return sent

    def hears(self, ack: int, flags: int = ACK, seq: int = 9, now: int = NOW + 30 * MILLISECOND) -> None:
        segment = Segment(0xC000, 80, seq=IRS + seq, ack=ISS + ack, flags=flags, window=5000)
        self.connection.on_segment(segment, now)


@pytest.mark.rfc("7413", "7413.3")
def test_text_of_a_syn_can_be_read_and_answered_before_the_handshake_is_complete() -> None:
    server = Server()
    assert [server.connection.poll_event() for _ in range(3)] == [CONNECTED, READABLE, None]
    assert b"".join(server.connection.receive(100, NOW)) == b"question"
    server.connection.send(b"answer", NOW)
    syn_ack, text = server.sends()
    assert (syn_ack.flags, syn_ack.seq, syn_ack.ack) == (SYN | ACK, ISS, IRS + 9)
    assert (text.seq, b"".join(text.payload)) == (ISS + 1, b"answer")
    assert speaks_early(server.tcb)
    server.hears(7)
    assert server.tcb.state is State.ESTABLISHED and not speaks_early(server.tcb)
    assert server.connection.poll_event() is not CONNECTED
    assert server.connection.queued_octets == 0
    assert server.tcb.rtt.srtt == 30 * MILLISECOND


def test_a_syn_with_a_cookie_need_not_have_text() -> None:
    server = Server(b"")
    assert [server.connection.poll_event() for _ in range(2)] == [CONNECTED, None]
    (syn_ack,) = server.sends()
    assert syn_ack.ack == IRS + 1


@pytest.mark.rfc("7413", "7413.3")
def test_the_first_syn_ack_replaces_an_old_cookie() -> None:
    server = Server(answer=COOKIE)
    for expected in (COOKIE, None):
        (syn_ack,) = server.sends(NOW + 5 * SECOND)
        assert syn_ack.options is not None and syn_ack.options.fast_open == expected
        server.connection.on_deadline(server.connection.next_deadline())


def test_early_text_keeps_to_the_windows_and_so_does_a_fin() -> None:
    server = Server(window=2500)
    server.connection.send(bytes(9000), NOW)
    server.connection.shutdown(NOW)
    assert [segment.octets for segment in server.sends()] == [0, 1000, 1000]
    server.hears(1)
    assert server.tcb.state is State.FIN_WAIT_1
    assert sum(segment.octets for segment in server.sends()) == 3000
    full = Server(window=0)
    full.connection.send(b"answer", NOW)
    assert [segment.flags for segment in full.sends()] == [SYN | ACK]


@pytest.mark.rfc("7413", "7413.10")
def test_what_followed_a_syn_ack_that_was_lost_is_sent_again_with_the_handshake_behind_it() -> None:
    server = Server()
    server.connection.send(b"answer", NOW)
    server.sends()
    later = server.connection.next_deadline()
    server.connection.on_deadline(later)
    assert [segment.flags for segment in server.sends(later)] == [SYN | ACK]
    server.hears(1, now=later)
    assert [segment.octets for segment in server.sends(later)] == [6]
    assert server.connection.next_deadline() > later


@pytest.mark.rfc("7413", "7413.10")
def test_the_same_syn_again_is_answered_again() -> None:
    server = Server()
    server.sends()
    server.hears(0, SYN, seq=0)
    assert [segment.flags for segment in server.sends()] == [SYN | ACK]
    assert server.tcb.state is State.SYN_RECEIVED


def test_another_syn_or_a_syn_ack_is_challenged_and_changes_nothing() -> None:
    server = Server()
    server.sends()
    server.hears(1, SYN | ACK, seq=100)
    server.hears(0, SYN, seq=50)
    assert server.tcb.state is State.SYN_RECEIVED
    assert server.counters["TCPSYNChallenge"] == 2


@pytest.mark.rfc("7413", "7413.10")
def test_a_rst_is_told_to_the_user() -> None:
    server = Server()
    server.sends()
    server.hears(0, RST)
    assert server.tcb.state is State.CLOSED
    assert server.counters["EstabResets"] == 1
    assert "reset" in str([server.connection.poll_event() for _ in range(3)][2]).lower()


def test_a_bad_ack_is_reset() -> None:
    server = Server()
    server.sends()
    server.hears(0)
    assert [segment.flags for segment in server.sends()] == [RST]
    assert server.tcb.state is State.SYN_RECEIVED


def test_the_last_ack_may_bring_the_peers_fin() -> None:
    server = Server()
    server.sends()
    server.hears(1, FIN | ACK)
    assert server.tcb.state is State.CLOSE_WAIT


def test_other_connections_know_nothing_of_it() -> None:
    connection = Connection.open(Opening(local_port=0xC000, remote_port=80, iss=ISS), NOW)
    connection.send(b"question", NOW)
    syn = connection.poll_transmit(NOW)
    assert syn is not None and syn.octets == 0
    connection.on_segment(Segment(80, 0xC000, seq=IRS, ack=ISS + 1, flags=SYN | ACK, window=5000), NOW)
    assert connection.tcb.user.early is None and not speaks_early(connection.tcb)


@pytest.mark.rfc("9293", "MUST-11")
def test_a_fin_does_not_wait_for_the_third_ack() -> None:
    server = Server()
    server.connection.send(b"answer", NOW)
    server.connection.shutdown(NOW)
    assert [(segment.flags & FIN, segment.octets) for segment in server.sends()] == [(0, 0), (FIN, 6)]
    assert server.sends() == []
    server.hears(8)
    assert server.tcb.state is State.FIN_WAIT_2


def test_it_may_be_acknowledged_later() -> None:
    server = Server()
    server.connection.shutdown(NOW)
    assert [segment.flags & FIN for segment in server.sends()] == [0, FIN]
    server.hears(1)
    assert server.tcb.state is State.FIN_WAIT_1
    server.hears(2)
    assert server.tcb.state is State.FIN_WAIT_2


def test_on_linux_it_waits_unless_the_user_is_gone() -> None:
    server = Server(config=LINUX)
    server.connection.receive(100, NOW)
    server.connection.shutdown(NOW)
    assert [segment.flags & FIN for segment in server.sends()] == [0]
    gone = Server(config=LINUX)
    gone.connection.receive(100, NOW)
    gone.connection.close(NOW)
    assert [segment.flags & FIN for segment in gone.sends()] == [0, FIN]


def test_on_linux_text_waits_for_an_rto_after_one_timeout_and_is_lost_after_two() -> None:
    server = Server(config=LINUX)
    server.connection.send(b"answer", NOW)
    server.sends()
    later = server.connection.next_deadline()
    server.connection.on_deadline(later)
    server.sends(later)
    server.hears(1, now=later)
    assert server.sends(later) == []
    assert server.connection.next_deadline() == later + 3 * SECOND
    other = Server(config=LINUX)
    other.connection.send(b"answer", NOW)
    for _ in range(2):
        other.sends(later)
        later = other.connection.next_deadline()
        other.connection.on_deadline(later)
    assert (other.tcb.recovery.phase, other.tcb.congestion.cwnd) == (Phase.LOSS, other.tcb.snd.mss)
    other.sends(later)
    other.hears(1, now=later)
    assert [segment.octets for segment in other.sends(later)] == [6]


@pytest.mark.rfc("5461", "5461.4")
def test_an_icmp_error_about_its_syn_ack_is_soft_for_a_child() -> None:
    server = Server()
    server.sends()
    assert server.connection.on_icmp_error(ConnectionRefused("port-unreachable"), ISS, True, NOW)
    assert server.tcb.state is State.SYN_RECEIVED


def test_linux_lets_it_end_one_that_nobody_has_accepted() -> None:
    server = Server(config=LINUX)
    accept(server.tcb)
    assert server.connection.on_icmp_error(NetworkUnreachable("host-unreachable"), ISS, False, NOW)
    assert server.tcb.state is State.SYN_RECEIVED
    nobodys = Server(config=LINUX)
    assert nobodys.connection.on_icmp_error(NetworkUnreachable("host-unreachable"), ISS, False, NOW)
    assert nobodys.tcb.state is State.CLOSED


def test_of_a_server_that_is_not_known_linux_takes_the_mss_for_ours() -> None:
    bold = TcpConfig(fast_open=FastOpenConfig(connect=True, manner=FastOpenManner(assumes_mss=True)))
    assert Client(bytes(2000), mss=0, config=bold).sends()[0].octets == 1420
    assert Client(bytes(2000), mss=0).sends()[0].octets == 496
    small = replace(bold, options=OptionsConfig(mss=1000))
    assert Client(bytes(2000), config=small).sends()[0].octets == 960


def test_what_is_lost_with_a_syn_is_sent_in_loss_recovery_on_linux_at_the_same_window() -> None:
    client = Client(bytes(100), config=LINUX)
    client.sends()
    client.hears(1)
    assert client.tcb.recovery.phase is Phase.LOSS
    assert [segment.octets for segment in client.sends()] == [100]
    assert client.tcb.congestion.cwnd == 10 * client.tcb.snd.mss


def test_a_syn_goes_without_text_when_none_has_come_or_nothing_is_to_come() -> None:
    cookies = ServerCookies()
    opening = Opening(
        local_port=0xC000, remote_port=80, iss=ISS, counters=Counters(), config=TcpConfig(fast_open=ASKING)
    )
    request = Request(cookies, PEER, COOKIE, 1460, True)
    silent = Connection.open(opening, NOW, request)
    assert silent.poll_transmit(NOW) is None
    due = silent.next_deadline()
    assert due == NOW + 10 * MILLISECOND
    silent.on_deadline(due)
    syn = silent.poll_transmit(due)
    assert syn is not None and (syn.flags, syn.octets) == (SYN, 0)
    ended = Connection.open(opening, NOW, request)
    ended.shutdown(NOW)
    assert ended.poll_transmit(NOW) is not None and ended.state is State.SYN_SENT
    closed = Connection.open(opening, NOW, request)
    closed.close(NOW)
    assert closed.state is State.CLOSED
    patient = Connection.open(replace(opening, config=LINUX), NOW, request)
    assert patient.next_deadline() == NEVER


def test_text_of_a_syn_is_not_taken_back_by_close() -> None:
    client = Client(b"question")
    client.sends()
    client.connection.close(NOW)
    client.hears(9)
    assert [segment.flags & FIN for segment in client.sends()] == [FIN]
    taken_back = Client(b"question", config=LINUX)
    taken_back.sends()
    taken_back.connection.close(NOW)
    assert taken_back.tcb.state is State.CLOSED


def avoided(cookies: ServerCookies, now: Instant = NOW) -> bool:
    return cookies.request(PEER, WARY, now) is None


@pytest.mark.rfc("7413", "7413.6")
def test_three_timeouts_in_a_row_are_a_sign_of_a_path_that_swallows_fast_open() -> None:
    client = Client(b"question", config=LINUX)
    later = NOW
    for times in range(3):
        assert not avoided(client.cookies, later)
        assert client.sends(later) != [] or times
        later = client.connection.next_deadline()
        client.connection.on_deadline(later)
    assert client.counters["TCPFastOpenBlackhole"] == 1
    assert avoided(client.cookies, later + 60 * SECOND - 1) and not avoided(client.cookies, later + 60 * SECOND)


def test_so_is_one_if_there_are_no_more() -> None:
    client = Client(b"question", config=replace(LINUX, retransmission=RetransmissionConfig(syn_retries=0)))
    client.sends()
    later = client.connection.next_deadline()
    client.connection.on_deadline(later)
    assert client.tcb.state is State.CLOSED and avoided(client.cookies, later)


def opened(cookies: ServerCookies | None = None) -> Client:
    client = Client(b"question", config=LINUX, cookies=cookies)
    client.sends()
    client.hears(9)
    client.sends()
    return client


def hears_more(client: Client, offset: int, flags: int, text: bytes = b"") -> None:
    segment = Segment(80, 0xC000, seq=IRS + 1 + offset, ack=ISS + 9, flags=flags, window=5000)
    segment.payload, segment.octets = (text,) if text else (), len(text)
    client.connection.on_segment(segment, NOW + SECOND)


def test_so_is_a_rst_elsewhere_before_any_text() -> None:
    client = opened()
    hears_more(client, 10, RST)
    assert avoided(client.cookies, NOW + SECOND)
    other = opened()
    hears_more(other, 0, ACK, b"text")
    hears_more(other, 10, RST)
    assert not avoided(other.cookies, NOW + SECOND)


def test_so_is_a_fin_that_is_all_that_has_come_when_the_connection_ends() -> None:
    client = opened()
    hears_more(client, 10, ACK | FIN)
    assert not avoided(client.cookies, NOW + SECOND)
    client.connection.abort(NOW + SECOND)
    assert avoided(client.cookies, NOW + SECOND)
    careless = opened()
    hears_more(careless, 10, ACK | FIN)
    hears_more(careless, 4, ACK, b"te")
    careless.connection.abort(NOW + SECOND)
    assert not avoided(careless.cookies, NOW + SECOND)


def test_without_a_time_for_it_no_sign_matters() -> None:
    client = Client(b"question")
    client.sends()
    suspect_path(client.tcb, NOW)
    assert not avoided(client.cookies)
