import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import IPV6_ANY, Prefix, parse_address
from halfopen.base.errors import Malformed
from halfopen.wire import icmpv6, ipv6, ndp
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ndp import (
    NeighborAdvertisement,
    NeighborSolicitation,
    Redirect,
    RouterAdvertisement,
    RouterSolicitation,
)
from halfopen.wire.ndp_options import Options, PrefixInformation

US = parse_address("fe80::1")
THEM = parse_address("fe80::2")
GLOBAL = parse_address("2001:db8::1")
GROUP = parse_address("ff02::1")
MAC = bytes.fromhex("02005e100001")
LINK = Options(source_mac=MAC)

ADDRESSES = st.binary(min_size=16, max_size=16)
WORD = st.integers(0, 0xFFFFFFFF)
OPTIONS = st.sampled_from([Options(), LINK, Options(target_mac=MAC, mtu=1280, nonce=b"nonce!", redirected=bytes(8))])
MESSAGES = (
    st.builds(RouterSolicitation, OPTIONS)
    | st.builds(
        RouterAdvertisement,
        lifetime=st.integers(0, 0xFFFF),
        hop_limit=st.integers(0, 255),
        reachable_time=WORD,
        retransmit_time=WORD,
        preference=st.integers(-1, 1),
        managed=st.booleans(),
        other=st.booleans(),
        options=OPTIONS,
    )
    | st.builds(NeighborSolicitation, ADDRESSES, OPTIONS)
    | st.builds(NeighborAdvertisement, ADDRESSES, st.booleans(), st.booleans(), st.booleans(), OPTIONS)
    | st.builds(Redirect, ADDRESSES, ADDRESSES, OPTIONS)
)


@given(MESSAGES)
def test_what_was_emitted_is_parsed(message: ndp.Message) -> None:
    assert ndp.parse(ndp.emit(message)) == message


def test_scapy_reads_a_router_advertisement() -> None:
    from scapy.layers.inet6 import ICMPv6ND_RA

    options = Options(prefixes=(PrefixInformation(Prefix.parse("2001:db8::/64")),))
    message = RouterAdvertisement(1800, 64, 30000, 1000, ndp.PREFERENCE_LOW, True, False, options)
    judge = ICMPv6ND_RA(icmpv6.emit(ndp.emit(message), US, GROUP))
    assert (judge.type, judge.chlim, judge.M, judge.O, judge.prf) == (134, 64, 1, 0, 3)
    assert (judge.routerlifetime, judge.reachabletime, judge.retranstimer) == (1800, 30000, 1000)
    assert judge.payload.prefix == "2001:db8::"


def test_scapy_reads_the_messages_between_neighbors() -> None:
    from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_Redirect, ICMPv6ND_RS

    question = ICMPv6ND_NS(icmpv6.emit(ndp.emit(NeighborSolicitation(US, LINK)), THEM, US))
    assert (question.type, question.tgt, question.payload.lladdr) == (135, "fe80::1", "02:00:5e:10:00:01")
    answer = ICMPv6ND_NA(icmpv6.emit(ndp.emit(NeighborAdvertisement(US, True, False, True)), US, THEM))
    assert (answer.type, answer.tgt, answer.R, answer.S, answer.O) == (136, "fe80::1", 1, 0, 1)
    redirect = ICMPv6ND_Redirect(icmpv6.emit(ndp.emit(Redirect(THEM, GLOBAL)), US, THEM))
    assert (redirect.type, redirect.tgt, redirect.dst) == (137, "fe80::2", "2001:db8::1")
    assert ICMPv6ND_RS(icmpv6.emit(ndp.emit(RouterSolicitation()), US, THEM)).type == 133


def test_a_solicitation_of_scapy_is_parsed() -> None:
    from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6

    octets = bytes(
        IPv6(src="fe80::2", dst="fe80::1", hlim=255)
        / ICMPv6ND_NS(tgt="fe80::1")
        / ICMPv6NDOptSrcLLAddr(lladdr="02:00:5e:10:00:01")
    )
    assert ndp.parse(icmpv6.parse(octets[40:], THEM, US)) == NeighborSolicitation(US, LINK)


@pytest.mark.parametrize(("bits", "preference"), [(0, 0), (1, 1), (2, 0), (3, -1)])
def test_the_reserved_preference_of_a_router_counts_as_medium(bits: int, preference: int) -> None:
    message = ndp.parse(Icmp(icmpv6.ROUTER_ADVERTISEMENT, 0, bits << 19, bytes(8)))
    assert isinstance(message, RouterAdvertisement)
    assert message.preference == preference


@pytest.mark.rfc("4861", "4861.1")
@pytest.mark.parametrize("type", sorted(ndp.TYPES))
def test_another_code_and_a_short_message_are_refused(type: int) -> None:
    with pytest.raises(Malformed, match="NdpBadCode"):
        ndp.parse(Icmp(type, 1, 0, bytes(32)))
    if type != icmpv6.ROUTER_SOLICITATION:
        with pytest.raises(Malformed, match="NdpTruncated"):
            ndp.parse(Icmp(type, 0, 0, bytes(7)))


@pytest.mark.rfc("4861", "4861.1")
@pytest.mark.parametrize(
    ("message", "source", "destination", "reason"),
    [
        (NeighborSolicitation(GROUP), THEM, US, "NdpBadTarget"),
        (NeighborSolicitation(US), IPV6_ANY, US, "NdpBadDestination"),
        (NeighborSolicitation(US, LINK), IPV6_ANY, ipv6.solicited_node(US), "NdpBadSource"),
        (NeighborSolicitation(US), IPV6_ANY, ipv6.solicited_node(US), ""),
        (NeighborSolicitation(US, LINK), THEM, US, ""),
        (NeighborAdvertisement(GROUP), THEM, US, "NdpBadTarget"),
        (NeighborAdvertisement(THEM, solicited=True), THEM, GROUP, "NdpBadDestination"),
        (NeighborAdvertisement(THEM), THEM, GROUP, ""),
        (NeighborAdvertisement(THEM, solicited=True), THEM, US, ""),
        (RouterSolicitation(LINK), IPV6_ANY, GROUP, "NdpBadSource"),
        (RouterSolicitation(), IPV6_ANY, GROUP, ""),
        (RouterSolicitation(LINK), THEM, GROUP, ""),
        (RouterAdvertisement(), GLOBAL, GROUP, "NdpBadSource"),
        (RouterAdvertisement(), THEM, GROUP, ""),
        (Redirect(THEM, GLOBAL), GLOBAL, US, "NdpBadSource"),
        (Redirect(THEM, GROUP), THEM, US, "NdpBadDestination"),
        (Redirect(GLOBAL, parse_address("2001:db8::2")), THEM, US, "NdpBadTarget"),
        (Redirect(GLOBAL, GLOBAL), THEM, US, ""),
        (Redirect(US, GLOBAL), THEM, US, ""),
    ],
)
def test_what_cannot_have_been_sent_like_this_is_refused(
    message: ndp.Message, source: bytes, destination: bytes, reason: str
) -> None:
    try:
        ndp.check(message, source, destination, 255)
        verdict = ""
    except Malformed as malformed:
        verdict = malformed.reason
    assert verdict == reason
    with pytest.raises(Malformed, match="NdpBadHopLimit"):
        ndp.check(message, source, destination, 254)


@given(st.sampled_from(sorted(ndp.TYPES)), st.integers(0, 1), WORD, st.binary(max_size=80), ADDRESSES, ADDRESSES)
def test_any_octets_are_a_message_or_malformed(
    type: int, code: int, rest: int, payload: bytes, source: bytes, destination: bytes
) -> None:
    try:
        message = ndp.parse(Icmp(type, code, rest, payload))
        ndp.check(message, source, destination, 255)
    except Malformed as malformed:
        assert malformed.reason.startswith("Ndp")
    else:
        assert ndp.parse(ndp.emit(message)) == message


@given(MESSAGES, st.data())
def test_a_mutated_message_is_a_message_or_malformed(message: ndp.Message, data: st.DataObject) -> None:
    icmp = ndp.emit(message)
    payload = bytearray(icmp.payload)
    for _ in range(data.draw(st.integers(0, 4)) if payload else 0):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    del payload[data.draw(st.integers(0, len(payload))) :]
    try:
        ndp.check(ndp.parse(Icmp(icmp.type, icmp.code, icmp.rest, bytes(payload))), US, GROUP, 255)
    except Malformed as malformed:
        assert malformed.reason.startswith("Ndp")
