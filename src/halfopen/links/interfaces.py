"""The kernel's interfaces, as an administrator sets them up: addresses, routes, MTU, offloads (rtnetlink(7)).

Everything happens in the network namespace of the calling thread. pyroute2 is imported on first use: it takes 150 ms.
"""

import ctypes
import errno
import fcntl
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any, TypeVar

from halfopen.base.addresses import Mac, format_address, format_mac, parse_interface
from halfopen.base.errors import ConfigError

Result = TypeVar("Result")

SIOCETHTOOL = 0x8946
_ETHTOOL_SETTERS = {"rx": 0x15, "tx": 0x17, "sg": 0x19, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}
"""ETHTOOL_SRXCSUM and its relatives, by the names that ``ethtool -K`` has for them."""
IFA_F_NODAD = 0x02
NUD_PERMANENT = 0x80
_ETHTOOL_VALUE = Struct("II")
_IFREQ_POINTER = Struct("16sQ16x")


@dataclass(frozen=True, kw_only=True)
class LinkSettings:
    """What to set on an interface; what is None stays as it is.

    ``addresses`` are ``"192.0.2.1/24"``; ``routes`` are (``"198.51.100.0/24"`` or ``"default"``, gateway). The link
    addresses of ``neighbors`` are asked for no more. The kernel drops silently what exceeds ``txqueuelen`` packets on
    their way to a TUN or TAP. With ``ipv6`` False the kernel neither solicits nor answers there; with ``probe`` False
    an IPv6 address is in use at once (no RFC 4862 5.4).
    """

    addresses: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    neighbors: tuple[tuple[str, Mac], ...] = ()
    mtu: int | None = None
    txqueuelen: int | None = None
    mac: Mac | None = None
    ipv6: bool = True
    probe: bool = True
    up: bool = True


UP = LinkSettings()
"""Up, and nothing else."""


def configure(name: str, settings: LinkSettings = UP) -> None:
    """Applies ``settings`` to the interface ``name``; an address that it has already is left alone."""
    addresses = [parse_interface(address) for address in settings.addresses]
    if not settings.ipv6:
        set_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "1")
    changes: dict[str, object] = {"state": "up" if settings.up else "down"}
    if settings.mtu is not None:
        changes["mtu"] = settings.mtu
    if settings.txqueuelen is not None:
        changes["txqlen"] = settings.txqueuelen
    if settings.mac is not None:
        changes["address"] = format_mac(settings.mac)

    def apply(netlink: Any) -> None:
        index = _index(netlink, name)
        netlink.link("set", index=index, **changes)
        for address, prefix in addresses:
            at_once = {"flags": IFA_F_NODAD} if len(address) == 16 and not settings.probe else {}
            netlink.addr("replace", index=index, address=format_address(address), prefixlen=prefix.length, **at_once)
        for neighbor, mac in settings.neighbors:
            told = {"dst": neighbor, "lladdr": format_mac(mac), "ifindex": index, "state": NUD_PERMANENT}
            netlink.neigh("replace", **told)
        for destination, gateway in settings.routes:
            netlink.route("replace", dst=destination, gateway=gateway, oif=index)

    _with_netlink(apply, f"interface {name!r}")


def add_veth(name: str, peer: str, namespace_fd: int | None = None) -> None:
    """Makes a virtual Ethernet cable between two interfaces; ``peer`` in another namespace, if one is given."""

    def apply(netlink: Any) -> None:
        netlink.link("add", ifname=name, kind="veth", peer=peer)
        if namespace_fd is not None:
            netlink.link("set", index=_index(netlink, peer), net_ns_fd=namespace_fd)

    _with_netlink(apply, f"veth pair {name!r}, {peer!r}")


def remove(name: str) -> None:
    """Takes an interface away; of a veth pair the other end goes with it."""
    _with_netlink(lambda netlink: netlink.link("del", index=_index(netlink, name)), f"interface {name!r}")


def statistics(name: str) -> dict[str, int]:
    """The kernel's counters of an interface, by their names in ``struct rtnl_link_stats64``, such as ``tx_dropped``."""

    def ask(netlink: Any) -> dict[str, int]:
        (link,) = netlink.get_links(_index(netlink, name))
        return dict(link.get_attr("IFLA_STATS64"))

    return _with_netlink(ask, f"interface {name!r}")


def set_offloads(name: str, enabled: bool, features: Iterable[str] = ("tx", "sg", "tso", "gso", "gro")) -> None:
    """``ethtool -K name FEATURE on|off`` for each; passes over what the device cannot change."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for feature in features:
            value = bytearray(_ETHTOOL_VALUE.pack(_ETHTOOL_SETTERS[feature], int(enabled)))
            _ethtool(control, name, value)


def _ethtool(control: socket.socket, name: str, value: bytearray) -> None:
    buffer = (ctypes.c_char * len(value)).from_buffer(value)
    try:
        fcntl.ioctl(control, SIOCETHTOOL, _IFREQ_POINTER.pack(name.encode(), ctypes.addressof(buffer)))
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def set_sysctl(name: str, value: str) -> None:
    """Sets ``/proc/sys/NAME``, which for ``net/`` is the thread's namespace's; nothing where it does not exist."""
    path = Path("/proc/sys") / name
    if path.exists():
        path.write_text(value)


def use_at_once(name: str) -> None:
    """Lets the kernel use addresses of IPv6 that it gets from now on without asking whether somebody has them (DAD)."""
    set_sysctl(f"net/ipv6/conf/{name}/accept_dad", "0")
    set_sysctl(f"net/ipv6/conf/{name}/dad_transmits", "0")


def _index(netlink: Any, name: str) -> int:
    found = netlink.link_lookup(ifname=name)
    if not found:
        raise ConfigError(f"there is no interface {name!r} in this network namespace")
    index: int = found[0]
    return index


def _with_netlink(action: Callable[[Any], Result], subject: str) -> Result:
    """Runs ``action`` with a netlink socket; the kernel's error answers become an OSError that names ``subject``.

    In a thread of its own, which is in the caller's namespace: pyroute2 runs an event loop inside, and the caller's
    thread may be running one already.
    """
    try:
        from pyroute2 import IPRoute  # type: ignore[import-untyped]  # pyroute2 ships no types
        from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]  # pyroute2 ships no types
    except ImportError:
        raise ConfigError("setting up interfaces needs pyroute2: install 'halfopen[linux]'") from None
    results: list[Result] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with IPRoute() as netlink:
                results.append(action(netlink))
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=work, name="halfopen-netlink")
    thread.start()
    thread.join()
    for failure in failures:
        if isinstance(failure, NetlinkError):
            raise OSError(failure.code, f"{subject}: {failure.args[-1]}") from None
        raise failure
    return results[0]
