"""Ladder diagrams for the terminal."""

import textwrap
from collections.abc import Sequence
from itertools import pairwise

from halfopen.base.clock import SECOND, Instant
from halfopen.report.arrows import Arrow, Row
from halfopen.report.tables import printable

MIN_GAP = 24
"""Columns between two lifelines, at least; a diagram of many hosts is rather wider than the terminal."""
LOOP_ROOM = 64
"""Columns for the label of an arrow that ends where it began."""
MIN_SHAFT = 4
"""Columns of line that an arrow shows beside its label, at least."""

BAR = "│"
LINE = "─"
CROSSING = "┼"
LOST = "✗"
LOOP = "⟲"


def relative_seconds(when: Instant, start: Instant) -> str:
    """``"0.000123"``: seconds since the start, to the microsecond."""
    return f"{(when - start) / SECOND:.6f}"


class _Canvas:
    """Lines of characters with the lifelines drawn already; text is put over them."""

    def __init__(self, columns: Sequence[int]) -> None:
        self.columns = columns
        self.lines: list[list[str]] = []

    def add_line(self, time: str = "") -> None:
        """A new line at the bottom, with the time in front."""
        line = [" "] * (self.columns[-1] + 1)
        for column in self.columns:
            line[column] = BAR
        self.lines.append(line)
        self.put(max(0, self.columns[0] - 2 - len(time)), time)

    def put(self, column: int, text: str) -> None:
        """Writes over the bottom line."""
        line = self.lines[-1]
        line.extend(" " * (column + len(text) - len(line)))
        line[column : column + len(text)] = text

    def text(self) -> str:
        """Everything, without blanks at the ends of lines."""
        return "\n".join("".join(line).rstrip() for line in self.lines)


def render(lifelines: Sequence[str], rows: Sequence[Row], start: Instant, width: int) -> str:
    """The diagram of ``rows``, about ``width`` columns wide."""
    if not lifelines:
        return ""
    names = [printable(name) for name in lifelines]
    times = [relative_seconds(row.when, start) for row in rows]
    first = max(2 + max(map(len, times), default=0), len(names[0]) // 2)
    canvas = _Canvas(_columns(names, first, width))
    _put_heading(canvas, names)
    places = dict(zip(lifelines, canvas.columns, strict=True))
    for row, time in zip(rows, times, strict=True):
        if isinstance(row, Arrow):
            _put_arrow(canvas, row, (places[row.source], places[row.destination]), time)
        else:
            _put_fold(canvas, row.label, time)
    return canvas.text()


def _columns(names: Sequence[str], first: int, width: int) -> list[int]:
    """Where the lifelines stand: evenly, and far enough apart for their names."""
    if len(names) == 1:
        return [first]
    room = width - 1 - first - (len(names[-1]) - 1) // 2
    widest = max((len(left) + 1) // 2 + len(right) // 2 + 2 for left, right in pairwise(names))
    gap = max(MIN_GAP, widest, room // (len(names) - 1))
    return [first + gap * index for index in range(len(names))]


def _put_heading(canvas: _Canvas, names: Sequence[str]) -> None:
    canvas.lines.append([])
    for column, name in zip(canvas.columns, names, strict=True):
        canvas.put(column - len(name) // 2, name)
    canvas.add_line()


def _put_fold(canvas: _Canvas, label: str, time: str) -> None:
    canvas.add_line(time)
    left, right = canvas.columns[0] + 1, canvas.columns[-1]
    canvas.put(left + max(0, (right - left - len(label)) // 2), label)


def _put_arrow(canvas: _Canvas, arrow: Arrow, ends: tuple[int, int], time: str) -> None:
    """The line itself carries as much of the label as fits; the rest stands below it."""
    left, right = min(ends), max(ends)
    texts = _wrap(arrow, right - left - 1 if left < right else LOOP_ROOM)
    canvas.add_line(time)
    if left == right:
        canvas.put(left + 1, f"{LOST if arrow.lost else LOOP} {texts[0]}")
    else:
        canvas.put(left + 1, _shaft(canvas, arrow.lost, ends, texts[0]))
    for text in texts[1:]:
        canvas.add_line()
        canvas.put(left + 3, text)


def _wrap(arrow: Arrow, gap: int) -> list[str]:
    """Label, details and note in lines that fit into ``gap`` columns; the details of a routine arrow get no line."""
    room = max(gap - MIN_SHAFT - 2, 8)
    label, details = printable(arrow.label), printable(arrow.details)
    if details and len(label) + 1 + len(details) <= room:
        label, details = f"{label} {details}", ""
    elif arrow.is_routine:
        details = ""
    # Only options are broken at commas, and only when no blank will do: a space is put there to break at.
    if len(details) > gap - 3:
        details = details.replace(",", ", ")
    lines = textwrap.wrap(label, room, break_on_hyphens=False) or [""]
    for text in (details, f"({printable(arrow.note)})" if arrow.note else ""):
        lines += textwrap.wrap(text, max(gap - 3, 8), break_on_hyphens=False)
    return lines


def _shaft(canvas: _Canvas, lost: bool, ends: tuple[int, int], text: str) -> str:
    """The characters between two lifelines: line, label, head; a lost one ends on its way with a cross."""
    source, destination = ends
    left, gap = min(ends), abs(destination - source) - 1
    shaft = [CROSSING if left + 1 + index in canvas.columns else LINE for index in range(gap)]
    rightwards = destination > source
    if lost:
        reach = min(gap - 1, max(len(text) + MIN_SHAFT + 1, gap * 3 // 4))
        beyond = range(reach + 1, gap) if rightwards else range(gap - 1 - reach)
        shaft[reach if rightwards else gap - 1 - reach] = LOST
        for index in beyond:
            shaft[index] = BAR if left + 1 + index in canvas.columns else " "
    elif rightwards:
        shaft[-1] = "▶"
    else:
        shaft[0] = "◀"
    at = 1 if rightwards else shaft.index(LOST) + 2 if lost else 2
    label = f" {text} "
    shaft[at : at + len(label)] = label
    return "".join(shaft)
