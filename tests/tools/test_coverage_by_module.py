"""The tool runs in a small project of its own, in which each kind of gap was made on purpose."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[2]

FILES = {
    "src/halfopen/__init__.py": "",
    "src/halfopen/base/__init__.py": "",
    "src/halfopen/base/covered.py": """
        TABLE = {"a": 1}

        def sign(x):
            if x < 0:
                return -1
            return 1
        """,
    "src/halfopen/base/half.py": """
        def step(x):
            if x:
                x += 1
            return x
        """,
    "src/halfopen/wire/__init__.py": "",
    "src/halfopen/wire/untested.py": "X = 1\n",
    "tests/base/test_covered.py": """
        from halfopen.base.covered import sign
        from halfopen.base.half import step

        def test_sign():
            assert (sign(-5), sign(5), step(0)) == (-1, 1, 0)
        """,
    "tests/base/test_half.py": """
        from halfopen.base.half import step

        def test_step():
            assert step(1) == 2
        """,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """`half` is fully covered by both test files together, but not by its own."""
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(dedent(content))
    return tmp_path


def run(project: Path, *arguments: str) -> tuple[int, list[str], str]:
    finished = subprocess.run(
        [sys.executable, "-m", "tools.coverage_by_module", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": f"{project / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, [line.rstrip() for line in finished.stdout.splitlines()], finished.stderr


def test_a_module_is_judged_by_its_own_test_file_alone(project: Path) -> None:
    status, lines, _ = run(project)
    assert status == 1
    assert lines[-4:] == [
        "base/covered                  100.0 %",
        "base/half                      83.3 %  3->5",
        "wire/untested                       has no tests/wire/test_untested.py",
        "1 of 3 modules are fully covered by their own test file.",
    ]


def test_gaps_can_be_allowed_but_not_failing_tests(project: Path) -> None:
    assert run(project, "--allow-missing")[0] == 0
    (project / "tests/base/test_half.py").write_text("def test_step():\n    assert False\n")
    assert run(project, "--allow-missing")[0] == 1


def test_one_module_can_be_asked_for(project: Path) -> None:
    status, lines, _ = run(project, "base/covered")
    assert status == 0
    assert lines[-1] == "1 of 1 modules are fully covered by their own test file."


def test_a_module_that_is_not_there_is_named(project: Path) -> None:
    status, _, complaint = run(project, "tcp/nothing")
    assert status == 2
    assert "no module at tcp/nothing" in complaint
