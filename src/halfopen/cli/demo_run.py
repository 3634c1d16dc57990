"""One run of the demonstration, from the choice of a world to the report."""

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from halfopen.base.errors import ConfigError
from halfopen.cli.demo_addresses import ADDRESSES, CONDITIONS
from halfopen.cli.demo_report import Bars, Outcome, Quiet
from halfopen.cli.demo_transfers import Display, Exchange
from halfopen.cli.demo_worlds import SimulatedWorld, TapWorld, World
from halfopen.cli.device import make_writer, open_for_writing
from halfopen.cli.group import version_text
from halfopen.stack.config import StackConfig

IMPAIRED_OCTETS = 4 * 10**6
WIDTHS = range(88, 121)
"""Columns of the ladder: as many as the terminal has, within these."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Of a world: ``"tap"``, ``"simulated"`` or ``"auto"``, and its version of IP."""

    world: str
    ip_version: int


def run_demo(choice: Choice, octets: int, capture: Path, as_object: bool) -> int:
    """The exit code: 0 if every file arrived as it was, 1 if not, 130 after Ctrl-C."""
    display = Quiet() if as_object or not sys.stderr.isatty() else Bars()
    with open_for_writing(capture) as file:
        chosen = open_world(choice, file)
        try:
            exchange = _run(chosen, octets, display)
        finally:
            chosen.close()
    if exchange is None:
        return 130
    control = StackConfig().tcp.congestion.algorithm
    outcome = Outcome(
        world=chosen.name,
        description=chosen.description,
        peer=chosen.peer.description,
        ours=f"aiohttp's server and client over {version_text()} ({control})",
        ways=chosen.ways,
        network=CONDITIONS,
        transfers=exchange.transfers,
        ports=exchange.ports,
        counters=chosen.host.stack.counters.snapshot(),
        capture=capture,
    )
    columns = shutil.get_terminal_size((100, 24)).columns
    width = max(WIDTHS[0], min(columns, WIDTHS[-1]))
    click.echo(outcome.as_json() if as_object else outcome.as_text(width))
    return 0 if outcome.is_good else 1


def open_world(choice: Choice, file: BinaryIO) -> World:
    """The world that was chosen; with ``auto`` the simulated one, if there can be no TAP, and the reason on stderr."""
    writer, addresses = make_writer(file), ADDRESSES[choice.ip_version]
    if choice.world == "simulated":
        return SimulatedWorld(writer, addresses)
    try:
        return TapWorld(writer, addresses)
    except (ConfigError, OSError) as error:
        if choice.world == "tap":
            raise ConfigError(f"no TAP device can be had: {error.args[-1]}") from None
        click.echo(f"No TAP device can be had, so both ends are ours: {error.args[-1]}", err=True)
        return SimulatedWorld(writer, addresses)


def _run(world: World, octets: int, display: Display) -> Exchange | None:
    """The exchange, done; None if it was interrupted."""
    with tempfile.TemporaryDirectory(prefix="halfopen-demo-") as home:
        exchange = Exchange(world, Path(home), display)

        async def run() -> Exchange:
            await exchange.run(octets, min(octets, IMPAIRED_OCTETS))
            return exchange

        return world.run(run())
