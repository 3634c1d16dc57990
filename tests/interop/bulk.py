"""Bulk transfers between the kernel's `kernel_peer` and us, or between two kernels."""

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from halfopen.links.namespaces import Namespace
from tests.interop import kernel_peer
from tests.interop.world import KERNEL, OURS, PORT, World

PROGRAM = str(Path(kernel_peer.__file__))


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What came of one: at whose end and how fast, and what the receiver summed."""

    octets: int
    seconds: float
    sha256: str

    @property
    def megabytes_per_second(self) -> float:
        return self.octets / self.seconds / 1e6


class Sink(asyncio.Protocol):
    """Sums all that comes and closes."""

    def __init__(self) -> None:
        self.summed = hashlib.sha256()
        self.octets = 0
        self.seconds = 0.0
        self._started = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._started = time.monotonic()

    def data_received(self, data: bytes) -> None:
        self.summed.update(data)
        self.octets += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.seconds = time.monotonic() - self._started
        if exc is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(exc)

    def result(self) -> Transfer:
        return Transfer(octets=self.octets, seconds=self.seconds, sha256=self.summed.hexdigest())


async def _program(namespace: Namespace, *arguments: str) -> asyncio.subprocess.Process:
    command = namespace.prefix(sys.executable, PROGRAM, *arguments)
    return await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)


async def _outcome(process: asyncio.subprocess.Process) -> Transfer:
    output, _ = await process.communicate()
    assert process.returncode == 0
    return Transfer(**json.loads(output.splitlines()[-1]))


async def from_kernel(world: World, octets: int, *, we_listen: bool = True) -> Transfer:
    """The kernel sends ``octets`` to us."""
    sink = Sink()
    if we_listen:
        server = await world.host.create_server(lambda: sink, OURS, PORT)
        process = await _program(world.wire.namespace, "connect", "send", OURS, str(PORT), str(octets))
        await sink.done
        server.close()
    else:
        process = await _program(world.wire.namespace, "listen", "send", KERNEL, str(PORT), str(octets))
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        await world.host.create_connection(lambda: sink, KERNEL, PORT)
        await sink.done
    await _outcome(process)
    return sink.result()


async def to_kernel(world: World, octets: int, *, we_listen: bool = True) -> Transfer:
    """We send ``octets`` to the kernel."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for block in kernel_peer.blocks(octets):
            writer.write(block)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    if we_listen:
        server = await world.ours.serve(send)
        process = await _program(world.wire.namespace, "connect", "receive", OURS, str(PORT), str(octets))
        outcome = await _outcome(process)
        server.close()
        return outcome
    process = await _program(world.wire.namespace, "listen", "receive", KERNEL, str(PORT), str(octets))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    await send(*await world.ours.connect(KERNEL))
    return await _outcome(process)


@contextmanager
def _running(namespace: Namespace, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = namespace.popen([sys.executable, PROGRAM, *arguments], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def between_kernels(sender: Namespace, receiver: Namespace, address: str, octets: int) -> Transfer:
    """One kernel to another: ``address`` is that of the sender, who listens."""
    with _running(sender, "listen", "send", address, str(PORT), str(octets)) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == b"ready\n"
        command = [sys.executable, PROGRAM, "connect", "receive", address, str(PORT), str(octets)]
        output = receiver.run(command, timeout=100).stdout
        assert serving.wait(10) == 0
    return Transfer(**json.loads(output))
