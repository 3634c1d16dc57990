"""Which address to send from, and which to send to, where there are several (RFC 6724)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from halfopen.base.addresses import IPV6_ANY, Address, Prefix, is_link_local, is_loopback, is_multicast
from halfopen.base.clock import Instant
from halfopen.stack.interface import HostAddresses, Interface

LINK_LOCAL: Final = 2
SITE_LOCAL: Final = 5
GLOBAL: Final = 14

_V4_MAPPED: Final = bytes(10) + b"\xff\xff"
_SITE_LOCAL: Final = Prefix.parse("fec0::/10")


@dataclass(slots=True, frozen=True)
class Policy:
    """One line of the policy table: addresses in ``prefix`` are the better the higher ``precedence`` is.

    Source and destination should have the same ``label``.
    """

    prefix: Prefix
    precedence: int
    label: int


DEFAULT_POLICIES: Final = (
    Policy(Prefix.parse("::1/128"), 50, 0),
    Policy(Prefix.parse("::ffff:0:0/96"), 35, 4),
    Policy(Prefix.parse("::/96"), 1, 3),
    Policy(Prefix.parse("2001::/32"), 5, 5),
    Policy(Prefix.parse("2002::/16"), 30, 2),
    Policy(Prefix.parse("3ffe::/16"), 1, 12),
    Policy(Prefix.parse("fec0::/10"), 1, 11),
    Policy(Prefix.parse("fc00::/7"), 3, 13),
    Policy(Prefix(IPV6_ANY, 0), 40, 1),
)
"""RFC 6724 2.1, the longest prefixes first."""


def policy_of(address: Address, policies: Sequence[Policy] = DEFAULT_POLICIES) -> Policy:
    """The line of the table that an address falls under; IPv4 addresses in their mapped form (RFC 6724 2.1)."""
    mapped = as_ipv6(address)
    return next(policy for policy in policies if mapped in policy.prefix)


def as_ipv6(address: Address) -> Address:
    """An IPv4 address as an IPv4-mapped one (RFC 4291 2.5.5.2); an IPv6 address as it is."""
    return _V4_MAPPED + address if len(address) == 4 else address


def is_v4_mapped(address: Address) -> bool:
    """Whether this is an IPv4 address in an API's disguise, which no packet bears."""
    return address[:12] == _V4_MAPPED


def scope_of(address: Address) -> int:
    """How far an address reaches, as a multicast scope (RFC 6724 3.1, 3.2; RFC 4291 2.7)."""
    if len(address) == 16 and is_multicast(address):
        return address[1] & 0x0F
    if is_link_local(address) or is_loopback(address):
        return LINK_LOCAL
    return SITE_LOCAL if address in _SITE_LOCAL else GLOBAL


class Qualities(Protocol):
    """Who knows more about our own addresses: neighbor discovery."""

    def is_deprecated(self, address: Address, now: Instant) -> bool:
        """Whether nothing new should begin from ``address`` (RFC 4862 5.5.4)."""

    def is_temporary(self, address: Address) -> bool:
        """Whether ``address`` changes, so that nobody can be followed by it (RFC 8981)."""


@dataclass(slots=True, frozen=True)
class OwnAddresses:
    """The addresses of this host, and what is known of them at an instant."""

    addresses: HostAddresses
    qualities: Qualities
    now: Instant


def choose_source(destination: Address, interface: Interface, own: OwnAddresses) -> Address | None:
    """The best of our IPv6 addresses to send to ``destination`` by ``interface`` (RFC 6724 5); None if there is none.

    Candidates are those of the interface, and if it has none, those of all others that reach beyond their link.
    """
    candidates = [address for address, _ in interface.addresses if len(address) == 16]
    reaches_far = scope_of(destination) > LINK_LOCAL
    if not candidates or (reaches_far and all(scope_of(address) == LINK_LOCAL for address in candidates)):
        candidates += [
            address
            for other in own.addresses.interfaces
            if other is not interface
            for address, _ in other.addresses
            if len(address) == 16 and scope_of(address) > LINK_LOCAL
        ]
    return max(candidates, key=_source_merit(destination, interface, own), default=None)


def _source_merit(
    destination: Address, interface: Interface, own: OwnAddresses
) -> Callable[[Address], tuple[int, ...]]:
    """Rules 1, 2, 3, 5, 6, 7 and 8 as numbers of which the greater wins; 4 is about mobile hosts (RFC 6724 5)."""
    needed = scope_of(destination)
    label = policy_of(destination).label

    def merit(source: Address) -> tuple[int, ...]:
        scope = scope_of(source)
        return (
            source == destination,
            -scope if scope >= needed else scope - 16 - GLOBAL,
            not own.qualities.is_deprecated(source, own.now),
            own.addresses.owners.get(source) is interface,
            policy_of(source).label == label,
            own.qualities.is_temporary(source),
            min(common_prefix(source, destination), _prefix_length(source, own.addresses)),
        )

    return merit


def _prefix_length(source: Address, addresses: HostAddresses) -> int:
    owner = addresses.owners.get(source)
    lengths = [prefix.length for address, prefix in owner.addresses if address == source] if owner is not None else []
    return lengths[0] if lengths else 64


def common_prefix(one: Address, other: Address) -> int:
    """How many leading bits two addresses share (RFC 6724 2.2)."""
    return 8 * len(one) - (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_length()


def sort_destinations(
    destinations: Iterable[Address],
    source_for: Callable[[Address], Address | None],
    deprecated: Iterable[Address] = (),
    policies: Sequence[Policy] = DEFAULT_POLICIES,
) -> list[Address]:
    """The order in which to try ``destinations``, of both versions (RFC 6724 6).

    ``source_for`` tells which source a datagram to one of them would have; None if there is no way.
    """
    old = frozenset(deprecated)

    def merit(destination: Address) -> tuple[int, ...]:
        source = source_for(destination)
        if source is None:
            return (1,)
        scope, policy = scope_of(destination), policy_of(destination, policies)
        return (
            0,
            scope_of(source) != scope,
            source in old,
            policy_of(source, policies).label != policy.label,
            -policy.precedence,
            scope,
            -min(64, common_prefix(source, destination)) if len(destination) == 16 else 0,
        )

    return sorted(destinations, key=merit)
