"""``halfopen report``: a capture file as one page with graphs."""

from collections.abc import Sequence
from pathlib import Path

import click

from halfopen.base.samples import Sample
from halfopen.cli.show import reading, write
from halfopen.report.page import FlowFigure, Report, make_report
from halfopen.report.sample_file import read_samples


@click.command("report", short_help="Make a page of graphs and tables from a capture file.")
@click.argument("capture", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page; beside the capture unless given.")
@click.option("--title", help="What the page is called; the capture's name unless given.")
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    help="Congestion windows, timers and queues over time: JSON lines or CSV.",
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write each graph to this directory, as SVG and for xplot.",
)
@click.option("--png", is_flag=True, help="Write the graphs as PNG as well.")
def command(capture: Path, output: Path | None, title: str | None, samples: Path | None, **graphs: Path | bool) -> None:
    """Make an HTML page from a capture file (pcapng or pcap): connections, time-sequence graphs, losses, a ladder.

    The page is one file that needs no server and loads nothing.
    """
    if graphs["png"] and not graphs["figures"]:
        raise click.UsageError("--png needs --figures: the directory that the graphs are written to")
    report = read_report(capture, read_sample_file(samples) if samples else (), title or capture.name)
    page = output or capture.with_suffix(".html")
    write(page, report.as_html())
    if isinstance(directory := graphs["figures"], Path):
        directory.mkdir(parents=True, exist_ok=True)
        for number, figure in enumerate(report.figures, 1):
            write_figure(directory / f"{capture.stem}-{number}", figure, bool(graphs["png"]))
    click.echo(f"{page}: {report.packets:,} packets, TCP connections: {len(report.connections):,}")


def write_figure(path: Path, figure: FlowFigure, as_png: bool = False) -> None:
    """Files of this name with the endings of their formats."""
    write(path.with_name(f"{path.name}.svg"), figure.as_svg())
    write(path.with_name(f"{path.name}.xpl"), figure.graph.as_xpl())
    if as_png:
        path.with_name(f"{path.name}.png").write_bytes(figure.as_png())


def read_report(capture: Path, samples: Sequence[Sample], title: str) -> Report:
    """The report of a file; a usage error names the file if it is not a capture."""
    with reading(capture) as reader:
        return make_report(reader, samples, title=title)


def read_sample_file(path: Path) -> list[Sample]:
    """The samples of a file; a usage error names the file and the line that is wrong."""
    try:
        return read_samples(path.read_text("utf-8").splitlines(), str(path))
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"{path} is not text: expected JSON lines or CSV") from None
