import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from halfopen.wire.checksum import checksum, fold, ones_sum, packet_sum, pseudo_header_sum, sum_buffers, update
from halfopen.wire.packet import Packet

WORDS = st.integers(0, 0xFFFF)
OCTETS = st.binary(max_size=200) | st.lists(st.sampled_from([b"\0", b"\xff", b"\x01\x00"])).map(b"".join)


def sum_of_words(data: bytes) -> int:
    """The ones' complement sum as RFC 1071 4.1 computes it: word by word, the carry added at the end."""
    padded = data + bytes(len(data) & 1)
    total = sum(padded[at] << 8 | padded[at + 1] for at in range(0, len(padded), 2))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total


def test_the_worked_example_of_rfc_1071_section_3_sums_to_ddf2() -> None:
    assert ones_sum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF


@given(OCTETS)
@example(b"")
@example(b"\0")
@example(b"\0\0")
@example(b"\xff\xff")
@example(b"\xff\xfe\x00\x01")
@example(b"\xff")
def test_the_sum_is_that_of_adding_word_by_word(data: bytes) -> None:
    assert ones_sum(data) == sum_of_words(data)
    assert checksum(data) == sum_of_words(data) ^ 0xFFFF


@given(OCTETS, st.integers(0, 0xFFFFFFFF))
def test_a_checksum_goes_on_from_a_partial_sum(data: bytes, initial: int) -> None:
    assert checksum(data, initial) == sum_of_words(initial.to_bytes(4, "big") + data) ^ 0xFFFF


@given(OCTETS)
def test_any_kind_of_buffer_has_the_same_sum(data: bytes) -> None:
    assert checksum(data) == checksum(bytearray(data)) == checksum(memoryview(data))


@given(OCTETS, WORDS)
def test_octets_with_their_checksum_in_front_verify(data: bytes, initial: int) -> None:
    field = checksum(data, initial).to_bytes(2, "big")
    assert checksum(field + data, initial) == 0


@given(st.integers(0, 1 << 64))
@example(0xFFFF)
@example(0x1FFFE)
def test_fold_is_zero_only_for_zero(total: int) -> None:
    assert fold(total) == sum_of_words(total.to_bytes(10, "big"))


@given(st.lists(OCTETS, max_size=6))
@example([])
@example([b"\0", b"\0\0"])
@example([b"\x12", b"\x34\x56", b"\x78"])
def test_octets_in_pieces_of_any_length_sum_as_if_joined(pieces: list[bytes]) -> None:
    assert sum_buffers(pieces) == sum_of_words(b"".join(pieces))


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4), st.integers(0, 255), WORDS)
def test_the_ipv4_pseudo_header_is_that_of_rfc_9293(
    source: bytes, destination: bytes, protocol: int, octets: int
) -> None:
    header = source + destination + bytes((0, protocol)) + octets.to_bytes(2, "big")
    assert pseudo_header_sum(source, destination, protocol, octets) == sum_of_words(header)


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 255),
    st.integers(0, 0xFFFFFFFF),
)
def test_the_ipv6_pseudo_header_is_that_of_rfc_8200(
    source: bytes, destination: bytes, protocol: int, octets: int
) -> None:
    header = source + destination + octets.to_bytes(4, "big") + bytes((0, 0, 0, protocol))
    assert pseudo_header_sum(source, destination, protocol, octets) == sum_of_words(header)


@given(st.binary(min_size=2, max_size=40).filter(any), WORDS, st.integers(0, 19))
def test_an_updated_checksum_is_the_one_computed_afresh(data: bytes, new: int, index: int) -> None:
    data += bytes(len(data) & 1)
    at = 2 * (index % (len(data) // 2))
    changed = data[:at] + new.to_bytes(2, "big") + data[at + 2 :]
    updated = update(checksum(data), int.from_bytes(data[at : at + 2], "big"), new)
    # A header of zeros has the checksum 0xFFFF, which is out of reach for equation 3: no header is all zeros.
    assert updated == checksum(changed) or not any(changed)


def test_update_gets_the_example_of_rfc_1624_right() -> None:
    assert update(0xDD2F, 0x5555, 0x3285) == 0x0000  # where equation 2 of RFC 1141 gives 0xFFFF


@pytest.mark.parametrize("cuts", [(), (10,), (3, 4), (0, 0, 7)])
def test_a_packet_is_summed_over_head_and_body_and_no_further(cuts: tuple[int, ...]) -> None:
    data = bytes(range(7, 47))
    edges = (0, *cuts, len(data))
    pieces = [data[low:high] for low, high in itertools.pairwise(edges)]
    packet = Packet(pieces[0], tuple(pieces[1:]))
    for offset in range(len(pieces[0]) + 1):
        for octets in range(len(data) - offset + 1):
            assert packet_sum(packet, offset, octets) == sum_of_words(data[offset : offset + octets])
