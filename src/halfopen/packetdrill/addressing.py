"""Who talks to whom in a script: the addresses and ports that it leaves out."""

from dataclasses import dataclass

from halfopen.base.addresses import Address, parse_address

IPV4 = "ipv4"
IPV6 = "ipv6"
MAPPED = "ipv4-mapped-ipv6"
IP_VERSIONS = (IPV4, IPV6, MAPPED)

FIRST_REMOTE_PORT = 49152
"""Where the ports of remote ends that connect to us begin (RFC 6335 6: the dynamic ones)."""

_MAPPED_PREFIX = bytes(10) + b"\xff\xff"


@dataclass(slots=True, frozen=True, kw_only=True)
class Addressing:
    """The two ends of every connection of a script, and how the network between them is laid out.

    ``local`` and ``remote`` are as on the wire. ``bind_port`` is ours where we listen, ``connect_port`` the remote
    end's where we connect to it.
    """

    ip_version: str = IPV4
    local: Address = bytes((192, 168, 0, 1))
    remote: Address = bytes((192, 0, 2, 1))
    gateway: Address = bytes((192, 168, 0, 2))
    """The next hop towards ``remote``; a TUN has no use for it but in its routes."""
    prefix_length: int = 16
    bind_port: int = 8080
    connect_port: int = 8080

    @property
    def is_ipv6(self) -> bool:
        """Whether the packets are IPv6."""
        return self.ip_version == IPV6

    @property
    def has_ipv6_sockets(self) -> bool:
        """Whether ``...`` as the domain of ``socket()`` is AF_INET6."""
        return self.ip_version != IPV4

    def as_socket_address(self, address: Address) -> Address:
        """``address`` as calls name it: mapped into IPv6 (RFC 4291 2.5.5.2) if sockets are IPv6 and packets are not."""
        return _MAPPED_PREFIX + address if self.has_ipv6_sockets and len(address) == 4 else address


_IPV6_LAYOUT = Addressing(
    ip_version=IPV6,
    local=parse_address("fd3d:a0b:17d6::1"),
    remote=parse_address("fd3d:fa7b:d17d::1"),
    gateway=parse_address("fd3d:a0b:17d6:8888::1"),
    prefix_length=48,
)


def default_addressing(ip_version: str) -> Addressing:
    """The layout that scripts are measured with (the tool's own test runs), for one of `IP_VERSIONS`."""
    return _IPV6_LAYOUT if ip_version == IPV6 else Addressing(ip_version=ip_version)
