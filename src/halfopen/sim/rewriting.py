"""Other addresses and ports in a datagram that is on its way, with every checksum kept right (RFC 3022 4, RFC 1624)."""

from dataclasses import dataclass
from struct import Struct

from halfopen.base.addresses import Address
from halfopen.base.errors import Malformed
from halfopen.wire import icmpv4, ipv4, tcp, udp
from halfopen.wire.checksum import checksum, fold
from halfopen.wire.icmpv4 import ECHO_REPLY, ECHO_REQUEST, ERROR_TYPES
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet

SOURCE, DESTINATION = 0, 1
"""Which end of a datagram is rewritten."""

_HALF = Struct("!H")
_PORTS = Struct("!HH")
_CHECKSUM_AT = {PROTOCOL_TCP: 16, PROTOCOL_UDP: udp.CHECKSUM_OFFSET, PROTOCOL_ICMP: 2}
_HEADER_OCTETS = {
    PROTOCOL_TCP: tcp.HEADER_OCTETS,
    PROTOCOL_UDP: udp.HEADER_OCTETS,
    PROTOCOL_ICMP: icmpv4.HEADER_OCTETS,
}


@dataclass(slots=True, kw_only=True)
class Datagram:
    """What a translator has to know of one; ``ports`` of an ICMP echo are both its identifier, else 0 without ports.

    ``network`` and ``transport`` are where those headers start. For TCP ``word`` holds the flags, for ICMP the type.
    """

    network: int
    transport: int
    header: ipv4.Ipv4
    ports: tuple[int, int] = (0, 0)
    word: int = 0

    @property
    def protocol(self) -> int:
        """By its number."""
        return self.header.protocol

    @property
    def is_first(self) -> bool:
        """Whole, or the first fragment: the one with the ports."""
        return self.header.fragment_offset == 0

    @property
    def is_echo(self) -> bool:
        """ICMP echo, request or reply."""
        return self.protocol == PROTOCOL_ICMP and self.word in (ECHO_REQUEST, ECHO_REPLY)

    @property
    def is_error(self) -> bool:
        """An ICMP message about another datagram."""
        return self.protocol == PROTOCOL_ICMP and self.word in ERROR_TYPES


def gathered(packet: Packet, network: int) -> Packet:
    """The packet with ports and checksum in its head: those of a fragment may have been left in the body."""
    if not packet.body or len(packet.head) >= network + ipv4.MINIMUM_OCTETS + udp.HEADER_OCTETS:
        return packet
    return Packet(packet.joined(), (), packet.checksum, packet.checksum_start, packet.checksum_offset, packet.gso_size)


def look(packet: Packet, network: int) -> Datagram:
    """The datagram that begins at ``network`` in the packet's head; raises Malformed."""
    return _look(packet.head, network, packet.octets - network)


def look_quoted(packet: Packet, error: Datagram) -> Datagram:
    """The datagram that an ICMP error quotes; raises Malformed. Only its first 8 octets of transport need be there."""
    head = packet.joined()
    start = error.transport + icmpv4.HEADER_OCTETS
    icmpv4.parse(head[error.transport : error.network + error.header.total_octets])
    icmpv4.parse_quoted(head[start:])
    octets = int.from_bytes(head[start + 2 : start + 4], "big")
    return _look(head, start, octets, least=8)


def rewrite(packet: Packet, datagram: Datagram, end: int, address: Address, port: int | None) -> Packet:
    """The packet with another source or destination; ``port`` None leaves the transport as it is (later fragments)."""
    head = bytearray(packet.head)
    _patch(head, datagram, end, (address, port), packet.checksum == CHECKSUM_PARTIAL)
    return Packet(
        bytes(head), packet.body, packet.checksum, packet.checksum_start, packet.checksum_offset, packet.gso_size
    )


def rewrite_error(packet: Packet, error: Datagram, quoted: Datagram, end: int, to: tuple[Address, int]) -> Packet:
    """An ICMP error with another ``end``; it is also the other end of the datagram that is quoted (RFC 5508 4)."""
    head = bytearray(packet.joined())
    _patch(head, quoted, 1 - end, to, False)
    _patch(head, error, end, (to[0], None), False)
    stop = error.network + error.header.total_octets
    _HALF.pack_into(head, error.transport + 2, 0)
    _HALF.pack_into(head, error.transport + 2, checksum(head[error.transport : stop]))
    return Packet(bytes(head))


def _look(head: bytes, network: int, available: int, least: int | None = None) -> Datagram:
    header = ipv4.parse(head, network, available)
    transport = network + header.header_octets
    datagram = Datagram(network=network, transport=transport, header=header)
    octets = _HEADER_OCTETS.get(header.protocol)
    if octets is None or header.fragment_offset:
        return datagram
    if len(head) < transport + (least or octets):
        raise Malformed("NatTruncated")
    if header.protocol == PROTOCOL_ICMP:
        datagram.word = head[transport]
        if datagram.is_echo:
            (identifier,) = _HALF.unpack_from(head, transport + 4)
            datagram.ports = (identifier, identifier)
        return datagram
    datagram.ports = _PORTS.unpack_from(head, transport)
    if header.protocol == PROTOCOL_TCP and len(head) > transport + 13:
        datagram.word = head[transport + 13]
    return datagram


def _patch(head: bytearray, datagram: Datagram, end: int, to: tuple[Address, int | None], partial: bool) -> None:
    """Address, port and both checksums in place."""
    address, port = to
    at = datagram.network + 12 + 4 * end
    change = (0xFFFFFFFF ^ int.from_bytes(head[at : at + 4], "big")) + int.from_bytes(address, "big")
    head[at : at + 4] = address
    _adjust(head, datagram.network + 10, change)
    if port is None:
        return
    protocol = datagram.protocol
    if protocol == PROTOCOL_ICMP:
        change = 0  # it has no pseudo-header
        port_at = datagram.transport + 4
    else:
        port_at = datagram.transport + 2 * end
    (old_port,) = _HALF.unpack_from(head, port_at)
    _HALF.pack_into(head, port_at, port)
    field = datagram.transport + _CHECKSUM_AT[protocol]
    if partial:
        # The field is the sum of the pseudo-header alone, and not yet complemented.
        (pseudo,) = _HALF.unpack_from(head, field)
        _HALF.pack_into(head, field, fold(pseudo + change))
    elif field + 2 <= len(head) and not (protocol == PROTOCOL_UDP and head[field : field + 2] == b"\0\0"):
        _adjust(head, field, change + (0xFFFF ^ old_port) + port)
        if protocol == PROTOCOL_UDP and head[field : field + 2] == b"\0\0":
            head[field : field + 2] = b"\xff\xff"


def _adjust(head: bytearray, field: int, change: int) -> None:
    """HC' = ~(~HC + ~m + m') (RFC 1624 3); ``change`` is the sum of all ~m and m'."""
    (old,) = _HALF.unpack_from(head, field)
    _HALF.pack_into(head, field, fold((old ^ 0xFFFF) + change) ^ 0xFFFF)
