"""Routers: a kernel between us and another kernel, and our stack between two kernels."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from halfopen.aio.host import Host
from halfopen.base.addresses import parse_address
from halfopen.base.entropy import SystemRng
from halfopen.links.interfaces import LinkSettings, add_veth, configure, set_sysctl
from halfopen.links.real_pump import RealPump
from halfopen.stack.config import IpConfig, StackConfig
from halfopen.stack.internet import default_route
from halfopen.stack.stack import Stack
from tests.interop.judge import blemishes, kernel_counters, objections
from tests.interop.world import (
    KERNEL,
    MEDIA,
    NEEDS,
    PORT,
    TAP,
    KernelSide,
    Mailbox,
    Medium,
    Wire,
    World,
    echo,
    finish,
    kernel_namespace,
)

pytestmark = [*NEEDS, pytest.mark.needs("ip"), pytest.mark.asyncio]

BEYOND = "198.51.100.2"


@contextmanager
def narrow_network(wire: Wire, mtu: int) -> Iterator[KernelSide]:
    """Behind the kernel, which now is a router, another one over a link with a smaller MTU."""
    with kernel_namespace() as far:
        with wire.namespace.enter():
            add_veth("n0", "n1", far.fileno())
            configure("n0", LinkSettings(addresses=("198.51.100.1/24",), mtu=mtu, ipv6=False))
            set_sysctl("net/ipv4/ip_forward", "1")
        with far.enter():
            configure("n1", LinkSettings(addresses=(f"{BEYOND}/24",), mtu=mtu, ipv6=False))
        far.run(["ip", "route", "add", "default", "via", "198.51.100.1", "advmss", "1460"])
        side = KernelSide(far)
        side.address = BEYOND
        yield side
        assert blemishes(kernel_counters(far)) == {}


def listen_on(side: KernelSide, port: int = PORT) -> socket.socket:
    listening = side.socket()
    listening.bind((side.address, port))
    listening.listen()
    return listening


@pytest.mark.parametrize("wire", MEDIA[:2], ids=str, indirect=True)
async def test_tcp_finds_the_path_mtu_behind_a_kernel_router(world: World) -> None:
    """The far kernel's MSS promises 1460; the router's ICMP tells us otherwise (RFC 1191)."""
    octets = os.urandom(1_000_000)
    with narrow_network(world.wire, 1200) as far:
        world.stack.routes.add(default_route(world.interface, parse_address(KERNEL)))
        with listen_on(far) as listening:
            server = await asyncio.start_server(echo, sock=listening)
            reader, writer = await world.ours.connect(BEYOND)

            async def write() -> None:
                writer.write(octets)
                writer.write_eof()

            _, received = await asyncio.gather(write(), reader.read())
            assert received == octets
            await finish(writer)
            server.close()
            await server.wait_closed()
        sizes = [each.octets for each in world.wire.segments() if each.is_ours]
        assert max(sizes) == 1448
        assert max(sizes[len(sizes) // 4 :]) == 1148
        # The path is known by now: the next connection begins with it.
        before = len(world.wire.segments())
        with listen_on(far, PORT + 1) as listening:
            server = await asyncio.start_server(echo, sock=listening)
            reader, writer = await world.ours.connect(BEYOND, PORT + 1)
            writer.write(octets[:100_000])
            assert await reader.readexactly(100_000) == octets[:100_000]
            await finish(writer)
            server.close()
            await server.wait_closed()
        assert max(each.octets for each in world.wire.segments()[before:] if each.is_ours) == 1148


async def test_a_datagram_that_is_too_large_for_the_path_is_fragmented_by_the_kernel_router(world: World) -> None:
    letter = os.urandom(4000)
    with narrow_network(world.wire, 1200) as far:
        world.stack.routes.add(default_route(world.interface, parse_address(KERNEL)))
        with far.socket(socket.SOCK_DGRAM) as sock:
            sock.bind((BEYOND, PORT))
            near, mailbox = await world.host.create_datagram_endpoint(Mailbox, remote_addr=(BEYOND, PORT))
            near.sendto(letter)
            received, address = await asyncio.get_running_loop().sock_recvfrom(sock, 5000)
            assert received == letter
            sock.sendto(letter, address)
            assert await asyncio.wait_for(mailbox.letters.get(), 2) == letter
            near.close()


LEFT, RIGHT = "198.51.100.10", "203.0.113.10"


@asynccontextmanager
async def our_router(
    directory: Path, left: Medium = TAP, right: Medium = TAP, right_mtu: int = 1500
) -> AsyncIterator[tuple[Stack, KernelSide, KernelSide]]:
    """Our stack between two kernels: 198.51.100.0/24 and 203.0.113.0/24, where it is .1 each time."""
    stack = Stack(StackConfig(ip=IpConfig(forwarding=True)), SystemRng())
    with kernel_namespace() as one, kernel_namespace() as two:
        wires = [
            Wire(left, directory / "left.pcapng", one, "left0", f"{LEFT}/24"),
            Wire(right, directory / "right.pcapng", two, "right0", f"{RIGHT}/24"),
        ]
        sides = []
        ends = {}
        for wire, address, mtu in zip(wires, (LEFT, RIGHT), (1500, right_mtu), strict=True):
            gateway = address.removesuffix("0")
            with wire.namespace.enter():
                configure(wire.name, LinkSettings(routes=(("default", gateway),)))
            ends[stack.add_interface(replace(wire.interface(f"{gateway}/24"), mtu=mtu))] = wire.link
            side = KernelSide(wire.namespace)
            side.address = address
            sides.append(side)
        pump = RealPump(stack, asyncio.get_running_loop(), ends)
        Host(stack, pump)
        try:
            yield stack, sides[0], sides[1]
            for namespace in (one, two):
                # A kernel's super-segment with a D-SACK has it in every segment that it is cut into.
                assert blemishes(kernel_counters(namespace)).keys() <= {"TcpExtTCPSACKDiscard"}
        finally:
            pump.close()
            for wire in wires:
                wire.close()
    for wire in wires:
        assert wire.capture is not None
        assert objections(wire.capture) == ""


MIXED = [(TAP, TAP), (MEDIA[0], MEDIA[1]), (MEDIA[1], MEDIA[0]), (MEDIA[2], MEDIA[0]), (MEDIA[1], MEDIA[3])]


@pytest.mark.parametrize(("left", "right"), MIXED, ids=str)
async def test_we_route_between_two_kernels(tmp_path: Path, left: Medium, right: Medium) -> None:
    """Whatever offloads their devices have."""
    octets = os.urandom(5_000_000)
    async with our_router(tmp_path, left, right) as (stack, one, two):
        with listen_on(two) as listening:
            server = await asyncio.start_server(echo, sock=listening)
            reader, writer = await one.connect(RIGHT)

            async def write() -> None:
                for start in range(0, len(octets), 1 << 17):
                    writer.write(octets[start : start + (1 << 17)])
                    await writer.drain()
                writer.write_eof()

            _, received = await asyncio.gather(write(), reader.read())
            assert received == octets
            await finish(writer)
            server.close()
            await server.wait_closed()
        assert stack.counters["IpForwDatagrams"] > 100


@pytest.mark.parametrize("left", MEDIA[:2], ids=str)
async def test_our_router_tells_kernels_the_path_mtu(tmp_path: Path, left: Medium) -> None:
    """The link to the right takes 1200 octets from us, and nobody but us knows (RFC 1191 4)."""
    octets = os.urandom(500_000)
    async with our_router(tmp_path, left, TAP, right_mtu=1200) as (_, one, two):
        with listen_on(two) as listening:
            server = await asyncio.start_server(echo, sock=listening)
            reader, writer = await one.connect(RIGHT)
            writer.write(octets)
            writer.write_eof()
            assert await reader.read() == octets
            await finish(writer)
            server.close()
            await server.wait_closed()
        route = one.namespace.run(["ip", "route", "get", RIGHT]).stdout
        assert "mtu 1200" in route
        # A datagram that may be fragmented is: by us.
        with two.socket(socket.SOCK_DGRAM) as receiver, one.socket(socket.SOCK_DGRAM) as sender:
            receiver.bind((RIGHT, PORT))
            sender.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: IP_PMTUDISC_DONT
            sender.sendto(octets[:4000], (RIGHT, PORT))
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(receiver, 5000), 2) == octets[:4000]


async def test_our_router_names_itself_to_traceroute_and_the_nets_it_does_not_know(tmp_path: Path) -> None:
    """RFC 1812 5.3.1: time exceeded; 5.2.7.1: net unreachable. The kernel's socket hears both."""
    async with our_router(tmp_path) as (_, one, _):
        for ttl, destination, expected in ((1, RIGHT, errno.EHOSTUNREACH), (64, "192.0.2.9", errno.ENETUNREACH)):
            with one.socket(socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
                sock.connect((destination, PORT))
                sock.send(b"who is there?")
                with pytest.raises(OSError) as caught:
                    await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 10), 2)
                assert caught.value.errno == expected
                _, ancillary, _, _ = sock.recvmsg(100, 1000, 0x2000)  # MSG_ERRQUEUE
                # struct sock_extended_err, then the sockaddr_in of who sent the ICMP message.
                assert ancillary[0][2][20:24] == parse_address("198.51.100.1")
