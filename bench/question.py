"""What is asked, of whom, and how the answers are written down."""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

Measure = Callable[[], float]

OURS = "halfopen"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One figure that several subjects are asked for in turns.

    ``target`` is what halfopen should reach, in ``unit``; ``is_cost`` says that a lower figure is the better one.
    ``least_ratio`` is the share of the other subject's figure that it should reach.
    """

    name: str
    says: str
    unit: str
    subjects: Mapping[str, Measure]
    target: float | None = None
    is_cost: bool = False
    least_ratio: float | None = None

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
    """The figures that one subject, in one build, gave to one question, in the order of the runs."""

    question: str
    subject: str
    build: str
    unit: str
    runs: list[float]

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.runs)

    @property
    def key(self) -> tuple[str, str, str]:
        """What a later answer to the same question replaces."""
        return self.question, self.subject, self.build


def ask(question: Question, runs: int, build: str, report: Callable[[str], None]) -> list[Answer]:
    """Lets the subjects answer in turns, so that what else the machine does at the time troubles all of them."""
    figures: dict[str, list[float]] = {subject: [] for subject in question.subjects}
    for _ in range(runs):
        for subject, measure in question.subjects.items():
            figures[subject].append(measure())
            report(f"{question.name:26}{subject:16}{human(figures[subject][-1], question.unit)}")
    return [Answer(question.name, subject, build, question.unit, values) for subject, values in figures.items()]


def read_answers(path: Path) -> list[Answer]:
    """What the results file holds; nothing if there is none."""
    if not path.exists():
        return []
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return [Answer(**{name: entry[name] for name in Answer.__slots__}) for entry in entries]


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """One JSON object a line."""
    lines = [
        json.dumps(
            {
                "question": answer.question,
                "subject": answer.subject,
                "build": answer.build,
                "value": _rounded(answer.value),
                "unit": answer.unit,
                "runs": [_rounded(run) for run in answer.runs],
            }
        )
        for answer in answers
    ]
    path.write_text("".join(f"{line}\n" for line in lines))


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
