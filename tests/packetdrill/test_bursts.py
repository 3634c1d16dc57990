import pytest

from halfopen.packetdrill.bursts import in_bursts
from halfopen.packetdrill.captured import Emitted, capture, segment_of
from halfopen.packetdrill.errors import Verdict
from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.runner import run_traced
from halfopen.packetdrill.settings import RunOptions
from halfopen.wire.tcp import PSH
from tests.packetdrill.test_captured import emitted
from tests.packetdrill.test_runner import LISTENING


def pushes(octets: int) -> list[bool]:
    packets = in_bursts(emitted(octets, 1000).packet)
    return [segment_of(each).flags & PSH != 0 for packet in packets for each in capture(Emitted(0, packet))]


def test_every_burst_is_pushed() -> None:
    assert pushes(3000) == [False, False, True]


def test_bursts_of_one_are_as_they_are() -> None:
    packet = emitted(1000, 0).packet
    assert list(in_bursts(packet)) == [packet]


def sent(handshake: str, settings: str = "") -> tuple[Verdict, str]:
    script = f"""{settings}
{LISTENING}
    +0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
    +0 > S. 0:0(0) ack 1 <...>
    {handshake} < . 1:1(0) ack 1 win 257
    +0 accept(3, ..., ...) = 4
    +0 write(4, ..., 12000) = 12000
    """
    verdict, trace = run_traced(parse(script, "test.pkt", {}), RunOptions())
    return verdict, "".join(line.text.split()[1] for line in trace if "(1000)" in line.text)


@pytest.mark.parametrize(("handshake", "flags"), [("+0", "....P.....P."), ("+.1", ".P." * 5)])
def test_to_a_far_peer_bursts_are_short_and_to_a_near_one_half_of_cwnd(handshake: str, flags: str) -> None:
    assert sent(handshake)[1] == flags


def test_the_least_burst_can_be_chosen() -> None:
    assert sent("+.1", "`sysctl -q net.ipv4.tcp_min_tso_segs=4`")[1] == "...P." + "...P." + ".P."
