"""Neighbor Discovery for IPv6: five ICMPv6 messages and their options (RFC 4861 4)."""

from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

from halfopen.base.addresses import IPV6_ANY, Address, is_link_local, is_multicast
from halfopen.base.errors import Malformed
from halfopen.wire import icmpv6, ipv6
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ndp_options import NO_OPTIONS, Options, emit_options, parse_options

HOP_LIMIT: Final = ipv6.MAXIMUM_HOP_LIMIT
"""Nobody off the link can send it: what has another one has been forwarded (RFC 4861 3.1)."""

PREFERENCE_LOW: Final = -1
PREFERENCE_MEDIUM: Final = 0
PREFERENCE_HIGH: Final = 1

_MANAGED: Final = 0x80
_OTHER: Final = 0x40
_ROUTER: Final = 1 << 31
_SOLICITED: Final = 1 << 30
_OVERRIDE: Final = 1 << 29
_TIMES: Final = Struct("!II")


@dataclass(slots=True, frozen=True)
class RouterSolicitation:
    """Asks for routers (RFC 4861 4.1)."""

    options: Options = NO_OPTIONS


@dataclass(slots=True, frozen=True)
class RouterAdvertisement:
    """A router and its parameters (RFC 4861 4.2): ``lifetime`` in seconds, the times in milliseconds, 0 is unspecified.

    ``preference`` is -1, 0 or 1 (RFC 4191 2.2); ``managed`` and ``other`` say what DHCPv6 is there for.
    """

    lifetime: int = 0
    hop_limit: int = 0
    reachable_time: int = 0
    retransmit_time: int = 0
    preference: int = PREFERENCE_MEDIUM
    managed: bool = False
    other: bool = False
    options: Options = NO_OPTIONS


@dataclass(slots=True, frozen=True)
class NeighborSolicitation:
    """Asks who has ``target`` (RFC 4861 4.3)."""

    target: Address
    options: Options = NO_OPTIONS


@dataclass(slots=True, frozen=True)
class NeighborAdvertisement:
    """Says who has ``target`` (RFC 4861 4.4); ``override``: whatever is known of it already."""

    target: Address
    router: bool = False
    solicited: bool = False
    override: bool = False
    options: Options = NO_OPTIONS


@dataclass(slots=True, frozen=True)
class Redirect:
    """Says that ``target`` is a better first hop to ``destination``, which may be the same (RFC 4861 4.5)."""

    target: Address
    destination: Address
    options: Options = NO_OPTIONS


Message: TypeAlias = RouterSolicitation | RouterAdvertisement | NeighborSolicitation | NeighborAdvertisement | Redirect

TYPES: Final = frozenset(
    {
        icmpv6.ROUTER_SOLICITATION,
        icmpv6.ROUTER_ADVERTISEMENT,
        icmpv6.NEIGHBOR_SOLICITATION,
        icmpv6.NEIGHBOR_ADVERTISEMENT,
        icmpv6.REDIRECT,
    }
)

_FIXED_OCTETS: Final = {
    icmpv6.ROUTER_SOLICITATION: 0,
    icmpv6.ROUTER_ADVERTISEMENT: 8,
    icmpv6.NEIGHBOR_SOLICITATION: 16,
    icmpv6.NEIGHBOR_ADVERTISEMENT: 16,
    icmpv6.REDIRECT: 32,
}
"""Behind the first 8 octets, before the options."""


def parse(icmp: Icmp) -> Message:
    """One message, whose code and lengths are verified; its type is one of `TYPES`. Where it came from: `check`."""
    payload = icmp.payload
    fixed = _FIXED_OCTETS[icmp.type]
    if icmp.code:
        raise Malformed("NdpBadCode")
    if len(payload) < fixed:
        raise Malformed("NdpTruncated")
    options = parse_options(payload[fixed:])
    if icmp.type == icmpv6.ROUTER_SOLICITATION:
        return RouterSolicitation(options)
    if icmp.type == icmpv6.ROUTER_ADVERTISEMENT:
        return _parse_advertisement(icmp, options)
    if icmp.type == icmpv6.NEIGHBOR_SOLICITATION:
        return NeighborSolicitation(payload[:16], options)
    if icmp.type == icmpv6.REDIRECT:
        return Redirect(payload[:16], payload[16:32], options)
    rest = icmp.rest
    return NeighborAdvertisement(
        payload[:16], rest & _ROUTER != 0, rest & _SOLICITED != 0, rest & _OVERRIDE != 0, options
    )


def check(message: Message, source: Address, destination: Address, hop_limit: int) -> None:
    """Refuses what cannot have been sent like this (RFC 4861 6.1, 7.1 and 8.1)."""
    if hop_limit != HOP_LIMIT:
        raise Malformed("NdpBadHopLimit")
    if isinstance(message, NeighborSolicitation):
        _check_solicitation(message, source, destination)
    elif isinstance(message, NeighborAdvertisement):
        if is_multicast(message.target):
            raise Malformed("NdpBadTarget")
        if message.solicited and is_multicast(destination):
            raise Malformed("NdpBadDestination")
    elif isinstance(message, RouterSolicitation):
        if source == IPV6_ANY and message.options.source_mac:
            raise Malformed("NdpBadSource")
    elif not is_link_local(source):
        raise Malformed("NdpBadSource")
    elif isinstance(message, Redirect):
        _check_redirect(message)


def emit(message: Message) -> Icmp:
    """For `icmpv6.emit`, which adds the checksum."""
    options = emit_options(message.options)
    if isinstance(message, RouterSolicitation):
        return Icmp(icmpv6.ROUTER_SOLICITATION, 0, 0, options)
    if isinstance(message, RouterAdvertisement):
        flags = (_MANAGED if message.managed else 0) | (_OTHER if message.other else 0) | (message.preference & 3) << 3
        rest = message.hop_limit << 24 | flags << 16 | message.lifetime
        times = _TIMES.pack(message.reachable_time, message.retransmit_time)
        return Icmp(icmpv6.ROUTER_ADVERTISEMENT, 0, rest, times + options)
    if isinstance(message, NeighborSolicitation):
        return Icmp(icmpv6.NEIGHBOR_SOLICITATION, 0, 0, message.target + options)
    if isinstance(message, Redirect):
        return Icmp(icmpv6.REDIRECT, 0, 0, message.target + message.destination + options)
    rest = (
        (_ROUTER if message.router else 0)
        | (_SOLICITED if message.solicited else 0)
        | (_OVERRIDE if message.override else 0)
    )
    return Icmp(icmpv6.NEIGHBOR_ADVERTISEMENT, 0, rest, message.target + options)


def _parse_advertisement(icmp: Icmp, options: Options) -> RouterAdvertisement:
    rest = icmp.rest
    flags = rest >> 16 & 0xFF
    reachable_time, retransmit_time = _TIMES.unpack_from(icmp.payload)
    return RouterAdvertisement(
        rest & 0xFFFF,
        rest >> 24,
        reachable_time,
        retransmit_time,
        preference_of(flags >> 3),
        flags & _MANAGED != 0,
        flags & _OTHER != 0,
        options,
    )


def preference_of(bits: int) -> int:
    """Two bits in two's complement; the reserved value counts as medium (RFC 4191 2.2)."""
    return (PREFERENCE_MEDIUM, PREFERENCE_HIGH, PREFERENCE_MEDIUM, PREFERENCE_LOW)[bits & 3]


def _check_solicitation(message: NeighborSolicitation, source: Address, destination: Address) -> None:
    if is_multicast(message.target):
        raise Malformed("NdpBadTarget")
    if source == IPV6_ANY:
        if destination != ipv6.solicited_node(message.target):
            raise Malformed("NdpBadDestination")
        if message.options.source_mac:
            raise Malformed("NdpBadSource")


def _check_redirect(message: Redirect) -> None:
    if is_multicast(message.destination):
        raise Malformed("NdpBadDestination")
    if message.target != message.destination and not is_link_local(message.target):
        raise Malformed("NdpBadTarget")
