"""What a device with offloads does for its host, done here in its place: transport checksums and segmentation.

The result is what Linux's own generic segmentation makes of the same super-segment, octet for octet.
"""

from struct import Struct

from halfopen.base.octets import Buffers, OctetQueue, total_octets
from halfopen.wire.checksum import checksum, fold, packet_sum
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import CHECKSUM_OFFSET, CWR, FIN, PSH
from halfopen.wire.udp import CHECKSUM_OFFSET as UDP_CHECKSUM_OFFSET
from halfopen.wire.udp import transmitted

_HALF = Struct("!H")
_WORD = Struct("!I")
_IPV6_HEADER_OCTETS = 40


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


def split(packet: Packet, network_offset: int = 0) -> list[Packet]:
    """A TCP super-segment as the packets it stands for, each still PARTIAL; a packet that is none as it is.

    Sequence numbers and IPv4 identifications count on; FIN and PSH stay with the last packet, CWR with the first
    (RFC 3168 6.1.2). ``network_offset`` is where the IP header begins in the head: 0, or 14 behind Ethernet. ValueError
    if the super-segment is not PARTIAL, for nobody has summed its parts.
    """
    if not packet.gso_size:
        return [packet]
    if packet.checksum != CHECKSUM_PARTIAL:
        raise ValueError("a super-segment must be CHECKSUM_PARTIAL: the sums of its parts are still to be computed")
    transport = packet.checksum_start
    payload_start = transport + (packet.head[transport + 12] >> 2 & 0x3C)
    payload = OctetQueue()
    payload.append(memoryview(packet.head)[payload_start:])
    for buffer in packet.body:
        payload.append(buffer)
    form = _Form(packet, network_offset, payload_start, len(payload))
    packets: list[Packet] = []
    while len(payload) or not packets:
        body = payload.take(packet.gso_size)
        head = form.fill(body, not len(payload))
        packets.append(Packet(head, body, CHECKSUM_PARTIAL, transport, packet.checksum_offset))
    return packets


class _Form:
    """The headers of a super-segment, filled in for one of its packets after the other."""

    __slots__ = ("_flags", "_identification", "_network", "_octets", "_seq", "_sum", "_transport")

    def __init__(self, packet: Packet, network: int, header_octets: int, payload_octets: int) -> None:
        self._octets = bytearray(packet.head[:header_octets])
        self._network = network
        self._transport = transport = packet.checksum_start
        self._identification: int = _HALF.unpack_from(packet.head, network + 4)[0]
        self._seq: int = _WORD.unpack_from(packet.head, transport + 4)[0]
        self._flags: int = _HALF.unpack_from(packet.head, transport + 12)[0]
        # The pseudo-header's sum less the super-segment's length, to which each packet's own is added.
        partial: int = _HALF.unpack_from(packet.head, transport + CHECKSUM_OFFSET)[0]
        self._sum = partial - (header_octets - transport + payload_octets) % 0xFFFF + 0xFFFF

    def fill(self, body: Buffers, is_last: bool) -> bytes:
        """The headers in front of ``body``."""
        octets = self._octets
        transport = self._transport
        payload_octets = total_octets(body)
        transport_octets = len(octets) - transport + payload_octets
        self._fill_network(len(octets) - self._network + payload_octets)
        _WORD.pack_into(octets, transport + 4, self._seq)
        _HALF.pack_into(octets, transport + 12, self._flags if is_last else self._flags & ~(FIN | PSH))
        _HALF.pack_into(octets, transport + CHECKSUM_OFFSET, fold(self._sum + transport_octets))
        self._seq = self._seq + payload_octets & 0xFFFFFFFF
        self._flags &= ~CWR
        return bytes(octets)

    def _fill_network(self, total: int) -> None:
        octets = self._octets
        network = self._network
        if octets[network] >> 4 == 6:
            _HALF.pack_into(octets, network + 4, total - _IPV6_HEADER_OCTETS)
            return
        _HALF.pack_into(octets, network + 2, total)
        _HALF.pack_into(octets, network + 4, self._identification)
        _HALF.pack_into(octets, network + 10, 0)
        header = octets[network : network + ((octets[network] & 0x0F) << 2)]
        _HALF.pack_into(octets, network + 10, checksum(header))
        self._identification = self._identification + 1 & 0xFFFF
