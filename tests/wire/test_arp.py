import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address, parse_mac
from halfopen.base.errors import Malformed
from halfopen.wire import arp
from halfopen.wire.arp import Arp

MACS = st.binary(min_size=6, max_size=6)
ADDRESSES = st.binary(min_size=4, max_size=4)
PACKETS = st.builds(Arp, st.integers(0, 0xFFFF), MACS, ADDRESSES, MACS, ADDRESSES)

REQUEST = Arp(
    arp.REQUEST, parse_mac("02:00:5e:10:00:01"), parse_address("192.0.2.1"), bytes(6), parse_address("192.0.2.2")
)
REQUEST_OCTETS = bytes.fromhex("0001080006040001 02005e100001c0000201 000000000000c0000202")


def test_a_request_has_the_layout_of_rfc_826() -> None:
    assert arp.emit(REQUEST) == REQUEST_OCTETS
    assert len(REQUEST_OCTETS) == arp.OCTETS


@given(PACKETS, st.binary(max_size=20), st.binary(max_size=20))
def test_what_was_emitted_is_parsed_between_other_octets(packet: Arp, before: bytes, padding: bytes) -> None:
    assert arp.parse(before + arp.emit(packet) + padding, len(before)) == packet


@pytest.mark.rfc("826", "826.1")
@pytest.mark.parametrize("field", [slice(0, 2), slice(2, 4), slice(4, 5), slice(5, 6)])
def test_other_hardware_and_protocols_and_lengths_are_refused(field: slice) -> None:
    octets = bytearray(REQUEST_OCTETS)
    octets[field] = (int.from_bytes(octets[field], "big") + 1).to_bytes(len(octets[field]), "big")
    with pytest.raises(Malformed, match="ArpBadFormat"):
        arp.parse(bytes(octets), 0)


@given(st.binary(max_size=27), st.integers(0, 30))
def test_less_than_a_packet_is_refused(octets: bytes, offset: int) -> None:
    with pytest.raises(Malformed, match="ArpTruncated"):
        arp.parse(octets, offset)


@given(st.binary(min_size=28, max_size=64) | st.binary(max_size=30).map(lambda rest: REQUEST_OCTETS[:7] + rest))
def test_any_octets_are_a_packet_or_malformed(octets: bytes) -> None:
    try:
        packet = arp.parse(octets, 0)
    except Malformed as malformed:
        assert malformed.reason in ("ArpTruncated", "ArpBadFormat")
    else:
        assert arp.emit(packet) == octets[:28]
