"""Ladder diagrams as SVG (Scalable Vector Graphics 1.1), written by hand: no script, no font, nothing to load."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import atan2, degrees, hypot
from statistics import median_low
from xml.sax.saxutils import escape

from halfopen.base.clock import Duration, Instant
from halfopen.report.arrows import Arrow, Fold, Row
from halfopen.report.ladder_text import relative_seconds
from halfopen.report.tables import printable

LETTER = 7.3
"""Width of a monospaced letter at 12 px, with a little air."""
MARGIN = 24
TIME_WIDTH = 96
HEADING = 64
MIN_GAP, MAX_GAP = 150, 800
"""Between two lifelines."""
LOST_REACH = 0.8
"""How far a lost arrow gets."""
PLAIN_ROW, DETAILED_ROW = 34, 48
MAX_ROW = 130
"""Height of the longest pause; a longer one is drawn with a break."""

_LIGHT = """\
.ladder text{font:12px "DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#1f2328;
paint-order:stroke;stroke:#ffffff;stroke-width:3px;stroke-linejoin:round}
.ladder .time{fill:#656d76;text-anchor:end}.ladder .host{font-weight:600;text-anchor:middle}
.ladder .details{font-size:11px;fill:#656d76}.ladder .note{font-size:11px;font-style:italic;fill:#9a6700}
.ladder .fold{fill:#656d76;text-anchor:middle}.ladder .ground{fill:#ffffff}
.ladder .life{stroke:#afb8c1}.ladder .break{stroke:#afb8c1;stroke-dasharray:2 4}
.ladder .box{fill:#f6f8fa;stroke:#afb8c1}.ladder .arrow{stroke:#0969da;stroke-width:1.4;fill:none}
.ladder .head{fill:#0969da}.ladder .lost{stroke:#cf222e;stroke-width:1.4;fill:none}"""
_DARK = """\
.ladder text{fill:#e6edf3;stroke:#0d1117}.ladder .ground{fill:#0d1117}.ladder .box{fill:#161b22;stroke:#484f58}
.ladder .time,.ladder .details,.ladder .fold{fill:#9198a1}.ladder .note{fill:#e3b341}
.ladder .life,.ladder .break{stroke:#484f58}.ladder .arrow{stroke:#58a6ff}.ladder .head{fill:#58a6ff}
.ladder .lost{stroke:#ff6a63}"""
STYLE = f"{_LIGHT}\n@media (prefers-color-scheme:dark){{\n{_DARK}\n}}"


@dataclass(slots=True)
class _Axis:
    """Time on its way down: the height of every row, and of every instant (that of its first row, if it has one).

    ``breaks`` are the (upper, lower) ends of pauses that are drawn shorter than they were.
    """

    rows: list[float]
    instants: dict[Instant, float]
    breaks: list[tuple[float, float]]


def _make_axis(rows: Sequence[Row], arrivals: Sequence[Instant]) -> _Axis:
    """Pauses in proportion, the median as high as a row, but none higher than `MAX_ROW` or too low for its text."""
    # Departures before arrivals of the same instant: then the answer to a frame leaves where its arrow ends.
    others = [*arrivals, *(when for row in rows if isinstance(row, Arrow) for when, _ in row.waypoints)]
    knots = sorted([(row.when, index) for index, row in enumerate(rows)] + [(when, len(rows)) for when in others])
    pauses = [later - earlier for (earlier, _), (later, _) in pairwise(knots) if later > earlier]
    scale = DETAILED_ROW / median_low(pauses) if pauses else 0.0
    axis = _Axis([], {}, [])
    now, height = rows[0].when, HEADING + 34.0
    for when, index in knots:
        upper, wanted = height, max(0, when - now) * scale
        height += min(wanted, MAX_ROW)
        if index < len(rows):
            if axis.rows:
                height = max(height, axis.rows[-1] + _least(rows[index - 1]))
            axis.rows.append(height)
        if wanted > MAX_ROW:
            axis.breaks.append((upper, height))
        axis.instants.setdefault(when, height)
        row = rows[index] if index < len(rows) else None
        now = max(now, row.until if isinstance(row, Fold) else when)
    return axis


def _least(row: Row) -> float:
    """Height that the text of a row needs."""
    return DETAILED_ROW if isinstance(row, Arrow) and (row.details or row.note) else PLAIN_ROW


@dataclass(slots=True)
class _Sketch:
    """What is drawn: first the shapes, then the texts over them."""

    shapes: list[str]
    texts: list[str]


def render(lifelines: Sequence[str], rows: Sequence[Row], start: Instant) -> str:
    """One ``svg`` element, to be put in a page or in a file of its own."""
    gap = _gap(lifelines, rows)
    first = MARGIN + TIME_WIDTH + max((len(name) for name in lifelines[:1]), default=0) * LETTER / 2
    places = {name: first + gap * index for index, name in enumerate(lifelines)}
    last = max(places.values(), default=first)
    sketch = _Sketch([], [])
    bottom = HEADING + 40.0
    breaks: list[tuple[float, float]] = []
    if rows:
        arrivals = _arrivals(rows)
        axis = _make_axis(rows, arrivals)
        bottom, breaks = max(*axis.instants.values(), axis.rows[-1]) + 36, axis.breaks
        for row, arrival, height in zip(rows, arrivals, axis.rows, strict=True):
            sketch.texts.append(_text("time", (first - 20, height + 4), relative_seconds(row.when, start)))
            if isinstance(row, Arrow):
                end = max(height, axis.instants[arrival])
                turns = [(places[name], max(height, axis.instants[when])) for when, name in row.waypoints]
                _draw_arrow(sketch, row, [(places[row.source], height), *turns, (places[row.destination], end)])
            else:
                sketch.texts.append(_text("fold", ((first + last) / 2, height + 4), row.label))
    _draw_lifelines(sketch, places, bottom, breaks)
    width = last + max((len(name) for name in lifelines[-1:]), default=0) * LETTER / 2
    if any(isinstance(row, Arrow) and row.source == row.destination for row in rows):
        width += gap
    return _document(width + MARGIN + 8, bottom + MARGIN, (*sketch.shapes, *sketch.texts))


def _arrivals(rows: Sequence[Row]) -> list[Instant]:
    """When each row ends; a lost arrow falls as steeply as the last one before it that arrived on the same way."""
    delays: dict[tuple[str, str], Duration] = {}
    arrivals: list[Instant] = []
    for row in rows:
        delay = 0
        if isinstance(row, Arrow):
            way = (row.source, row.destination)
            if row.arrived is not None:
                delays[way] = max(0, row.arrived - row.when)
            if row.arrived is not None or row.lost:
                delay = delays.get(way, 0)
        arrivals.append(row.when + delay)
    return arrivals


def _document(width: float, height: float, drawn: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" class="ladder" role="img" aria-label="ladder diagram">'
    )
    background = '<rect class="ground" width="100%" height="100%"/>'
    return "\n".join((head, f"<style>{STYLE}</style>", background, *drawn, "</svg>"))


def _gap(lifelines: Sequence[str], rows: Sequence[Row]) -> float:
    """Between neighbouring lifelines: room for the longest text, shared by the lifelines that its arrow crosses."""
    index = {name: number for number, name in enumerate(lifelines)}
    wanted = max((len(name) for name in lifelines), default=0) * LETTER + 40
    for row in rows:
        if isinstance(row, Arrow):
            letters = max(len(row.label), len(row.details) + len(row.note))
            length = (letters * LETTER + 56) / (LOST_REACH if row.lost else 1)
            crossed = 1 if row.waypoints else max(1, abs(index[row.source] - index[row.destination]))
            wanted = max(wanted, length / crossed)
    return min(max(wanted, MIN_GAP), MAX_GAP)


def _draw_lifelines(
    sketch: _Sketch, places: dict[str, float], bottom: float, breaks: Sequence[tuple[float, float]]
) -> None:
    shapes: list[str] = []
    for name, x in places.items():
        half = len(name) * LETTER / 2 + 12
        solid = MARGIN + 28.0
        for upper, lower in breaks:
            shapes.append(_line("life", (x, solid), (x, upper + 20)))
            shapes.append(_line("break", (x, upper + 20), (x, lower - 20)))
            solid = lower - 20
        shapes.append(_line("life", (x, solid), (x, bottom)))
        shapes.append(f'<rect class="box" x="{x - half:.1f}" y="{MARGIN}" width="{2 * half:.1f}" height="28" rx="6"/>')
        sketch.texts.append(_text("host", (x, MARGIN + 18), name))
    sketch.shapes[:0] = shapes


def _draw_arrow(sketch: _Sketch, arrow: Arrow, points: Sequence[tuple[float, float]]) -> None:
    """A line from point to point and its head; the label above the first piece, details below it, along its slope."""
    if arrow.source == arrow.destination:
        _draw_loop(sketch, arrow, points[0])
        return
    for number, (tail, tip) in enumerate(pairwise(points)):
        side = 1 if tip[0] > tail[0] else -1
        slope = degrees(atan2(tip[1] - tail[1], abs(tip[0] - tail[0]))) * side
        group = f'<g transform="translate({tail[0]:.1f} {tail[1]:.1f}) rotate({slope:.2f})"'
        # In the group the piece lies level, so that only its length is left to know.
        length = hypot(tip[0] - tail[0], tip[1] - tail[1]) * side
        sketch.shapes.append(f"{group}>{_piece(arrow, length, number == len(points) - 2)}</g>")
        if not number:
            anchor = "start" if side > 0 else "end"
            label = _text("label", (20 * side, -5), arrow.label)
            sketch.texts.append(f'{group} text-anchor="{anchor}">{label}{_below(arrow, (20 * side, 14))}</g>')


def _piece(arrow: Arrow, length: float, is_last: bool) -> str:
    """A level line of ``length``, which is negative to the left: up to a router, or to the end of an arrow."""
    side = 1 if length > 0 else -1
    if not is_last:
        return _line("arrow", (0, 0), (length, 0)) + f'<circle class="head" cx="{length:.1f}" cy="0" r="3"/>'
    if arrow.lost:
        length *= LOST_REACH
        return _line("lost", (0, 0), (length, 0)) + f'<path class="lost" d="M{length - 5:.1f} -5l10 10m0 -10l-10 10"/>'
    line = _line("arrow", (0, 0), (length - 4 * side, 0))
    return f'{line}<path class="head" d="M{length:.1f} 0l{-9 * side} -4v8z"/>'


def _draw_loop(sketch: _Sketch, arrow: Arrow, at: tuple[float, float]) -> None:
    x, y = at
    kind = "lost" if arrow.lost else "arrow"
    sketch.shapes.append(f'<path class="{kind}" d="M{x:.1f} {y:.1f}c30 0 30 14 6 14"/>')
    sketch.shapes.append(f'<path class="head" d="M{x:.1f} {y + 14:.1f}l9 -4v8z"/>')
    sketch.texts.append(_text("label", (x + 34, y + 4), arrow.label) + _below(arrow, (x + 34, y + 20)))


def _below(arrow: Arrow, at: tuple[float, float]) -> str:
    """Details and note, if there are any."""
    note = f'<tspan class="note">{_escaped(arrow.note)}</tspan>' if arrow.note else ""
    text = " ".join(filter(None, (_escaped(arrow.details), note)))
    return f'<text class="details" x="{at[0]:.1f}" y="{at[1]:.1f}">{text}</text>' if text else ""


def _escaped(text: str) -> str:
    return escape(printable(text))


def _text(kind: str, at: tuple[float, float], text: str) -> str:
    return f'<text class="{kind}" x="{at[0]:.1f}" y="{at[1]:.1f}">{_escaped(text)}</text>'


def _line(kind: str, tail: tuple[float, float], tip: tuple[float, float]) -> str:
    return f'<line class="{kind}" x1="{tail[0]:.1f}" y1="{tail[1]:.1f}" x2="{tip[0]:.1f}" y2="{tip[1]:.1f}"/>'
