"""The addresses of the demonstration, of either version of IP, out of what is set aside for documentation::

    tap         kernel 192.0.2.1          =============== 192.0.2.2             ours
                       198.51.100.1       ~~~ impaired ~~ 198.51.100.2

    simulated   peer   192.0.2.1          ============ r1 ============ 198.51.100.2     ours
                       192.0.2.129        ~ impaired ~ r2 ============ 198.51.100.130

    tap         kernel 2001:db8:1::1      =============== 2001:db8:1::2         ours
                       2001:db8:2::1      ~~~ impaired ~~ 2001:db8:2::2

    simulated   peer   2001:db8:1::1      ============ r1 ============ 2001:db8:2::2    ours
                       2001:db8:3::1      ~ impaired ~ r2 ============ 2001:db8:4::2

There are two ways between the peer and us; the second one loses, delays and reorders packets.
"""

import socket
from dataclasses import dataclass
from typing import NamedTuple

from halfopen.links.impairment import PERFECT, Impairment, parse

CONDITIONS = "loss 1% delay 10ms reorder 1%"
IMPAIRED = parse(CONDITIONS)


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way between the peer and us, and what it does to packets."""

    peer: str
    ours: str
    impairment: Impairment = PERFECT


class Networks(NamedTuple):
    """Those at the two ends of a way that has a router in the middle."""

    peer: str
    ours: str


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """What depends on the version of IP; the peer's kernel has a ``loopback``."""

    version: int
    family: socket.AddressFamily
    anywhere: str
    loopback: str
    prefix_length: int
    on_devices: tuple[Way, Way]
    by_routers: tuple[Way, Way]
    networks: tuple[Networks, Networks]


ADDRESSES = {
    4: Addresses(
        version=4,
        family=socket.AF_INET,
        anywhere="0.0.0.0",
        loopback="127.0.0.1",
        prefix_length=24,
        on_devices=(
            Way(peer="192.0.2.1", ours="192.0.2.2"),
            Way(peer="198.51.100.1", ours="198.51.100.2", impairment=IMPAIRED),
        ),
        by_routers=(
            Way(peer="192.0.2.1", ours="198.51.100.2"),
            Way(peer="192.0.2.129", ours="198.51.100.130", impairment=IMPAIRED),
        ),
        networks=(Networks("192.0.2.0/25", "198.51.100.0/25"), Networks("192.0.2.128/25", "198.51.100.128/25")),
    ),
    6: Addresses(
        version=6,
        family=socket.AF_INET6,
        anywhere="::",
        loopback="::1",
        prefix_length=64,
        on_devices=(
            Way(peer="2001:db8:1::1", ours="2001:db8:1::2"),
            Way(peer="2001:db8:2::1", ours="2001:db8:2::2", impairment=IMPAIRED),
        ),
        by_routers=(
            Way(peer="2001:db8:1::1", ours="2001:db8:2::2"),
            Way(peer="2001:db8:3::1", ours="2001:db8:4::2", impairment=IMPAIRED),
        ),
        networks=(Networks("2001:db8:1::/64", "2001:db8:2::/64"), Networks("2001:db8:3::/64", "2001:db8:4::/64")),
    ),
}
"""By the version of IP."""
