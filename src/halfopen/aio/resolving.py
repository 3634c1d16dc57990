"""What a name means on a host of ours: which addresses, of which versions of IP, and in which order to try them."""

import socket as kernel
from collections.abc import Iterable
from itertools import zip_longest

from halfopen.aio.names import Name, Names, is_zone, text_of
from halfopen.base.addresses import IPV6_ANY, Address, is_link_local
from halfopen.base.clock import Instant
from halfopen.base.errors import NetworkUnreachable
from halfopen.stack.address_selection import sort_destinations
from halfopen.stack.interface import IPV6_LOOPBACK, Interface
from halfopen.stack.stack import Stack

OCTETS = {int(kernel.AF_INET): 4, int(kernel.AF_INET6): 16}
"""How long the addresses of a family are."""


def has_ipv6(stack: Stack) -> bool:
    """Whether a host has IPv6 at all; if no interface has, it is like a kernel without (``ipv6.disable=1``)."""
    return any(interface.has_ipv6 for interface in stack.interfaces)


def resolve(stack: Stack, names: Names, name: Name, passive: bool = False) -> list[Address]:
    """The addresses of ``name``; this host itself (None, the empty string, ``localhost``) has one of each version."""
    addresses = names.resolve(name, passive)
    text = text_of(name).lower().rstrip(".")
    if text in ("", "localhost") and has_ipv6(stack):
        addresses.append(IPV6_ANY if passive and not text else IPV6_LOOPBACK)
    return addresses


def in_order(stack: Stack, addresses: list[Address], now: Instant) -> list[Address]:
    """The order in which to try destinations (RFC 6724 6); addresses of IPv4 alone stay as they were given."""
    if len(addresses) < 2 or all(len(address) == 4 for address in addresses):
        return addresses

    def source_for(destination: Address) -> Address | None:
        try:
            return stack.ip.find_path(destination, None, now).source
        except NetworkUnreachable:
            return None

    own = stack.internet.addresses.owners
    deprecated = [each for each in own if stack.ndp.autoconfiguration.is_deprecated(each, now)]
    return sort_destinations(addresses, source_for, deprecated)


def of_family(addresses: Iterable[Address], family: int) -> list[Address]:
    """Those of ``family``, AF_INET or AF_INET6; all, if it is 0. `socket.gaierror` if none is."""
    found = [address for address in addresses if family == 0 or len(address) == OCTETS.get(family)]
    if not found:
        number: int = getattr(kernel, "EAI_ADDRFAMILY", kernel.EAI_NONAME)
        raise kernel.gaierror(number, "Address family for hostname not supported")
    return found


def interleaved(addresses: list[Address], first: int) -> list[Address]:
    """The families in turn, but for ``first`` addresses of the preferred one at the beginning (RFC 8305 4)."""
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(len(address), []).append(address)
    preferred = next(iter(families.values()), [])
    head, families[len(preferred[0]) if preferred else 0] = preferred[: first - 1], preferred[first - 1 :]
    turns = zip_longest(*families.values())
    return head + [address for turn in turns for address in turn if address is not None]


def zone_of(stack: Stack, name: Name) -> Interface | None:
    """The interface that ``"fe80::1%eth0"`` names (RFC 4007 11), or its number; the only one where there is no zone."""
    zone = text_of(name).partition("%")[2]
    candidates = [interface for interface in stack.interfaces if interface.has_ipv6]
    if not zone:
        return candidates[0] if len(candidates) == 1 else None
    for number, interface in enumerate(stack.interfaces, 2):
        if is_zone(zone, interface.name, number):
            return interface
    raise kernel.gaierror(kernel.EAI_NONAME, f"{zone!r} is no interface of this host")


def source_in_zone(stack: Stack, name: Name, remote: Address) -> Address | None:
    """The source for a link-local ``remote`` of IPv6, ours on the same link; None for all other destinations."""
    if len(remote) == 4 or not is_link_local(remote) or stack.ip.owns(remote):
        return None
    interface = zone_of(stack, name)
    own = interface.addresses if interface is not None else []
    return next((address for address, _ in own if len(address) == 16 and is_link_local(address)), None)
