"""Hosts of ours on real links, ready to use."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from halfopen.aio.host import Host
from halfopen.base.addresses import Address, format_address, format_mac, parse_interface
from halfopen.base.entropy import SystemRng
from halfopen.links.interfaces import LinkSettings, configure, use_at_once
from halfopen.links.link import LEFT_TO_LINK, Link
from halfopen.links.real_pump import RealPump
from halfopen.links.tuntap import TunTap
from halfopen.stack.config import InterfaceConfig, StackConfig, TcpLayerConfig
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.interface import Interface
from halfopen.stack.internet import default_route
from halfopen.stack.stack import Stack

DEFAULT_LAYER = TcpLayerConfig()

FAREWELL = 1.0
"""Seconds that connections get to end in good order."""


@asynccontextmanager
async def tap_host(address: str, name: str = "") -> AsyncIterator[Host]:
    """A host with ``address`` on a TAP device, in the running loop; the kernel is its neighbour.

    ``address`` is ``"192.0.2.2/24"`` or ``"2001:db8::2/64"``.

    The kernel's end of a device that is made here gets `neighbor_of` as its address. Needs root, a namespace of one's
    own (`namespaces.enter_private_namespace`), or a device ``name`` that was made for this user.
    """
    with open_tap(address, name) as link:
        host = make_host(asyncio.get_running_loop(), link, address)
        try:
            async with in_good_order(host):
                yield host
        finally:
            host.pump.close()


def open_tap(address: str, name: str = "") -> TunTap:
    """The TAP device for a host with ``address``; if it is made here, its kernel's end is ready as well."""
    is_new = not has_interface(name)
    link = TunTap(name)
    if is_new:
        try:
            has_ipv6 = ":" in address
            if has_ipv6:
                use_at_once(link.name)
            configure(link.name, LinkSettings(addresses=(neighbor_of(address),), ipv6=has_ipv6))
        except BaseException:
            link.close()
            raise
    return link


def has_interface(name: str) -> bool:
    """Whether the kernel has an interface of this name, in the network namespace of this thread."""
    return any(name == taken for _, taken in socket.if_nameindex())


def neighbor_of(address: str) -> str:
    """``"192.0.2.1/24"`` for ``"192.0.2.2/24"``: the first address of the network that is not this one."""
    ours, prefix = parse_interface(address)
    first = int.from_bytes(prefix.network, "big") + 1
    chosen = first.to_bytes(len(ours), "big")
    if chosen == ours:
        chosen = (first + 1).to_bytes(len(ours), "big")
    return f"{format_address(chosen)}/{prefix.length}"


def make_host(
    loop: asyncio.AbstractEventLoop,
    link: Link,
    address: str,
    gateway: Address | None = None,
    layer: TcpLayerConfig = DEFAULT_LAYER,
) -> Host:
    """A host with ``address`` on ``link``, which is the caller's to close after the pump.

    Its way out of its network is ``gateway``, or else `neighbor_of`.
    """
    config = StackConfig(tcp_layer=layer, ndp=NdpConfig(autoconf=AutoconfConfig(accept_ra=False)))
    stack = Stack(config, SystemRng())
    interface = add_interface(stack, link, address)
    stack.routes.add(default_route(interface, gateway or parse_interface(neighbor_of(address))[0]))
    return Host(stack, RealPump(stack, loop, {interface: link}))


def add_interface(stack: Stack, link: Link, *addresses: str) -> Interface:
    """An interface of ``stack`` that has what ``link`` has; what the device cannot do, the link does."""
    mac = format_mac(link.mac) if link.kind == "ethernet" else None
    config = InterfaceConfig(
        name=link.name, kind=link.kind, addresses=addresses, mac=mac, mtu=link.mtu, offloads=LEFT_TO_LINK
    )
    return stack.add_interface(config, time.monotonic_ns())


@asynccontextmanager
async def in_good_order(host: Host) -> AsyncIterator[None]:
    """Afterwards connections get a moment to end: a host that vanishes leaves its peers waiting."""
    try:
        yield
    finally:
        deadline = time.monotonic() + FAREWELL
        while time.monotonic() < deadline and not is_quiet(host):
            await asyncio.sleep(0.005)


def is_quiet(host: Host) -> bool:
    """Whether no connection is left that still has something to say."""
    return all(row.netid != "tcp" or row.state in ("LISTEN", "TIME-WAIT") for row in host.stack.ports.listing())
