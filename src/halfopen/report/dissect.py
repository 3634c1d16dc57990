"""From captured frames to a ladder diagram: who sent what to whom, and when the other end saw it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from halfopen.base.addresses import Address, format_address, format_mac, is_unspecified
from halfopen.base.clock import Instant
from halfopen.base.errors import Malformed
from halfopen.capture.record import LINKTYPE_ETHERNET, LINKTYPE_RAW, CapturedInterface, Record
from halfopen.report import labels
from halfopen.report.arrows import Arrow
from halfopen.report.labels import Text
from halfopen.report.ladder import Ladder
from halfopen.report.streams import StreamView
from halfopen.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import Segment

LOST_WORDS = ("lost", "dropped")
"""A frame whose comment begins with one of these never arrived: impairments say so in the captures they write."""

_MAX_FRAME_OCTETS = ethernet.HEADER_OCTETS + 0xFFFF
_NOT_ROUTINE = tcp.SYN | tcp.FIN | tcp.RST | tcp.URG

Endpoint = tuple[bytes, int]
"""A packed address (or MAC, of a host that has no address yet) and a port, 0 where there is none."""


@dataclass(slots=True)
class _Sighting:
    """A frame that was seen, on one interface or on several on its way."""

    source: Endpoint
    destination: Endpoint
    text: Text
    is_routine: bool = False
    when: Instant = 0
    arrived: Instant | None = None
    comment: str = ""
    interfaces: tuple[CapturedInterface, ...] = ()

    @property
    def lost(self) -> bool:
        return self.comment.lower().startswith(LOST_WORDS)


class _Copies:
    """Sightings of frames that are equal, octet for octet, in the order in which they left."""

    __slots__ = ("_next", "_sightings")

    def __init__(self) -> None:
        self._sightings: list[_Sighting] = []
        self._next: dict[CapturedInterface, int] = {}

    def append(self, sighting: _Sighting) -> None:
        """Adds the newest."""
        self._sightings.append(sighting)

    def oldest_unseen_by(self, interface: CapturedInterface) -> _Sighting | None:
        """The oldest that may still arrive at ``interface``: equal frames on their way together do not overtake."""
        # Who has seen one has seen it for good, so the search goes on where it ended: constant cost in a flood.
        index = self._next.get(interface, 0)
        while index < len(self._sightings):
            sighting = self._sightings[index]
            if interface not in sighting.interfaces and not sighting.lost:
                break
            index += 1
        self._next[interface] = index
        return self._sightings[index] if index < len(self._sightings) else None


def ladder_of(
    records: Iterable[Record],
    *,
    relative: bool = False,
    port: int | None = None,
    names: Mapping[Address, str] | None = None,
) -> Ladder:
    """The ladder diagram of a capture.

    ``relative`` counts sequence numbers from each initial one. With ``port``, TCP and UDP of other ports are left out;
    ARP and ICMP stay. ``names`` are shown instead of addresses; they are looked up after the last record, so that the
    ``names`` of the reader that gives the records will do. A frame seen on several interfaces is one arrow, from the
    first sighting to the last.
    """
    dissector = _Dissector(relative, port)
    for record in records:
        dissector.add(record)
    return dissector.ladder(names or {})


class _Dissector:
    __slots__ = ("_copies", "_omitted", "_owners", "_port", "_relative", "_sightings", "_streams")

    def __init__(self, relative: bool, port: int | None) -> None:
        self._relative = relative
        self._port = port
        self._sightings: list[_Sighting] = []
        self._copies: dict[tuple[bytes, bytes], _Copies] = {}
        self._streams: dict[tuple[Endpoint, Endpoint], StreamView] = {}
        self._owners: dict[bytes, Address] = {}
        self._omitted = 0

    def add(self, record: Record) -> None:
        """Takes the next frame."""
        data = record.octets
        # What a snapshot length cut off is made up with zeros: it would have been payload.
        data += bytes(max(0, min(record.original_octets, _MAX_FRAME_OCTETS) - len(data)))
        try:
            ethertype, offset = _network_layer(record.interface.linktype, data)
            copies = self._copies.setdefault(_fingerprint(ethertype, data, offset), _Copies())
            seen = copies.oldest_unseen_by(record.interface)
            if seen is not None:
                seen.interfaces += (record.interface,)
                seen.arrived = record.when
                return
            sighting = self._dissect(ethertype, data, offset)
        except Malformed:
            self._omitted += 1
            return
        if sighting is not None:
            sighting.when = record.when
            sighting.comment = record.comment or ""
            sighting.interfaces = (record.interface,)
            self._sightings.append(sighting)
            copies.append(sighting)

    def _dissect(self, ethertype: int, data: bytes, offset: int) -> _Sighting | None:
        if ethertype == ethernet.ETHERTYPE_ARP:
            return self._arp(data, offset)
        if ethertype == ethernet.ETHERTYPE_IPV4:
            return self._ipv4(data, offset)
        raise Malformed("NotUnderstood")

    def _arp(self, data: bytes, offset: int) -> _Sighting:
        message = arp.parse(data, offset)
        source = (message.sender_mac, 0)
        if not is_unspecified(message.sender_address):
            self._owners[message.sender_mac] = message.sender_address
            source = (message.sender_address, 0)
        return _Sighting(source, (message.target_address, 0), labels.of_arp(message))

    def _ipv4(self, data: bytes, offset: int) -> _Sighting | None:
        header = ipv4.parse(data, offset, len(data) - offset)
        source, destination = (header.source, 0), (header.destination, 0)
        start = offset + header.header_octets
        octets = header.total_octets - header.header_octets
        if header.more_fragments or header.fragment_offset:
            return _Sighting(source, destination, labels.of_fragment(header, octets))
        try:
            if header.protocol == ipv4.PROTOCOL_TCP:
                return self._tcp(header, tcp.parse(Packet(data), start, octets))
            if header.protocol == ipv4.PROTOCOL_UDP:
                return self._udp(header, udp.parse(data, start, octets))
            if header.protocol == ipv4.PROTOCOL_ICMP:
                text = labels.of_icmp(icmpv4.parse(data[start : start + octets]))
            else:
                text = Text(f"IPv4 protocol {header.protocol} len={octets}")
        except Malformed as error:
            text = Text("malformed", note=error.reason)
        return _Sighting(source, destination, text)

    def _udp(self, header: Ipv4, parsed: tuple[int, int, int, int, int]) -> _Sighting | None:
        source_port, destination_port, _, octets, _ = parsed
        if self._port not in (None, source_port, destination_port):
            return None
        text = Text(f"UDP len={octets}")
        return _Sighting((header.source, source_port), (header.destination, destination_port), text, True)

    def _tcp(self, header: Ipv4, segment: Segment) -> _Sighting | None:
        if self._port not in (None, segment.source_port, segment.destination_port):
            return None
        source, destination = (header.source, segment.source_port), (header.destination, segment.destination_port)
        stream = self._streams.setdefault((source, destination), StreamView())
        if segment.flags & tcp.SYN:
            stream.begin(segment.seq)
        remark = stream.add(segment.seq, segment.length)
        if not segment.window and not segment.flags & (tcp.SYN | tcp.RST):
            remark = f"{remark}, zero window" if remark else "zero window"
        views = (stream, self._streams.setdefault((destination, source), StreamView())) if self._relative else None
        text = labels.of_segment(segment, views, remark)
        return _Sighting(source, destination, text, not (segment.flags & _NOT_ROUTINE or remark))

    def ladder(self, names: Mapping[Address, str]) -> Ladder:
        """Everything that was added, with lifelines called by their names."""
        lifelines = _Lifelines(self._sightings, self._owners, names)
        arrows = [
            Arrow(
                when=sighting.when,
                source=lifelines.name(sighting.source, sighting.destination),
                destination=lifelines.name(sighting.destination, sighting.source),
                label=lifelines.prefix(sighting) + sighting.text.label,
                details=sighting.text.details,
                note="; ".join(filter(None, (sighting.text.note, sighting.comment))),
                lost=sighting.lost,
                arrived=sighting.arrived,
                is_routine=sighting.is_routine and not sighting.comment,
            )
            for sighting in self._sightings
        ]
        return Ladder.of(arrows, omitted=self._omitted)


class _Lifelines:
    """What endpoints are called. If only one conversation has ports, the lifelines bear them; else the labels do."""

    __slots__ = ("_conversation", "_names", "_owners")

    def __init__(
        self, sightings: Iterable[_Sighting], owners: Mapping[bytes, Address], names: Mapping[Address, str]
    ) -> None:
        self._owners = owners
        self._names = names
        conversations = {
            frozenset((sighting.source, sighting.destination)) for sighting in sightings if sighting.source[1]
        }
        only = conversations.pop() if len(conversations) == 1 else frozenset[Endpoint]()
        self._conversation = dict(only) if len({address for address, _ in only}) == len(only) else {}

    def name(self, endpoint: Endpoint, other: Endpoint) -> str:
        """The lifeline of ``endpoint``; on a loopback, where addresses are equal, the ports keep the two apart."""
        address, port = endpoint
        address = self._owners.get(address, address) if len(address) == 6 else address
        name = self._names.get(address) or (format_mac(address) if len(address) == 6 else format_address(address))
        port = port if address == other[0] else self._conversation.get(address, 0)
        return f"{name}:{port}" if port else name

    def prefix(self, sighting: _Sighting) -> str:
        """``"40000 > 80 "`` where the lifelines do not tell the ports."""
        (source, source_port), (destination, destination_port) = sighting.source, sighting.destination
        if not source_port or self._conversation or source == destination:
            return ""
        return f"{source_port} > {destination_port} "


def _network_layer(linktype: int, data: bytes) -> tuple[int, int]:
    """EtherType of a frame's contents and where they begin."""
    if linktype == LINKTYPE_ETHERNET:
        _, _, ethertype = ethernet.parse(data)
        return ethertype, ethernet.HEADER_OCTETS
    if linktype == LINKTYPE_RAW and data and data[0] >> 4 == 4:
        return ethernet.ETHERTYPE_IPV4, 0
    raise Malformed("NotUnderstood")


def _fingerprint(ethertype: int, data: bytes, offset: int) -> tuple[bytes, bytes]:
    """What stays the same of a datagram from hop to hop: its headers without TTL and checksum, which tell enough."""
    octets = int.from_bytes(data[offset + 2 : offset + 4]) if ethertype == ethernet.ETHERTYPE_IPV4 else arp.OCTETS
    return data[offset : offset + 8], data[offset + 12 : offset + min(octets, 80)]
