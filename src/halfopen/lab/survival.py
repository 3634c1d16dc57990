"""Survival curves: how many real clients get in, over the rate of the flood, for each way to keep half-open records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import log10
from xml.sax.saxutils import escape

from halfopen.lab import theory_floods as theory
from halfopen.lab.theory_floods import Table

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 58, 36, 16, 84
LOW, HIGH = 0, 6
"""Of the logarithm of the rate: 1 to 10^6 SYN/s."""
STEPS = 240
COLOURS = ("#c0392b", "#e67e22", "#8e44ad", "#2471a3", "#148f77", "#566573")
SECONDS = 63.0

STYLE = (
    ".survival text{font:12px system-ui,sans-serif;fill:#333}.survival .grid{stroke:#ddd}"
    ".survival .line{fill:none;stroke-width:2}.survival .bar{stroke-width:1.5}"
)


@dataclass(frozen=True, slots=True)
class Point:
    """A measurement: what share was served at that rate, surely between ``low`` and ``high``."""

    policy: str
    rate: float
    share: float
    low: float | None = None
    high: float | None = None


def policies(rtt: float) -> Mapping[str, Callable[[float], float]]:
    """The closed forms, by name: share of the clients served over the rate, with one SYN each."""
    return {
        "drop-tail, 128": lambda rate: theory.drop_tail(Table.of(128), rate, SECONDS),
        "random drop, 1024": partial(_random, rtt),
        "oldest, 1024": lambda rate: theory.recycle_oldest(Table.of(1024), rate, rtt),
        "SYN cache, 15,360": lambda rate: theory.recycle_oldest(Table.of(15_360), rate, rtt),
        "cookies, hybrid, proxy, filter": lambda rate: 1.0,
    }


def _random(rtt: float, rate: float) -> float:
    return theory.random_drop(Table.of(1024), rate, rtt)


def draw(rtt: float, points: Sequence[Point] = ()) -> str:
    """The curves with what was measured, as SVG; a point has the colour of its policy, if it is one of theory's."""
    laws = policies(rtt)
    colours = dict(zip(laws, COLOURS, strict=False))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" class="survival" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">']
    parts.append(f"<style>{STYLE}</style><title>Clients served over the rate of the flood</title>{_axes()}")
    rates = [10 ** (LOW + (HIGH - LOW) * step / STEPS) for step in range(STEPS + 1)]
    for name, law in laws.items():
        places = "L".join(f"{_x(rate):.1f} {_y(share):.1f}" for rate, share in theory.curve(law, rates))
        parts.append(f'<path class="line" stroke="{colours[name]}" d="M{places}"/>')
    parts.extend(_mark(point, colours.get(point.policy, COLOURS[-1])) for point in points)
    strange = [point.policy for point in points if point.policy not in laws]
    parts.append(_legend({**colours, **dict.fromkeys(strange, COLOURS[-1])}, dots=set(strange)))
    return "".join((*parts, "</svg>"))


def _x(rate: float) -> float:
    share = (log10(max(rate, 10**LOW)) - LOW) / (HIGH - LOW)
    return LEFT + min(1.0, share) * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _axes() -> str:
    parts = []
    for power in range(LOW, HIGH + 1):
        x = _x(10.0**power)
        label = f"{10**power:,}"
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{_y(0):.1f}"/>')
        parts.append(f'<text x="{x:.1f}" y="{_y(0) + 18:.1f}" text-anchor="middle">{label}</text>')
    for percent in range(0, 101, 20):
        y = _y(percent / 100)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{_y(0) + 34:.1f}" text-anchor="end">spoofed SYN/s</text>')
    return "".join(parts)


def _mark(point: Point, colour: str) -> str:
    x, y = _x(point.rate), _y(point.share)
    bar = ""
    if point.low is not None and point.high is not None:
        bar = f'<path class="bar" stroke="{colour}" d="M{x:.1f} {_y(point.low):.1f}V{_y(point.high):.1f}"/>'
    return f'{bar}<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#fff" stroke="{colour}" stroke-width="2"/>'


def _legend(colours: Mapping[str, str], dots: set[str]) -> str:
    parts, x, y = [], float(LEFT), HEIGHT - 30.0
    for name, colour in colours.items():
        room = 40 + 5.9 * len(name)
        if x + room > WIDTH:
            x, y = float(LEFT), y + 18
        sample = (
            f'<circle cx="{x + 9:.1f}" cy="{y - 4:.1f}" r="4" fill="#fff" stroke="{colour}" stroke-width="2"/>'
            if name in dots
            else f'<path class="line" stroke="{colour}" d="M{x:.1f} {y - 4:.1f}h18"/>'
        )
        parts.append(f'{sample}<text x="{x + 24:.1f}" y="{y:.1f}">{escape(name)}</text>')
        x += room
    return "".join(parts)
