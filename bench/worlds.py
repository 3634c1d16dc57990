"""Where measurements take place: namespaces of their own, made for one measurement and gone after it."""

import asyncio
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from bench.machine import CONGESTION_CONTROL
from halfopen.aio.host import Host
from halfopen.base.entropy import SystemRng
from halfopen.links.interfaces import LinkSettings, add_veth, configure, set_offloads, set_sysctl
from halfopen.links.link import LEFT_TO_LINK
from halfopen.links.namespaces import Namespace
from halfopen.links.real_pump import RealPump
from halfopen.links.tuntap import TunTap
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.internet import default_route
from halfopen.stack.stack import Stack
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.congestion_config import CongestionConfig

OURS = "192.0.2.2"
KERNEL = "192.0.2.1"
FAR = "198.51.100.1"
"""The kernel behind a router."""
FAR_ROUTER = "198.51.100.2"

MTU = 1500

QUEUE = 10_000
"""Packets on their way to a TUN: more than a window holds, as a TUN drops silently what exceeds it."""

ROOT = Path(__file__).parent.parent

SECONDS = 120
"""No measurement takes longer: a peer that hangs is ended."""

READY_SECONDS = 20
"""Nobody takes longer to start."""

SYSCTLS = {
    "net/ipv4/tcp_congestion_control": CONGESTION_CONTROL,
    "net/ipv4/ip_local_port_range": "1024 65535",
    "net/ipv4/tcp_no_metrics_save": "1",
    "net/ipv4/tcp_max_tw_buckets": "1000000",
    "net/ipv4/ip_forward": "1",
}


class Program:
    """A program in a namespace, ended with the block, or after `SECONDS` if nobody is left to end it.

    It inherits the descriptors ``fds``; ``quiet`` suppresses what it has to say beside its result.
    """

    def __init__(
        self, namespace: Namespace, command: Sequence[str], fds: Sequence[int] = (), *, quiet: bool = False
    ) -> None:
        stderr = subprocess.DEVNULL if quiet else None
        with namespace.enter():
            self._process = subprocess.Popen(
                ["timeout", str(SECONDS), *command],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=ROOT,
                pass_fds=fds,
            )

    def wait_until_ready(self) -> None:
        """It listens now."""
        output = self._process.stdout
        assert output is not None
        if not select.select([output], [], [], READY_SECONDS)[0] or output.readline() != "ready\n":
            raise RuntimeError("a peer did not start")

    def figure(self) -> float:
        """What it has measured, at its end."""
        return float(self._process.communicate(timeout=SECONDS)[0])

    def wait(self) -> None:
        """To its end."""
        self._process.communicate(timeout=SECONDS)

    def close(self) -> None:
        """Ends it if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Peer(Program):
    """A role of `bench.peers` in a namespace."""

    def __init__(self, namespace: Namespace, *arguments: str) -> None:
        super().__init__(namespace, [sys.executable, "-m", "bench.peers", *arguments])


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace with the settings that all measurements share."""
    with Namespace() as fresh:
        with fresh.enter():
            for name, value in SYSCTLS.items():
                set_sysctl(name, value)
        yield fresh


@contextmanager
def tun_world(*, offload: bool, mtu: int = MTU) -> Iterator[tuple[Namespace, TunTap]]:
    """The kernel in a namespace, and a TUN that is our only way to it."""
    with namespace() as kernel:
        with kernel.enter():
            link = open_tun(offload=offload, mtu=mtu)
        with link:
            yield kernel, link


def open_tun(*, offload: bool, mtu: int = MTU) -> TunTap:
    """A TUN in the namespace of this thread, and the kernel's address on it."""
    link = TunTap("bench0", "ip", offload=offload, mtu=mtu)
    configure("bench0", LinkSettings(addresses=(f"{KERNEL}/24",), txqueuelen=QUEUE, ipv6=False))
    return link


@contextmanager
def veth_world(*, offload: bool) -> Iterator[tuple[Namespace, Namespace]]:
    """Two kernels, joined by a cable: ``KERNEL`` and ``OURS``."""
    with namespace() as first, namespace() as second:
        cable(first, second, (KERNEL, OURS), offload=offload)
        yield first, second


def cable(
    first: Namespace, second: Namespace, addresses: tuple[str, str], *, offload: bool = True, name: str = "bench"
) -> None:
    """A veth pair ``name``0, ``name``1 between two namespaces, each end with its address."""
    names = (f"{name}0", f"{name}1")
    with first.enter():
        add_veth(*names, second.fileno())
    for inside, name, address in zip((first, second), names, addresses, strict=True):
        with inside.enter():
            configure(name, LinkSettings(addresses=(f"{address}/24",), ipv6=False))
            set_offloads(name, offload)


@contextmanager
def behind_router(router: Namespace, near: str) -> Iterator[Namespace]:
    """A further kernel, ``FAR``, that ``router`` leads to, with a way back to the network of ``near``."""
    with namespace() as far:
        cable(far, router, (FAR, FAR_ROUTER), name="far")
        with far.enter():
            network = near.rpartition(".")[0] + ".0/24"
            configure("far0", LinkSettings(routes=((network, FAR_ROUTER),)))
        yield far


def make_host(link: TunTap, config: StackConfig | None = None) -> Host:
    """A host of ours on the link, in the running loop."""
    stack = Stack(config or stack_config(), SystemRng())
    settings = InterfaceConfig(
        name=link.name,
        kind=link.kind,
        addresses=(f"{OURS}/24",),
        mtu=link.mtu,
        offloads=LEFT_TO_LINK,
    )
    interface = stack.add_interface(settings)
    stack.routes.add(default_route(interface))
    return Host(stack, RealPump(stack, asyncio.get_running_loop(), {interface: link}))


def stack_config() -> StackConfig:
    """Everything as it comes, but the congestion control the same as the kernel's."""
    return StackConfig(tcp=TcpConfig(congestion=CongestionConfig(algorithm=CONGESTION_CONTROL)))
