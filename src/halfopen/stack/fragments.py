"""Fragmentation and reassembly of IPv4 datagrams (RFC 791 3.2, RFC 815, RFC 1122 3.3.2, RFC 3128)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from halfopen.base.addresses import Address
from halfopen.base.clock import NEVER, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError, Malformed
from halfopen.base.intervals import IntervalSet
from halfopen.base.octets import Buffers, cut
from halfopen.stack.config import FragmentConfig
from halfopen.stack.interface import Interface
from halfopen.wire import ipv4
from halfopen.wire.ipv4 import PROTOCOL_TCP, Ipv4
from halfopen.wire.packet import Packet

FRAGMENT_OVERHEAD = 256
"""Octets that a fragment costs besides its own, so that tiny ones cannot be held without bound."""

TCP_HEADER_OCTETS = 20

ECN_MASK = 3
ECN_CE = 3

Key: TypeAlias = tuple[Address, Address, int, int]


class FragmentOverlap(ABC):
    """What to do about a fragment that overlaps others, with which filters are deceived (Ptacek and Newsham 1998)."""

    @abstractmethod
    def admit(self, held: IntervalSet, start: int, stop: int) -> tuple[tuple[int, int], ...] | None:
        """Which octets of ``[start, stop)`` to take; None to drop the whole datagram."""


class DropOverlapping(FragmentOverlap):
    """The whole datagram goes, as IPv6 demands (RFC 5722 3); a mere repetition is no overlap."""

    def admit(self, held: IntervalSet, start: int, stop: int) -> tuple[tuple[int, int], ...] | None:
        """All or nothing: nothing to take of a repetition, the whole fragment if nothing of it is there."""
        gaps = tuple(held.gaps(start, stop))
        if not gaps:
            return ()
        return gaps if gaps == ((start, stop),) else None


class FirstWins(FragmentOverlap):
    """What has come first stays (RFC 791's own algorithm has the last win)."""

    def admit(self, held: IntervalSet, start: int, stop: int) -> tuple[tuple[int, int], ...] | None:
        """What is missing yet."""
        return tuple(held.gaps(start, stop))


OVERLAP_POLICIES: dict[str, type[FragmentOverlap]] = {"drop": DropOverlapping, "first": FirstWins}


def make_overlap_policy(name: str) -> FragmentOverlap:
    """The policy called ``name`` in the configuration."""
    try:
        return OVERLAP_POLICIES[name]()
    except KeyError:
        raise ConfigError(f"overlap is one of {', '.join(OVERLAP_POLICIES)}, not {name!r}") from None


@dataclass(slots=True, eq=False)
class Partial:
    """A datagram of which fragments are missing. ``first`` is the head of its first fragment, once that is there."""

    interface: Interface
    expires: Instant
    held: IntervalSet = field(default_factory=IntervalSet)
    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    stop: int | None = None
    memory: int = 0
    ecn_seen: int = 0
    header: Ipv4 | None = None
    first: bytes = b""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing (RFC 815: no hole is left)."""
        return self.stop is not None and self.held.covers(0, self.stop)


class Reassembler:
    """Datagrams in pieces: bounded in memory, the oldest given up first, and each in time."""

    __slots__ = ("_config", "_counters", "_memory", "_overlap", "_partials")

    def __init__(self, config: FragmentConfig, counters: Counters) -> None:
        self._config = config
        self._counters = counters
        self._overlap = make_overlap_policy(config.overlap)
        self._partials: dict[Key, Partial] = {}
        self._memory = 0

    @property
    def memory(self) -> int:
        """Octets held, overhead included."""
        return self._memory

    def add(self, interface: Interface, header: Ipv4, packet: Packet, now: Instant) -> Packet | None:
        """Takes a fragment whose header has been checked; the whole datagram if it was the last one missing.

        What comes back has a head with all its octets, behind the link header of the first fragment. Raises Malformed.
        """
        offset = interface.link_octets
        self._counters.add("IpReasmReqds")
        start = header.fragment_offset
        stop = start + header.total_octets - header.header_octets
        check_fragment(header, start, stop)
        key = (header.source, header.destination, header.protocol, header.identification)
        partial = self._partials.get(key)
        if partial is None:
            partial = Partial(interface, now + self._config.timeout)
            self._partials[key] = partial
        data = packet.joined() if packet.body else packet.head
        if not self._take(partial, header, (start, stop), data[offset : offset + header.total_octets]):
            self._drop(key)
            return None
        if start == 0 and partial.header is None:
            partial.header = header
            partial.first = data[: offset + header.total_octets]
        if partial.is_complete:
            self._release(key)
            return self._join(partial, offset)
        while self._memory > self._config.memory:
            self._counters.add("IpReasmMemoryDrops")
            self._drop(next(iter(self._partials)))
        return None

    def next_deadline(self) -> Instant:
        """When the oldest datagram is given up: all wait equally long, so they stand in order."""
        for partial in self._partials.values():
            return partial.expires
        return NEVER

    def poll_expired(self, now: Instant) -> Partial | None:
        """A datagram whose time is over; its sender may be told if the first fragment is there (RFC 1122 3.3.2)."""
        for key, partial in self._partials.items():
            if partial.expires > now:
                break
            self._release(key)
            self._counters.add("IpReasmTimeout")
            self._counters.add("IpReasmFails")
            return partial
        return None

    def _take(self, partial: Partial, header: Ipv4, span: tuple[int, int], datagram: bytes) -> bool:
        """Files the octets of one fragment; False if the datagram contradicts itself."""
        start, stop = span
        if not header.more_fragments:
            if partial.stop not in (None, stop):
                return self._contradiction("IpReasmTwoEnds")
            partial.stop = stop
        if partial.stop is not None and max([stop, *(high for _, high in partial.held)]) > partial.stop:
            return self._contradiction("IpReasmBeyondEnd")
        spans = self._overlap.admit(partial.held, start, stop)
        if spans is None:
            return self._contradiction("IpReasmOverlaps")
        payload = header.header_octets - start
        for low, high in spans:
            partial.held.add(low, high)
            partial.pieces.append((low, datagram[payload + low : payload + high]))
            self._account(partial, high - low + FRAGMENT_OVERHEAD)
        partial.ecn_seen |= 1 << (header.tos & ECN_MASK)
        if len(partial.pieces) > self._config.fragments:
            return self._contradiction("IpReasmTooManyFragments")
        return True

    def _contradiction(self, name: str) -> bool:
        self._counters.add(name)
        return False

    def _account(self, partial: Partial, octets: int) -> None:
        partial.memory += octets
        self._memory += octets

    def _release(self, key: Key) -> None:
        self._memory -= self._partials.pop(key).memory

    def _drop(self, key: Key) -> None:
        self._release(key)
        self._counters.add("IpReasmFails")

    def _join(self, partial: Partial, offset: int) -> Packet | None:
        header = partial.header
        ecn = combine_ecn(partial.ecn_seen)
        if header is None or ecn is None:
            self._counters.add("IpReasmFails")
            return None
        partial.pieces.sort()
        payload = b"".join(piece for _, piece in partial.pieces)
        tos = header.tos & ~ECN_MASK | ecn
        whole = replace(header, more_fragments=False, fragment_offset=0, tos=tos)
        self._counters.add("IpReasmOKs")
        return Packet(partial.first[:offset] + ipv4.emit(whole, len(payload)) + payload)


def check_fragment(header: Ipv4, start: int, stop: int) -> None:
    """Refuses what no honest sender makes: odd lengths, more than 65535 octets, headers cut in two (RFC 3128)."""
    if stop == start or (header.more_fragments and (stop - start) & 7):
        raise Malformed("IpFragmentBadLength")
    if stop + header.header_octets > 0xFFFF:
        raise Malformed("IpFragmentTooLong")
    if header.protocol == PROTOCOL_TCP and (start < TCP_HEADER_OCTETS if start else stop < TCP_HEADER_OCTETS):
        raise Malformed("IpFragmentTiny")


def combine_ecn(seen: int) -> int | None:
    """The ECN field of a datagram whose fragments had those in ``seen``, a bit each (RFC 3168 5.3); None: drop."""
    not_ect, ce = seen & 1, seen >> ECN_CE & 1
    if not_ect:
        return None if ce else 0
    if ce:
        return ECN_CE
    return 1 if seen & 2 else 2


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
