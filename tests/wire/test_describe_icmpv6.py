import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import Prefix, parse_address
from halfopen.base.errors import Malformed
from halfopen.wire import icmpv6, ipv6, ndp
from halfopen.wire.describe_icmpv6 import describe_icmpv6
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv6 import Ipv6
from halfopen.wire.ndp import (
    NeighborAdvertisement,
    NeighborSolicitation,
    Redirect,
    RouterAdvertisement,
    RouterSolicitation,
)
from halfopen.wire.ndp_options import Options, PrefixInformation

US = parse_address("2001:db8::1")
THEM = parse_address("2001:db8::2")
QUOTE = ipv6.emit(Ipv6(US, THEM, 17), 8) + bytes.fromhex("1092003500080000")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Icmp(128, 0, 0x00010002, b""), "echo request, id 1, seq 2"),
        (Icmp(129, 0, 0x00010002, b""), "echo reply, id 1, seq 2"),
        (Icmp(1, 0, 0, QUOTE), "destination unreachable, unreachable route 2001:db8::2"),
        (Icmp(1, 1, 0, QUOTE), "destination unreachable, unreachable prohibited 2001:db8::2"),
        (Icmp(1, 3, 0, QUOTE), "destination unreachable, unreachable address 2001:db8::2"),
        (Icmp(1, 4, 0, QUOTE), "destination unreachable, unreachable port, 2001:db8::2 port 53"),
        (Icmp(1, 9, 0, QUOTE), "destination unreachable, code 9, 2001:db8::2"),
        (Icmp(2, 0, 1400, QUOTE), "packet too big, mtu 1400"),
        (Icmp(3, 0, 0, QUOTE), "time exceeded in-transit"),
        (Icmp(3, 1, 0, QUOTE), "ip reassembly time exceeded"),
        (Icmp(4, 1, 40, QUOTE), "parameter problem, next header - octet 40"),
        (Icmp(4, 9, 6, QUOTE), "parameter problem, code 9 - octet 6"),
        (Icmp(143, 0, 0, b""), "multicast listener report v2"),
        (Icmp(200, 7, 0, b""), "type-200, code 7"),
        (ndp.emit(RouterSolicitation()), "router solicitation"),
        (
            ndp.emit(
                RouterAdvertisement(1800, options=Options(prefixes=(PrefixInformation(Prefix.parse("2001:db8::/64")),)))
            ),
            "router advertisement, lifetime 1800s, prefix 2001:db8::/64",
        ),
        (ndp.emit(NeighborSolicitation(US)), "neighbor solicitation, who has 2001:db8::1"),
        (ndp.emit(NeighborAdvertisement(US)), "neighbor advertisement, tgt is 2001:db8::1, Flags [none]"),
        (
            ndp.emit(NeighborAdvertisement(US, True, True, True)),
            "neighbor advertisement, tgt is 2001:db8::1, Flags [router,solicited,override]",
        ),
        (ndp.emit(Redirect(US, THEM)), "redirect, 2001:db8::2 to 2001:db8::1"),
    ],
)
def test_a_message_says_what_it_is_about(message: Icmp, words: str) -> None:
    assert describe_icmpv6(message) == words


@given(
    st.sampled_from([0, 1, 2, 3, 4, 128, 130, 133, 134, 135, 136, 137, 143]),
    st.integers(0, 8),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: QUOTE[:1] + rest),
)
def test_any_message_has_words_or_is_malformed(type: int, code: int, rest: int, payload: bytes) -> None:
    try:
        words = describe_icmpv6(Icmp(type, code, rest, payload))
    except Malformed as malformed:
        assert malformed.reason.startswith(("Ndp", "Icmp6"))
    else:
        assert words
        assert "\n" not in words
        assert icmpv6.is_error(type) or type >= icmpv6.ECHO_REQUEST
