from dataclasses import replace

import pytest

from halfopen.base.addresses import IPV4_ANY, IPV4_BROADCAST, parse_address
from halfopen.base.clock import MILLISECOND, NEVER, SECOND
from halfopen.base.errors import AddressInUse, ConfigError, ConnectionRefused, ConnectionReset, NetworkUnreachable
from halfopen.base.rng import SeededRng
from halfopen.stack.config import TcpLayerConfig
from halfopen.stack.demux import make_flow
from halfopen.stack.interface import Offloads
from halfopen.stack.tcp_socket import Marks, TcpListener, TcpSocket
from halfopen.tcp.config import BufferConfig, KeepAliveConfig, ListeningConfig, TcpConfig
from halfopen.tcp.events import CONNECTED, END_OF_STREAM, READABLE, WRITABLE, Closed, Event, SoftError
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.state import State
from halfopen.wire import icmpv4, ipv4
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, Ipv4
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, CHECKSUM_OFFSET, RST, SYN, Segment, emit, parse
from tests.stack.tcp_world import CLIENT, DELAY, PEER, PORT, SERVER, US, Wire, received

TEXT = bytes(range(256)) * 64


def events(socket: TcpSocket) -> list[Event]:
    found = []
    while (event := socket.poll_event()) is not None:
        found.append(event)
    return found


def segment_of(packet: Packet) -> Segment:
    return parse(packet, 20, packet.octets - 20)


def sent_by(wire: Wire, name: str) -> list[Segment]:
    return [segment_of(packet) for who, packet in wire.log if who == name]


def error_about(packet: Packet, code: int, mtu: int = 0) -> Packet:
    """ICMP from the peer, quoting ``packet`` of ours."""
    message = icmpv4.emit(Icmp(icmpv4.DESTINATION_UNREACHABLE, code, mtu, packet.joined()[:64]))
    return Packet(ipv4.emit(Ipv4(PEER, US, PROTOCOL_ICMP), len(message)) + message)


def test_whoever_ignores_acknowledgments_hears_of_them_no_more() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    tcp = wire.near.tcp
    near.ignore_acknowledgments()
    while (socket := tcp.poll_event()) is not None:
        events(socket)
    near.send(b"text", wire.now)
    while tcp.poll_event() is not None:
        pass
    wire.settle()
    assert received(far, wire.now) == b"text"
    assert near.connection.queued_octets == 0
    assert not tcp.news
    assert events(near) == []
    far.send(b"answer", wire.now)
    wire.settle()
    assert tcp.poll_event() is near
    assert events(near) == [READABLE]


def test_a_connection_is_opened_used_and_closed() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    assert events(near) == [CONNECTED]
    assert (near.local_address, near.remote_address, near.remote_port) == (US, PEER, PORT)
    assert (far.local_address, far.local_port, far.remote_port) == (PEER, PORT, near.local_port)
    near.send(TEXT, wire.now)
    near.shutdown(wire.now)
    wire.settle()
    assert received(far, wire.now) == TEXT
    assert [event for event in events(far) if event is not CONNECTED] == [READABLE, END_OF_STREAM]
    far.close(wire.now)
    wire.settle()
    assert near.connection.state is State.TIME_WAIT
    assert [row.state for row in wire.far.ports.listing()] == ["LISTEN"]


def test_sockets_with_news_are_handed_out_once() -> None:
    wire = Wire()
    near, far, listener = wire.establish()
    tcp = wire.far.tcp
    handed: list[TcpSocket | TcpListener] = []
    while (socket := tcp.poll_event()) is not None:
        handed.append(socket)
    assert handed.count(listener) == 1
    assert not tcp.news
    near.send(b"news", wire.now)
    wire.settle()
    assert tcp.news
    assert tcp.poll_event() is far
    assert tcp.poll_event() is None


@pytest.mark.rfc("9293", "MUST-3")
def test_a_wrong_checksum_is_dropped_and_counted() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    near.send(b"genuine", wire.now)
    item = wire.near.poll_transmit(wire.now)
    assert item is not None
    octets = bytearray(item[1].joined())
    octets[-1] ^= 1
    wire.far.receive(wire.far_interface, Packet(bytes(octets)), wire.now)
    assert wire.far.counters["InCsumErrors"] == 1
    assert not far.readable_octets


def syn(destination: bytes, port: int = PORT) -> Packet:
    head = emit(Segment(4000, port, seq=7, flags=SYN, window=1000), pseudo_header_sum(PEER, destination, 6, 20))
    ip = ipv4.emit(Ipv4(PEER, destination, PROTOCOL_TCP), len(head))
    return complete_checksum(Packet(ip + head, (), CHECKSUM_PARTIAL, 20, CHECKSUM_OFFSET))


@pytest.mark.rfc("1122", "1122.4")
@pytest.mark.rfc("9293", "MUST-57")
@pytest.mark.parametrize("destination", [IPV4_BROADCAST, parse_address("192.0.2.255")])
def test_a_syn_to_a_broadcast_address_is_dropped(destination: bytes) -> None:
    wire = Wire()
    wire.near.tcp.listen((IPV4_ANY, PORT), SERVER)
    wire.near.receive(wire.near_interface, syn(destination), 0)
    assert wire.near.poll_transmit(0) is None
    assert wire.near.counters["TcpBroadcast"] == 1


@pytest.mark.rfc("9293", "9293.P1")
def test_a_segment_for_nobody_is_answered_by_a_reset() -> None:
    wire = Wire()
    near = wire.near.tcp.connect((PEER, 9), CLIENT, 0)
    wire.settle()
    (reset,) = sent_by(wire, "far")
    assert (reset.flags, reset.seq, reset.source_port) == (RST | ACK, 0, 9)
    (closed,) = events(near)
    assert isinstance(closed, Closed)
    assert isinstance(closed.reason, ConnectionRefused)
    assert wire.near.ports.listing() == []
    assert wire.far.counters["TcpNoPorts"] == 1


@pytest.mark.rfc("9293", "MUST-43")
def test_a_listener_on_one_address_does_not_hear_another() -> None:
    wire = Wire()
    wire.far.tcp.listen((parse_address("192.0.2.99"), PORT), SERVER)
    wire.near.tcp.connect((PEER, PORT), CLIENT, 0)
    wire.settle()
    assert sent_by(wire, "far")[0].flags & RST


def test_a_listener_on_all_addresses_knows_which_one_was_meant() -> None:
    wire = Wire()
    listener = wire.far.tcp.listen((IPV4_ANY, PORT), SERVER)
    wire.near.tcp.connect((PEER, PORT), CLIENT, 0)
    wire.settle()
    accepted = listener.accept()
    assert accepted is not None
    assert accepted.local_address == PEER
    assert accepted.owner is SERVER


@pytest.mark.rfc("9293", "MUST-46")
@pytest.mark.parametrize("text", ["255.255.255.255", "192.0.2.255", "224.0.0.1", "0.0.0.0"])
def test_connecting_to_many_or_to_nobody_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Wire().near.tcp.connect((parse_address(text), PORT), CLIENT, 0)


def test_connecting_without_a_route_or_port_is_refused() -> None:
    wire = Wire()
    with pytest.raises(NetworkUnreachable):
        wire.near.tcp.connect((parse_address("203.0.113.1"), PORT), CLIENT, 0)
    with pytest.raises(ConfigError, match="port"):
        wire.near.tcp.connect((PEER, 0), CLIENT, 0)


@pytest.mark.rfc("9293", "MUST-44", "MUST-45")
def test_ip_chooses_the_source_address_and_it_stays() -> None:
    wire = Wire()
    near, _, _ = wire.establish()
    near.send(TEXT, wire.now)
    wire.settle()
    assert {packet.head[12:16] for who, packet in wire.log if who == "near"} == {US}


@pytest.mark.rfc("6056", "6056.3")
def test_a_port_is_unique_with_its_peer_also_in_time_wait() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    port = near.local_port
    near.close(wire.now)
    wire.settle()
    far.close(wire.now)
    wire.settle()
    assert [row.state for row in wire.near.ports.listing()] == ["TIME-WAIT"]
    with pytest.raises(AddressInUse):
        wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now, local=(US, port))
    again = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    assert again.local_port != port


@pytest.mark.rfc("9293", "MUST-13")
def test_time_wait_lasts_two_msl_and_answers_a_lost_last_ack() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    near.close(wire.now)
    wire.settle()
    far.close(wire.now)
    wire.lose = lambda packet: segment_of(packet).flags == ACK
    wire.settle()
    started = wire.now
    assert [row.state for row in wire.near.ports.listing()] == ["TIME-WAIT"]
    wire.lose = lambda packet: False
    wire.run(started + 2 * SECOND)
    assert [row.state for row in wire.far.ports.listing()] == ["LISTEN"]
    assert wire.near.counters["TCPTimeWaitFin"] >= 1
    wire.run(started + 55 * SECOND)
    assert [row.state for row in wire.near.ports.listing()] == ["TIME-WAIT"]
    wire.run(started + 65 * SECOND)
    assert wire.near.ports.listing() == []
    assert wire.near.next_deadline() == NEVER


@pytest.mark.rfc("9293", "MAY-2")
def test_a_new_connection_may_take_the_place_of_one_in_time_wait() -> None:
    wire = Wire()
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
    assert events(again) == [CONNECTED]
    accepted = listener.accept()
    assert accepted is not None
    again.send(b"second life", wire.now)
    wire.settle()
    assert received(accepted, wire.now) == b"second life"
    assert wire.far.counters["TWRecycled"] == 1
    wire.run(wire.now + 120 * SECOND)
    assert accepted.connection.state is State.ESTABLISHED


@pytest.mark.rfc("5927", "5927.5")
def test_a_hard_error_refuses_a_connection_that_does_not_stand_yet() -> None:
    wire = Wire()
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, 0)
    wire.lose = lambda packet: True
    wire.put_on_wire()
    wire.near.receive(wire.near_interface, error_about(wire.log[0][1], icmpv4.PORT_UNREACHABLE), 0)
    (closed,) = events(near)
    assert isinstance(closed, Closed)
    assert isinstance(closed.reason, ConnectionRefused)


@pytest.mark.rfc("9293", "MUST-54", "MUST-56", "SHLD-25")
@pytest.mark.rfc("5927", "5927.2")
def test_errors_about_a_connection_that_stands_are_soft_and_told() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    events(near)
    near.send(b"text", wire.now)
    wire.put_on_wire()
    wire.near.receive(wire.near_interface, error_about(wire.log[-1][1], icmpv4.PORT_UNREACHABLE), wire.now)
    wire.near.receive(wire.near_interface, error_about(wire.log[-1][1], icmpv4.HOST_UNREACHABLE), wire.now)
    first, second = events(near)
    assert isinstance(first, SoftError) and isinstance(first.error, ConnectionRefused)
    assert isinstance(second, SoftError) and isinstance(second.error, NetworkUnreachable)
    wire.settle()
    assert received(far, wire.now) == b"text"


@pytest.mark.rfc("5927", "5927.1")
def test_an_error_that_quotes_nothing_in_flight_is_ignored() -> None:
    wire = Wire()
    near, _, _ = wire.establish()
    events(near)
    near.send(b"text", wire.now)
    wire.settle()
    wire.near.receive(wire.near_interface, error_about(wire.log[-2][1], icmpv4.HOST_UNREACHABLE), wire.now)
    assert events(near) == [WRITABLE]
    assert wire.near.counters["OutOfWindowIcmps"] == 1
    stray = replace_ports(wire.log[-2][1])
    wire.near.receive(wire.near_interface, error_about(stray, icmpv4.HOST_UNREACHABLE), wire.now)
    assert wire.near.counters["TcpErrorsForNobody"] == 1


def replace_ports(packet: Packet) -> Packet:
    head = packet.head
    return Packet(head[:20] + b"\x01\x02\x03\x04" + head[24:], packet.body)


@pytest.mark.rfc("1191", "1191.1", "1191.5")
def test_a_smaller_path_mtu_is_believed_for_what_is_in_flight_and_shared() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    near.send(TEXT, wire.now)
    wire.lose = lambda packet: packet.octets > 1000
    wire.put_on_wire()
    large = next(packet for who, packet in wire.log if packet.octets > 1000)
    wire.near.receive(wire.near_interface, error_about(large, icmpv4.FRAGMENTATION_NEEDED, 1000), wire.now)
    wire.run(wire.now + 5 * SECOND)
    assert received(far, wire.now) == TEXT
    assert wire.near.counters["TCPMTUReductions"] == 1
    assert wire.near.ip.find_path(PEER, None, wire.now).mtu == 1000
    wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.put_on_wire()
    options = sent_by(wire, "near")[-1].options
    assert options is not None
    assert options.mss == 960


def busy(wire: Wire, near: TcpSocket) -> Packet:
    """Much has got through already, and the packet returned is in flight."""
    near.send(TEXT, wire.now)
    near.send(TEXT, wire.now)
    wire.settle()
    near.send(TEXT, wire.now)
    wire.log.clear()
    wire.put_on_wire()
    return next(packet for _, packet in wire.log if packet.octets > 1000)


@pytest.mark.rfc("5927", "5927.1")
def test_a_smaller_path_is_not_believed_while_segments_get_through_it_and_is_when_they_do_not() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    wire.near.receive(wire.near_interface, error_about(busy(wire, near), icmpv4.FRAGMENTATION_NEEDED, 1000), wire.now)
    wire.settle()
    assert (near.connection.tcb.snd.mss, near.path.mtu) == (1448, 1500)
    assert wire.near.counters["TCPMTUPostponed"] == 1

    def router(packet: Packet) -> bool:
        if packet.octets <= 1000:
            return False
        wire.near.receive(wire.near_interface, error_about(packet, icmpv4.FRAGMENTATION_NEEDED, 1000), wire.now)
        return True

    wire.lose = router
    near.send(TEXT, wire.now)
    wire.run(wire.now + 10 * SECOND)
    assert received(far, wire.now) == 4 * TEXT
    assert (near.connection.tcb.snd.mss, near.path.mtu) == (948, 1000)


def test_what_one_connection_has_found_out_of_a_path_is_believed_by_the_others_at_once() -> None:
    wire = Wire()
    near, far, listener = wire.establish()
    busy(wire, near)
    wire.settle()
    other = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    assert listener.accept() is not None
    other.send(TEXT, wire.now)
    wire.log.clear()
    wire.put_on_wire()
    large = next(packet for _, packet in wire.log if packet.octets > 1000)
    wire.near.receive(wire.near_interface, error_about(large, icmpv4.FRAGMENTATION_NEEDED, 1000), wire.now)
    near.send(TEXT, wire.now)
    wire.settle()
    assert near.connection.tcb.snd.mss == 948
    assert wire.near.counters["TCPMTUPostponed"] == 0
    assert received(far, wire.now) == 4 * TEXT


@pytest.mark.rfc("1191", "1191.2")
@pytest.mark.rfc("5927", "5927.4")
@pytest.mark.parametrize(("claim", "mtu"), [(68, 552), (551, 552), (553, 553), (0, 1492)])
def test_no_message_makes_segments_smaller_than_the_path_mtu_that_is_believed(claim: int, mtu: int) -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    near.send(TEXT, wire.now)
    wire.put_on_wire()
    large = next(packet for who, packet in wire.log if packet.octets > 1000)
    wire.log.clear()
    wire.near.receive(wire.near_interface, error_about(large, icmpv4.FRAGMENTATION_NEEDED, claim), wire.now)
    wire.put_on_wire()
    assert max(packet.octets for _, packet in wire.log) == mtu
    assert near.path.mtu == mtu
    wire.run(wire.now + 5 * SECOND)
    assert received(far, wire.now) == TEXT


def test_a_link_with_a_smaller_mtu_than_is_believed_of_a_path_is_used_as_it_is() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    wire.near_interface.mtu = 400
    wire.near.routes.advance()
    near.send(TEXT, wire.now)
    wire.log.clear()
    wire.run(wire.now + 20 * SECOND)
    assert received(far, wire.now) == TEXT
    assert max(packet.octets for who, packet in wire.log if who == "near") == 400


def test_the_limits_of_a_host_can_be_chosen() -> None:
    wire = Wire(layer=TcpLayerConfig(backlog=1, half_open=2, time_wait=0, syn_cookies="off"))
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    assert listener.backlog == 1
    wire.lose = lambda packet: segment_of(packet).flags & SYN == 0
    for _ in range(3):
        wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    assert len(listener.listener.half_open) == 2
    assert wire.far.counters["TCPReqQFullDrop"] == 1


def test_a_full_accept_queue_takes_no_more() -> None:
    wire = Wire()
    listener = wire.far.tcp.listen((PEER, PORT), SERVER, backlog=2)
    for _ in range(3):
        wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
        wire.settle()
    assert len(listener.accepted) == 2
    assert wire.far.counters["ListenOverflows"] >= 1
    assert listener.accept() is not None
    wire.run(wire.now + 2 * SECOND)
    assert len(listener.accepted) == 2


def test_closing_a_listener_resets_what_nobody_has_accepted() -> None:
    wire = Wire()
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    listener.close(wire.now)
    listener.close(wire.now)
    wire.settle()
    closed = events(near)[-1]
    assert isinstance(closed, Closed)
    assert isinstance(closed.reason, ConnectionReset)
    assert wire.far.ports.listing() == []
    wire.far.tcp.listen((IPV4_ANY, PORT), SERVER)


def test_connections_take_turns() -> None:
    wire = Wire(offloads=Offloads(checksum=True))
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    sockets = [wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now) for _ in range(2)]
    wire.settle()
    assert len(listener.accepted) == 2
    wire.log.clear()
    for socket in sockets:
        socket.send(TEXT, wire.now)
    wire.put_on_wire()
    ports = [segment.source_port for segment in sent_by(wire, "near")]
    assert len(ports) == 20  # two initial windows of ten segments
    assert set(ports[:16]) == {socket.local_port for socket in sockets}


def test_super_segments_are_as_large_as_the_interface_takes() -> None:
    wire = Wire(offloads=Offloads(checksum=True, gso_octets=65535))
    near, far, _ = wire.establish()
    near.send(bytes(14_480), wire.now)
    wire.log.clear()
    wire.put_on_wire()
    (packet,) = [packet for _, packet in wire.log]
    assert (packet.gso_size, packet.octets) == (1448, 14_480 + 52)
    wire.settle()
    assert received(far, wire.now) == bytes(14_480)


@pytest.mark.rfc("1122", "1122.2", "1122.12")
@pytest.mark.rfc("9293", "MUST-48", "MUST-49", "SHLD-21", "SHLD-22")
def test_dscp_and_ttl_can_be_chosen_at_any_time() -> None:
    wire = Wire()
    near, _, _ = wire.establish()
    near.marks = Marks(dscp=46, ttl=7)
    near.send(b"marked", wire.now)
    wire.put_on_wire()
    head = wire.log[-1][1].head
    assert (head[1] >> 2, head[8]) == (46, 7)


@pytest.mark.rfc("9293", "MUST-41", "MUST-42")
def test_a_passive_open_leaves_connections_of_the_same_port_alone() -> None:
    wire = Wire()
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, 0, local=(US, 5555))
    wire.near.tcp.listen((US, 5555), SERVER)
    assert near.connection.state is State.SYN_SENT
    wire.far.tcp.listen((PEER, PORT), SERVER)
    wire.settle()
    assert near.connection.state is State.ESTABLISHED


@pytest.mark.rfc("9293", "MUST-10")
def test_both_sides_may_open_at_once() -> None:
    wire = Wire()
    near = wire.near.tcp.connect((PEER, 6000), CLIENT, 0, local=(US, 6000))
    far = wire.far.tcp.connect((US, 6000), SERVER, 0, local=(PEER, 6000))
    wire.settle()
    assert (near.connection.state, far.connection.state) == (State.ESTABLISHED, State.ESTABLISHED)
    near.send(b"at once", wire.now)
    wire.settle()
    assert received(far, wire.now) == b"at once"


def test_a_host_can_connect_to_itself() -> None:
    wire = Wire()
    listener = wire.near.tcp.listen((IPV4_ANY, PORT), SERVER)
    near = wire.near.tcp.connect((parse_address("127.0.0.1"), PORT), CLIENT, 0)
    wire.settle()
    accepted = listener.accept()
    assert accepted is not None
    near.send(TEXT, wire.now)
    wire.settle()
    assert received(accepted, wire.now) == TEXT
    assert wire.log == []


def test_timers_of_connections_that_are_gone_do_not_pile_up() -> None:
    config = replace(TcpConfig(), keep_alive=KeepAliveConfig(enabled=True))
    wire = Wire(config)
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    for _ in range(300):
        near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
        wire.run(wire.now + 4 * DELAY)
        near.abort(wire.now)
        wire.run(wire.now + 4 * DELAY)
        assert listener.accept() is not None
    assert wire.near.ports.listing() == []
    assert len(wire.near.tcp.deadlines) < 200


def test_every_connection_has_an_owner_in_the_listing() -> None:
    wire = Wire()
    near, _, _ = wire.establish()
    near.send(TEXT, wire.now)
    (row,) = wire.near.ports.listing()
    assert (row.netid, row.state, row.recv_q, row.send_q) == ("tcp", "ESTAB", 0, len(TEXT))
    assert (row.local, row.remote, row.remote_port, row.owner) == (US, PEER, PORT, CLIENT)
    listening, connected = wire.far.ports.listing()
    assert (listening.state, connected.state) == ("LISTEN", "ESTAB")
    assert {listening.owner, connected.owner} == {SERVER}


@pytest.mark.parametrize("seed", range(5))
def test_text_crosses_a_wire_that_loses_packets(seed: int) -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    rng = SeededRng(seed)
    wire.lose = lambda packet: rng.below(50) == 0
    near.send(TEXT * 32, wire.now)
    near.shutdown(wire.now)
    got = bytearray()
    for _ in range(1000):
        wire.settle()
        got += received(far, wire.now)
        if far.connection.state is State.CLOSE_WAIT:
            break
    assert got == TEXT * 32
    assert wire.near.counters["RetransSegs"] > 0


@pytest.mark.rfc("9293", "MUST-63")
@pytest.mark.parametrize("source", ["224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.0", "240.0.0.1"])
def test_a_syn_from_an_address_that_no_host_has_is_ignored(source: str) -> None:
    wire = Wire()
    wire.far.tcp.listen((IPV4_ANY, PORT), SERVER)
    address = parse_address(source)
    head = emit(Segment(4000, PORT, 1, flags=SYN), pseudo_header_sum(address, PEER, PROTOCOL_TCP, 20))
    packet = Packet(ipv4.emit(Ipv4(address, PEER, PROTOCOL_TCP), 20) + head, checksum=CHECKSUM_PARTIAL)
    wire.far.receive(wire.far_interface, packet, wire.now)
    wire.put_on_wire()
    assert sent_by(wire, "far") == []
    assert wire.far.counters["IpInMartianSource"] == 1


@pytest.mark.rfc("9293", "MUST-67", "SHLD-5")
def test_the_mss_that_is_advertised_leaves_room_for_the_headers() -> None:
    wire = Wire()
    wire.establish()
    for segment in (sent_by(wire, "near")[0], sent_by(wire, "far")[0]):
        assert segment.options is not None
        assert segment.options.mss == wire.near_interface.mtu - 20 - 20


# What the user chooses


def test_there_is_room_to_send_until_the_buffer_is_full_or_enough_waits_unsent() -> None:
    wire = Wire()
    near, _, _ = wire.establish()
    near.configure(TcpConfig(buffers=BufferConfig(send=50_000)))
    assert near.send_room == 50_000
    near.send(bytes(40_000), wire.now)
    assert near.send_room == 10_000
    near.configure(TcpConfig(buffers=BufferConfig(send=50_000, unsent_low=40_001)))
    assert near.send_room == 10_000
    near.configure(TcpConfig(buffers=BufferConfig(send=50_000, unsent_low=40_000)))
    assert near.send_room == 0
    near.configure(TcpConfig(buffers=BufferConfig(send=30_000)))
    assert near.send_room == 0
    wire.settle()
    assert near.send_room == 30_000


def test_what_is_chosen_for_a_listener_is_for_connections_from_then_on() -> None:
    wire = Wire()
    _, before, listener = wire.establish()
    chosen = TcpConfig(keep_alive=KeepAliveConfig(enabled=True))
    listener.configure(chosen)
    assert listener.config is chosen
    wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    after = listener.accept()
    assert after is not None
    assert after.config is chosen
    assert not before.config.keep_alive.enabled


def test_a_flow_leads_to_its_connection_or_to_the_record_of_its_half_open_peer() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    assert wire.near.tcp.find(near.flow) is near
    assert wire.far.tcp.find(far.flow) is far
    wire.near.tcp.listen((US, PORT), SERVER)
    wire.near.receive(wire.near_interface, syn(US), wire.now)
    peer = wire.near.tcp.find(make_flow(PEER, 4000, US, PORT))
    assert isinstance(peer, HalfOpen)
    assert peer.retransmissions == 0
    assert wire.near.tcp.find(make_flow(PEER, 4001, US, PORT)) is None
    assert wire.near.tcp.find(make_flow(PEER, 4000, US, PORT + 1)) is None


@pytest.mark.parametrize(("policy", "answers"), [("blackhole", 1), ("silence", 0)])
def test_a_listener_may_say_no_rst_either(policy: str, answers: int) -> None:
    wire = Wire(layer=TcpLayerConfig(closed_ports=policy))
    wire.far.tcp.listen((PEER, PORT), SERVER)
    segment = Segment(4000, PORT, seq=7, ack=9, flags=ACK)
    head = emit(segment, pseudo_header_sum(US, PEER, PROTOCOL_TCP, 20))
    header = ipv4.emit(Ipv4(US, PEER, PROTOCOL_TCP), 20)
    packet = Packet(header + head, (), CHECKSUM_PARTIAL, len(header), CHECKSUM_OFFSET)
    wire.far.receive(wire.far_interface, complete_checksum(packet), wire.now)
    wire.settle()
    assert [segment.flags for segment in sent_by(wire, "far")] == [RST] * answers


@pytest.mark.parametrize(("overflow", "flags"), [("wait", []), ("reset", [SYN | ACK, RST])])
def test_new_peers_of_a_full_listener_wait_or_are_reset_when_their_handshake_is_over(
    overflow: str, flags: list[int]
) -> None:
    wire = Wire(replace(TcpConfig(), listening=ListeningConfig(overflow=overflow)))
    listener = wire.far.tcp.listen((PEER, PORT), SERVER, backlog=1)
    wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    assert listener.is_full
    wire.log.clear()
    wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.run(wire.now + 100 * MILLISECOND)
    assert [segment.flags for segment in sent_by(wire, "far")] == flags
