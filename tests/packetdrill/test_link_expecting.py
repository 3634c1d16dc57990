"""Frames against lines: every octet counts, and nothing is passed over."""

import pytest

from halfopen.packetdrill.errors import Verdict
from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.runner import run, run_traced
from halfopen.packetdrill.settings import RunOptions

PING = "--link=ethernet\n--known_neighbors=1\n0 < icmp echo_request id 7 seq 1 (10)\n"


def verdict(text: str, ip_version: str = "ipv4") -> Verdict:
    return run(parse(text), RunOptions(ip_version=ip_version))


def test_what_comes_out_is_told_in_tcpdumps_words() -> None:
    _, trace = run_traced(parse(f"{PING}+0 > icmp echo_reply id 7 seq 1 (10)"), RunOptions())
    assert [line.text for line in trace] == [
        "< 192.0.2.2 > 192.0.2.1: ICMP echo request, id 7, seq 1, length 18",
        "> 192.0.2.1 > 192.0.2.2: ICMP echo reply, id 7, seq 1, length 18",
    ]


def test_both_frames_are_shown_where_they_differ() -> None:
    told = verdict(f"{PING}+0 > icmp echo_reply id 8 seq 1 (10)")
    assert (told.verdict, told.line) == ("fail", 4)
    assert told.expected == "> 192.0.2.1 > 192.0.2.2: ICMP echo reply, id 8, seq 1, length 18"
    assert told.seen == "> 192.0.2.1 > 192.0.2.2: ICMP echo reply, id 7, seq 1, length 18"


def test_an_octet_that_words_do_not_show_is_named() -> None:
    told = verdict(f"{PING}+0 > (ttl 9) icmp echo_reply id 7 seq 1 (10)")
    assert told.message.endswith("length 18 [octet 22: 0x40]")


def test_a_frame_that_nobody_asks_for_fails_the_script() -> None:
    told = verdict(PING)
    assert (told.line, told.expected) == (3, "no other frame")


def test_a_line_meets_the_next_frame_and_no_later_one() -> None:
    told = verdict(f"{PING}+0 > udp (1)")
    assert told.seen == "> 192.0.2.1 > 192.0.2.2: ICMP echo reply, id 7, seq 1, length 18"


def test_a_line_without_a_frame_fails() -> None:
    told = verdict("--link=ethernet\n0 > udp (1)")
    assert told.message == "no packet is sent"


def test_a_segment_is_expected_in_the_next_frame() -> None:
    told = verdict(
        """--link=ethernet
        0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 bind(3, ..., ...) = 0
        +0 listen(3, 1) = 0
        +0 < S 0:0(0) win 1000 <mss 1000>
        +0 > S. 0:0(0) ack 1 <mss 1460>"""
    )
    assert "another frame: > ARP, Request who-has" in told.message


@pytest.mark.parametrize(
    ("text", "ip_version", "message"),
    [
        ("< arp who-has local tell remote", "ipv6", "ARP is for IPv4 (RFC 826)"),
        ("< icmp6 neighbor_solicitation who-has ::1", "ipv4", "addresses and IP version do not go together"),
        ("< remote > ::1: udp (1)", "ipv4", "addresses and IP version do not go together"),
        ("< icmp6 router_solicitation", "ipv4", "addresses and IP version do not go together"),
        ("< remote > local: icmp6 router_solicitation", "ipv4", "this is a message of ICMPv6"),
        ("< icmp packet_too_big mtu 9", "ipv4", "ICMP has no 'packet_too_big' here"),
    ],
)
def test_a_frame_that_cannot_be_made_is_said_to_be_none(text: str, ip_version: str, message: str) -> None:
    told = verdict(f"--link=ethernet\n0 {text}", ip_version)
    assert (told.verdict, told.line) == ("fail", 2)
    assert told.message.startswith(message)


def test_a_frame_of_a_device_that_is_not_there_arrives_nowhere() -> None:
    assert verdict("--link=ethernet\n0 < eth1 arp who-has second tell host").verdict == "pass"


@pytest.mark.parametrize("option", ["--link=token-ring", "--forwarding=yes"])
def test_an_option_with_another_value_is_refused(option: str) -> None:
    told = verdict(f"--link=ethernet\n{option}\n0 < udp (1)")
    assert (told.verdict, told.line) == ("fail", 2)
