"""Putting datagrams together again that came in pieces, of both versions of IP (RFC 815, RFC 8200 4.5).

What a fragment is, `halfopen.stack.fragments` and `halfopen.stack.ipv6_fragments` know.
"""

from abc import ABC, abstractmethod
from typing import Final, Generic, TypeAlias, TypeVar

from halfopen.base.addresses import Address
from halfopen.base.clock import NEVER, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError
from halfopen.base.intervals import IntervalSet
from halfopen.stack.config import FragmentConfig
from halfopen.stack.interface import Interface

FRAGMENT_OVERHEAD: Final = 256
"""Octets that a fragment costs besides its own, so that tiny ones cannot be held without bound."""

ECN_MASK: Final = 3
ECN_CE: Final = 3

Key: TypeAlias = tuple[Address, Address, int, int]


HeaderT = TypeVar("HeaderT")


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


class RefuseOverlapping(FragmentOverlap):
    """The whole datagram goes (RFC 8200 4.5); what is an exact repetition is not asked about."""

    def admit(self, held: IntervalSet, start: int, stop: int) -> tuple[tuple[int, int], ...] | None:
        """All or nothing."""
        gaps = tuple(held.gaps(start, stop))
        return gaps if gaps == ((start, stop),) else None


class FirstWins(FragmentOverlap):
    """What has come first stays (RFC 791's own algorithm has the last win)."""

    def admit(self, held: IntervalSet, start: int, stop: int) -> tuple[tuple[int, int], ...] | None:
        """What is missing yet."""
        return tuple(held.gaps(start, stop))


OVERLAP_POLICIES: Final[dict[str, type[FragmentOverlap]]] = {"drop": DropOverlapping, "first": FirstWins}


def make_overlap_policy(name: str) -> FragmentOverlap:
    """The policy called ``name`` in the configuration."""
    try:
        return OVERLAP_POLICIES[name]()
    except KeyError:
        raise ConfigError(f"overlap is one of {', '.join(OVERLAP_POLICIES)}, not {name!r}") from None


class Piece(Generic[HeaderT]):
    """One fragment: the octets from ``start`` to ``stop`` of what was cut, which are ``data``.

    ``head`` is the whole fragment from the link header on, ``ecn`` the ECN field that it came with.
    """

    __slots__ = ("data", "ecn", "head", "header", "key", "more", "start", "stop")

    def __init__(
        self,
        key: Key,
        header: HeaderT,
        start: int,
        stop: int,
        more: bool,
        ecn: int,
        data: bytes,
        head: bytes,
    ) -> None:
        self.key = key
        self.header = header
        self.start = start
        self.stop = stop
        self.more = more
        self.ecn = ecn
        self.data = data
        self.head = head


class Partial(Generic[HeaderT]):
    """A datagram of which fragments are missing. ``first`` is the head of its first fragment, once that is there."""

    __slots__ = ("ecn_seen", "expires", "first", "header", "held", "interface", "memory", "pieces", "stop")

    def __init__(self, interface: Interface, expires: Instant) -> None:
        self.interface = interface
        self.expires = expires
        self.held = IntervalSet()
        self.pieces: list[tuple[int, bytes]] = []
        self.stop: int | None = None
        self.memory = 0
        self.ecn_seen = 0
        self.header: HeaderT | None = None
        self.first = b""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing (RFC 815: no hole is left)."""
        return self.stop is not None and self.held.covers(0, self.stop)

    def payload(self) -> bytes:
        """All pieces in order."""
        self.pieces.sort()
        return b"".join(piece for _, piece in self.pieces)


class Reassembly(Generic[HeaderT]):
    """Datagrams in pieces: bounded in memory, the oldest given up first, and each in time.

    ``prefix`` is that of its counters.
    """

    __slots__ = ("_config", "_memory", "_overlap", "_partials", "_prefix", "counters")

    def __init__(self, config: FragmentConfig, overlap: FragmentOverlap, prefix: str, counters: Counters) -> None:
        self._config = config
        self._overlap = overlap
        self._prefix = prefix
        self.counters = counters
        self._partials: dict[Key, Partial[HeaderT]] = {}
        self._memory = 0

    @property
    def memory(self) -> int:
        """Octets held, overhead included."""
        return self._memory

    def collect(self, interface: Interface, piece: Piece[HeaderT], now: Instant) -> Partial[HeaderT] | None:
        """Takes a fragment; all that there is of its datagram if it was the last one missing."""
        partial = self._partials.get(piece.key)
        if partial is None:
            partial = Partial(interface, now + self._config.timeout)
            self._partials[piece.key] = partial
        if not self._take(partial, piece):
            self._drop(piece.key)
            return None
        if piece.start == 0 and partial.header is None:
            partial.header = piece.header
            partial.first = piece.head
        if partial.is_complete:
            self._release(piece.key)
            return partial
        while self._memory > self._config.memory:
            self.count("ReasmMemoryDrops")
            self._drop(next(iter(self._partials)))
        return None

    def next_deadline(self) -> Instant:
        """When the oldest datagram is given up: all wait equally long, so they stand in order."""
        for partial in self._partials.values():
            return partial.expires
        return NEVER

    def poll_expired(self, now: Instant) -> Partial[HeaderT] | None:
        """A datagram whose time is over; its sender may be told if the first fragment is there (RFC 1122 3.3.2)."""
        for key, partial in self._partials.items():
            if partial.expires > now:
                break
            self._release(key)
            self.count("ReasmTimeout")
            self.count("ReasmFails")
            return partial
        return None

    def count(self, name: str) -> None:
        """Counts under the name of this version of IP."""
        self.counters.add(self._prefix + name)

    def _take(self, partial: Partial[HeaderT], piece: Piece[HeaderT]) -> bool:
        """Files the octets of one fragment; False if the datagram contradicts itself."""
        start, stop = piece.start, piece.stop
        if not piece.more:
            if partial.stop not in (None, stop):
                return self._contradiction("ReasmTwoEnds")
            partial.stop = stop
        if partial.stop is not None and max([stop, *(high for _, high in partial.held)]) > partial.stop:
            return self._contradiction("ReasmBeyondEnd")
        if (start, piece.data) in partial.pieces:
            return True
        spans = self._overlap.admit(partial.held, start, stop)
        if spans is None:
            return self._contradiction("ReasmOverlaps")
        for low, high in spans:
            partial.held.add(low, high)
            partial.pieces.append((low, piece.data[low - start : high - start]))
            self._account(partial, high - low + FRAGMENT_OVERHEAD)
        partial.ecn_seen |= 1 << piece.ecn
        if len(partial.pieces) > self._config.fragments:
            return self._contradiction("ReasmTooManyFragments")
        return True

    def _contradiction(self, name: str) -> bool:
        self.count(name)
        return False

    def _account(self, partial: Partial[HeaderT], octets: int) -> None:
        partial.memory += octets
        self._memory += octets

    def _release(self, key: Key) -> None:
        self._memory -= self._partials.pop(key).memory

    def _drop(self, key: Key) -> None:
        self._release(key)
        self.count("ReasmFails")


def combine_ecn(seen: int) -> int | None:
    """The ECN field of a datagram whose fragments had those in ``seen``, a bit each (RFC 3168 5.3); None: drop."""
    not_ect, ce = seen & 1, seen >> ECN_CE & 1
    if not_ect:
        return None if ce else 0
    if ce:
        return ECN_CE
    return 1 if seen & 2 else 2
