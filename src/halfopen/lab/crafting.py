"""Packets as nobody's stack would send them: any source, any flags, any numbers.

Checksums are right unless asked otherwise. Packets of these makers have a head that begins with the header of IP;
`halfopen.lab.attacker` puts the link header on.
"""

from struct import Struct
from typing import TypedDict, Unpack

from halfopen.base.addresses import Address, parse_address
from halfopen.base.errors import ConfigError
from halfopen.base.octets import Buffer
from halfopen.sim.match import FLAG_LETTERS
from halfopen.tcp.seqnum import wrap
from halfopen.wire import icmpv4, icmpv6, ipv4, ipv6, tcp, udp
from halfopen.wire.checksum import checksum, pseudo_header_sum, sum_buffers
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, Ipv4
from halfopen.wire.ipv6 import PROTOCOL_ICMPV6, Ipv6
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import Segment
from halfopen.wire.tcp_options import Options

WINDOW = 65535

_HALF_WORD = Struct("!H")


class IpFields(TypedDict, total=False):
    """What of the header of IP may be chosen (RFC 791 3.1); ``bad_checksum`` spoils the transport's.

    IPv6 has ``ttl`` and ``tos`` of these, by other names.
    """

    ttl: int
    tos: int
    identification: int
    dont_fragment: bool
    more_fragments: bool
    fragment_offset: int
    bad_checksum: bool


class SegmentFields(TypedDict, total=False):
    """What of a segment may be chosen besides ports and flags; ``window`` is the raw field."""

    seq: int
    ack: int
    window: int
    urgent: int
    options: Options | None
    payload: Buffer


def address_of(text: str | Address) -> Address:
    """``"192.0.2.1"`` to octets; packed ones as they are. ConfigError for anything else."""
    if isinstance(text, bytes):
        return text
    try:
        return parse_address(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def make_segment(ports: tuple[int, int], flags: str, **fields: Unpack[SegmentFields]) -> Segment:
    """A segment from port to port; ``flags`` in packetdrill's letters: ``"S"``, ``"."``, ``"P."``, ``"R"``, ``""``."""
    unknown = set(flags) - set(FLAG_LETTERS)
    if unknown:
        raise ConfigError(f"flags {flags!r} are not understood: expected letters of {FLAG_LETTERS!r}")
    payload = fields.get("payload", b"")
    return Segment(
        ports[0],
        ports[1],
        wrap(fields.get("seq", 0)),
        wrap(fields.get("ack", 0)),
        sum(1 << FLAG_LETTERS.index(letter) for letter in set(flags)),
        fields.get("window", WINDOW),
        fields.get("urgent", 0),
        fields.get("options"),
        (payload,) if payload else (),
        len(payload),
    )


def make_tcp(source: Address, destination: Address, segment: Segment, **fields: Unpack[IpFields]) -> Packet:
    """A whole datagram with ``segment`` in it."""
    octets = tcp.header_octets(segment) + segment.octets
    pseudo = pseudo_header_sum(source, destination, PROTOCOL_TCP, octets)
    text = b"".join((tcp.emit(segment, pseudo), *segment.payload))
    # The field holds the pseudo-header's sum, so that summing all of it gives the checksum.
    field = checksum(text)
    return make_datagram(
        (source, destination), PROTOCOL_TCP, _with_checksum(text, tcp.CHECKSUM_OFFSET, field, fields), **fields
    )


def make_udp(
    ends: tuple[Address, Address], ports: tuple[int, int], payload: bytes, **fields: Unpack[IpFields]
) -> Packet:
    """A whole UDP datagram (RFC 768)."""
    octets = udp.HEADER_OCTETS + len(payload)
    pseudo = pseudo_header_sum(*ends, PROTOCOL_UDP, octets)
    text = udp.emit(*ports, octets, pseudo) + payload
    field = udp.transmitted(checksum(text))
    return make_datagram(ends, PROTOCOL_UDP, _with_checksum(text, udp.CHECKSUM_OFFSET, field, fields), **fields)


def make_icmp(source: Address, destination: Address, message: Icmp, **fields: Unpack[IpFields]) -> Packet:
    """A whole ICMP message (RFC 792, RFC 4443)."""
    ends = source, destination
    if len(source) == 16:
        return make_datagram(ends, PROTOCOL_ICMPV6, icmpv6.emit(message, *ends), **fields)
    return make_datagram(ends, PROTOCOL_ICMP, icmpv4.emit(message), **fields)


def make_icmp_error(kind: tuple[int, int], about: Packet, rest: int = 0) -> Icmp:
    """The error of ``kind`` (type, code) that quotes a datagram: its header and 8 octets more (RFC 792)."""
    return Icmp(kind[0], kind[1], rest, about.joined()[: ipv4.MINIMUM_OCTETS + 8])


def make_datagram(ends: tuple[Address, Address], protocol: int, payload: bytes, **fields: Unpack[IpFields]) -> Packet:
    """A datagram from the first of ``ends`` to the second; in IPv4 perhaps a fragment of one."""
    if len(ends[0]) == 16:
        ttl, tos = fields.get("ttl", 64), fields.get("tos", 0)
        return Packet(ipv6.emit(Ipv6(*ends, protocol, ttl, tos), len(payload)) + payload)
    header = Ipv4(
        ends[0],
        ends[1],
        protocol,
        fields.get("ttl", 64),
        fields.get("tos", 0),
        fields.get("identification", 0),
        fields.get("dont_fragment", True),
        fields.get("more_fragments", False),
        fields.get("fragment_offset", 0),
    )
    return Packet(ipv4.emit(header, len(payload)) + payload)


def _with_checksum(text: bytes, offset: int, field: int, fields: IpFields) -> bytes:
    if fields.get("bad_checksum", False):
        field ^= 0xFFFF
    return text[:offset] + _HALF_WORD.pack(field) + text[offset + 2 :]


class SynStencil:
    """SYNs to one address and port, of which only source, port and number differ: about a microsecond each.

    ``options`` are those of every one of them.
    """

    __slots__ = ("_destination", "_end", "_ip", "_ip_sum", "_port", "_tcp_sum")

    _IP = Struct("!10sH4s4s")
    _IPV6 = Struct("!8s16s16s")
    _TCP = Struct("!HHII")
    _TAIL = Struct("!HHHH")

    def __init__(self, destination: str | Address, port: int, options: Options | None = None) -> None:
        self._destination = address_of(destination)
        self._port = port
        segment = make_segment((0, port), "S", options=options)
        nobody = bytes(len(self._destination))
        pseudo = pseudo_header_sum(nobody, self._destination, PROTOCOL_TCP, tcp.header_octets(segment))
        header = tcp.emit(segment, 0)
        self._tcp_sum = pseudo + sum_buffers((header,))
        self._end = header[12:16], header[18:]
        if len(nobody) == 16:
            blank = ipv6.emit(Ipv6(nobody, self._destination, PROTOCOL_TCP), len(header))
            self._ip, self._ip_sum = blank[:8], 0
            return
        blank = ipv4.emit(Ipv4(nobody, self._destination, PROTOCOL_TCP), len(header))
        self._ip = blank[:10]
        self._ip_sum = int.from_bytes(blank[:10] + self._destination, "big")

    def make(self, source: Address, port: int, seq: int) -> Packet:
        """The SYN of (``source``, ``port``) with the number ``seq``."""
        number = int.from_bytes(source, "big")
        word, rest = self._end
        if len(source) == 16:
            ip = self._IPV6.pack(self._ip, source, self._destination)
        else:
            ip = self._IP.pack(self._ip, -(self._ip_sum + number) % 0xFFFF, source, self._destination)
        total = self._tcp_sum + number + port + seq
        start = self._TCP.pack(port, self._port, seq, 0)
        return Packet(b"".join((ip, start, word, _HALF_WORD.pack(-total % 0xFFFF), rest)))
