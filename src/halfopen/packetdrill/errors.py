"""What can go wrong with a script, and what came of running one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from halfopen.base.clock import Duration
from halfopen.base.errors import HalfopenError
from halfopen.packetdrill.script import Position


class DrillError(HalfopenError):
    """A script that cannot go on; ``position`` is where in it, ``message`` why."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(position, message)
        self.position = position
        self.message = message

    def __str__(self) -> str:
        return f"line {self.position.line}, column {self.position.column}: {self.message}"


class ScriptError(DrillError):
    """What is written is not in the language, or cannot be meant."""


class Unsupported(DrillError):
    """The script is well-formed, but wants something that this interpreter does not have."""


class Mismatch(DrillError):
    """The stack did something else than the script expects: ``expected`` and ``seen``, if there are such, in words."""

    def __init__(self, position: Position, message: str, expected: str = "", seen: str = "") -> None:
        super().__init__(position, message)
        self.expected = expected
        self.seen = seen


class Endless(Mismatch):
    """A call that never returns."""


Outcome: TypeAlias = Literal["pass", "fail", "unsupported"]
Trace: TypeAlias = Sequence[tuple[Duration, str]]
"""Packets and calls as a script would write them, with times since its start."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Verdict:
    """What came of one run of one script.

    ``script`` is its path, ``line`` and ``column`` where it failed (0: nowhere in it). ``expected``, ``seen`` and
    ``trace`` are for people, and may be empty. ``malformed`` tells a `ScriptError` from another failure, and
    ``endless`` one that would go on for ever. ``xfail``: a failure that a file beside the script says is expected; it
    counts as one all the same.
    """

    script: str
    ip_version: str
    verdict: Outcome
    line: int = 0
    column: int = 0
    message: str = ""
    expected: str = ""
    seen: str = ""
    trace: Trace = ()
    malformed: bool = False
    endless: bool = False
    xfail: bool = False

    @property
    def is_untried(self) -> bool:
        """Whether it says nothing about the stack: the script cannot be run, or not to its end."""
        return self.malformed or self.endless or self.verdict == "unsupported"


def failure(script: str, ip_version: str, error: DrillError, trace: Trace = ()) -> Verdict:
    """The verdict that ``error`` amounts to."""
    told = error if isinstance(error, Mismatch) else None
    return Verdict(
        script=script,
        ip_version=ip_version,
        verdict="unsupported" if isinstance(error, Unsupported) else "fail",
        line=error.position.line,
        column=error.position.column,
        message=str(error) if isinstance(error, ScriptError) else error.message,
        expected=told.expected if told else "",
        seen=told.seen if told else "",
        trace=tuple(trace),
        malformed=isinstance(error, ScriptError),
        endless=isinstance(error, Endless),
    )
