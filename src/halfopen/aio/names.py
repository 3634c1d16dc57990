"""Names and addresses as asyncio programs pass them: str, bytes, None, literals, "localhost"; a table of hosts."""

import ipaddress
import socket as kernel
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from halfopen.aio.sockets import SocketAddress, socket_address
from halfopen.base.addresses import IPV4_ANY, Address, format_address, is_unspecified, parse_address
from halfopen.stack.interface import IPV6_LOOPBACK

Name: TypeAlias = str | bytes | None

LOOPBACK: Address = b"\x7f\x00\x00\x01"

AddressInfo: TypeAlias = tuple[kernel.AddressFamily, kernel.SocketKind, int, str, SocketAddress]

KINDS = ((kernel.SOCK_STREAM, kernel.IPPROTO_TCP), (kernel.SOCK_DGRAM, kernel.IPPROTO_UDP))

FAMILIES = frozenset((0, kernel.AF_INET, kernel.AF_INET6))


@dataclass(slots=True, frozen=True, kw_only=True)
class Hints:
    """What `socket.getaddrinfo` may be asked to keep to; 0 is any."""

    family: int = 0
    kind: int = 0
    proto: int = 0
    flags: int = 0


NO_HINTS = Hints()


class Names:
    """What a host calls others; its ``/etc/hosts``. There is no DNS."""

    __slots__ = ("_addresses",)

    def __init__(self, hosts: Mapping[str, str] | None = None) -> None:
        self._addresses: dict[str, list[Address]] = {"localhost": [LOOPBACK]}
        for name, address in (hosts or {}).items():
            self.add(name, parse_address(address))

    def add(self, name: str, address: Address) -> None:
        """``name`` now also means ``address``."""
        self._addresses.setdefault(name.lower().rstrip("."), []).append(address)

    def resolve(self, host: Name, passive: bool = False) -> list[Address]:
        """The addresses of ``host``; `socket.gaierror` if there are none.

        None and the empty string are all addresses for a server (``passive``), and this host for a client.
        """
        text = text_of(host)
        if not text:
            return [IPV4_ANY if passive else LOOPBACK]
        literal = literal_address(text)
        if literal is not None:
            return [literal]
        found = self._addresses.get(text.lower().rstrip("."))
        if found is None:
            raise kernel.gaierror(kernel.EAI_NONAME, f"{text!r}: name or service not known")
        return list(found)

    def destinations(self, host: Name) -> list[Address]:
        """As `resolve`, for a client: the unspecified address, nobody's own (MUST-46), means this host as on Linux."""
        return [as_destination(address) for address in self.resolve(host)]

    def name_of(self, address: Address) -> str | None:
        """The first name that was given to ``address``."""
        return next((name for name, addresses in self._addresses.items() if address in addresses), None)

    def address_info(self, host: Name, port: int | str | bytes | None, hints: Hints = NO_HINTS) -> list[AddressInfo]:
        """What `socket.getaddrinfo` would return, by this table; `socket.gaierror` with its numbers."""
        return address_info(self.resolve, host, port, hints)

    def name_info(self, sockaddr: SocketAddress, flags: int = 0) -> tuple[str, str]:
        """What `socket.getnameinfo` would return: names where this table has them, else numbers."""
        address = parse_address(sockaddr[0])
        name = None if flags & kernel.NI_NUMERICHOST else self.name_of(address)
        return name or format_address(address), str(sockaddr[1])


def address_info(
    resolve: Callable[[Name, bool], list[Address]], host: Name, port: int | str | bytes | None, hints: Hints
) -> list[AddressInfo]:
    """What `socket.getaddrinfo` would return where ``resolve`` knows the names; `socket.gaierror` with its numbers."""
    if host is None and port is None:
        raise kernel.gaierror(kernel.EAI_NONAME, "neither a name nor a port is given")
    if hints.family not in FAMILIES:
        raise kernel.gaierror(kernel.EAI_FAMILY, "ai_family not supported")
    kinds = [(kind, proto) for kind, proto in KINDS if hints.kind in (0, kind) and hints.proto in (0, proto)]
    if not kinds:
        raise kernel.gaierror(kernel.EAI_SOCKTYPE, "ai_socktype not supported")
    number = port_number(port)
    text = text_of(host)
    if text and hints.flags & kernel.AI_NUMERICHOST and literal_address(text) is None:
        raise kernel.gaierror(kernel.EAI_NONAME, f"{text!r} is no address")
    rows: list[AddressInfo] = []
    for address in resolve(text, bool(hints.flags & kernel.AI_PASSIVE)):
        family = kernel.AF_INET if len(address) == 4 else kernel.AF_INET6
        if hints.family in (0, family):
            rows += [(family, kind, proto, "", socket_address(address, number)) for kind, proto in kinds]
    if not rows:
        raise kernel.gaierror(kernel.EAI_NONAME, f"{host!r}: no address of that family")
    if hints.flags & kernel.AI_CANONNAME:
        rows[0] = (*rows[0][:3], text, rows[0][4])
    return rows


def as_destination(address: Address) -> Address:
    """Where a client goes that was told ``address``: nobody's own means this host, of either version."""
    if not is_unspecified(address):
        return address
    return LOOPBACK if len(address) == 4 else IPV6_LOOPBACK


def text_of(name: Name) -> str:
    """A name as text; none is empty."""
    return (name.decode("idna") if isinstance(name, bytes) else name) or ""


def is_zone(zone: str, name: str, number: int) -> bool:
    """Whether ``zone``, what stands behind the ``%`` of an address, is the interface called so, or its number."""
    return zone in (name, str(number))


def port_number(port: int | str | bytes | None) -> int:
    """A port as a number; `socket.gaierror` for a service name."""
    if port is None or port == "" or port == b"":
        return 0
    try:
        number = int(port)
    except ValueError:
        raise kernel.gaierror(kernel.EAI_SERVICE, f"{port!r}: ports are given as numbers") from None
    if not 0 <= number <= 0xFFFF:
        raise OverflowError("port must be 0-65535.")
    return number


def literal_address(text: str) -> Address | None:
    """The address that ``text`` is, with or without a scope; None for a name."""
    try:
        return ipaddress.ip_address(text.partition("%")[0]).packed
    except ValueError:
        return None
