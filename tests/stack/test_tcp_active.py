"""Fast Open between two hosts (RFC 7413): who asks for a cookie, who has one, and what is lost on the way."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.stack.tcp_socket import TcpListener, TcpSocket
from halfopen.tcp.config import FastOpenConfig, OptionsConfig, TcpConfig
from halfopen.tcp.events import CONNECTED
from halfopen.tcp.fast_open_config import FastOpenManner
from halfopen.tcp.state import State
from halfopen.wire import tcp
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, RST, SYN, Segment
from halfopen.wire.tcp_options import EXPERIMENT, FAST_OPEN
from tests.stack.tcp_world import CLIENT, DELAY, PEER, PORT, SERVER, Wire, received

BOTH = FastOpenConfig(connect=True, server=True)


def segment_of(packet: Packet) -> Segment:
    return tcp.parse(packet, 20, packet.octets - 20)


def make_wire(fast_open: FastOpenConfig = BOTH, **groups: object) -> tuple[Wire, TcpListener]:
    config = replace(TcpConfig(fast_open=fast_open), **groups)  # type: ignore[arg-type]
    wire = Wire(config)
    return wire, wire.far.tcp.listen((PEER, PORT), SERVER)


def connect(wire: Wire, data: bytes) -> TcpSocket:
    """As sendto with MSG_FASTOPEN."""
    socket = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    socket.send(data, wire.now)
    return socket


def with_cookie(wire: Wire, listener: TcpListener) -> None:
    """A connection that has brought the client a cookie, and is over."""
    first = connect(wire, b"")
    wire.settle()
    far = listener.accept()
    assert far is not None
    for socket in (far, first):
        socket.abort(wire.now)
    wire.settle()
    wire.log.clear()


def said(wire: Wire, name: str) -> list[Segment]:
    return [segment_of(packet) for who, packet in wire.log if who == name]


@pytest.mark.rfc("7413", "7413.1")
@pytest.mark.parametrize(("experimental", "kind"), [(False, FAST_OPEN), (True, EXPERIMENT)])
def test_who_has_no_cookie_asks_for_one_and_sends_its_text_afterwards(experimental: bool, kind: int) -> None:
    wire, listener = make_wire(replace(BOTH, asks_by_experiment=experimental))
    near = connect(wire, b"hello")
    wire.settle()
    syn, syn_ack = said(wire, "near")[0], said(wire, "far")[0]
    assert syn.octets == 0 and syn.options is not None and syn.options.fast_open == (kind, b"")
    assert syn_ack.options is not None and syn_ack.options.fast_open is not None
    assert syn_ack.options.fast_open[0] == kind and len(syn_ack.options.fast_open[1]) == 8
    far = listener.accept()
    assert far is not None and received(far, wire.now) == b"hello"
    assert far.connection.tcb.user.early is None and near.connection.tcb.user.early is not None
    assert not near.connection.tcb.user.early.is_acknowledged
    assert wire.far.counters["TCPFastOpenCookieReqd"] == 1


@pytest.mark.rfc("7413", "7413.3")
@pytest.mark.parametrize("experimental", [False, True])
def test_who_has_one_sends_text_with_the_syn_and_is_answered_in_one_round_trip(experimental: bool) -> None:
    wire, listener = make_wire(replace(BOTH, asks_by_experiment=experimental))
    with_cookie(wire, listener)
    near = connect(wire, b"question")
    wire.run(wire.now + DELAY)
    far = listener.accept()
    assert far is not None
    assert far.row.state == "SYN-RECEIVED"
    assert far.poll_event() is CONNECTED
    assert received(far, wire.now) == b"question"
    far.send(b"answer", wire.now)
    wire.run(wire.now + DELAY)
    assert near.connection.state is State.ESTABLISHED
    assert received(near, wire.now) == b"answer"
    wire.settle()
    assert far.connection.state is State.ESTABLISHED
    assert far.poll_event() is not CONNECTED
    syn, ack, *_ = said(wire, "near")
    syn_ack, text, *_ = said(wire, "far")
    assert (syn.octets, syn.flags, ack.flags & ACK) == (8, SYN, ACK)
    assert syn_ack.ack == (syn.seq + 9) % 2**32
    assert syn_ack.options is not None and syn_ack.options.fast_open is None
    assert (text.octets, text.seq) == (6, (syn_ack.seq + 1) % 2**32)
    for socket in (near, far):
        early = socket.connection.tcb.user.early
        assert early is not None
        assert (early.is_acknowledged, early.is_child) == (True, socket is far)
        assert socket.connection.queued_octets == 0
    assert wire.near.counters["TCPFastOpenActive"] == wire.far.counters["TCPFastOpenPassive"] == 1
    assert wire.near.counters["RetransSegs"] == wire.far.counters["RetransSegs"] == 0


@pytest.mark.rfc("7413", "7413.7")
def test_the_syn_takes_what_the_servers_mss_allows_and_the_rest_follows() -> None:
    wire, listener = make_wire()
    with_cookie(wire, listener)
    data = bytes(range(256)) * 20
    connect(wire, data)
    wire.settle()
    assert said(wire, "near")[0].octets == 1460 - 40
    far = listener.accept()
    assert far is not None and received(far, wire.now) == data


@pytest.mark.rfc("7413", "7413.3", "7413.8")
def test_a_cookie_that_is_good_no_longer_is_replaced_and_the_text_sent_again_at_once() -> None:
    wire, listener = make_wire()
    with_cookie(wire, listener)
    listener.configure(TcpConfig(fast_open=replace(BOTH, keys=(bytes(16),))))
    near = connect(wire, b"hello")
    wire.run(wire.now + 2 * DELAY)
    wire.settle(2 * DELAY)
    far = listener.accept()
    assert far is not None and received(far, wire.now) == b"hello"
    assert wire.far.counters["TCPFastOpenPassiveFail"] == wire.near.counters["TCPFastOpenActiveFail"] == 1
    assert wire.near.counters["RetransSegs"] == 1
    assert near.connection.tcb.congestion.cwnd >= 10 * near.connection.tcb.snd.mss
    wire.log.clear()
    connect(wire, b"again")
    wire.settle()
    assert said(wire, "near")[0].octets == 5
    assert wire.far.counters["TCPFastOpenPassive"] == 1


@pytest.mark.rfc("7413", "7413.4")
def test_keys_can_be_changed_while_cookies_are_out() -> None:
    old, new = bytes(16), bytes(range(16))
    wire, listener = make_wire(replace(BOTH, keys=(old,)))
    with_cookie(wire, listener)
    listener.configure(TcpConfig(fast_open=replace(BOTH, keys=(new, old))))
    for alternative in (1, 1):
        connect(wire, b"hello")
        wire.settle()
        assert wire.far.counters["TCPFastOpenPassiveAltKey"] == alternative
    assert wire.far.counters["TCPFastOpenPassive"] == 2
    assert wire.near.counters["TCPFastOpenActive"] == 2


@pytest.mark.rfc("7413", "7413.8")
def test_a_syn_that_is_lost_is_sent_again_without_cookie_and_text() -> None:
    wire, listener = make_wire()
    with_cookie(wire, listener)
    wire.lose = lambda packet: segment_of(packet).octets > 0 and segment_of(packet).flags & SYN != 0
    near = connect(wire, b"hello")
    wire.run(wire.now + 2 * SECOND)
    first, second, *_ = said(wire, "near")
    assert (first.octets, second.octets, second.flags) == (5, 0, SYN)
    assert second.options is not None and second.options.fast_open is None
    far = listener.accept()
    assert far is not None and received(far, wire.now) == b"hello"
    assert near.connection.tcb.user.early is not None and not near.connection.tcb.user.early.is_acknowledged


@pytest.mark.rfc("7413", "7413.6")
def test_where_syns_with_text_are_lost_none_is_sent_for_a_while() -> None:
    wire, listener = make_wire()
    with_cookie(wire, listener)
    wire.lose = lambda packet: segment_of(packet).octets > 0 and segment_of(packet).flags & SYN != 0
    sizes = []
    for wait in (0, 0, 0, 70, 0):
        wire.run(wire.now + wait * SECOND)
        wire.log.clear()
        connect(wire, b"hello")
        wire.run(wire.now + 2 * SECOND)
        syn = said(wire, "near")[0]
        assert syn.options is not None
        sizes.append((syn.octets, syn.options.fast_open is not None))
        assert listener.accept() is not None
    assert sizes == [(5, True), (5, True), (0, False), (5, True), (0, False)]


@pytest.mark.rfc("7413", "7413.10")
def test_a_syn_ack_that_is_lost_is_sent_again_and_what_followed_it_too() -> None:
    wire, listener = make_wire()
    with_cookie(wire, listener)
    losses = 0

    def lose(packet: Packet) -> bool:
        nonlocal losses
        is_answer = segment_of(packet).flags & (SYN | ACK) == SYN | ACK
        losses += is_answer
        return is_answer and losses == 1

    wire.lose = lose
    near = connect(wire, b"question")
    wire.run(wire.now + DELAY)
    far = listener.accept()
    assert far is not None
    far.send(b"answer", wire.now)
    wire.run(wire.now + 3 * SECOND)
    assert received(far, wire.now) == b"question"
    assert received(near, wire.now) == b"answer"
    assert far.connection.state is near.connection.state is State.ESTABLISHED
    assert far.connection.queued_octets == near.connection.queued_octets == 0


@pytest.mark.rfc("7413", "7413.10")
def test_a_connection_that_nobody_completes_is_given_up_and_tells_its_user() -> None:
    wire, listener = make_wire()
    with_cookie(wire, listener)
    connect(wire, b"question")
    wire.run(wire.now + DELAY)
    far = listener.accept()
    assert far is not None
    wire.lose = lambda packet: True
    wire.run(wire.now + 200 * SECOND)
    assert far.connection.state is State.CLOSED
    answers = [segment for segment in said(wire, "far") if segment.flags & SYN]
    assert len(answers) == 1 + 5 + 1


@pytest.mark.rfc("7413", "7413.5")
def test_above_the_limit_cookies_are_ignored_and_places_of_the_reset_stay_taken_for_a_minute() -> None:
    wire, listener = make_wire(replace(BOTH, backlog=1))
    with_cookie(wire, listener)
    wire.lose = lambda packet: segment_of(packet).flags & (SYN | ACK) == SYN | ACK
    first = connect(wire, b"one")
    wire.run(wire.now + DELAY)
    connect(wire, b"two")
    wire.run(wire.now + 2 * DELAY)
    assert wire.far.counters["TCPFastOpenListenOverflow"] == 1
    assert wire.far.counters["TCPFastOpenPassive"] == 1
    reset = Segment(first.local_port, PORT, seq=first.connection.tcb.snd.nxt % 2**32, flags=RST)
    far = listener.accept()
    assert far is not None
    far.connection.on_segment(reset, wire.now)
    assert far.connection.state is State.CLOSED
    for wait, accepted in ((0, 1), (61, 2)):
        wire.run(wire.now + wait * SECOND)
        connect(wire, b"three")
        wire.run(wire.now + 2 * DELAY)
        assert wire.far.counters["TCPFastOpenPassive"] == accepted


@pytest.mark.rfc("7413", "7413.9")
def test_a_server_that_does_not_want_it_answers_as_ever() -> None:
    wire, listener = make_wire(replace(BOTH, server=False))
    for text in (b"one", b"two"):
        connect(wire, text)
        wire.settle()
        far = listener.accept()
        assert far is not None and received(far, wire.now) == text
    kinds = [syn.options.fast_open for syn in said(wire, "near") if syn.flags & SYN and syn.options is not None]
    assert kinds == [(FAST_OPEN, b""), (EXPERIMENT, b"")]  # if it knows the one or the other
    assert all(each.options is None or each.options.fast_open is None for each in said(wire, "far"))


def test_without_any_cookie_text_is_sent_and_taken_where_both_want_that() -> None:
    wire, listener = make_wire(replace(BOTH, sends_no_cookie=True, needs_no_cookie=True))
    connect(wire, bytes(2000))
    wire.run(wire.now + DELAY)
    far = listener.accept()
    assert far is not None and len(received(far, wire.now)) == 536 - 40
    (syn,) = said(wire, "near")
    assert syn.options is not None and syn.options.fast_open is None


def test_text_without_a_cookie_is_left_to_be_sent_again() -> None:
    wire, listener = make_wire(replace(BOTH, sends_no_cookie=True))
    connect(wire, b"hello")
    wire.settle()
    far = listener.accept()
    assert far is not None and received(far, wire.now) == b"hello"
    assert wire.far.counters["TCPFastOpenPassive"] == 0
    assert wire.near.counters["RetransSegs"] == 1


@pytest.mark.rfc("7413", "7413.9")
def test_a_client_that_may_not_opens_as_ever() -> None:
    wire, _ = make_wire(replace(BOTH, client=False))
    connect(wire, b"hello")
    wire.put_on_wire()
    (syn,) = said(wire, "near")
    assert syn.octets == 0 and syn.options is not None and syn.options.fast_open is None


def test_a_syn_with_a_cookie_waits_for_text_for_ever_if_that_is_wanted() -> None:
    wire, listener = make_wire(replace(BOTH, manner=FastOpenManner(patience=None)))
    with_cookie(wire, listener)
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    assert wire.log == [] and near.connection.state is State.SYN_SENT
    near.send(b"now", wire.now)
    wire.put_on_wire()
    assert said(wire, "near")[0].octets == 3


def test_a_syn_that_no_text_has_come_for_goes_alone() -> None:
    wire, listener = make_wire(replace(BOTH, manner=FastOpenManner(patience=5 * MILLISECOND)))
    with_cookie(wire, listener)
    began = wire.now
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    assert near.is_deferred
    wire.run(wire.now + 5 * MILLISECOND - 1)
    assert wire.log == []
    wire.settle()
    syn = said(wire, "near")[0]
    assert syn.octets == 0 and syn.options is not None and syn.options.fast_open is not None
    assert not near.is_deferred and near.connection.state is State.ESTABLISHED
    assert wire.now >= began + 5 * MILLISECOND
    far = listener.accept()
    assert far is not None
    near.send(b"later", wire.now)
    wire.settle()
    assert received(far, wire.now) == b"later"


def test_cookies_can_be_forgotten() -> None:
    wire, listener = make_wire()
    with_cookie(wire, listener)
    wire.near.tcp.active.cookies.forget()
    connect(wire, b"hello")
    wire.put_on_wire()
    syn = said(wire, "near")[0]
    assert syn.options is not None and syn.options.fast_open == (FAST_OPEN, b"")


def test_options_lie_as_in_linux() -> None:
    wire, listener = make_wire()
    with_cookie(wire, listener)
    connect(wire, b"hello")
    wire.put_on_wire()
    head = wire.log[0][1].head
    options = head[40:]
    assert len(options) == 32
    assert (options[:6], options[16:20]) == (b"\x02\x04\x05\xb4\x04\x02", b"\x01\x03\x03\x07")
    assert options[20:22] == b"\x22\x0a" and options[30:] == b"\x01\x01"


def test_close_before_the_handshake_is_complete_sends_what_is_queued_and_then_a_fin() -> None:
    wire, listener = make_wire()
    with_cookie(wire, listener)
    near = connect(wire, b"question")
    wire.run(wire.now + DELAY)
    far = listener.accept()
    assert far is not None
    assert received(far, wire.now) == b"question"
    far.send(b"answer", wire.now)
    far.close(wire.now)
    wire.settle()
    assert received(near, wire.now) == b"answer"
    assert near.row.state == "CLOSE-WAIT"
    near.close(wire.now)
    wire.settle()
    assert near.row.state == "CLOSED"


def test_a_cookie_that_finds_no_place_in_the_header_stays_at_home() -> None:
    wire, _ = make_wire(options=OptionsConfig())
    near = connect(wire, b"")
    early = near.connection.tcb.user.early
    assert early is not None and early.request is not None
    early.request = replace(early.request, option=(EXPERIMENT, bytes(20)))
    wire.put_on_wire()
    syn = said(wire, "near")[0]
    assert syn.options is not None and syn.options.fast_open is None
