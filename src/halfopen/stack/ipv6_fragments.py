"""Fragmentation and reassembly of IPv6 packets (RFC 8200 4.5): only sources cut, and no overlap is taken (RFC 5722)."""

from typing import Final

from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.octets import Buffers, cut
from halfopen.stack.config import FragmentConfig
from halfopen.stack.interface import Interface
from halfopen.stack.reassembly import ECN_MASK, Partial, Piece, Reassembly, RefuseOverlapping, combine_ecn
from halfopen.wire import ipv6, ipv6_headers
from halfopen.wire.ipv6 import FRAGMENT, HEADER_OCTETS, PAYLOAD_LENGTH_OFFSET, Ipv6
from halfopen.wire.ipv6_headers import Fragment
from halfopen.wire.packet import Packet

FRAGMENT_HEADER_OCTETS: Final = 8


class Ipv6Reassembler(Reassembly[tuple[Ipv6, Fragment]]):
    """IPv6 packets in pieces; the source may cut what it sends into pieces of any size, if only they are distinct."""

    __slots__ = ()

    def __init__(self, config: FragmentConfig, counters: Counters) -> None:
        super().__init__(config, RefuseOverlapping(), "Ip6", counters)

    def add(self, interface: Interface, headers: tuple[Ipv6, Fragment], packet: Packet, now: Instant) -> Packet | None:
        """Takes a fragment whose headers have been checked; the whole packet if it was the last one missing.

        What comes back has a head with all its octets, behind the link header of the first fragment.
        """
        header, fragment = headers
        offset = interface.link_octets
        self.count("ReasmReqds")
        head = packet.joined() if packet.body else packet.head
        end = offset + HEADER_OCTETS + header.payload_octets
        data = head[fragment.at + FRAGMENT_HEADER_OCTETS : end]
        start = fragment.offset
        if not data:
            self.count("ReasmEmpty")
            return None
        key = (header.source, header.destination, 0, fragment.identification)
        ecn = header.traffic_class & ECN_MASK
        piece = Piece(key, headers, start, start + len(data), fragment.more, ecn, data, head[:end])
        partial = self.collect(interface, piece, now)
        return self._join(partial, offset) if partial is not None else None

    def _join(self, partial: Partial[tuple[Ipv6, Fragment]], offset: int) -> Packet | None:
        """The Per-Fragment headers of the first fragment without its Fragment header, and all payloads behind them."""
        ecn = combine_ecn(partial.ecn_seen)
        if partial.header is None or ecn is None:
            self.count("ReasmFails")
            return None
        _, fragment = partial.header
        head = bytearray(partial.first[: fragment.at])
        payload = partial.payload()
        head[fragment.named_at] = fragment.next_header
        octets = len(head) - offset - HEADER_OCTETS + len(payload)
        head[offset + PAYLOAD_LENGTH_OFFSET : offset + PAYLOAD_LENGTH_OFFSET + 2] = octets.to_bytes(2, "big")
        head[offset + 1] = head[offset + 1] & 0xCF | ecn << 4
        self.count("ReasmOKs")
        return Packet(bytes(head) + payload)


def fragment(header: Ipv6, payload: Buffers, identification: int, mtu: int) -> list[Packet]:
    """Cuts what follows ``header``, which has no extension headers, into packets of at most ``mtu`` octets."""
    octets = sum(len(buffer) for buffer in payload)
    room = (mtu - HEADER_OCTETS - FRAGMENT_HEADER_OCTETS) & ~7
    protocol, header.next_header = header.next_header, FRAGMENT
    packets: list[Packet] = []
    for start in range(0, octets, room):
        stop = min(octets, start + room)
        piece = ipv6_headers.emit_fragment(Fragment(protocol, start, stop < octets, identification))
        head = ipv6.emit(header, FRAGMENT_HEADER_OCTETS + stop - start) + piece
        packets.append(Packet(head, cut(payload, start, stop)))
    header.next_header = protocol
    return packets
