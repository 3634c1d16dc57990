"""Captures of simulated networks, for the tests of `halfopen.report`."""

import asyncio
import io
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache

from halfopen.base.addresses import Address
from halfopen.capture.pcapng import Reader
from halfopen.capture.record import Record
from halfopen.report.flows import Flow, flows_of
from halfopen.sim.network import Network
from halfopen.sim.rules import Rule

Capture = tuple[list[Record], dict[Address, str]]


async def transfer(client, server, octets: int, pause: float = 0.0) -> None:
    """Sends ``octets`` from client to server, which begins to read after ``pause`` seconds, and answers ``done``."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(pause)
        while await reader.read(65536):
            pass
        writer.write(b"done")
        writer.close()

    async def listen() -> None:
        await asyncio.start_server(answer, port=80)

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("server", 80)
        writer.write(bytes(octets))
        writer.write_eof()
        assert await reader.read() == b"done"
        writer.close()
        await writer.wait_closed()

    await server.run(listen())
    await client.run(ask())
    await asyncio.sleep(1)


def read(file: io.BytesIO) -> Capture:
    file.seek(0)
    reader = Reader(file)
    return list(reader), reader.names


@cache
def two_hosts(
    words: str, octets: int = 100_000, *, pause: float = 0.0, rule: Callable[[], Rule] | None = None
) -> Capture:
    """A transfer between two hosts on one cable."""
    file = io.BytesIO()
    with Network(seed=1) as network:
        client, server = network.host("client"), network.host("server")
        cable = network.link(client, server, words)
        network.capture(file)
        with cable.rule(rule()) if rule else nullcontext():
            network.run(transfer(client, server, octets, pause))
    return read(file)


@cache
def over_a_router(octets: int = 20_000) -> Capture:
    """A transfer from client over r1 to server, 5 ms and 20 ms away from it."""
    file = io.BytesIO()
    with Network(seed=1) as network:
        client, server, router = network.host("client"), network.host("server"), network.router("r1")
        network.link(client, router, "delay 5ms")
        network.link(router, server, "delay 20ms")
        network.capture(file)
        network.run(transfer(client, server, octets))
    return read(file)


def only_flow(capture: Capture) -> Flow:
    (flow,) = flows_of(capture[0])
    return flow
