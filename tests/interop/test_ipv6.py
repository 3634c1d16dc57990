"""IPv6 against the kernel: neighbor discovery, ping, fragments, UDP and TCP, below asyncio."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from struct import pack

import pytest
import pytest_asyncio

from halfopen.aio.host import Host
from halfopen.base.addresses import format_mac, parse_address
from halfopen.base.entropy import SystemRng
from halfopen.links.interfaces import LinkSettings, configure, set_sysctl
from halfopen.links.link import LEFT_TO_LINK
from halfopen.links.namespaces import Namespace
from halfopen.links.real_pump import RealPump
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.icmp import EchoReply
from halfopen.stack.interface import Interface
from halfopen.stack.ports import NOBODY
from halfopen.stack.stack import Stack
from tests.interop.world import DEVICE, MEDIA, NEEDS, Medium, make_link, until

pytestmark = [*NEEDS, pytest.mark.asyncio]

KERNEL = "2001:db8::1"
OURS = "2001:db8::2"
PORT = 50_000
TENTATIVE = 0x40
"""``IFA_F_TENTATIVE``."""
SIZES = [0, 1, 1232, 1452, 1453, 8000, 65_000]
"""Octets of payload: with 1452 a packet of 1500 octets is full."""


@dataclass
class World6:
    """A host of ours on a device whose other end is the kernel."""

    namespace: Namespace
    stack: Stack
    host: Host
    interface: Interface

    def now(self) -> int:
        return self.host.pump.now()

    def socket(self, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
        """The kernel's."""
        with self.namespace.enter():
            made = socket.socket(socket.AF_INET6, kind, protocol)
        made.setblocking(False)
        return made

    async def ping(self, destination: str, sequence: int, payload: bytes) -> EchoReply:
        self.stack.icmp.send_echo(parse_address(destination), 7, sequence, payload, self.now())
        self.host.pump.kick()
        replies: list[EchoReply] = []

        def has_come() -> bool:
            if (reply := self.stack.icmp.poll_reply()) is not None:
                replies.append(reply)
            return bool(replies)

        await until(has_come)
        return replies[0]


def is_settled(namespace: Namespace) -> bool:
    """Whether the kernel's addresses are tentative no longer: it decides so in its own time, even without DAD."""
    with namespace.enter():
        lines = Path("/proc/thread-self/net/if_inet6").read_text().splitlines()
    flags = {fields[0]: int(fields[4], 16) for fields in map(str.split, lines)}
    return not flags.get(parse_address(KERNEL).hex(), TENTATIVE) & TENTATIVE


@pytest_asyncio.fixture(params=MEDIA, ids=str)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World6]:
    medium: Medium = request.param
    with Namespace() as namespace:
        with namespace.enter():
            set_sysctl("net/ipv4/tcp_congestion_control", "reno")
            link = make_link(medium, DEVICE)
            set_sysctl(f"net/ipv6/conf/{DEVICE}/accept_dad", "0")
            set_sysctl(f"net/ipv6/conf/{DEVICE}/dad_transmits", "0")
            configure(DEVICE, LinkSettings(addresses=(f"{KERNEL}/64",), txqueuelen=1000))
        config = StackConfig(ndp=NdpConfig(autoconf=AutoconfConfig(accept_ra=False)))
        stack = Stack(config, SystemRng())
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
        pump = RealPump(stack, asyncio.get_running_loop(), {interface: link})
        await until(lambda: is_settled(namespace))
        try:
            yield World6(namespace, stack, Host(stack, pump), interface)
        finally:
            pump.close()
            link.close()


async def test_we_ping_the_kernel(world: World6) -> None:
    for sequence, size in enumerate(SIZES):
        payload = os.urandom(size)
        reply = await world.ping(KERNEL, sequence, payload)
        assert (reply.kind, reply.sequence, reply.payload, reply.ttl) == ("reply", sequence, payload, 64)
        assert reply.source == parse_address(KERNEL)


async def test_the_kernel_pings_us(world: World6) -> None:
    loop = asyncio.get_running_loop()
    with world.socket(socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        sock.connect((OURS, 0))
        for sequence, size in enumerate(SIZES):
            payload = os.urandom(size)
            sock.send(pack("!BBHHH", 128, 0, 0, 7, sequence) + payload)
            reply = b"\0"
            while reply[0] != 129:  # a raw socket hears neighbor discovery as well
                reply = await asyncio.wait_for(loop.sock_recv(sock, 70_000), 2)
            assert reply[4:] == pack("!HH", 7, sequence) + payload


async def test_datagrams_of_any_length_come_back(world: World6) -> None:
    loop = asyncio.get_running_loop()
    ours = world.stack.udp.bind(parse_address(OURS), PORT, NOBODY)
    with world.socket(socket.SOCK_DGRAM) as sock:
        sock.bind((KERNEL, PORT))
        for size in SIZES:
            payload = os.urandom(size)
            ours.send_to(payload, parse_address(KERNEL), PORT, world.now())
            world.host.pump.kick()
            data, sender = await asyncio.wait_for(loop.sock_recvfrom(sock, 70_000), 2)
            assert (data, sender[0]) == (payload, OURS)
            sock.sendto(payload, (OURS, PORT))
            await until(lambda: ours.queued_octets > 0)
            message = ours.receive()
            assert message is not None
            assert (message.data, message.address) == (payload, parse_address(KERNEL))


async def test_a_port_without_a_listener_refuses_both_ways(world: World6) -> None:
    loop = asyncio.get_running_loop()
    with world.socket(socket.SOCK_STREAM) as sock, pytest.raises(ConnectionRefusedError):
        await loop.sock_connect(sock, (OURS, PORT))
    with pytest.raises(ConnectionRefusedError):
        await world.host.open_connection(KERNEL, PORT)
    with world.socket(socket.SOCK_DGRAM) as sock:
        sock.connect((OURS, PORT))
        sock.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.wait_for(loop.sock_recv(sock, 10), 2)


TEXT = os.urandom(1_000_000)


async def test_a_stream_from_the_kernel_arrives(world: World6) -> None:
    received = bytearray()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(1 << 16):
            received.extend(octets)
        writer.close()

    server = await world.host.start_server(keep, "::", PORT)
    sock = world.socket(socket.SOCK_STREAM)
    await asyncio.get_running_loop().sock_connect(sock, (OURS, PORT))
    reader, writer = await asyncio.open_connection(sock=sock)
    writer.write(TEXT)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    assert received == TEXT
    server.close()


async def test_a_stream_to_the_kernel_arrives(world: World6) -> None:
    received = bytearray()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(1 << 16):
            received.extend(octets)
        writer.close()

    listening = world.socket(socket.SOCK_STREAM)
    listening.bind((KERNEL, PORT))
    server = await asyncio.start_server(keep, sock=listening)
    reader, writer = await world.host.open_connection(KERNEL, PORT)
    writer.write(TEXT)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    assert received == TEXT
    server.close()
