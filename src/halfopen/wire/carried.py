"""What a datagram of either version of IP carries, and from where to where: for who looks on (captures, rules)."""

from dataclasses import dataclass
from typing import Final

from halfopen.base.addresses import Address
from halfopen.wire import icmpv4, icmpv6, ipv4, ipv6, ipv6_headers
from halfopen.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_ICMP
from halfopen.wire.ipv6 import PROTOCOL_ICMPV6

ETHERTYPES: Final = frozenset((ETHERTYPE_IPV4, ETHERTYPE_IPV6))
"""Those that `look` understands."""


@dataclass(slots=True, frozen=True)
class Carried:
    """The payload: ``octets`` of ``protocol`` from ``start`` of the data on; extension headers are passed over.

    Of a fragment, ``fragment`` says where in the whole its octets begin, whether more follow, and its identification.
    """

    source: Address
    destination: Address
    protocol: int
    start: int
    octets: int
    fragment: tuple[int, bool, int] | None = None

    def icmp(self, octets: bytes) -> Icmp:
        """The ICMP message of this version that ``octets`` are; raises Malformed."""
        if self.protocol == PROTOCOL_ICMP:
            return icmpv4.parse(octets)
        return icmpv6.parse(octets, self.source, self.destination)

    @property
    def is_icmp(self) -> bool:
        """Whether it is an ICMP message, of the version that belongs there."""
        return self.protocol == (PROTOCOL_ICMP if len(self.source) == 4 else PROTOCOL_ICMPV6)


def look(data: bytes, offset: int, available: int) -> Carried:
    """The datagram that begins at ``offset``; ``available`` as in `ipv4.parse`. Raises Malformed."""
    if data[offset : offset + 1] >= b"\x60":
        return _look_ipv6(data, offset, available)
    header = ipv4.parse(data, offset, available)
    start, octets = header.header_octets, header.total_octets - header.header_octets
    fragment = None
    if header.more_fragments or header.fragment_offset:
        fragment = (header.fragment_offset, header.more_fragments, header.identification)
    return Carried(header.source, header.destination, header.protocol, offset + start, octets, fragment)


def _look_ipv6(data: bytes, offset: int, available: int) -> Carried:
    header = ipv6.parse(data, offset, available)
    at = offset + ipv6.HEADER_OCTETS
    end = at + header.payload_octets
    protocol, at = ipv6_headers.skip(data, at, min(end, len(data)), header.next_header, into_fragment=False)
    found = None
    if protocol == ipv6.FRAGMENT:
        fragment = ipv6_headers.parse_fragment(data, at)
        found = (fragment.offset, fragment.more, fragment.identification)
        protocol, at = fragment.next_header, at + ipv6_headers.FRAGMENT_OCTETS
    return Carried(header.source, header.destination, protocol, at, end - at, found)
