"""Ladder diagrams as Mermaid text."""

from collections.abc import Sequence

from halfopen.base.clock import Instant
from halfopen.report.arrows import Arrow, Row
from halfopen.report.ladder_text import relative_seconds
from halfopen.report.tables import printable

_ENTITIES = {ord(letter): f"#{ord(letter)};" for letter in "#;<>&\"'`\\{}%"}
"""Letters that mean something to Mermaid, or to the HTML that it makes, as its numeric entities."""


def _escaped(text: str) -> str:
    return printable(text).translate(_ENTITIES)


def render(lifelines: Sequence[str], rows: Sequence[Row], start: Instant) -> str:
    """A ``sequenceDiagram``; the time in seconds stands before each label."""
    lines = ["sequenceDiagram"]
    names = {name: f"h{index}" for index, name in enumerate(lifelines)}
    lines += [f"    participant {names[name]} as {_escaped(name)}" for name in lifelines]
    for row in rows:
        if isinstance(row, Arrow):
            note = f"({row.note})" if row.note else ""
            label = _escaped(" ".join(filter(None, (relative_seconds(row.when, start), row.label, row.details, note))))
            head = "-x" if row.lost else "->>"
            lines.append(f"    {names[row.source]}{head}{names[row.destination]}: {label}")
        else:
            over = ",".join(dict.fromkeys((names[lifelines[0]], names[lifelines[-1]])))
            lines.append(f"    Note over {over}: {_escaped(row.label)}")
    return "\n".join(lines)
