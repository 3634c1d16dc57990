"""The answers of a CLOSED port (RFC 9293 3.10.7.1)."""

import pytest

from halfopen.tcp.resets import reset_for
from halfopen.wire.tcp import ACK, FIN, PSH, RST, SYN, URG, Segment


def answer(flags: int, seq: int = 0, ack: int = 0, octets: int = 0) -> Segment | None:
    return reset_for(Segment(49152, 80, seq, ack, flags, 65535, payload=(bytes(octets),), octets=octets))


@pytest.mark.rfc("9293", "9293.P1")
@pytest.mark.parametrize("flags", [RST, RST | ACK, RST | SYN, RST | FIN])
def test_a_reset_is_never_answered(flags: int) -> None:
    assert answer(flags, seq=5, ack=6) is None


@pytest.mark.rfc("9293", "9293.P1")
@pytest.mark.parametrize("flags", [ACK, SYN | ACK, FIN | ACK, PSH | ACK])
@pytest.mark.parametrize("ack", [0, 7, 0xFFFFFFFF])
def test_an_acknowledgment_is_answered_from_its_own_number_without_ack(flags: int, ack: int) -> None:
    reset = answer(flags, seq=1000, ack=ack, octets=3)
    assert reset is not None
    assert (reset.seq, reset.ack, reset.flags, reset.octets) == (ack, 0, RST, 0)


@pytest.mark.rfc("9293", "9293.P1")
@pytest.mark.parametrize(
    ("flags", "seq", "octets", "ack"),
    [
        (SYN, 1000, 0, 1001),
        (SYN | FIN, 1000, 5, 1007),
        (0, 1000, 0, 1000),
        (FIN, 1000, 0, 1001),
        (URG, 1000, 20, 1020),
        (SYN, 0xFFFFFFFF, 0, 0),
        (SYN, 0xFFFFFFFD, 10, 8),
        (0, 0x7FFFFFFF, 1, 0x80000000),
    ],
)
def test_all_else_is_answered_from_zero_and_acknowledged_whole(flags: int, seq: int, octets: int, ack: int) -> None:
    reset = answer(flags, seq=seq, octets=octets)
    assert reset is not None
    assert (reset.seq, reset.ack, reset.flags) == (0, ack, RST | ACK)


@pytest.mark.parametrize("flags", [ACK, SYN])
def test_it_goes_back_where_the_segment_came_from_and_tells_no_window(flags: int) -> None:
    reset = answer(flags)
    assert reset is not None
    assert (reset.source_port, reset.destination_port) == (80, 49152)
    assert (reset.window, reset.options, reset.ecn) == (0, None, 0)
