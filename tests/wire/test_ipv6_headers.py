import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.base.errors import Malformed
from halfopen.wire import ipv6, ipv6_headers
from halfopen.wire.ipv6 import DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP_OPTIONS, ROUTING, Ipv6
from halfopen.wire.ipv6_headers import Chain, Fragment, ParameterProblem

SOURCE = parse_address("2001:db8::1")
DESTINATION = parse_address("2001:db8::2")
TCP = 6
UDP = 17
UDP_HEADER = bytes(8)
TYPE_2_ROUTING = bytes((UDP, 2, 2, 0)) + bytes(20)
LINK = 14


def packet(*parts: bytes, first: int) -> bytes:
    payload = b"".join(parts)
    return bytes(LINK) + ipv6.emit(Ipv6(SOURCE, DESTINATION, first), len(payload)) + payload


def parse(octets: bytes) -> Chain:
    return ipv6_headers.parse(octets, LINK, ipv6.parse(octets, LINK, len(octets) - LINK))


def refusal(octets: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        parse(octets)
    return caught.value


def complaint(octets: bytes) -> tuple[str, int, int]:
    problem = refusal(octets)
    assert isinstance(problem, ParameterProblem)
    return problem.reason, problem.code, problem.pointer


def options(next_header: int, *pairs: tuple[int, bytes]) -> bytes:
    return ipv6_headers.emit_options(next_header, pairs)


def fragment(next_header: int, offset: int = 0, more: bool = False) -> bytes:
    return ipv6_headers.emit_fragment(Fragment(next_header, offset, more, 0x12345678))


def test_without_extension_headers_the_transport_follows_at_once() -> None:
    assert parse(packet(UDP_HEADER, first=UDP)) == Chain(UDP, LINK + 40, LINK + 6)


@pytest.mark.rfc("8200", "8200.2")
def test_extension_headers_are_taken_in_any_order() -> None:
    octets = packet(
        options(DESTINATION_OPTIONS, (ipv6_headers.OPTION_ROUTER_ALERT, b"\0\0")),
        options(ROUTING),
        bytes((DESTINATION_OPTIONS, 0, 0, 0)) + bytes(4),
        options(FRAGMENT),
        fragment(UDP),
        UDP_HEADER,
        first=HOP_BY_HOP_OPTIONS,
    )
    assert parse(octets) == Chain(UDP, LINK + 80, LINK + 72, None, 0)


def test_an_unknown_next_header_ends_the_chain_and_says_where_it_is_named() -> None:
    assert parse(packet(options(253), bytes(3), first=DESTINATION_OPTIONS)) == Chain(253, LINK + 48, LINK + 40)


@pytest.mark.rfc("8200", "8200.2")
def test_hop_by_hop_options_stand_only_behind_the_ipv6_header() -> None:
    octets = packet(options(HOP_BY_HOP_OPTIONS), options(UDP), UDP_HEADER, first=DESTINATION_OPTIONS)
    assert complaint(octets) == ("Ipv6BadHopByHop", ipv6_headers.UNRECOGNIZED_NEXT_HEADER, 40)


@pytest.mark.rfc("8200", "8200.2")
def test_unknown_options_are_treated_as_their_type_says() -> None:
    def with_option(kind: int) -> bytes:
        return packet(options(UDP, (0x1E, b"skip"), (kind, b"\1\2")), UDP_HEADER, first=DESTINATION_OPTIONS)

    assert parse(with_option(0x3E)).protocol == UDP
    silent = refusal(with_option(0x7E))
    assert (silent.reason, isinstance(silent, ParameterProblem)) == ("Ipv6OptionDiscards", False)
    for kind, even_multicast in ((0xBE, True), (0xFE, False)):
        problem = refusal(with_option(kind))
        assert isinstance(problem, ParameterProblem)
        assert (problem.code, problem.pointer) == (ipv6_headers.UNRECOGNIZED_OPTION, 48)
        assert problem.even_multicast is even_multicast


@pytest.mark.parametrize(
    "body",
    [b"\x1e\x05\0\0\0\0", b"\0\0\0\0\0\x1e", b"\x01\x05\0\0\0\0"],
    ids=["beyond the header", "without a length", "padding beyond the header"],
)
def test_options_of_illegal_length_are_refused(body: bytes) -> None:
    octets = packet(bytes((UDP, 0)) + body, UDP_HEADER, first=DESTINATION_OPTIONS)
    assert refusal(octets).reason == "Ipv6BadOptions"


def test_many_options_and_much_padding_are_refused() -> None:
    def verdict(*pairs: tuple[int, bytes]) -> str:
        octets = packet(options(UDP, *pairs), UDP_HEADER, first=DESTINATION_OPTIONS)
        try:
            return str(parse(octets).protocol)
        except Malformed as malformed:
            return malformed.reason

    assert verdict(*[(0x1E, b"")] * 8) == "17"
    assert verdict(*[(0x1E, b"")] * 9) == "Ipv6TooManyOptions"
    assert verdict((ipv6_headers.OPTION_PADN, bytes(5)), (0x1E, bytes(5))) == "17"
    assert verdict((ipv6_headers.OPTION_PADN, bytes(6))) == "Ipv6TooManyOptions"


def test_a_router_alert_among_destination_options_or_of_another_length_is_none() -> None:
    alert = (ipv6_headers.OPTION_ROUTER_ALERT, b"\0\1")
    assert parse(packet(options(UDP, alert), UDP_HEADER, first=HOP_BY_HOP_OPTIONS)).router_alert == 1
    assert parse(packet(options(UDP, alert), UDP_HEADER, first=DESTINATION_OPTIONS)).router_alert is None
    short = (ipv6_headers.OPTION_ROUTER_ALERT, b"\1")
    assert parse(packet(options(UDP, short), UDP_HEADER, first=HOP_BY_HOP_OPTIONS)).router_alert is None


@pytest.mark.rfc("8200", "8200.3")
@pytest.mark.parametrize("kind", [0, 2, 99])
def test_a_routing_header_with_segments_left_is_refused_and_one_without_is_ignored(kind: int) -> None:
    arrived = bytes((UDP, 0, kind, 0)) + bytes(4)
    assert parse(packet(arrived, UDP_HEADER, first=ROUTING)).protocol == UDP
    travelling = bytes((UDP, 0, kind, 1)) + bytes(4)
    assert complaint(packet(travelling, UDP_HEADER, first=ROUTING)) == ("Ipv6BadRouting", 0, 42)


def test_a_header_that_does_not_end_within_the_packet_is_refused() -> None:
    assert refusal(packet(bytes(7), first=DESTINATION_OPTIONS)).reason == "Ipv6Truncated"
    assert refusal(packet(bytes((UDP, 1)) + bytes(6), first=DESTINATION_OPTIONS)).reason == "Ipv6Truncated"


def test_a_chain_without_end_is_refused() -> None:
    many = [options(DESTINATION_OPTIONS)] * (ipv6_headers.MAXIMUM_HEADERS - 1) + [options(UDP)]
    assert parse(packet(*many, UDP_HEADER, first=DESTINATION_OPTIONS)).protocol == UDP
    too_many = [options(DESTINATION_OPTIONS), *many]
    assert refusal(packet(*too_many, UDP_HEADER, first=DESTINATION_OPTIONS)).reason == "Ipv6TooManyHeaders"
    with pytest.raises(Malformed, match="Ipv6TooManyHeaders"):
        ipv6_headers.skip(b"".join(too_many), 0, 8 * len(too_many), DESTINATION_OPTIONS)


@pytest.mark.rfc("8200", "8200.4")
def test_an_atomic_fragment_is_stepped_over() -> None:
    assert parse(packet(fragment(UDP), UDP_HEADER, first=FRAGMENT)) == Chain(UDP, LINK + 48, LINK + 40)


def test_a_fragment_ends_the_chain() -> None:
    first = parse(packet(options(FRAGMENT), fragment(UDP, more=True), UDP_HEADER, first=DESTINATION_OPTIONS))
    expected = Fragment(UDP, 0, True, 0x12345678, LINK + 48, LINK + 40)
    assert first == Chain(FRAGMENT, LINK + 48, LINK + 40, expected)
    last = parse(packet(fragment(UDP, offset=8), b"x", first=FRAGMENT))
    assert last.fragment == Fragment(UDP, 8, False, 0x12345678, LINK + 40, LINK + 6)


@pytest.mark.rfc("8200", "8200.4")
def test_fragments_of_impossible_length_are_refused_where_the_length_or_the_offset_stands() -> None:
    assert complaint(packet(fragment(UDP, more=True), bytes(9), first=FRAGMENT)) == ("Ipv6FragmentBadLength", 0, 4)
    long = packet(options(FRAGMENT), fragment(UDP, offset=0xFFF8), bytes(8), first=DESTINATION_OPTIONS)
    assert complaint(long) == ("Ipv6FragmentTooLong", 0, 50)
    assert parse(packet(fragment(UDP, offset=0xFFF0), bytes(15), first=FRAGMENT)).fragment is not None
    assert complaint(packet(fragment(UDP, offset=0xFFF8), bytes(8), first=FRAGMENT))[0] == "Ipv6FragmentTooLong"


@pytest.mark.rfc("8200", "8200.4")
@pytest.mark.parametrize(
    ("next_header", "payload"),
    [(TCP, bytes(16)), (UDP, b""), (DESTINATION_OPTIONS, bytes((UDP, 1)) + bytes(6)), (ipv6.PROTOCOL_ICMPV6, b"")],
    ids=["half a TCP header", "no UDP header", "half an extension header", "no ICMPv6 header"],
)
def test_a_first_fragment_has_all_headers(next_header: int, payload: bytes) -> None:
    octets = packet(fragment(next_header, more=True), payload, first=FRAGMENT)
    assert complaint(octets) == ("Ipv6ChainIncomplete", ipv6_headers.INCOMPLETE_CHAIN, 0)


def test_a_first_fragment_may_carry_extension_headers_and_protocols_that_nobody_knows() -> None:
    assert parse(packet(fragment(DESTINATION_OPTIONS, more=True), options(UDP), UDP_HEADER, first=FRAGMENT)).fragment
    assert parse(packet(fragment(253, more=True), bytes(8), first=FRAGMENT)).fragment


def test_skipping_finds_the_transport_whatever_the_options_say() -> None:
    octets = options(ROUTING, (0xFE, b"??")) + TYPE_2_ROUTING + UDP_HEADER
    assert ipv6_headers.skip(octets, 0, len(octets), DESTINATION_OPTIONS) == (UDP, 32)
    first = fragment(UDP, more=True) + UDP_HEADER
    assert ipv6_headers.skip(first, 0, 16, FRAGMENT) == (UDP, 8)
    assert ipv6_headers.skip(first, 0, 16, FRAGMENT, into_fragment=False) == (FRAGMENT, 0)
    atomic = fragment(UDP) + UDP_HEADER
    assert ipv6_headers.skip(atomic, 0, 16, FRAGMENT, into_fragment=False) == (UDP, 8)
    later = fragment(UDP, offset=8) + UDP_HEADER
    assert ipv6_headers.skip(later, 0, 16, FRAGMENT) == (FRAGMENT, 0)


def test_a_router_looks_at_hop_by_hop_options_only() -> None:
    def look(octets: bytes) -> int | None:
        return ipv6_headers.check_hop_by_hop(octets, LINK, ipv6.parse(octets, LINK, len(octets) - LINK))

    alert = options(UDP, (ipv6_headers.OPTION_ROUTER_ALERT, b"\0\0"))
    assert look(packet(alert, UDP_HEADER, first=HOP_BY_HOP_OPTIONS)) == 0
    assert look(packet(options(UDP, (0xFE, b"")), UDP_HEADER, first=DESTINATION_OPTIONS)) is None
    with pytest.raises(ParameterProblem, match="Ipv6UnknownOption"):
        look(packet(options(UDP, (0xFE, b"")), UDP_HEADER, first=HOP_BY_HOP_OPTIONS))
    with pytest.raises(Malformed, match="Ipv6Truncated"):
        look(packet(bytes(7), first=HOP_BY_HOP_OPTIONS))


@given(st.integers(0, 255), st.integers(0, 0x1FFF), st.booleans(), st.integers(0, 0xFFFFFFFF))
def test_scapy_reads_a_fragment_header(next_header: int, units: int, more: bool, identification: int) -> None:
    from scapy.layers.inet6 import IPv6ExtHdrFragment

    judge = IPv6ExtHdrFragment(ipv6_headers.emit_fragment(Fragment(next_header, 8 * units, more, identification)))
    assert (judge.nh, judge.offset, judge.m, judge.id) == (next_header, units, more, identification)


@given(st.lists(st.tuples(st.sampled_from((0x1E, 0x21, 0x3E)), st.binary(max_size=9)), max_size=8))
def test_scapy_reads_a_header_of_options_and_it_is_padded(pairs: list[tuple[int, bytes]]) -> None:
    from scapy.layers.inet6 import IPv6ExtHdrDestOpt, Pad1, PadN

    octets = ipv6_headers.emit_options(59, pairs)
    assert len(octets) % 8 == 0
    judge = IPv6ExtHdrDestOpt(octets, _parent=None)
    assert (judge.nh, 8 + 8 * judge.len) == (59, len(octets))
    kinds = [each.otype for each in judge.options if not isinstance(each, Pad1 | PadN)]
    assert kinds == [kind for kind, _ in pairs]
    assert parse(packet(octets, first=DESTINATION_OPTIONS)).protocol == 59


KINDS = st.sampled_from([HOP_BY_HOP_OPTIONS, ROUTING, FRAGMENT, DESTINATION_OPTIONS, UDP, TCP, 59, 253])
MESSES = st.lists(st.tuples(KINDS, st.integers(0, 3), st.binary(min_size=6, max_size=30)), max_size=10)


@given(KINDS, MESSES)
def test_any_octets_are_a_chain_or_malformed(first: int, mess: list[tuple[int, int, bytes]]) -> None:
    octets = packet(*(bytes((kind, length)) + body for kind, length, body in mess), first=first)
    try:
        chain = parse(octets)
    except Malformed as malformed:
        assert malformed.reason.startswith("Ipv6")
        assert not isinstance(malformed, ParameterProblem) or 0 <= malformed.pointer < len(octets) - LINK
    else:
        assert chain.offset <= len(octets)
        assert octets[chain.named_at] == chain.protocol
