"""The command ``halfopen`` as a user runs it: in this process, or as one of its own."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner, Result

from halfopen.cli.group import halfopen
from halfopen.links.namespaces import Namespace

COMMAND = [sys.executable, "-m", "halfopen"]


def invoke(*args: str) -> Result:
    return CliRunner().invoke(halfopen, list(args), prog_name="halfopen")


def run(*args: str, cwd: Path | None = None, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *args], cwd=cwd, input=stdin, capture_output=True, text=True, timeout=100)


def complaint(*args: str) -> str:
    """What a wrong call is answered with: one line, exit code 2."""
    result = invoke(*args)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@contextmanager
def running(namespace: Namespace, *args: str, cwd: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    """A command in ``namespace``, with pipes; it is told to end, and has to end well, when the test is done with it."""
    with namespace.enter():
        process = subprocess.Popen(
            [*COMMAND, *args],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.01)


def line_with(process: "subprocess.Popen[str]", text: str) -> str:
    """Reads the command's stderr up to a line that has ``text``."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if text in line:
            return line
    raise AssertionError(f"{text!r} is not in what it said: {''.join(seen)}")
