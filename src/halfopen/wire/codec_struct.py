"""Headers by `struct`, which is what the interpreter is quickest with; arguments and results as in `codec_native`."""

from struct import Struct
from typing import Final, TypeAlias

from halfopen.base.octets import Buffer

Headers: TypeAlias = bytearray
"""Headers that are filled in again and again."""

_IPV4_START: Final = Struct("!BBHHHBBH")
_IPV4: Final = Struct("!BBHxxHBBxx4s4s")
_TCP: Final = Struct("!HHIIHHHH")
_TCP_READ: Final = Struct("!HHIIHHxxH")
_TCP_WITH_TIMESTAMPS: Final = Struct("!HHIIHHHHIII")
_TCP_WITH_TIMESTAMPS_READ: Final = Struct("!HHIIHHxxHIII")

# The structures' own methods: a function around each would cost the interpreter as much again.
read_ipv4: Final = _IPV4.unpack_from
read_tcp: Final = _TCP_READ.unpack_from
read_tcp_with_timestamps: Final = _TCP_WITH_TIMESTAMPS_READ.unpack_from
pack_ipv4: Final = _IPV4_START.pack
pack_tcp: Final = _TCP.pack
pack_tcp_with_timestamps: Final = _TCP_WITH_TIMESTAMPS.pack

put_half: Final = Struct("!H").pack_into
put_word: Final = Struct("!I").pack_into
put_lengths: Final = Struct("!HH").pack_into
put_flags: Final = Struct("!HHH").pack_into
octets_of: Final = bytes


def make_headers(octets: bytes) -> Headers:
    """A copy to fill in."""
    return bytearray(octets)


def sums_to_zero(data: bytes, start: int, stop: int) -> bool:
    """Whether the ones' complement sum of ``data[start:stop]``, words of 32 bits, is zero: its checksum is right."""
    return not int.from_bytes(data[start:stop], "big") % 0xFFFF


def sum_words(data: Buffer) -> int:
    """What is congruent modulo 65535 to the sum of all words of 16 bits, an odd octet padded; 0 only if all are."""
    total = int.from_bytes(data, "big")
    return total << 8 if len(data) & 1 else total


def sum_range(data: bytes, start: int, stop: int) -> int:
    """`sum_words` of ``data[start:stop]``."""
    return sum_words(data[start:stop])
