"""Connections with Fast Open, one end at a time (RFC 7413 4.2)."""

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.counters import Counters
from halfopen.tcp.config import AckConfig, FastOpenConfig, TcpConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.early import begin_at_server, speaks_early
from halfopen.tcp.events import CONNECTED, READABLE
from halfopen.tcp.fast_open import CookieOption, Request, ServerCookies
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment
from halfopen.wire.tcp_options import EXPERIMENT, FAST_OPEN, Options

ISS, IRS = 1_000_000, 2_000_000
NOW = 10 * SECOND
COOKIE = (FAST_OPEN, b"12345678")
PEER = b"\xc0\x00\x02\x02"
FLOW = PEER + b"\xc0\x00\x02\x01\xc0\x00\x00\x50"
ASKING = FastOpenConfig(connect=True)


class Client:
    """An active OPEN; ``cookies`` has what it learns."""

    def __init__(self, text: bytes, option: CookieOption | None = COOKIE, mss: int = 1460) -> None:
        self.counters = Counters()
        self.cookies = ServerCookies()
        opening = Opening(local_port=0xC000, remote_port=80, iss=ISS, counters=self.counters)
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

    def __init__(self, text: bytes = b"question", answer: CookieOption | None = None, window: int = 5000) -> None:
        self.counters = Counters()
        config = TcpConfig(acks=AckConfig(nagle=True))
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


def test_early_text_keeps_to_the_windows_and_a_fin_waits() -> None:
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
