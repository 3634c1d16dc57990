"""How fast one connection moves data between halfopen and the kernel, beside the kernel with itself over veth."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from bench.peers import CHUNK, PORT
from bench.question import Question
from bench.worlds import KERNEL, Peer, make_host, tun_world, veth_world
from halfopen.aio.host import Host

SECONDS = 2.0


class Filling(asyncio.Protocol):
    """Writes for ``SECONDS`` whenever the transport takes more, then ends the stream."""

    def __init__(self) -> None:
        self._chunk = bytes(CHUNK)
        self._may_write = True
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._end = time.monotonic() + SECONDS
        self._write()

    def pause_writing(self) -> None:
        """The transport has enough."""
        self._may_write = False

    def resume_writing(self) -> None:
        """It takes more."""
        self._may_write = True
        self._write()

    def connection_lost(self, exc: Exception | None) -> None:
        """Over."""
        if exc is None:
            self.lost.set_result(None)
        else:
            self.lost.set_exception(exc)

    def _write(self) -> None:
        while self._may_write and time.monotonic() < self._end:
            self._transport.write(self._chunk)
        if self._may_write:
            self._transport.write_eof()


class Draining(asyncio.Protocol):
    """Counts what arrives, and how long that takes from the first octets on."""

    def __init__(self) -> None:
        self._octets = 0
        self._started = 0.0
        self.rate = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Counts."""
        if not self._octets:
            self._started = time.monotonic()
        self._octets += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer has sent all."""
        if exc is None:
            self.rate.set_result(self._octets / (time.monotonic() - self._started))
        else:
            self.rate.set_exception(exc)


async def fill(host: Host, address: str) -> None:
    """From us to the sink at ``address``."""
    _, protocol = await host.create_connection(Filling, address, PORT)
    await protocol.lost


async def drain(host: Host, address: str) -> float:
    """From the source at ``address`` to us: octets per second."""
    _, protocol = await host.create_connection(Draining, address, PORT)
    return float(await protocol.rate)


def to_kernel(*, offload: bool) -> float:
    """halfopen sends, the kernel receives."""

    async def run() -> None:
        host = make_host(link)
        await fill(host, KERNEL)
        host.pump.close()

    with tun_world(offload=offload) as (kernel, link), Peer(kernel, "sink") as peer:
        peer.wait_until_ready()
        asyncio.run(run())
        return peer.figure()


def from_kernel(*, offload: bool) -> float:
    """The kernel sends, halfopen receives."""

    async def run() -> float:
        host = make_host(link)
        rate = await drain(host, KERNEL)
        host.pump.close()
        return rate

    with tun_world(offload=offload) as (kernel, link), Peer(kernel, "source", str(SECONDS)) as peer:
        peer.wait_until_ready()
        return asyncio.run(run())


def between_kernels(*, offload: bool) -> float:
    """The kernel sends to the kernel, over veth."""
    with veth_world(offload=offload) as (first, second), Peer(first, "sink") as sink:
        sink.wait_until_ready()
        with Peer(second, "send", KERNEL, str(SECONDS)) as sender:
            figure = sink.figure()
            sender.wait()
            return figure


def _question(direction: str, ours: Callable[..., float], *, offload: bool, target: float) -> Question:
    frames = "64 KB super-segments" if offload else "1500-octet frames without offloads"
    return Question(
        name=f"bulk-{direction}-kernel" + ("" if offload else "-frames"),
        says=f"one connection {direction} the kernel over TUN, {frames}",
        unit="B/s",
        subjects={"halfopen": partial(ours, offload=offload), "kernel-veth": partial(between_kernels, offload=offload)},
        target=target,
    )


QUESTIONS = (
    _question("to", to_kernel, offload=True, target=1.5e9),
    _question("from", from_kernel, offload=True, target=0.6e9),
    _question("to", to_kernel, offload=False, target=100e6),
    _question("from", from_kernel, offload=False, target=100e6),
)
