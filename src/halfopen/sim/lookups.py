"""Look-ups of the `socket` module, by the names that the host knows which the program is on."""

import socket as kernel
from collections.abc import Callable
from socket import getaddrinfo as real_getaddrinfo
from socket import gethostbyaddr as real_gethostbyaddr
from socket import gethostbyname as real_gethostbyname
from socket import gethostbyname_ex as real_gethostbyname_ex
from socket import gethostname as real_gethostname
from socket import getnameinfo as real_getnameinfo
from typing import Any, TypeAlias

from halfopen.aio.host import Host
from halfopen.aio.names import Hints, Name
from halfopen.aio.resolving import of_family
from halfopen.aio.sockets import SocketAddress
from halfopen.base.addresses import format_address
from halfopen.sim.aliases import Pair
from halfopen.sim.loop import CURRENT_HOST
from halfopen.sim.stage import Stage

HostEntry: TypeAlias = tuple[str, list[str], list[str]]
"""A name, other names, addresses: the ``hostent`` of gethostbyname(3)."""

HOST_NOT_FOUND = 1
"""Of netdb.h."""


class Lookups:
    """What stands for the look-ups of `socket`. Threads that ran before get the real ones."""

    def __init__(self) -> None:
        self.stage: Stage[Callable[[], Host]] = Stage("the look-ups")

    def getaddrinfo(self, host: Name, port: int | str | bytes | None, *positional: int, **named: int) -> list[Any]:
        """As `socket.getaddrinfo`, whose further arguments are ``family``, ``type``, ``proto`` and ``flags``."""
        current_host = self.stage.current()
        if current_host is None:
            return real_getaddrinfo(host, port, *positional, **named)
        given = {**dict(zip(("family", "kind", "proto", "flags"), positional, strict=False)), **named}
        given["kind"] = given.pop("type", given.get("kind", 0))
        return list(current_host().address_info(host, port, Hints(**given)))

    def getnameinfo(self, sockaddr: SocketAddress, flags: int, /) -> tuple[str, str]:
        """As `socket.getnameinfo`."""
        current_host = self.stage.current()
        if current_host is None:
            return real_getnameinfo(sockaddr, flags)
        return current_host().names.name_info(sockaddr, flags)

    def gethostname(self) -> str:
        """As `socket.gethostname`."""
        if self.stage.current() is None:
            return real_gethostname()
        host = CURRENT_HOST.get(None)
        return "localhost" if host is None else host.program

    def gethostbyname(self, hostname: str, /) -> str:
        """As `socket.gethostbyname`."""
        if self.stage.current() is None:
            return real_gethostbyname(hostname)
        return self._entry(hostname)[2][0]

    def gethostbyname_ex(self, hostname: str, /) -> HostEntry:
        """As `socket.gethostbyname_ex`."""
        return real_gethostbyname_ex(hostname) if self.stage.current() is None else self._entry(hostname)

    def gethostbyaddr(self, ip_address: str, /) -> HostEntry:
        """As `socket.gethostbyaddr`, which takes names, too."""
        current_host = self.stage.current()
        if current_host is None:
            return real_gethostbyaddr(ip_address)
        address = current_host().destinations(ip_address)[0]
        name = current_host().names.name_of(address)
        if name is None:
            raise kernel.herror(HOST_NOT_FOUND, "Unknown host")
        return name, [], [format_address(address)]

    def _entry(self, name: str) -> HostEntry:
        current_host = self.stage.current()
        assert current_host is not None
        found = of_family(current_host().names.resolve(name), kernel.AF_INET)
        return name, [], [format_address(address) for address in found]


LOOKUPS = Lookups()
"""The process has one `socket` module."""

PAIRS: tuple[Pair, ...] = (
    (real_getaddrinfo, LOOKUPS.getaddrinfo),
    (real_getnameinfo, LOOKUPS.getnameinfo),
    (real_gethostname, LOOKUPS.gethostname),
    (real_gethostbyname, LOOKUPS.gethostbyname),
    (real_gethostbyname_ex, LOOKUPS.gethostbyname_ex),
    (real_gethostbyaddr, LOOKUPS.gethostbyaddr),
)
"""What is replaced by what. `socket.getfqdn` makes use of them."""
