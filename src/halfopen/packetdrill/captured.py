"""What a capture shows of a datagram that the host has sent."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from struct import Struct

from halfopen.base.addresses import Address
from halfopen.base.clock import Instant
from halfopen.base.errors import Malformed
from halfopen.wire import ipv4, ipv6, udp
from halfopen.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from halfopen.wire.offload import complete_checksum, split
from halfopen.wire.packet import Packet

_TCP = Struct("!HHIIHHHH")
_PORTS = Struct("!HH")
_FLAGS = 0x1FF
_RESERVED = 0xE00


@dataclass(slots=True, frozen=True)
class Emitted:
    """A datagram that the host has handed to its device, which may have to complete its checksums or to cut it up."""

    when: Instant
    packet: Packet
    device: int = 0


@dataclass(slots=True, frozen=True, kw_only=True)
class Captured:
    """One datagram: what its IP header says, and all that the header carries."""

    when: Instant
    is_ipv6: bool
    source: Address
    destination: Address
    protocol: int
    tos: int
    ttl: int
    flow_label: int
    header_octets: int
    octets: bytes
    udp_ports: tuple[int, int] | None = None
    """Of the datagram that a segment was in."""

    @property
    def ports(self) -> tuple[int, int]:
        """Source and destination, of TCP and UDP."""
        return _PORTS.unpack_from(self.octets)


@dataclass(slots=True, frozen=True, kw_only=True)
class CapturedSegment:
    """One TCP segment, or several that belong together; the numbers are those of the wire."""

    when: Instant
    ports: tuple[int, int]
    seq: int
    ack: int
    flags: int
    reserved: int
    window: int
    urgent: int
    options: bytes
    payload: bytes


def capture(emitted: Emitted, *, whole: bool = False) -> Iterator[Captured]:
    """The datagrams that stand on the wire for ``emitted``: a super-segment is cut, unless it is to stay ``whole``."""
    packets = [complete_checksum(emitted.packet)] if whole else split(emitted.packet, complete=True)
    for packet in packets:
        yield _capture(packet.joined(), emitted.when)


def destination_of(head: bytes) -> Address:
    """Where a datagram goes."""
    return head[24:40] if head[0] >> 4 == 6 else head[16:20]


def _capture(data: bytes, when: Instant) -> Captured:
    """Raises Malformed if the IP header is none, or its checksum is wrong."""
    if data[:1] and data[0] >> 4 == 6:
        six = ipv6.parse(data, 0, len(data))
        return Captured(
            when=when,
            is_ipv6=True,
            source=six.source,
            destination=six.destination,
            protocol=six.next_header,
            tos=six.traffic_class,
            ttl=six.hop_limit,
            flow_label=six.flow_label,
            header_octets=ipv6.HEADER_OCTETS,
            octets=data[ipv6.HEADER_OCTETS : ipv6.HEADER_OCTETS + six.payload_octets],
        )
    four = ipv4.parse(data, 0, len(data))
    return Captured(
        when=when,
        is_ipv6=False,
        source=four.source,
        destination=four.destination,
        protocol=four.protocol,
        tos=four.tos,
        ttl=four.ttl,
        flow_label=0,
        header_octets=four.header_octets,
        octets=data[four.header_octets : four.total_octets],
    )


def unwrapped(captured: Captured) -> Captured:
    """The TCP segment in a UDP datagram, as if it had come alone; anything else as it is."""
    if captured.protocol != PROTOCOL_UDP or len(captured.octets) < udp.HEADER_OCTETS + _TCP.size:
        return captured
    octets = captured.octets[udp.HEADER_OCTETS :]
    return replace(captured, protocol=PROTOCOL_TCP, octets=octets, udp_ports=captured.ports)


def segment_of(captured: Captured) -> CapturedSegment:
    """The TCP segment in it; Malformed if there is none."""
    octets = captured.octets
    if captured.protocol != PROTOCOL_TCP:
        raise Malformed("NotTcp")
    if len(octets) < _TCP.size:
        raise Malformed("TcpTruncated")
    source, destination, seq, ack, word, window, _, urgent = _TCP.unpack_from(octets)
    start = word >> 10 & 0x3C
    if not _TCP.size <= start <= len(octets):
        raise Malformed("TcpBadHeaderLength")
    return CapturedSegment(
        when=captured.when,
        ports=(source, destination),
        seq=seq,
        ack=ack,
        flags=word & _FLAGS,
        reserved=word & _RESERVED,
        window=window,
        urgent=urgent,
        options=octets[_TCP.size : start],
        payload=octets[start:],
    )
