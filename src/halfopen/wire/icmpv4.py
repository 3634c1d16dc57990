"""Internet Control Message Protocol (RFC 792)."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from halfopen.base.addresses import Address
from halfopen.base.errors import Malformed
from halfopen.wire.checksum import checksum

ECHO_REPLY: Final = 0
DESTINATION_UNREACHABLE: Final = 3
SOURCE_QUENCH: Final = 4
REDIRECT: Final = 5
ECHO_REQUEST: Final = 8
ROUTER_ADVERTISEMENT: Final = 9
ROUTER_SOLICITATION: Final = 10
TIME_EXCEEDED: Final = 11
PARAMETER_PROBLEM: Final = 12
TIMESTAMP_REQUEST: Final = 13
TIMESTAMP_REPLY: Final = 14

# Codes of DESTINATION_UNREACHABLE (RFC 792; RFC 1122 3.2.2.1; RFC 1812 5.2.7.1).
NET_UNREACHABLE: Final = 0
HOST_UNREACHABLE: Final = 1
PROTOCOL_UNREACHABLE: Final = 2
PORT_UNREACHABLE: Final = 3
FRAGMENTATION_NEEDED: Final = 4
SOURCE_ROUTE_FAILED: Final = 5
NET_UNKNOWN: Final = 6
HOST_UNKNOWN: Final = 7
SOURCE_HOST_ISOLATED: Final = 8
NET_PROHIBITED: Final = 9
HOST_PROHIBITED: Final = 10
NET_UNREACHABLE_FOR_TOS: Final = 11
HOST_UNREACHABLE_FOR_TOS: Final = 12
COMMUNICATION_PROHIBITED: Final = 13
HOST_PRECEDENCE_VIOLATION: Final = 14
PRECEDENCE_CUTOFF: Final = 15

# Codes of TIME_EXCEEDED.
TTL_EXCEEDED: Final = 0
REASSEMBLY_EXCEEDED: Final = 1

# Codes of REDIRECT.
REDIRECT_NET: Final = 0
REDIRECT_HOST: Final = 1

ERROR_TYPES: Final = frozenset({DESTINATION_UNREACHABLE, SOURCE_QUENCH, REDIRECT, TIME_EXCEEDED, PARAMETER_PROBLEM})
"""Messages about another datagram, which they quote; no error is ever sent about one of these (RFC 1122 3.2.2)."""

HEADER_OCTETS: Final = 8

_HEADER: Final = Struct("!BBHI")
_QUOTED: Final = Struct("!BxHxxHxBxx4s4s")
_QUOTED_TRANSPORT_OCTETS: Final = 8


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
