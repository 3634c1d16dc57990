"""A host of ours and the kernel at the two ends of a device, with addresses of IPv6 alone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from halfopen.aio.host import Host
from halfopen.aio.loop import LoopOverStack
from halfopen.aio.names import Names
from halfopen.base.addresses import format_mac, parse_address
from halfopen.base.entropy import SystemRng
from halfopen.links.interfaces import LinkSettings, configure, set_sysctl
from halfopen.links.link import LEFT_TO_LINK, Link
from halfopen.links.namespaces import Namespace
from halfopen.links.real_pump import RealPump
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.internet import default_route
from halfopen.stack.stack import Stack
from tests.interop.world import DEVICE, Medium, kernel_namespace, make_link, until

KERNEL, OURS = "2001:db8::1", "2001:db8::2"
BEYOND, ROUTER = "2001:db8:1::2", "2001:db8:1::1"
"""Behind the kernel, and the kernel's address there."""
NAMES = {"kernel": KERNEL, "ours": OURS, "beyond": BEYOND}
TENTATIVE = 0x40
"""``IFA_F_TENTATIVE``."""


def give_addresses(device: str, address: str, mtu: int | None = None) -> None:
    """To an interface of the kernel's, in the namespace of the thread, which then asks nobody whether it may."""
    set_sysctl(f"net/ipv6/conf/{device}/accept_dad", "0")
    set_sysctl(f"net/ipv6/conf/{device}/dad_transmits", "0")
    configure(device, LinkSettings(addresses=(f"{address}/64",), txqueuelen=1000, mtu=mtu))


def is_settled(namespace: Namespace) -> bool:
    """Whether no address of the kernel's is tentative any more: it decides so in its own time, even without DAD."""
    with namespace.enter():
        lines = Path("/proc/thread-self/net/if_inet6").read_text().splitlines()
    return not any(int(line.split()[4], 16) & TENTATIVE for line in lines)


@dataclass
class Wire6:
    """A device in a namespace: ``namespace`` is the kernel's end, ``link`` ours."""

    namespace: Namespace
    link: Link

    def make_host(self, loop: asyncio.AbstractEventLoop) -> Host:
        """A host of ours on the device, whose default router is the kernel."""
        link = self.link
        stack = Stack(StackConfig(ndp=NdpConfig(autoconf=AutoconfConfig(accept_ra=False))), SystemRng())
        interface = stack.add_interface(
            InterfaceConfig(
                name=link.name,
                kind=link.kind,
                addresses=(f"{OURS}/64",),
                mac=format_mac(link.mac) if link.kind == "ethernet" else None,
                mtu=link.mtu,
                offloads=LEFT_TO_LINK,
            )
        )
        stack.routes.add(default_route(interface, parse_address(KERNEL)))
        return Host(stack, RealPump(stack, loop, {interface: link}), Names(NAMES), program="interop")


@contextmanager
def open_wire6(medium: Medium) -> Iterator[Wire6]:
    """A device in a namespace of its own."""
    with kernel_namespace() as namespace:
        with namespace.enter():
            link = make_link(medium, DEVICE)
            give_addresses(DEVICE, KERNEL)
        try:
            yield Wire6(namespace, link)
        finally:
            link.close()


def run_on(wire: Wire6, main: Callable[[Host], Awaitable[None]]) -> None:
    """Runs ``main`` where all of asyncio's networking is ours."""

    async def settled_main() -> None:
        await until(lambda: is_settled(wire.namespace))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, LoopOverStack)
        await main(loop.current_host())

    with asyncio.Runner(loop_factory=lambda: LoopOverStack(wire.make_host)) as runner:
        runner.run(settled_main())
