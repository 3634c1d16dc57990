"""Bursts as Linux sends them: how many segments TCP hands down at once shows in where PSH is set."""

from collections.abc import Iterator

from halfopen.wire.offload import split
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import PSH

_FLAGS_OFFSET = 13


def in_bursts(packet: Packet) -> Iterator[Packet]:
    """A super-segment as what stands on the wire for it: its last segment has PSH, whoever pushed (Linux)."""
    *first, last = split(packet)
    yield from first
    yield _pushed(last) if first else last


def _pushed(packet: Packet) -> Packet:
    head = bytearray(packet.head)
    head[packet.checksum_start + _FLAGS_OFFSET] |= PSH  # Its checksum is still to be computed.
    return Packet(bytes(head), packet.body, packet.checksum, packet.checksum_start, packet.checksum_offset)
