"""Lines of segments in UDP."""

import pytest

from halfopen.packetdrill.errors import Verdict
from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.profiles import FREEBSD
from halfopen.packetdrill.runner import run
from halfopen.packetdrill.settings import RunOptions

TUNNEL = "0 `sysctl -w net.inet.tcp.udp_tunneling_port=9899`"
SYN = "+0 < S 0:0(0) win 65535 <mss 1400> /udp(5000 > 9899)"


def verdict(*lines: str, **overrides: str) -> Verdict:
    return run(parse("\n".join(lines), "test.pkt", {}), RunOptions(profile=FREEBSD, overrides=overrides))


@pytest.mark.parametrize("ports", ["/udp(9899 > 5001)", "/udp(9898 > 5000)", ""])
def test_a_segment_in_other_datagrams_than_expected_fails(ports: str) -> None:
    told = verdict(TUNNEL, SYN, f"+0 > R. 0:0(0) ack 1 win 0 {ports}")
    assert (told.verdict, told.line) == ("fail", 3)
    assert "UDP ports" in told.message


def test_a_plain_segment_where_a_datagram_is_expected_fails() -> None:
    told = verdict("0 < S 0:0(0) win 65535 <mss 1400>", "+0 > R. 0:0(0) ack 1 win 0 /udp(9899 > 5000)")
    assert "UDP ports" in told.message


def test_only_tcp_is_known_in_udp() -> None:
    assert "only TCP" in verdict(TUNNEL, udp_encapsulation="sctp").message


def test_a_port_that_is_taken_fails_the_command() -> None:
    told = verdict(
        "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3",
        "+0 bind(3, ..., ...) = 0",
        "+0 `sysctl -w net.inet.tcp.udp_tunneling_port=8080`",
    )
    assert (told.verdict, told.line) == ("fail", 3)
    assert "in use" in told.message
