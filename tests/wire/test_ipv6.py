from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import format_address, parse_address
from halfopen.base.errors import Malformed
from halfopen.wire import ipv6
from halfopen.wire.ipv6 import Ipv6

OCTET = st.integers(0, 255)
ADDRESSES = st.binary(min_size=16, max_size=16)
HEADERS = st.builds(
    Ipv6,
    ADDRESSES,
    ADDRESSES,
    OCTET,
    hop_limit=OCTET,
    traffic_class=OCTET,
    flow_label=st.integers(0, 0xFFFFF),
)
PLAIN = Ipv6(parse_address("2001:db8::1"), parse_address("2001:db8::2"), 17)


@given(HEADERS, st.integers(0, 1000), st.binary(max_size=9), st.binary(max_size=9))
def test_what_was_emitted_is_parsed_between_other_octets(
    header: Ipv6, payload_octets: int, before: bytes, padding: bytes
) -> None:
    octets = ipv6.emit(header, payload_octets)
    parsed = ipv6.parse(before + octets + padding, len(before), 40 + payload_octets + len(padding))
    assert parsed == replace(header, payload_octets=payload_octets)


@given(HEADERS, st.integers(0, 0xFFFF))
def test_scapy_reads_what_was_emitted(header: Ipv6, octets: int) -> None:
    from scapy.layers.inet6 import IPv6

    judge = IPv6(ipv6.emit(header, octets))  # Without the payload, which it would take for what the next header says.
    assert (judge.version, judge.plen, judge.nh, judge.hlim) == (6, octets, header.next_header, header.hop_limit)
    assert (judge.tc, judge.fl) == (header.traffic_class, header.flow_label)
    assert (judge.src, judge.dst) == (format_address(header.source), format_address(header.destination))


def test_a_header_of_scapy_is_parsed() -> None:
    from scapy.layers.inet6 import IPv6

    octets = bytes(IPv6(src="2001:db8::1", dst="2001:db8::2", nh=17, hlim=7, tc=0xB8, fl=0xABCDE) / b"abc")
    expected = replace(PLAIN, hop_limit=7, traffic_class=0xB8, flow_label=0xABCDE, payload_octets=3)
    assert ipv6.parse(octets, 0, 43) == expected


@pytest.mark.rfc("8200", "8200.1")
@pytest.mark.parametrize("first", [0x45, 0x50, 0x70, 0x00, 0xF0])
def test_another_version_is_refused(first: int) -> None:
    with pytest.raises(Malformed, match="Ipv6BadVersion"):
        ipv6.parse(bytes((first,)) + ipv6.emit(PLAIN, 0)[1:], 0, 40)


@pytest.mark.rfc("8200", "8200.1")
def test_a_payload_longer_than_the_packet_is_refused() -> None:
    with pytest.raises(Malformed, match="Ipv6BadLength"):
        ipv6.parse(ipv6.emit(PLAIN, 9), 0, 48)


@pytest.mark.parametrize(("present", "available"), [(39, 40), (40, 39), (0, 0)])
def test_a_header_that_is_not_all_there_is_refused(present: int, available: int) -> None:
    with pytest.raises(Malformed, match="Ipv6Truncated"):
        ipv6.parse(ipv6.emit(PLAIN, 0)[:present], 0, available)


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda rest: b"\x60" + rest), st.integers(0, 20), OCTET)
def test_any_octets_are_a_header_or_malformed(octets: bytes, offset: int, available: int) -> None:
    try:
        header = ipv6.parse(octets, offset, available)
    except Malformed as malformed:
        assert malformed.reason.startswith("Ipv6")
    else:
        assert ipv6.emit(header, header.payload_octets) == octets[offset : offset + 40]


@given(ADDRESSES)
def test_the_solicited_node_group_is_the_one_scapy_computes(address: bytes) -> None:
    from scapy.utils6 import in6_getnsma

    assert ipv6.solicited_node(address) == in6_getnsma(address)


def test_a_group_has_the_ethernet_address_of_rfc_2464() -> None:
    group = ipv6.solicited_node(parse_address("2001:db8::a1:b2c3"))
    assert group == parse_address("ff02::1:ffa1:b2c3")
    assert ipv6.multicast_mac(group) == bytes.fromhex("3333ffa1b2c3")
    assert ipv6.multicast_mac(ipv6.ALL_NODES) == bytes.fromhex("333300000001")
