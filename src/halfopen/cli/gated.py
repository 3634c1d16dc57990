"""A gate in front of a server: SYNs are answered by the block, with cookies, and the stack sees who brings one back.

It needs frames by the block, which a TAP has not: the host is at one end of a veth pair, the kernel at the other.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from halfopen.aio.host import Host
from halfopen.base.errors import ConfigError
from halfopen.links.hosts import has_interface, neighbor_of
from halfopen.links.interfaces import LinkSettings, add_veth, configure, remove, set_offloads
from halfopen.links.link import Link
from halfopen.links.packet_ring import PacketRing
from halfopen.stack.config import TcpLayerConfig
from halfopen.stack.tcp_socket import TcpListener

DEVICE = "gate0"
KERNEL_END = "k"
"""What its name has behind that of our end, if the pair is made here."""

LAYER = TcpLayerConfig(keyed_hash="siphash")
"""What the host of a gate has to have: cookies, with a hash that can be computed for many at once."""

LOOK_AGAIN = 0.01
"""Seconds; the server tells nobody that it listens now."""


@contextmanager
def open_ring(address: str, name: str) -> Iterator[PacketRing]:
    """Rings at our end of a veth pair ``name``; one that is made here, with the kernel's address, goes in the end."""
    if find_spec("numpy") is None:
        raise ConfigError("a gate needs numpy: install 'halfopen[gate]'")
    is_new = not has_interface(name)
    if is_new:
        add_veth(name, name + KERNEL_END)
    try:
        if is_new:
            configure(name, LinkSettings(ipv6=False))
            configure(name + KERNEL_END, LinkSettings(addresses=(neighbor_of(address),), ipv6=False))
            set_offloads(name + KERNEL_END, False)
            set_offloads(name, False)
        with PacketRing(name) as link:
            yield link
    finally:
        if is_new:
            remove(name)


async def guard_when_listening(host: Host, link: Link, port: int) -> None:
    """Puts a gate in front of what listens at ``port``, once something does."""
    # numpy takes its time to import, and is an extra.
    from halfopen.links.syn_gate import guard

    assert isinstance(link, PacketRing)
    while True:
        for socket in host.stack.tcp.sockets():
            if isinstance(socket, TcpListener) and socket.port == port:
                guard(link, host.stack, socket, time.monotonic_ns())
                return
        await asyncio.sleep(LOOK_AGAIN)
