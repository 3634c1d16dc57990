"""Listeners as a host makes them: which SYNs find a place, which get a cookie, which go without."""

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.stack.config import TcpLayerConfig
from halfopen.stack.tcp_socket import TcpListener
from halfopen.tcp.config import RetransmissionConfig, TcpConfig
from halfopen.tcp.events import CONNECTED
from halfopen.tcp.isn import FixedIsn
from halfopen.tcp.state import State
from halfopen.wire import ipv4, tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import PROTOCOL_TCP, Ipv4
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, CHECKSUM_OFFSET, RST, SYN, Segment
from tests.stack.tcp_world import CLIENT, PEER, PORT, SERVER, US, Wire, received

NOBODY_THERE = parse_address("192.0.2.77")


def datagram(source: bytes, segment: Segment) -> Packet:
    octets = tcp.header_octets(segment)
    head = tcp.emit(segment, pseudo_header_sum(source, PEER, PROTOCOL_TCP, octets))
    header = ipv4.emit(Ipv4(source, PEER, PROTOCOL_TCP), octets)
    return complete_checksum(Packet(header + head, (), CHECKSUM_PARTIAL, 20, CHECKSUM_OFFSET))


def flood(wire: Wire, count: int) -> None:
    """SYNs whose senders do not exist."""
    for number in range(count):
        segment = Segment(1024 + number, PORT, seq=number, flags=SYN, window=1000)
        wire.far.receive(wire.far_interface, datagram(NOBODY_THERE, segment), wire.now)


def under_flood(layer: TcpLayerConfig, syns: int = 20) -> tuple[Wire, TcpListener]:
    wire = Wire(layer=layer)
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    flood(wire, syns)
    return wire, listener


@pytest.mark.rfc("4987", "4987.6")
@pytest.mark.parametrize("mode", ["overflow", "always"])
def test_a_genuine_client_gets_through_a_flood_with_cookies_and_keeps_its_options(mode: str) -> None:
    wire, listener = under_flood(TcpLayerConfig(half_open=8, syn_cookies=mode))
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    assert near.poll_event() is CONNECTED
    far = listener.accept()
    assert far is not None
    assert (len(listener.listener.half_open), wire.far.counters["SyncookiesSent"]) == (
        (8, 13) if mode == "overflow" else (0, 21)
    )
    near.send(bytes(300_000), wire.now)
    far.send(bytes(200_000), wire.now)
    for _ in range(20):
        wire.settle()
        received(near, wire.now)
    assert far.connection.tcb.agreed.snd_shift == near.connection.tcb.agreed.rcv_shift == 7
    assert far.connection.tcb.agreed.sack and far.connection.tcb.timestamps is not None
    assert len(received(far, wire.now)) == 300_000
    assert far.connection.queued_octets == 0
    assert 2 * 5 * MILLISECOND <= far.connection.tcb.rtt.min_rtt < 12 * MILLISECOND
    assert wire.near.counters["PAWSEstab"] == wire.far.counters["PAWSEstab"] == 0


@pytest.mark.rfc("4987", "4987.2", "4987.4")
@pytest.mark.parametrize(
    ("eviction", "serves", "drops"), [("drop-new", False, 13), ("oldest", True, 13), ("random", True, 13)]
)
def test_without_cookies_the_eviction_policy_decides(eviction: str, serves: bool, drops: int) -> None:
    wire, listener = under_flood(TcpLayerConfig(half_open=8, syn_cookies="off", eviction=eviction))
    wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    assert (listener.accept() is not None) == serves
    assert (wire.far.counters["TCPReqQFullDrop"], wire.far.counters["SyncookiesSent"]) == (drops, 0)


@pytest.mark.rfc("4987", "4987.7")
def test_each_sequence_number_is_a_cookie_unless_there_are_none_or_a_generator_was_chosen() -> None:
    for layer, opens in (
        (TcpLayerConfig(), True),
        (TcpLayerConfig(syn_cookies="off"), False),
        (TcpLayerConfig(isn=FixedIsn(9)), False),
    ):
        wire = Wire(TcpConfig(retransmission=RetransmissionConfig(synack_retries=0)), layer=layer)
        wire.far.tcp.listen((PEER, PORT), SERVER)
        flood(wire, 1)
        ((_, packet),) = wire.put_on_wire() or wire.log
        iss = tcp.parse(packet, 20, packet.octets - 20).seq
        wire.run(wire.now + 2 * SECOND)
        assert wire.far.counters["TCPHalfOpenTimeout"] == 1
        last = Segment(1024, PORT, seq=1, ack=iss + 1, flags=ACK, window=1000)
        wire.far.receive(wire.far_interface, datagram(NOBODY_THERE, last), wire.now)
        assert wire.far.counters["PassiveOpens"] == opens


def test_a_connection_can_be_reopened_by_a_cookie_while_the_old_one_is_in_time_wait() -> None:
    wire = Wire(layer=TcpLayerConfig(syn_cookies="always"))
    near, far, listener = wire.establish()
    port = near.local_port
    far.close(wire.now)
    wire.settle()
    near.close(wire.now)
    wire.settle()
    assert [row.state for row in wire.far.ports.listing()] == ["LISTEN", "TIME-WAIT"]
    wire.run(wire.now + 2 * SECOND)
    again = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now, local=(US, port))
    wire.settle()
    accepted = listener.accept()
    assert accepted is not None
    again.send(b"second life", wire.now)
    wire.settle()
    assert received(accepted, wire.now) == b"second life"


def test_how_often_a_syn_ack_is_sent_again_is_configured() -> None:
    wire = Wire(TcpConfig(retransmission=RetransmissionConfig(synack_retries=1)))
    wire.far.tcp.listen((PEER, PORT), SERVER)
    flood(wire, 1)
    wire.run(wire.now + 10 * SECOND)
    assert (wire.far.counters["TCPSynAckRetrans"], wire.far.counters["TCPHalfOpenTimeout"]) == (1, 1)


@pytest.mark.rfc("9293", "9293.P2")
def test_a_syn_ack_to_a_listener_is_reset_even_if_nobody_is_accepted_any_more() -> None:
    wire = Wire(layer=TcpLayerConfig(backlog=1))
    _, _, listener = wire.establish()
    wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    assert listener.is_full
    wire.log.clear()
    segment = Segment(9, PORT, seq=1, ack=1000, flags=SYN | ACK)
    wire.far.receive(wire.far_interface, datagram(US, segment), wire.now)
    wire.put_on_wire()
    ((_, reply),) = wire.log
    assert tcp.parse(reply, 20, reply.octets - 20).flags == RST


def test_a_rst_is_heard_even_if_nobody_is_accepted_any_more() -> None:
    wire = Wire(layer=TcpLayerConfig(backlog=1))
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    flood(wire, 1)
    wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    assert listener.is_full and len(listener.listener.half_open) == 1
    segment = Segment(1024, PORT, seq=1, flags=RST)
    wire.far.receive(wire.far_interface, datagram(NOBODY_THERE, segment), wire.now)
    assert len(listener.listener.half_open) == 0


def test_states_are_as_they_should_be_after_a_flood_has_timed_out() -> None:
    wire, listener = under_flood(TcpLayerConfig(half_open=8))
    wire.run(wire.now + 70 * SECOND)
    assert len(listener.listener.half_open) == 0
    assert listener.listener.state is State.LISTEN
    assert wire.far.counters["TCPHalfOpenTimeout"] == 8


@pytest.mark.parametrize(("policy", "flags"), [("reset", RST | ACK), ("blackhole", None), ("tarpit", SYN | ACK)])
def test_closed_ports_answer_as_configured(policy: str, flags: int | None) -> None:
    wire = Wire(layer=TcpLayerConfig(closed_ports=policy))
    flood(wire, 1)
    wire.put_on_wire()
    assert [tcp.parse(packet, 20, packet.octets - 20).flags for _, packet in wire.log] == ([flags] if flags else [])


def test_proven_peers_are_known_to_all_listeners_of_a_host() -> None:
    wire = Wire(layer=TcpLayerConfig(half_open=8, proven_reserve=0.25, syn_cookies="off", eviction="drop-new"))
    wire.establish()
    listener = wire.far.tcp.listen((PEER, PORT + 1), SERVER)
    for number in range(8):
        segment = Segment(1024 + number, PORT + 1, seq=number, flags=SYN, window=1000)
        wire.far.receive(wire.far_interface, datagram(NOBODY_THERE, segment), wire.now)
    assert len(listener.listener.half_open) == 6
    wire.near.tcp.connect((PEER, PORT + 1), CLIENT, wire.now)
    wire.settle()
    assert listener.accept() is not None


def test_wrong_acks_use_up_the_budget() -> None:
    wire = Wire(layer=TcpLayerConfig(bad_ack_budget=2))
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    flood(wire, 1)
    for guess in (5, 6):
        assert len(listener.listener.half_open) == 1
        segment = Segment(1024, PORT, seq=1, ack=guess, flags=ACK)
        wire.far.receive(wire.far_interface, datagram(NOBODY_THERE, segment), wire.now)
    assert len(listener.listener.half_open) == 0
