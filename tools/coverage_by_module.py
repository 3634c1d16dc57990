"""Holds each core module to full branch coverage by its own test file: tests/wire/test_arp.py for wire/arp.py.

    python -m tools.coverage_by_module [--allow-missing] [MODULE ...]

All those test files run once, in one process; coverage notes for every branch which file was running. What runs when a
module is imported counts for every file. ``MODULE`` is a path such as ``tcp/sending`` or a package; default: all.
"""

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest

SOURCE = Path("src/halfopen")
TESTS = Path("tests")
CORE = ("base", "wire", "tcp")
IMPORT = "import"


@dataclass(slots=True, frozen=True)
class Module:
    """A module of the core, by its path below ``src/halfopen`` without suffix."""

    path: Path

    @property
    def source(self) -> Path:
        """Its own file."""
        return SOURCE / self.path.with_suffix(".py")

    @property
    def tests(self) -> Path:
        """The one test file that has to cover it."""
        return TESTS / self.path.parent / f"test_{self.path.name}.py"

    @property
    def name(self) -> str:
        """As it is imported."""
        return ".".join(("halfopen", *self.path.parts))


@dataclass(slots=True, frozen=True)
class Outcome:
    """How much of a module its test file reaches."""

    percent: float
    lines: tuple[int, ...]
    branches: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        missing = [str(line) for line in self.lines]
        missing += [f"{start}->{'exit' if stop < 0 else stop}" for start, stop in self.branches]
        return f"{self.percent:6.1f} %  {' '.join(missing)}".rstrip()


class Contexts:
    """A pytest plugin that tells coverage which test file is running."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """A test module's own statements belong to it."""
        if isinstance(collector, pytest.Module):
            self.measured.switch_context(context(collector.path))
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """A test belongs to its file, with its fixtures."""
        self.measured.switch_context(context(item.path))
        return (yield)


def context(path: Path) -> str:
    """What the branches that a test file reaches are filed under."""
    return path.resolve().relative_to(Path.cwd()).as_posix()


def modules(wanted: Sequence[str]) -> Iterator[Module]:
    """The core's modules that have anything to run, at or below the paths ``wanted``."""
    for package in CORE:
        for source in sorted((SOURCE / package).rglob("*.py")):
            path = source.relative_to(SOURCE).with_suffix("")
            is_wanted = not wanted or any(path.is_relative_to(prefix) for prefix in wanted)
            if is_wanted and source.name != "__init__.py":
                yield Module(path)


def measure(chosen: Sequence[Module], folder: Path) -> tuple[coverage.Coverage, int]:
    """Runs the test files of ``chosen``; gives what they reached, and pytest's exit status."""
    os.environ["COVERAGE_CORE"] = "ctrace"  # The only one that can tell contexts apart.
    measured = coverage.Coverage(data_file=folder / "data", branch=True, source=[str(SOURCE)])
    measured.start()
    measured.switch_context(IMPORT)
    for module in chosen:
        importlib.import_module(module.name)
    files = [str(module.tests) for module in chosen if module.tests.exists()]
    options = ["-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=600"]
    # Our own plugin is of no use here, and pytest need not rewrite the asserts of the package that it is in.
    options += ["-p", "no:halfopen", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    status = pytest.main([*options, *files], plugins=[Contexts(measured)])
    measured.stop()
    measured.save()
    return measured, status


def evaluate(measured: coverage.Coverage, module: Module, folder: Path) -> Outcome:
    """What only this module's test file, and importing it, reached."""
    report = folder / "report.json"
    contexts = [f"^{IMPORT}$", f"^{context(module.tests)}$"]
    measured.json_report(morfs=[str(module.source)], outfile=str(report), contexts=contexts)
    (figures,) = json.loads(report.read_text(encoding="utf-8"))["files"].values()
    branches = tuple((start, stop) for start, stop in figures["missing_branches"])
    return Outcome(figures["summary"]["percent_covered"], tuple(figures["missing_lines"]), branches)


def main(arguments: Sequence[str]) -> int:
    """Prints a line for each module; 1 if one is not fully covered, or a test failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.coverage_by_module")
    parser.add_argument("--allow-missing", action="store_true", help="print, but do not fail for what is not covered")
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    options = parser.parse_args(arguments)
    chosen = list(modules(options.modules))
    if not chosen:
        parser.error(f"no module at {', '.join(options.modules)}; one is written like tcp/sending")
    with tempfile.TemporaryDirectory() as name:
        measured, status = measure(chosen, Path(name))
        outcomes = {module: evaluate(measured, module, Path(name)) for module in chosen if module.tests.exists()}
    lacking = 0
    for module in chosen:
        outcome = outcomes.get(module)
        lacking += outcome is None or bool(outcome.lines or outcome.branches)
        print(f"{module.path.as_posix():28} {outcome or f'       has no {module.tests}'}")
    print(f"{len(chosen) - lacking} of {len(chosen)} modules are fully covered by their own test file.")
    return 1 if status or (lacking and not options.allow_missing) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
