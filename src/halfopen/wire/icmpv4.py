"""Internet Control Message Protocol (RFC 792)."""

from dataclasses import dataclass
from struct import Struct

from halfopen.base.addresses import Address
from halfopen.base.errors import Malformed
from halfopen.wire.checksum import checksum

ECHO_REPLY = 0
DESTINATION_UNREACHABLE = 3
SOURCE_QUENCH = 4
REDIRECT = 5
ECHO_REQUEST = 8
ROUTER_ADVERTISEMENT = 9
ROUTER_SOLICITATION = 10
TIME_EXCEEDED = 11
PARAMETER_PROBLEM = 12
TIMESTAMP_REQUEST = 13
TIMESTAMP_REPLY = 14

# Codes of DESTINATION_UNREACHABLE (RFC 792; RFC 1122 3.2.2.1; RFC 1812 5.2.7.1).
NET_UNREACHABLE = 0
HOST_UNREACHABLE = 1
PROTOCOL_UNREACHABLE = 2
PORT_UNREACHABLE = 3
FRAGMENTATION_NEEDED = 4
SOURCE_ROUTE_FAILED = 5
NET_UNKNOWN = 6
HOST_UNKNOWN = 7
SOURCE_HOST_ISOLATED = 8
NET_PROHIBITED = 9
HOST_PROHIBITED = 10
NET_UNREACHABLE_FOR_TOS = 11
HOST_UNREACHABLE_FOR_TOS = 12
COMMUNICATION_PROHIBITED = 13
HOST_PRECEDENCE_VIOLATION = 14
PRECEDENCE_CUTOFF = 15

# Codes of TIME_EXCEEDED.
TTL_EXCEEDED = 0
REASSEMBLY_EXCEEDED = 1

# Codes of REDIRECT.
REDIRECT_NET = 0
REDIRECT_HOST = 1

ERROR_TYPES = frozenset({DESTINATION_UNREACHABLE, SOURCE_QUENCH, REDIRECT, TIME_EXCEEDED, PARAMETER_PROBLEM})
"""Messages about another datagram, which they quote; no error is ever sent about one of these (RFC 1122 3.2.2)."""

HEADER_OCTETS = 8

_HEADER = Struct("!BBHI")
_QUOTED = Struct("!BxHxxHxBxx4s4s")
_QUOTED_TRANSPORT_OCTETS = 8


@dataclass(slots=True)
class Icmp:
    """One message. ``rest`` is the second word: identifier and sequence number of an echo, pointer, gateway or MTU."""

    type: int
    code: int
    rest: int
    payload: bytes


@dataclass(slots=True)
class Quoted:
    """The datagram that an error message is about, as far as it is quoted (RFC 792; RFC 1122 3.2.2).

    ``transport`` begins with the transport header, at least its first 8 octets; ``total_octets`` is the length of the
    whole datagram by its own header, for routers that do not tell their MTU (RFC 1191 5).
    """

    source: Address
    destination: Address
    protocol: int
    transport: bytes
    header_octets: int
    total_octets: int


def parse(data: bytes) -> Icmp:
    """One message, whose checksum is verified (RFC 1122 3.2.2)."""
    if len(data) < HEADER_OCTETS:
        raise Malformed("IcmpTruncated")
    if checksum(data):
        raise Malformed("IcmpBadChecksum")
    kind, code, _, rest = _HEADER.unpack_from(data)
    return Icmp(kind, code, rest, data[HEADER_OCTETS:])


def emit(icmp: Icmp) -> bytes:
    """The whole message with its checksum."""
    payload = icmp.payload
    sum_of_header = (icmp.type << 8) + icmp.code + icmp.rest
    return _HEADER.pack(icmp.type, icmp.code, checksum(payload, sum_of_header), icmp.rest) + payload


def parse_quoted(payload: bytes) -> Quoted:
    """The start of a datagram inside an error message; a router may have changed it, so its checksum is not verified.

    A fragment other than the first names no transport, and no error may be sent about it (RFC 1122 3.2.2): refused.
    """
    if len(payload) < _QUOTED.size:
        raise Malformed("IcmpBadQuote")
    first, total, fragment, protocol, source, destination = _QUOTED.unpack_from(payload)
    octets = (first & 0x0F) << 2
    if first >> 4 != 4 or octets < _QUOTED.size or fragment & 0x1FFF:
        raise Malformed("IcmpBadQuote")
    transport = payload[octets:]
    if len(transport) < _QUOTED_TRANSPORT_OCTETS:
        raise Malformed("IcmpBadQuote")
    return Quoted(source, destination, protocol, transport, octets, total)
