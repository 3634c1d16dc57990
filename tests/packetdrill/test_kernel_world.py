"""Real packets, in a namespace of their own; the kernel is asked what it does, not told."""

import pytest

from halfopen.packetdrill.errors import Verdict
from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.runner import run
from halfopen.packetdrill.settings import RunOptions
from tests.packetdrill.test_runner import ESTABLISHED, LISTENING

pytestmark = pytest.mark.root


def verdict(text: str, ip_version: str = "ipv4") -> Verdict:
    script = parse(f"--tolerance_usecs=100000\n{text}", "test.pkt", {})
    return run(script, RunOptions(against="kernel", ip_version=ip_version))


@pytest.mark.parametrize("ip_version", ["ipv4", "ipv6", "ipv4-mapped-ipv6"])
def test_the_kernel_opens_a_connection_and_sends(ip_version: str) -> None:
    told = verdict(f"{ESTABLISHED}\n+0 write(4, ..., 2000) = 2000\n+0 > P. 1:2001(2000) ack 1", ip_version)
    assert (told.verdict, told.message) == ("pass", "")


def test_a_call_on_the_kernel_may_block() -> None:
    told = verdict(f"{ESTABLISHED}\n+.1...0.2 read(4, ..., 100) = 10\n+.1 < P. 1:11(10) ack 1 win 257")
    assert (told.verdict, told.message) == ("pass", "")


def test_what_the_kernel_does_otherwise_is_a_failure() -> None:
    told = verdict(f"{LISTENING}\n+0 < S 0:0(0) win 1000 <mss 1000>\n+0 > S. 0:0(0) ack 2 <...>")
    assert (told.verdict, told.message) == ("fail", "acknowledgment number: expected 2, saw 1")


def test_sysctls_of_the_namespace_are_set() -> None:
    told = verdict(
        f"""{LISTENING}
        +0 `sysctl -q net.ipv4.tcp_sack=0`
        +0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop>
        +0 > S. 0:0(0) ack 1 <mss 1460>"""
    )
    assert (told.verdict, told.message) == ("pass", "")


@pytest.mark.parametrize(
    "command",
    ["touch /tmp/escaped", "sysctl -q kernel.hostname=x", "sysctl -q net.ipv4/../../kernel/x=1", "sysctl a; ls"],
)
def test_nothing_else_is_done_to_the_machine(command: str) -> None:
    assert verdict(f"0 `{command}`").verdict == "unsupported"


def test_a_code_block_sees_the_kernel_s_connection() -> None:
    told = verdict(f"{ESTABLISHED}\n+0 %{{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }}%")
    assert (told.verdict, told.message) == ("pass", "")
