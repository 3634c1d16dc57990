"""Explicit Congestion Notification in the IP header (RFC 3168 5)."""

from typing import Final

from halfopen.wire.checksum import update
from halfopen.wire.packet import Packet

NOT_ECT: Final = 0
ECT_1: Final = 1
ECT_0: Final = 2
CE: Final = 3
"""Congestion experienced."""

_PLAIN_VERSION: Final = 4


def marked(packet: Packet, network_offset: int) -> Packet | None:
    """The packet with CE; None if its transport does not understand ECN, so that it must be dropped instead.

    A packet that has been marked before is marked. The header's checksum is updated, not computed anew (RFC 1624).
    """
    head = packet.head
    if len(head) < network_offset + 20 or head[network_offset] >> 4 != _PLAIN_VERSION:
        return None
    codepoint = head[network_offset + 1] & 3
    if codepoint == NOT_ECT:
        return None
    if codepoint == CE:
        return packet
    octets = bytearray(head)
    old_word = int.from_bytes(octets[network_offset : network_offset + 2], "big")
    octets[network_offset + 1] |= CE
    field = slice(network_offset + 10, network_offset + 12)
    octets[field] = update(int.from_bytes(octets[field], "big"), old_word, old_word | CE).to_bytes(2, "big")
    return Packet(
        bytes(octets), packet.body, packet.checksum, packet.checksum_start, packet.checksum_offset, packet.gso_size
    )
