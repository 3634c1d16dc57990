"""Of the acknowledgments in one batch of packets, those that the next one covers are left out (RFC 3449 5.2.1).

It is as if the network had lost them, which TCP has to bear anyway, and can: it counts octets acknowledged, not ACKs,
and the last one says it all. What says something of its own stays: text, SACK blocks, any other flag, and an ACK that
nothing behind it goes beyond, such as duplicates and window updates. A sender that has a batch of 64 ACKs to read does
one ACK's work for them.
"""

from collections.abc import Container, Sequence
from struct import Struct
from typing import Final

from halfopen.base.addresses import Address
from halfopen.tcp.seqnum import HALF, MASK
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.packet import Packet
from halfopen.wire.tcp_options import TIMESTAMPS_WORD

_PLAIN: Final = 0x45
"""IPv4 without options."""
_FRAGMENT_BITS: Final = 0x3FFF
_FLAGS: Final = {20: 0x5010, 32: 0x8010}
"""By length of the TCP header: that length, and ACK without another flag."""

_IPV4: Final = Struct("!B5xHxB18xIH").unpack_from
"""First octet, fragment bits, protocol; SEG.ACK, header length with flags."""
_IPV6: Final = Struct("!B3xHB41xIH").unpack_from
"""First octet, payload length, next header; SEG.ACK, header length with flags."""
_WORD: Final = Struct("!I").unpack_from


def without_covered_acks(packets: Sequence[Packet], at: int, owned: Container[Address]) -> list[Packet]:
    """``packets`` of one batch, with IP headers at ``at``, less each pure ACK to us whose successor covers it.

    That is one of the same flow, with the same SEG.SEQ and everything else but window and timestamps, and a higher
    SEG.ACK. If the successor should turn out to be corrupt, both are lost. What is not for one of the ``owned``
    addresses is only passing through, and stays.
    """
    kept: list[Packet] = []
    flow: bytes | None = None
    acknowledged = 0
    for packet in packets:
        head = packet.head
        reader = _READERS.get(len(head) - at) if not packet.body else None
        found = reader(head, at, owned) if reader is not None else None
        if found is None:
            flow = None
            kept.append(packet)
            continue
        ack, same = found
        if same == flow and 0 < (ack - acknowledged) & MASK < HALF:
            kept[-1] = packet
        else:
            kept.append(packet)
        flow, acknowledged = same, ack
    return kept


def _read_ipv4(head: bytes, at: int, owned: Container[Address]) -> tuple[int, bytes] | None:
    """SEG.ACK of a segment to us without text that bears ACK alone, and no option but timestamps; None for any other.

    With it what its successor has to have in common: link header, length, DSCP and ECN; fragment bits, TTL, protocol;
    addresses, ports, SEG.SEQ.
    """
    first, fragment, protocol, ack, found = _IPV4(head, at)
    if first != _PLAIN or fragment & _FRAGMENT_BITS or protocol != PROTOCOL_TCP:
        return None
    if not _is_bare(head, at + 20, found) or head[at + 16 : at + 20] not in owned:
        return None
    return ack, head[: at + 4] + head[at + 6 : at + 10] + head[at + 12 : at + 28]


def _read_ipv6(head: bytes, at: int, owned: Container[Address]) -> tuple[int, bytes] | None:
    """The same of IPv6 without extension headers; all up to SEG.SEQ is to be the same."""
    first, octets, protocol, ack, found = _IPV6(head, at)
    if first >> 4 != 6 or octets != len(head) - at - 40 or protocol != PROTOCOL_TCP:
        return None
    if not _is_bare(head, at + 40, found) or head[at + 24 : at + 40] not in owned:
        return None
    return ack, head[: at + 48]


def _is_bare(head: bytes, transport: int, found: int) -> bool:
    """Whether there is nothing but an ACK, with or without timestamps."""
    octets = len(head) - transport
    return found == _FLAGS[octets] and (octets == 20 or _WORD(head, transport + 20)[0] == TIMESTAMPS_WORD)


_READERS: Final = {40: _read_ipv4, 52: _read_ipv4, 60: _read_ipv6, 72: _read_ipv6}
"""By length of the datagram: nothing else can be a bare ACK."""
