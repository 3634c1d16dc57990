from dataclasses import replace

import pytest

from halfopen.base.addresses import IPV4_ANY
from halfopen.base.errors import AddressInUse
from halfopen.stack import datagram as kinds
from halfopen.stack.config import StackConfig
from halfopen.stack.datagram import IcmpError
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_over_udp import remote_udp_port
from halfopen.stack.tcp_socket import TcpListener, TcpSocket
from halfopen.wire import icmpv4, udp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import PROTOCOL_UDP
from halfopen.wire.packet import Packet
from tests.stack.tcp_world import CLIENT, PEER, PORT, SERVER, US, Wire, received

HEADER_OCTETS = 20
STAMPS = 12
NEAR_UDP = 9899
FAR_UDP = 9900
UDP_AND_TCP = HEADER_OCTETS + udp.HEADER_OCTETS


class Tunnelled(Wire):
    """Both hosts have TCP in UDP as well."""

    def __init__(self) -> None:
        super().__init__()
        _open_port(self.near, NEAR_UDP)
        _open_port(self.far, FAR_UDP)

    def connect(self) -> TcpSocket:
        return self.near.tcp_over_udp.through(FAR_UDP, lambda: self.near.tcp.connect((PEER, PORT), CLIENT, self.now))

    def establish(self) -> tuple[TcpSocket, TcpSocket, TcpListener]:
        listener = self.far.tcp.listen((PEER, PORT), SERVER)
        near = self.connect()
        self.settle()
        far = listener.accept()
        assert far is not None
        return near, far, listener


def _open_port(stack: Stack, port: int) -> None:
    stack.configure(replace(stack.config, tcp_over_udp=port))


def _ports(packet: Packet) -> tuple[int, int, int]:
    data = packet.joined()
    return data[9], int.from_bytes(data[20:22], "big"), int.from_bytes(data[22:24], "big")


def test_all_segments_of_a_connection_are_in_datagrams_both_ways() -> None:
    wire = Tunnelled()
    near, far, _ = wire.establish()
    near.send(b"question", wire.now)
    far.send(b"answer", wire.now)
    wire.settle()
    assert (received(far, wire.now), received(near, wire.now)) == (b"question", b"answer")
    ways = {(name, _ports(packet)) for name, packet in wire.log}
    assert ways == {("near", (PROTOCOL_UDP, NEAR_UDP, FAR_UDP)), ("far", (PROTOCOL_UDP, FAR_UDP, NEAR_UDP))}


def test_the_checksum_is_that_of_udp_and_tcps_is_zero() -> None:
    wire = Tunnelled()
    near, _, _ = wire.establish()
    near.send(b"odd", wire.now)
    wire.settle()
    sent = [packet for name, packet in wire.log if name == "near"]
    for packet in sent:
        octets = packet.octets - HEADER_OCTETS
        assert udp.verify(packet, HEADER_OCTETS, octets, pseudo_header_sum(US, PEER, PROTOCOL_UDP, octets))
        assert packet.joined()[UDP_AND_TCP + 16 : UDP_AND_TCP + 18] == b"\0\0"


def test_a_datagram_with_a_wrong_checksum_does_not_reach_tcp() -> None:
    wire = Tunnelled()
    wire.far.tcp.listen((PEER, PORT), SERVER)
    wire.connect()
    wire.put_on_wire()
    data = bytearray(wire.log[0][1].joined())
    data[-1] ^= 1
    wire.far.receive(wire.far_interface, Packet(bytes(data)), wire.now)
    assert wire.far.counters["UdpInCsumErrors"] == 1
    assert wire.far.poll_transmit(wire.now) is None


def test_segments_are_eight_octets_shorter() -> None:
    wire = Tunnelled()
    near, far, _ = wire.establish()
    assert (near.connection.tcb.snd.mss, far.connection.tcb.snd.mss) == (1452 - STAMPS, 1452 - STAMPS)
    near.send(bytes(20_000), wire.now)
    wire.settle()
    assert len(received(far, wire.now)) == 20_000
    assert max(packet.octets for _, packet in wire.log) == 1500


def test_either_end_knows_the_port_of_its_peer() -> None:
    near, far, _ = Tunnelled().establish()
    assert (remote_udp_port(near), remote_udp_port(far)) == (FAR_UDP, NEAR_UDP)


def test_a_plain_connection_is_in_no_datagrams() -> None:
    wire = Tunnelled()
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    far = listener.accept()
    assert far is not None
    assert (remote_udp_port(near), remote_udp_port(far)) == (0, 0)
    assert {packet.joined()[9] for _, packet in wire.log} == {6}


def test_a_new_route_leads_through_the_same_datagrams() -> None:
    wire = Tunnelled()
    near, far, _ = wire.establish()
    wire.near.routes.advance()
    near.send(b"later", wire.now)
    wire.settle()
    assert received(far, wire.now) == b"later"
    assert (remote_udp_port(near), near.connection.tcb.snd.mss) == (FAR_UDP, 1452 - STAMPS)


def test_segments_from_another_port_than_the_peers_are_dropped() -> None:
    wire = Tunnelled()
    near, far, _ = wire.establish()
    wire.near.tcp_over_udp.listen(NEAR_UDP + 10)
    wire.near.routes.advance()
    near.send(b"from elsewhere", wire.now)
    wire.settle()
    assert received(far, wire.now) == b""
    assert wire.far.counters["TcpOverUdpBadPort"] > 0


def _error_about(packet: Packet, octets: int) -> IcmpError:
    """What a router says that quotes so much of the transport's octets."""
    quoted = icmpv4.parse_quoted(packet.joined()[: HEADER_OCTETS + octets])
    return IcmpError(kinds.FRAGMENTATION_NEEDED, 1000, PEER, quoted)


def test_what_a_router_has_room_for_is_room_for_the_datagram() -> None:
    wire = Tunnelled()
    near, _, _ = wire.establish()
    near.send(bytes(1452), wire.now)
    wire.lose = lambda packet: packet.octets > 1000
    wire.put_on_wire()
    wire.near.udp.on_error(_error_about(wire.log[-1][1], 28), wire.now)
    wire.near.udp.on_error(_error_about(wire.log[-1][1], 28), wire.now)
    wire.run(wire.now + 3_000_000_000)
    assert near.connection.tcb.snd.mss == 1000 - 48 - STAMPS


@pytest.mark.parametrize("octets", [8, 12])
def test_an_error_that_does_not_quote_the_segment_is_for_nobody(octets: int) -> None:
    wire = Tunnelled()
    near, _, _ = wire.establish()
    near.send(bytes(1452), wire.now)
    wire.put_on_wire()
    wire.near.udp.on_error(_error_about(wire.log[-1][1], octets), wire.now)
    assert wire.near.counters["TcpErrorsForNobody"] == 1


def test_an_error_about_a_datagram_to_another_port_is_for_nobody() -> None:
    wire = Tunnelled()
    near, _, _ = wire.establish()
    near.send(bytes(1452), wire.now)
    wire.put_on_wire()
    data = bytearray(wire.log[-1][1].joined())
    data[22] ^= 1
    wire.near.udp.on_error(_error_about(Packet(bytes(data)), 28), wire.now)
    assert wire.near.counters["TcpErrorsForNobody"] == 1


def test_a_datagram_too_short_for_a_segment_is_malformed() -> None:
    wire = Tunnelled()
    sender = wire.near.udp.bind(IPV4_ANY, 5000, CLIENT)
    sender.send_to(bytes(19), PEER, FAR_UDP, wire.now)
    wire.settle()
    assert wire.far.counters["TcpTruncated"] == 1


def test_a_header_that_the_link_has_parted_is_put_together() -> None:
    wire = Tunnelled()
    wire.far.tcp.listen((PEER, PORT), SERVER)
    wire.connect()
    wire.put_on_wire()
    data = wire.log[0][1].joined()
    wire.far.receive(wire.far_interface, Packet(data[:UDP_AND_TCP], (data[UDP_AND_TCP:],)), wire.now)
    assert wire.far.poll_transmit(wire.now) is not None


def test_a_port_that_is_taken_cannot_be_tcps() -> None:
    wire = Wire()
    wire.near.udp.bind(IPV4_ANY, NEAR_UDP, CLIENT)
    with pytest.raises(AddressInUse):
        _open_port(wire.near, NEAR_UDP)
    assert wire.near.config == StackConfig(tcp=wire.near.config.tcp, tcp_layer=wire.near.config.tcp_layer)


def test_a_port_that_is_no_more_tcps_is_free() -> None:
    wire = Tunnelled()
    _open_port(wire.near, 0)
    assert wire.near.tcp_over_udp.port == 0
    assert wire.near.udp.bind(IPV4_ANY, NEAR_UDP, CLIENT).port == NEAR_UDP


def test_flows_that_have_ended_are_forgotten() -> None:
    wire = Tunnelled()
    wire.far.tcp.listen((PEER, PORT), SERVER)
    sockets = [wire.connect() for _ in range(3)]
    wire.settle()
    for socket in sockets:
        socket.abort(wire.now)
    wire.settle()
    tunnels, plain = wire.near.tcp_over_udp, wire.near.tcp.paths.find(US, PEER, wire.now)
    tunnels.sweep_at = 4
    wire.connect()
    assert [tunnels.path(socket.flow, plain) is plain for socket in sockets] == [True, True, True]
