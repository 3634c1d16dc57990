from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.base.errors import Malformed
from halfopen.wire import ipv4
from halfopen.wire.checksum import checksum
from halfopen.wire.ipv4 import Ipv4

OCTET = st.integers(0, 255)
ADDRESSES = st.binary(min_size=4, max_size=4)
OPTIONS = st.integers(0, 10).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words))
HEADERS = st.builds(
    Ipv4,
    ADDRESSES,
    ADDRESSES,
    OCTET,
    ttl=OCTET,
    tos=OCTET,
    identification=st.integers(0, 0xFFFF),
    dont_fragment=st.booleans(),
    more_fragments=st.booleans(),
    fragment_offset=st.integers(0, 0x1FFF).map(lambda units: 8 * units),
    options=OPTIONS,
)
PLAIN = Ipv4(parse_address("192.0.2.1"), parse_address("198.51.100.2"), ipv4.PROTOCOL_UDP)


def with_checksum(header: bytearray) -> bytes:
    header[10:12] = bytes(2)
    header[10:12] = checksum(header).to_bytes(2, "big")
    return bytes(header)


@given(HEADERS, st.integers(0, 1000), st.binary(max_size=9), st.binary(max_size=9))
def test_what_was_emitted_is_parsed_between_other_octets(
    header: Ipv4, payload_octets: int, before: bytes, padding: bytes
) -> None:
    octets = ipv4.emit(header, payload_octets)
    parsed = ipv4.parse(before + octets, len(before), len(octets) + payload_octets + len(padding))
    assert parsed == replace(header, header_octets=len(octets), total_octets=len(octets) + payload_octets)


@given(HEADERS, st.binary(max_size=60))
def test_scapy_reads_what_was_emitted_and_computes_the_same_checksum(header: Ipv4, payload: bytes) -> None:
    from scapy.layers.inet import IP
    from scapy.utils import checksum as sum_by_scapy

    octets = ipv4.emit(header, len(payload))
    judge = IP(octets + payload)
    assert (judge.ihl * 4, judge.len) == (20 + len(header.options), len(octets) + len(payload))
    assert (judge.src, judge.dst) == tuple(
        ".".join(map(str, address)) for address in (header.source, header.destination)
    )
    assert (judge.proto, judge.ttl, judge.tos, judge.id) == (
        header.protocol,
        header.ttl,
        header.tos,
        header.identification,
    )
    assert judge.flags == 2 * header.dont_fragment + header.more_fragments
    assert judge.frag * 8 == header.fragment_offset
    assert judge.chksum == sum_by_scapy(octets[:10] + bytes(2) + octets[12:])


def test_a_header_of_scapy_is_parsed() -> None:
    from scapy.layers.inet import IP

    octets = bytes(
        IP(src="192.0.2.1", dst="198.51.100.2", ttl=7, id=9, flags="MF", frag=3, proto=17, tos=0xB8) / b"abc"
    )
    expected = replace(
        PLAIN, ttl=7, tos=0xB8, identification=9, dont_fragment=False, more_fragments=True, fragment_offset=24
    )
    assert ipv4.parse(octets, 0, 23) == replace(expected, total_octets=23)


def test_options_are_padded_with_zeros_to_whole_words() -> None:
    octets = ipv4.emit(replace(PLAIN, options=b"\x07\x03\x04"), 0)
    assert octets[20:] == b"\x07\x03\x04\x00"
    assert ipv4.parse(octets, 0, 24).header_octets == 24


def test_more_than_forty_octets_of_options_cannot_be_emitted() -> None:
    with pytest.raises(ValueError, match="holds 40 octets of options, not 44"):
        ipv4.emit(replace(PLAIN, options=bytes(41)), 0)


@pytest.mark.parametrize("field", range(20))
def test_a_change_in_any_octet_of_the_header_is_noticed(field: int) -> None:
    octets = bytearray(ipv4.emit(PLAIN, 8))
    octets[field] ^= 1
    with pytest.raises(Malformed, match=r"Ipv4Bad(Checksum|Version|HeaderLength)|Ipv4Truncated"):
        ipv4.parse(bytes(octets), 0, 28)


@pytest.mark.parametrize(
    ("first", "reason"),
    [(0x65, "Ipv4BadVersion"), (0x05, "Ipv4BadVersion"), (0x44, "Ipv4BadHeaderLength"), (0x40, "Ipv4BadHeaderLength")],
)
def test_another_version_and_a_short_header_are_refused(first: int, reason: str) -> None:
    octets = with_checksum(bytearray((first,)) + bytearray(ipv4.emit(PLAIN, 0)[1:]))
    with pytest.raises(Malformed, match=reason):
        ipv4.parse(octets, 0, 20)


@pytest.mark.parametrize(("present", "available"), [(19, 20), (20, 19), (24, 20), (20, 24)])
def test_a_header_that_is_not_all_there_is_refused(present: int, available: int) -> None:
    octets = ipv4.emit(replace(PLAIN, options=bytes(4)), 0)
    with pytest.raises(Malformed, match="Ipv4Truncated"):
        ipv4.parse(octets[:present], 0, available)


@pytest.mark.parametrize("total", [0, 19, 29, 65535])
def test_a_total_length_below_the_header_or_beyond_the_packet_is_refused(total: int) -> None:
    octets = bytearray(ipv4.emit(PLAIN, 8))
    octets[2:4] = total.to_bytes(2, "big")
    with pytest.raises(Malformed, match="Ipv4BadLength"):
        ipv4.parse(with_checksum(octets), 0, 28)


@given(st.binary(max_size=80), st.integers(0, 20), st.integers(0, 2000))
def test_any_octets_are_a_header_or_malformed(octets: bytes, offset: int, available: int) -> None:
    try:
        header = ipv4.parse(octets, offset, available)
    except Malformed as malformed:
        assert malformed.reason.startswith("Ipv4")
    else:
        assert checksum(octets[offset : offset + header.header_octets]) == 0


@given(st.integers(0x45, 0x4F), st.binary(min_size=59, max_size=80), st.integers(0, 100))
def test_any_header_with_a_right_checksum_is_parsed_or_has_a_bad_length(
    first: int, rest: bytes, available: int
) -> None:
    octets = (first & 15) * 4
    data = bytearray((first,)) + bytearray(rest)
    data[:octets] = with_checksum(data[:octets])
    try:
        header = ipv4.parse(bytes(data), 0, available)
    except Malformed as malformed:
        assert malformed.reason in ("Ipv4BadLength", "Ipv4Truncated")
    else:
        assert octets == header.header_octets <= header.total_octets <= available


def test_options_are_listed_up_to_the_end_of_the_list_without_no_operations() -> None:
    options = b"\x01\x94\x04\x00\x00\x01\x07\x03\x04\x00\x94"
    assert ipv4.parse_options(options) == [(ipv4.OPTION_ROUTER_ALERT, b"\0\0"), (ipv4.OPTION_RECORD_ROUTE, b"\x04")]
    assert ipv4.parse_options(b"") == []


@pytest.mark.parametrize(
    "options", [b"\x07", b"\x07\x00", b"\x07\x01\x00", b"\x01\x07\x04\x00", b"\x94\xff" + bytes(38)]
)
def test_options_of_illegal_length_are_refused(options: bytes) -> None:
    with pytest.raises(Malformed, match="Ipv4BadOptions"):
        ipv4.parse_options(options)


@given(st.binary(max_size=40))
def test_any_octets_are_options_or_malformed(octets: bytes) -> None:
    try:
        options = ipv4.parse_options(octets)
    except Malformed as malformed:
        assert malformed.reason == "Ipv4BadOptions"
    else:
        assert sum(2 + len(data) for _, data in options) <= len(octets)


def test_only_options_with_the_copied_flag_go_into_every_fragment() -> None:
    options = b"\x07\x07\x04\0\0\0\0" + b"\x83\x07\x04\xc0\0\x02\x01" + b"\x01" + b"\x94\x04\0\0" + b"\0"
    assert ipv4.copied_options(options) == b"\x83\x07\x04\xc0\0\x02\x01\x94\x04\0\0\0"
    assert ipv4.copied_options(b"\x07\x07\x04\0\0\0\0\0") == b""
