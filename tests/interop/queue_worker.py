"""``python -m tests.interop.queue_worker DEVICE ADDRESS PORT``: serves with a queue of its own, echoing.

Each connection is told first by which process.
"""

import asyncio
import os
import sys

from halfopen.links.hosts import make_host
from halfopen.links.tuntap import TunTapQueue


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"{os.getpid():8}".encode())
    while octets := await reader.read(1 << 16):
        writer.write(octets)
        await writer.drain()
    writer.close()


async def main(device: str, address: str, port: str) -> None:
    with TunTapQueue(device, "ip") as queue:
        host = make_host(asyncio.get_running_loop(), queue, f"{address}/24")
        server = await host.start_server(echo, address, int(port))
        print("ready", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
