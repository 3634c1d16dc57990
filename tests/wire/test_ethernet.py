import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.errors import Malformed
from halfopen.wire import ethernet

MACS = st.binary(min_size=6, max_size=6)
ETHERTYPES = st.integers(0, 0xFFFF).filter(lambda ethertype: ethertype not in (0x8100, 0x88A8))


@given(MACS, MACS, ETHERTYPES, st.binary())
def test_what_was_emitted_is_parsed(destination: bytes, source: bytes, ethertype: int, payload: bytes) -> None:
    header = ethernet.emit(destination, source, ethertype)
    assert len(header) == ethernet.HEADER_OCTETS
    assert ethernet.parse(header + payload) == (destination, source, ethertype)


def test_the_destination_comes_first() -> None:
    assert (
        ethernet.emit(b"\xff" * 6, b"\x02\0\0\0\0\x01", ethernet.ETHERTYPE_ARP).hex() == "ffffffffffff0200000000010806"
    )


@pytest.mark.parametrize("ethertype", [ethernet.ETHERTYPE_VLAN, ethernet.ETHERTYPE_SERVICE_VLAN])
def test_a_tagged_frame_is_refused(ethertype: int) -> None:
    with pytest.raises(Malformed, match="EthernetVlanTagged"):
        ethernet.parse(ethernet.emit(bytes(6), bytes(6), ethertype) + bytes(46))


@pytest.mark.parametrize("octets", range(14))
def test_less_than_a_header_is_refused(octets: int) -> None:
    with pytest.raises(Malformed, match="EthernetTruncated"):
        ethernet.parse(bytes(octets))
