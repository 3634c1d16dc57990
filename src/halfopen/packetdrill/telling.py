"""Verdicts for people and for programs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from halfopen.base.clock import SECOND
from halfopen.packetdrill.corpus import Tally
from halfopen.packetdrill.errors import Trace, Verdict
from halfopen.packetdrill.trace import TraceLine, side_by_side
from halfopen.report.arrows import Arrow
from halfopen.report.ladder import Ladder
from halfopen.report.tables import format_table, printable

REMOTE, STACK, KERNEL = "script", "stack", "kernel"
LAST_PACKETS = 8
WORDS = {"pass": "passed", "fail": "FAILED", "unsupported": "unsupported", "xfail": "xfail"}


def as_object(verdict: Verdict) -> dict[str, object]:
    """For programs."""
    return {
        "script": verdict.script,
        "ip_version": verdict.ip_version,
        "verdict": verdict.verdict,
        "line": verdict.line,
        "message": verdict.message,
        **({"xfail": True} if verdict.xfail else {}),
    }


def as_line(verdict: Verdict) -> str:
    """``tests/a.pkt:12:1: FAILED (ipv4): expected ack 1001, saw ack 1``."""
    if verdict.malformed:
        return f"{printable(verdict.script)}: {printable(verdict.message)}"
    place = f"{verdict.script}:{verdict.line}:{verdict.column}" if verdict.line else verdict.script
    message = f": {printable(verdict.message)}" if verdict.message else ""
    return f"{printable(place)}: {WORDS['xfail' if verdict.xfail else verdict.verdict]} ({verdict.ip_version}){message}"


def as_text(verdict: Verdict, width: int) -> str:
    """The line, and below it what was written, expected and seen, and the last packets as a ladder."""
    return "\n".join(_parts(verdict, width))


def _parts(verdict: Verdict, width: int) -> Iterator[str]:
    yield as_line(verdict)
    if verdict.verdict == "pass":
        return
    if verdict.line:
        yield from _facts(verdict)
    if ladder := as_ladder(verdict.trace, width):
        yield ""
        yield ladder


def _facts(verdict: Verdict) -> Iterator[str]:
    written = _written(verdict)
    if written and written != verdict.expected:
        yield f"  line {verdict.line}: {printable(written)}"
    if verdict.expected:
        yield f"  expected: {printable(verdict.expected)}"
    if verdict.seen:
        yield f"  seen:     {printable(verdict.seen)}"


def _written(verdict: Verdict) -> str:
    try:
        lines = Path(verdict.script).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return lines[verdict.line - 1].strip() if verdict.line <= len(lines) else ""


def as_ladder(trace: Trace, width: int) -> str:
    """The last packets among the lines of ``trace``; empty if there are none."""
    arrows = []
    for when, text in trace:
        direction, _, label = text.partition(" ")
        if direction in ("<", ">"):
            ends = (REMOTE, STACK) if direction == "<" else (STACK, REMOTE)
            label, sign, options = label.partition("<")
            arrows.append(
                Arrow(when=when, source=ends[0], destination=ends[1], label=label.strip(), details=sign + options)
            )
    return Ladder.of(arrows, lifelines=(REMOTE, STACK)).last(LAST_PACKETS, 0).as_text(width) if arrows else ""


def as_trace(verdict: Verdict) -> str:
    """All that happened, line by line."""
    return "\n".join(f"  {when / SECOND:.6f} {printable(text)}" for when, text in verdict.trace)


def folder_table(folders: Sequence[tuple[str, Tally]]) -> str:
    """How the scripts of each folder ended."""
    rows = [(name, each.passed, each.failed, each.unsupported, each.total) for name, each in folders]
    return format_table(rows, ("folder", "passed", "failed", "unsupported", "scripts"))


def comparison(ours: Verdict, theirs: Verdict) -> str:
    """Both answers to one script, and what happened side by side."""
    parts = [f"{name}: {as_line(verdict)}" for name, verdict in ((STACK, ours), (KERNEL, theirs))]
    left, right = ([TraceLine(*line) for line in verdict.trace] for verdict in (ours, theirs))
    return "\n".join([*parts, *map(printable, side_by_side(left, right, (STACK, KERNEL)))])
