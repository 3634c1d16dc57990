from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.base.errors import Malformed
from halfopen.links import offload
from halfopen.links.offload import DATA_VALID, GSO_ECN, GSO_TCPV4, GSO_TCPV6, NEEDS_CSUM, VNET_OCTETS
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from tests.links.packets import tcp_packet, udp_packet

CWR = 0x80


def header(
    flags: int = 0, gso_type: int = 0, gso_size: int = 0, start: int = 0, offset: int = 0, length: int = 0
) -> bytes:
    return pack("=BBHHHH", flags, gso_type, length, gso_size, start, offset)


def tcp_v6_packet(payload: bytes, gso_size: int) -> Packet:
    address = parse_address("2001:db8::1")
    network = pack("!IHBB", 6 << 28, 20 + len(payload), 6, 64) + address + address
    transport = pack("!HHIIBBHHH", 1, 2, 3, 4, 0x50, 0x10, 5, 6, 0)
    return Packet(network + transport, (payload,), CHECKSUM_PARTIAL, 40, 16, gso_size)


def test_a_frame_without_marks_has_a_header_of_zeros() -> None:
    assert offload.emit(Packet(b"frame"), 0) == bytes(VNET_OCTETS)
    assert offload.emit(Packet(b"frame", (), CHECKSUM_VERIFIED), 0) == bytes(VNET_OCTETS)


def test_a_frame_behind_a_header_of_zeros_is_unverified() -> None:
    packet = offload.parse(bytes(VNET_OCTETS) + b"frame")
    assert (packet.head, packet.body, packet.checksum) == (b"frame", (), CHECKSUM_NONE)


def test_data_valid_means_verified() -> None:
    assert offload.parse(header(DATA_VALID) + b"frame").checksum == CHECKSUM_VERIFIED


def test_an_unfinished_checksum_goes_out_with_its_place() -> None:
    packet = udp_packet(b"hello", link=bytes(14))
    assert offload.emit(packet, 14) == header(NEEDS_CSUM, start=34, offset=6, length=42)


@pytest.mark.parametrize(
    ("packet", "network", "gso_type"),
    [
        (tcp_packet(bytes(3000), gso_size=1460), 0, GSO_TCPV4),
        (tcp_packet(bytes(3000), gso_size=1460, link=bytes(14)), 14, GSO_TCPV4),
        (tcp_packet(bytes(3000), gso_size=1460, flags=0x10 | CWR), 0, GSO_TCPV4 | GSO_ECN),
        (tcp_v6_packet(bytes(3000), 1440), 0, GSO_TCPV6),
    ],
)
def test_a_super_segment_goes_out_with_its_kind_and_header_length(packet: Packet, network: int, gso_type: int) -> None:
    start = packet.checksum_start
    expected = header(NEEDS_CSUM, gso_type, packet.gso_size, start, 16, start + 20)
    assert offload.emit(packet, network) == expected


def test_what_fits_one_segment_is_no_super_segment() -> None:
    packet = tcp_packet(bytes(1000), gso_size=1460)
    assert offload.emit(packet, 0) == header(NEEDS_CSUM, start=20, offset=16, length=40)
    assert offload.parse(header(NEEDS_CSUM, GSO_TCPV4, 1460, 20, 16) + packet.joined()).gso_size == 0


def test_the_payload_of_a_super_segment_is_not_copied() -> None:
    sent = tcp_packet(bytes(3000), gso_size=1460, link=bytes(14))
    data = header(NEEDS_CSUM, GSO_TCPV4, 1460, 34, 16) + sent.joined()
    packet = offload.parse(data)
    assert packet.head == sent.head
    (body,) = packet.body
    assert isinstance(body, memoryview)
    assert body.obj is data


@given(payload=st.binary(min_size=1, max_size=5000), gso_size=st.integers(1, 4000), link=st.sampled_from([0, 14]))
def test_what_is_emitted_is_parsed_as_it_was(payload: bytes, gso_size: int, link: int) -> None:
    sent = tcp_packet(payload, gso_size=gso_size, link=bytes(link))
    parsed = offload.parse(offload.emit(sent, link) + sent.joined())
    assert parsed.joined() == sent.joined()
    assert parsed.gso_size == (gso_size if len(payload) > gso_size else 0)
    assert (parsed.checksum, parsed.checksum_start) == (CHECKSUM_PARTIAL, link + 20)


FRAME = tcp_packet(bytes(3000)).joined()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "VnetTooShort"),
        (bytes(9), "VnetTooShort"),
        (header(0, GSO_TCPV4, 1460) + FRAME, "VnetGsoWithoutChecksum"),
        (header(NEEDS_CSUM, start=len(FRAME) - 17, offset=16) + FRAME, "VnetBadChecksumStart"),
        (header(NEEDS_CSUM, start=65535, offset=65535) + FRAME, "VnetBadChecksumStart"),
        (header(NEEDS_CSUM, 3, 1460, 20, 16) + FRAME, "VnetUnknownGso"),
        (header(NEEDS_CSUM, 5, 1460, 20, 6) + FRAME, "VnetUnknownGso"),
        (header(NEEDS_CSUM, 0x7F, 1460, 20, 16) + FRAME, "VnetUnknownGso"),
        (header(NEEDS_CSUM, GSO_ECN, 1460, 20, 16) + FRAME, "VnetUnknownGso"),
        (header(NEEDS_CSUM, GSO_TCPV4, 0, 20, 16) + FRAME, "VnetBadGsoSize"),
        (header(NEEDS_CSUM, GSO_TCPV4, 1460, 20, 6) + FRAME, "VnetBadChecksumStart"),
        (header(NEEDS_CSUM, GSO_TCPV4, 1460, len(FRAME) - 18, 16) + FRAME, "VnetBadChecksumStart"),
        (header(NEEDS_CSUM, GSO_TCPV4, 1460, 100, 16) + FRAME, "VnetBadHeaderLength"),
        (header(NEEDS_CSUM, GSO_TCPV4, 1460, 0, 16) + FRAME[:12] + b"\xff" + FRAME[13:40], "VnetBadHeaderLength"),
    ],
)
def test_a_header_that_contradicts_its_frame_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        offload.parse(data)
    assert caught.value.reason == reason


def test_what_was_merged_from_verified_segments_is_one_long_segment() -> None:
    packet = offload.parse(header(DATA_VALID, GSO_TCPV4, 1460) + FRAME)
    assert (packet.head, packet.checksum, packet.gso_size) == (FRAME, CHECKSUM_VERIFIED, 0)


def test_a_frame_is_taken_without_the_header_that_was_refused() -> None:
    (packet,) = offload.without_marks(header(NEEDS_CSUM, GSO_TCPV4, 0, 20, 16) + FRAME)
    assert (packet.head, packet.checksum, packet.gso_size) == (FRAME, CHECKSUM_NONE, 0)
    assert offload.without_marks(bytes(VNET_OCTETS)) == ()


@given(st.binary(max_size=200))
def test_no_octets_raise_anything_but_malformed(data: bytes) -> None:
    try:
        packet = offload.parse(data)
    except Malformed:
        return
    assert packet.joined() == data[VNET_OCTETS:]


def changed(packet: Packet, **marks: object) -> Packet:
    for name, value in marks.items():
        setattr(packet, name, value)
    return packet


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (changed(tcp_packet(bytes(3000), gso_size=1460), checksum=CHECKSUM_NONE), "VnetGsoWithoutChecksum"),
        (changed(tcp_packet(b""), checksum_start=30), "VnetBadChecksumStart"),
        (changed(tcp_packet(bytes(30), link=bytes(14)), checksum_start=10), "VnetBadChecksumStart"),
        (changed(tcp_packet(bytes(3000), gso_size=1460), checksum_offset=6), "VnetBadChecksumStart"),
        (changed(tcp_packet(bytes(3000), gso_size=1460), checksum_start=21), "VnetBadChecksumStart"),
        (tcp_packet(bytes(3000), gso_size=65536), "VnetBadGsoSize"),
        (tcp_packet(bytes(65000), gso_size=1460, link=bytes(14)), None),
        (changed(tcp_packet(bytes(65000), gso_size=1460), body=(bytes(65000), bytes(600))), "VnetBadGsoSize"),
    ],
)
def test_marks_that_contradict_the_packet_are_refused(packet: Packet, reason: str | None) -> None:
    if reason is None:
        assert len(offload.emit(packet, 14)) == VNET_OCTETS
        return
    with pytest.raises(Malformed) as caught:
        offload.emit(packet, 14 if packet.checksum_start == 10 else 0)
    assert caught.value.reason == reason


def test_pieces_are_what_would_be_on_a_wire() -> None:
    packets = offload.pieces(tcp_packet(bytes(3000), gso_size=1460), 0)
    assert [packet.octets for packet in packets] == [1500, 1500, 120]
    single = udp_packet(b"x")
    assert offload.pieces(single, 0) == [single]
    with pytest.raises(Malformed, match="VnetGsoWithoutChecksum"):
        offload.pieces(Packet(bytes(40), (bytes(3000),), gso_size=1460), 0)
