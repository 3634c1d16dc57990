import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.base.errors import Malformed
from halfopen.wire import udp
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.packet import Packet

SOURCE = parse_address("192.0.2.1")
DESTINATION = parse_address("198.51.100.2")
PORTS = st.integers(0, 0xFFFF)


@given(PORTS, PORTS, st.integers(8, 0xFFFF), PORTS, st.binary(max_size=9), st.integers(0, 9))
def test_what_was_emitted_is_parsed(
    source: int, destination: int, octets: int, field: int, before: bytes, padding: int
) -> None:
    header = udp.emit(source, destination, octets, field)
    parsed = udp.parse(before + header, len(before), octets + padding)
    assert parsed == (source, destination, len(before) + 8, octets - 8, field)


@given(PORTS, PORTS, st.binary(max_size=100))
def test_scapy_computes_the_same_checksum_and_verify_accepts_it(source: int, destination: int, payload: bytes) -> None:
    from scapy.layers.inet import IP, UDP

    octets = 8 + len(payload)
    pseudo_sum = pseudo_header_sum(SOURCE, DESTINATION, 17, octets)
    field = udp.transmitted(checksum(udp.emit(source, destination, octets, 0) + payload, pseudo_sum))
    datagram = udp.emit(source, destination, octets, field) + payload
    judge = IP(src="192.0.2.1", dst="198.51.100.2") / UDP(sport=source, dport=destination) / payload
    assert bytes(judge)[20:] == datagram
    assert udp.verify(Packet(datagram[:9], (datagram[9:],)), 0, octets, pseudo_sum)


def test_a_changed_datagram_does_not_verify() -> None:
    from scapy.layers.inet import IP, UDP

    octets = bytes(IP(src="192.0.2.1", dst="198.51.100.2") / UDP(sport=1, dport=2) / b"abc")
    pseudo_sum = pseudo_header_sum(SOURCE, DESTINATION, 17, 11)
    assert udp.verify(Packet(octets), 20, 11, pseudo_sum)
    assert not udp.verify(Packet(octets[:-1] + b"d"), 20, 11, pseudo_sum)


@pytest.mark.rfc("768", "udp.1")
def test_a_computed_checksum_of_zero_is_sent_as_all_ones() -> None:
    assert udp.transmitted(0) == 0xFFFF
    assert udp.transmitted(0x1234) == 0x1234


@pytest.mark.rfc("768", "udp.2")
@pytest.mark.parametrize("octets", [0, 7, 21])
def test_a_length_below_the_header_or_beyond_the_datagram_is_refused(octets: int) -> None:
    with pytest.raises(Malformed, match="UdpBadLength"):
        udp.parse(udp.emit(1, 2, octets, 0) + bytes(12), 0, 20)


@pytest.mark.parametrize(("present", "available"), [(7, 8), (8, 7)])
def test_less_than_a_header_is_refused(present: int, available: int) -> None:
    with pytest.raises(Malformed, match="UdpTruncated"):
        udp.parse(udp.emit(1, 2, 8, 0)[:present], 0, available)


@given(st.binary(max_size=40), st.integers(0, 20), st.integers(0, 60))
def test_any_octets_are_a_datagram_or_malformed(octets: bytes, offset: int, available: int) -> None:
    try:
        _, _, start, payload_octets, _ = udp.parse(octets, offset, available)
    except Malformed as malformed:
        assert malformed.reason in ("UdpTruncated", "UdpBadLength")
    else:
        assert start == offset + 8
        assert 0 <= payload_octets <= available - 8
