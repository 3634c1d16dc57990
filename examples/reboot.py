"""A peer that has rebooted remembers nothing: it answers what it does not know with RST."""

import asyncio

from halfopen.sim.network import Network


async def client(net: Network) -> None:
    reader, writer = await asyncio.open_connection("server", 7)
    net.hosts["server"].power_off()
    await asyncio.sleep(60)
    net.hosts["server"].power_on()
    writer.write(b"Are you still there?")
    began = net.elapsed
    try:
        await reader.read()
    except OSError as error:
        print(f"after {net.elapsed - began:.3f} s: {error.strerror}")


async def main(net: Network) -> None:
    await net.hosts["server"].run(asyncio.start_server(lambda reader, writer: asyncio.sleep(3600), port=7))
    await net.hosts["client"].run(client(net))


with Network(seed=1) as net:
    net.link(net.host("client"), net.host("server"), "delay 20ms")
    net.run(main(net))
