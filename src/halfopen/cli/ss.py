"""``halfopen ss``: whose ports are in use, as ``ss -tunap`` shows it for the kernel's."""

import json

import click

from halfopen.cli.published import as_json, directory, published_tables
from halfopen.stack.ports import format_listing


@click.command("ss", short_help="List the ports of running halfopen processes, and who has them.")
@click.option("-t", "--tcp", is_flag=True, help="TCP only.")
@click.option("-u", "--udp", is_flag=True, help="UDP only.")
@click.option("-l", "--listening", is_flag=True, help="Only what waits for peers.")
@click.option("-a", "--all", is_flag=True, help="Always so, without -l; taken for the fingers' sake.")
@click.option("-n", "--numeric", is_flag=True, help="Always so; taken for the fingers' sake.")
@click.option("-p", "--processes", is_flag=True, help="Always so; taken for the fingers' sake.")
@click.option("--json", "as_objects", is_flag=True, help="Print a list of objects.")
def command(tcp: bool, udp: bool, listening: bool, as_objects: bool, **_: bool) -> None:
    """List the ports of running halfopen processes, and who has them.

    Processes of the command line publish their tables in $XDG_RUNTIME_DIR/halfopen, or, where that is not set, in
    /run/halfopen, which takes root.
    """
    wanted = {name for name, chosen in (("tcp", tcp), ("udp", udp)) if chosen} or {"tcp", "udp"}
    rows = [
        row
        for table in published_tables()
        for row in table
        if row.netid in wanted and (not listening or row.state in ("LISTEN", "UNCONN"))
    ]
    if as_objects:
        click.echo(json.dumps([as_json(row) for row in rows], indent=2))
    else:
        click.echo(format_listing(rows))
        if not rows:
            click.echo(f"No port of a running halfopen process is to be seen in {directory()}.", err=True)
