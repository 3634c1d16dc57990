"""Ladder diagrams: hosts as lifelines, frames as arrows between them, time running down.

`Ladder` is the value; `as_text`, `as_mermaid` and `as_svg` show it. `halfopen.report.dissect` makes one from a capture.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from halfopen.base.clock import Instant
from halfopen.report import ladder_mermaid, ladder_svg, ladder_text
from halfopen.report.arrows import Arrow, Fold, fold

MAX_ARROWS = 60


@dataclass(slots=True, frozen=True)
class Ladder:
    """Arrows in the order of time, and the lifelines that they run between, from left to right: made by `of`.

    ``omitted`` counts frames that are not shown because nothing here can read them. Times are shown relative to
    ``origin``, or to when the first arrow left.
    """

    lifelines: tuple[str, ...]
    arrows: tuple[Arrow, ...]
    omitted: int = 0
    origin: Instant | None = None

    @classmethod
    def of(cls, arrows: Iterable[Arrow], *, lifelines: tuple[str, ...] = (), omitted: int = 0) -> "Ladder":
        """A ladder of these arrows; lifelines that are not given follow those that are, in the order of appearance."""
        ordered = tuple(sorted(arrows, key=lambda arrow: arrow.when))
        return cls(tuple(dict.fromkeys((*lifelines, *_in_order(ordered)))), ordered, omitted)

    @property
    def start(self) -> Instant:
        """What all times are shown relative to."""
        if self.origin is not None:
            return self.origin
        return self.arrows[0].when if self.arrows else 0

    def last(self, count: int, origin: Instant) -> "Ladder":
        """The end of it: so many arrows, with times relative to ``origin``."""
        return replace(self, arrows=self.arrows[-count:], origin=origin)

    def rows(self, limit: int = MAX_ARROWS) -> list[Arrow | Fold]:
        """The arrows, of which runs of routine ones are folded so that about ``limit`` are left."""
        return fold(self.arrows, limit)

    def as_text(self, width: int = 100, *, limit: int = MAX_ARROWS) -> str:
        """For a terminal of ``width`` columns, in Unicode box-drawing characters, without a newline at the end."""
        return ladder_text.render(self.lifelines, self.rows(limit), self.start, width) + self._remark("\n")

    def as_mermaid(self, *, limit: int = MAX_ARROWS) -> str:
        """A Mermaid ``sequenceDiagram`` (mermaid.js.org), which Markdown pages can show."""
        return ladder_mermaid.render(self.lifelines, self.rows(limit), self.start) + self._remark("\n%% ")

    def as_svg(self, *, limit: int = MAX_ARROWS) -> str:
        """A drawing whose vertical axis is time; arrows slant where both the departure and the arrival are known."""
        return ladder_svg.render(self.lifelines, self.rows(limit), self.start) + "\n"

    def _repr_svg_(self) -> str:
        """For notebooks."""
        return self.as_svg()

    def _remark(self, prefix: str) -> str:
        if not self.omitted:
            return ""
        frames = "1 frame is" if self.omitted == 1 else f"{self.omitted} frames are"
        return f"{prefix}{frames} not shown: not IPv4 or ARP, or malformed"


def _in_order(arrows: Sequence[Arrow]) -> Iterator[str]:
    """Lifelines as they appear; where routers are known, as one comes to them on the way, so that those lie between."""
    ends = [end for arrow in arrows for end in arrow.places]
    if not any(arrow.waypoints for arrow in arrows):
        yield from ends
        return
    neighbours: dict[str, dict[str, None]] = {end: {} for end in ends}
    for arrow in arrows:
        for one, other in pairwise(arrow.places):
            neighbours[one][other] = neighbours[other][one] = None
    known: set[str] = set()
    waiting = list(reversed(neighbours))
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            yield name
            waiting += reversed(neighbours[name])
