"""Two processes have a queue each of one TUN, and serve the same port of one address: the kernel's hash says who."""

import asyncio
import socket
from multiprocessing import get_context

from halfopen.links.hosts import make_host
from halfopen.links.interfaces import LinkSettings, configure
from halfopen.links.namespaces import enter_private_namespace
from halfopen.links.tuntap import TunTapQueue


def work(queue: TunTapQueue, name: bytes) -> None:
    asyncio.run(serve(queue, name))


async def serve(queue: TunTapQueue, name: bytes) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name)
        writer.close()

    host = make_host(asyncio.get_running_loop(), queue, "192.0.2.2/24")
    async with await host.start_server(greet, "192.0.2.2", 7):
        await asyncio.get_running_loop().create_future()


enter_private_namespace()
queues = {name: TunTapQueue("tun0", "ip") for name in (b"first", b"second")}
configure("tun0", LinkSettings(addresses=("192.0.2.1/24",), ipv6=False))
for name, queue in queues.items():
    get_context("fork").Process(target=work, args=(queue, name), daemon=True).start()
greetings = []
for _ in range(50):
    with socket.create_connection(("192.0.2.2", 7)) as connection:
        greetings.append(connection.recv(10))
print(f"{len(greetings)} greetings, by {sorted(set(greetings))}")
