from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.base.errors import Malformed
from halfopen.wire import icmpv4, ipv4
from halfopen.wire.checksum import checksum
from halfopen.wire.icmpv4 import Icmp, Quoted
from halfopen.wire.ipv4 import Ipv4

MESSAGES = st.builds(
    Icmp, st.integers(0, 255), st.integers(0, 255), st.integers(0, 0xFFFFFFFF), st.binary(max_size=100)
)
SOURCE = parse_address("192.0.2.1")
DESTINATION = parse_address("198.51.100.2")
DATAGRAM = ipv4.emit(Ipv4(SOURCE, DESTINATION, ipv4.PROTOCOL_UDP), 100) + b"\x10\x92\x00\x35\x00\x64\xab\xcd"


@given(MESSAGES)
def test_what_was_emitted_is_parsed(message: Icmp) -> None:
    assert icmpv4.parse(icmpv4.emit(message)) == message


@given(MESSAGES)
def test_scapy_computes_the_same_checksum(message: Icmp) -> None:
    from scapy.utils import checksum as judge

    octets = icmpv4.emit(message)
    assert int.from_bytes(octets[2:4], "big") == judge(octets[:2] + bytes(2) + octets[4:])


def test_an_echo_request_is_parsed_and_emitted_as_scapy_has_it() -> None:
    from scapy.layers.inet import ICMP

    octets = bytes(ICMP(type=8, id=0x1234, seq=7) / b"ping")
    assert icmpv4.parse(octets) == Icmp(icmpv4.ECHO_REQUEST, 0, 0x12340007, b"ping")
    assert icmpv4.emit(Icmp(icmpv4.ECHO_REQUEST, 0, 0x12340007, b"ping")) == octets


@given(MESSAGES, st.data())
def test_a_change_of_any_bit_is_noticed(message: Icmp, data: st.DataObject) -> None:
    octets = bytearray(icmpv4.emit(message))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Malformed, match="IcmpBadChecksum"):
        icmpv4.parse(bytes(octets))


@pytest.mark.parametrize("octets", range(8))
def test_less_than_a_header_is_refused(octets: int) -> None:
    with pytest.raises(Malformed, match="IcmpTruncated"):
        icmpv4.parse(bytes(octets))


@given(st.binary(max_size=64))
def test_any_octets_are_a_message_or_malformed(octets: bytes) -> None:
    try:
        message = icmpv4.parse(octets)
    except Malformed as malformed:
        assert malformed.reason in ("IcmpTruncated", "IcmpBadChecksum")
    else:
        assert checksum(octets) == 0
        assert message.payload == octets[8:]


def test_a_quoted_datagram_is_parsed() -> None:
    assert icmpv4.parse_quoted(DATAGRAM) == Quoted(SOURCE, DESTINATION, 17, DATAGRAM[20:], 20, 120)


def test_a_quoted_datagram_may_have_options_and_a_changed_ttl() -> None:
    header = ipv4.emit(Ipv4(SOURCE, DESTINATION, ipv4.PROTOCOL_TCP, options=b"\x94\x04\0\0"), 20)
    octets = bytearray(header + bytes(range(20)))
    octets[8] -= 1
    assert icmpv4.parse_quoted(bytes(octets)) == Quoted(SOURCE, DESTINATION, 6, bytes(range(20)), 24, 44)


def test_an_error_of_scapy_quotes_what_it_is_about() -> None:
    from scapy.layers.inet import ICMP, UDP, IPerror, UDPerror

    error = ICMP(type=3, code=4, nexthopmtu=1400) / IPerror(src="192.0.2.1", dst="198.51.100.2") / UDPerror(sport=9)
    message = icmpv4.parse(bytes(error))
    quoted = icmpv4.parse_quoted(message.payload)
    assert (message.type, message.code) == (icmpv4.DESTINATION_UNREACHABLE, icmpv4.FRAGMENTATION_NEEDED)
    assert message.rest & 0xFFFF == 1400
    assert (quoted.source, quoted.destination, quoted.protocol) == (SOURCE, DESTINATION, 17)
    assert quoted.transport == bytes(UDP(bytes(error[UDPerror])))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        DATAGRAM[:19],
        DATAGRAM[:27],
        b"\x65" + DATAGRAM[1:],
        b"\x44" + DATAGRAM[1:],
        b"\x46" + DATAGRAM[1:],
        DATAGRAM[:6] + b"\x00\x01" + DATAGRAM[8:],
    ],
    ids=["nothing", "short header", "7 octets of transport", "version 6", "IHL 4", "long header", "second fragment"],
)
def test_a_quote_that_names_no_transport_is_refused(octets: bytes) -> None:
    with pytest.raises(Malformed, match="IcmpBadQuote"):
        icmpv4.parse_quoted(octets)


def test_the_first_fragment_may_be_quoted() -> None:
    header = ipv4.emit(replace(Ipv4(SOURCE, DESTINATION, 17), dont_fragment=False, more_fragments=True), 8)
    assert icmpv4.parse_quoted(header + bytes(8)).transport == bytes(8)


@given(st.binary(max_size=100) | st.binary(max_size=90).map(lambda rest: DATAGRAM[:1] + rest))
def test_any_octets_are_a_quote_or_malformed(octets: bytes) -> None:
    try:
        quoted = icmpv4.parse_quoted(octets)
    except Malformed as malformed:
        assert malformed.reason == "IcmpBadQuote"
    else:
        assert len(quoted.transport) >= 8


def test_a_real_datagram_quoted_by_scapy_keeps_its_length() -> None:
    from scapy.layers.inet import IP, UDP

    datagram = bytes(IP(src="192.0.2.1", dst="198.51.100.2") / UDP(sport=1, dport=2) / bytes(1000))
    quoted = icmpv4.parse_quoted(datagram[:28])
    assert quoted.total_octets == 1028
    assert icmpv4.DESTINATION_UNREACHABLE in icmpv4.ERROR_TYPES
    assert icmpv4.ECHO_REQUEST not in icmpv4.ERROR_TYPES
