"""Makes docs/conformance.md: each requirement, and the tests that prove it or the reason why none does.

    python -m tools.conformance [--check] [--allow-missing]

Requirements come from docs/conformance/rfc9293.toml and others.toml; proofs from marks on the tests, such as
``@pytest.mark.rfc("9293", "MUST-10")``, and from a comment at the top of a packetdrill script, such as
``// rfc: 5961.1 MUST-10``; neither is imported or run. With ``--check`` nothing is written, and a table that is not up
to date is an error. A requirement with neither test nor reason is an error unless ``--allow-missing`` is given.
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

APPENDIX_B = Path("docs/conformance/rfc9293.toml")
OTHERS = Path("docs/conformance/others.toml")
TABLE = Path("docs/conformance.md")
TESTS = Path("tests")
RFC = "9293"
SHOWN = 3
"""Tests named in one row; the others are counted."""

LEVELS = ("MUST", "SHOULD", "RECOMMENDED", "MAY")
STANDINGS = ("proven", "reason given", "open")

IN_A_SCRIPT = re.compile(r"(?://|#)\s*rfc:(?P<ids>.*)")

Proofs: TypeAlias = dict[tuple[str, str], list["Proof"]]


@dataclass(slots=True, frozen=True)
class Requirement:
    """One rule of an RFC: a row of RFC 9293 Appendix B, or one that has a number of ours and no level."""

    id: str
    text: str
    level: str = ""
    section: str = ""
    reason: str = ""
    rfc: str = RFC

    @property
    def key(self) -> tuple[str, str]:
        """As marks name it."""
        return self.rfc, self.id


@dataclass(slots=True, frozen=True, order=True)
class Proof:
    """A test, or all tests of a class or file, or a script, that carries a mark."""

    path: str
    name: str

    @property
    def link(self) -> str:
        """As Markdown, from the folder of the table."""
        return f"[{self.name or Path(self.path).name}](../{self.path})"


class BadMark(Exception):
    """A mark that cannot be read, or names a requirement that does not exist."""


def load(*checklists: Path) -> tuple[list[Requirement], dict[str, str]]:
    """The requirements in the order of the checklists, and the titles of RFCs by number."""
    requirements: list[Requirement] = []
    titles: dict[str, str] = {}
    for checklist in checklists:
        content = tomllib.loads(checklist.read_text(encoding="utf-8"))
        requirements += [Requirement(**row) for row in content["requirement"]]
        titles |= content["titles"]
    return requirements, titles


def collect(tests: Path) -> Proofs:
    """(RFC, id) -> the tests under ``tests`` that are marked with it."""
    proofs: Proofs = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        shown = path.relative_to(tests.parent).as_posix()
        for name, call in marks(ast.parse(path.read_text(encoding="utf-8"), shown), ""):
            for key in requirements_of(call, f"{shown}:{call.lineno}"):
                proofs[key].append(Proof(shown, name))
    return proofs


def collect_scripts(tests: Path, requirements: Sequence[Requirement]) -> Proofs:
    """(RFC, id) -> the packetdrill scripts under ``tests`` that name the id in their first lines."""
    keys = {row.id: row.key for row in requirements}
    proofs: Proofs = defaultdict(list)
    for path in sorted(tests.rglob("*.pkt")):
        shown = path.relative_to(tests.parent).as_posix()
        for id_ in ids_at_the_top(path.read_text(encoding="utf-8")):
            if id_ not in keys:
                raise BadMark(f"{shown}: there is no requirement {id_}")
            proofs[keys[id_]].append(Proof(shown, "/".join(path.parts[-3:])))
    return proofs


def ids_at_the_top(script: str) -> Iterator[str]:
    """The ids that a script names in the comments and settings before its first event."""
    for line in script.splitlines():
        if line.strip() and not line.startswith(("//", "#", "--")):
            return
        if found := IN_A_SCRIPT.fullmatch(line.rstrip()):
            yield from found["ids"].replace(",", " ").split()


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
    """A complaint for each mark whose id its RFC's checklist does not have; an RFC without one is a reference only."""
    rfcs = {row.rfc for row in requirements}
    known = {row.key for row in requirements}
    for number, id_ in sorted((key for key in proofs if key[0] in rfcs and key not in known), key=natural):
        yield from (
            f"{proof.path}: {proof.name}: RFC {number} has no requirement {id_}" for proof in proofs[number, id_]
        )


def unproven(requirements: Sequence[Requirement], proofs: Proofs) -> list[str]:
    """The ids with neither test nor reason."""
    return [row.id for row in requirements if standing(row, proofs) == "open"]


def standing(row: Requirement, proofs: Proofs) -> str:
    """Where one requirement stands, in a word."""
    if row.reason:
        return "reason given"
    return "proven" if row.key in proofs else "open"


def render(requirements: Sequence[Requirement], titles: Mapping[str, str], proofs: Proofs) -> str:
    """The whole page."""
    leveled = [row for row in requirements if row.level]
    lines = [
        "# Conformance",
        "",
        "Made by `make conformance` from the checklists in `docs/conformance` and the marks of the tests.",
        "A requirement is *proven* by the tests named beside it, or carries the *reason* why none does, or not whole.",
        "An id with neither fails `make check`.",
        "",
        *summary(requirements, proofs),
        "",
        f"## RFC {RFC}, Appendix B",
        "",
        "| level | requirements | proven | reason given | open |",
        "|---|--:|--:|--:|--:|",
        *(f"| {level} | {figures([row for row in leveled if row.level == level], proofs)} |" for level in LEVELS),
        "",
        "| id | section | requirement | shown by |",
        "|---|---|---|---|",
        *(f"| {row.id} | {row.section} | {row.text} | {shown_by(row, proofs)} |" for row in leveled),
        *render_others([row for row in requirements if not row.level], titles, proofs),
        *render_references(requirements, titles, proofs),
    ]
    return "\n".join(lines) + "\n"


def summary(requirements: Sequence[Requirement], proofs: Proofs) -> list[str]:
    """The two figures that a reader looks for first."""
    musts = Counter(standing(row, proofs) for row in requirements if row.level == "MUST")
    total = Counter(standing(row, proofs) for row in requirements)
    sentence = "Of {} {} are proven by tests and {} have a reason."
    return [
        sentence.format(f"the {musts.total()} MUSTs of RFC {RFC}", musts["proven"], musts["reason given"]),
        sentence.format(f"all {total.total()} requirements", total["proven"], total["reason given"]),
    ]


def render_others(rows: Sequence[Requirement], titles: Mapping[str, str], proofs: Proofs) -> Iterator[str]:
    """A count for each RFC that numbers nothing, whose ids are ours, and a table of its rules."""
    by_rfc: dict[str, list[Requirement]] = defaultdict(list)
    for row in rows:
        by_rfc[row.rfc].append(row)
    yield from ("", "## Other RFCs", "", "They number nothing; the ids are ours.", "")
    yield from ("| RFC | requirements | proven | reason given | open |", "|---|--:|--:|--:|--:|")
    for number, its in by_rfc.items():
        yield f"| {number} {titles.get(number, '')} | {figures(its, proofs)} |"
    for number, its in by_rfc.items():
        yield from ("", f"### RFC {number}, {titles.get(number, '')}", "")
        yield from ("| id | requirement | shown by |", "|---|---|---|")
        yield from (f"| {row.id} | {row.text} | {shown_by(row, proofs)} |" for row in its)


def render_references(requirements: Sequence[Requirement], titles: Mapping[str, str], proofs: Proofs) -> Iterator[str]:
    """What tests prove of RFCs that have no checklist here."""
    rfcs = {row.rfc for row in requirements}
    yield from ("", "## RFCs without a checklist here", "", "| RFC | section | shown by |", "|---|---|---|")
    for number, section in sorted((key for key in proofs if key[0] not in rfcs), key=natural):
        yield f"| {number} {titles.get(number, '')} | {section} | {show(proofs[number, section])} |"


def figures(rows: Sequence[Requirement], proofs: Proofs) -> str:
    """How many rows there are, and how many stand where, as cells of a table."""
    counts = Counter(standing(row, proofs) for row in rows)
    return " | ".join(map(str, [counts.total(), *(counts[word] for word in STANDINGS)]))


def shown_by(row: Requirement, proofs: Proofs) -> str:
    """The last cell of a row: its reason and its tests."""
    return "<br>".join(filter(None, [row.reason, show(proofs.get(row.key, []))])) or "open"


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
    parser.add_argument("--allow-missing", action="store_true", help="let ids have neither test nor reason")
    options = parser.parse_args(arguments)
    requirements, titles = load(APPENDIX_B, OTHERS)
    try:
        proofs = collect(TESTS)
        for key, scripts in collect_scripts(TESTS, requirements).items():
            proofs[key] += scripts
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
    print("\n".join(complaints or summary(requirements, proofs)))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
