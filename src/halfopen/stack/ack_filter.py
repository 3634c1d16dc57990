"""Of the acknowledgments in one batch of packets, those that the next one covers are left out (RFC 3449 5.2.1).

It is as if the network had lost them, which TCP has to bear anyway, and can: it counts octets acknowledged, not ACKs,
and the last one says it all. What says something of its own stays: text, SACK blocks, any other flag, and an ACK that
nothing behind it goes beyond, such as duplicates and window updates. A sender that has a batch of 64 ACKs to read does
one ACK's work for them.
"""

from collections.abc import Container, Sequence
from struct import Struct

from halfopen.base.addresses import Address
from halfopen.tcp.seqnum import HALF, MASK
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.packet import Packet
from halfopen.wire.tcp_options import TIMESTAMPS_WORD

_PLAIN = 0x45
"""IPv4 without options."""
_FRAGMENT_BITS = 0x3FFF
_FLAGS = {40: 0x5010, 52: 0x8010}
"""By length of the datagram: the header's length, and ACK without another flag."""

_FIELDS = Struct("!B5xHxB18xIH").unpack_from
"""First octet, fragment bits, protocol; SEG.ACK, header length with flags."""
_WORD = Struct("!I").unpack_from


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
        ack = _pure_ack(head, at) if not packet.body else None
        if ack is None or head[at + 16 : at + 20] not in owned:
            flow = None
            kept.append(packet)
            continue
        # Link header, length, DSCP and ECN; fragment bits, TTL, protocol; addresses, ports, SEG.SEQ.
        same = head[: at + 4] + head[at + 6 : at + 10] + head[at + 12 : at + 28]
        if same == flow and 0 < (ack - acknowledged) & MASK < HALF:
            kept[-1] = packet
        else:
            kept.append(packet)
        flow, acknowledged = same, ack
    return kept


def _pure_ack(head: bytes, at: int) -> int | None:
    """SEG.ACK of a segment without text that bears ACK alone, and no option but timestamps; None for any other."""
    octets = len(head) - at
    flags = _FLAGS.get(octets)
    if flags is None:
        return None
    first, fragment, protocol, ack, found = _FIELDS(head, at)
    if first != _PLAIN or fragment & _FRAGMENT_BITS or protocol != PROTOCOL_TCP or found != flags:
        return None
    if octets == 52 and _WORD(head, at + 40)[0] != TIMESTAMPS_WORD:
        return None
    number: int = ack
    return number
