"""``halfopen topology``: a description of a network, checked, printed and drawn."""

import asyncio
from pathlib import Path

import click

from halfopen.base.errors import ConfigError
from halfopen.sim.network import Network
from halfopen.sim.topology import Topology


@click.command("topology", short_help="Check a description of a network, print it, draw it.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart, for Markdown.")
@click.option("--svg", type=click.Path(path_type=Path), help="Write a drawing to this file.")
@click.pass_context
def command(context: click.Context, file: Path, mermaid: bool, svg: Path | None) -> None:
    """Check the description of a network in FILE (YAML), and print it with the addresses that it gets.

    What is wrong is told line by line, as FILE:LINE:COLUMN: WHAT.
    """
    try:
        topology = complete(Topology.load(file))
    except ConfigError as error:
        # One line for each fault, and nothing in front of it: editors find the place by it.
        click.echo(str(error), err=True)
        context.exit(2)
    if mermaid:
        click.echo(topology.as_mermaid(), nl=False)
    if svg is not None:
        write(svg, topology.as_svg())
    if not mermaid and svg is None:
        click.echo(str(topology))


def complete(topology: Topology) -> Topology:
    """As the simulation has it: with all addresses, and a switch for hosts that are on no network."""
    with Network(topology=topology) as network:
        network.run(asyncio.sleep(0))
        return network.topology


def write(path: Path, text: str) -> None:
    """A usage error says why that cannot be done."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
