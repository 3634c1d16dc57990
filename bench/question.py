"""What is asked, of whom, and how the answers are written down."""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

Measure = Callable[[], float]

OURS = "halfopen"


class Unavailable(Exception):
    """A subject cannot be made to run here; the reason goes into the table in place of a figure."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One figure that several subjects are asked for in turns.

    ``target`` is what halfopen should reach, in ``unit``; ``is_cost`` says that a lower figure is the better one.
    ``least_ratio`` is the share of the other subject's figure that it should reach. ``builds`` says what the
    subjects are that are not of the build of halfopen, and how they were compiled.
    """

    name: str
    says: str
    unit: str
    subjects: Mapping[str, Measure]
    target: float | None = None
    is_cost: bool = False
    least_ratio: float | None = None
    builds: Mapping[str, Callable[[], str]] = field(default_factory=dict)

    @property
    def goal(self) -> str:
        """What halfopen should reach, for people."""
        if self.least_ratio is not None:
            return f"at least {self.least_ratio:g} x {next(name for name in self.subjects if name != OURS)}"
        if self.target is None:
            return ""
        return f"at {'most' if self.is_cost else 'least'} {human(self.target, self.unit)}"


@dataclass(slots=True, frozen=True)
class Answer:
    """The figures that one subject, in one build, gave to one question, in the order of the runs.

    ``reason`` says why there are no more of them, if the subject failed.
    """

    question: str
    subject: str
    build: str
    unit: str
    runs: list[float]
    reason: str = ""

    @property
    def value(self) -> float | None:
        """The median."""
        return statistics.median(self.runs) if self.runs else None

    @property
    def last(self) -> str:
        """The latest figure, or why there is none, for people."""
        return self.reason or human(self.runs[-1], self.unit)

    @property
    def key(self) -> tuple[str, str, str]:
        """What a later answer to the same question replaces."""
        return self.question, self.subject, self.build


def ask(question: Question, runs: int, build: str, report: Callable[[str], None]) -> list[Answer]:
    """Lets the subjects answer in turns, so that what else the machine does at the time troubles all of them.

    A subject that says it is unavailable is not asked again.
    """
    answers = {
        subject: Answer(question.name, subject, _build(question, subject, build), question.unit, [])
        for subject in question.subjects
    }
    for _ in range(runs):
        for subject, measure in question.subjects.items():
            if not answers[subject].reason:
                answers[subject] = _asked(answers[subject], measure)
                report(f"{question.name:26}{subject:18} {answers[subject].last}")
    return list(answers.values())


def _build(question: Question, subject: str, build: str) -> str:
    return question.builds[subject]() if subject in question.builds else build


def _asked(answer: Answer, measure: Measure) -> Answer:
    try:
        return replace(answer, runs=[*answer.runs, measure()])
    except Unavailable as failure:
        return replace(answer, reason=str(failure))


def read_answers(path: Path) -> list[Answer]:
    """What the results file holds; nothing if there is none."""
    if not path.exists():
        return []
    return [_answer(json.loads(line)) for line in path.read_text().splitlines()]


def _answer(entry: Mapping[str, Any]) -> Answer:
    return Answer(**{name: entry[name] for name in Answer.__slots__ if name in entry})


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """One JSON object a line."""
    path.write_text("".join(f"{json.dumps(_entry(answer))}\n" for answer in answers))


def _entry(answer: Answer) -> dict[str, object]:
    reason = {"reason": answer.reason} if answer.reason else {}
    return {
        "question": answer.question,
        "subject": answer.subject,
        "build": answer.build,
        "value": None if answer.value is None else _rounded(answer.value),
        "unit": answer.unit,
        "runs": [_rounded(run) for run in answer.runs],
        **reason,
    }


def human(value: float, unit: str) -> str:
    """Three significant figures, with a prefix where the unit has one."""
    if unit in ("1/s", "B"):
        return f"{value:,.0f} {unit}"
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1, ""), (1e-3, "m"), (1e-6, "u")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
