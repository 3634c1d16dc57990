"""``halfopen demo``: files between our TCP and the Linux kernel's, verified and shown."""

from pathlib import Path

import click

OCTETS = 256 * 10**6


@click.command("demo", short_help="Exchange files with the Linux kernel, verified, and show what happened.")
@click.option("--json", "as_object", is_flag=True, help="Print one object: world, transfers, capture.")
@click.option("--octets", type=click.IntRange(1), default=OCTETS, show_default=True, help="Size of the large file.")
@click.option(
    "--capture",
    type=click.Path(path_type=Path, dir_okay=False),
    default="halfopen-demo.pcapng",
    show_default=True,
    help="Where to leave the capture (pcapng).",
)
@click.option(
    "--world",
    type=click.Choice(["auto", "tap", "simulated"]),
    default="auto",
    show_default=True,
    help="tap: the kernel is the peer; simulated: another host of ours, in virtual time; auto: the kernel if possible.",
)
@click.option(
    "--ip-version", type=click.Choice(["4", "6"]), default="4", show_default=True, help="Of everything that is sent."
)
def command(as_object: bool, octets: int, capture: Path, world: str, ip_version: str) -> int:
    """Exchange files with the Linux kernel over a TAP device, verified, and show what happened.

    Everything takes place in a network namespace of its own; no argument and, where the system lets users have
    namespaces, no root is needed. Exit code 1 if a file did not arrive as it was.
    """
    # aiohttp takes its time to import.
    from halfopen.cli.demo_run import Choice, run_demo

    return run_demo(Choice(world=world, ip_version=int(ip_version)), octets, capture, as_object)
