"""``halfopen serve``: a directory or a web application over our TCP."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path

import click

from halfopen.aio.host import Host
from halfopen.cli.device import Attachment, run_on_device
from halfopen.cli.device_options import DeviceOptions, device_options
from halfopen.cli.gated import guard_when_listening
from halfopen.cli.interrupts import until_interrupted
from halfopen.cli.parameters import host_in_url, port_number

Service = Callable[[str, int], Coroutine[object, object, None]]
"""Serves on an address and a port until cancelled."""

EVERYWHERE = ""
"""What asyncio calls all addresses of both versions of IP; each version has a listener of its own."""


@click.command("serve", short_help="Serve a directory or a web application over our TCP.")
@click.argument("what", metavar="DIR|MODULE:APP")
@click.option(
    "--port", type=port_number, metavar="PORT", default=8000, show_default=True, help="TCP port to listen on."
)
@click.option(
    "--gate",
    is_flag=True,
    help="On a veth pair (gate0, or that of --tap) with a gate before the port: a flood of SYNs is answered by the "
    "block, with cookies, and clients get through.",
)
@device_options
def command(what: str, port: int, **options: object) -> None:
    """Serve a directory (aiohttp, with listings) or an ASGI application (uvicorn) from a host of ours on a TAP device.

    The kernel of this network namespace is the host's neighbour. Making a device takes root, or a namespace of one's
    own: `unshare --user --map-root-user --net`.
    """
    device = DeviceOptions(**options)  # type: ignore[arg-type]  # click has converted each
    service = find_service(what)

    async def main(host: Host, attachment: Attachment) -> None:
        address = device.hosts[0] if len(device.hosts) == 1 else EVERYWHERE
        urls = " and ".join(f"http://{host_in_url(each)}:{port}/" for each in device.hosts)
        click.echo(f"Serving {what} on {urls} (Ctrl-C ends)\n{attachment.hint()}", err=True)
        serving = service(address, port)
        if device.gate:
            serving = _behind_gate(serving, guard_when_listening(host, attachment.link, port))
        await until_interrupted(what, serving)

    run_on_device(device, main)


async def _behind_gate(serving: Coroutine[object, object, None], guarding: Coroutine[object, object, None]) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(guarding, name="gate")
        tasks.create_task(serving, name="server")


def find_service(what: str) -> Service:
    """What ``what`` names; a usage error says why it is nothing that can be served."""
    path = Path(what)
    module, colon, attribute = what.partition(":")
    if not path.is_dir() and not (colon and module and attribute):
        kind = "not a directory" if path.exists() else "no directory"
        raise click.UsageError(f"{what!r} is {kind}: expected a directory, or an ASGI application as module:app")
    # aiohttp and uvicorn take their time to import.
    from halfopen.cli import serving

    if path.is_dir():
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        return lambda address, port: serving.serve_directory(path.resolve(), address, port)
    application = serving.load_application(what)
    return lambda address, port: serving.serve_asgi(application, address, port)
