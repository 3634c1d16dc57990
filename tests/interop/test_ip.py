"""Below TCP: ARP, ping, UDP and fragments."""

import asyncio
import errno
import json
import os
import socket
from contextlib import suppress
from struct import pack

import pytest

from halfopen.base.addresses import format_mac, parse_address
from halfopen.links.interfaces import LinkSettings, configure, set_sysctl
from halfopen.links.tuntap import ask_device
from halfopen.stack.icmp import EchoReply
from halfopen.wire.checksum import checksum
from tests.interop.world import (
    KERNEL,
    MEDIA,
    NEEDS,
    OURS,
    PORT,
    Mailbox,
    World,
    until,
)

pytestmark = [*NEEDS, pytest.mark.needs("ip"), pytest.mark.asyncio]

every_medium = pytest.mark.parametrize("wire", MEDIA, ids=str, indirect=True)

SIZES = [0, 1, 56, 1472, 1473, 8000, 65_000]
"""Octets of payload: with 1472 a datagram of 1500 octets is full."""


def echo_request(sequence: int, payload: bytes) -> bytes:
    """RFC 792, identifier 7."""
    bare = pack("!BBHHH", 8, 0, 0, 7, sequence) + payload
    return bare[:2] + checksum(bare).to_bytes(2, "big") + bare[4:]


@every_medium
async def test_the_kernel_pings_us(world: World) -> None:
    loop = asyncio.get_running_loop()
    with world.kernel.socket(socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.connect((OURS, 0))
        for sequence, size in enumerate(SIZES):
            payload = os.urandom(size)
            sock.send(echo_request(sequence, payload))
            reply = await asyncio.wait_for(loop.sock_recv(sock, 70_000), 2)
            assert reply[20:22] == b"\0\0"
            assert reply[24:] == pack("!HH", 7, sequence) + payload


async def ping(world: World, destination: str, sequence: int, payload: bytes) -> EchoReply:
    """What comes of an echo request of ours."""
    icmp = world.stack.icmp
    icmp.send_echo(parse_address(destination), 7, sequence, payload, world.now())
    world.host.pump.kick()
    replies: list[EchoReply] = []

    def has_come() -> bool:
        if (reply := icmp.poll_reply()) is not None:
            replies.append(reply)
        return bool(replies)

    await until(has_come)
    return replies[0]


@every_medium
async def test_we_ping_the_kernel(world: World) -> None:
    for sequence, size in enumerate(SIZES):
        payload = os.urandom(size)
        reply = await ping(world, KERNEL, sequence, payload)
        assert (reply.kind, reply.sequence, reply.payload, reply.ttl) == ("reply", sequence, payload, 64)
        assert reply.source == parse_address(KERNEL)


def neighbours(world: World) -> dict[str, dict[str, object]]:
    """The kernel's, by address."""
    listing = json.loads(world.wire.namespace.run(["ip", "-json", "neighbour"]).stdout)
    return {entry["dst"]: entry for entry in listing}


async def test_each_end_learns_the_others_mac(world: World) -> None:
    await ping(world, KERNEL, 1, b"")
    ours = neighbours(world)[OURS]
    assert ours["lladdr"] == format_mac(world.wire.link.mac)
    assert ours["state"] in (["REACHABLE"], ["DELAY"], ["STALE"])
    entry = world.stack.neighbors.get(world.interface, parse_address(KERNEL))
    assert entry is not None
    with world.wire.namespace.enter():
        assert entry.mac == ask_device(world.wire.name).mac


async def test_an_address_that_nobody_has_is_unreachable_to_both(world: World) -> None:
    nobody = "192.0.2.77"
    with pytest.raises(OSError) as ours:
        await asyncio.wait_for(world.ours.connect(nobody), 10)
    assert ours.value.errno == errno.EHOSTUNREACH
    with pytest.raises(OSError) as theirs:
        await asyncio.wait_for(world.kernel.connect(nobody), 10)
    assert theirs.value.errno == errno.EHOSTUNREACH
    assert nobody not in neighbours(world) or neighbours(world)[nobody]["state"] == ["FAILED"]


NEW_MAC = b"\x02\0\0\0\0\x99"


async def test_we_follow_a_kernel_that_changes_its_mac(world: World) -> None:
    await ping(world, KERNEL, 1, b"")
    with world.wire.namespace.enter():
        set_sysctl(f"net/ipv4/conf/{world.wire.name}/arp_notify", "1")
        configure(world.wire.name, LinkSettings(up=False))
        configure(world.wire.name, LinkSettings(mac=NEW_MAC))
    # Its claim alone is not believed (ArpConfig.trust_claims): the old MAC is asked, and then everybody.
    with world.kernel.socket(socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.connect((OURS, 0))
        for sequence in range(40):
            sock.send(echo_request(sequence, b""))
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 100), 0.2)
                break
    entry = world.stack.neighbors.get(world.interface, parse_address(KERNEL))
    assert entry is not None
    assert entry.mac == NEW_MAC


class Echo(asyncio.DatagramProtocol):
    """RFC 862 over UDP."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # the kernel's is no DatagramTransport in Python 3.11

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


@every_medium
async def test_the_kernels_datagrams_come_back_from_us(world: World) -> None:
    """Those of more than 1472 octets travel in fragments."""
    transport, _ = await world.host.create_datagram_endpoint(Echo, local_addr=(OURS, PORT))
    loop = asyncio.get_running_loop()
    with world.kernel.socket(socket.SOCK_DGRAM) as sock:
        sock.connect((OURS, PORT))
        for size in SIZES:
            letter = os.urandom(size)
            sock.send(letter)
            assert await asyncio.wait_for(loop.sock_recv(sock, 70_000), 2) == letter
    transport.close()


@every_medium
async def test_our_datagrams_come_back_from_the_kernel(world: World) -> None:
    with world.kernel.socket(socket.SOCK_DGRAM) as sock:
        sock.bind((KERNEL, PORT))
        far, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, sock=sock)
        near, mailbox = await world.host.create_datagram_endpoint(Mailbox, remote_addr=(KERNEL, PORT))
        for size in SIZES[1:]:  # asyncio's kernel transport sends no empty datagrams before Python 3.12.
            letter = os.urandom(size)
            near.sendto(letter)
            assert await asyncio.wait_for(mailbox.letters.get(), 2) == letter
        near.close()
        far.close()
    counters = world.kernel.counters()
    assert counters["IpReasmOKs"] == 3
    assert counters["IpReasmFails"] == 0


async def test_a_datagram_to_a_closed_port_is_refused_in_both_directions(world: World) -> None:
    near, mailbox = await world.host.create_datagram_endpoint(Mailbox, remote_addr=(KERNEL, PORT))
    near.sendto(b"anybody?")
    assert isinstance(await asyncio.wait_for(mailbox.errors.get(), 2), ConnectionRefusedError)
    near.close()
    with world.kernel.socket(socket.SOCK_DGRAM) as sock:
        sock.connect((OURS, PORT))
        sock.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 10), 2)
