"""A topology from a file, a transfer across it, and a report of everything in one HTML file."""

import asyncio
import io
from pathlib import Path

from halfopen.capture.pcapng import Reader
from halfopen.report.page import make_report
from halfopen.sim.network import Network
from halfopen.sim.topology import Topology


async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    print(f"bob has {len(await reader.read())} octets after {net.elapsed:.3f} s")
    writer.close()


async def send() -> None:
    reader, writer = await asyncio.open_connection("bob", 7)
    writer.write(bytes(1_000_000))
    writer.write_eof()
    await reader.read()


async def main() -> None:
    await net.hosts["bob"].run(asyncio.start_server(receive, port=7))
    await net.hosts["alice"].run(send())


capture = io.BytesIO()
with Network(seed=1, topology=Topology.load(Path(__file__).with_name("lab.yaml"))) as net:
    net.capture(capture)
    net.run(main())
    picture = net.topology.as_svg()
capture.seek(0)
reader = Reader(capture)
report = make_report(list(reader), names=reader.names, title="Two offices", topology_svg=picture)
Path("two-offices.html").write_text(report.as_html({"seed": 1}))
