"""Into a black hole: how long Linux's defaults let a program wait that has no timeout of its own."""

import asyncio

from halfopen.sim.network import Network


async def client(net: Network) -> None:
    reader, writer = await asyncio.open_connection("server", 7)
    net.partition(net.hosts["client"], net.hosts["server"])
    for attempt in ("connect", "write"):
        began = net.elapsed
        try:
            if attempt == "connect":
                await asyncio.open_connection("server", 7)
            writer.write(b"Is anybody there?")
            await reader.read()
        except OSError as error:
            print(f"{attempt}: after {net.elapsed - began:.0f} s: {error.strerror}")


async def main(net: Network) -> None:
    await net.hosts["server"].run(asyncio.start_server(lambda reader, writer: asyncio.sleep(3600), port=7))
    await net.hosts["client"].run(client(net))


with Network(seed=1) as net:
    net.link(net.host("client"), router := net.router("router"), "delay 1ms")
    net.link(router, net.host("server"), "delay 1ms")
    net.run(main(net))
