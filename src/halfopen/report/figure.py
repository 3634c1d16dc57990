"""The picture of one direction of a connection: its time-sequence graph, and strip charts over the same time."""

from collections.abc import Iterable, Sequence

from halfopen.report import chart
from halfopen.report.chart import LEFT, WIDTH, Box, Entry, Layers, Place, Times
from halfopen.report.figure_style import style
from halfopen.report.marks import Kind, Mark
from halfopen.report.sender import Span
from halfopen.report.strips import Series, Strip
from halfopen.report.time_sequence import TimeSequence

GRAPH_HEIGHT = 440
STRIP_HEIGHT = 96
_LEGEND_TOP = 76
GAP = 30
"""Between panels: room for the heading of the lower one."""
FINE_MARKS = 20_000
"""With more marks than these a picture is drawn coarser, so that its size stays within bounds."""
WINDOW_ROOM = 1.35
"""A window edge higher than this many times the highest sequence number leaves the picture, for the data's sake."""

_LETTERS = {
    "R": "m-9 1v-7.5h2.7a2.1 2.1 0 0 1 0 4.2h-2.7m2.5 0l2.5 3.3",
    "P": "m-2-3v-7.5h2.7a2.1 2.1 0 0 1 0 4.2h-2.7",
    "S": "m2.2-9.4a2.3 2 0 0 0-4.4.6c0 2.6 4.6 1.4 4.6 3.8a2.3 2 0 0 1-4.7.3",
    "F": "m-2-3v-7.5h4.6m-4.6 3.6h3.7",
    "O": "m0-3a2.7 3.8 0 0 1 0-7.6a2.7 3.8 0 0 1 0 7.6",
    "X": "m-2.5-3l5-7.5m0 7.5l-5-7.5",
    "C": "m2.3-4.3a2.7 3.8 0 1 1 0-5",
    "D": "m-2-3v-7.5h1.6a2.9 3.75 0 0 1 0 7.5h-1.6",
    "Z": "m-2.4 4h4.8l-4.8 7.5h4.8",
}
_CROSS = "m-3.2-3.2l6.4 6.4m0-6.4l-6.4 6.4"
_DIAMOND = "m0-3l3 3l-3 3l-3-3z"
_TICK = "v-5"

_BARS = {
    Kind.SACK: "bar purple pale",
    Kind.DSACK: "bar magenta",
    Kind.DATA: "bar data",
    Kind.PROBE: "bar blue bold",
    Kind.RETRANSMISSION: "bar red bold",
}
_SIGNS: tuple[tuple[Kind, str, str, float], ...] = (
    (Kind.DUPLICATE_ACK, "glyph green thin", _TICK, 1.5),
    (Kind.PUSH, "glyph data", _DIAMOND, 5),
    (Kind.SACK, "glyph purple thin", _LETTERS["S"], 26),
    (Kind.DSACK, "glyph magenta thin", _LETTERS["D"], 12),
    (Kind.PROBE, "glyph blue", _LETTERS["P"], 4),
    (Kind.SYN, "glyph blue", _LETTERS["S"], 0),
    (Kind.FIN, "glyph blue", _LETTERS["F"], 0),
    (Kind.ZERO_WINDOW, "glyph orange", _LETTERS["Z"], 8),
    (Kind.MARKED, "glyph blue bold", _LETTERS["C"], 6),
    (Kind.OUT_OF_ORDER, "glyph orange", _LETTERS["O"], 6),
    (Kind.RETRANSMISSION, "glyph red", _LETTERS["R"], 3),
    (Kind.RESET, "glyph red bold", _LETTERS["X"], 0),
    (Kind.LOST, "glyph red", _CROSS, 2),
)
_SAMPLE_DROP = {_CROSS: 0, _DIAMOND: 0, _TICK: 2.5, _LETTERS["Z"]: -8}
"""How far below its place a glyph begins in the legend; letters stand above theirs."""
_BAR_SAMPLE = '<path class="{kind}" d="M0-5v10"/>'
_PHASE_SAMPLE = '<rect class="{kind}" x="-9" y="-6" width="18" height="12"/>'
_LINE_SAMPLE = '<path class="{kind}" d="M-9 0h18"/>'


def render(graph: TimeSequence, strips: Sequence[Strip] = (), *, name: str = "tsg") -> str:
    """One ``svg`` element, to be put in a page (where ``name`` is unique) or in a file of its own."""
    keys, _ = chart.legend(_keys(graph, strips), (LEFT, _LEGEND_TOP))
    box = graph_box(graph, strips)
    parts = [_graph(box, graph, name)]
    for number, strip in enumerate(strips):
        box = Box(box.bottom + GAP, STRIP_HEIGHT, box.times, strip.high, grain=box.grain)
        parts.append(_strip(box, strip, f"{name}-{number}"))
    height = box.bottom + 32
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tsg" width="{WIDTH}" height="{height:.0f}"'
        f' viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="time-sequence graph">'
    )
    titles = chart.text("title", (LEFT, 28), graph.title) + chart.text("subtitle", (LEFT, 48), graph.subtitle)
    ground = '<rect class="ground" width="100%" height="100%"/>'
    axis = chart.time_axis(box)
    return "\n".join((head, f"<style>{style()}</style>", ground, titles, keys, *parts, axis, "</svg>"))


def graph_box(graph: TimeSequence, strips: Sequence[Strip] = ()) -> Box:
    """Where the graph itself lies in what `render` makes."""
    _, keys_height = chart.legend(_keys(graph, strips), (LEFT, _LEGEND_TOP))
    times, high = Times.around(graph.start, graph.stop), _height(graph)
    return Box(_LEGEND_TOP + keys_height, GRAPH_HEIGHT, times, high, -high / 40, _grain(graph))


def _grain(graph: TimeSequence) -> float:
    """The more there is, the less of it can be told apart."""
    count = len(graph.marks) + len(graph.acked) + len(graph.allowed)
    return 0.01 if count <= FINE_MARKS else 0.1 if count <= 4 * FINE_MARKS else 0.5


def _height(graph: TimeSequence) -> float:
    """The highest sequence number to be shown."""
    highest = max(graph.highest, 1)
    edge = max((edge for _, edge in graph.allowed), default=0)
    return max(edge * 1.02, highest * 1.1) if edge <= highest * WINDOW_ROOM else highest * 1.1


def _graph(box: Box, graph: TimeSequence, name: str) -> str:
    stretched = [
        chart.path("line yellow", chart.stair(box, graph.allowed)),
        chart.path("line green", chart.stair(box, graph.acked)),
    ]
    fixed: list[str] = []
    for kind, look in _BARS.items():
        marks = graph.of_kind(kind)
        stretched.append(chart.path(look, _bars(box, marks)))
        if kind not in (Kind.SACK, Kind.DSACK):
            fixed.append(_ends(box, marks, look))
    for kind, look, shape, gap in _SIGNS:
        fixed.append(chart.glyphs(look, shape, [_place(box, mark) for mark in graph.of_kind(kind)], gap))
    edge = max((edge for _, edge in graph.allowed), default=0)
    note = ""
    if edge > box.high:
        words = f"the receive window reaches up to {chart.quantity(edge, edge / 100, 'B')}, beyond this picture"
        note = chart.text("note", (LEFT + 8, box.top + 16), words)
    return chart.panel(name, box, "B", Layers("", "".join(stretched), "".join(fixed))) + note


def _place(box: Box, mark: Mark) -> Place:
    """Crosses lie on their bar, everything else at its upper end."""
    value = (mark.low + mark.high) / 2 if mark.kind is Kind.LOST else mark.high
    return box.x(mark.when), box.y(value)


def _bars(box: Box, marks: Iterable[Mark]) -> str:
    """Vertical bars; such as would fall into one are drawn once."""
    number = chart.number
    drawn = dict.fromkeys(
        f"M{number(box.x(mark.when))} {number(box.y(mark.low))}v{number(box.y(mark.high) - box.y(mark.low))}"
        for mark in marks
    )
    return "".join(drawn)


def _ends(box: Box, marks: Sequence[Mark], look: str) -> str:
    """Arrow heads at the two ends of bars, as tcptrace has them, where there is room."""
    number, drawn = chart.number, []
    for mark in marks:
        x, low, high = number(box.x(mark.when)), box.y(mark.low), box.y(mark.high)
        if low - high >= 8:
            drawn.append(f"M{x} {number(high)}m-2.5 3.5l2.5-3.5l2.5 3.5M{x} {number(low)}m-2.5-3.5l2.5 3.5l2.5-3.5")
    return f'<path class="{look.replace("bar", "glyph ends", 1)}" d="{"".join(drawn)}"/>'


def _keys(graph: TimeSequence, strips: Sequence[Strip]) -> list[Entry]:
    """What the colours mean: of those that are there."""
    kinds = {mark.kind for mark in graph.marks}
    entries = [Entry(_BAR_SAMPLE.format(kind=look), kind.value) for kind, look in _BARS.items() if kind in kinds]
    entries.sort(key=lambda entry: entry.words != Kind.DATA.value)
    entries.append(Entry(_LINE_SAMPLE.format(kind="line green"), "acknowledged (SND.UNA)"))
    entries.append(Entry(_LINE_SAMPLE.format(kind="line yellow"), "receive window edge"))
    for kind, look, shape, _ in _SIGNS:
        if kind in kinds and kind not in _BARS:
            entries.append(Entry(f'<path class="{look}" d="M0 {_SAMPLE_DROP.get(shape, 6)}{shape}"/>', kind.value))
    phases = dict.fromkeys(span.phase for strip in strips for span in strip.spans)
    return entries + [Entry(_PHASE_SAMPLE.format(kind=_class(phase)), phase) for phase in phases]


def _strip(box: Box, strip: Strip, name: str) -> str:
    behind = "".join(_span(box, span) for span in strip.spans)
    stretched = "".join(chart.path(series.look, _DRAW[series.form](box, series.points)) for series in strip.series)
    entries = [_series_key(series) for series in strip.series]
    return chart.heading(box, strip.title, entries) + chart.panel(name, box, strip.unit, Layers(behind, stretched))


def _series_key(series: Series) -> Entry:
    sample = {
        "area": f'<rect class="{series.look}" x="-9" y="-5" width="18" height="10"/>',
        "dots": f'<path class="{series.look}" d="M-5 1h0M0-2h0M5 2h0"/>',
    }.get(series.form, f'<path class="{series.look}" d="M-9 0h18"/>')
    return Entry(sample, series.name)


def _class(phase: str) -> str:
    return phase.replace(" ", "-")


def _span(box: Box, span: Span) -> str:
    left = box.x(span.start)
    width = box.x(span.stop) - left
    where = f'x="{chart.number(left)}" y="{chart.number(box.top)}" width="{chart.number(max(width, 0.5))}"'
    return f'<rect class="{_class(span.phase)}" {where} height="{chart.number(box.height)}"/>'


_DRAW = {"area": chart.area, "stair": chart.stair, "line": chart.line, "dots": chart.dots}
