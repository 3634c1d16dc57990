import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import format_address, parse_address
from halfopen.base.errors import Malformed
from halfopen.wire import icmpv6, ipv6, ipv6_headers
from halfopen.wire.icmpv4 import Icmp, Quoted
from halfopen.wire.ipv6 import Ipv6
from halfopen.wire.ipv6_headers import Fragment

SOURCE = parse_address("2001:db8::1")
DESTINATION = parse_address("2001:db8::2")
ADDRESSES = st.binary(min_size=16, max_size=16)
MESSAGES = st.builds(
    Icmp, st.integers(0, 255), st.integers(0, 255), st.integers(0, 0xFFFFFFFF), st.binary(max_size=100)
)
TRANSPORT = b"\x10\x92\x00\x35\x00\x64\xab\xcd"
DATAGRAM = ipv6.emit(Ipv6(SOURCE, DESTINATION, 17), 100) + TRANSPORT


@given(MESSAGES, ADDRESSES, ADDRESSES)
def test_what_was_emitted_is_parsed(message: Icmp, source: bytes, destination: bytes) -> None:
    assert icmpv6.parse(icmpv6.emit(message, source, destination), source, destination) == message


@given(MESSAGES, ADDRESSES, ADDRESSES)
def test_scapy_computes_the_same_checksum(message: Icmp, source: bytes, destination: bytes) -> None:
    from scapy.layers.inet6 import IPv6, in6_chksum

    octets = icmpv6.emit(message, source, destination)
    header = IPv6(src=format_address(source), dst=format_address(destination))
    judge = in6_chksum(58, header, octets[:2] + bytes(2) + octets[4:])
    assert int.from_bytes(octets[2:4], "big") % 0xFFFF == judge % 0xFFFF


def test_an_echo_request_is_parsed_and_emitted_as_scapy_has_it() -> None:
    from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

    octets = bytes(IPv6(src="2001:db8::1", dst="2001:db8::2") / ICMPv6EchoRequest(id=0x1234, seq=7, data=b"ping"))
    expected = Icmp(icmpv6.ECHO_REQUEST, 0, 0x12340007, b"ping")
    assert icmpv6.parse(octets[40:], SOURCE, DESTINATION) == expected
    assert icmpv6.emit(expected, SOURCE, DESTINATION) == octets[40:]


@given(MESSAGES, st.data())
def test_a_change_of_any_bit_is_noticed(message: Icmp, data: st.DataObject) -> None:
    octets = bytearray(icmpv6.emit(message, SOURCE, DESTINATION))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Malformed, match="Icmp6BadChecksum"):
        icmpv6.parse(bytes(octets), SOURCE, DESTINATION)


def test_a_message_for_another_address_is_refused() -> None:
    octets = icmpv6.emit(Icmp(icmpv6.ECHO_REQUEST, 0, 1, b""), SOURCE, DESTINATION)
    with pytest.raises(Malformed, match="Icmp6BadChecksum"):
        icmpv6.parse(octets, SOURCE, parse_address("2001:db8::3"))


@pytest.mark.parametrize("octets", range(8))
def test_less_than_a_header_is_refused(octets: int) -> None:
    with pytest.raises(Malformed, match="Icmp6Truncated"):
        icmpv6.parse(bytes(octets), SOURCE, DESTINATION)


@given(st.binary(max_size=64))
def test_any_octets_are_a_message_or_malformed(octets: bytes) -> None:
    try:
        message = icmpv6.parse(octets, SOURCE, DESTINATION)
    except Malformed as malformed:
        assert malformed.reason in ("Icmp6Truncated", "Icmp6BadChecksum")
    else:
        assert message.payload == octets[8:]


def test_errors_are_the_lower_half_of_the_types_and_redirects_are_treated_like_them() -> None:
    errors = [type for type in range(256) if icmpv6.is_error(type)]
    assert errors == [*range(128), icmpv6.REDIRECT]


def test_a_quoted_packet_is_parsed() -> None:
    assert icmpv6.parse_quoted(DATAGRAM) == Quoted(SOURCE, DESTINATION, 17, TRANSPORT, 40, 140)


def test_the_padding_behind_a_quoted_packet_is_no_part_of_it() -> None:
    octets = ipv6.emit(Ipv6(SOURCE, DESTINATION, 17), 8) + TRANSPORT
    assert icmpv6.parse_quoted(octets + bytes(6)).transport == TRANSPORT


def test_extension_headers_of_a_quoted_packet_are_stepped_over() -> None:
    fragment = ipv6_headers.emit_fragment(Fragment(17, 0, True, 1))
    options = ipv6_headers.emit_options(ipv6.FRAGMENT, [(0xFE, b"??")])
    octets = ipv6.emit(Ipv6(SOURCE, DESTINATION, ipv6.DESTINATION_OPTIONS), 1000) + options + fragment + TRANSPORT
    assert icmpv6.parse_quoted(octets) == Quoted(SOURCE, DESTINATION, 17, TRANSPORT, 56, 1040)


def test_an_error_of_scapy_quotes_what_it_is_about() -> None:
    from scapy.layers.inet import UDP
    from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6

    inner = IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=9, dport=2) / bytes(1000)
    outer = IPv6(src="2001:db8::9", dst="2001:db8::1") / ICMPv6PacketTooBig(mtu=1400) / bytes(inner)[:100]
    message = icmpv6.parse(bytes(outer)[40:], parse_address("2001:db8::9"), SOURCE)
    quoted = icmpv6.parse_quoted(message.payload)
    assert (message.type, message.code, message.rest) == (icmpv6.PACKET_TOO_BIG, 0, 1400)
    assert (quoted.source, quoted.destination, quoted.protocol, quoted.total_octets) == (SOURCE, DESTINATION, 17, 1048)
    assert quoted.transport[:4] == b"\0\x09\0\x02"


def test_a_quote_leaves_room_for_the_headers_in_the_least_mtu() -> None:
    assert icmpv6.LARGEST_QUOTE == 1232


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        DATAGRAM[:39],
        DATAGRAM[:47],
        b"\x45" + DATAGRAM[1:],
        ipv6.emit(Ipv6(SOURCE, DESTINATION, ipv6.ROUTING), 100) + bytes((17, 3)) + bytes(14),
        ipv6.emit(Ipv6(SOURCE, DESTINATION, ipv6.FRAGMENT), 100)
        + ipv6_headers.emit_fragment(Fragment(17, 8, False, 1))
        + bytes(8),
    ],
    ids=["nothing", "short header", "7 octets of transport", "version 4", "half a routing header", "second fragment"],
)
def test_a_quote_that_names_no_transport_is_refused(octets: bytes) -> None:
    with pytest.raises(Malformed, match="Icmp6BadQuote"):
        icmpv6.parse_quoted(octets)


@given(
    st.binary(max_size=100)
    | st.tuples(st.sampled_from([0, 43, 44, 60, 17]), st.binary(min_size=33, max_size=90)).map(
        lambda parts: DATAGRAM[:6] + bytes((parts[0],)) + parts[1]
    )
)
def test_any_octets_are_a_quote_or_malformed(octets: bytes) -> None:
    try:
        quoted = icmpv6.parse_quoted(octets)
    except Malformed as malformed:
        assert malformed.reason == "Icmp6BadQuote"
    else:
        assert len(quoted.transport) >= 8
