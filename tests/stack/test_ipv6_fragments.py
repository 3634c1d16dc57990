import random

from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import SECOND
from halfopen.base.counters import Counters
from halfopen.stack.config import FragmentConfig
from halfopen.stack.interface import Interface
from halfopen.stack.ipv6_fragments import Ipv6Reassembler, fragment
from halfopen.wire import ipv6, ipv6_headers
from halfopen.wire.ipv4 import PROTOCOL_UDP
from halfopen.wire.ipv6 import FRAGMENT, HEADER_OCTETS, HOP_BY_HOP_OPTIONS, Ipv6
from halfopen.wire.ipv6_headers import Fragment
from halfopen.wire.packet import Packet
from tests.stack.world6 import OURS, PEER, packet6

TUN = Interface("tun0", "ip")


def parts(**settings: object) -> Ipv6Reassembler:
    return Ipv6Reassembler(FragmentConfig(**settings), Counters())  # type: ignore[arg-type]  # fields by name


def add(reassembler: Ipv6Reassembler, octets: bytes, now: int = 0) -> Packet | None:
    header = ipv6.parse(octets, 0, len(octets))
    piece = ipv6_headers.parse(octets, 0, header).fragment
    assert piece is not None
    return reassembler.add(TUN, (header, piece), Packet(octets), now)


@given(st.binary(min_size=1500, max_size=9000), st.integers(1280, 1499), st.randoms(use_true_random=False))
def test_what_is_cut_fits_and_comes_together_again(payload: bytes, mtu: int, rng: random.Random) -> None:
    header = Ipv6(PEER, OURS, PROTOCOL_UDP, 33, 0x28, 77)
    pieces = [packet.joined() for packet in fragment(header, (payload[:700], payload[700:]), 99, mtu)]
    assert max(map(len, pieces)) <= mtu
    assert header.next_header == PROTOCOL_UDP
    rng.shuffle(pieces)
    reassembler = parts()
    *first, last = pieces
    assert [add(reassembler, piece) for piece in first] == [None] * len(first)
    whole = add(reassembler, last)
    assert whole is not None
    assert whole.head == ipv6.emit(header, len(payload)) + payload
    assert reassembler.memory == 0


def test_headers_in_front_of_the_fragment_header_stay() -> None:
    options = ipv6_headers.emit_options(FRAGMENT, [(5, b"\0\0")])
    reassembler = parts()
    for start, more in ((0, True), (8, False)):
        piece = ipv6_headers.emit_fragment(Fragment(PROTOCOL_UDP, start, more, 1))
        whole = add(reassembler, packet6(options + piece + bytes(8), next_header=HOP_BY_HOP_OPTIONS))
    assert whole is not None
    header = ipv6.parse(whole.head, 0, whole.octets)
    chain = ipv6_headers.parse(whole.head, 0, header)
    assert (header.payload_octets, chain.protocol, chain.offset) == (24, PROTOCOL_UDP, HEADER_OCTETS + 8)


def piece_of(number: int, start: int = 0, *, more: bool = True, octets: int = 64) -> bytes:
    header = ipv6_headers.emit_fragment(Fragment(PROTOCOL_UDP, start, more, number))
    return packet6(header + bytes(octets), next_header=FRAGMENT)


def test_memory_is_bounded_and_the_oldest_goes() -> None:
    reassembler = parts(memory=1000)
    for number in range(10):
        add(reassembler, piece_of(number))
    assert reassembler.memory <= 1000
    assert reassembler.counters["Ip6ReasmMemoryDrops"] == 7
    assert add(reassembler, piece_of(9, 64, more=False)) is not None


def test_a_packet_in_too_many_pieces_is_dropped() -> None:
    reassembler = parts(fragments=3)
    for at in range(4):
        add(reassembler, piece_of(1, 64 * at))
    assert reassembler.counters["Ip6ReasmTooManyFragments"] == 1
    assert reassembler.memory == 0


def test_two_ends_contradict_each_other() -> None:
    reassembler = parts()
    add(reassembler, piece_of(1, 128, more=False))
    add(reassembler, piece_of(1, 256, more=False))
    assert reassembler.counters["Ip6ReasmTwoEnds"] == 1


def test_a_fragment_without_octets_is_counted() -> None:
    reassembler = parts()
    header = ipv6_headers.emit_fragment(Fragment(PROTOCOL_UDP, 64, False, 1))
    assert add(reassembler, packet6(header, next_header=FRAGMENT)) is None
    assert reassembler.counters["Ip6ReasmEmpty"] == 1


def test_a_packet_of_which_a_part_is_missing_is_given_up_in_time() -> None:
    reassembler = parts(timeout=60 * SECOND)
    add(reassembler, piece_of(1), 5)
    assert reassembler.next_deadline() == 60 * SECOND + 5
    assert reassembler.poll_expired(60 * SECOND + 4) is None
    partial = reassembler.poll_expired(60 * SECOND + 5)
    assert partial is not None
    assert partial.first == piece_of(1)
