"""IPv6 headers (RFC 8200 3), and the groups that every node knows. Extension headers: `halfopen.wire.ipv6_headers`."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from halfopen.base.addresses import Address, Mac, parse_address
from halfopen.base.errors import Malformed

HEADER_OCTETS: Final = 40
MINIMUM_MTU: Final = 1280
"""Every link carries as much (RFC 8200 5)."""
MAXIMUM_HOP_LIMIT: Final = 255

# Next headers (IANA protocol numbers); TCP and UDP have the numbers that they have above IPv4.
HOP_BY_HOP_OPTIONS: Final = 0
ROUTING: Final = 43
FRAGMENT: Final = 44
PROTOCOL_ICMPV6: Final = 58
NO_NEXT_HEADER: Final = 59
DESTINATION_OPTIONS: Final = 60

PAYLOAD_LENGTH_OFFSET: Final = 4
NEXT_HEADER_OFFSET: Final = 6
HOP_LIMIT_OFFSET: Final = 7

ALL_NODES: Final[Address] = parse_address("ff02::1")
ALL_ROUTERS: Final[Address] = parse_address("ff02::2")
_SOLICITED_NODE: Final = parse_address("ff02::1:ff00:0")[:13]

_HEADER: Final = Struct("!IHBB16s16s")
_VERSION: Final = 6 << 28


@dataclass(slots=True)
class Ipv6:
    """One header. ``payload_octets``, which counts extension headers as well, is set by `parse`."""

    source: Address
    destination: Address
    next_header: int
    hop_limit: int = 64
    traffic_class: int = 0
    flow_label: int = 0
    payload_octets: int = 0


def parse(data: bytes, offset: int, available: int) -> Ipv6:
    """Version and payload length are verified (RFC 8200 3).

    ``data`` holds at least the header; ``available`` is what there is of the packet from ``offset`` on, wherever it
    lies. What goes beyond the payload is the link's padding. Jumbograms (RFC 2675) are not known here.
    """
    if available < HEADER_OCTETS or len(data) < offset + HEADER_OCTETS:
        raise Malformed("Ipv6Truncated")
    word, payload_octets, next_header, hop_limit, source, destination = _HEADER.unpack_from(data, offset)
    if word >> 28 != 6:
        raise Malformed("Ipv6BadVersion")
    if payload_octets > available - HEADER_OCTETS:
        raise Malformed("Ipv6BadLength")
    return Ipv6(source, destination, next_header, hop_limit, word >> 20 & 0xFF, word & 0xFFFFF, payload_octets)


def emit(header: Ipv6, payload_octets: int) -> bytes:
    """The 40 octets in front of ``payload_octets`` octets of extension headers and what they carry."""
    word = _VERSION | header.traffic_class << 20 | header.flow_label
    return _HEADER.pack(word, payload_octets, header.next_header, header.hop_limit, header.source, header.destination)


def solicited_node(address: Address) -> Address:
    """The group that every owner of ``address`` listens to (RFC 4291 2.7.1)."""
    return _SOLICITED_NODE + address[13:]


def multicast_mac(group: Address) -> Mac:
    """The Ethernet address of an IPv6 group (RFC 2464 7)."""
    return b"\x33\x33" + group[12:]
