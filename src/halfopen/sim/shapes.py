"""What a drawing of a topology is made of: cards, lines and labels, and how each looks in SVG."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from halfopen.sim.topology_parts import HOST, HUB, NAT, ROUTER, SWITCH, Segment, split

COLORS = {
    HOST: ("#2563eb", "#eff6ff"),
    ROUTER: ("#7c3aed", "#f5f3ff"),
    NAT: ("#c2410c", "#fff7ed"),
    SWITCH: ("#0f766e", "#f0fdfa"),
    HUB: ("#475569", "#f8fafc"),
}
"""Ink and tint by kind."""

ICONS = {
    HOST: '<rect x="-9" y="-8" width="18" height="12" rx="1.5"/><path d="M-4 8h8M0 4v4"/>',
    ROUTER: '<path d="M-11 0h7m-3-3 3 3-3 3M11 0H4m3-3-3 3 3 3M0-4v-7m-3 3 3-3 3 3M0 4v7m-3-3 3 3 3-3"/>',
    NAT: '<path d="M0-10v20" stroke-dasharray="3 2.4"/><path d="M-10-4H8m-4-4 4 4-4 4M10 5H-8m4-4-4 4 4 4"/>',
    SWITCH: '<path d="M-10-4H9m-4-4 4 4-4 4M10 4H-9m4-4-4 4 4 4"/>',
    HUB: '<circle r="3"/><path d="M-3 0h-7M3 0h7M0-3v-7M0 3v7M-2-2l-5-5M2 2l5 5M2-2l5-5M-2 2l-5 5"/>',
}

SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
MONO = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"

HEAD, ROW = 22.0, 15.0
TEXT_LEFT = 50.0
CLAUSE = re.compile(
    r" (?=(?:delay|distribution|loss|rate|limit|reorder|gap|duplicate|corrupt|red|codel|target|interval)\b)"
)
LONGEST = 28
"""Letters in a line of words, if it can be broken."""


@dataclass(slots=True, eq=False)
class Card:
    """A node, switch or hub; (``x``, ``y``) is its middle."""

    kind: str
    name: str
    rows: list[tuple[str, str]]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    layer: int = 0

    @property
    def colors(self) -> tuple[str, str]:
        """Ink and tint."""
        return COLORS.get(self.kind, COLORS[HOST])


def card_of(kind: str, name: str = "", addresses: Sequence[str] = (), remarks: Sequence[str] = ()) -> Card:
    """A card as large as what stands on it."""
    said = [line for text in remarks for line in wrapped(text.removeprefix("net.ipv4."))]
    rows = [("address", text) for text in addresses] + [("remark", text) for text in said]
    widths = [len(text) * (6.9 if row == "address" else 6.1) for row, text in rows]
    widths.append(len(name) * 8.4 + len(kind) * 6.6 + 14)
    height = max(44.0, 12 + HEAD + ROW * len(rows))
    return Card(kind, name, rows, TEXT_LEFT + max(widths) + 14, height)


@dataclass(slots=True, eq=False)
class Line:
    """A link, or what joins a host with a switch or hub. ``sides`` are said of its ends: a NAT's inside and outside."""

    first: Card
    second: Card
    segment: Segment | None
    sides: tuple[str, str] = ("", "")
    ends: dict[int, tuple[float, float, int]] = field(default_factory=dict)

    @property
    def texts(self) -> list[tuple[str, str]]:
        """What stands on it: what it does to packets each way, and its prefix."""
        segment = self.segment
        if segment is None:
            return []
        words = [("words", line) for line in wrapped(segment.words)]
        if segment.back is not None:
            forth, back = ("→", "←") if self.first.x < self.second.x else ("←", "→")
            if self.first.x == self.second.x:
                forth, back = ("↓", "↑") if self.first.y < self.second.y else ("↑", "↓")
            ways = f"{forth} {segment.words or 'perfect'}", f"{back} {segment.back or 'perfect'}"
            words = [("words", line) for way in ways for line in wrapped(way)]
        if segment.mtu != 1500:
            words.append(("words", f"mtu {segment.mtu}"))
        return words + [("prefix", prefix) for prefix in split(segment.prefix)]

    @property
    def label_size(self) -> tuple[float, float]:
        """Width and height of its label."""
        texts = self.texts
        widths = [len(text) * (6.2 if row == "words" else 6.4) for row, text in texts]
        return (max(widths) + 18, ROW * len(texts) + 8) if texts else (0.0, 0.0)

    def other(self, card: Card) -> Card:
        """The other end."""
        return self.second if card is self.first else self.first

    def side_of(self, card: Card) -> int:
        """On which side it leaves ``card``: -1 is left, 1 right; within a column on the right."""
        return -1 if self.other(card).x < card.x else 1

    def port(self, card: Card, side: int, offset: float) -> None:
        """It leaves ``card`` on that side, so far below its middle."""
        self.ends[id(card)] = (card.x + side * card.width / 2, card.y + offset, side)

    def curve(self) -> tuple[tuple[float, float], ...]:
        """The four points of a Bézier curve that leaves both cards at right angles."""
        (x1, y1, side1), (x2, y2, side2) = self.ends[id(self.first)], self.ends[id(self.second)]
        reach = max(36.0, abs(x2 - x1) * 0.45) if side1 != side2 else (self.label_size[0] / 2 + 18) / 0.75
        return (x1, y1), (x1 + side1 * reach, y1), (x2 + side2 * reach, y2), (x2, y2)

    def point(self, along: float) -> tuple[float, float]:
        """The point of the curve at ``along``, from 0 to 1."""
        weights = ((1 - along) ** 3, 3 * along * (1 - along) ** 2, 3 * along**2 * (1 - along), along**3)
        x, y = (sum(w * point[axis] for w, point in zip(weights, self.curve(), strict=True)) for axis in (0, 1))
        return x, y


def wrapped(text: str) -> list[str]:
    """Netem's words in lines that are not too long; a line begins with the name of what its first values are of."""
    lines: list[str] = []
    for clause in CLAUSE.split(text):
        if lines and len(lines[-1]) + len(clause) < LONGEST:
            lines[-1] += f" {clause}"
        else:
            lines.append(clause)
    return [line for line in lines if line]


@dataclass(slots=True)
class Label:
    """Text in a box of its own; (``x``, ``y``) is its middle."""

    x: float
    y: float
    width: float
    height: float
    texts: list[tuple[str, str]]

    def covers(self, other: "Label | Card") -> bool:
        """Whether the boxes overlap, or nearly."""
        return (
            abs(self.x - other.x) < (self.width + other.width) / 2 + 4
            and abs(self.y - other.y) < (self.height + other.height) / 2 + 3
        )


def defs() -> str:
    """What is said once for the whole drawing."""
    return (
        f"<style>text{{font-family:{SANS};fill:#0f172a}}.mono{{font-family:{MONO};font-size:11px;fill:#334155}}"
        ".name{font-size:14px;font-weight:600}.kind{font-size:9.5px;font-weight:600;letter-spacing:.06em}"
        ".remark,.words{font-size:11px;fill:#475569}.words{fill:#0f172a}.side{font-size:9.5px}"
        ".icon{fill:none;stroke-width:1.7;stroke-linecap:round;stroke-linejoin:round}</style>\n"
        '<filter id="lift" x="-20%" y="-20%" width="140%" height="150%">'
        '<feDropShadow dx="0" dy="1.2" stdDeviation="1.6" flood-color="#0f172a" flood-opacity=".13"/></filter>'
    )


def draw_card(card: Card) -> str:
    """A box with an icon, the name, the kind, and rows of text."""
    ink, tint = card.colors
    left, top = card.x - card.width / 2, card.y - card.height / 2
    radius = {ROUTER: 22, NAT: 4, SWITCH: 4, HUB: 4}.get(card.kind, 10)
    right = left + card.width - 12
    content = 12 + HEAD + ROW * len(card.rows)
    base = card.y - content / 2 + 21
    parts = [
        f'<g><rect x="{left:.1f}" y="{top:.1f}" width="{card.width:.1f}" height="{card.height:.1f}" rx="{radius}" '
        f'fill="{tint}" stroke="{ink}" stroke-width="1.4" filter="url(#lift)"/>',
        f'<circle cx="{left + 27:.1f}" cy="{card.y:.1f}" r="16" fill="#fff" stroke="{ink}" stroke-opacity=".35"/>',
        f'<g class="icon" stroke="{ink}" transform="translate({left + 27:.1f} {card.y:.1f})">',
        ICONS.get(card.kind, ""),
        "</g>",
        f'<text class="name" x="{left + TEXT_LEFT:.1f}" y="{base:.1f}">{escape(card.name)}</text>',
        f'<text class="kind" x="{right:.1f}" y="{base - 1:.1f}" text-anchor="end" style="fill:{ink}">'
        f"{escape(card.kind.upper())}</text>",
    ]
    for number, (row, text) in enumerate(card.rows, 1):
        style = "mono" if row == "address" else "remark"
        at = base + ROW * number + 1
        parts.append(f'<text class="{style}" x="{left + TEXT_LEFT:.1f}" y="{at:.1f}">{escape(text)}</text>')
    return "".join(parts) + "</g>"


def draw_line(line: Line) -> str:
    """A curve, with what is said of its ends."""
    a, b, c, d = (f"{x:.1f} {y:.1f}" for x, y in line.curve())
    ink = "#64748b" if line.segment is not None else line.second.colors[0]
    drawn = f'<path d="M{a}C{b},{c},{d}" fill="none" stroke="{ink}" stroke-width="2" stroke-linecap="round"/>'
    for card, said in zip((line.first, line.second), line.sides, strict=True):
        if said:
            x, y, side = line.ends[id(card)]
            anchor = "start" if side > 0 else "end"
            drawn += (
                f'<text class="side" x="{x + side * 5:.1f}" y="{y - 5:.1f}" text-anchor="{anchor}" '
                f'style="fill:{card.colors[0]}">{said}</text>'
            )
    return drawn


def draw_label(label: Label) -> str:
    """A box on a line."""
    left, top = label.x - label.width / 2, label.y - label.height / 2
    box = (
        f'<g><rect x="{left:.1f}" y="{top:.1f}" width="{label.width:.1f}" height="{label.height:.1f}" rx="6" '
        'fill="#fff" stroke="#cbd5e1"/>'
    )
    for number, (row, text) in enumerate(label.texts):
        style = "words" if row == "words" else "mono"
        at = top + 4 + ROW * number + 11
        box += f'<text class="{style}" x="{label.x:.1f}" y="{at:.1f}" text-anchor="middle">{escape(text)}</text>'
    return box + "</g>"
