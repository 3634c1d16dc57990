import pytest

from halfopen.base.clock import MICROSECOND, SECOND
from halfopen.packetdrill.captured import Emitted, capture
from halfopen.packetdrill.inbound import build
from halfopen.packetdrill.notation import describe_packet, flags_text, time_text
from halfopen.wire.tcp import ACK, AE, CWR, ECE, SYN
from tests.packetdrill.parsing import packet
from tests.packetdrill.test_inbound import tracker


@pytest.mark.parametrize(
    "line",
    [
        "< S 123:123(0) win 1000 <mss 1460,nop,nop,sackOK>",
        "< P. 1:11(10) ack 1 win 257",
        "< [ce] FP. 1:11(10) ack 1 win 257",
        "< P.U 1:11(10) ack 1 win 257 urg 5",
        "< . 1:1(0) ack 1 win 257 <nop,nop,sack 1001:2001 3001:4001>",
        "< udp (10)",
    ],
)
def test_a_packet_is_told_as_it_was_written(line: str) -> None:
    follower = tracker()
    (captured,) = capture(Emitted(0, build(packet(line), follower, 0)))
    assert follower.tested is not None
    assert describe_packet(captured, follower.tested.numbers, inbound=True) == line


def test_icmp_is_told_by_its_numbers() -> None:
    follower = tracker()
    (captured,) = capture(Emitted(0, build(packet("< icmp unreachable port_unreachable [1:1(0)]"), follower, 0)))
    assert follower.tested is not None
    assert describe_packet(captured, follower.tested.numbers, inbound=True) == "< icmp type_3 code_3"


def test_flags_are_letters() -> None:
    assert (flags_text(SYN | ACK), flags_text(0), flags_text(ACK | ECE | CWR | AE)) == ("S.", "-", ".EWA")


def test_times_have_microseconds() -> None:
    assert time_text(2 * SECOND + 345 * MICROSECOND + 999) == "2.000345"
