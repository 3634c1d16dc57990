from dataclasses import replace

import pytest

from halfopen.base.addresses import parse_address
from halfopen.packetdrill.addressing import default_addressing
from halfopen.packetdrill.captured import Captured, CapturedSegment, Emitted, capture, segment_of
from halfopen.packetdrill.inbound import build
from halfopen.packetdrill.mapping import SequenceNumbers, Timestamps, Unmapped
from halfopen.packetdrill.tested import Tracker, UnderTest
from halfopen.wire import icmpv4, icmpv6
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, AE, ECE, PSH, SYN, verify
from tests.packetdrill.parsing import packet


def tracker(ip_version: str = "ipv4") -> Tracker:
    """A connection from the remote end, whose ISN is 100; ours is 5000."""
    made = Tracker(default_addressing(ip_version), Timestamps())
    numbers = SequenceNumbers(100)
    numbers.learn(0, 5000)
    made.tested = UnderTest(4, is_passive=True, local_port=8080, remote_port=50000, numbers=numbers)
    return made


def built(line: str, ip_version: str = "ipv4") -> Captured:
    made = build(packet(line), tracker(ip_version), 0)
    (captured,) = capture(Emitted(0, made), whole=True)
    return captured


def segment(line: str, ip_version: str = "ipv4") -> CapturedSegment:
    return segment_of(built(line, ip_version))


def is_right(made: Packet, ip_version: str) -> bool:
    addressing = default_addressing(ip_version)
    start = 40 if addressing.is_ipv6 else 20
    octets = made.octets - start
    return verify(made, start, octets, pseudo_header_sum(addressing.remote, addressing.local, 6, octets))


def test_a_syn_goes_out_with_the_number_that_is_written() -> None:
    assert segment("< S 123:123(0) win 1000").seq == 123


def test_other_segments_count_from_the_remote_isn() -> None:
    made = segment("< P. 1:11(10) ack 1 win 257")
    assert (made.seq, made.ack, made.window, made.flags, made.payload) == (101, 5001, 257, PSH | ACK, bytes(10))


def test_the_acknowledgment_field_without_ack_is_not_mapped() -> None:
    assert segment("< S 0:0(0) win 1000").ack == 0


def test_sack_edges_are_in_our_numbers() -> None:
    made = segment("< . 1:1(0) ack 1 win 257 <nop,nop,sack 1001:2001>")
    assert made.options.hex() == "0101050a" + (6001).to_bytes(4, "big").hex() + (7001).to_bytes(4, "big").hex()


def test_ports_are_those_of_the_connection_unless_they_are_written() -> None:
    assert segment("< . 1:1(0) ack 1 win 257").ports == (50000, 8080)
    assert segment("< 1234 > 80 . 1:1(0) ack 1 win 257").ports == (1234, 80)


def test_an_echo_that_nothing_has_carried_is_refused() -> None:
    with pytest.raises(Unmapped, match="ecr 7"):
        build(packet("< . 1:1(0) ack 1 win 257 <nop,nop,TS val 1 ecr 7>"), tracker(), 0)


def test_an_echo_is_the_live_value_of_what_was_sent() -> None:
    made = tracker()
    made.timestamps.learn(7, 0xABCDEF)
    sent = build(packet("< . 1:1(0) ack 1 win 257 <nop,nop,TS val 1 ecr 7>"), made, 0)
    (captured,) = capture(Emitted(0, sent))
    assert segment_of(captured).options[8:] == (0xABCDEF).to_bytes(4, "big")


def test_a_digit_among_the_flags_is_the_accurate_ecn_field() -> None:
    assert segment("< .5 1:1(0) ack 1 win 257").flags == ACK | AE | ECE


@pytest.mark.parametrize("ip_version", ["ipv4", "ipv6"])
@pytest.mark.parametrize("octets", [0, 1, 1000])
def test_checksums_are_right(ip_version: str, octets: int) -> None:
    made = build(packet(f"< P. 1:{1 + octets}({octets}) ack 1 win 257"), tracker(ip_version), 0)
    assert is_right(made, ip_version)


def test_a_long_segment_is_an_aggregate_if_the_script_gives_an_mss() -> None:
    made = build(packet("< P. 1:60001(60000) ack 1 win 257"), tracker(), 1000)
    assert (made.gso_size, made.checksum, made.octets) == (1000, CHECKSUM_PARTIAL, 60040)


def test_a_segment_no_longer_than_the_mss_is_no_aggregate() -> None:
    assert build(packet("< P. 1:1001(1000) ack 1 win 257"), tracker(), 1000).gso_size == 0


@pytest.mark.parametrize(
    ("info", "tos", "ttl"),
    [("[ce]", 3, 255), ("[ect0]", 2, 255), ("[ect1]", 1, 255), ("[tos 0x10]", 0x10, 255), ("[ttl 3]", 0, 3)],
)
def test_the_ip_header_says_what_is_written(info: str, tos: int, ttl: int) -> None:
    made = built(f"< {info} . 1:1(0) ack 1 win 257")
    assert (made.tos, made.ttl) == (tos, ttl)


def test_udp_carries_as_many_zeros_as_are_written() -> None:
    made = built("< udp (10)")
    assert (made.protocol, made.ports, made.octets[8:]) == (17, (50000, 8080), bytes(10))


def test_an_icmp_error_quotes_what_we_have_sent() -> None:
    made = built("< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]")
    message = icmpv4.parse(made.octets)
    quoted = icmpv4.parse_quoted(message.payload)
    assert (message.type, message.code, message.rest) == (3, 4, 1200)
    assert (quoted.source, quoted.destination) == (parse_address("192.168.0.1"), parse_address("192.0.2.1"))
    assert (quoted.total_octets, quoted.transport[:8].hex()) == (1500, "1f90c350" + (5001).to_bytes(4, "big").hex())


def test_an_icmpv6_error_quotes_what_we_have_sent() -> None:
    made = built("< icmp packet_too_big mtu 1280 [1:1461(1460)]", "ipv6")
    message = icmpv6.parse(made.octets, made.source, made.destination)
    assert (message.type, message.rest) == (icmpv6.PACKET_TOO_BIG, 1280)
    assert icmpv6.parse_quoted(message.payload).transport[4:8] == (5001).to_bytes(4, "big")


def test_a_code_may_be_a_number() -> None:
    assert built("< icmp unreachable code_77 [1:1(0)]").octets[:2] == bytes((3, 77))


def test_a_name_of_the_other_version_is_refused() -> None:
    with pytest.raises(Unmapped, match="packet_too_big"):
        build(packet("< icmp packet_too_big mtu 1280 [1:1461(1460)]"), tracker(), 0)


def test_nothing_can_be_sent_to_a_port_that_is_not_known() -> None:
    made = tracker()
    assert made.tested is not None
    made.tested.local_port = None
    with pytest.raises(Unmapped, match="ports"):
        build(packet("< . 1:1(0) ack 1 win 257"), made, 0)


def test_the_flow_label_is_as_written() -> None:
    line = packet("< . 1:1(0) ack 1 win 257")
    made = build(replace(line, ip=replace(line.ip, flow_label=0x12345)), tracker("ipv6"), 0)
    (captured,) = capture(Emitted(0, made))
    assert captured.flow_label == 0x12345


def test_a_syn_flag_is_no_ack_flag() -> None:
    assert segment("< S 0:0(0) win 1000").flags == SYN
