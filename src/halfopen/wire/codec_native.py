"""Headers for the compiled build: fields are read and written as machine words, without an object for each.

Interpreted, this gives the same and is slower than `codec_struct`; tests hold the two equal.
"""

from typing import TYPE_CHECKING, TypeAlias

from librt.strings import BytesWriter, read_i16_be, read_i32_be, read_i64_be, write_i32_be

from halfopen.base.addresses import Address
from halfopen.base.octets import Buffer

if TYPE_CHECKING:
    from mypy_extensions import i64

Headers: TypeAlias = BytesWriter
"""Headers that are filled in again and again."""


def read_ipv4(data: bytes, offset: int) -> tuple[int, int, int, int, int, int, Address, Address]:
    """First octet, TOS, total length, fragment word, TTL, protocol, source, destination (RFC 791 3.1)."""
    return (
        data[offset],
        data[offset + 1],
        _u16(data, offset + 2),
        _u16(data, offset + 6),
        data[offset + 8],
        data[offset + 9],
        data[offset + 12 : offset + 16],
        data[offset + 16 : offset + 20],
    )


def sums_to_zero(data: bytes, start: int, stop: int) -> bool:
    """Whether the ones' complement sum of ``data[start:stop]``, words of 32 bits, is zero: its checksum is right."""
    total = 0
    for at in range(start, stop, 4):
        total += _u32(data, at)
    return total % 0xFFFF == 0


def sum_words(data: Buffer) -> int:
    """What is congruent modulo 65535 to the sum of all words of 16 bits, an odd octet padded; 0 only if all are."""
    octets = data if isinstance(data, bytes) else bytes(data)
    return sum_range(octets, 0, len(octets))


def sum_range(data: bytes, start: int, stop: int) -> int:
    """`sum_words` of ``data[start:stop]``."""
    total: i64 = 0
    at: i64 = start
    end: i64 = stop
    while at + 8 <= end:
        word: i64 = read_i64_be(data, at)
        total += (word & 0xFFFFFFFF) + (word >> 32 & 0xFFFFFFFF)
        at += 8
    is_low = False
    while at < end:
        total += data[at] if is_low else data[at] << 8
        is_low = not is_low
        at += 1
    return total


def read_tcp(data: bytes, offset: int) -> tuple[int, int, int, int, int, int, int]:
    """Ports, SEQ, ACK, offset and flags, window, urgent pointer (RFC 9293 3.1)."""
    return (
        _u16(data, offset),
        _u16(data, offset + 2),
        _u32(data, offset + 4),
        _u32(data, offset + 8),
        _u16(data, offset + 12),
        _u16(data, offset + 14),
        _u16(data, offset + 18),
    )


def read_tcp_with_timestamps(data: bytes, offset: int) -> tuple[int, int, int, int, int, int, int, int, int, int]:
    """The same, and three words of options."""
    return (
        _u16(data, offset),
        _u16(data, offset + 2),
        _u32(data, offset + 4),
        _u32(data, offset + 8),
        _u16(data, offset + 12),
        _u16(data, offset + 14),
        _u16(data, offset + 18),
        _u32(data, offset + 20),
        _u32(data, offset + 24),
        _u32(data, offset + 28),
    )


def pack_ipv4(
    first: int, tos: int, total: int, identification: int, fragment: int, ttl: int, protocol: int, checksum: int
) -> bytes:
    """The first twelve octets of a header: all but its addresses (RFC 791 3.1)."""
    writer = BytesWriter()
    write_i32_be(writer, _signed(first << 24 | tos << 16 | total))
    write_i32_be(writer, _signed(identification << 16 | fragment))
    write_i32_be(writer, _signed(ttl << 24 | protocol << 16 | checksum))
    return writer.getvalue()


def pack_tcp(
    source_port: int,
    destination_port: int,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    checksum: int,
    urgent: int,
) -> bytes:
    """A header without options (RFC 9293 3.1); ``flags`` begins with the data offset."""
    writer = BytesWriter()
    write_i32_be(writer, _signed(source_port << 16 | destination_port))
    write_i32_be(writer, _signed(seq))
    write_i32_be(writer, _signed(ack))
    write_i32_be(writer, _signed(flags << 16 | window))
    write_i32_be(writer, _signed(checksum << 16 | urgent))
    return writer.getvalue()


def pack_tcp_with_timestamps(
    source_port: int,
    destination_port: int,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    checksum: int,
    urgent: int,
    word: int,
    value: int,
    echo: int,
) -> bytes:
    """The same, and three words of options."""
    writer = BytesWriter()
    write_i32_be(writer, _signed(source_port << 16 | destination_port))
    write_i32_be(writer, _signed(seq))
    write_i32_be(writer, _signed(ack))
    write_i32_be(writer, _signed(flags << 16 | window))
    write_i32_be(writer, _signed(checksum << 16 | urgent))
    write_i32_be(writer, _signed(word))
    write_i32_be(writer, _signed(value))
    write_i32_be(writer, _signed(echo))
    return writer.getvalue()


def make_headers(octets: bytes) -> Headers:
    """A copy to fill in."""
    writer = BytesWriter()
    writer.write(octets)
    return writer


def octets_of(headers: Headers) -> bytes:
    """What stands there now."""
    return headers.getvalue()


def put_half(headers: Headers, at: int, half: int) -> None:
    """Writes 16 bits."""
    headers[at] = half >> 8 & 0xFF
    headers[at + 1] = half & 0xFF


def put_word(headers: Headers, at: int, word: int) -> None:
    """Writes 32 bits."""
    put_half(headers, at, word >> 16)
    put_half(headers, at + 2, word)


def put_lengths(headers: Headers, at: int, length: int, identification: int) -> None:
    """Writes IPv4's total length and identification."""
    put_half(headers, at, length)
    put_half(headers, at + 2, identification)


def put_flags(headers: Headers, at: int, flags: int, window: int, checksum: int) -> None:
    """Writes TCP's flags, with the data offset, its window and its checksum."""
    put_half(headers, at, flags)
    put_half(headers, at + 2, window)
    put_half(headers, at + 4, checksum)


def _u16(data: bytes, at: int) -> int:
    return int(read_i16_be(data, at)) & 0xFFFF


def _u32(data: bytes, at: int) -> int:
    return int(read_i32_be(data, at)) & 0xFFFFFFFF


def _signed(word: int) -> int:
    """The 32-bit integer in two's complement that has the same octets."""
    return word - (1 << 32) if word >> 31 else word
