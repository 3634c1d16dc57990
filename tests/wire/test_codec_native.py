"""What the interpreter does by `struct` is done here word by word; that both agree is a matter of the codec's tests."""

from halfopen.base.addresses import parse_address
from halfopen.wire import codec_native as codec

SOURCE, DESTINATION = parse_address("192.0.2.1"), parse_address("198.51.100.2")
IPV4 = bytes.fromhex("4503002812344000400686b6") + SOURCE + DESTINATION
TCP = bytes.fromhex("0050c00080000001fffffffe5010ffff1234000f")
STAMPS = bytes.fromhex("0101080a80000005ffffffff")
FIELDS = (80, 0xC000, 0x80000001, 0xFFFFFFFE, 0x5010, 0xFFFF)


def test_the_fields_of_ipv4_are_read() -> None:
    assert codec.read_ipv4(b"link" + IPV4, 4) == (0x45, 3, 40, 0x4000, 64, 6, SOURCE, DESTINATION)


def test_the_fields_of_ipv4_are_written() -> None:
    assert codec.pack_ipv4(0x45, 3, 40, 0x1234, 0x4000, 64, 6, 0x86B6) == IPV4[:12]


def test_the_fields_of_tcp_are_read() -> None:
    assert codec.read_tcp(b"link" + TCP, 4) == (*FIELDS, 15)
    assert codec.read_tcp_with_timestamps(TCP + STAMPS, 0) == (*FIELDS, 15, 0x0101080A, 0x80000005, 0xFFFFFFFF)


def test_the_fields_of_tcp_are_written() -> None:
    assert codec.pack_tcp(*FIELDS, 0x1234, 15) == TCP
    stamped = codec.pack_tcp_with_timestamps(*FIELDS, 0x1234, 15, 0x0101080A, 0x80000005, 0xFFFFFFFF)
    assert stamped == TCP + STAMPS


def test_a_right_checksum_makes_the_sum_zero() -> None:
    assert codec.sums_to_zero(b"link" + bytes.fromhex("00010002fffc0000"), 4, 12)
    assert not codec.sums_to_zero(bytes.fromhex("00010002fffd0000"), 0, 8)


def test_headers_are_filled_in_where_it_is_said() -> None:
    headers = codec.make_headers(bytes(20))
    codec.put_word(headers, 0, 0x80000001)
    codec.put_half(headers, 4, 0xFFFE)
    codec.put_lengths(headers, 6, 40, 7)
    codec.put_flags(headers, 10, 0x5010, 0xFFFF, 0x1234)
    assert codec.octets_of(headers) == bytes.fromhex("80000001fffe002800075010ffff1234") + bytes(4)


def test_words_are_summed_and_an_odd_octet_is_padded() -> None:
    octets = bytes(range(200, 223))
    padded = octets + b"\0"
    expected = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, 24, 2)) % 0xFFFF
    for data in (octets, bytearray(octets), memoryview(octets), padded):
        assert codec.sum_words(data) % 0xFFFF == expected
    assert codec.sum_range(b"other" + octets + b"others", 5, 28) % 0xFFFF == expected
    assert codec.sum_words(bytes(9)) == 0
