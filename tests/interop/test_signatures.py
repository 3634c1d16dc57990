"""Signed connections between the kernel and us: TCP MD5 everywhere, TCP-AO where the kernel has it (Linux 6.7)."""

import asyncio
import errno
import os
import socket
import struct

import pytest

from halfopen.tcp.master_keys import MasterKey, Md5Key
from tests.interop.world import (
    KERNEL,
    MEDIA,
    NEEDS,
    OURS,
    KernelSide,
    Side,
    World,
    echo,
    finish,
    served,
)

pytestmark = [*NEEDS, pytest.mark.asyncio]

TCP_MD5SIG = 14
TCP_AO_ADD_KEY = 38
EXCLUDE_OPTIONS = 2
SECRET = b"between the kernel and us"
LINUX_NAMES = {"HMAC-SHA-1-96": b"hmac(sha1)", "AES-128-CMAC-96": b"cmac(aes128)"}

either_opens = pytest.mark.parametrize("opener", ["ours", "kernel"])


def sockaddr(address: str) -> bytes:
    """``struct sockaddr_storage``."""
    return struct.pack("=HH4s120x", socket.AF_INET, 0, socket.inet_aton(address))


def md5_option(secret: bytes) -> tuple[int, bytes]:
    """``struct tcp_md5sig``."""
    return TCP_MD5SIG, sockaddr(OURS) + struct.pack("=BBHI80s", 0, 0, len(secret), 0, secret)


def ao_option(key: MasterKey) -> tuple[int, bytes]:
    """``struct tcp_ao_add``, of the same tuple seen from the kernel's end."""
    flags = 0 if key.covers_options else EXCLUDE_OPTIONS
    ids = (32, key.receive_id, key.send_id, 12, flags, len(key.secret))
    name = LINUX_NAMES[key.algorithm]
    return TCP_AO_ADD_KEY, sockaddr(OURS) + struct.pack("=64siIH6B80s", name, 0, 0, 0, *ids, key.secret)


class SignedKernel(KernelSide):
    """The kernel's end, all of whose sockets have a key."""

    def __init__(self, world: World, option: tuple[int, bytes]) -> None:
        super().__init__(world.kernel.namespace)
        self.option = option

    def socket(self, kind: socket.SocketKind = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        made = super().socket(kind, protocol)
        try:
            made.setsockopt(socket.IPPROTO_TCP, *self.option)
        except OSError as error:
            made.close()
            if error.errno == errno.ENOPROTOOPT:
                pytest.skip("this system lacks CONFIG_TCP_AO or CONFIG_TCP_MD5SIG in its kernel")
            raise
        return made


async def talk(world: World, kernel: Side, opener: str) -> None:
    """A transfer there and back, and an orderly end."""
    active, passive = (world.ours, kernel) if opener == "ours" else (kernel, world.ours)
    text = os.urandom(300_007)
    async with served(passive, echo):
        reader, writer = await active.connect(passive.address)

        async def write() -> None:
            writer.write(text)
            await writer.drain()
            writer.write_eof()

        _, received = await asyncio.gather(write(), reader.read())
        assert received == text
        await finish(writer)


@pytest.mark.parametrize("wire", MEDIA, ids=str, indirect=True)
@either_opens
async def test_a_connection_signed_by_md5_carries_a_stream_there_and_back(world: World, opener: str) -> None:
    world.stack.tcp.add_key(Md5Key(secret=SECRET, peer=KERNEL))
    await talk(world, SignedKernel(world, md5_option(SECRET)), opener)
    counters = world.stack.counters
    assert not counters["TCPMD5Failure"] + counters["TCPMD5NotFound"]
    assert not world.kernel.counters().get("TcpExtTCPMD5Failure", 0)


async def test_the_kernel_and_we_drop_each_others_segments_under_another_key(world: World) -> None:
    world.stack.tcp.add_key(Md5Key(secret=b"something else", peer=KERNEL))
    kernel = SignedKernel(world, md5_option(SECRET))
    async with served(world.ours, echo):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(kernel.connect(OURS), 1.5)
    assert world.stack.counters["TCPMD5Failure"] >= 1


@pytest.mark.parametrize("algorithm", sorted(LINUX_NAMES))
@pytest.mark.parametrize("covers_options", [True, False])
@either_opens
async def test_a_connection_signed_by_tcp_ao_carries_a_stream_there_and_back(
    world: World, opener: str, algorithm: str, covers_options: bool
) -> None:
    key = MasterKey(
        secret=SECRET, send_id=3, receive_id=5, algorithm=algorithm, covers_options=covers_options, peer=KERNEL
    )
    world.stack.tcp.add_key(key)
    await talk(world, SignedKernel(world, ao_option(key)), opener)
    counters = world.stack.counters
    assert counters["TCPAOGood"]
    assert not counters["TCPAOBad"] + counters["TCPAORequired"]
    assert not world.kernel.counters().get("TcpExtTCPAOBad", 0)
