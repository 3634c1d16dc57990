"""Two hosts of ours in the running event loop, joined by a cable of memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from halfopen.aio.host import Host
from halfopen.aio.loop import LoopOverStack
from halfopen.aio.memory import MemoryCable, MemoryPump, Plug
from halfopen.aio.names import Names
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.interface import Offloads
from halfopen.stack.stack import Stack

NAMES = {"client": "192.0.2.1", "server": "192.0.2.2"}
OFFLOADS = Offloads(checksum=True, gso_octets=65535)


def make_host(
    loop: asyncio.AbstractEventLoop, name: str, offloads: Offloads, config: StackConfig | None = None
) -> tuple[Host, Plug]:
    stack = Stack(config or StackConfig(), SeededRng(name))
    settings = InterfaceConfig(name="eth0", kind="ethernet", addresses=(f"{NAMES[name]}/24",), offloads=offloads)
    interface = stack.add_interface(settings)
    pump = MemoryPump(stack, loop)
    return Host(stack, pump, Names(NAMES), program=name), (pump, interface)


@asynccontextmanager
async def two_hosts(
    offloads: Offloads = OFFLOADS, config: StackConfig | None = None
) -> AsyncIterator[tuple[Host, Host]]:
    loop = asyncio.get_running_loop()
    client, client_plug = make_host(loop, "client", offloads, config)
    server, server_plug = make_host(loop, "server", offloads, config)
    MemoryCable(client_plug, server_plug)
    try:
        yield client, server
    finally:
        client.pump.close()
        server.pump.close()


def lone_host(loop: asyncio.AbstractEventLoop) -> Host:
    """One host that talks to itself by loopback."""
    return make_host(loop, "server", OFFLOADS)[0]


def loop_over_stack() -> LoopOverStack:
    return LoopOverStack(lone_host)


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop run until ``condition`` holds; the test's timeout ends it otherwise."""
    while not condition():
        await asyncio.sleep(0.001)
