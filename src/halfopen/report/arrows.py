"""What a ladder diagram is made of: arrows, and folds that stand for many."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from halfopen.base.clock import Instant


@dataclass(slots=True, frozen=True, kw_only=True)
class Arrow:
    """One frame on its way from one lifeline to another.

    ``label`` says what it is and ``details`` (TCP options, say) continues it; ``note`` is a remark about it.
    ``arrived`` is when the other end saw it, if that is known; ``waypoints`` are when it came to which routers between
    the two, and ``number`` is the frame's in the capture. ``is_routine`` arrows may be folded with their neighbours
    when there are too many, and go without their details where there is no room.
    """

    when: Instant
    source: str
    destination: str
    label: str
    details: str = ""
    note: str = ""
    lost: bool = False
    arrived: Instant | None = None
    waypoints: tuple[tuple[Instant, str], ...] = ()
    is_routine: bool = False
    number: int = 0

    @property
    def places(self) -> tuple[str, ...]:
        """The lifelines that it touches, in the order of its way."""
        return (self.source, *(name for _, name in self.waypoints), self.destination)


@dataclass(slots=True, frozen=True)
class Fold:
    """Stands for ``count`` arrows between ``when`` and ``until`` that are not drawn."""

    when: Instant
    until: Instant
    count: int

    @property
    def label(self) -> str:
        """Such as ``"... 212 segments ..."``."""
        return f"... {self.count} segment{'s' if self.count > 1 else ''} ..."


Row: TypeAlias = Arrow | Fold


def fold(arrows: Sequence[Arrow], limit: int) -> list[Row]:
    """All arrows if they are ``limit`` at most; otherwise routine runs are folded to their ends.

    As much of each run's two ends is kept as the limit allows. If what is not routine alone exceeds it, the middle of
    the whole goes as well.
    """
    if len(arrows) <= limit:
        return list(arrows)
    runs = [(is_routine, list(run)) for is_routine, run in groupby(arrows, key=lambda arrow: arrow.is_routine)]
    for ends in range(limit // 2, 0, -1):
        rows: list[Row] = []
        for is_routine, run in runs:
            rows += _without_middle(run, ends, ends) if is_routine else run
        if sum(isinstance(row, Arrow) for row in rows) <= limit:
            return rows
    return _around_fold(arrows, limit - limit // 3, limit // 3)


def _without_middle(run: Sequence[Arrow], head: int, tail: int) -> list[Row]:
    """The first ``head`` and last ``tail`` arrows around a fold; all of them if it would save less than two rows."""
    if len(run) <= head + tail + 2:
        return list(run)
    return _around_fold(run, head, tail)


def _around_fold(run: Sequence[Arrow], head: int, tail: int) -> list[Row]:
    hidden = run[head : len(run) - tail]
    return [*run[:head], Fold(hidden[0].when, hidden[-1].when, len(hidden)), *run[len(run) - tail :]]
