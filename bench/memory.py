"""What an idle connection holds: everything from the transport down, at one of its two ends."""

import asyncio
import gc
import tracemalloc

from bench.question import Question
from bench.worlds import stack_config
from halfopen.aio.host import Host
from halfopen.aio.memory import MemoryCable, MemoryPump, Plug
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig
from halfopen.stack.stack import Stack

CONNECTIONS = 2000
AT_ONCE = 50
PORT = 7000
SECONDS = 1.5
"""Until the last delayed ACK has gone, and the last timer of a handshake has been found to be off."""


class Idle(asyncio.Protocol):
    """Does nothing, and holds nothing."""

    __slots__ = ()


def per_connection() -> float:
    """Octets per end, as tracemalloc counts them."""
    return asyncio.run(_measure())


async def _measure() -> float:
    client, server = hosts_on_a_cable()
    await server.create_server(Idle, "192.0.2.2", PORT, backlog=1024)
    await client.create_connection(Idle, "192.0.2.2", PORT)
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(CONNECTIONS // AT_ONCE):
        opening = [client.create_connection(Idle, "192.0.2.2", PORT) for _ in range(AT_ONCE)]
        await asyncio.gather(*opening)
    await asyncio.sleep(SECONDS)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    for host in (client, server):
        host.pump.close()
    return held / (2 * CONNECTIONS)


def hosts_on_a_cable() -> tuple[Host, Host]:
    """192.0.2.1 and 192.0.2.2, in the running loop."""
    (client, client_plug), (server, server_plug) = _host("192.0.2.1"), _host("192.0.2.2")
    MemoryCable(client_plug, server_plug)
    return client, server


def _host(address: str) -> tuple[Host, Plug]:
    stack = Stack(stack_config(), SeededRng(address))
    interface = stack.add_interface(InterfaceConfig(name="tun0", kind="ip", addresses=(f"{address}/24",)))
    pump = MemoryPump(stack, asyncio.get_running_loop())
    return Host(stack, pump), (pump, interface)


QUESTIONS = (
    Question(
        name="memory-per-connection",
        says=f"{CONNECTIONS} idle connections between two hosts over a cable of memory, transports included; one end",
        unit="B",
        subjects={"halfopen": per_connection},
        target=4096,
        is_cost=True,
    ),
)
