"""IPv6 extension headers (RFC 8200 4): the chain between the IPv6 header and what it carries.

A host takes them in any order and any number (RFC 8200 4.1), within limits that nobody honest meets (RFC 8504 5.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from halfopen.base.errors import Malformed
from halfopen.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from halfopen.wire.ipv6 import (
    DESTINATION_OPTIONS,
    FRAGMENT,
    HEADER_OCTETS,
    HOP_BY_HOP_OPTIONS,
    NEXT_HEADER_OFFSET,
    PAYLOAD_LENGTH_OFFSET,
    PROTOCOL_ICMPV6,
    ROUTING,
    Ipv6,
)

EXTENSIONS: Final = frozenset({HOP_BY_HOP_OPTIONS, ROUTING, FRAGMENT, DESTINATION_OPTIONS})
"""What is stepped over; every other next header ends the chain, whether anybody here knows it or not."""

MAXIMUM_HEADERS: Final = 8
MAXIMUM_OPTIONS: Final = 8
"""In one header, padding not counted (RFC 8504 5.3; Linux ``max_hbh_opts_number``)."""
MAXIMUM_PADDING: Final = 7
"""Octets between two options: more are never needed to align one (RFC 8504 5.3)."""

OPTION_PAD1: Final = 0
OPTION_PADN: Final = 1
OPTION_ROUTER_ALERT: Final = 5
"""RFC 2711."""

# Codes of an ICMPv6 parameter problem (RFC 4443 3.4; RFC 7112 5 the last).
ERRONEOUS_FIELD: Final = 0
UNRECOGNIZED_NEXT_HEADER: Final = 1
UNRECOGNIZED_OPTION: Final = 2
INCOMPLETE_CHAIN: Final = 3

_FRAGMENT: Final = Struct("!BxHI")
FRAGMENT_OCTETS: Final = 8
_MORE_FRAGMENTS: Final = 1
_LARGEST_PAYLOAD: Final = 0xFFFF
_TRANSPORT_OCTETS: Final = {PROTOCOL_TCP: 20, PROTOCOL_UDP: 8, PROTOCOL_ICMPV6: 8}

# What is to be done with an option that is not known: the two highest bits of its type (RFC 8200 4.2).
_SKIP: Final = 0
_DISCARD: Final = 1
_COMPLAIN: Final = 2
"""... even if the packet was sent to a group; the fourth value, only if it was not."""


class ParameterProblem(Malformed):
    """A packet whose sender is to be told of it (RFC 4443 3.4); ``pointer`` counts from the start of the IPv6 header.

    ``even_multicast``: also if the packet was sent to a group.
    """

    def __init__(self, reason: str, code: int, pointer: int, *, even_multicast: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.pointer = pointer
        self.even_multicast = even_multicast


@dataclass(slots=True)
class Fragment:
    """A Fragment header (RFC 8200 4.5), ``offset`` in octets.

    ``at`` is where it stands in the data and ``named_at`` where the octet is that names it: what comes before ``at``
    is the Per-Fragment part, and ``next_header`` takes the place of that octet when the packet is whole again.
    """

    next_header: int
    offset: int
    more: bool
    identification: int
    at: int = 0
    named_at: int = 0

    @property
    def is_atomic(self) -> bool:
        """All of a packet in one fragment: nothing is to be waited for (RFC 6946 4)."""
        return not (self.offset or self.more)


@dataclass(slots=True)
class Chain:
    """What follows an IPv6 header: ``protocol`` at ``offset`` of the data, named by the octet at ``named_at``.

    If ``fragment`` is there, it is a true one, the chain ends with it, and ``protocol`` is `FRAGMENT`.
    """

    protocol: int
    offset: int
    named_at: int
    fragment: Fragment | None = None
    router_alert: int | None = None


def parse(data: bytes, offset: int, header: Ipv6) -> Chain:
    """Goes through the extension headers of a packet for this host, which ``header`` at ``offset`` begins.

    Raises `ParameterProblem` where the sender is to hear of it, else Malformed.
    """
    stop = min(len(data), offset + HEADER_OCTETS + header.payload_octets)
    chain = Chain(header.next_header, offset + HEADER_OCTETS, offset + NEXT_HEADER_OFFSET)
    for _ in range(MAXIMUM_HEADERS + 1):
        kind = chain.protocol
        if kind not in EXTENSIONS:
            return chain
        octets = _extent(data, chain.offset, stop, kind)
        if kind == FRAGMENT:
            fragment = parse_fragment(data, chain.offset, chain.named_at)
            if not fragment.is_atomic:
                _check_fragment(data, offset, stop, fragment)
                chain.fragment = fragment
                return chain
        elif kind == ROUTING:
            _check_routing(data, offset, chain.offset)
        else:
            _check_options(data, offset, chain, octets)
        chain.protocol, chain.named_at = data[chain.offset], chain.offset
        chain.offset += octets
    raise Malformed("Ipv6TooManyHeaders")


def skip(data: bytes, at: int, stop: int, kind: int, *, into_fragment: bool = True) -> tuple[int, int]:
    """Protocol and place of what lies behind the extension headers, of which only the lengths are looked at.

    ``kind`` is the header at ``at``. A later fragment has nothing to be found behind its header: `FRAGMENT` then, and
    so for the first one unless the way leads ``into_fragment``.
    """
    for _ in range(MAXIMUM_HEADERS + 1):
        if kind not in EXTENSIONS:
            return kind, at
        octets = _extent(data, at, stop, kind)
        if kind == FRAGMENT:
            fragment = parse_fragment(data, at)
            if fragment.offset or (fragment.more and not into_fragment):
                return kind, at
        kind = data[at]
        at += octets
    raise Malformed("Ipv6TooManyHeaders")


def check_hop_by_hop(data: bytes, offset: int, header: Ipv6) -> int | None:
    """What a router looks at: the Hop-by-Hop Options header, if there is one (RFC 8200 4.3); the router alert in it."""
    chain = Chain(header.next_header, offset + HEADER_OCTETS, offset + NEXT_HEADER_OFFSET)
    if chain.protocol == HOP_BY_HOP_OPTIONS:
        stop = min(len(data), chain.offset + header.payload_octets)
        _check_options(data, offset, chain, _extent(data, chain.offset, stop, chain.protocol))
    return chain.router_alert


def parse_fragment(data: bytes, at: int, named_at: int = 0) -> Fragment:
    """The Fragment header at ``at``, which is all there."""
    next_header, word, identification = _FRAGMENT.unpack_from(data, at)
    return Fragment(next_header, word & 0xFFF8, word & _MORE_FRAGMENTS != 0, identification, at, named_at)


def emit_fragment(fragment: Fragment) -> bytes:
    """The 8 octets of a Fragment header."""
    return _FRAGMENT.pack(fragment.next_header, fragment.offset | fragment.more, fragment.identification)


def emit_options(next_header: int, options: Sequence[tuple[int, bytes]]) -> bytes:
    """A header of options, hop-by-hop or for the destination, padded to whole words of 8 octets."""
    body = b"".join(bytes((kind, len(value))) + value for kind, value in options)
    missing = -(2 + len(body)) % 8
    padding = b"" if not missing else b"\0" if missing == 1 else bytes((OPTION_PADN, missing - 2)) + bytes(missing - 2)
    return bytes((next_header, (2 + len(body) + missing) // 8 - 1)) + body + padding


def _extent(data: bytes, at: int, stop: int, kind: int) -> int:
    """The length of the header, which is all there."""
    if at + 8 > stop:
        raise Malformed("Ipv6Truncated")
    octets = FRAGMENT_OCTETS if kind == FRAGMENT else 8 + 8 * data[at + 1]
    if at + octets > stop:
        raise Malformed("Ipv6Truncated")
    return octets


def _check_fragment(data: bytes, offset: int, stop: int, fragment: Fragment) -> None:
    """Whole words unless it is the last, no packet too long, and every header in the first (RFC 8200 4.5, RFC 7112)."""
    start = fragment.at + FRAGMENT_OCTETS
    octets = stop - start
    if fragment.more and octets & 7:
        raise ParameterProblem("Ipv6FragmentBadLength", ERRONEOUS_FIELD, PAYLOAD_LENGTH_OFFSET)
    if fragment.at - offset - HEADER_OCTETS + fragment.offset + octets > _LARGEST_PAYLOAD:
        raise ParameterProblem("Ipv6FragmentTooLong", ERRONEOUS_FIELD, fragment.at + 2 - offset)
    if fragment.offset:
        return
    try:
        protocol, at = skip(data, start, stop, fragment.next_header)
    except Malformed:
        raise ParameterProblem("Ipv6ChainIncomplete", INCOMPLETE_CHAIN, 0) from None
    if at + _TRANSPORT_OCTETS.get(protocol, 0) > stop:
        raise ParameterProblem("Ipv6ChainIncomplete", INCOMPLETE_CHAIN, 0)


def _check_routing(data: bytes, offset: int, at: int) -> None:
    """No type is known here, and type 0 nobody should (RFC 5095): refused unless there is nowhere left to go."""
    if data[at + 3]:
        raise ParameterProblem("Ipv6BadRouting", ERRONEOUS_FIELD, at + 2 - offset)


def _check_options(data: bytes, offset: int, chain: Chain, octets: int) -> None:
    """Every option of the header at ``chain.offset`` is known or may be skipped."""
    if chain.protocol == HOP_BY_HOP_OPTIONS and chain.offset != offset + HEADER_OCTETS:
        raise ParameterProblem("Ipv6BadHopByHop", UNRECOGNIZED_NEXT_HEADER, chain.named_at - offset)
    at, stop = chain.offset + 2, chain.offset + octets
    padding = options = 0
    while at < stop:
        length = _option_octets(data, at, stop)
        kind = data[at]
        if kind in (OPTION_PAD1, OPTION_PADN):
            padding += length
        else:
            padding = 0
            options += 1
        if padding > MAXIMUM_PADDING or options > MAXIMUM_OPTIONS:
            raise Malformed("Ipv6TooManyOptions")
        if kind == OPTION_ROUTER_ALERT and chain.protocol == HOP_BY_HOP_OPTIONS and length == 4:
            chain.router_alert = int.from_bytes(data[at + 2 : at + 4], "big")
        elif kind >> 6 != _SKIP:
            _refuse(kind, at - offset)
        at += length


def _option_octets(data: bytes, at: int, stop: int) -> int:
    if data[at] == OPTION_PAD1:
        return 1
    if at + 2 > stop or at + 2 + data[at + 1] > stop:
        raise Malformed("Ipv6BadOptions")
    return 2 + data[at + 1]


def _refuse(kind: int, pointer: int) -> None:
    action = kind >> 6
    if action == _DISCARD:
        raise Malformed("Ipv6OptionDiscards")
    raise ParameterProblem("Ipv6UnknownOption", UNRECOGNIZED_OPTION, pointer, even_multicast=action == _COMPLAIN)
