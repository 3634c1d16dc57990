"""Fragmentation and reassembly of IPv4 datagrams (RFC 791 3.2, RFC 815, RFC 1122 3.3.2, RFC 3128)."""

from dataclasses import replace
from typing import Final

from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import Malformed
from halfopen.base.octets import Buffers, cut
from halfopen.stack.config import FragmentConfig
from halfopen.stack.interface import Interface
from halfopen.stack.reassembly import ECN_MASK, Partial, Piece, Reassembly, combine_ecn, make_overlap_policy
from halfopen.wire import ipv4
from halfopen.wire.ipv4 import PROTOCOL_TCP, Ipv4
from halfopen.wire.packet import Packet

TCP_HEADER_OCTETS: Final = 20


class Reassembler(Reassembly[Ipv4]):
    """IPv4 datagrams in pieces."""

    __slots__ = ()

    def __init__(self, config: FragmentConfig, counters: Counters) -> None:
        super().__init__(config, make_overlap_policy(config.overlap), "Ip", counters)

    def add(self, interface: Interface, header: Ipv4, packet: Packet, now: Instant) -> Packet | None:
        """Takes a fragment whose header has been checked; the whole datagram if it was the last one missing.

        What comes back has a head with all its octets, behind the link header of the first fragment. Raises Malformed.
        """
        offset = interface.link_octets
        self.count("ReasmReqds")
        start = header.fragment_offset
        stop = start + header.total_octets - header.header_octets
        check_fragment(header, start, stop)
        key = (header.source, header.destination, header.protocol, header.identification)
        head = packet.joined() if packet.body else packet.head
        end = offset + header.total_octets
        data = head[offset + header.header_octets : end]
        more, ecn = header.more_fragments, header.tos & ECN_MASK
        partial = self.collect(interface, Piece(key, header, start, stop, more, ecn, data, head[:end]), now)
        return self._join(partial, offset) if partial is not None else None

    def _join(self, partial: Partial[Ipv4], offset: int) -> Packet | None:
        header = partial.header
        ecn = combine_ecn(partial.ecn_seen)
        if header is None or ecn is None:
            self.count("ReasmFails")
            return None
        payload = partial.payload()
        tos = header.tos & ~ECN_MASK | ecn
        whole = replace(header, more_fragments=False, fragment_offset=0, tos=tos)
        self.count("ReasmOKs")
        return Packet(partial.first[:offset] + ipv4.emit(whole, len(payload)) + payload)


def check_fragment(header: Ipv4, start: int, stop: int) -> None:
    """Refuses what no honest sender makes: odd lengths, more than 65535 octets, headers cut in two (RFC 3128)."""
    if stop == start or (header.more_fragments and (stop - start) & 7):
        raise Malformed("IpFragmentBadLength")
    if stop + header.header_octets > 0xFFFF:
        raise Malformed("IpFragmentTooLong")
    if header.protocol == PROTOCOL_TCP and (start < TCP_HEADER_OCTETS if start else stop < TCP_HEADER_OCTETS):
        raise Malformed("IpFragmentTiny")


def fragment(header: Ipv4, payload: Buffers, octets: int, mtu: int) -> list[Packet]:
    """Cuts a datagram (or a fragment of one) into pieces of at most ``mtu`` octets (RFC 791 3.2).

    Options with the copied flag go into all of them, the others into the first only.
    """
    packets: list[Packet] = []
    later = ipv4.copied_options(header.options)
    options = header.options
    start = 0
    while start < octets:
        room = mtu - ipv4.MINIMUM_OCTETS - len(options)
        stop = octets if octets - start <= room else start + (room & ~7)
        piece = replace(
            header,
            options=options,
            fragment_offset=header.fragment_offset + start,
            more_fragments=header.more_fragments or stop < octets,
        )
        packets.append(Packet(ipv4.emit(piece, stop - start), cut(payload, start, stop)))
        options = later
        start = stop
    return packets
