from collections.abc import Sequence
from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.packetdrill.addressing import default_addressing
from halfopen.packetdrill.captured import Captured, CapturedSegment
from halfopen.packetdrill.mapping import SequenceNumbers, Timestamps
from halfopen.packetdrill.matching import (
    Difference,
    TimestampRule,
    compare_icmp,
    compare_ip,
    compare_segment,
    compare_udp,
    gather,
)
from halfopen.packetdrill.tested import Tracker, UnderTest
from halfopen.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, SYN
from tests.packetdrill.parsing import icmp, packet, tcp, udp

NO_RULE = TimestampRule()


def tracker() -> Tracker:
    """The remote end's ISN is 100, ours 5000."""
    made = Tracker(default_addressing("ipv4"), Timestamps())
    numbers = SequenceNumbers(100)
    numbers.learn(0, 5000)
    made.tested = UnderTest(4, is_passive=True, local_port=8080, remote_port=50000, numbers=numbers)
    return made


def sent(octets: int = 0, flags: int = ACK, seq: int = 5001, **other: object) -> CapturedSegment:
    plain = CapturedSegment(
        when=0,
        ports=(8080, 50000),
        seq=seq,
        ack=101,
        flags=flags,
        reserved=0,
        window=257,
        urgent=0,
        options=b"",
        payload=bytes(octets),
    )
    return replace(plain, **other)  # type: ignore[arg-type]  # the names are those of the fields


def datagram(**other: object) -> Captured:
    addressing = default_addressing("ipv4")
    plain = Captured(
        when=0,
        is_ipv6=False,
        source=addressing.local,
        destination=addressing.remote,
        protocol=6,
        tos=0,
        ttl=64,
        flow_label=0,
        header_octets=20,
        octets=bytes(20),
    )
    return replace(plain, **other)  # type: ignore[arg-type]  # the names are those of the fields


def differences(line: str, segment: CapturedSegment, rule: TimestampRule = NO_RULE) -> list[str]:
    return list(compare_segment(tcp(line), segment, tracker(), rule))


def test_what_is_as_written_does_not_differ() -> None:
    assert differences("> P. 1:11(10) ack 1 win 257", sent(10, PSH | ACK)) == []


@pytest.mark.parametrize(
    ("line", "segment", "told"),
    [
        ("> . 2:2(0) ack 1", sent(), "sequence number: expected 2, saw 1"),
        ("> . 1:1(0) ack 2", sent(), "acknowledgment number: expected 2, saw 1"),
        ("> P. 1:1(0) ack 1", sent(), "flags: expected P., saw ."),
        ("> . 1:1(0) ack 1 win 5", sent(), "window: expected 5, saw 257"),
        ("> . 1:2(1) ack 1", sent(), "payload: expected 1 octets, saw 0"),
        ("> . 1:1(0) ack 1 urg 3", sent(), "urgent pointer: expected 3, saw 0"),
        ("> . 1:1(0) ack 1", sent(options=bytes((1, 1, 1, 1))), "TCP options"),
        ("> . 1:1(0) ack 1", sent(reserved=0x200), "the reserved bits are not 0"),
        ("> . 1:2(1) ack 1", sent(payload=b"x"), "the payload is not all zeros"),
        ("> E. 1:1(0) ack 1", sent(), "ECN flags: expected .E, saw ."),
        ("> .5 1:1(0) ack 1", sent(flags=ACK | AE | CWR), "ECN flags: expected .EA, saw .WA"),
    ],
)
def test_a_difference_is_told(line: str, segment: CapturedSegment, told: str) -> None:
    assert differences(line, segment) == [told]


def test_the_window_counts_only_if_it_is_written() -> None:
    assert differences("> . 1:1(0) ack 1", sent(window=3)) == []


def test_options_count_only_if_they_are_not_left_open() -> None:
    assert differences("> . 1:1(0) ack 1 <...>", sent(options=bytes((1, 1, 1, 1)))) == []


def test_an_ace_field_is_three_flags() -> None:
    assert differences("> .5 1:1(0) ack 1", sent(flags=ACK | AE | ECE)) == []


def test_sack_edges_are_in_the_remote_end_s_numbers() -> None:
    options = bytes.fromhex("0101050a") + (1101).to_bytes(4, "big") + (2101).to_bytes(4, "big")
    assert differences("> . 1:1(0) ack 1 <nop,nop,sack 1001:2001>", sent(options=options)) == []


def test_our_first_syn_tells_our_isn() -> None:
    follower = tracker()
    assert follower.tested is not None
    follower.tested.numbers = SequenceNumbers(100)
    segment = sent(seq=777, flags=SYN | ACK)
    assert list(compare_segment(tcp("> S. 0:0(0) ack 101"), segment, follower, NO_RULE)) == []
    assert follower.tested.numbers.local(1, is_syn=False) == 778


def timestamps(value: int) -> bytes:
    return bytes.fromhex("0101080a") + value.to_bytes(4, "big") + bytes(4)


def test_timestamps_are_not_compared_but_remembered() -> None:
    follower = tracker()
    line = tcp("> . 1:1(0) ack 1 <nop,nop,TS val 100 ecr 9>")
    assert list(compare_segment(line, sent(options=timestamps(4321)), follower, NO_RULE)) == []
    assert follower.timestamps.live(100) == 4321


@pytest.mark.parametrize(
    ("written", "told"),
    [("TS val 9 ecr 0!", []), ("TS val 9 ecr 1!", ["TSecr"]), ("TS val 9! ecr 0", ["TSval"]), ("TS val 5! ecr 0", [])],
)
def test_timestamps_may_be_meant_as_they_are_on_the_wire(written: str, told: list[str]) -> None:
    assert differences(f"> . 1:1(0) ack 1 <nop,nop,{written}>", sent(options=timestamps(5))) == told


@pytest.mark.parametrize(("live", "is_right"), [(1050, True), (1053, True), (1060, False), (1040, False)])
def test_with_a_tick_timestamps_go_on_as_in_the_script(live: int, is_right: bool) -> None:
    follower = tracker()
    follower.timestamps.learn(100, 1000)
    rule = TimestampRule(tick=MILLISECOND, tolerance=4 * MILLISECOND)
    line = tcp("> . 1:1(0) ack 1 <nop,nop,TS val 150 ecr 9>")
    told = list(compare_segment(line, sent(options=timestamps(live)), follower, rule))
    assert (not told) is is_right


def gathered(line: str, segments: Sequence[CapturedSegment]) -> CapturedSegment:
    rest = iter(segments[1:])
    return gather(tcp(line), segments[0], lambda: next(rest, None))


def test_segments_that_follow_each_other_are_one() -> None:
    burst = [sent(1000), sent(1000, seq=6001), sent(500, PSH | ACK, 7001, when=9)]
    merged = gathered("> P. 1:2501(2500) ack 1", burst)
    assert (merged.seq, len(merged.payload), merged.flags, merged.when) == (5001, 2500, PSH | ACK, 9)


def test_no_more_segments_are_taken_than_are_needed() -> None:
    burst = [sent(1000), sent(1000, seq=6001), sent(1000, seq=7001)]
    assert len(gathered("> . 1:2001(2000) ack 1", burst).payload) == 2000


def test_what_does_not_come_is_missing() -> None:
    assert len(gathered("> . 1:2001(2000) ack 1", [sent(1000)]).payload) == 1000


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (sent(1000, seq=6002), "gap"),
        (sent(1000, seq=6001, window=1), "header"),
        (sent(1001, seq=6001), "size"),
        (sent(900, seq=6001), "size"),
    ],
)
def test_segments_that_do_not_belong_together_are_told(second: CapturedSegment, told: str) -> None:
    with pytest.raises(Difference, match=told):
        gathered("> . 1:3001(3000) ack 1", [sent(1000), second])


def test_fin_and_push_may_differ_and_cwr_is_the_first_s() -> None:
    burst = [sent(1000, ACK | CWR), sent(1000, ACK | PSH | FIN, 6001)]
    assert gathered("> FP. 1:2001(2000) ack 1", burst).flags == ACK | PSH | FIN | CWR


@pytest.mark.parametrize(
    ("info", "seen", "is_right"),
    [
        ("", datagram(tos=3, ttl=1), True),
        ("[ce]", datagram(tos=3), True),
        ("[ce]", datagram(tos=2), False),
        ("[ect01]", datagram(tos=1), True),
        ("[ect01]", datagram(tos=0), False),
        ("[tos 0x10]", datagram(tos=0x10), True),
        ("[tos 0x10]", datagram(tos=0x12), False),
        ("[ttl 3]", datagram(), False),
        ("", datagram(header_octets=24), False),
        ("", datagram(is_ipv6=True, header_octets=40), False),
    ],
)
def test_of_the_ip_header_what_is_written_is_compared(info: str, seen: Captured, is_right: bool) -> None:
    line = packet(f"> {info} . 1:1(0) ack 1")
    assert (not list(compare_ip(line.ip, seen, tracker()))) is is_right


def test_udp_has_its_length() -> None:
    seen = datagram(protocol=17, octets=bytes(18))
    assert list(compare_udp(udp("> udp (10)"), seen)) == []
    assert list(compare_udp(udp("> udp (11)"), seen)) == ["UDP payload: expected 11 octets, saw 10"]


def test_icmp_has_its_type_and_code() -> None:
    seen = datagram(protocol=1, octets=bytes((3, 3)) + bytes(6))
    assert list(compare_icmp(icmp("> icmp unreachable port_unreachable"), seen)) == []
    assert len(list(compare_icmp(icmp("> icmp unreachable host_unreachable"), seen))) == 1
