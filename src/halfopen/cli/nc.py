"""``halfopen nc``: standard input and output over a connection of ours."""

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial

import click

from halfopen.aio.host import Host
from halfopen.base.addresses import IPV6_ANY, Address, format_address
from halfopen.cli.device import Attachment, run_on_device
from halfopen.cli.device_options import DeviceOptions, device_options
from halfopen.cli.interrupts import until_interrupted
from halfopen.cli.parameters import host_in_url, listening_address, port_number

CHUNK = 256 * 1024


@click.command("nc", short_help="Connect standard input and output to a peer, over our TCP.")
@click.argument("host", type=listening_address)
@click.argument("port", type=port_number)
@click.option(
    "-l",
    "--listen",
    is_flag=True,
    help="Wait for one connection to HOST PORT of ours; 0.0.0.0 is all of IPv4, :: of both versions.",
)
@device_options
def command(host: Address, port: int, listen: bool, **options: object) -> int:
    """Connect standard input and output to HOST PORT, or with -l to the first who connects there.

    The end of standard input closes our direction; the command ends when the peer has closed its own.
    """
    device = DeviceOptions(**options)  # type: ignore[arg-type]  # click has converted each
    return run_on_device(device, partial(_main, where=(host, port), listen=listen))


async def _main(host: Host, attachment: Attachment, *, where: tuple[Address, int], listen: bool) -> int:
    click.echo(attachment.hint(), err=True)
    work: Coroutine[object, object, int] = _listen(host, where) if listen else _connect(host, where)
    return await until_interrupted("nc", work) or 0


async def _connect(host: Host, where: tuple[Address, int]) -> int:
    reader, writer = await host.open_connection(format_address(where[0]), where[1])
    return await _exchange(reader, writer)


async def _listen(host: Host, where: tuple[Address, int]) -> int:
    first: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = host.pump.loop.create_future()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first.done():
            writer.transport.abort()
        else:
            first.set_result((reader, writer))

    address = None if where[0] == IPV6_ANY else format_address(where[0])
    server = await host.start_server(accept, address, where[1])
    reader, writer = await first
    server.close()
    peer = writer.get_extra_info("peername")
    click.echo(f"{host_in_url(peer[0])}:{peer[1]} has connected", err=True)
    return await _exchange(reader, writer)


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """Until both directions are closed; 1 if the connection broke. Nobody at a terminal is waited for."""
    feeder = Feeder(writer)
    feeder.start()
    try:
        while data := await reader.read(CHUNK):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        if not sys.stdin.isatty():
            await feeder.ended
        writer.close()
        await writer.wait_closed()
    except ConnectionError as error:
        click.echo(f"halfopen nc: {error.strerror or error}", err=True)
        return 1
    return 0


class Feeder(threading.Thread):
    """Reads standard input, whatever kind of file that is, and waits whenever the connection does not take more.

    A daemon: a terminal that nobody types at cannot keep the command from ending.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(name="halfopen-stdin", daemon=True)
        self._loop = asyncio.get_running_loop()
        self._writer = writer
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def run(self) -> None:
        """Until the end of the file, or of the connection."""
        going_on = True
        while going_on:
            data = os.read(0, CHUNK)
            try:
                going_on = asyncio.run_coroutine_threadsafe(self._send(data), self._loop).result()
            except RuntimeError:
                return  # The loop has been closed meanwhile.

    async def _send(self, data: bytes) -> bool:
        """Whether more may come."""
        writer = self._writer
        if data and not writer.is_closing():
            writer.write(data)
            with suppress(ConnectionError):
                await writer.drain()
        if data and not writer.is_closing():
            return True
        if not writer.is_closing():
            writer.write_eof()
        self.ended.set_result(None)
        return False
