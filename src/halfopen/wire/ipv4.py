"""IPv4 headers (RFC 791 3.1)."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from halfopen.base.addresses import Address
from halfopen.base.errors import Malformed

PROTOCOL_ICMP: Final = 1
PROTOCOL_TCP: Final = 6
PROTOCOL_UDP: Final = 17

MINIMUM_OCTETS: Final = 20
MAXIMUM_OPTION_OCTETS: Final = 40

OPTION_END: Final = 0
OPTION_NO_OPERATION: Final = 1
OPTION_RECORD_ROUTE: Final = 7
OPTION_TIMESTAMP: Final = 68
OPTION_LOOSE_SOURCE_ROUTE: Final = 131
OPTION_STRICT_SOURCE_ROUTE: Final = 137
OPTION_ROUTER_ALERT: Final = 148
"""RFC 2113."""

_COPIED: Final = 0x80
_DONT_FRAGMENT: Final = 0x4000
_MORE_FRAGMENTS: Final = 0x2000
_PLAIN: Final = 0x45
"""Version 4, five words: the first octet of a header without options."""
_HEADER: Final = Struct("!BBHHHBBH4s4s")


@dataclass(slots=True)
class Ipv4:
    """One header. ``fragment_offset`` is in octets; ``options`` as on the wire; the last two are set by `parse`."""

    source: Address
    destination: Address
    protocol: int
    ttl: int = 64
    tos: int = 0
    identification: int = 0
    dont_fragment: bool = True
    more_fragments: bool = False
    fragment_offset: int = 0
    options: bytes = b""
    header_octets: int = MINIMUM_OCTETS
    total_octets: int = 0


def parse(data: bytes, offset: int, available: int) -> Ipv4:
    """Version, header length, checksum and total length are verified (RFC 1122 3.2.1.1, 3.2.1.2; RFC 1812 5.2.2).

    ``data`` holds at least the header; ``available`` is what there is of the datagram from ``offset`` on, wherever it
    lies. What goes beyond ``total_octets`` is the link's padding.
    """
    if available < MINIMUM_OCTETS or len(data) < offset + MINIMUM_OCTETS:
        raise Malformed("Ipv4Truncated")
    first, tos, total, identification, fragment, ttl, protocol, _, source, destination = _HEADER.unpack_from(
        data, offset
    )
    octets = MINIMUM_OCTETS
    options = b""
    if first != _PLAIN:
        octets = _header_octets(first)
        if octets > available or len(data) < offset + octets:
            raise Malformed("Ipv4Truncated")
        options = data[offset + MINIMUM_OCTETS : offset + octets]
    if int.from_bytes(data[offset : offset + octets], "big") % 0xFFFF:
        raise Malformed("Ipv4BadChecksum")
    if not octets <= total <= available:
        raise Malformed("Ipv4BadLength")
    return Ipv4(
        source,
        destination,
        protocol,
        ttl,
        tos,
        identification,
        fragment & _DONT_FRAGMENT != 0,
        fragment & _MORE_FRAGMENTS != 0,
        (fragment & 0x1FFF) << 3,
        options,
        octets,
        total,
    )


def _header_octets(first: int) -> int:
    if first >> 4 != 4:
        raise Malformed("Ipv4BadVersion")
    octets = (first & 0x0F) << 2
    if octets < MINIMUM_OCTETS:
        raise Malformed("Ipv4BadHeaderLength")
    return octets


def emit(header: Ipv4, payload_octets: int) -> bytes:
    """The header in front of ``payload_octets`` octets, with its checksum; options are padded to whole words."""
    options = header.options
    if options:
        return _emit_with_options(header, options + bytes(-len(options) & 3), payload_octets)
    return _pack(header, MINIMUM_OCTETS, payload_octets, 0)


def _emit_with_options(header: Ipv4, options: bytes, payload_octets: int) -> bytes:
    if len(options) > MAXIMUM_OPTION_OCTETS:
        raise ValueError(f"an IPv4 header holds {MAXIMUM_OPTION_OCTETS} octets of options, not {len(options)}")
    return _pack(header, MINIMUM_OCTETS + len(options), payload_octets, int.from_bytes(options, "big")) + options


def _pack(header: Ipv4, octets: int, payload_octets: int, options_sum: int) -> bytes:
    first = 0x40 | octets >> 2
    tos = header.tos
    total = octets + payload_octets
    identification = header.identification
    fragment = header.fragment_offset >> 3
    if header.dont_fragment:
        fragment |= _DONT_FRAGMENT
    if header.more_fragments:
        fragment |= _MORE_FRAGMENTS
    ttl = header.ttl
    protocol = header.protocol
    source = header.source
    destination = header.destination
    # The words are summed as they are, before they are packed: one pass over the header instead of two.
    words = (first + ttl << 8) + tos + total + identification + fragment + protocol + options_sum
    checksum = -(words + int.from_bytes(source + destination, "big")) % 0xFFFF
    return _HEADER.pack(first, tos, total, identification, fragment, ttl, protocol, checksum, source, destination)


def parse_options(options: bytes) -> list[tuple[int, bytes]]:
    """(kind, data) of every option but no-operations, up to the end of the list (RFC 791 3.1)."""
    found: list[tuple[int, bytes]] = []
    at = 0
    stop = len(options)
    while at < stop and options[at] != OPTION_END:
        if options[at] == OPTION_NO_OPERATION:
            at += 1
            continue
        length = options[at + 1] if at + 1 < stop else 0
        if length < 2 or at + length > stop:
            raise Malformed("Ipv4BadOptions")
        found.append((options[at], options[at + 2 : at + length]))
        at += length
    return found


def copied_options(options: bytes) -> bytes:
    """What of the options goes into all fragments: those with the copied flag (RFC 791 3.1), padded to whole words."""
    kept = b"".join(bytes((kind, 2 + len(data))) + data for kind, data in parse_options(options) if kind & _COPIED)
    return kept + bytes(-len(kept) & 3)
