"""Internet Control Message Protocol for IPv6 (RFC 4443); neighbor discovery is in `halfopen.wire.ndp`."""

from struct import Struct
from typing import Final

from halfopen.base.addresses import Address
from halfopen.base.errors import Malformed
from halfopen.wire import ipv6, ipv6_headers
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.icmpv4 import Icmp, Quoted

DESTINATION_UNREACHABLE: Final = 1
PACKET_TOO_BIG: Final = 2
TIME_EXCEEDED: Final = 3
PARAMETER_PROBLEM: Final = 4
ECHO_REQUEST: Final = 128
ECHO_REPLY: Final = 129
MULTICAST_LISTENER_QUERY: Final = 130
MULTICAST_LISTENER_REPORT: Final = 131
MULTICAST_LISTENER_DONE: Final = 132
ROUTER_SOLICITATION: Final = 133
ROUTER_ADVERTISEMENT: Final = 134
NEIGHBOR_SOLICITATION: Final = 135
NEIGHBOR_ADVERTISEMENT: Final = 136
REDIRECT: Final = 137
MULTICAST_LISTENER_REPORT_V2: Final = 143

# Codes of DESTINATION_UNREACHABLE (RFC 4443 3.1).
NO_ROUTE: Final = 0
ADMINISTRATIVELY_PROHIBITED: Final = 1
BEYOND_SCOPE: Final = 2
ADDRESS_UNREACHABLE: Final = 3
PORT_UNREACHABLE: Final = 4
SOURCE_POLICY_FAILED: Final = 5
ROUTE_REJECTED: Final = 6

# Codes of TIME_EXCEEDED.
HOP_LIMIT_EXCEEDED: Final = 0
REASSEMBLY_EXCEEDED: Final = 1

# Codes of PARAMETER_PROBLEM.
ERRONEOUS_FIELD: Final = ipv6_headers.ERRONEOUS_FIELD
UNRECOGNIZED_NEXT_HEADER: Final = ipv6_headers.UNRECOGNIZED_NEXT_HEADER
UNRECOGNIZED_OPTION: Final = ipv6_headers.UNRECOGNIZED_OPTION
INCOMPLETE_CHAIN: Final = ipv6_headers.INCOMPLETE_CHAIN

HEADER_OCTETS: Final = 8
"""Type, code, checksum and the word after them, which every message has."""

LARGEST_QUOTE: Final = ipv6.MINIMUM_MTU - ipv6.HEADER_OCTETS - HEADER_OCTETS
"""As much of the packet as an error message can carry without exceeding 1280 octets (RFC 4443 2.4 (c))."""

_HEADER: Final = Struct("!BBHI")
_QUOTED_TRANSPORT_OCTETS: Final = 8


def is_error(type: int) -> bool:
    """Whether a message is about another packet, known or not (RFC 4443 2.1); no error is about one of these.

    That includes redirects, which are none by their number (RFC 4443 2.4 (e.2)).
    """
    return type < ECHO_REQUEST or type == REDIRECT


def parse(data: bytes, source: Address, destination: Address) -> Icmp:
    """One message, whose checksum is verified, the pseudo-header included (RFC 4443 2.3)."""
    if len(data) < HEADER_OCTETS:
        raise Malformed("Icmp6Truncated")
    if checksum(data, pseudo_header_sum(source, destination, ipv6.PROTOCOL_ICMPV6, len(data))):
        raise Malformed("Icmp6BadChecksum")
    kind, code, _, rest = _HEADER.unpack_from(data)
    return Icmp(kind, code, rest, data[HEADER_OCTETS:])


def emit(icmp: Icmp, source: Address, destination: Address) -> bytes:
    """The whole message with its checksum, as it goes from ``source`` to ``destination``."""
    payload = icmp.payload
    octets = HEADER_OCTETS + len(payload)
    before = pseudo_header_sum(source, destination, ipv6.PROTOCOL_ICMPV6, octets)
    before += (icmp.type << 8) + icmp.code + icmp.rest
    return _HEADER.pack(icmp.type, icmp.code, checksum(payload, before), icmp.rest) + payload


def parse_quoted(payload: bytes) -> Quoted:
    """The start of a packet inside an error message, behind whose extension headers the transport is found.

    A fragment other than the first names no transport, and neither does a quote that ends before: both are refused.
    """
    octets = len(payload)
    if octets < ipv6.HEADER_OCTETS or payload[0] >> 4 != 6:
        raise Malformed("Icmp6BadQuote")
    total = ipv6.HEADER_OCTETS + int.from_bytes(payload[4:6], "big")
    stop = min(octets, total)
    try:
        protocol, at = ipv6_headers.skip(payload, ipv6.HEADER_OCTETS, stop, payload[ipv6.NEXT_HEADER_OFFSET])
    except Malformed:
        raise Malformed("Icmp6BadQuote") from None
    if protocol == ipv6.FRAGMENT or stop - at < _QUOTED_TRANSPORT_OCTETS:
        raise Malformed("Icmp6BadQuote")
    return Quoted(payload[8:24], payload[24:40], protocol, payload[at:stop], at, total)
