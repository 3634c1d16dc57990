"""Lines of our own dialect about frames: what they say, and where they say nothing sensible."""

import pytest

from halfopen.base.addresses import parse_address
from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.link_script import (
    ArpLine,
    Body,
    IcmpMessage,
    LinkLine,
    MldLine,
    MldQuery,
    NdpLine,
    RawPayload,
    Slice,
    UdpDatagram,
)
from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.script import IpInfo, PacketLine, TcpLine
from halfopen.wire.ndp_options import INFINITE

MAC = b"\x02\x00\x00\x00\x00\x66"
GROUP = parse_address("ff02::1:ff00:1")


def line(text: str) -> PacketLine:
    action = parse(f"--link=ethernet\n0 {text}").events[0].action
    assert isinstance(action, PacketLine)
    return action


def frame(text: str) -> LinkLine:
    transport = line(text).transport
    assert isinstance(transport, LinkLine)
    return transport


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("arp who-has local tell 192.0.2.9", ArpLine(False, parse_address("192.0.2.9"), "local")),
        ("arp reply local is-at 02:00:00:00:00:66", ArpLine(True, "local", None, MAC)),
        ("arp reply local is-at local to remote", ArpLine(True, "local", "remote", "local")),
        ("udp (100)", UdpDatagram(100)),
        ("udp 5000 > 9 (100)", UdpDatagram(100, (5000, 9))),
        ("proto 200 (40)", RawPayload(200, 40)),
        ("icmp echo_request id 7 seq 1 (56)", IcmpMessage("echo_request", id=7, seq=1, octets=56)),
        ("icmp unreachable frag_needed mtu 1000", IcmpMessage("unreachable", "frag_needed", mtu=1000)),
        ("icmp redirect code_1 gateway remote", IcmpMessage("redirect", "code_1", gateway="remote")),
        ("icmp6 parameter_problem pointer 6", IcmpMessage("parameter_problem", pointer=6)),
        (
            "icmp6 neighbor_solicitation who-has local source-link remote nonce 3",
            NdpLine(type="neighbor_solicitation", target="local", source_link="remote", nonce=3),
        ),
        (
            "icmp6 neighbor_advertisement tgt-is local router solicited, override target-link local",
            NdpLine(
                type="neighbor_advertisement",
                target="local",
                flags=frozenset({"router", "solicited", "override"}),
                target_link="local",
            ),
        ),
        ("icmp6 redirect far to remote_link", NdpLine(type="redirect", destination="far", target="remote_link")),
        (
            "icmp6 router_advertisement managed lifetime 1800 hop_limit 33 mtu 1400",
            NdpLine(
                type="router_advertisement",
                flags=frozenset({"managed"}),
                numbers=(("lifetime", 1800), ("hop_limit", 33)),
                mtu=1400,
            ),
        ),
        (
            "icmp6 multicast_listener_report ff02::1:ff00:1 to_ex, ff02::1:ff00:1 to_in",
            MldLine(((GROUP, "to_ex"), (GROUP, "to_in"))),
        ),
        ("icmp6 multicast_listener_query ff02::1:ff00:1 max-delay 1000", MldQuery(GROUP, 1000)),
        ("icmp6 multicast_listener_query max-delay 1000", MldQuery(None, 1000)),
    ],
)
def test_a_body_is_read(text: str, body: Body) -> None:
    assert frame(f"> {text}").body == body


def test_a_prefix_is_not_for_anything_that_is_not_said_of_it() -> None:
    body = frame("< icmp6 router_advertisement prefix 2001:db8:7::/64 prefix 2001:db8:8::/64 onlink auto valid 9").body
    assert isinstance(body, NdpLine)
    first, second = body.prefixes
    assert (first.on_link, first.autonomous, first.valid, str(first.prefix)) == (
        False,
        False,
        INFINITE,
        "2001:db8:7::/64",
    )
    assert (second.on_link, second.autonomous, second.valid, second.preferred) == (True, True, 9, INFINITE)


def test_device_stations_and_hosts_are_read() -> None:
    told = frame("< eth1 ether 02:00:00:00:00:66 > broadcast host > 192.0.2.1: udp (1)")
    assert told == LinkLine(UdpDatagram(1), 1, (MAC, "broadcast"), ("host", parse_address("192.0.2.1")))


def test_a_fragment_is_told_as_tcpdump_does() -> None:
    told = line("> (ttl 63, DF, frag 7:1480@2960+) udp (4000)")
    assert told.ip == IpInfo(ttl=63)
    assert told.transport == LinkLine(UdpDatagram(4000), slice=Slice(7, 1480, 2960, True), dont_fragment=True)


def test_segments_are_written_as_ever() -> None:
    assert isinstance(line("< (ect0) S 0:0(0) win 100").transport, TcpLine)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("< arp what", "line 2, column 9: expected 'who-has' or 'reply', found 'what'"),
        ("< arp who-is local", "line 2, column 9: expected 'who-has' or 'reply', found 'who'"),
        ("< arp who-has nobody tell", "line 2, column 17: expected an address or one of local, remote"),
        ("< arp reply local at", "line 2, column 21: expected 'is-at', found 'at'"),
        ("< ether 02:00 > local udp (1)", "line 2, column 11: expected a link address such as"),
        ("< (frag 7:100@4) udp (100)", "line 2, column 13: a fragment begins at a multiple of 8 octets, not at 4"),
        ("< eth1 S 0:0(0) win 1", "line 2, column 10: expected arp, udp, proto, icmp, icmp6 behind a device"),
        ("< icmp6 router_advertisement prefix 7", "line 2, column 39: expected a prefix such as 2001:db8::/64"),
        ("< icmp6 multicast_listener_report ff02::9 joins", "line 2, column 45: expected to_ex or to_in or is_ex"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(text: str, message: str) -> None:
    with pytest.raises(ScriptError) as error:
        parse(f"--link=ethernet\n0 {text}")
    assert str(error.value).startswith(message)


def test_without_the_option_there_is_no_such_line() -> None:
    with pytest.raises(ScriptError):
        parse("0 < arp who-has 192.0.2.1 tell 192.0.2.2")
