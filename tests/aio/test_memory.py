import asyncio

import pytest

from halfopen.aio.host import Host
from halfopen.aio.memory import MemoryCable, MemoryPump
from halfopen.base.addresses import parse_address
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig, IpConfig, StackConfig
from halfopen.stack.interface import Interface
from halfopen.stack.internet import default_route
from halfopen.stack.stack import Stack
from halfopen.wire.packet import Packet

pytestmark = pytest.mark.asyncio


def make(name: str, *addresses: str, forwarding: bool = False) -> MemoryPump:
    stack = Stack(StackConfig(ip=IpConfig(forwarding=forwarding)), SeededRng(name))
    for number, address in enumerate(addresses):
        stack.add_interface(InterfaceConfig(name=f"eth{number}", kind="ethernet", addresses=(address,)))
    return MemoryPump(stack, asyncio.get_running_loop())


async def test_a_router_joins_two_cables() -> None:
    left = make("left", "192.0.2.2/24")
    router = make("router", "192.0.2.1/24", "198.51.100.1/24", forwarding=True)
    right = make("right", "198.51.100.2/24")
    left.stack.routes.add(default_route(left.stack.interfaces[0], parse_address("192.0.2.1")))
    right.stack.routes.add(default_route(right.stack.interfaces[0], parse_address("198.51.100.1")))
    seen: list[tuple[int, Interface, Packet]] = []
    MemoryCable((left, left.stack.interfaces[0]), (router, router.stack.interfaces[0]))
    far_cable = (router, router.stack.interfaces[1])
    MemoryCable(far_cable, (right, right.stack.interfaces[0]), lambda *what: seen.append(what))
    client, server = Host(left.stack, left), Host(right.stack, right)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()
        await writer.wait_closed()

    listening = await server.start_server(echo, None, 7)
    reader, writer = await client.open_connection("198.51.100.2", 7)
    writer.write(b"through a router " * 1000)
    writer.write_eof()
    assert await reader.read() == b"through a router " * 1000
    writer.close()
    await writer.wait_closed()
    listening.close()
    await listening.wait_closed()
    assert {interface for _, interface, _ in seen} == {far_cable[1], right.stack.interfaces[0]}
    times = [when for when, _, _ in seen]
    assert times == sorted(times)
    for pump in (left, router, right):
        pump.close()


async def test_packets_without_a_cable_are_counted() -> None:
    pump = make("lonely", "192.0.2.2/24")
    pump.stack.icmp.send_echo(parse_address("192.0.2.3"), 1, 1, b"", pump.now())
    pump.kick()
    pump.kick()
    await asyncio.sleep(0.01)
    assert pump.stack.counters["MemoryNoCable"] == 1
    pump.close()
