"""Options of Neighbor Discovery messages (RFC 4861 4.6, RFC 3971 5.3.2, RFC 4191 2.3, RFC 8106 5.1)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from struct import Struct
from typing import Final

from halfopen.base.addresses import Address, Mac, Prefix
from halfopen.base.errors import Malformed

SOURCE_LINK_ADDRESS: Final = 1
TARGET_LINK_ADDRESS: Final = 2
PREFIX_INFORMATION: Final = 3
REDIRECTED_HEADER: Final = 4
MTU: Final = 5
NONCE: Final = 14
ROUTE_INFORMATION: Final = 24
RECURSIVE_DNS_SERVER: Final = 25

INFINITE: Final = 0xFFFFFFFF
"""A lifetime that does not end."""

NONCE_OCTETS: Final = 6

_PREFIX: Final = Struct("!BBIIxxxx16s")
_ON_LINK: Final = 0x80
_AUTONOMOUS: Final = 0x40
_WORD: Final = Struct("!xxI")


@dataclass(slots=True, frozen=True)
class PrefixInformation:
    """A prefix, to be taken as on-link, and as half of an address, for so many seconds (RFC 4861 4.6.2)."""

    prefix: Prefix
    valid: int = INFINITE
    preferred: int = INFINITE
    on_link: bool = True
    autonomous: bool = True


@dataclass(slots=True, frozen=True)
class RouteInformation:
    """A prefix that the router is the way to, for so many seconds (RFC 4191 2.3)."""

    prefix: Prefix
    lifetime: int
    preference: int = 0


@dataclass(slots=True, frozen=True)
class RecursiveDnsServer:
    """Resolvers that may be asked for so many seconds (RFC 8106 5.1)."""

    lifetime: int
    addresses: tuple[Address, ...]


@dataclass(slots=True, frozen=True)
class Options:
    """All options of a message that are known here; of those that may stand there once, the last one.

    ``redirected`` is the start of the packet that was redirected; a link address is empty if there is none.
    """

    source_mac: Mac = b""
    target_mac: Mac = b""
    mtu: int | None = None
    prefixes: tuple[PrefixInformation, ...] = ()
    redirected: bytes = b""
    nonce: bytes = b""
    routes: tuple[RouteInformation, ...] = ()
    dns_servers: tuple[RecursiveDnsServer, ...] = ()


NO_OPTIONS: Final = Options()


def parse_options(data: bytes) -> Options:
    """Type, length in words of 8 octets, value; what is not known is skipped (RFC 4861 4.6). Raises Malformed."""
    options = NO_OPTIONS
    at = 0
    while at < len(data):
        octets = 8 * data[at + 1] if at + 2 <= len(data) else 0
        if not octets or at + octets > len(data):
            raise Malformed("NdpBadOptions")
        parser = _PARSERS.get(data[at])
        if parser is not None:
            options = parser(options, data[at + 2 : at + octets])
        at += octets
    return options


def emit_options(options: Options) -> bytes:
    """All that are there, in the order of their numbers."""
    parts: list[bytes] = []
    if options.source_mac:
        parts.append(_emit(SOURCE_LINK_ADDRESS, options.source_mac))
    if options.target_mac:
        parts.append(_emit(TARGET_LINK_ADDRESS, options.target_mac))
    parts += [_emit_prefix(information) for information in options.prefixes]
    if options.redirected:
        whole = len(options.redirected) & ~7
        parts.append(_emit(REDIRECTED_HEADER, bytes(6) + options.redirected[:whole]))
    if options.mtu is not None:
        parts.append(_emit(MTU, _WORD.pack(options.mtu)))
    if options.nonce:
        parts.append(_emit(NONCE, options.nonce))
    parts += [_emit_route(information) for information in options.routes]
    parts += [
        _emit(RECURSIVE_DNS_SERVER, _WORD.pack(servers.lifetime) + b"".join(servers.addresses))
        for servers in options.dns_servers
    ]
    return b"".join(parts)


def _emit(kind: int, value: bytes) -> bytes:
    """Padded with zeros to whole words."""
    words = (len(value) + 9) // 8
    return bytes((kind, words)) + value + bytes(8 * words - 2 - len(value))


def _emit_prefix(information: PrefixInformation) -> bytes:
    flags = (_ON_LINK if information.on_link else 0) | (_AUTONOMOUS if information.autonomous else 0)
    prefix = information.prefix
    value = _PREFIX.pack(prefix.length, flags, information.valid, information.preferred, prefix.network)
    return _emit(PREFIX_INFORMATION, value)


def _emit_route(information: RouteInformation) -> bytes:
    prefix = information.prefix
    fixed = bytes((prefix.length, (information.preference & 3) << 3)) + information.lifetime.to_bytes(4, "big")
    return _emit(ROUTE_INFORMATION, fixed + prefix.network[: -(-prefix.length // 64) * 8])


def _expect(value: bytes, *octets: int) -> None:
    if len(value) not in octets:
        raise Malformed("NdpBadOptions")


def _prefix(octets: bytes, length: int) -> Prefix:
    if length > 128:
        raise Malformed("NdpBadOptions")
    return Prefix.of(octets.ljust(16, b"\0"), length)  # what lies behind the prefix is to be ignored


def _parse_source(options: Options, value: bytes) -> Options:
    _expect(value, 6)
    return replace(options, source_mac=value)


def _parse_target(options: Options, value: bytes) -> Options:
    _expect(value, 6)
    return replace(options, target_mac=value)


def _parse_prefix(options: Options, value: bytes) -> Options:
    _expect(value, 30)
    length, flags, valid, preferred, network = _PREFIX.unpack(value)
    information = PrefixInformation(
        _prefix(network, length), valid, preferred, flags & _ON_LINK != 0, flags & _AUTONOMOUS != 0
    )
    return replace(options, prefixes=(*options.prefixes, information))


def _parse_redirected(options: Options, value: bytes) -> Options:
    return replace(options, redirected=value[6:])


def _parse_mtu(options: Options, value: bytes) -> Options:
    _expect(value, 6)
    return replace(options, mtu=_WORD.unpack(value)[0])


def _parse_nonce(options: Options, value: bytes) -> Options:
    return replace(options, nonce=value)


def _parse_route(options: Options, value: bytes) -> Options:
    _expect(value, 6, 14, 22)
    length, bits = value[0], value[1] >> 3 & 3
    if length > 8 * (len(value) - 6):
        raise Malformed("NdpBadOptions")
    if bits == 2:
        return options  # RFC 4191 2.3: the reserved preference makes it be ignored
    preference = -1 if bits == 3 else bits
    lifetime = int.from_bytes(value[2:6], "big")
    information = RouteInformation(_prefix(value[6:], length), lifetime, preference)
    return replace(options, routes=(*options.routes, information))


def _parse_dns_servers(options: Options, value: bytes) -> Options:
    if len(value) < 22 or (len(value) - 6) % 16:
        raise Malformed("NdpBadOptions")
    addresses = tuple(value[at : at + 16] for at in range(6, len(value), 16))
    servers = RecursiveDnsServer(_WORD.unpack_from(value)[0], addresses)
    return replace(options, dns_servers=(*options.dns_servers, servers))


_PARSERS: Final[dict[int, Callable[[Options, bytes], Options]]] = {
    SOURCE_LINK_ADDRESS: _parse_source,
    TARGET_LINK_ADDRESS: _parse_target,
    PREFIX_INFORMATION: _parse_prefix,
    REDIRECTED_HEADER: _parse_redirected,
    MTU: _parse_mtu,
    NONCE: _parse_nonce,
    ROUTE_INFORMATION: _parse_route,
    RECURSIVE_DNS_SERVER: _parse_dns_servers,
}
