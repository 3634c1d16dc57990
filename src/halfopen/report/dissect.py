"""From captured frames to a ladder diagram: who sent what to whom, and when the other end saw it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from halfopen.base.addresses import Address, format_address, format_mac, is_unspecified
from halfopen.base.errors import Malformed
from halfopen.capture.record import Record
from halfopen.report import labels
from halfopen.report.arrows import Arrow
from halfopen.report.labels import Text
from halfopen.report.ladder import Ladder
from halfopen.report.passages import Follower, Passage, follow
from halfopen.report.streams import StreamView
from halfopen.wire import arp, ethernet, ipv4, tcp, udp
from halfopen.wire.carried import ETHERTYPES, Carried, look
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import Segment

_NOT_ROUTINE = tcp.SYN | tcp.FIN | tcp.RST | tcp.URG

Endpoint = tuple[bytes, int]
"""A packed address (or MAC, of a host that has no address yet) and a port, 0 where there is none."""


@dataclass(slots=True)
class _Sent:
    """A frame and what is to be said of it."""

    source: Endpoint
    destination: Endpoint
    text: Text
    is_routine: bool = False

    @property
    def way(self) -> tuple[bytes, bytes]:
        """Both addresses."""
        return self.source[0], self.destination[0]


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
    return ladder_of_passages(follow(records), relative=relative, port=port, names=names)


def ladder_of_passages(
    follower: Follower,
    *,
    relative: bool = False,
    port: int | None = None,
    names: Mapping[Address, str] | None = None,
) -> Ladder:
    """As `ladder_of`, for frames that have been followed already."""
    dissector = _Dissector(relative, port)
    for passage in follower.passages:
        dissector.add(passage)
    return dissector.ladder(names or {}, follower.omitted)


class _Dissector:
    __slots__ = ("_omitted", "_owners", "_port", "_relative", "_sent", "_streams")

    def __init__(self, relative: bool, port: int | None) -> None:
        self._relative = relative
        self._port = port
        self._sent: list[tuple[_Sent, Passage]] = []
        self._streams: dict[tuple[Endpoint, Endpoint], StreamView] = {}
        self._owners: dict[bytes, Address] = {}
        self._omitted = 0

    def add(self, passage: Passage) -> None:
        """Takes the next frame."""
        try:
            sent = self._dissect(passage.ethertype, passage.data, passage.offset)
        except Malformed:
            self._omitted += 1
            return
        if sent is not None:
            self._sent.append((sent, passage))

    def _dissect(self, ethertype: int, data: bytes, offset: int) -> _Sent | None:
        if ethertype == ethernet.ETHERTYPE_ARP:
            return self._arp(data, offset)
        if ethertype in ETHERTYPES:
            return self._ip(data, offset)
        raise Malformed("NotUnderstood")

    def _arp(self, data: bytes, offset: int) -> _Sent:
        message = arp.parse(data, offset)
        source = (message.sender_mac, 0)
        if not is_unspecified(message.sender_address):
            self._owners[message.sender_mac] = message.sender_address
            source = (message.sender_address, 0)
        return _Sent(source, (message.target_address, 0), labels.of_arp(message))

    def _ip(self, data: bytes, offset: int) -> _Sent | None:
        carried = look(data, offset, len(data) - offset)
        source, destination = (carried.source, 0), (carried.destination, 0)
        start, octets = carried.start, carried.octets
        if carried.fragment is not None:
            return _Sent(source, destination, labels.of_fragment(carried))
        try:
            if carried.protocol == ipv4.PROTOCOL_TCP:
                return self._tcp(carried, tcp.parse(Packet(data), start, octets))
            if carried.protocol == ipv4.PROTOCOL_UDP:
                return self._udp(carried, udp.parse(data, start, octets))
            if carried.is_icmp:
                text = labels.of_icmp(carried.icmp(data[start : start + octets]), labels.version_of(carried))
            else:
                text = Text(f"IPv{labels.version_of(carried)} protocol {carried.protocol} len={octets}")
        except Malformed as error:
            text = Text("malformed", note=error.reason)
        return _Sent(source, destination, text)

    def _udp(self, header: Carried, parsed: tuple[int, int, int, int, int]) -> _Sent | None:
        source_port, destination_port, _, octets, _ = parsed
        if self._port not in (None, source_port, destination_port):
            return None
        text = Text(f"UDP len={octets}")
        return _Sent((header.source, source_port), (header.destination, destination_port), text, True)

    def _tcp(self, header: Carried, segment: Segment) -> _Sent | None:
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
        return _Sent(source, destination, text, not (segment.flags & _NOT_ROUTINE or remark))

    def ladder(self, names: Mapping[Address, str], omitted: int) -> Ladder:
        """Everything that was added, with lifelines called by their names."""
        lifelines = _Lifelines([sent for sent, _ in self._sent], self._owners, names)
        routers: dict[tuple[bytes, bytes], list[str]] = {}
        for sent, passage in self._sent:
            hosts = [seen.host for seen in passage.routers]
            if len(hosts) > len(routers.setdefault(sent.way, [])):
                routers[sent.way] = hosts
        arrows = [
            arrow for sent, passage in self._sent for arrow in _arrows(sent, passage, lifelines, routers[sent.way])
        ]
        return Ladder.of(arrows, omitted=self._omitted + omitted)


def _arrows(sent: _Sent, passage: Passage, lifelines: "_Lifelines", routers: Sequence[str]) -> Iterator[Arrow]:
    """The frame, and once more for each time that the network has repeated it; ``routers`` lie on its way.

    One that was lost ends at the next host on that way, as one does that a router kept.
    """
    destination = lifelines.name(sent.destination, sent.source)
    waypoints = tuple((seen.when, lifelines.of_host(seen.host)) for seen in passage.routers)
    last = passage.sightings[-1]
    if passage.is_lost and len(waypoints) < len(routers):
        destination = lifelines.of_host(routers[len(waypoints)])
    elif last.direction == "inbound" and not passage.is_complete and last.host:
        destination = lifelines.of_host(last.host)  # Its time to live is over, say.
    arrow = Arrow(
        when=passage.departed,
        source=lifelines.name(sent.source, sent.destination),
        destination=destination,
        label=lifelines.prefix(sent) + sent.text.label,
        details=sent.text.details,
        note=_note(sent.text.note, passage.comment),
        lost=passage.is_lost,
        arrived=None if passage.is_lost else passage.arrived,
        waypoints=waypoints,
        is_routine=sent.is_routine and not passage.comments and not passage.is_lost,
        number=passage.sightings[0].number,
    )
    yield arrow
    for when in passage.repeats:
        note = "the same once more, made by the network"
        yield replace(arrow, arrived=when, note=note, details="", lost=False, waypoints=(), is_routine=False)


def _note(remark: str, comment: str) -> str:
    """What the ladder has to say and what the capture has, which may be the same."""
    return comment if remark in comment else "; ".join(filter(None, (remark, comment)))


class _Lifelines:
    """What endpoints are called. If only one conversation has ports, the lifelines bear them; else the labels do."""

    __slots__ = ("_called", "_conversation", "_names", "_owners")

    def __init__(self, frames: Sequence[_Sent], owners: Mapping[bytes, Address], names: Mapping[Address, str]) -> None:
        self._owners = owners
        self._names = names
        conversations = {frozenset((sent.source, sent.destination)) for sent in frames if sent.source[1]}
        only = conversations.pop() if len(conversations) == 1 else frozenset[Endpoint]()
        self._conversation = dict(only) if len({address for address, _ in only}) == len(only) else {}
        self._called: dict[str, str] = {}

    def name(self, endpoint: Endpoint, other: Endpoint) -> str:
        """The lifeline of ``endpoint``; on a loopback, where addresses are equal, the ports keep the two apart."""
        address, port = endpoint
        address = self._owners.get(address, address) if len(address) == 6 else address
        name = self._names.get(address) or (format_mac(address) if len(address) == 6 else format_address(address))
        port = port if address == other[0] else self._conversation.get(address, 0)
        full = f"{name}:{port}" if port else name
        self._called.setdefault(name, full)
        return full

    def of_host(self, host: str) -> str:
        """The lifeline of a host of which only the name is known."""
        return self._called.get(host, host)

    def prefix(self, sent: _Sent) -> str:
        """``"40000 > 80 "`` where the lifelines do not tell the ports."""
        (source, source_port), (destination, destination_port) = sent.source, sent.destination
        if not source_port or self._conversation or source == destination:
            return ""
        return f"{source_port} > {destination_port} "
