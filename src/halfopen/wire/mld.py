"""Multicast Listener Discovery: queries of routers and version 2 reports of listeners (RFC 3810 5)."""

from collections.abc import Sequence
from struct import Struct
from typing import Final

from halfopen.base.addresses import Address
from halfopen.base.errors import Malformed
from halfopen.wire import icmpv6
from halfopen.wire.icmpv4 import Icmp

IS_EXCLUDE: Final = 2
"""A member of the group, whoever sends there: what a query is answered with."""
TO_INCLUDE: Final = 3
"""A member no more, if no sources are named."""
TO_EXCLUDE: Final = 4
"""A member from now on."""

_QUERY_OCTETS: Final = 16
_RECORD: Final = Struct("!BxH16s")
_EXPONENTIAL: Final = 0x8000
"""From here on a Maximum Response Code has an exponent (RFC 3810 5.1.3)."""


def emit_report(records: Sequence[tuple[int, Address]]) -> Icmp:
    """Records of a type and a group each, without sources."""
    payload = b"".join(_RECORD.pack(kind, 0, group) for kind, group in records)
    return Icmp(icmpv6.MULTICAST_LISTENER_REPORT_V2, 0, len(records), payload)


def parse_query(message: Icmp) -> tuple[Address, int]:
    """The group that is asked about, unspecified for all, and the longest delay in milliseconds; raises Malformed."""
    if len(message.payload) < _QUERY_OCTETS:
        raise Malformed("MldTruncated")
    code = message.rest >> 16
    if code >= _EXPONENTIAL:
        code = (code & 0xFFF | 0x1000) << ((code >> 12 & 7) + 3)
    return message.payload[:_QUERY_OCTETS], code
