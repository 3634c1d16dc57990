"""IPv6 input: what is checked, in which order, and where it goes (RFC 8200 4, RFC 4291 2.5)."""

from struct import Struct
from typing import Final

from halfopen.base.addresses import is_link_local, is_loopback, is_multicast, is_unspecified
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.octets import cut
from halfopen.stack.address_selection import LINK_LOCAL, is_v4_mapped
from halfopen.stack.datagram import Datagram
from halfopen.stack.icmpv6 import Icmpv6Layer
from halfopen.stack.interface import Interface
from halfopen.stack.ipv6 import Ipv6Layer
from halfopen.stack.ipv6_forwarding import Ipv6Forwarder
from halfopen.stack.ipv6_fragments import Ipv6Reassembler
from halfopen.wire import icmpv6, ipv6, ipv6_headers
from halfopen.wire.ipv6 import HEADER_OCTETS, NO_NEXT_HEADER, PROTOCOL_ICMPV6, Ipv6
from halfopen.wire.ipv6_headers import Chain, Fragment, ParameterProblem
from halfopen.wire.packet import Packet

_HEADER: Final = Struct("!IHBB16s16s").unpack_from
_RARE: Final = 0xFE
"""The first octet from which on addresses are link-local or groups."""


class Ipv6Input:
    """Takes packets from interfaces, and gives each to a transport, to the forwarder, or to a counter."""

    __slots__ = ("_addresses", "_counters", "_forwarder", "_icmp", "_owners", "_transports", "reassembler")

    def __init__(
        self,
        ip: Ipv6Layer,
        icmp: Icmpv6Layer,
        forwarder: Ipv6Forwarder,
        reassembler: Ipv6Reassembler,
        counters: Counters,
    ) -> None:
        self._addresses = ip.addresses
        self._owners = ip.addresses.owners
        self._transports = ip.transports
        self._icmp = icmp
        self._forwarder = forwarder
        self.reassembler = reassembler
        self._counters = counters

    def receive(self, interface: Interface, packet: Packet, link_broadcast: bool, now: Instant) -> None:
        """One packet behind the interface's link header; raises Malformed.

        A short cut for what nearly all packets are: whole, without extension headers, and from a host to us.
        """
        head = packet.head
        offset = interface.link_octets
        available = len(head) - offset - HEADER_OCTETS
        if available < 0 or link_broadcast:
            self._receive_carefully(interface, packet, link_broadcast, now)
            return
        word, octets, protocol, hop_limit, source, destination = _HEADER(head, offset)
        transport = self._transports.get(protocol)
        if (
            transport is not None
            and word >> 28 == 6
            and (octets == packet.octets - offset - HEADER_OCTETS if packet.body else octets <= available)
            and destination in self._owners
            and 0 < source[0] < _RARE
            and 0 < destination[0] < _RARE
            and source not in self._owners
        ):
            datagram = Datagram(
                packet,
                offset + HEADER_OCTETS,
                octets,
                source,
                destination,
                protocol,
                word >> 20 & 0xFF,
                hop_limit,
                interface,
                False,
                offset + 8,
            )
            transport.receive(datagram, now)
            return
        self._receive_carefully(interface, packet, link_broadcast, now)

    def on_deadline(self, now: Instant) -> None:
        """Gives up packets of which fragments are missing, each at its time (RFC 8200 4.5)."""
        while (partial := self.reassembler.poll_expired(now)) is not None:
            if partial.header is not None:
                header, _ = partial.header
                datagram = _datagram(partial.interface, Packet(partial.first), header, _bare(partial.interface, header))
                datagram.link_broadcast = is_multicast(header.destination)
                code = icmpv6.REASSEMBLY_EXCEEDED
                self._icmp.send_error(icmpv6.TIME_EXCEEDED, code, datagram, partial.expires)

    def _receive_carefully(self, interface: Interface, packet: Packet, link_broadcast: bool, now: Instant) -> None:
        """Every check by its name, for everything that is not plain."""
        offset = interface.link_octets
        available = packet.octets - offset
        header = ipv6.parse(packet.head, offset, available)
        octets = HEADER_OCTETS + header.payload_octets
        if packet.body and octets < available:
            packet = _without_padding(packet, offset + octets)
        if packet.body and header.next_header in ipv6_headers.EXTENSIONS:
            packet = _joined(packet)  # headers are looked for in the head
        objection = self._objection(interface, header)
        if objection is not None:
            self._counters.add(objection)
            return
        is_ours = self._is_ours(interface, header)
        bare = _datagram(interface, packet, header, _bare(interface, header))
        bare.link_broadcast = link_broadcast or is_multicast(header.destination)
        try:
            if is_ours:
                self._deliver(bare, header, now)
            elif is_multicast(header.destination):
                self._counters.add("Ip6InOtherGroups")
            else:
                self._forwarder.forward(bare, header, now)
        except ParameterProblem as problem:
            self._complain(problem, bare, now)

    def _complain(self, problem: ParameterProblem, bare: Datagram, now: Instant) -> None:
        """Tells the sender, unless the packet was for many and they are not told of this (RFC 4443 3.4)."""
        self._counters.add(problem.reason)
        if problem.even_multicast or not bare.link_broadcast:
            self._icmp.send_error(icmpv6.PARAMETER_PROBLEM, problem.code, bare, now, problem.pointer)

    def _reassemble(self, bare: Datagram, header: Ipv6, fragment: Fragment, now: Instant) -> None:
        """Delivers a packet whose last fragment this is."""
        interface, offset = bare.interface, bare.network_offset
        whole = self.reassembler.add(interface, (header, fragment), bare.packet, now)
        if whole is None:
            return
        header = ipv6.parse(whole.head, offset, whole.octets - offset)
        again = _datagram(interface, whole, header, _bare(interface, header))
        again.link_broadcast = bare.link_broadcast
        try:
            self._deliver(again, header, now)
        except ParameterProblem as problem:
            self._complain(problem, again, now)

    def _deliver(self, bare: Datagram, header: Ipv6, now: Instant) -> None:
        """To the transport behind the extension headers; raises ParameterProblem, Malformed."""
        interface, packet, offset = bare.interface, bare.packet, bare.network_offset
        chain = ipv6_headers.parse(packet.head, offset, header)
        if chain.fragment is not None:
            self._reassemble(bare, header, chain.fragment, now)
            return
        if is_unspecified(header.source) and chain.protocol != PROTOCOL_ICMPV6:
            self._counters.add("Ip6InMartianSource")
            return
        transport = self._transports.get(chain.protocol)
        if transport is not None:
            datagram = _datagram(interface, packet, header, chain)
            datagram.link_broadcast = bare.link_broadcast
            transport.receive(datagram, now)
        elif chain.protocol == NO_NEXT_HEADER:
            self._counters.add("Ip6InNoNextHeader")
        else:
            code = ipv6_headers.UNRECOGNIZED_NEXT_HEADER
            raise ParameterProblem("Ip6InUnknownProtos", code, chain.named_at - offset)

    def _objection(self, interface: Interface, header: Ipv6) -> str | None:
        """The counter of a packet that cannot have come from a wire (RFC 4291 2.5.2, 2.5.3, 2.7)."""
        source, destination = header.source, header.destination
        if interface is self._addresses.loopback:
            return None
        if source == destination:
            return "Ip6InLand"
        if is_multicast(source) or is_loopback(source) or is_v4_mapped(source) or source in self._owners:
            return "Ip6InMartianSource"
        if is_loopback(destination) or is_unspecified(destination) or is_v4_mapped(destination):
            return "Ip6InMartianDestination"
        if is_multicast(destination) and destination[1] & 0x0F < LINK_LOCAL:
            return "Ip6InMartianDestination"
        return None

    def _is_ours(self, interface: Interface, header: Ipv6) -> bool:
        """An address of this host, on this link if there it is meant; or a group that it is in."""
        destination = header.destination
        if destination in self._addresses.groups:
            return True
        owner = self._owners.get(destination)
        if owner is None:
            return False
        return not is_link_local(destination) or interface in (owner, self._addresses.loopback)


def _bare(interface: Interface, header: Ipv6) -> Chain:
    """As if everything behind the IPv6 header were one payload: enough to quote it, and to send it on."""
    return Chain(header.next_header, interface.link_octets + HEADER_OCTETS, interface.link_octets)


def _datagram(interface: Interface, packet: Packet, header: Ipv6, chain: Chain) -> Datagram:
    offset = interface.link_octets
    is_plain = chain.offset == offset + HEADER_OCTETS
    return Datagram(
        packet,
        chain.offset,
        offset + HEADER_OCTETS + header.payload_octets - chain.offset,
        header.source,
        header.destination,
        chain.protocol,
        header.traffic_class,
        header.hop_limit,
        interface,
        False,
        offset + 8 if is_plain else -1,
    )


def _joined(packet: Packet) -> Packet:
    """The same in one piece."""
    marks = packet.checksum, packet.checksum_start, packet.checksum_offset, packet.gso_size
    return Packet(packet.joined(), (), *marks)


def _without_padding(packet: Packet, octets: int) -> Packet:
    """The first ``octets`` of a packet in pieces."""
    head = packet.head[:octets]
    body = cut(packet.body, 0, octets - len(head))
    return Packet(head, body, packet.checksum, packet.checksum_start, packet.checksum_offset, packet.gso_size)
