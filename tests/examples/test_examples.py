"""Every example runs as a user would run it, and prints what is recorded beside it."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
REAL = {"shared_tun": pytest.mark.device("/dev/net/tun")}
"""Those with packets that the kernel sees, and what they want."""
LIMIT = 30
"""Lines of an example, blank ones and its docstring left out."""


@pytest.mark.parametrize(
    "example", [pytest.param(path, id=path.stem, marks=REAL.get(path.stem, ())) for path in EXAMPLES]
)
def test_an_example_prints_what_is_recorded(example: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert run.stderr == ""
    assert run.stdout == example.with_suffix(".txt").read_text()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short(example: Path) -> None:
    lines = [line for line in example.read_text().splitlines()[1:] if line.strip()]
    assert len(lines) <= LIMIT


def test_every_recorded_output_has_its_example() -> None:
    assert {path.stem for path in EXAMPLES} == {path.stem for path in EXAMPLES[0].parent.glob("*.txt")}
