import pytest

from halfopen.base.errors import Malformed
from halfopen.sim.rewriting import DESTINATION, SOURCE, gathered, look, look_quoted, rewrite, rewrite_error
from halfopen.wire import icmpv4, ipv4, tcp, udp
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, Ipv4
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, Segment

INSIDE, OUTSIDE, REMOTE = bytes((192, 0, 2, 1)), bytes((198, 51, 100, 254)), bytes((203, 0, 113, 7))
TEXT = b"some octets!!"


def tcp_packet(source: bytes, destination: bytes, ports: tuple[int, int]) -> Packet:
    """With the checksum still to be computed."""
    segment = Segment(ports[0], ports[1], seq=1, ack=2, flags=ACK)
    octets = tcp.HEADER_OCTETS + len(TEXT)
    header = tcp.emit(segment, pseudo_header_sum(source, destination, PROTOCOL_TCP, octets))
    head = ipv4.emit(Ipv4(source, destination, PROTOCOL_TCP), octets)
    return Packet(head + header, (TEXT,), CHECKSUM_PARTIAL, len(head), 16)


def udp_packet(source: bytes, destination: bytes, ports: tuple[int, int], *, summed: bool = True) -> Packet:
    octets = udp.HEADER_OCTETS + len(TEXT)
    pseudo = pseudo_header_sum(source, destination, PROTOCOL_UDP, octets)
    field = checksum(udp.emit(*ports, octets, 0) + TEXT, pseudo) if summed else 0
    head = ipv4.emit(Ipv4(source, destination, PROTOCOL_UDP), octets)
    return Packet(head + udp.emit(*ports, octets, field), (TEXT,))


def test_a_rewritten_segment_is_the_one_that_the_other_would_have_sent() -> None:
    before, after = tcp_packet(INSIDE, REMOTE, (5000, 80)), tcp_packet(OUTSIDE, REMOTE, (5001, 80))
    for first, second in ((before, after), (complete_checksum(before), complete_checksum(after))):
        there = rewrite(first, look(first, 0), SOURCE, OUTSIDE, 5001)
        assert there.joined() == second.joined()
        assert there.checksum == first.checksum
        assert rewrite(there, look(there, 0), SOURCE, INSIDE, 5000).joined() == first.joined()


def test_a_rewritten_datagram_is_the_one_to_another_destination() -> None:
    for summed in (True, False):
        before = udp_packet(REMOTE, OUTSIDE, (53, 5001), summed=summed)
        after = udp_packet(REMOTE, INSIDE, (53, 5000), summed=summed)
        assert rewrite(before, look(before, 0), DESTINATION, INSIDE, 5000).joined() == after.joined()


def test_a_udp_checksum_never_becomes_the_one_that_says_there_is_none() -> None:
    packet = udp_packet(INSIDE, REMOTE, (5000, 53))
    (field,) = (int.from_bytes(packet.head[26:28], "big"),)
    port = (5000 + field) % 0xFFFF  # The sum grows by what it lacks: its complement would be zero.
    rewritten = rewrite(packet, look(packet, 0), SOURCE, INSIDE, port)
    assert rewritten.head[26:28] == b"\xff\xff"


def test_an_echo_is_rewritten_by_its_identifier() -> None:
    def echo(source: bytes, identifier: int) -> Packet:
        message = icmpv4.emit(Icmp(icmpv4.ECHO_REQUEST, 0, identifier << 16 | 9, TEXT))
        return Packet(ipv4.emit(Ipv4(source, REMOTE, PROTOCOL_ICMP), len(message)) + message)

    packet = echo(INSIDE, 7)
    datagram = look(packet, 0)
    assert datagram.is_echo
    assert datagram.ports == (7, 7)
    assert rewrite(packet, datagram, SOURCE, OUTSIDE, 8).joined() == echo(OUTSIDE, 8).joined()


@pytest.mark.parametrize("octets", [28, 60])
def test_an_error_is_rewritten_with_what_it_quotes(octets: int) -> None:
    def error(address: bytes, port: int) -> Packet:
        quote = complete_checksum(tcp_packet(address, REMOTE, (port, 80))).joined()[:octets]
        message = icmpv4.emit(Icmp(icmpv4.TIME_EXCEEDED, 0, 0, quote))
        return Packet(ipv4.emit(Ipv4(REMOTE, address, PROTOCOL_ICMP), len(message)) + message)

    packet = error(OUTSIDE, 5001)
    datagram = look(packet, 0)
    assert datagram.is_error
    quoted = look_quoted(packet, datagram)
    assert quoted.ports == (5001, 80)
    rewritten = rewrite_error(packet, datagram, quoted, DESTINATION, (INSIDE, 5000))
    assert rewritten.joined() == error(INSIDE, 5000).joined()


def test_a_later_fragment_has_no_ports_and_another_address_all_the_same() -> None:
    head = ipv4.emit(Ipv4(INSIDE, REMOTE, PROTOCOL_UDP, fragment_offset=1480, dont_fragment=False), 8)
    packet = Packet(head + b"in order")
    datagram = look(packet, 0)
    assert not datagram.is_first
    rewritten = rewrite(packet, datagram, SOURCE, OUTSIDE, None)
    assert ipv4.parse(rewritten.head, 0, rewritten.octets).source == OUTSIDE
    assert rewritten.head[20:] == b"in order"


def test_headers_that_were_left_in_the_body_are_gathered() -> None:
    whole = udp_packet(INSIDE, REMOTE, (5000, 53))
    apart = Packet(whole.head[:20], (whole.head[20:], TEXT))
    assert gathered(whole, 0) is whole
    assert look(gathered(apart, 0), 0).ports == (5000, 53)


def test_a_truncated_datagram_is_refused() -> None:
    packet = Packet(ipv4.emit(Ipv4(INSIDE, REMOTE, PROTOCOL_TCP), 8) + bytes(8))
    with pytest.raises(Malformed, match="NatTruncated"):
        look(packet, 0)
