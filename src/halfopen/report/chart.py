"""Panels with axes, as SVG: what the graphs of this package are drawn on, all of them over a time axis.

Lines and bars are drawn in plain coordinates, so that a page can stretch them; what must keep its size when stretched
(letters, crosses, ticks) is a `glyphs` path, which tells its places as well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from xml.sax.saxutils import escape

from halfopen.base.clock import MICROSECOND, SECOND, Instant
from halfopen.report.tables import printable

WIDTH = 1160
LEFT, RIGHT = 76, 18
"""Margins of every panel; the numbers of the vertical axis stand in the left one."""
LETTER = 6.4
"""Width of a letter of legends, roughly."""

Place = tuple[float, float]

_PREFIXES = {-3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T"}
_HEADING_BASELINE = 7


def nice_step(span: float, count: int) -> float:
    """The smallest of 1, 2 or 5 times a power of ten that divides ``span`` into ``count`` parts or fewer."""
    least = span / count
    power = 10.0 ** floor(log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def quantity(value: float, step: float, unit: str, largest: float = 0.0) -> str:
    """``"1.5 MB"``, ``"20 ms"``: with the decimals that tell neighbours apart which are ``step`` apart.

    The prefix is the one that suits ``largest``, so that all numbers of an axis have the same.
    """
    if abs(value) < step / 1e6:
        return "0"
    largest = max(abs(value), abs(largest), step) * (1 + 1e-9)
    power = max(-3, min(4, floor(log10(largest) / 3))) if unit not in COUNTS else 0
    decimals = max(0, -floor(log10(step / 1000.0**power * (1 + 1e-9))))
    return f"{value / 1000.0**power:.{decimals}f} {_PREFIXES[power]}{unit}"


COUNTS = frozenset({"packets"})
"""Units that take no prefix."""


@dataclass(slots=True, frozen=True)
class Times:
    """What all panels span from left to right; ``zero`` is where the axis begins to count."""

    start: Instant
    stop: Instant
    zero: Instant

    @classmethod
    def around(cls, start: Instant, stop: Instant) -> "Times":
        """With some air, so that nothing lies on the frame."""
        span = max(stop - start, MICROSECOND)
        return cls(start - span // 80, stop + span // 60, start)


@dataclass(slots=True, frozen=True)
class Box:
    """Where a panel is, and what it spans: time from left to right, values from ``low`` to ``high`` upwards.

    Places are multiples of ``grain``: the coarser it is, the more of many points fall into one.
    """

    top: float
    height: float
    times: "Times"
    high: float
    low: float = 0.0
    grain: float = 0.01

    @property
    def width(self) -> float:
        """The same for all panels."""
        return WIDTH - LEFT - RIGHT

    @property
    def bottom(self) -> float:
        """Where the lowest value lies."""
        return self.top + self.height

    def x(self, when: Instant) -> float:
        """The place of an instant."""
        place = LEFT + (when - self.times.start) * self.width / (self.times.stop - self.times.start)
        return round(place / self.grain) * self.grain

    def y(self, value: float) -> float:
        """The place of a value."""
        place = self.bottom - (value - self.low) * self.height / (self.high - self.low)
        return round(place / self.grain) * self.grain


def number(value: float) -> str:
    """With two decimals at most."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def stair(box: Box, points: Iterable[tuple[Instant, float]]) -> str:
    """Path data of a value that stays as it is until it changes; steps too small to be seen are joined."""
    parts: list[str] = []
    known: tuple[str, str] = ("", "")
    for when, value in points:
        place = number(box.x(when)), number(box.y(value))
        if not parts:
            parts.append(f"M{place[0]} {place[1]}")
        else:
            if place[0] != known[0]:
                parts.append(f"H{place[0]}")
            if place[1] != known[1]:
                parts.append(f"V{place[1]}")
        known = place
    return "".join(parts)


def line(box: Box, points: Iterable[tuple[Instant, float]]) -> str:
    """Path data that joins the points."""
    places = dict.fromkeys(f"{number(box.x(when))} {number(box.y(value))}" for when, value in points)
    return "M" + "L".join(places) if places else ""


def area(box: Box, points: Sequence[tuple[Instant, float]]) -> str:
    """Path data of everything below a `stair`."""
    if not points:
        return ""
    base = number(box.y(box.low))
    return f"{stair(box, points)}V{base}H{number(box.x(points[0][0]))}Z"


def dots(box: Box, points: Iterable[tuple[Instant, float]]) -> str:
    """Path data of points; the caps of the stroke make them visible."""
    places = dict.fromkeys(f"M{number(box.x(when))} {number(box.y(value))}h0" for when, value in points)
    return "".join(places)


def glyphs(kind: str, shape: str, places: Sequence[Place], gap: float = 0.0) -> str:
    """A path with ``shape`` at each place; of those nearer than ``gap`` to the one before only the first is drawn."""
    if not places:
        return ""
    drawn: list[str] = []
    last: Place | None = None
    places = list(dict.fromkeys(places))
    for x, y in places:
        if last is None or abs(x - last[0]) >= gap or abs(y - last[1]) >= gap:
            drawn.append(f"M{number(x)} {number(y)}{shape}")
            last = (x, y)
    every = " ".join(f"{number(x)} {number(y)}" for x, y in places)
    return f'<path class="{kind}" data-glyph="{shape}" data-gap="{gap:g}" data-at="{every}" d="{"".join(drawn)}"/>'


def path(kind: str, data: str) -> str:
    """A path that may be stretched."""
    return f'<path class="{kind}" d="{data}"/>' if data else ""


def text(kind: str, at: Place, words: str) -> str:
    """Words on one line."""
    return f'<text class="{kind}" x="{number(at[0])}" y="{number(at[1])}">{escape(printable(words))}</text>'


@dataclass(slots=True, frozen=True)
class Layers:
    """Contents of a panel from below: ``behind`` the grid, then what may be ``stretched``, then ``fixed`` glyphs."""

    behind: str = ""
    stretched: str = ""
    fixed: str = ""


def panel(name: str, box: Box, unit: str, layers: Layers) -> str:
    """A panel with its vertical axis; ``name`` is unique on the page."""
    left, right = number(LEFT), number(box.width)
    frame = f'x="{left}" y="{number(box.top)}" width="{right}" height="{number(box.height)}"'
    where = f"{left} {number(box.top)} {right} {number(box.height)}"
    return "\n".join(
        (
            f'<g class="panel" data-box="{where}" data-range="{box.low:g} {box.high:g}" data-unit="{unit}">',
            f'<clipPath id="{name}"><rect {frame}/></clipPath><rect class="paper" {frame}/>',
            f'<g clip-path="url(#{name})"><g class="stretch">{layers.behind}</g></g>',
            f'<g class="axis">{_grid(box, unit)}</g>',
            f'<g clip-path="url(#{name})"><g class="stretch">{layers.stretched}</g>{layers.fixed}</g>',
            f'<rect class="frame" {frame}/></g>',
        )
    )


def ticks(low: float, high: float, count: int, unit: str) -> list[tuple[float, str]]:
    """Round values from ``low`` to ``high``, and what is written beside them."""
    step = nice_step(high - low, count)
    if unit in COUNTS:
        step = max(1.0, step)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [(index * step, quantity(index * step, step, unit, last * step)) for index in range(first, last + 1)]


def _grid(box: Box, unit: str) -> str:
    """Lines through the ticks of both axes, and the numbers of the vertical one."""
    parts = [f'<path class="grid" d="M{number(x)} {number(box.top)}v{number(box.height)}"/>' for x, _ in _times(box)]
    for value, words in ticks(box.low, box.high, max(4, int(box.height // 40)), unit):
        y = box.y(value)
        parts.append(f'<path class="grid" d="M{LEFT} {number(y)}h{number(box.width)}"/>')
        parts.append(text("value", (LEFT - 8, y + 4), words))
    return "".join(parts)


def _times(box: Box) -> list[tuple[float, str]]:
    times = box.times
    start, stop = ((when - times.zero) / SECOND for when in (times.start, times.stop))
    return [(box.x(times.zero + round(when * SECOND)), words) for when, words in ticks(start, stop, 12, "s")]


def time_axis(box: Box) -> str:
    """The ticks of the time axis, below the lowest panel."""
    times = box.times
    span = " ".join(f"{(when - times.zero) / SECOND:.9g}" for when in (times.start, times.stop))
    parts = [
        f'<path class="tick" d="M{number(x)} {number(box.bottom)}v5"/>{text("time", (x, box.bottom + 18), words)}'
        for x, words in _times(box)
    ]
    return f'<g class="times" data-range="{span}">{"".join(parts)}</g>'


@dataclass(slots=True, frozen=True)
class Entry:
    """What a colour or a glyph means: ``sample`` is drawn around (0, 0) and as wide as 18."""

    sample: str
    words: str


def legend(entries: Iterable[Entry], at: Place, width: float = WIDTH - RIGHT) -> tuple[str, float]:
    """Samples and words in lines from ``at`` on; also how high they are together."""
    parts: list[str] = []
    x, y = at
    for entry in entries:
        room = 26 + len(entry.words) * LETTER + 14
        if x + room > width and x > at[0]:
            x, y = at[0], y + 18
        parts.append(f'<g transform="translate({number(x + 9)} {number(y - 4)})">{entry.sample}</g>')
        parts.append(text("key", (x + 24, y), entry.words))
        x += room
    return "".join(parts), y - at[1] + 18 if parts else 0.0


def heading(box: Box, words: str, entries: Iterable[Entry] = ()) -> str:
    """The line above a panel: its name and what its lines are."""
    y = box.top - _HEADING_BASELINE
    keys, _ = legend(entries, (LEFT + len(words) * 7.4 + 22, y), 1e9)
    return text("heading", (LEFT, y), words) + keys
