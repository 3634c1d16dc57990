from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.stack.ack_filter import without_covered_acks
from halfopen.wire import ipv4, ipv6, tcp
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.ipv6 import Ipv6
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG, Segment
from halfopen.wire.tcp_options import Options

KERNEL = parse_address("192.0.2.1")
OURS = parse_address("192.0.2.2")
STAMPS = (7, 9)
BLOCK = ((5000, 6000),)


def packet(
    ack: int,
    *,
    seq: int = 1000,
    flags: int = ACK,
    port: int = 4242,
    options: Options | None = Options(timestamps=STAMPS),  # noqa: B008  # nobody changes it
    payload: bytes = b"",
    link: bytes = b"",
    ip: Ipv4 | None = None,
) -> Packet:
    segment = Segment(port, 80, seq, ack & 0xFFFFFFFF, flags, 500, options=options)
    transport = tcp.emit(segment, 0) + payload
    return Packet(link + ipv4.emit(ip or Ipv4(KERNEL, OURS, 6), len(transport)) + transport)


@pytest.mark.parametrize("options", [None, Options(timestamps=STAMPS)], ids=["bare", "timestamps"])
@pytest.mark.parametrize("link", [b"", bytes(14)], ids=["ip", "ethernet"])
def test_the_last_of_several_acks_is_enough(options: Options | None, link: bytes) -> None:
    batch = [packet(ack, options=options, link=link) for ack in (100, 200, 300)]
    assert without_covered_acks(batch, len(link), {OURS}) == batch[2:]


def test_acks_are_compared_across_the_wrap() -> None:
    batch = [packet(0xFFFFFF00), packet(0x10), packet(0xFFFFFF00)]
    assert without_covered_acks(batch, 0, {OURS}) == batch[1:]


def test_duplicates_at_the_end_all_stay() -> None:
    batch = [packet(100), packet(200), packet(200), packet(200)]
    assert without_covered_acks(batch, 0, {OURS}) == batch[1:]


@pytest.mark.parametrize(
    "other",
    [
        packet(200, port=4243),
        packet(200, seq=1001),
        packet(200, payload=b"text"),
        packet(200, options=Options(sack=BLOCK)),
        packet(200, options=Options(timestamps=STAMPS, sack=BLOCK)),
        packet(200, options=None),
        packet(200, ip=Ipv4(KERNEL, KERNEL, 6)),
        packet(200, ip=Ipv4(KERNEL, OURS, 17)),
        packet(200, ip=Ipv4(KERNEL, OURS, 6, tos=3)),
        packet(200, ip=Ipv4(KERNEL, OURS, 6, dont_fragment=False, more_fragments=True)),
        packet(200, ip=Ipv4(KERNEL, OURS, 6, dont_fragment=False, fragment_offset=800)),
        *(packet(200, flags=ACK | flag) for flag in (FIN, SYN, RST, PSH, URG, ECE, CWR)),
        Packet(packet(200).head, (b"text",)),
        Packet(b""),
        Packet(bytes(40)),
        Packet(bytes(52)),
    ],
)
def test_what_says_something_of_its_own_neither_covers_nor_is_covered(other: Packet) -> None:
    batch = [packet(100), other, packet(300)]
    assert without_covered_acks(batch, 0, {OURS}) == batch


def test_acks_that_are_only_passing_through_all_stay() -> None:
    batch = [packet(100), packet(200)]
    assert without_covered_acks(batch, 0, {KERNEL}) == batch


def test_two_flows_in_turns_both_keep_their_acks() -> None:
    batch = [packet(100), packet(100, port=1), packet(200), packet(200, port=1)]
    assert without_covered_acks(batch, 0, {OURS}) == batch


@given(st.lists(st.sampled_from([100, 200, 300, 300 + (1 << 31)]), max_size=8))
def test_the_last_word_and_every_step_back_survive(acks: list[int]) -> None:
    batch = [packet(ack) for ack in acks]
    kept = [int.from_bytes(each.head[28:32], "big") for each in without_covered_acks(batch, 0, {OURS})]
    assert kept[-1:] == acks[-1:]
    steps = pairwise(acks)
    assert len(kept) == len(acks) - sum(0 < (after - before) % 2**32 < 2**31 for before, after in steps)


@given(st.lists(st.binary(max_size=80), max_size=4), st.sampled_from([0, 14]))
def test_octets_of_any_kind_are_let_through(garbage: list[bytes], at: int) -> None:
    batch = [Packet(octets) for octets in garbage]
    kept = without_covered_acks(batch, at, {OURS})
    assert all(each in batch for each in kept)
    assert kept[-1:] == batch[-1:]


FAR_V6, OURS_V6 = parse_address("2001:db8::1"), parse_address("2001:db8::2")


def packet6(ack: int, *, options: Options | None = None, payload: bytes = b"", **fields: int) -> Packet:
    transport = tcp.emit(Segment(4242, 80, 1000, ack, ACK, 500, options=options), 0) + payload
    header = Ipv6(FAR_V6, OURS_V6, fields.pop("next_header", 6), **fields)
    return Packet(bytes(14) + ipv6.emit(header, len(transport)) + transport)


@pytest.mark.parametrize("options", [None, Options(timestamps=STAMPS)], ids=["bare", "timestamps"])
def test_the_last_of_several_acks_of_ipv6_is_enough(options: Options | None) -> None:
    batch = [packet6(ack, options=options) for ack in (100, 200, 300)]
    assert without_covered_acks(batch, 14, {OURS_V6}) == batch[2:]
    assert without_covered_acks(batch, 14, {FAR_V6}) == batch


@pytest.mark.parametrize(
    "other",
    [
        packet6(200, payload=b"a dozen here"),
        packet6(200, traffic_class=3),
        packet6(200, next_header=17),
        packet6(200, options=Options(sack=((5000, 6000),))),
    ],
)
def test_what_says_something_else_in_ipv6_stays(other: Packet) -> None:
    batch = [packet6(100), other]
    assert without_covered_acks(batch, 14, {OURS_V6}) == batch
