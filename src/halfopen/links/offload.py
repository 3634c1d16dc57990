"""The header in front of every frame of a device with offloads: ``struct virtio_net_hdr`` (virtio 1.2, 5.1.6).

      0       1       2       4        6           8            10
      | flags | type  | hdr_len | gso_size | csum_start | csum_offset |

TUN (``IFF_VNET_HDR``) and AF_PACKET (``PACKET_VNET_HDR``) speak it in the byte order of the machine. It carries the
marks of a `Packet` and nothing else. A header that contradicts its frame is not believed, as what it would lead to is a
corrupted stream: the frame is taken for what it is by itself, and verified.
"""

from struct import Struct

from halfopen.base.errors import Malformed
from halfopen.wire.offload import split
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet

VNET_OCTETS = 10
"""The layout without ``num_buffers``; both devices begin with it."""

NEEDS_CSUM = 1
DATA_VALID = 2

GSO_NONE = 0
GSO_TCPV4 = 1
GSO_TCPV6 = 4
GSO_ECN = 0x80
"""The first segment carries CWR, which must not be repeated on the others (RFC 3168 6.1.2)."""

MAX_PACKET = 65535
"""Longest IPv4 packet, and so the longest super-segment (RFC 791 3.1: total length has 16 bits)."""

_HEADER = Struct("=BBHHHH")
_PLAIN = bytes(VNET_OCTETS)
_TCP_CHECKSUM = 16
_TCP_MINIMUM = 20
_TCP_CWR = 0x80


def parse(data: bytes) -> Packet:
    """A frame behind its virtio_net_hdr to a `Packet`; Malformed if the header contradicts itself or the frame.

    A super-segment is not copied: `Packet.head` ends with the TCP header, the payload is a view of ``data``. One that
    was merged from verified segments is one long segment: its checksum is not unfinished, so nobody could cut it.
    """
    if len(data) < VNET_OCTETS:
        raise Malformed("VnetTooShort")
    flags, gso_type, _, gso_size, start, offset = _HEADER.unpack_from(data)
    if not flags & NEEDS_CSUM:
        if gso_type != GSO_NONE and not flags & DATA_VALID:
            raise Malformed("VnetGsoWithoutChecksum")
        return Packet(data[VNET_OCTETS:], (), CHECKSUM_VERIFIED if flags & DATA_VALID else CHECKSUM_NONE)
    if VNET_OCTETS + start + offset + 2 > len(data):
        raise Malformed("VnetBadChecksumStart")
    if gso_type == GSO_NONE:
        return Packet(data[VNET_OCTETS:], (), CHECKSUM_PARTIAL, start, offset)
    if gso_type & ~GSO_ECN not in (GSO_TCPV4, GSO_TCPV6):
        raise Malformed("VnetUnknownGso")
    payload = _payload_start(data, VNET_OCTETS + start, offset)
    if gso_size == 0:
        raise Malformed("VnetBadGsoSize")
    if len(data) - payload <= gso_size:
        gso_size = 0
    body = (memoryview(data)[payload:],) if payload < len(data) else ()
    return Packet(data[VNET_OCTETS:payload], body, CHECKSUM_PARTIAL, start, offset, gso_size)


def without_marks(data: bytes) -> tuple[Packet, ...]:
    """The frame whose virtio_net_hdr `parse` has refused, if there is one: nobody vouches for its checksum.

    If that was left unfinished, it is wrong, and TCP drops the segment. If only the header was wrong, nothing is lost.
    """
    return (Packet(data[VNET_OCTETS:]),) if len(data) > VNET_OCTETS else ()


def emit(packet: Packet, network_offset: int) -> bytes:
    """The virtio_net_hdr for ``packet``, whose network header begins at ``network_offset`` of its head.

    Malformed if the marks contradict the packet: a device would send something else than what was meant.
    """
    if packet.checksum != CHECKSUM_PARTIAL:
        if packet.gso_size:
            raise Malformed("VnetGsoWithoutChecksum")
        return _PLAIN
    start, offset, head = packet.checksum_start, packet.checksum_offset, packet.head
    if start < network_offset or start + offset + 2 > len(head):
        raise Malformed("VnetBadChecksumStart")
    if not packet.gso_size:
        return _HEADER.pack(NEEDS_CSUM, GSO_NONE, start + offset + 2, 0, start, offset)
    payload = _payload_start(head, start, offset)
    if packet.gso_size > MAX_PACKET or packet.octets - network_offset > MAX_PACKET:
        raise Malformed("VnetBadGsoSize")
    if packet.octets - payload <= packet.gso_size:
        return _HEADER.pack(NEEDS_CSUM, GSO_NONE, payload, 0, start, offset)
    gso_type = GSO_TCPV4 if head[network_offset] >> 4 == 4 else GSO_TCPV6
    if head[start + 13] & _TCP_CWR:
        gso_type |= GSO_ECN
    return _HEADER.pack(NEEDS_CSUM, gso_type, payload, packet.gso_size, start, offset)


def pieces(packet: Packet, network_offset: int, *, complete: bool = False) -> list[Packet]:
    """The packets that ``packet`` is on a wire, PARTIAL unless ``complete``; Malformed if its marks contradict it."""
    if packet.gso_size:
        emit(packet, network_offset)
    return split(packet, network_offset, complete=complete)


def _payload_start(data: bytes, start: int, offset: int) -> int:
    """Where the TCP header that begins at ``start`` of ``data`` ends."""
    if offset != _TCP_CHECKSUM or start + _TCP_MINIMUM > len(data):
        raise Malformed("VnetBadChecksumStart")
    octets = data[start + 12] >> 4 << 2
    if octets < _TCP_MINIMUM or start + octets > len(data):
        raise Malformed("VnetBadHeaderLength")
    return start + octets
