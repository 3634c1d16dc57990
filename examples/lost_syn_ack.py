"""The SYN,ACK is lost, and nothing else: the handshake as a ladder, from the capture."""

import asyncio
import io

from halfopen.capture.pcapng import Reader
from halfopen.report.dissect import ladder_of
from halfopen.sim.network import Network
from halfopen.sim.rules import drop


async def client() -> None:
    _, writer = await asyncio.open_connection("server", 7)
    writer.close()
    await asyncio.sleep(3)


async def main() -> None:
    await server.run(asyncio.start_server(lambda reader, writer: writer.close(), port=7))
    with wire.rule(drop(syn=True, ack=True, nth=1)):
        await net.hosts["client"].run(client())


capture = io.BytesIO()
with Network(seed=1) as net:
    server = net.host("server")
    wire = net.link(net.host("client"), server, "delay 20ms")
    net.capture(capture)
    net.run(main())
capture.seek(0)
print(ladder_of(reader := Reader(capture), relative=True, names=reader.names).as_text())
