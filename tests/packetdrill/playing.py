"""Plays a script that stands in a test."""

from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.profiles import PROFILES, Profile
from halfopen.packetdrill.runner import run
from halfopen.packetdrill.settings import RunOptions

SERVER = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000>
+0 > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 32792
+0 accept(3, ..., ...) = 4
+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
"""
"""A connection that was accepted: descriptor 4, which never blocks."""

CLIENT = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) <...>
"""
"""An attempt to connect, descriptor 3."""


def plays(text: str, *, profile: str | Profile = "linux", ip_version: str = "ipv4") -> None:
    """Every line of the script holds."""
    host = PROFILES[profile] if isinstance(profile, str) else profile
    verdict = run(parse(text, "inline.pkt", {}), RunOptions(profile=host, ip_version=ip_version))
    assert verdict.verdict == "pass", f"line {verdict.line}: {verdict.message}"


def message_of(text: str, *, profile: str = "linux") -> str:
    """What is said of a script that does not hold."""
    verdict = run(parse(text, "inline.pkt", {}), RunOptions(profile=PROFILES[profile]))
    assert verdict.verdict != "pass"
    return f"{verdict.verdict}, line {verdict.line}: {verdict.message}"
