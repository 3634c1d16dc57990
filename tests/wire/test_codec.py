"""The two codecs behind the seam do the same: one of them is what the compiled build has."""

from hypothesis import given
from hypothesis import strategies as st

from halfopen.wire import codec, codec_native, codec_struct

OCTET = st.integers(0, 0xFF)
HALF = st.integers(0, 0xFFFF)
WORD = st.integers(0, 0xFFFFFFFF)
TCP = st.tuples(HALF, HALF, WORD, WORD, HALF, HALF, HALF, HALF)
BEFORE = st.integers(0, 20)
LONGEST = 80


def test_the_seam_offers_what_both_have() -> None:
    for name in codec.__all__:
        assert hasattr(codec_struct, name)
        assert hasattr(codec_native, name)


@given(st.binary(min_size=LONGEST, max_size=LONGEST), BEFORE)
def test_headers_are_read_alike(octets: bytes, offset: int) -> None:
    assert codec_native.read_ipv4(octets, offset) == codec_struct.read_ipv4(octets, offset)
    assert codec_native.read_tcp(octets, offset) == codec_struct.read_tcp(octets, offset)
    expected = codec_struct.read_tcp_with_timestamps(octets, offset)
    assert codec_native.read_tcp_with_timestamps(octets, offset) == expected


@given(st.tuples(OCTET, OCTET, HALF, HALF, HALF, OCTET, OCTET, HALF))
def test_ipv4_is_packed_alike(fields: tuple[int, int, int, int, int, int, int, int]) -> None:
    assert codec_native.pack_ipv4(*fields) == codec_struct.pack_ipv4(*fields)


@given(TCP, st.tuples(WORD, WORD, WORD))
def test_tcp_is_packed_alike(
    fields: tuple[int, int, int, int, int, int, int, int], options: tuple[int, int, int]
) -> None:
    assert codec_native.pack_tcp(*fields) == codec_struct.pack_tcp(*fields)
    expected = codec_struct.pack_tcp_with_timestamps(*fields, *options)
    assert codec_native.pack_tcp_with_timestamps(*fields, *options) == expected


@given(st.lists(HALF, min_size=10, max_size=30).filter(lambda halves: len(halves) % 2 == 0), BEFORE)
def test_a_sum_of_zero_is_found_alike(halves: list[int], before: int) -> None:
    halves[5] = 0
    octets = b"".join(half.to_bytes(2, "big") for half in halves)
    right = -sum(halves) % 0xFFFF
    complete = bytes(before) + octets[:10] + right.to_bytes(2, "big") + octets[12:]
    stop = len(complete)
    for sums_to_zero in (codec_native.sums_to_zero, codec_struct.sums_to_zero):
        assert sums_to_zero(complete, before, stop)
        assert sums_to_zero(octets, 0, len(octets)) == (right == 0)


@given(st.binary(min_size=40, max_size=40), st.integers(0, 30), HALF, HALF, HALF, WORD)
def test_headers_are_filled_in_alike(octets: bytes, at: int, first: int, second: int, third: int, word: int) -> None:
    native, struct = codec_native.make_headers(octets), codec_struct.make_headers(octets)
    codec_native.put_word(native, at, word)
    codec_struct.put_word(struct, at, word)
    codec_native.put_half(native, at + 6, first)
    codec_struct.put_half(struct, at + 6, first)
    assert codec_native.octets_of(native) == codec_struct.octets_of(struct)
    codec_native.put_lengths(native, at, first, second)
    codec_struct.put_lengths(struct, at, first, second)
    assert codec_native.octets_of(native) == codec_struct.octets_of(struct)
    codec_native.put_flags(native, at, third, first, second)
    codec_struct.put_flags(struct, at, third, first, second)
    assert codec_native.octets_of(native) == codec_struct.octets_of(struct)


@given(st.binary(max_size=100), st.sampled_from((bytes, bytearray, memoryview)))
def test_words_are_summed_alike(octets: bytes, kind: type[bytes] | type[bytearray] | type[memoryview]) -> None:
    padded = octets + bytes(len(octets) % 2)
    expected = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    for sum_words in (codec_native.sum_words, codec_struct.sum_words):
        total = sum_words(kind(octets))
        assert total % 0xFFFF == expected % 0xFFFF
        assert bool(total) == bool(expected)


@given(st.binary(max_size=100), st.integers(0, 100), st.integers(0, 100))
def test_words_of_a_part_are_summed_alike(octets: bytes, start: int, stop: int) -> None:
    start, stop = sorted((min(start, len(octets)), min(stop, len(octets))))
    for codec_of_build in (codec_native, codec_struct):
        total = codec_of_build.sum_range(octets, start, stop)
        assert total % 0xFFFF == codec_struct.sum_words(octets[start:stop]) % 0xFFFF
