"""Attractors of sequence numbers, side by side (Zalewski 2001): what has a structure can be guessed."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLUMNS = 5
SIDE, MARGIN = 190, 14
HEAD, FOOT = 46, 26
COLORS = ("#440154", "#31688e", "#35b779", "#e0a000")
"""For the third difference, from low to high: of one lightness to the next, so that they differ in grey as well."""

FEW, MANY = 7, 2.4
"""Size of a dot, if there are few places or many."""

_STYLE = (
    ".isn text{font:12px 'DejaVu Sans',Helvetica,Arial,sans-serif;fill:#1f2328}"
    ".isn .name{font-weight:600;font-size:13px}.isn .small{font-size:10.5px;fill:#59636e}"
    ".isn .title{font-size:16px;font-weight:600}"
    ".isn rect.ground{fill:#fff}.isn rect.frame{fill:#f6f8fa;stroke:#9aa4ae}"
    ".isn path{fill:none;stroke-linecap:round}.isn .axis{stroke:#d0d7de;stroke-width:1}"
)


@dataclass(frozen=True, slots=True)
class Panel:
    """The points of one generator: three successive differences each."""

    name: str
    points: Sequence[tuple[int, int, int]]
    remark: str


def attractors(panels: Sequence[Panel]) -> str:
    """All panels as one SVG: x the difference before, y the next one, colour the third. Each has a scale of its own."""
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    width = max(columns * (SIDE + MARGIN) + MARGIN, 460)
    height = HEAD + 14 + rows * (SIDE + HEAD + FOOT)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="isn" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-label="attractors of initial sequence numbers">',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>',
        f'<text class="title" x="{MARGIN}" y="24">Where the next number lies, once two differences are known</text>',
        f'<text class="small" x="{MARGIN}" y="42">across: a difference; up: the next one; colour: the one after'
        " that, from low (dark) to high (bright); each panel has a scale of its own, below it</text>",
    ]
    for index, panel in enumerate(panels):
        left = MARGIN + index % columns * (SIDE + MARGIN)
        top = HEAD + 14 + index // columns * (SIDE + HEAD + FOOT)
        parts.append(f'<g transform="translate({left},{top})">{_panel(panel)}</g>')
    return "".join((*parts, "</svg>\n"))


def _panel(panel: Panel) -> str:
    low, high = scale(panel.points)
    span = high - low

    def place(value: int) -> float:
        return 6 + (value - low) / span * (SIDE - 12)

    dots: list[list[str]] = [[] for _ in COLORS]
    for x, y, z in panel.points:
        color = min(len(COLORS) - 1, int((z - low) / span * len(COLORS)))
        dots[color].append(f"M{place(x):.1f} {SIDE - place(y):.1f}h0")
    weight = FEW if len(set(panel.points)) < 100 else MANY
    paths = "".join(
        f'<path stroke="{color}" stroke-width="{weight}" d="{"".join(data)}"/>'
        for color, data in zip(COLORS, dots, strict=True)
        if data
    )
    axes = ""
    if low < 0 < high:
        at = place(0)
        axes = f'<path class="axis" d="M{at:.1f} 0V{SIDE}M0 {SIDE - at:.1f}H{SIDE}"/>'
    return (
        f'<text class="name" x="0" y="14">{escape(panel.name)}</text>'
        f'<text class="small" x="0" y="30">{escape(panel.remark)}</text>'
        f'<g transform="translate(0,36)"><rect class="frame" width="{SIDE}" height="{SIDE}"/>{axes}{paths}</g>'
        f'<text class="small" x="0" y="{SIDE + 50}">{low:,} to {high:,}</text>'
    )


def scale(points: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
    """From the least difference to the greatest; around it, if there is but one."""
    values = [value for point in points for value in point]
    low, high = min(values), max(values)
    return (low - 1, high + 1) if low == high else (low, high)
