"""A NAT forgets an idle flow without a word: the pooled connection hangs, unless keep-alive keeps the flow alive."""

import asyncio
import socket

from halfopen.sim.network import Network


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(100):
        writer.write(octets)


async def client(idle: int | None) -> str:
    reader, writer = await asyncio.open_connection("server", 7)
    if idle is not None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    await asyncio.sleep(1000)
    writer.write(b"hello again")
    try:
        return f"{await asyncio.wait_for(reader.read(100), 60)!r}"
    except OSError as error:
        return f"no answer within a minute ({type(error).__name__})"


async def main(net: Network) -> None:
    await net.hosts["server"].run(asyncio.start_server(echo, port=7))
    for idle in (None, 300):
        print(f"TCP_KEEPIDLE {idle}: {await net.hosts['client'].run(client(idle))}")


with Network(seed=1) as net:
    nat = net.nat("nat", idle_timeout=600, on_expire="drop")
    net.link(net.host("client"), nat)
    net.link(nat, net.host("server"), "delay 20ms")
    net.run(main(net))
