import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import NEVER, SECOND
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError, Malformed
from halfopen.stack.config import FragmentConfig
from halfopen.stack.fragments import Reassembler, combine_ecn, fragment
from halfopen.stack.interface import Interface
from halfopen.wire import ipv4
from halfopen.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP, Ipv4
from halfopen.wire.packet import Packet
from tests.stack.world import OTHER, OURS, PEER

TUN = Interface("tun0", "ip")
TEXT = bytes(range(256)) * 4


class Bench:
    """A reassembler fed with pieces of TEXT."""

    def __init__(self, **settings: object) -> None:
        self.counters = Counters()
        self.parts = Reassembler(FragmentConfig(**settings), self.counters)  # type: ignore[arg-type]  # fields by name

    def add(self, low: int, high: int, more: bool = True, now: int = 0, **fields: object) -> Packet | None:
        text = fields.pop("text", TEXT)
        assert isinstance(text, bytes)
        given = {"source": PEER, "destination": OURS, "protocol": PROTOCOL_UDP, "identification": 7, **fields}
        header = Ipv4(
            dont_fragment=False,
            more_fragments=more,
            fragment_offset=low,
            **given,  # type: ignore[arg-type]  # fields by name
        )
        data = ipv4.emit(header, high - low) + text[low:high]
        return self.parts.add(TUN, ipv4.parse(data, 0, len(data)), Packet(data), now)


def text_of(packet: Packet | None) -> bytes:
    assert packet is not None
    header = ipv4.parse(packet.head, 0, len(packet.head))
    assert not header.more_fragments and not header.fragment_offset
    return packet.head[header.header_octets :]


@pytest.mark.rfc("1122", "1122.6")
@given(st.lists(st.integers(1, 127), max_size=12), st.randoms(use_true_random=False))
def test_any_cut_in_any_order_comes_together(cuts: list[int], shuffle: random.Random) -> None:
    bench = Bench()
    edges = [0, *sorted({8 * cut for cut in cuts}), len(TEXT)]
    spans = list(pairwise(edges))
    shuffle.shuffle(spans)
    results = [bench.add(low, high, high < len(TEXT)) for low, high in spans]
    if len(spans) == 1:
        assert text_of(results[0]) == TEXT
        return
    assert results[:-1] == [None] * (len(spans) - 1)
    assert text_of(results[-1]) == TEXT
    assert bench.parts.memory == 0
    assert bench.counters["IpReasmOKs"] == 1


@pytest.mark.rfc("1122", "1122.8")
def test_fragments_of_different_datagrams_do_not_mix() -> None:
    bench = Bench()
    assert bench.add(0, 8) is None
    assert bench.add(8, 16, False, identification=8) is None
    assert bench.add(8, 16, False, source=OTHER) is None
    assert bench.add(8, 24, False, protocol=99) is None
    assert text_of(bench.add(8, 16, False)) == TEXT[:16]


def test_a_repeated_fragment_is_taken_once() -> None:
    bench = Bench()
    assert bench.add(0, 8) is None
    assert bench.add(0, 8) is None
    assert text_of(bench.add(8, 16, False)) == TEXT[:16]


@pytest.mark.rfc("1122", "1122.6")
@pytest.mark.parametrize(("low", "high"), [(8, 24), (24, 40), (0, 48), (8, 40)])
def test_an_overlap_drops_the_whole_datagram(low: int, high: int) -> None:
    bench = Bench()
    bench.add(16, 32)
    bench.add(low, high)
    assert bench.counters["IpReasmOverlaps"] == 1
    assert bench.parts.memory == 0


def test_with_the_first_policy_what_came_first_stays() -> None:
    bench = Bench(overlap="first")
    bench.add(8, 24)
    bench.add(0, 16, text=b"x" * 64)
    assert text_of(bench.add(16, 32, False, text=b"y" * 64)) == b"x" * 8 + TEXT[8:24] + b"y" * 8


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ConfigError, match="drop, first"):
        Bench(overlap="last")


def test_two_different_ends_contradict_each_other() -> None:
    bench = Bench()
    bench.add(8, 16, False)
    bench.add(16, 24, False)
    assert bench.counters["IpReasmTwoEnds"] == 1


@pytest.mark.parametrize("spans", [((8, 16, False), (16, 24, True)), ((16, 24, True), (8, 16, False))])
def test_nothing_lies_beyond_the_end(spans: tuple[tuple[int, int, bool], ...]) -> None:
    bench = Bench()
    for low, high, more in spans:
        bench.add(low, high, more)
    assert bench.counters["IpReasmBeyondEnd"] == 1
    assert bench.parts.memory == 0


@pytest.mark.rfc("1122", "1122.6")
@pytest.mark.parametrize(
    ("low", "high", "more", "protocol", "reason"),
    [
        (0, 9, True, PROTOCOL_UDP, "IpFragmentBadLength"),
        (8, 8, False, PROTOCOL_UDP, "IpFragmentBadLength"),
        (65512, 65536, False, PROTOCOL_UDP, "IpFragmentTooLong"),
        (0, 16, True, PROTOCOL_TCP, "IpFragmentTiny"),
        (8, 16, True, PROTOCOL_TCP, "IpFragmentTiny"),
    ],
)
def test_what_no_honest_sender_makes_is_refused(low: int, high: int, more: bool, protocol: int, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        Bench().add(low, high, more, protocol=protocol, text=bytes(65536))
    assert caught.value.reason == reason


def test_too_many_fragments_are_an_attack() -> None:
    bench = Bench(fragments=4)
    for low in range(0, 40, 8):
        bench.add(low, low + 8)
    assert bench.counters["IpReasmTooManyFragments"] == 1
    assert bench.parts.memory == 0


@pytest.mark.rfc("1122", "1122.6")
def test_memory_is_bounded_and_the_oldest_datagram_goes() -> None:
    bench = Bench(memory=3 * (256 + 8))
    for identification in range(10):
        bench.add(0, 8, identification=identification)
        assert bench.parts.memory <= 3 * (256 + 8)
    assert bench.counters["IpReasmMemoryDrops"] == 7
    assert bench.add(8, 16, False, identification=0) is None
    assert text_of(bench.add(8, 16, False, identification=9)) == TEXT[:16]


@pytest.mark.rfc("1122", "1122.6")
def test_datagrams_are_given_up_in_their_time() -> None:
    bench = Bench(timeout=60 * SECOND)
    bench.add(0, 8)
    bench.add(8, 16, now=5 * SECOND)
    bench.add(8, 16, now=10 * SECOND, identification=8)
    assert bench.parts.next_deadline() == 60 * SECOND
    assert bench.parts.poll_expired(60 * SECOND - 1) is None
    expired = bench.parts.poll_expired(60 * SECOND)
    assert expired is not None and expired.header is not None and expired.first[20:] == TEXT[:8]
    assert bench.parts.poll_expired(60 * SECOND) is None
    late = bench.parts.poll_expired(80 * SECOND)
    assert late is not None and late.header is None
    assert bench.parts.next_deadline() == NEVER
    assert bench.parts.memory == 0


@pytest.mark.rfc("3168", "3168.8")
@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ((0, 0), 0),
        ((2, 2), 2),
        ((1, 1), 1),
        ((2, 3), 3),
        ((1, 3), 3),
        ((3, 3), 3),
        ((0, 2), 0),
        ((1, 2), 1),
        ((0, 3), None),
    ],
)
def test_the_ecn_fields_of_fragments_are_combined(fields: tuple[int, ...], result: int | None) -> None:
    assert combine_ecn(sum({1 << value for value in fields})) == result


@pytest.mark.rfc("3168", "3168.8")
def test_congestion_experienced_by_a_fragment_is_experienced_by_the_datagram() -> None:
    bench = Bench()
    bench.add(0, 8, tos=0xB8 | 2)
    whole = bench.add(8, 16, False, tos=0xB8 | 3)
    assert whole is not None and whole.head[1] == 0xB8 | 3


@pytest.mark.rfc("3168", "3168.8")
def test_not_capable_and_congestion_experienced_together_drop_the_datagram() -> None:
    bench = Bench()
    bench.add(0, 8, tos=0)
    assert bench.add(8, 16, False, tos=3) is None
    assert bench.counters["IpReasmFails"] == 1


@pytest.mark.rfc("1122", "1122.7")
@given(
    st.integers(1, 4000),
    st.integers(68, 1500),
    st.sampled_from([b"", b"\x94\x04\0\0", b"\x07\x07\x04\0\0\0\0\0", b"\x07\x07\x04\0\0\0\0\x94\x04\0\0\0"]),
)
def test_what_is_cut_fits_and_comes_together_again(octets: int, mtu: int, options: bytes) -> None:
    payload = bytes(index & 0xFF for index in range(octets))
    header = Ipv4(PEER, OURS, PROTOCOL_UDP, identification=9, dont_fragment=False, options=options)
    pieces = fragment(header, (payload[: octets // 3], payload[octets // 3 :]), octets, mtu)
    parsed = [ipv4.parse(piece.head, 0, piece.octets) for piece in pieces]
    assert all(piece.octets <= mtu for piece in pieces)
    assert all(not one.fragment_offset % 8 for one in parsed)
    assert [one.more_fragments for one in parsed] == [True] * (len(parsed) - 1) + [False]
    assert parsed[0].options == options
    assert all(one.options == ipv4.copied_options(options) for one in parsed[1:])
    joined = b"".join(piece.joined()[one.header_octets :] for piece, one in zip(pieces, parsed, strict=True))
    assert joined == payload


def test_a_fragment_that_is_cut_again_keeps_its_place() -> None:
    header = Ipv4(
        PEER, OURS, PROTOCOL_UDP, identification=9, dont_fragment=False, fragment_offset=800, more_fragments=True
    )
    pieces = [ipv4.parse(one.head, 0, one.octets) for one in fragment(header, (bytes(160),), 160, 100)]
    assert [(one.fragment_offset, one.more_fragments) for one in pieces] == [(800, True), (880, True)]
