"""The hosts and links of a script about the layers below TCP, by names that mean the same in both IP versions.

``local`` is the host under test on its device ``eth0``, where ``remote`` and ``gateway`` are as well. A router has a
second device ``eth1`` with the address ``second``, where ``host`` is. ``far`` is somewhere behind ``gateway``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from halfopen.base.addresses import MAC_BROADCAST, Address, Mac, parse_address
from halfopen.packetdrill.addressing import IPV6, Addressing
from halfopen.stack.interface import ETHERNET

DEVICES = ("eth0", "eth1")
STATIONS = ("local", "remote", "gateway", "second", "host", "broadcast")
HOSTS = ("local", "remote", "gateway", "second", "host", "far", "local_link", "remote_link", "gateway_link")

_MACS: Mapping[str, Mac] = MappingProxyType(
    {
        "local": bytes.fromhex("020000000001"),
        "remote": bytes.fromhex("020000000002"),
        "gateway": bytes.fromhex("0200000000fe"),
        "second": bytes.fromhex("020000000101"),
        "host": bytes.fromhex("020000000102"),
        "broadcast": MAC_BROADCAST,
    }
)
_V4 = {"second": "198.51.100.1", "host": "198.51.100.2", "far": "203.0.113.9"}
_V6 = {"second": "2001:db8:1::1", "host": "2001:db8:1::2", "far": "2001:db8:ffff::9"}


def link_addressing(ip_version: str) -> Addressing:
    """Where ``local``, ``remote`` and ``gateway`` are on one network, unless options say otherwise."""
    texts = ("192.0.2.1", "192.0.2.2", "192.0.2.254", 24)
    if ip_version == IPV6:
        texts = ("2001:db8::1", "2001:db8::2", "2001:db8::fe", 64)
    local, remote, gateway = map(parse_address, texts[:3])
    return Addressing(ip_version=ip_version, local=local, remote=remote, gateway=gateway, prefix_length=texts[3])


def link_local_of(mac: Mac) -> Address:
    """The link-local address that is formed from a link address (RFC 4291, appendix A)."""
    return bytes.fromhex("fe80000000000000") + bytes((mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:]))


@dataclass(slots=True, frozen=True, kw_only=True)
class LinkLayout:
    """What ``--link`` and its companions say. With ``forwarding`` the host is a router between its two devices."""

    addressing: Addressing = field(default_factory=Addressing)
    forwarding: bool = False
    second_mtu: int = 1500
    knows_neighbors: bool = False
    """Whether the link addresses of neighbours are configured, so that nobody has to ask for them."""
    probe: bool = False
    """Whether addresses are looked for on the link before they are used."""
    accept_ra: bool = False
    """Whether routers are asked for, and believed."""
    accept_redirects: bool = False
    mld: bool = False
    """Whether reports of multicast groups are of interest; else they are as if they had not been sent."""

    def address(self, host: str | Address) -> Address:
        """Of a host by name, or as it is written."""
        if not isinstance(host, str):
            return host
        if host.endswith("_link"):
            return link_local_of(_MACS[host.removesuffix("_link")])
        addressing = self.addressing
        named = {"local": addressing.local, "remote": addressing.remote, "gateway": addressing.gateway}
        others = _V6 if addressing.is_ipv6 else _V4
        return named[host] if host in named else parse_address(others[host])

    @staticmethod
    def mac(station: str | Mac) -> Mac:
        """Of a station by name, or as it is written."""
        return _MACS[station] if isinstance(station, str) else station

    @staticmethod
    def ends(device: int) -> tuple[str, str]:
        """The host under test and its usual neighbour on a device."""
        return ("second", "host") if device else ("local", "remote")

    @property
    def neighbors(self) -> tuple[tuple[int, Address, Mac], ...]:
        """Who is on which device, with which addresses."""
        found = [(0, self.address(name), _MACS[name]) for name in ("remote", "gateway")]
        return (*found, (1, self.address("host"), _MACS["host"])) if self.forwarding else tuple(found)

    @property
    def second_prefix_length(self) -> int:
        """Of the network of ``eth1``."""
        return 64 if self.addressing.is_ipv6 else 24


def layout_of(take: Callable[[str, Callable[[str], int], int], int], addressing: Addressing) -> LinkLayout:
    """The options that go with ``--link``; ``take`` reads one."""
    return LinkLayout(
        addressing=addressing,
        forwarding=bool(take("forwarding", _switch, 0)),
        second_mtu=take("second_mtu", int, 1500),
        knows_neighbors=bool(take("known_neighbors", _switch, 0)),
        probe=bool(take("probe", _switch, 0)),
        accept_ra=bool(take("accept_ra", _switch, 0)),
        accept_redirects=bool(take("accept_redirects", _switch, 0)),
        mld=bool(take("mld", _switch, 0)),
    )


def link_kind(text: str) -> str:
    """The value of ``--link``."""
    if text != ETHERNET:
        raise ValueError(f"expected {ETHERNET!r}")
    return text


def _switch(text: str) -> int:
    if text not in ("0", "1"):
        raise ValueError("expected 0 or 1")
    return int(text)
