"""Pictures of a topology: a Mermaid flowchart, and a drawing in SVG that needs nothing else."""

from collections.abc import Sequence
from html import escape

from halfopen.sim.layout import arrange
from halfopen.sim.shapes import Card, Label, Line, card_of, defs, draw_card, draw_label, draw_line
from halfopen.sim.topology_parts import HOST, HUB, LINK, NAT, ROUTER, SWITCH, Node, Segment, addresses_of, split

MARGIN = 28.0
LEAST_GAP = 84.0
PORT_STEP = 13.0
SIDE = 52.0
"""What "outside" takes at the end of a line."""

ALONG = (0.5, 0.4, 0.6, 0.3, 0.7, 0.25, 0.75)
ASIDE = (0, 12, -12, 24, -24, 40, -40, 60, -60)
"""Where a label may be: along its line, and below or above that."""

MERMAID = {HOST: ('["', '"]'), ROUTER: ('(("', '"))'), NAT: ('{{"', '"}}'), SWITCH: ('[["', '"]]'), HUB: ('(["', '"])')}


def mermaid(nodes: Sequence[Node], segments: Sequence[Segment]) -> str:
    """A flowchart for Markdown: links are lines, switches and hubs boxes of their own."""
    lines = ["flowchart LR"]
    keys = {node.name: f"n{number}" for number, node in enumerate(nodes)}
    for node in nodes:
        text = [f"<b>{_safe(node.name)}</b>", *map(_safe, addresses_of(node, segments)), *map(_safe, node.remarks)]
        lines.append(f"    {keys[node.name]}{_shape(node.kind, text)}:::{node.kind}")
    for number, segment in enumerate(segments):
        text = [_safe(each) for each in (*segment.remarks, *split(segment.prefix))]
        if segment.kind == LINK and len(segment.members) == 2:
            first, second = (keys[member.node] for member in segment.members)
            label = f'|"{"<br/>".join(text)}"|' if text else ""
            lines.append(f"    {first} ---{label} {second}")
            continue
        lines.append(f"    s{number}{_shape(segment.kind, [f'<b>{_safe(segment.name)}</b>', *text])}:::{segment.kind}")
        lines += [f"    {keys[member.node]} --- s{number}" for member in segment.members]
    for kind, (ink, tint) in {kind: card_of(kind).colors for kind in MERMAID}.items():
        lines.append(f"    classDef {kind} fill:{tint},stroke:{ink},color:#0f172a")
    return "\n".join(lines) + "\n"


def _shape(kind: str, text: Sequence[str]) -> str:
    before, after = MERMAID.get(kind, MERMAID[HOST])
    return f"{before}{'<br/>'.join(text)}{after}"


def _safe(text: str) -> str:
    return escape(text, quote=False).replace('"', "#quot;")


def svg(nodes: Sequence[Node], segments: Sequence[Segment]) -> str:
    """A drawing."""
    picture = Picture(nodes, segments)
    width, height = picture.size
    title = f"Network of {len(nodes)} nodes and {len(segments)} networks"
    body = [draw_line(line) for line in picture.lines]
    body += [draw_card(card) for card in picture.cards.values()]
    body += [draw_label(label) for label in picture.labels]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{title}">\n<title>{title}</title>\n'
        + "\n".join([defs(), f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>', *body])
        + "\n</svg>\n"
    )


class Picture:
    """Cards for nodes, switches and hubs, set on the page, and the lines between them with their labels."""

    def __init__(self, nodes: Sequence[Node], segments: Sequence[Segment]) -> None:
        self.cards: dict[str, Card] = {}
        self.lines: list[Line] = []
        self.labels: list[Label] = []
        for node in nodes:
            texts = [address.partition("/")[0] for address in addresses_of(node, segments)]
            self.cards[f"node {node.name}"] = card_of(node.kind, node.name, texts, node.remarks)
        self._join(segments)
        self._set()
        self._connect()
        for line in self.lines:
            self._label(line)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the page."""
        boxes: list[Card | Label] = [*self.cards.values(), *self.labels]
        right = max((box.x + box.width / 2 for box in boxes), default=0.0)
        bottom = max((box.y + box.height / 2 for box in boxes), default=0.0)
        return right + MARGIN, bottom + MARGIN

    def _join(self, segments: Sequence[Segment]) -> None:
        """A line for each link, and for each member of a switch or hub, which has a card of its own."""
        order: dict[str, int] = {}
        for segment in segments:
            ends = [f"node {member.node}" for member in segment.members]
            sides = []
            for end in ends:
                number = order[end] = order.get(end, 0) + 1
                sides.append(("inside", "outside")[number - 1] if self.cards[end].kind == NAT and number < 3 else "")
            if segment.kind == LINK and len(ends) == 2:
                self.lines.append(Line(self.cards[ends[0]], self.cards[ends[1]], segment, (sides[0], sides[1])))
                continue
            remarks = split(segment.prefix)
            middle = self.cards[f"segment {segment.name}"] = card_of(
                segment.kind, segment.name, remarks, segment.remarks
            )
            self.lines += [
                Line(self.cards[end], middle, None, (side, "")) for end, side in zip(ends, sides, strict=True)
            ]

    def _set(self) -> None:
        """Columns are as wide as what stands in them, and as far apart as the labels between them want."""
        keys = {id(card): key for key, card in self.cards.items()}
        neighbors: dict[str, dict[str, None]] = {key: {} for key in self.cards}
        for line in self.lines:
            first, second = keys[id(line.first)], keys[id(line.second)]
            neighbors[first][second] = neighbors[second][first] = None
        heights = {key: card.height for key, card in self.cards.items()}
        for line in self.lines:
            for key in (keys[id(line.first)], keys[id(line.second)]):
                heights[key] = max(heights[key], line.label_size[1])
        places = arrange({key: list(each) for key, each in neighbors.items()}, heights)
        for key, place in places.items():
            self.cards[key].layer, self.cards[key].y = place.layer, MARGIN + place.y
        left = MARGIN
        for layer in range(1 + max((place.layer for place in places.values()), default=-1)):
            column = [card for card in self.cards.values() if card.layer == layer]
            width = max(card.width for card in column)
            for card in column:
                card.x, card.width = left + width / 2, width
            left += width + self._gap(layer)

    def _gap(self, layer: int) -> float:
        """How much room the lines to the right of a layer need."""
        beside = [line for line in self.lines if min(line.first.layer, line.second.layer) == layer]
        return max([LEAST_GAP, *(line.label_size[0] + (2 * SIDE if any(line.sides) else 48) for line in beside)])

    def _connect(self) -> None:
        """Each line leaves a card on the side of the other end; lines of one side are spread, and do not cross."""
        for card in self.cards.values():
            mine = [line for line in self.lines if card in (line.first, line.second)]
            for side in (-1, 1):
                beside = [line for line in mine if line.side_of(card) == side]
                beside.sort(key=lambda line: line.other(card).y)
                step = min(PORT_STEP, (card.height - 16) / max(1, len(beside)))
                for number, line in enumerate(beside):
                    line.port(card, side, (number - (len(beside) - 1) / 2) * step)

    def _label(self, line: Line) -> None:
        """Where it covers nothing else: in the middle of the line if it can be, or nearby."""
        texts = line.texts
        if not texts:
            return
        width, height = line.label_size
        boxes: list[Card | Label] = [*self.labels, *self.cards.values()]
        spots = ((line.point(along), aside) for aside in ASIDE for along in ALONG)
        labels = [Label(x, y + aside, width, height, texts) for (x, y), aside in spots]
        free = (label for label in labels if not any(label.covers(box) for box in boxes))
        self.labels.append(next(free, labels[0]))
