import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.errors import Malformed
from halfopen.packetdrill.captured import Emitted, capture, destination_of, segment_of
from halfopen.wire import ipv4, ipv6, tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.ipv6 import Ipv6
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, PSH, Segment

LOCAL, REMOTE = parse_address("192.168.0.1"), parse_address("192.0.2.1")
LOCAL6, REMOTE6 = parse_address("2001:db8::1"), parse_address("2001:db8::2")


def emitted(octets: int, gso_size: int = 0) -> Emitted:
    segment = Segment(8080, 50000, 100, 200, PSH | ACK, 257, octets=octets)
    pseudo = pseudo_header_sum(LOCAL, REMOTE, 6, 20 + octets)
    head = ipv4.emit(Ipv4(LOCAL, REMOTE, 6, 64, 2), 20 + octets) + tcp.emit(segment, pseudo)
    return Emitted(7, Packet(head, (bytes(octets),), CHECKSUM_PARTIAL, 20, 16, gso_size))


def test_a_datagram_shows_its_header() -> None:
    (captured,) = capture(emitted(10))
    assert (captured.when, captured.source, captured.destination) == (7, LOCAL, REMOTE)
    assert (captured.protocol, captured.tos, captured.ttl, captured.header_octets) == (6, 2, 64, 20)
    assert captured.ports == (8080, 50000)


def test_a_super_segment_is_what_it_is_on_the_wire_and_push_stays_with_the_last() -> None:
    segments = [segment_of(each) for each in capture(emitted(2500, 1000))]
    assert [(each.seq, len(each.payload), each.flags) for each in segments] == [
        (100, 1000, ACK),
        (1100, 1000, ACK),
        (2100, 500, PSH | ACK),
    ]


def test_a_super_segment_may_be_kept_whole() -> None:
    (captured,) = capture(emitted(2500, 1000), whole=True)
    assert len(segment_of(captured).payload) == 2500


def test_ipv6_shows_its_flow_label() -> None:
    head = ipv6.emit(Ipv6(LOCAL6, REMOTE6, 6, 64, 3, 0x12345), 20) + tcp.emit(Segment(1, 2, 3), 0)
    (captured,) = capture(Emitted(0, Packet(head)))
    assert (captured.is_ipv6, captured.flow_label, captured.tos) == (True, 0x12345, 3)


def test_the_destination_is_where_it_is_in_either_version() -> None:
    assert destination_of(emitted(0).packet.head) == REMOTE
    assert destination_of(ipv6.emit(Ipv6(LOCAL6, REMOTE6, 6), 0)) == REMOTE6


def test_a_header_with_a_wrong_checksum_is_none() -> None:
    head = bytearray(emitted(0).packet.head)
    head[8] ^= 1
    with pytest.raises(Malformed, match="Ipv4BadChecksum"):
        list(capture(Emitted(0, Packet(bytes(head)))))


@pytest.mark.parametrize(("octets", "reason"), [(10, "TcpTruncated"), (20, "TcpBadHeaderLength")])
def test_what_is_no_segment_is_refused(octets: int, reason: str) -> None:
    packet = Packet(ipv4.emit(Ipv4(LOCAL, REMOTE, 6), octets) + bytes(octets))
    (captured,) = capture(Emitted(0, packet))
    with pytest.raises(Malformed, match=reason):
        segment_of(captured)


def test_another_protocol_has_no_segment() -> None:
    (captured,) = capture(Emitted(0, Packet(ipv4.emit(Ipv4(LOCAL, REMOTE, 1), 20) + bytes(20))))
    with pytest.raises(Malformed, match="NotTcp"):
        segment_of(captured)
