"""10 MB over 10 Mbit/s take as long as the wire needs for the frames, not two latencies."""

import asyncio

from halfopen.sim.network import Network

done: asyncio.Event = asyncio.Event()


async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    octets = len(await reader.read())
    print(f"{octets} octets are there after {net.elapsed:.3f} s")
    done.set()


async def client() -> None:
    _, writer = await asyncio.open_connection("server", 7)
    writer.write(bytes(10_000_000))
    writer.write_eof()


async def main() -> None:
    await net.hosts["server"].run(asyncio.start_server(sink, port=7))
    await net.hosts["client"].run(client())
    await done.wait()


with Network(seed=1) as net:
    net.link(net.host("client"), net.host("server"), "delay 10ms rate 10mbit")
    net.run(main())
