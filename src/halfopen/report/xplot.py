"""Graphs as text for ``xplot`` (xplot.org) and jPlot, in the words and colours that tcptrace writes."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from halfopen.base.clock import MICROSECOND, SECOND, Instant
from halfopen.report.marks import Kind, Mark

_BARS = {
    Kind.DATA: ("white", ""),
    Kind.RETRANSMISSION: ("red", "R"),
    Kind.PROBE: ("white", "P"),
    Kind.SACK: ("purple", "S"),
    Kind.DSACK: ("purple", "D"),
}
_LETTERS = {
    Kind.SYN: ("orange", "SYN"),
    Kind.FIN: ("orange", "FIN"),
    Kind.RESET: ("red", "RST"),
    Kind.OUT_OF_ORDER: ("pink", "O"),
    Kind.MARKED: ("magenta", "CE"),
    Kind.ZERO_WINDOW: ("yellow", "Z"),
}
_POINTS = {
    Kind.PUSH: ("diamond", "white"),
    Kind.LOST: ("cross", "red"),
    Kind.DUPLICATE_ACK: ("dtick", "green"),
}


def document(
    title: str,
    marks: Sequence[Mark],
    acked: Sequence[tuple[Instant, int]],
    allowed: Sequence[tuple[Instant, int]],
) -> str:
    """A whole file: absolute times in seconds with microseconds, sequence numbers relative to the first."""
    lines = ["timeval unsigned", "title", title, "xlabel", "time", "ylabel", "sequence offset"]
    for mark in marks:
        lines += _mark(mark)
    lines += _stair("green", acked)
    lines += _stair("yellow", allowed)
    return "\n".join((*lines, "go")) + "\n"


def _time(when: Instant) -> str:
    micros = when // MICROSECOND
    return f"{micros // (SECOND // MICROSECOND)}.{micros % (SECOND // MICROSECOND):06d}"


def _mark(mark: Mark) -> Iterator[str]:
    at = _time(mark.when)
    if mark.kind in _BARS:
        color, letter = _BARS[mark.kind]
        yield f"line {at} {mark.low} {at} {mark.high} {color}"
        if mark.kind not in (Kind.SACK, Kind.DSACK):
            yield f"darrow {at} {mark.high} {color}"
            yield f"uarrow {at} {mark.low} {color}"
        if letter:
            yield f"atext {at} {mark.high} {color}"
            yield letter
    elif mark.kind in _LETTERS:
        color, letter = _LETTERS[mark.kind]
        yield f"atext {at} {mark.high} {color}"
        yield letter
    else:
        shape, color = _POINTS[mark.kind]
        yield f"{shape} {at} {mark.high} {color}"


def _stair(color: str, points: Sequence[tuple[Instant, int]]) -> Iterator[str]:
    for (when, value), (after, next_value) in pairwise(points):
        if value >= 0 and next_value >= 0:  # xplot reads them as unsigned.
            yield f"line {_time(when)} {value} {_time(after)} {value} {color}"
            yield f"line {_time(after)} {value} {_time(after)} {next_value} {color}"
