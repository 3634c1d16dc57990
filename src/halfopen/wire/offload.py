"""What a device with offloads does for its host, done here in its place: transport checksums and segmentation.

The result is what Linux's own generic segmentation makes of the same super-segment, octet for octet.
"""

from struct import Struct
from typing import Final

from halfopen.wire.checksum import fold, ones_sum, packet_sum
from halfopen.wire.codec import make_headers, octets_of, put_flags, put_half, put_lengths, put_word
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import CWR, FIN, PSH
from halfopen.wire.udp import CHECKSUM_OFFSET as UDP_CHECKSUM_OFFSET
from halfopen.wire.udp import transmitted

_HALF: Final = Struct("!H")
_WORD: Final = Struct("!I")
_FLAGS_TO_CHECKSUM: Final = Struct("!HHH")
_IPV6_HEADER_OCTETS: Final = 40


def complete_checksum(packet: Packet) -> Packet:
    """The packet with its transport checksum complete, the body shared; any but a PARTIAL one as it is."""
    if packet.checksum != CHECKSUM_PARTIAL:
        return packet
    head = packet.head
    start = packet.checksum_start
    field = start + packet.checksum_offset
    # The field holds the pseudo-header's sum, so the sum over all from start on takes it in.
    complete = packet_sum(packet, start, packet.octets - start) ^ 0xFFFF
    if packet.checksum_offset == UDP_CHECKSUM_OFFSET:
        complete = transmitted(complete)
    head = head[:field] + _HALF.pack(complete) + head[field + 2 :]
    return Packet(head, packet.body, CHECKSUM_NONE, start, packet.checksum_offset, packet.gso_size)


def split(packet: Packet, network_offset: int = 0, *, complete: bool = False) -> list[Packet]:
    """A TCP super-segment as the packets it stands for, each still PARTIAL; a packet that is none as it is.

    Sequence numbers and IPv4 identifications count on; FIN and PSH stay with the last packet, CWR with the first
    (RFC 3168 6.1.2). ``network_offset`` is where the IP header begins in the head: 0, or 14 behind Ethernet. With
    ``complete`` the packets come as from `complete_checksum`, for less than that costs. ValueError if the super-segment
    is not PARTIAL, for nobody has summed its parts.
    """
    if not packet.gso_size:
        return [complete_checksum(packet) if complete else packet]
    if packet.checksum != CHECKSUM_PARTIAL:
        raise ValueError("a super-segment must be CHECKSUM_PARTIAL: the sums of its parts are still to be computed")
    start, offset, size = packet.checksum_start, packet.checksum_offset, packet.gso_size
    payload_start = start + (packet.head[start + 12] >> 2 & 0x3C)
    payload = _contiguous(packet, payload_start)
    octets = len(payload)
    form = _Form(packet, network_offset, payload_start, octets)
    mark = CHECKSUM_NONE if complete else CHECKSUM_PARTIAL
    packets: list[Packet] = []
    at, stop = 0, octets or 1
    while at < stop:
        body = payload[at : at + size]
        at += size
        packets.append(Packet(form.fill(body, at >= octets, complete), (body,), mark, start, offset))
    return packets


def _contiguous(packet: Packet, start: int) -> memoryview:
    """What follows ``start`` of the head, in one piece: copying it once costs less than cutting pieces many times."""
    if start == len(packet.head) and len(packet.body) == 1:
        return memoryview(packet.body[0])
    return memoryview(b"".join((packet.head[start:], *packet.body)))


class _Form:
    """The headers of a super-segment, filled in for one of its packets after the other; sums are only added to."""

    __slots__ = (
        "_flags",
        "_header_octets",
        "_headers",
        "_identification",
        "_is_ipv6",
        "_network",
        "_network_sum",
        "_partial",
        "_seq",
        "_transport",
        "_transport_sum",
        "_window",
    )

    def __init__(self, packet: Packet, network: int, header_octets: int, payload_octets: int) -> None:
        octets = packet.head[:header_octets]
        self._header_octets = header_octets
        self._headers = headers = make_headers(octets)
        self._network = network
        self._transport = transport = packet.checksum_start
        self._is_ipv6 = octets[network] >> 4 == 6
        self._seq: int = _WORD.unpack_from(octets, transport + 4)[0]
        fields: tuple[int, int, int] = _FLAGS_TO_CHECKSUM.unpack_from(octets, transport + 12)
        self._flags, self._window, partial = fields
        # The pseudo-header's sum less the super-segment's length, to which each packet's own is added.
        self._partial = partial - (header_octets - transport + payload_octets) % 0xFFFF + 0xFFFF
        put_word(headers, transport + 4, 0)
        put_flags(headers, transport + 12, 0, self._window, 0)
        self._transport_sum = ones_sum(octets_of(headers)[transport:])
        self._identification = self._network_sum = 0
        if not self._is_ipv6:
            self._identification = octets[network + 4] << 8 | octets[network + 5]
            put_lengths(headers, network + 2, 0, 0)
            put_half(headers, network + 10, 0)
            end = network + ((octets[network] & 0x0F) << 2)
            self._network_sum = ones_sum(octets_of(headers)[network:end])

    def fill(self, body: memoryview, is_last: bool, complete: bool) -> bytes:
        """The headers in front of ``body``."""
        headers, network, transport, seq = self._headers, self._network, self._transport, self._seq
        header_octets = self._header_octets
        payload_octets = len(body)
        length = header_octets - network + payload_octets
        if self._is_ipv6:
            put_half(headers, network + 4, length - _IPV6_HEADER_OCTETS)
        else:
            identification = self._identification
            put_lengths(headers, network + 2, length, identification)
            put_half(headers, network + 10, -(self._network_sum + length + identification) % 0xFFFF)
            self._identification = identification + 1 & 0xFFFF
        flags = self._flags if is_last else self._flags & ~(FIN | PSH)
        total = self._partial + header_octets - transport + payload_octets
        if complete:
            total += self._transport_sum + (seq >> 16) + (seq & 0xFFFF) + flags + ones_sum(body)
            field = -total % 0xFFFF
        else:
            field = fold(total)
        put_word(headers, transport + 4, seq)
        put_flags(headers, transport + 12, flags, self._window, field)
        self._seq = seq + payload_octets & 0xFFFFFFFF
        self._flags &= ~CWR
        return octets_of(headers)
