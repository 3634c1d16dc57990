"""A peer loses its power. Nothing comes any more, no FIN and no RST: only keep-alive finds out."""

import asyncio
import socket

from halfopen.sim.network import Network


async def client(net: Network) -> None:
    reader, writer = await asyncio.open_connection("server", 7)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    net.hosts["server"].power_off()
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
