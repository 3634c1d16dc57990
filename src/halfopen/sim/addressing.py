"""Addresses for those who are given none: out of the documentation ranges, so that nothing that escapes can hurt."""

from collections.abc import Iterator, Sequence
from itertools import islice

from halfopen.base.addresses import (
    Address,
    Prefix,
    format_address,
    is_link_local,
    is_valid_source,
    parse_interface,
)
from halfopen.base.errors import ConfigError
from halfopen.stack.address_selection import is_v4_mapped

WHOLE = (Prefix.parse("192.0.2.0/24"), Prefix.parse("198.51.100.0/24"))
"""The first networks get these, whole (TEST-NET-1 and 2, RFC 5737)."""

PIECES = (Prefix.parse("203.0.113.0/24"), Prefix.parse("198.18.0.0/15"))
"""Further ones get pieces of TEST-NET-3, and when that is used up of what is set aside for benchmarks (RFC 2544)."""

IPV6_WHOLE = Prefix.parse("2001:db8::/32")
"""All networks of IPv6 are pieces of this (RFC 3849)."""
IPV6_LENGTH = 64
"""Each has room for more hosts than anybody has (RFC 4291 2.5.4)."""

SMALLEST = 29
"""Six hosts: no network has a longer prefix, unless it is told to."""


class AddressPlan:
    """Which addresses and networks are in use. ``names`` says whose an address is, and may be looked at any time."""

    __slots__ = ("_next", "_prefixes", "_taken", "names")

    def __init__(self) -> None:
        self.names: dict[Address, str] = {}
        self._prefixes: list[Prefix] = []
        self._taken: dict[tuple[int, int], int] = {}
        self._next: dict[Prefix, int] = {}

    def check(self, host: str, text: str) -> tuple[Address, Prefix]:
        """``"192.0.2.1/24"`` for ``host``; ConfigError if it is none, or another's."""
        try:
            address, prefix = parse_interface(text)
        except ValueError as error:
            raise ConfigError(f"host {host!r}: {error}") from None
        if fault := fault_of_address(address, prefix):
            raise ConfigError(f"host {host!r}: {fault}")
        if address in self.names:
            raise ConfigError(f"host {host!r}: {format_address(address)} belongs to {self.names[address]!r} already")
        return address, prefix

    def check_prefix(self, title: str, prefix: Prefix) -> None:
        """ConfigError if a part of ``prefix``, but not all of it, is another network."""
        for other in self._prefixes:
            if other != prefix and overlap(prefix, other):
                raise ConfigError(f"{title}: {prefix} overlaps {other}")

    def claim(self, host: str, address: Address, prefix: Prefix) -> None:
        """``address`` is that of ``host`` from now on, and ``prefix`` a network."""
        self.names[address] = host
        self.reserve(prefix)

    def reserve(self, prefix: Prefix) -> None:
        """``prefix`` is in use: no other network will get a part of it."""
        if prefix not in self._prefixes:
            self._prefixes.append(prefix)

    def next_prefix(self, hosts: int, octets: int = 4) -> Prefix:
        """A network with room for ``hosts`` that overlaps no other; ConfigError if there is none left."""
        key = octets, prefix_length(hosts)
        taken = self._taken.get(key, 0)
        choices = candidates(hosts) if octets == 4 else ipv6_candidates()
        for number, prefix in enumerate(islice(choices, taken, None), taken):
            if not any(overlap(prefix, other) for other in self._prefixes):
                self._taken[key] = number  # None before it will be free again.
                return prefix
        raise ConfigError(f"no network for {hosts} hosts is left: name one, such as network='10.1.0.0/16'")

    def next_addresses(self, prefix: Prefix, count: int) -> list[Address]:
        """The lowest free addresses of ``prefix``; ConfigError if there are fewer."""
        first, last = host_numbers(prefix)
        base = int.from_bytes(prefix.network, "big")
        free: list[Address] = []
        for number in range(self._next.get(prefix, first), last + 1):
            if len(free) == count:
                break
            address = (base + number).to_bytes(len(prefix.network), "big")
            if address not in self.names:
                free.append(address)
        if len(free) < count:
            raise ConfigError(f"{prefix} is full: it has room for {last - first + 1} hosts")
        if free:
            self._next[prefix] = int.from_bytes(free[0], "big") - base
        return free


def fault_of_address(address: Address, prefix: Prefix) -> str | None:
    """Why ``address`` cannot be that of a host on ``prefix``; None if it can."""
    text = format_address(address)
    if not is_valid_source(address) or is_v4_mapped(address):
        return f"{text} is not the address of an IPv{_version(address)} host"
    if len(address) == 16:
        return _fault_of_ipv6(address, prefix)
    if prefix.length < 31 and address in (prefix.network, prefix.broadcast):
        return f"{text} is a broadcast address of {prefix}"
    return None


def _fault_of_ipv6(address: Address, prefix: Prefix) -> str | None:
    text = format_address(address)
    if is_link_local(address):
        return f"{text} is link-local: an interface has one of these anyway"
    if prefix.length < 127 and address == prefix.network:
        return f"{text} is the anycast address of the routers on {prefix} (RFC 4291 2.6.1)"
    return None


def fault_of_prefix(prefix: Prefix) -> str | None:
    """Why no hosts can be on ``prefix``; None if they can."""
    if is_valid_source(prefix.network) and is_valid_source(prefix.broadcast) and not is_link_local(prefix.network):
        return None
    return f"{prefix} is not an IPv{_version(prefix.network)} network of hosts"


def _version(address: Address) -> int:
    return 4 if len(address) == 4 else 6


def host_numbers(prefix: Prefix) -> tuple[int, int]:
    """The first and the last number of a host in ``prefix``; two hosts need no broadcast addresses (RFC 3021).

    In IPv6 there is none, but the first is all routers' (RFC 4291 2.6.1; RFC 6164 is about two).
    """
    octets = len(prefix.network)
    size = 1 << (8 * octets - prefix.length)
    return (0, size - 1) if size <= 2 else (1, size - 2 if octets == 4 else size - 1)


def prefix_length(hosts: int) -> int:
    """Of the smallest network with room for ``hosts``, if that is not too small."""
    return min(SMALLEST, 32 - (hosts + 1).bit_length())


def candidates(hosts: int) -> Iterator[Prefix]:
    """The networks that may be given to ``hosts`` hosts, in order of preference."""
    length = prefix_length(hosts)
    yield from (prefix for prefix in WHOLE if length >= prefix.length)
    step = 1 << (32 - length)
    for whole in PIECES:
        first, after = int.from_bytes(whole.network, "big"), int.from_bytes(whole.broadcast, "big") + 1
        for start in range(first, after, step) if length >= whole.length else ():
            yield Prefix(start.to_bytes(4, "big"), length)


def ipv6_candidates() -> Iterator[Prefix]:
    """The same for IPv6, where every network has room: 2001:db8:1::/64, 2001:db8:2::/64 and so on."""
    first = int.from_bytes(IPV6_WHOLE.network, "big")
    for number in range(1, 1 << 16):
        yield Prefix((first + (number << 80)).to_bytes(16, "big"), IPV6_LENGTH)


def overlap(first: Prefix, second: Prefix) -> bool:
    """Whether an address may lie in both."""
    return first.network in second or second.network in first


def common(choices: Sequence[Sequence[Prefix]]) -> Prefix | None:
    """The first prefix of the first that all others have too; None if there is none."""
    first, *others = choices
    return next((prefix for prefix in first if all(prefix in other for other in others)), None)
