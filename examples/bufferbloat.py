"""One upload, one ping: a deep queue holds the echo up for seconds, CoDel keeps it short."""

import asyncio

from halfopen.sim.network import Network


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def upload() -> None:
    _, writer = await asyncio.open_connection("server", 7)
    while True:
        writer.write(bytes(100_000))
        await writer.drain()


async def main(net: Network) -> None:
    server, client = net.hosts["server"], net.hosts["client"]
    await server.run(asyncio.start_server(swallow, port=7))
    task = client.run(upload())
    await asyncio.sleep(20)
    print(await client.ping("server"))
    task.cancel()


for queue in ("limit 1000", "codel limit 1000"):
    print(f"--- {queue}")
    with Network(seed=1) as net:
        net.link(net.host("client"), net.host("server"), f"delay 20ms rate 10mbit {queue}")
        net.run(main(net))
