"""Marks for what a test needs, and an account of what was skipped.

A test that lacks something skips and says what. *needs root* and *this system lacks ...* are facts about the
place; with ``HALFOPEN_NO_SKIPS=1`` every other skip fails the run, because the test could have run here.
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

from halfopen.base.native import build

NEEDS_ROOT = "needs root"
LACKS = "this system lacks"
INTERPRETED = "only the interpreted build"
EXCUSED = (NEEDS_ROOT, LACKS, INTERPRETED)

PACKAGES = {
    "capinfos": "tshark",
    "ip": "iproute2",
    "nft": "nftables",
    "nginx": "nginx-light",
    "nstat": "iproute2",
    "ping": "iputils-ping",
    "ss": "iproute2",
    "sysctl": "procps",
    "tc": "iproute2",
    "unshare": "util-linux",
}
"""Debian's package of a program that is not called like it."""

SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
os.environ["PATH"] = SEARCH_PATH  # What is found here is run by its name; the PATH of many users has no sbin.

# What decides about a commit depends on the commit alone; developers and `make fuzz` go on searching.
settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("fuzz", deadline=None, max_examples=20_000)
settings.load_profile("default")


def missing_programs(programs: tuple[str, ...]) -> str | None:
    """The reason to skip a test that needs ``programs``; None if all are there."""
    missing = [program for program in programs if shutil.which(program, path=SEARCH_PATH) is None]
    if not missing:
        return None
    packages = " ".join(sorted({PACKAGES.get(program, program) for program in missing}))
    return f"needs {', '.join(missing)} (apt install {packages})"


def reason_to_skip(item: pytest.Item) -> str | None:
    """What ``item`` lacks here, in words; None if it can run."""
    for mark in item.iter_markers("device"):
        if not Path(mark.args[0]).exists():
            return f"{LACKS} {mark.args[0]}"
    if (mark := item.get_closest_marker("interpreted")) and build() == "compiled":
        return f"{INTERPRETED} {mark.args[0]}"
    if item.get_closest_marker("root") and os.geteuid() != 0:
        return NEEDS_ROOT
    for mark in item.iter_markers("needs"):
        if reason := missing_programs(mark.args):
            return reason
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if reason := reason_to_skip(item):
        pytest.skip(reason)


def skips(config: pytest.Config) -> list[tuple[str, str]]:
    """(test, reason) of every skip so far; empty in a worker, which has no terminal."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    return [(report.nodeid, report.longrepr[2].removeprefix("Skipped: ")) for report in reports]


def unexcused(config: pytest.Config) -> list[tuple[str, str]]:
    """The skips that fail this run: none unless ``HALFOPEN_NO_SKIPS=1``."""
    if os.environ.get("HALFOPEN_NO_SKIPS") != "1":
        return []
    return [(test, reason) for test, reason in skips(config) if not reason.startswith(EXCUSED)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and unexcused(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reasons = Counter(reason for _, reason in skips(config))
    if reasons:
        terminalreporter.section("what was skipped, and why")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:5} {'test' if count == 1 else 'tests'}: {reason}")
    offenders = unexcused(config)
    if offenders:
        terminalreporter.section("these could have run here, and HALFOPEN_NO_SKIPS=1 wants them to", red=True)
    for test, reason in offenders:
        terminalreporter.write_line(f"{test}: {reason}")
