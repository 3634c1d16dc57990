"""User Datagram Protocol (RFC 768)."""

from struct import Struct
from typing import Final

from halfopen.base.errors import Malformed
from halfopen.wire.checksum import packet_sum
from halfopen.wire.packet import Packet

HEADER_OCTETS: Final = 8
CHECKSUM_OFFSET: Final = 6

_HEADER: Final = Struct("!HHHH")


def parse(data: bytes, offset: int, available: int) -> tuple[int, int, int, int, int]:
    """Source port, destination port, payload offset, payload octets and the checksum field.

    ``data`` holds at least the header; ``available`` is what IP delivered from ``offset`` on, wherever it lies. What
    goes beyond the length that the header tells is ignored.
    """
    if available < HEADER_OCTETS or len(data) < offset + HEADER_OCTETS:
        raise Malformed("UdpTruncated")
    source_port, destination_port, octets, field = _HEADER.unpack_from(data, offset)
    if not HEADER_OCTETS <= octets <= available:
        raise Malformed("UdpBadLength")
    return source_port, destination_port, offset + HEADER_OCTETS, octets - HEADER_OCTETS, field


def verify(packet: Packet, offset: int, octets: int, pseudo_sum: int) -> bool:
    """Whether the checksum over header and payload is right; that a field of 0 means none is the caller's to know."""
    return (packet_sum(packet, offset, octets) + pseudo_sum) % 0xFFFF == 0


def emit(source_port: int, destination_port: int, octets: int, checksum: int) -> bytes:
    """The header; ``octets`` counts it. ``checksum`` is the field: partial, complete (see `transmitted`), or 0."""
    return _HEADER.pack(source_port, destination_port, octets, checksum)


def transmitted(checksum: int) -> int:
    """A computed checksum of zero is transmitted as all ones, for zero says that there is none (RFC 768)."""
    return checksum or 0xFFFF
