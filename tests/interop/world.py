"""A host of ours and the Linux kernel at the two ends of one TUN or TAP device, in a network namespace of the test's.

Both ends are driven from one event loop: ours through `Host`, the kernel's through sockets that were opened inside the
namespace. `Side` gives the two the same face, so that a test can be told who is which.
"""

import asyncio
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from halfopen.aio.host import Host
from halfopen.aio.names import Names
from halfopen.base.addresses import format_mac
from halfopen.base.clock import Instant
from halfopen.base.entropy import SystemRng
from halfopen.base.rng import SeededRng
from halfopen.capture.pcapng import Writer
from halfopen.links.impairment import PERFECT, ImpairedLink, Impairment
from halfopen.links.interfaces import LinkSettings, add_veth, configure, set_offloads, set_sysctl
from halfopen.links.link import LEFT_TO_LINK, Link, LinkKind
from halfopen.links.namespaces import Namespace
from halfopen.links.packet_socket import PacketSocket
from halfopen.links.real_pump import RealPump
from halfopen.links.recording import RecordingLink, RecordingOptions
from halfopen.links.tuntap import TunTap
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.interface import Interface
from halfopen.stack.stack import Stack
from tests.interop.judge import Seen, blemishes, kernel_counters, objections, segments

KERNEL = "192.0.2.1"
OURS = "192.0.2.2"
DEVICE = "wire0"
NAMES = {"kernel": KERNEL, "ours": OURS}

PORT = 50_000

CAPTURE_OCTETS = 64 * 1024 * 1024

NEEDS = [pytest.mark.root, pytest.mark.device("/dev/net/tun"), pytest.mark.needs("tshark", "nstat")]
"""Every module of this folder is marked with these."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, kw_only=True)
class Medium:
    """What lies between the kernel and us."""

    kind: LinkKind = "ethernet"
    offload: bool = True
    veth: bool = False
    mtu: int = 1500
    inbound: Impairment = PERFECT
    outbound: Impairment = PERFECT
    record: bool = True

    def __str__(self) -> str:
        driver = "veth" if self.veth else "tap" if self.kind == "ethernet" else "tun"
        return f"{driver}-{'offload' if self.offload else 'plain'}"


TAP = Medium()
MEDIA = [TAP, Medium(offload=False), Medium(kind="ip"), Medium(kind="ip", offload=False)]
PLAIN_TAP = MEDIA[1]
VETH = [Medium(veth=True), Medium(veth=True, offload=False)]
"""AF_PACKET, for where there is no /dev/net/tun."""


def kernel_namespace() -> Namespace:
    """A fresh one, where the kernel's congestion control is one that is allowed everywhere."""
    namespace = Namespace()
    with namespace.enter():
        set_sysctl("net/ipv4/tcp_congestion_control", "reno")
    return namespace


def make_link(medium: Medium, device: str) -> Link:
    """Our end; ``device`` is the kernel's."""
    if not medium.veth:
        return TunTap(device, medium.kind, mtu=medium.mtu, offload=medium.offload)
    end = f"{device}h"
    add_veth(device, end)
    configure(end, LinkSettings(txqueuelen=1000, ipv6=False))
    set_offloads(device, medium.offload)
    return PacketSocket(end, offload=medium.offload)


class Wire:
    """A device in a namespace: ``namespace`` is the kernel's end, ``link`` ours; ``capture`` has all that passed."""

    def __init__(
        self, medium: Medium, capture: Path, namespace: Namespace, device: str = DEVICE, address: str = f"{KERNEL}/24"
    ) -> None:
        self.medium = medium
        self.namespace = namespace
        self.capture = capture if medium.record else None
        with namespace.enter():
            link = make_link(medium, device)
            configure(device, LinkSettings(addresses=(address,), txqueuelen=1000, ipv6=False))
        if medium.inbound != PERFECT or medium.outbound != PERFECT:
            rng = SeededRng("impairment")
            inbound, outbound = medium.inbound, medium.outbound
            link = ImpairedLink(link, rng=rng, clock=time.monotonic_ns, inbound=inbound, outbound=outbound)
        self._file = None
        if self.capture is not None:
            self._file = self.capture.open("wb")
            options = RecordingOptions(limit_octets=CAPTURE_OCTETS)
            link = RecordingLink(link, Writer(self._file), time.time_ns, options)
        self.name = device
        self.link = link

    def segments(self) -> list[Seen]:
        """The TCP segments that have passed so far."""
        assert self.capture is not None and self._file is not None
        self._file.flush()
        return segments(self.capture, self.link.network_offset)

    def interface(self, address: str = f"{OURS}/24") -> InterfaceConfig:
        """Our end, as a stack is told of it."""
        link = self.link
        return InterfaceConfig(
            name=link.name,
            kind=link.kind,
            addresses=(address,),
            mac=format_mac(link.mac) if link.kind == "ethernet" else None,
            mtu=link.mtu,
            offloads=LEFT_TO_LINK,
        )

    def close(self) -> None:
        """The device goes, the capture is complete."""
        self.link.close()
        if self._file is not None:
            self._file.close()


@contextmanager
def open_wire(medium: Medium, capture: Path) -> Iterator[Wire]:
    """A device in a namespace of its own. In the end neither tshark nor the kernel may have an objection."""
    with kernel_namespace() as namespace:
        wire = Wire(medium, capture, namespace)
        try:
            yield wire
            if not medium.outbound.corrupt:
                found = blemishes(kernel_counters(namespace), not medium.outbound.holds_back)
                assert not found, found
        finally:
            wire.close()
    if wire.capture is not None:
        objected = objections(wire.capture)
        assert not objected, objected


class Side(ABC):
    """One of the two ends."""

    address: str

    @abstractmethod
    async def serve(self, handler: Handler, port: int = PORT) -> asyncio.AbstractServer:
        """Passive open."""

    @abstractmethod
    async def connect(self, remote: str, port: int = PORT, local_port: int = 0) -> Streams:
        """Active open."""


class OurSide(Side):
    """Our stack."""

    address = OURS

    def __init__(self, host: Host) -> None:
        self.host = host

    async def serve(self, handler: Handler, port: int = PORT) -> asyncio.AbstractServer:
        return await self.host.start_server(handler, OURS, port, backlog=512)

    async def connect(self, remote: str, port: int = PORT, local_port: int = 0) -> Streams:
        return await self.host.open_connection(remote, port, local_addr=(None, local_port))


class KernelSide(Side):
    """The kernel's stack, by sockets that live in the namespace."""

    address = KERNEL

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace

    def socket(self, kind: socket.SocketKind = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        """A non-blocking one."""
        with self.namespace.enter():
            made = socket.socket(socket.AF_INET, kind, protocol)
        made.setblocking(False)
        return made

    async def serve(self, handler: Handler, port: int = PORT) -> asyncio.AbstractServer:
        listening = self.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((KERNEL, port))
        return await asyncio.start_server(handler, sock=listening, backlog=512)

    async def connect(self, remote: str, port: int = PORT, local_port: int = 0) -> Streams:
        sock = self.socket()
        if local_port:
            sock.bind((KERNEL, local_port))
        try:
            await asyncio.get_running_loop().sock_connect(sock, (remote, port))
        except BaseException:
            sock.close()
            raise
        return await asyncio.open_connection(sock=sock)

    def counters(self) -> dict[str, int]:
        """The kernel's, since the namespace was made, by their names in nstat(8)."""
        return kernel_counters(self.namespace)


@dataclass
class World:
    """Both ends."""

    wire: Wire
    host: Host
    interface: Interface
    ours: OurSide
    kernel: KernelSide

    @property
    def stack(self) -> Stack:
        return self.host.stack

    def now(self) -> Instant:
        return self.host.pump.now()


def make_world(wire: Wire, loop: asyncio.AbstractEventLoop, config: StackConfig | None = None) -> World:
    """A host of ours on ``wire``, in ``loop``."""
    stack = Stack(config or StackConfig(), SystemRng())
    interface = stack.add_interface(wire.interface())
    pump = RealPump(stack, loop, {interface: wire.link})
    host = Host(stack, pump, Names(NAMES), program="interop")
    return World(wire, host, interface, OurSide(host), KernelSide(wire.namespace))


@asynccontextmanager
async def open_world(wire: Wire, config: StackConfig | None = None) -> AsyncIterator[World]:
    """The same in the running loop, as long as the block lasts."""
    world = make_world(wire, asyncio.get_running_loop(), config)
    try:
        yield world
    finally:
        world.host.pump.close()


def with_loss(medium: Medium, impairment: Impairment) -> Medium:
    """``medium`` with ``impairment`` in both directions."""
    return replace(medium, inbound=impairment, outbound=impairment)


class Mailbox(asyncio.DatagramProtocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.letters: asyncio.Queue[bytes] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.letters.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.errors.put_nowait(exc)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Lets the loop run until ``condition`` holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """RFC 862."""
    while octets := await reader.read(1 << 18):
        writer.write(octets)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def finish(writer: asyncio.StreamWriter) -> None:
    """Closes, and waits for it."""
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def served(side: Side, handler: Handler, port: int = PORT) -> AsyncIterator[None]:
    """``handler`` serves on ``side``."""
    server = await side.serve(handler, port)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
