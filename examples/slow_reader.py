"""A reader that is slow closes the window, and the back-pressure reaches the writer's drain()."""

import asyncio

from halfopen.sim.network import Network


async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)
    while await reader.read(65536):
        pass


async def client(net: Network) -> None:
    _, writer = await asyncio.open_connection("server", 7)
    for megabyte in range(1, 13):
        writer.write(bytes(1_000_000))
        await writer.drain()
        print(f"{net.elapsed:7.3f} s: megabyte {megabyte} is on its way")


async def main(net: Network) -> None:
    await net.hosts["server"].run(asyncio.start_server(slow, port=7))
    await net.hosts["client"].run(client(net))


with Network(seed=1) as net:
    net.link(net.host("client"), net.host("server"), "delay 1ms rate 1gbit")
    net.run(main(net))
