"""A run on one page: an HTML file that needs no server and loads nothing."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from json import dumps

from halfopen.base.addresses import Address
from halfopen.base.clock import SECOND, Instant
from halfopen.base.samples import Sample
from halfopen.capture.record import CaptureReader, Record
from halfopen.report import figure
from halfopen.report.chart import Box
from halfopen.report.connections import Connection, StreamFigures, connection_of
from halfopen.report.dissect import ladder_of_passages
from halfopen.report.flows import flows_among, format_endpoint
from halfopen.report.ladder import Ladder
from halfopen.report.marks import Kind, Mark
from halfopen.report.passages import follow
from halfopen.report.strips import Strip, strips_of
from halfopen.report.tables import format_duration, format_octets, printable
from halfopen.report.time_sequence import TimeSequence

MAX_FIGURES = 4
TRIFLE = 50
"""A direction that carries this many times less than the largest gets no graph."""
MAX_CONNECTIONS = 200
MAX_LOSSES, FEW_LOSSES = 200, 20
"""Shown at most, and unasked."""
MAX_LADDER = 60
MAX_POINTS = 6000
"""Packets of all figures together that answer to the mouse; what is remarkable comes first."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
_HINT = (
    "Drag to zoom, Shift-drag to move, right-click to go back, double-click for the whole; Ctrl and the wheel zoom in "
    "time. Sequence numbers count from the initial one; times are the sender's."
)
_COLUMNS = (
    ("direction", "octets", "segments", "retransmissions", "lost", "duplicate ACKs"),
    ("round trip min / mean / max", "began", "lasted", "ended"),
)


@dataclass(slots=True, frozen=True)
class FlowFigure:
    """A direction of a connection, drawn."""

    graph: TimeSequence
    strips: tuple[Strip, ...]

    def as_svg(self, name: str = "tsg") -> str:
        """A drawing for a file of its own, or for a page on which ``name`` is unique."""
        return figure.render(self.graph, self.strips, name=name)

    def as_png(self, scale: float = 2.0) -> bytes:
        """As pixels, ``scale`` for each unit of the drawing; needs vl-convert-python."""
        import vl_convert

        return vl_convert.svg_to_png(self.as_svg(), scale=scale)

    def _repr_svg_(self) -> str:
        """For notebooks."""
        return self.as_svg()


@dataclass(slots=True, frozen=True)
class Report:
    """A run: made by `make_report`, shown by `as_html`."""

    title: str
    start: Instant
    stop: Instant
    packets: int
    hosts: tuple[str, ...]
    connections: tuple[Connection, ...]
    figures: tuple[FlowFigure, ...]
    ladder: Ladder
    topology_svg: str | None
    names: Mapping[Address, str]

    def as_html(self, facts: Mapping[str, object] | None = None) -> str:
        """The page; ``facts`` such as ``{"seed": 7}`` stand in its header before those of the capture."""
        parts = [_header(self, facts or {})]
        if self.topology_svg:
            parts.append(f'<h2>Topology</h2><div class="card">{_image(self.topology_svg, "topology")}</div>')
        parts += [_connections(self), *_figures(self.figures), _losses(self), _ladder(self)]
        style, script = (files(__package__).joinpath(f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
        return "\n".join(
            (
                '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
                '<meta name="viewport" content="width=device-width">',
                f"<title>{_words(self.title)}</title>\n<style>\n{style}</style></head>\n<body><main>",
                *parts,
                f"<footer>Made by halfopen.</footer></main>\n<script>\n{script}</script></body></html>\n",
            )
        )


def make_report(
    records: Iterable[Record],
    samples: Sequence[Sample] = (),
    *,
    title: str = "TCP",
    topology_svg: str | None = None,
    names: Mapping[Address, str] | None = None,
) -> Report:
    """The report of a capture; ``samples`` tell what packets do not, and count time as the capture does.

    ``names`` are those that a capture reader learns, unless they are given.
    """
    follower = follow(records)
    known = names if names is not None else records.names if isinstance(records, CaptureReader) else {}
    passages = follower.passages
    connections = []
    for flow in flows_among(passages):
        ends = (format_endpoint(stream.source, known) for stream in flow.streams)
        connections.append(connection_of(flow, *ends))
    ladder = ladder_of_passages(follower, relative=True, names=known)
    return Report(
        title,
        min((passage.departed for passage in passages), default=0),
        max((passage.sightings[-1].when for passage in passages), default=0),
        len(passages),
        tuple(dict.fromkeys(_host(name) for name in ladder.lifelines)),
        tuple(connections),
        tuple(_flow_figures(connections, samples, known)),
        ladder,
        topology_svg,
        known,
    )


def _host(lifeline: str) -> str:
    """A lifeline may bear a port, as an address or a name that has colons itself does not."""
    name, _, port = lifeline.rpartition(":")
    return name if port.isdecimal() and name and ":" not in name else lifeline


def _flow_figures(
    connections: Sequence[Connection], samples: Sequence[Sample], names: Mapping[Address, str]
) -> Iterable[FlowFigure]:
    """The directions that carry most; if none carries any, the first that was opened."""
    directions = [(connection.flow, figures) for connection in connections for figures in connection.streams]
    largest = sorted((one for one in directions if one[1].octets), key=lambda one: -one[1].octets)
    worth = [one for one in largest[:MAX_FIGURES] if one[1].octets * TRIFLE >= largest[0][1].octets]
    for flow, figures in worth or [one for one in directions if one[1].segments][:1]:
        graph = TimeSequence.of(flow, figures.stream, view=figures.view, names=names)
        yield FlowFigure(graph, tuple(strips_of(flow, figures.view, samples=samples, names=names)))


def _words(text: str) -> str:
    return escape(printable(text))


def _header(report: Report, facts: Mapping[str, object]) -> str:
    lost = sum(arrow.lost for arrow in report.ladder.arrows)
    shown = {
        **facts,
        "duration": format_duration(report.stop - report.start),
        "packets": f"{report.packets:,}",
        "lost": f"{lost:,}",
        "hosts": ", ".join(report.hosts) or "-",
        "connections": len(report.connections),
    }
    terms = "".join(f"<div><dt>{_words(name)}</dt><dd>{_words(str(value))}</dd></div>" for name, value in shown.items())
    return f"<h1>{_words(report.title)}</h1>\n<dl>{terms}</dl>"


def _row(cells: Iterable[tuple[str, object]], kind: str = "") -> str:
    """Cells are (class, contents)."""
    inner = "".join(f'<td class="{style}">{_words(str(value))}</td>' for style, value in cells)
    return f'<tr class="{kind}">{inner}</tr>'


def _table(columns: Sequence[str], rows: Iterable[str], numbers: range) -> str:
    """``numbers`` are the columns that hold some."""
    head = "".join(
        f'<th class="{"number" if index in numbers else ""}">{_words(name)}</th>' for index, name in enumerate(columns)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _connections(report: Report) -> str:
    rows: list[str] = []
    for connection in report.connections[:MAX_CONNECTIONS]:
        ends = (
            format_duration(connection.began - report.start),
            format_duration(connection.duration),
            connection.ending,
        )
        for index, figures in enumerate(connection.streams):
            last = [("", cell if not index else "") for cell in ends]
            rows.append(_row([*_figure_cells(figures, report.names), *last], "" if index else "first"))
    if not rows:
        return ""
    hidden = len(report.connections) - MAX_CONNECTIONS
    more = f'<p class="hint">{hidden:,} more connections are not shown.</p>' if hidden > 0 else ""
    table = _table([name for columns in _COLUMNS for name in columns], rows, range(1, 6))
    return f'<h2>Connections</h2><div class="card">{table}{more}</div>'


def _figure_cells(figures: StreamFigures, names: Mapping[Address, str]) -> list[tuple[str, object]]:
    stream, trips = figures.stream, figures.round_trips
    ends = " → ".join(format_endpoint(end, names) for end in (stream.source, stream.destination))
    counts = (figures.retransmissions, figures.lost, figures.duplicate_acks)
    spread = [format_duration(trip) for trip in (trips.least, trips.mean, trips.most)] if trips else []
    return [
        ("", ends),
        ("number", format_octets(figures.octets)),
        ("number", f"{figures.segments:,}"),
        *((f"number{' bad' if count and index < 2 else ''}", f"{count:,}") for index, count in enumerate(counts)),
        ("", " / ".join(spread)),
    ]


def _figures(figures: Sequence[FlowFigure]) -> list[str]:
    if not figures:
        return []
    parts = [f'<h2>Time-sequence graphs</h2><p class="hint">{_HINT}</p>']
    left = MAX_POINTS
    for index, each in enumerate(figures):
        points = _points(each, left // (len(figures) - index))
        left -= len(points)
        # Within a script element only "</" and "<!" could mean anything but text.
        data = dumps(points, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        script = f'<script type="application/json" class="points">{data}</script>'
        parts.append(f'<div class="card">{each.as_svg(f"g{index}")}{script}</div>')
    return parts


def _points(drawn: FlowFigure, limit: int) -> list[tuple[float, float, str]]:
    """Where packets lie on the graph and what they are; plain segments are left out first, evenly."""
    marks = {mark.text: mark for mark in drawn.graph.marks if mark.kind not in (Kind.SACK, Kind.DSACK)}
    plain = [mark for mark in marks.values() if mark.kind is Kind.DATA]
    special = [mark for mark in marks.values() if mark.kind is not Kind.DATA][:limit]
    room = limit - len(special)
    plain = plain[:: -(-len(plain) // room) or 1] if room > 0 else []
    box = figure.graph_box(drawn.graph, drawn.strips)
    return [(*_place(mark, box), mark.text) for mark in (*plain, *special)]


def _place(mark: Mark, box: Box) -> tuple[float, float]:
    return round(box.x(mark.when), 2), round(box.y((mark.low + mark.high) / 2), 2)


def _losses(report: Report) -> str:
    lost = [arrow for arrow in report.ladder.arrows if arrow.lost]
    if not lost:
        return ""
    rows = [
        _row(
            (
                ("number", f"{(arrow.when - report.start) / SECOND:.6f}"),
                ("number", arrow.number),
                ("", f"{arrow.source} → {arrow.destination}"),
                ("", arrow.label),
                ("", arrow.note),
            )
        )
        for arrow in lost[:MAX_LOSSES]
    ]
    hidden = len(lost) - len(rows)
    more = f'<p class="hint">{hidden:,} more are not shown.</p>' if hidden > 0 else ""
    table = _table(("seconds", "frame", "from → to", "packet", "why"), rows, range(2))
    state = " open" if len(lost) <= FEW_LOSSES else ""
    return _folded("Lost packets", f"{len(lost):,} lost", table + more, state)


def _folded(heading: str, summary: str, inner: str, state: str = "") -> str:
    return f'<h2>{heading}</h2><details{state}><summary>{summary}</summary><div class="card">{inner}</div></details>'


def _ladder(report: Report) -> str:
    if not report.ladder.arrows:
        return ""
    image = _image(report.ladder.as_svg(limit=MAX_LADDER), "ladder diagram")
    return _folded("Ladder", "Every packet as an arrow", image)


def _image(svg: str, name: str) -> str:
    """As an image, so that neither its styles nor scripts in it reach the page."""
    return f'<img alt="{name}" src="data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}">'
