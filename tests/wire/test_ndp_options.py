from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import Prefix, format_address, format_mac, parse_address
from halfopen.base.errors import Malformed
from halfopen.wire.ndp_options import (
    NO_OPTIONS,
    Options,
    PrefixInformation,
    RecursiveDnsServer,
    RouteInformation,
    emit_options,
    parse_options,
)

WORD = st.integers(0, 0xFFFFFFFF)
MACS = st.just(b"") | st.binary(min_size=6, max_size=6)
ADDRESSES = st.binary(min_size=16, max_size=16)
PREFIXES = st.builds(Prefix.of, ADDRESSES, st.integers(0, 128))
OPTIONS = st.builds(
    Options,
    source_mac=MACS,
    target_mac=MACS,
    mtu=st.none() | WORD,
    prefixes=st.lists(st.builds(PrefixInformation, PREFIXES, WORD, WORD, st.booleans(), st.booleans())).map(tuple),
    redirected=st.integers(0, 9).flatmap(lambda words: st.binary(min_size=8 * words, max_size=8 * words)),
    nonce=st.just(b"") | st.binary(min_size=6, max_size=6),
    routes=st.lists(st.builds(RouteInformation, PREFIXES, WORD, st.integers(-1, 1))).map(tuple),
    dns_servers=st.lists(
        st.builds(RecursiveDnsServer, WORD, st.lists(ADDRESSES, min_size=1, max_size=3).map(tuple))
    ).map(tuple),
)
PREFIX = Prefix.parse("2001:db8::/64")


@given(OPTIONS)
def test_what_was_emitted_is_parsed(options: Options) -> None:
    octets = emit_options(options)
    assert len(octets) % 8 == 0
    assert parse_options(octets) == options


def test_scapy_reads_what_was_emitted() -> None:
    from scapy.layers.inet6 import ICMPv6ND_RA

    mac = bytes.fromhex("02005e100001")
    server = parse_address("2001:db8::53")
    options = Options(
        source_mac=mac,
        mtu=1400,
        prefixes=(PrefixInformation(PREFIX, 7200, 3600, True, False),),
        routes=(RouteInformation(Prefix.parse("2001:db8:1::/48"), 99, 1),),
        dns_servers=(RecursiveDnsServer(60, (server,)),),
    )
    judge = ICMPv6ND_RA(bytes(16) + emit_options(options))
    link, prefix, mtu, route, servers = (judge[index] for index in range(1, 6))
    assert (link.type, link.lladdr) == (1, format_mac(mac))
    assert (prefix.prefix, prefix.prefixlen, prefix.L, prefix.A) == ("2001:db8::", 64, 1, 0)
    assert (prefix.validlifetime, prefix.preferredlifetime) == (7200, 3600)
    assert (mtu.type, mtu.mtu) == (5, 1400)
    assert (route.plen, route.rtlifetime, route.prf, route.prefix) == (48, 99, 1, "2001:db8:1::")
    assert (servers.lifetime, servers.dns) == (60, [format_address(server)])


def test_what_scapy_has_built_is_parsed() -> None:
    from scapy.layers.inet6 import (
        ICMPv6NDOptDstLLAddr,
        ICMPv6NDOptMTU,
        ICMPv6NDOptPrefixInfo,
        ICMPv6NDOptSrcLLAddr,
    )

    octets = bytes(
        ICMPv6NDOptSrcLLAddr(lladdr="02:00:5e:10:00:01")
        / ICMPv6NDOptDstLLAddr(lladdr="02:00:5e:10:00:02")
        / ICMPv6NDOptMTU(mtu=1280)
        / ICMPv6NDOptPrefixInfo(prefix="2001:db8::", prefixlen=64, validlifetime=10, preferredlifetime=5, L=0, A=1)
    )
    assert parse_options(octets) == Options(
        source_mac=bytes.fromhex("02005e100001"),
        target_mac=bytes.fromhex("02005e100002"),
        mtu=1280,
        prefixes=(PrefixInformation(PREFIX, 10, 5, False, True),),
    )


@pytest.mark.rfc("4861", "4861.1")
@pytest.mark.parametrize(
    "octets",
    ["01", "0100000000000000", "0102000000000000", "2a00", "2a0000000000000000"],
    ids=["no length", "length zero", "too long", "unknown of length zero", "unknown of length zero with more"],
)
def test_an_option_of_no_length_or_beyond_the_message_is_refused(octets: str) -> None:
    with pytest.raises(Malformed, match="NdpBadOptions"):
        parse_options(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "octets",
    [
        bytes((1, 2)) + bytes(14),
        bytes((2, 2)) + bytes(14),
        bytes((3, 3)) + bytes(22),
        bytes((3, 4, 129)) + bytes(29),
        bytes((5, 2)) + bytes(14),
        bytes((24, 4)) + bytes(30),
        bytes((24, 2, 65)) + bytes(13),
        bytes((24, 3, 129)) + bytes(21),
        bytes((25, 1)) + bytes(6),
        bytes((25, 4)) + bytes(30),
    ],
)
def test_known_options_have_the_lengths_that_their_kind_has(octets: bytes) -> None:
    with pytest.raises(Malformed, match="NdpBadOptions"):
        parse_options(octets)


def test_unknown_options_are_skipped_and_of_repeated_ones_the_last_counts() -> None:
    octets = bytes((200, 2)) + bytes(14) + emit_options(Options(mtu=1300)) + emit_options(Options(mtu=1400))
    assert parse_options(octets) == Options(mtu=1400)
    assert parse_options(b"") is NO_OPTIONS


def test_bits_behind_a_prefix_are_ignored() -> None:
    octets = bytearray(emit_options(Options(prefixes=(PrefixInformation(PREFIX),))))
    octets[-1] = 7
    assert parse_options(bytes(octets)).prefixes[0].prefix == PREFIX


def test_a_route_with_the_reserved_preference_is_ignored() -> None:
    octets = bytearray(emit_options(Options(routes=(RouteInformation(PREFIX, 9),))))
    octets[3] = 2 << 3
    assert parse_options(bytes(octets)) == NO_OPTIONS


def test_a_redirected_packet_is_cut_to_whole_words() -> None:
    options = Options(redirected=bytes(21))
    assert parse_options(emit_options(options)) == replace(options, redirected=bytes(16))


@given(
    st.binary(max_size=100)
    | st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 4, 5, 14, 24, 25, 99]), st.integers(0, 4), st.binary(max_size=40)),
        max_size=4,
    ).map(lambda parts: b"".join(bytes((kind, words)) + value for kind, words, value in parts))
)
def test_any_octets_are_options_or_malformed(octets: bytes) -> None:
    try:
        options = parse_options(octets)
    except Malformed as malformed:
        assert malformed.reason == "NdpBadOptions"
    else:
        assert parse_options(emit_options(options)) == options
