"""``halfopen show``: a capture file as a ladder diagram."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from halfopen.base.addresses import Address
from halfopen.base.errors import Malformed
from halfopen.capture.pcap import open_capture
from halfopen.capture.record import CaptureReader
from halfopen.cli.parameters import port_number
from halfopen.report.dissect import ladder_of
from halfopen.report.ladder import MAX_ARROWS, Ladder


@click.command("show", short_help="Draw a capture file as a ladder diagram.")
@click.argument("capture", type=click.Path(path_type=Path))
@click.option("--relative", is_flag=True, help="Count sequence numbers from each initial one.")
@click.option("--port", type=port_number, metavar="PORT", help="Leave out TCP and UDP of other ports.")
@click.option("--limit", type=click.IntRange(min=4), default=MAX_ARROWS, show_default=True, help="Arrows to draw.")
@click.option("--mermaid", is_flag=True, help="Print a Mermaid sequence diagram, for Markdown.")
@click.option("--svg", type=click.Path(path_type=Path), help="Write a drawing to this file.")
@click.option("--json", "as_objects", is_flag=True, help="Print every arrow as an object.")
def command(capture: Path, relative: bool, port: int | None, limit: int, **form: Path | bool | None) -> None:
    """Draw a capture file (pcapng or pcap) as a ladder diagram."""
    ladder = read_ladder(capture, relative, port)
    width = max(80, min(shutil.get_terminal_size((100, 24)).columns, 140))
    if form["as_objects"]:
        click.echo(json.dumps([asdict(arrow) for arrow in ladder.arrows], indent=2))
    elif form["mermaid"]:
        click.echo(ladder.as_mermaid(limit=limit))
    elif isinstance(form["svg"], Path):
        write(form["svg"], ladder.as_svg(limit=limit))
    elif ladder.arrows:
        click.echo(ladder.as_text(width, limit=limit))
    else:
        click.echo(f"{capture} holds no frame to show.", err=True)


def read_ladder(
    capture: Path, relative: bool = False, port: int | None = None, names: Mapping[Address, str] | None = None
) -> Ladder:
    """The ladder of a file; a usage error names the file if it is not a capture."""
    with reading(capture) as reader:
        return ladder_of(reader, relative=relative, port=port, names=names or reader.names)


@contextmanager
def reading(capture: Path) -> Iterator[CaptureReader]:
    """A reader of the file; a usage error names the file if it is not a capture, or damaged."""
    try:
        with capture.open("rb") as file:
            reader = open_capture(file)
            yield reader
    except Malformed as error:
        what = "a damaged capture" if error.reason != "CaptureBadMagic" else "not a capture"
        raise click.UsageError(f"{capture} is {what} ({error.reason}): expected a pcapng or pcap file") from None
    except OSError as error:
        raise click.UsageError(f"{capture} cannot be read: {error.strerror}; expected a pcapng or pcap file") from None
    if reader.truncated:
        click.echo(f"{capture} ends in the middle of a frame; what stands before it is shown.", err=True)


def write(path: Path, text: str) -> None:
    """A whole file; a usage error names it if it cannot be written."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
