"""The Internet checksum (RFC 1071): the complement of the sum of 16-bit words in ones' complement arithmetic.

That sum is the remainder modulo 65535 of the octets read as one big-endian integer, because 2^16 is 1 there, and
CPython divides a long integer three times faster than it adds words one by one; compiled, adding is quicker still. The
remainder has a single zero where ones' complement has two: here a sum is 0 only if every octet is, and any other
multiple of 65535 is 0xFFFF, as adding words with end-around carry gives it.
"""

from collections.abc import Sequence

from halfopen.base.addresses import Address
from halfopen.base.octets import Buffer
from halfopen.wire.codec import sum_range, sum_words
from halfopen.wire.packet import Packet


def checksum(data: Buffer, initial: int = 0) -> int:
    """The 16 bit one's complement of the one's complement sum (RFC 791 3.1); ``initial`` is a sum to go on from."""
    total = sum_words(data) + initial
    return -total % 0xFFFF if total else 0xFFFF


def ones_sum(data: Buffer) -> int:
    """The sum before it is complemented, folded to 16 bits."""
    return checksum(data) ^ 0xFFFF


def sum_buffers(buffers: Sequence[Buffer]) -> int:
    """The sum of octets in pieces, folded to 16 bits; pieces may have odd lengths."""
    if len(buffers) == 1:
        return checksum(buffers[0]) ^ 0xFFFF
    total = 0
    is_odd = False
    for buffer in buffers:
        piece = checksum(buffer) ^ 0xFFFF
        total += piece << 8 if is_odd else piece  # a sum that begins amid a word is the sum with its octets swapped
        is_odd ^= bool(len(buffer) & 1)
    return fold(total)


def pseudo_header_sum(source: Address, destination: Address, protocol: int, octets: int) -> int:
    """The sum of the pseudo-header (RFC 9293 3.1; RFC 8200 8.1), folded; ``octets`` is the transport's length."""
    return fold(int.from_bytes(source + destination, "big") + protocol + octets)


def fold(total: int) -> int:
    """Any sum of words to 16 bits: 0 only for 0."""
    return -total % 0xFFFF ^ 0xFFFF if total else 0


def update(old_checksum: int, old_word: int, new_word: int) -> int:
    """The checksum after one 16-bit word under it has changed: HC' = ~(~HC + ~m + m') (RFC 1624 3, equation 3)."""
    total = (old_checksum ^ 0xFFFF) + (old_word ^ 0xFFFF) + new_word
    return -total % 0xFFFF if total else 0xFFFF


def packet_sum(packet: Packet, offset: int, octets: int) -> int:
    """The folded sum of ``octets`` octets from ``offset`` in the head on, the body included; all are there."""
    head = packet.head
    stop = offset + octets
    if stop <= len(head):
        return fold(sum_range(head, offset, stop))
    stop -= len(head)
    pieces: list[Buffer] = [head[offset:]]
    for buffer in packet.body:
        if stop < len(buffer):
            buffer = memoryview(buffer)[:stop]
        pieces.append(buffer)
        stop -= len(buffer)
    return sum_buffers(pieces)
