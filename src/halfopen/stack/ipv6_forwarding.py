"""Forwarding of IPv6 between interfaces: what a small router needs (RFC 8200 3, 4; RFC 4443 3; RFC 4291 2.5.6)."""

from typing import Final

from halfopen.base.addresses import is_link_local, is_unspecified
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import NetworkUnreachable
from halfopen.stack.config import IpConfig
from halfopen.stack.datagram import Datagram
from halfopen.stack.forwarding import ForwardingPaths, marks_are_sound, octets_on_the_wire
from halfopen.stack.icmpv6 import Icmpv6Layer
from halfopen.stack.ipv6 import Ipv6Layer
from halfopen.stack.path import Path
from halfopen.wire import icmpv6, ipv6_headers
from halfopen.wire.ipv6 import HEADER_OCTETS, HOP_LIMIT_OFFSET, Ipv6
from halfopen.wire.offload import split
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, Packet

_LEAST_HOP_LIMIT: Final = 2
"""Of a packet that may go one hop further."""


class Ipv6Forwarder:
    """Takes packets for others, with all checks of the header done, and sends them on, or says why not."""

    __slots__ = ("_config", "_counters", "_icmp", "_ip", "_paths")

    def __init__(self, ip: Ipv6Layer, icmp: Icmpv6Layer, config: IpConfig, counters: Counters) -> None:
        self._ip = ip
        self._icmp = icmp
        self._config = config
        self._counters = counters
        self._paths = ForwardingPaths(ip)

    def configure(self, config: IpConfig) -> None:
        """Another configuration from now on."""
        self._config = config

    def forward(self, datagram: Datagram, header: Ipv6, now: Instant) -> None:
        """One packet for another host, as it was received, without a link's padding; raises ParameterProblem.

        Of the extension headers a router looks at the hop-by-hop options only (RFC 8200 4).
        """
        refusal = self._refusal(datagram)
        if refusal is not None:
            self._counters.add(refusal)
            return
        ipv6_headers.check_hop_by_hop(datagram.packet.head, datagram.network_offset, header)
        if header.hop_limit < _LEAST_HOP_LIMIT:
            self._counters.add("Ip6ForwHopLimitExceeded")
            self._icmp.send_error(icmpv6.TIME_EXCEEDED, icmpv6.HOP_LIMIT_EXCEEDED, datagram, now)
            return
        try:
            path = self._paths.find(header.destination, now)
        except NetworkUnreachable:
            self._counters.add("Ip6ForwNoRoutes")
            self._icmp.send_error(icmpv6.DESTINATION_UNREACHABLE, icmpv6.NO_ROUTE, datagram, now)
            return
        if is_link_local(datagram.source) and path.interface is not datagram.interface:
            self._counters.add("Ip6ForwLinkLocal")
            self._icmp.send_error(icmpv6.DESTINATION_UNREACHABLE, icmpv6.BEYOND_SCOPE, datagram, now)
            return
        if self._config.ingress_filter and not self._paths.lead_back(datagram, now):
            self._counters.add("Ip6ForwReversePathFilter")
            return
        packet = _one_hop_older(datagram, header)
        protocol, transport = header.next_header, HEADER_OCTETS
        if packet.checksum == CHECKSUM_PARTIAL or packet.gso_size:
            protocol, transport = ipv6_headers.skip(packet.head, transport, len(packet.head), protocol)
        if not marks_are_sound(packet, transport, protocol):
            self._counters.add("Ip6ForwBadOffload")
            return
        self._fit(path, packet, transport, datagram, now)

    def _refusal(self, datagram: Datagram) -> str | None:
        """The counter for what is not forwarded at all (RFC 4291 2.5.2, 2.5.6)."""
        if not self._config.forwarding or not datagram.interface.forwarding:
            return "Ip6InAddrErrors"
        if datagram.link_broadcast:
            return "Ip6ForwLinkBroadcast"
        if is_unspecified(datagram.source):
            return "Ip6InMartianSource"
        return "Ip6ForwLinkLocal" if is_link_local(datagram.destination) else None

    def _fit(self, path: Path, packet: Packet, transport: int, datagram: Datagram, now: Instant) -> None:
        """Sends on what fits; the sender has to cut the rest, and is told to (RFC 8200 5, RFC 4443 3.2)."""
        segment = octets_on_the_wire(packet, transport)
        if segment > path.mtu:
            self._counters.add("Ip6InTooBigErrors")
            self._icmp.send_error(icmpv6.PACKET_TOO_BIG, 0, datagram, now, path.mtu)
            return
        self._counters.add("Ip6ForwDatagrams")
        pieces = split(packet) if packet.gso_size and packet.octets > path.gso_octets else [packet]
        for piece in pieces:
            self._ip.transmit(path, piece, now)


def _one_hop_older(datagram: Datagram, header: Ipv6) -> Packet:
    """The packet from its IP header on, with a hop limit that is one less."""
    packet = datagram.packet
    head = packet.head
    start = datagram.network_offset
    at = start + HOP_LIMIT_OFFSET
    stop = len(head) if packet.body else datagram.offset + datagram.octets
    mark = CHECKSUM_PARTIAL if packet.checksum == CHECKSUM_PARTIAL else CHECKSUM_NONE
    return Packet(
        head[start:at] + bytes((header.hop_limit - 1,)) + head[at + 1 : stop],
        packet.body,
        mark,
        packet.checksum_start - start,
        packet.checksum_offset,
        packet.gso_size,
    )
