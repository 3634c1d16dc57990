"""The way of each frame through a network, put together from its sightings at the interfaces of a capture.

A capture of one interface sees a frame once. One of a whole network (`halfopen.sim`, or several captures merged) sees
it leave its host, enter and leave each router, and arrive; where that ends too early, it was lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from halfopen.base.clock import Duration, Instant
from halfopen.base.errors import Malformed
from halfopen.capture.record import (
    LINKTYPE_ETHERNET,
    LINKTYPE_RAW,
    CapturedInterface,
    Direction,
    Record,
)
from halfopen.wire import arp, ethernet

LOST_WORDS = ("lost", "dropped")
"""A frame whose comment begins with one of these never arrived: impairments say so in the captures they write."""

CORRUPTED_WORD = "corrupted"

_MAX_FRAME_OCTETS = ethernet.HEADER_OCTETS + 0xFFFF
_CONGESTION_BITS = 0x03
_GROUP_BIT = 0x01


@dataclass(slots=True, frozen=True)
class Sighting:
    """Where and when a frame was seen; ``number`` counts the frames of the capture from 1, as Wireshark does."""

    number: int
    when: Instant
    interface: CapturedInterface
    direction: Direction | None

    @property
    def host(self) -> str:
        """``"client"`` of the interface ``"client.eth0"``; empty if the interface does not tell."""
        return self.interface.name.rpartition(".")[0] if self.direction else ""


@dataclass(slots=True)
class Passage:
    """One frame on its way.

    What the network repeated arrived again at each of ``repeats``. ``is_marked``: it left without the ECN mark *CE* and
    arrived with it (RFC 3168 5). ``is_corrupted`` is what the capture says of it; a ``is_stray`` one arrived without
    having been sent, because something has changed it. ``is_complete``: others on its way were not seen any further.
    """

    data: bytes
    ethertype: int
    offset: int
    sightings: list[Sighting]
    comments: list[str] = field(default_factory=list)
    repeats: list[Instant] = field(default_factory=list)
    is_lost: bool = False
    is_corrupted: bool = False
    is_stray: bool = False
    is_marked: bool = False
    is_complete: bool = True

    @property
    def departed(self) -> Instant:
        """When it was seen first."""
        return self.sightings[0].when

    @property
    def arrived(self) -> Instant | None:
        """When it was seen last, if that was not where it was seen first."""
        return self.sightings[-1].when if len(self.sightings) > 1 else None

    @property
    def received(self) -> Instant | None:
        """When whoever it was for had it, as far as the capture can tell; None if it was lost or is on its way."""
        return self.sightings[-1].when if self.is_complete and not self.is_wasted else None

    @property
    def is_wasted(self) -> bool:
        """Whether it was sent in vain."""
        return self.is_lost or self.is_corrupted

    @property
    def comment(self) -> str:
        """All remarks of the capture about it."""
        return "; ".join(dict.fromkeys(self.comments))

    @property
    def routers(self) -> list[Sighting]:
        """Where it came in to go out again."""
        pairs = zip(self.sightings[1:], self.sightings[2:], strict=False)
        return [seen for seen, after in pairs if seen.direction == "inbound" and after.host == seen.host]


@dataclass(slots=True)
class _Copies:
    """Passages of frames that are equal, octet for octet, in the order in which they left."""

    passages: list[Passage] = field(default_factory=list)
    _next: dict[CapturedInterface, int] = field(default_factory=dict)

    def oldest_unseen_by(self, interface: CapturedInterface) -> Passage | None:
        """The oldest that may still arrive at ``interface``: equal frames on their way together do not overtake."""
        # Who has seen one has seen it for good, so the search goes on where it ended: constant cost in a flood.
        index = self._next.get(interface, 0)
        while index < len(self.passages):
            passage = self.passages[index]
            if not passage.is_lost and all(seen.interface is not interface for seen in passage.sightings):
                break
            index += 1
        self._next[interface] = index
        return self.passages[index] if index < len(self.passages) else None

    def on_their_way(self, record: Record) -> list[Passage]:
        """Those that went in where ``record`` was made, and have been seen nowhere else."""
        return [
            passage
            for passage in self.passages
            if len(passage.sightings) == 1
            and not passage.is_lost
            and passage.sightings[0].interface is record.interface
        ]

    def repeated_at(self, record: Record) -> Passage | None:
        """The frame of which ``record`` is one more than was sent: the network has made it."""
        for passage in self.passages[:1]:
            origin = passage.sightings[0]
            if origin.direction == "outbound" and record.interface is not origin.interface:
                return self.passages[-1]
        return None


def _tells_of_loss(record: Record) -> bool:
    return record.comment is not None and record.comment.lower().startswith(LOST_WORDS)


class Follower:
    """Puts sightings together: ``passages`` are the frames so far, ``omitted`` counts what nothing here can read."""

    __slots__ = ("_copies", "_count", "_interfaces", "_latest", "_macs", "omitted", "passages")

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.omitted = 0
        self._count = 0
        self._latest: Instant = 0
        self._copies: dict[bytes, _Copies] = {}
        self._macs: dict[bytes, CapturedInterface] = {}
        # Equal descriptions of interfaces become one object, which is compared by identity: it is done often.
        self._interfaces: dict[CapturedInterface, CapturedInterface] = {}

    def add(self, record: Record) -> None:
        """Takes the next frame of the capture."""
        self._count += 1
        self._latest = max(self._latest, record.when)
        interface = self._interfaces.setdefault(record.interface, record.interface)
        if interface is not record.interface:
            record = replace(record, interface=interface)
        try:
            ethertype, offset = network_layer(interface.linktype, record.octets)
        except Malformed:
            self.omitted += 1
            return
        if not self._overheard(record):
            self._place(record, ethertype, offset)

    def _place(self, record: Record, ethertype: int, offset: int) -> None:
        """To a frame that is on its way, or as a new one."""
        # What a snapshot length cut off is made up with zeros: it would have been payload.
        missing = min(record.original_octets, _MAX_FRAME_OCTETS) - len(record.octets)
        data = record.octets + bytes(max(0, missing))
        copies = self._copies.setdefault(_fingerprint(ethertype, data, offset), _Copies())
        sighting = Sighting(self._count, record.when, record.interface, record.direction)
        passage = copies.oldest_unseen_by(record.interface)
        if passage is None and _tells_of_loss(record) and (waiting := copies.on_their_way(record)):
            passage = waiting[0]  # Lost long after it was sent, in a queue: the record is not another frame.
        elif passage is not None:
            passage.sightings.append(sighting)
            passage.is_marked |= ethertype == ethernet.ETHERTYPE_IPV4 and _became_marked(passage, data[offset + 1])
        elif (repeated := copies.repeated_at(record)) is not None:
            if record.direction == "inbound":
                repeated.repeats.append(record.when)
            passage = repeated
        else:
            passage = Passage(data, ethertype, offset, [sighting])
            copies.passages.append(passage)
            self.passages.append(passage)
        if record.comment:
            passage.comments += record.comment.splitlines()
            passage.is_lost = passage.is_lost or _tells_of_loss(record)
            passage.is_corrupted = passage.is_corrupted or CORRUPTED_WORD in record.comment

    def _overheard(self, record: Record) -> bool:
        """Whether a hub or a flooding switch brought it to somebody whom it is not for."""
        if record.interface.linktype != LINKTYPE_ETHERNET or record.direction is None:
            return False
        if record.direction == "outbound":
            self._macs[record.octets[6:12]] = record.interface
            return False
        is_for_all = bool(record.octets[0] & _GROUP_BIT)
        owner = self._macs.get(record.octets[:6], record.interface)
        return not is_for_all and owner is not record.interface

    def finish(self) -> list[Passage]:
        """All passages, after the last record: those that ended on the way although there was time are lost.

        Only where the capture saw others get further, or shows both ends of cables.
        """
        shows_cables = any(_crossed(passage) for passage in self.passages)
        reach: dict[bytes, int] = {}
        transit: dict[bytes, Duration] = {}
        for passage in self.passages:
            route = _route(passage)
            least = 2 if shows_cables and passage.sightings[0].direction == "outbound" else 1
            reach[route] = max(reach.get(route, least), len(passage.sightings))
            transit[route] = max(transit.get(route, 0), passage.sightings[-1].when - passage.departed)
        for passage in self.passages:
            route = _route(passage)
            passage.is_stray = shows_cables and passage.sightings[0].direction == "inbound"
            passage.is_complete = len(passage.sightings) >= reach[route]
            if not passage.is_complete and passage.sightings[-1].direction == "outbound":
                passage.is_lost = passage.is_lost or passage.departed + transit[route] < self._latest
        return self.passages


def _crossed(passage: Passage) -> bool:
    """Whether it was seen at both ends of a cable."""
    ends = [seen.direction for seen in passage.sightings[:2]]
    return ends == ["outbound", "inbound"]


def follow(records: Iterable[Record]) -> Follower:
    """Follows every frame of a capture to its end."""
    follower = Follower()
    for record in records:
        follower.add(record)
    follower.finish()
    return follower


def network_layer(linktype: int, data: bytes) -> tuple[int, int]:
    """EtherType of a frame's contents and where they begin."""
    if linktype == LINKTYPE_ETHERNET:
        _, _, ethertype = ethernet.parse(data)
        return ethertype, ethernet.HEADER_OCTETS
    if linktype == LINKTYPE_RAW and data and data[0] >> 4 == 4:
        return ethernet.ETHERTYPE_IPV4, 0
    raise Malformed("NotUnderstood")


def _fingerprint(ethertype: int, data: bytes, offset: int) -> bytes:
    """What stays the same of a datagram from hop to hop: its headers without ECN, TTL and checksum tell enough."""
    if ethertype != ethernet.ETHERTYPE_IPV4:
        return data[offset : offset + arp.OCTETS]
    octets = min(int.from_bytes(data[offset + 2 : offset + 4]), 80)
    services = data[offset + 1 : offset + 2]
    services = bytes((services[0] & ~_CONGESTION_BITS,)) if services else b""
    return services + data[offset + 2 : offset + 8] + data[offset + 12 : offset + octets]


def _became_marked(passage: Passage, services: int) -> bool:
    first = passage.data[passage.offset + 1]
    return services & _CONGESTION_BITS == _CONGESTION_BITS != first & _CONGESTION_BITS


def _route(passage: Passage) -> bytes:
    """Source and destination, of the layer that has them."""
    if passage.ethertype == ethernet.ETHERTYPE_IPV4:
        return passage.data[passage.offset + 12 : passage.offset + 20]
    return passage.data[: passage.offset]
