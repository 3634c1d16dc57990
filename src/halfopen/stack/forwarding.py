"""Forwarding between interfaces: what of RFC 1812 a small router needs (RFC 1812 5)."""

from struct import Struct
from typing import Final

from halfopen.base.addresses import Address, is_link_local, is_multicast
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import NetworkUnreachable
from halfopen.stack.config import IpConfig
from halfopen.stack.datagram import Datagram
from halfopen.stack.icmpv4 import Icmpv4Layer
from halfopen.stack.interface import Interface
from halfopen.stack.ip import NetworkLayer
from halfopen.stack.ipv4 import Ipv4Layer
from halfopen.stack.nud import Transmissions
from halfopen.stack.path import Path
from halfopen.wire import icmpv4, ipv4
from halfopen.wire.checksum import update
from halfopen.wire.ipv4 import PROTOCOL_TCP, Ipv4
from halfopen.wire.offload import complete_checksum, split
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, Packet

PATHS_LIMIT: Final = 4096

_WORDS: Final = Struct("!HH")
_ONE_HOP: Final = 0x0100
_LEAST_TTL: Final = 0x0200
"""Of a datagram that still has a hop behind the next, in the word with the protocol."""
_TCP_CHECKSUM_OFFSET: Final = 16
_TCP_HEADER_OCTETS: Final = 20


class ForwardingPaths:
    """The ways that a router sends others' datagrams, one for each destination."""

    __slots__ = ("_ip", "_paths")

    def __init__(self, ip: NetworkLayer) -> None:
        self._ip = ip
        self._paths: dict[Address, Path] = {}

    def find(self, destination: Address, now: Instant) -> Path:
        """The way to ``destination``; raises NetworkUnreachable."""
        path = self._paths.get(destination)
        if path is None or path.is_stale:
            path = self._ip.find_path(destination, None, now)
            path.mtu = path.interface.mtu  # what we have learnt about the rest of the way is the sender's to learn
            if len(self._paths) >= PATHS_LIMIT:
                self._paths.clear()
            self._paths[destination] = path
        return path

    def lead_back(self, datagram: Datagram, now: Instant) -> bool:
        """Whether we would send to the datagram's source by the interface that it came from (RFC 3704 2.2)."""
        try:
            return self.find(datagram.source, now).interface is datagram.interface
        except NetworkUnreachable:
            return False


class Forwarder:
    """Takes datagrams for others, with all checks of the header done, and sends them on, or says why not."""

    __slots__ = ("_config", "_counters", "_icmp", "_ip", "_known", "_output", "_paths")

    def __init__(self, ip: Ipv4Layer, icmp: Icmpv4Layer, config: IpConfig, counters: Counters) -> None:
        self._ip = ip
        self._icmp = icmp
        self._config = config
        self._counters = counters
        self._output: Transmissions = ip.output
        self._paths = ForwardingPaths(ip)
        self._known: dict[bytes, tuple[Interface, Path]] = {}
        """Where from and where to, by source and destination: what `forward` has found nothing against, and sent on."""

    def configure(self, config: IpConfig) -> None:
        """Another configuration from now on."""
        self._config = config
        self._known.clear()

    def forward_known(self, interface: Interface, packet: Packet, octets: int, now: Instant) -> bool:
        """One datagram without options and no fragment, whose header is sound, as many before it; False: `forward` it.

        ``octets`` is its length. All that speaks for sending it on is remembered, and nothing of it has changed.
        """
        head = packet.head
        start = interface.link_octets
        known = self._known.get(head[start + 12 : start + 20])
        if known is None or packet.gso_size:
            return False
        arrived, path = known
        neighbor = path.neighbor
        word, checksum = _WORDS.unpack_from(head, start + 8)
        if (
            arrived is not interface
            or not interface.forwarding
            or path.generation != path.network.routes.generation
            or octets > path.mtu
            or word < _LEAST_TTL
            or neighbor is None
            or now >= neighbor.fast_until
        ):
            return False
        mark, transport = CHECKSUM_NONE, packet.checksum_start - start
        if packet.checksum == CHECKSUM_PARTIAL:
            if not path.checksum_offload or not _is_field_within(packet, start):
                return False
            mark = CHECKSUM_PARTIAL
        stop = len(head) if packet.body else start + octets
        aged = _WORDS.pack(word - _ONE_HOP, update(checksum, word, word - _ONE_HOP))
        link = neighbor.header
        head = link + head[start : start + 8] + aged + head[start + 12 : stop]
        self._counters.add("IpForwDatagrams")
        onward = Packet(head, packet.body, mark, len(link) + transport, packet.checksum_offset)
        self._output.append((path.interface, onward))
        return True

    def forward(self, datagram: Datagram, header: Ipv4, now: Instant) -> None:
        """One datagram for another host, as it was received: IP options and all, without a link's padding."""
        refusal = self._refusal(datagram)
        if refusal is not None:
            self._counters.add(refusal)
            return
        if header.ttl <= 1:
            self._counters.add("IpForwTtlExceeded")
            self._icmp.send_error(icmpv4.TIME_EXCEEDED, icmpv4.TTL_EXCEEDED, datagram, now)
            return
        try:
            path = self._paths.find(header.destination, now)
        except NetworkUnreachable:
            self._counters.add("IpForwNoRoutes")
            self._icmp.send_error(icmpv4.DESTINATION_UNREACHABLE, icmpv4.NET_UNREACHABLE, datagram, now)
            return
        if self._config.ingress_filter and not self._paths.lead_back(datagram, now):
            self._counters.add("IpForwReversePathFilter")
            return
        packet = _one_hop_older(datagram)
        if not marks_are_sound(packet, header.header_octets, header.protocol):
            self._counters.add("IpForwBadOffload")
            return
        if not header.options:
            if len(self._known) >= PATHS_LIMIT:
                self._known.clear()
            self._known[header.source + header.destination] = (datagram.interface, path)
        self._fit(path, packet, header, datagram, now)

    def _refusal(self, datagram: Datagram) -> str | None:
        """The counter for what is not forwarded at all (RFC 1812 5.3.4, 5.3.5, 5.3.7)."""
        destination = datagram.destination
        if not self._config.forwarding or not datagram.interface.forwarding:
            return "IpInAddrErrors"
        if datagram.link_broadcast:
            return "IpForwLinkBroadcast"
        if is_multicast(destination):
            return "IpForwMulticast"
        if destination in self._ip.addresses.broadcasts:
            return "IpForwDirectedBroadcast"
        if is_link_local(destination) or is_link_local(datagram.source):
            return "IpForwLinkLocal"
        return None

    def _fit(self, path: Path, packet: Packet, header: Ipv4, datagram: Datagram, now: Instant) -> None:
        """Sends on what fits, cuts what may be cut, tells the sender about the rest (RFC 1812 4.2.2.7, RFC 1191 4)."""
        segment = octets_on_the_wire(packet, header.header_octets)
        if segment > path.mtu and header.dont_fragment:
            self._counters.add("IpFragFails")
            unreachable, code = icmpv4.DESTINATION_UNREACHABLE, icmpv4.FRAGMENTATION_NEEDED
            self._icmp.send_error(unreachable, code, datagram, now, path.mtu)
            return
        self._counters.add("IpForwDatagrams")
        if packet.gso_size and (segment > path.mtu or packet.octets > path.gso_octets):
            pieces = split(packet)
        else:
            pieces = [packet]
        for piece in pieces:
            if segment <= path.mtu or piece.octets <= path.mtu:
                self._ip.transmit(path, piece, now)
            else:
                whole = ipv4.parse(piece.head, 0, piece.octets)
                self._ip.send_fragments(path, whole, complete_checksum(piece), now)


def _one_hop_older(datagram: Datagram) -> Packet:
    """The datagram from its IP header on, TTL one less and the checksum with it (RFC 1812 5.3.1, RFC 1624)."""
    packet = datagram.packet
    head = packet.head
    start = datagram.network_offset
    stop = len(head) if packet.body else datagram.offset + datagram.octets
    word, checksum = _WORDS.unpack_from(head, start + 8)
    aged = _WORDS.pack(word - _ONE_HOP, update(checksum, word, word - _ONE_HOP))
    mark = CHECKSUM_PARTIAL if packet.checksum == CHECKSUM_PARTIAL else CHECKSUM_NONE
    return Packet(
        head[start : start + 8] + aged + head[start + 12 : stop],
        packet.body,
        mark,
        packet.checksum_start - start,
        packet.checksum_offset,
        packet.gso_size,
    )


def _is_field_within(packet: Packet, network_offset: int) -> bool:
    """Whether the checksum field of a PARTIAL packet without IP options lies behind its IP header, in the head."""
    start = packet.checksum_start
    return start >= network_offset + ipv4.MINIMUM_OCTETS and start + packet.checksum_offset + 2 <= len(packet.head)


def marks_are_sound(packet: Packet, header_octets: int, protocol: int) -> bool:
    """Whether the marks for offloads lie within the headers that they are about, behind ``header_octets`` of IP."""
    start = packet.checksum_start
    if packet.checksum == CHECKSUM_PARTIAL and not (
        start >= header_octets and start + packet.checksum_offset + 2 <= len(packet.head)
    ):
        return False
    if not packet.gso_size:
        return True
    return (
        packet.checksum == CHECKSUM_PARTIAL
        and protocol == PROTOCOL_TCP
        and start == header_octets
        and packet.checksum_offset == _TCP_CHECKSUM_OFFSET
        and _tcp_header_octets(packet, start) >= _TCP_HEADER_OCTETS
    )


def _tcp_header_octets(packet: Packet, start: int) -> int:
    """The length of the TCP header by its own word; 0 if the head does not hold all of it."""
    if len(packet.head) < start + _TCP_HEADER_OCTETS:
        return 0
    octets = packet.head[start + 12] >> 2 & 0x3C
    return octets if start + octets <= len(packet.head) else 0


def octets_on_the_wire(packet: Packet, header_octets: int) -> int:
    """The size of what will stand on the wire: of one segment, if this is a super-segment."""
    if not packet.gso_size:
        return packet.octets
    tcp = _tcp_header_octets(packet, header_octets)
    return min(packet.octets, header_octets + tcp + packet.gso_size)
