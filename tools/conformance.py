"""Makes docs/conformance.md: each requirement, and the tests that prove it or the reason why none does.

    python -m tools.conformance [--check] [--allow-missing]

Requirements come from docs/conformance/rfc9293.toml, proofs from marks such as ``@pytest.mark.rfc("9293", "MUST-10")``
on the tests, which are read and not imported. With ``--check`` nothing is written, and a table that is not up to date
is an error. A MUST with neither test nor reason is an error unless ``--allow-missing`` is given.
"""

import argparse
import ast
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

CHECKLIST = Path("docs/conformance/rfc9293.toml")
TABLE = Path("docs/conformance.md")
TESTS = Path("tests")
RFC = "9293"
SHOWN = 3
"""Tests named in one row; the others are counted."""

LEVELS = ("MUST", "SHOULD", "RECOMMENDED", "MAY")

Proofs: TypeAlias = dict[tuple[str, str], list["Proof"]]


@dataclass(slots=True, frozen=True)
class Requirement:
    """One row of RFC 9293 Appendix B."""

    id: str
    level: str
    section: str
    text: str
    reason: str = ""


@dataclass(slots=True, frozen=True, order=True)
class Proof:
    """A test, or all tests of a class or file, that carries a mark."""

    path: str
    name: str

    @property
    def link(self) -> str:
        """As Markdown, from the folder of the table."""
        return f"[{self.name or Path(self.path).name}](../{self.path})"


class BadMark(Exception):
    """A mark that cannot be read, or names a requirement that does not exist."""


def load(checklist: Path) -> tuple[list[Requirement], dict[str, str]]:
    """The requirements in the order of the RFC, and the titles of RFCs by number."""
    content = tomllib.loads(checklist.read_text(encoding="utf-8"))
    return [Requirement(**row) for row in content["requirement"]], content["titles"]


def collect(tests: Path) -> Proofs:
    """(RFC, id) -> the tests under ``tests`` that are marked with it."""
    proofs: Proofs = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        shown = path.relative_to(tests.parent).as_posix()
        for name, call in marks(ast.parse(path.read_text(encoding="utf-8"), shown), ""):
            for key in requirements_of(call, f"{shown}:{call.lineno}"):
                proofs[key].append(Proof(shown, name))
    return proofs


def marks(parent: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, ast.Call]]:
    """Each ``rfc`` mark in a module or class, with the name of what it marks; ``""`` is the whole module."""
    for node in parent.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            yield from ((prefix.removesuffix("::"), call) for call in rfc_calls(node.value))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = f"{prefix}{node.name}"
            yield from ((name, call) for decorator in node.decorator_list for call in rfc_calls(decorator))
            if isinstance(node, ast.ClassDef):
                yield from marks(node, f"{name}::")


def rfc_calls(expression: ast.expr) -> Iterator[ast.Call]:
    """The calls of ``pytest.mark.rfc`` in an expression, also inside of ``parametrize``."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.rfc"):
            yield node


def requirements_of(call: ast.Call, where: str) -> list[tuple[str, str]]:
    """The (RFC, id) pairs that one mark names; BadMark unless they are literals."""
    values = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    texts = [value for value in values if isinstance(value, str)]
    if call.keywords or len(texts) != len(call.args) or len(texts) < 2:
        raise BadMark(f'{where}: a mark is written rfc("9293", "MUST-10", ...)')
    number, *ids = texts
    return [(number, id_) for id_ in ids]


def unknown(requirements: Sequence[Requirement], proofs: Proofs) -> Iterator[str]:
    """A complaint for each mark of RFC 9293 whose id is neither in its Appendix B nor one of ours (``9293.P4``)."""
    known = {requirement.id for requirement in requirements}
    for (number, id_), tests in proofs.items():
        if number == RFC and id_ not in known and not id_.startswith(f"{RFC}."):
            yield from (f"{proof.path}: {proof.name}: RFC {RFC} has no requirement {id_}" for proof in tests)


def unproven(requirements: Sequence[Requirement], proofs: Proofs) -> list[str]:
    """The MUSTs with neither test nor reason."""
    return [row.id for row in requirements if row.level == "MUST" and not row.reason and (RFC, row.id) not in proofs]


def standing(row: Requirement, proofs: Proofs) -> str:
    """Where one requirement stands, in a word."""
    if row.reason:
        return "reason given"
    return "proven" if (RFC, row.id) in proofs else "open"


def render(requirements: Sequence[Requirement], titles: Mapping[str, str], proofs: Proofs) -> str:
    """The whole page."""
    lines = [
        "# Conformance",
        "",
        "Made by `make conformance` from `docs/conformance/rfc9293.toml` and the marks of the tests.",
        "A requirement is *proven* by the tests named beside it, or carries the *reason* why none proves it.",
        "",
        f"## RFC {RFC}, Appendix B",
        "",
        "| level | requirements | proven | reason given | open |",
        "|---|--:|--:|--:|--:|",
    ]
    for level in LEVELS:
        counts = Counter(standing(row, proofs) for row in requirements if row.level == level)
        figures = [counts.total(), counts["proven"], counts["reason given"], counts["open"]]
        lines.append(f"| {level} | {' | '.join(map(str, figures))} |")
    lines += ["", "| id | section | requirement | shown by |", "|---|---|---|---|"]
    for row in requirements:
        shown = "<br>".join(filter(None, [row.reason, show(proofs.get((RFC, row.id), []))]))
        lines.append(f"| {row.id} | {row.section} | {row.text} | {shown or 'open'} |")
    lines += render_others({requirement.id for requirement in requirements}, titles, proofs)
    return "\n".join(lines) + "\n"


def render_others(appendix: set[str], titles: Mapping[str, str], proofs: Proofs) -> list[str]:
    """The table of every other requirement that a test names; RFCs that number nothing have ids of ours."""
    lines = ["", "## Other requirements with tests", "", "| RFC | id | shown by |", "|---|---|---|"]
    for number, id_ in sorted(proofs, key=natural):
        if number != RFC or id_ not in appendix:
            lines.append(f"| {number} {titles.get(number, '')} | {id_} | {show(proofs[number, id_])} |")
    return lines


def show(tests: Sequence[Proof]) -> str:
    """Links to the first few tests, and how many more there are."""
    links = [proof.link for proof in sorted(set(tests))]
    more = [f"and {len(links) - SHOWN} more"] if len(links) > SHOWN else []
    return "<br>".join(links[:SHOWN] + more)


def natural(key: tuple[str, str]) -> list[list[tuple[int, str]]]:
    """A sort key under which 6298.9 stands before 6298.10."""
    return [[(int(digits or 0), text) for digits, text in re.findall(r"(\d+)|(\D+)", part)] for part in key]


def main(arguments: Sequence[str]) -> int:
    """Writes or checks the table; 1 if something is wrong with it."""
    parser = argparse.ArgumentParser(prog="python -m tools.conformance")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the table is not up to date")
    parser.add_argument("--allow-missing", action="store_true", help="let a MUST have neither test nor reason")
    options = parser.parse_args(arguments)
    requirements, titles = load(CHECKLIST)
    try:
        proofs = collect(TESTS)
    except BadMark as error:
        print(error)
        return 1
    complaints = list(unknown(requirements, proofs))
    missing = unproven(requirements, proofs)
    if missing and not options.allow_missing:
        complaints.append(f"neither test nor reason: {', '.join(missing)}")
    page = render(requirements, titles, proofs)
    if not options.check:
        TABLE.write_text(page, encoding="utf-8")
    elif not TABLE.exists() or TABLE.read_text(encoding="utf-8") != page:
        complaints.append(f"{TABLE} is not up to date: make conformance")
    musts = sum(row.level == "MUST" for row in requirements)
    print("\n".join(complaints) or f"{musts - len(missing)} of {musts} MUSTs have a test or a reason.")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
