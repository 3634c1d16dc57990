"""What tests/conftest.py says about skipped tests, seen from outside: pytest runs in a folder with a copy of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

MARKERS = "root: ''\nneeds(*programs): ''\ndevice(path): ''\nrfc(number, *ids): ''"


def run(folder: Path, source: str, **environment: str) -> tuple[int, str]:
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "test_it.py").write_text(f"import pytest\n\n{source}\n")
    (folder / "pytest.ini").write_text(
        "[pytest]\nmarkers =\n" + "".join(f"  {line}\n" for line in MARKERS.splitlines())
    )
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *environment.pop("arguments", "").split()],
        cwd=folder,
        env={**os.environ, "HALFOPEN_NO_SKIPS": "", "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr


NEEDS = '@pytest.mark.needs("sh", "no-such-program")\ndef test_one(): ...\n'
DEVICE = '@pytest.mark.device("/dev/no-such-device")\ndef test_two(): ...\n'
ADHOC = 'def test_three():\n    pytest.skip("no mood")\n'


def test_reasons_are_grouped_and_name_the_package_to_install(tmp_path: Path) -> None:
    nft = NEEDS.replace("test_one", "test_four").replace("no-such-program", "nft")
    status, output = run(tmp_path, NEEDS + NEEDS.replace("test_one", "test_again") + DEVICE + nft, PATH="/nowhere")
    assert status == 0
    assert "2 tests: needs sh, no-such-program (apt install no-such-program sh)" in output
    assert "1 test: this system lacks /dev/no-such-device" in output


@pytest.mark.parametrize("workers", ["", "-n 2"])
def test_with_no_skips_a_test_that_could_have_run_fails_the_run(tmp_path: Path, workers: str) -> None:
    status, output = run(tmp_path, NEEDS + ADHOC + DEVICE, HALFOPEN_NO_SKIPS="1", arguments=workers)
    assert status == 1
    _, complaints = output.split("HALFOPEN_NO_SKIPS=1 wants them to")
    assert "test_it.py::test_one: needs no-such-program" in complaints
    assert "test_it.py::test_three: no mood" in complaints
    assert "test_two" not in complaints


def test_with_no_skips_a_whole_file_that_was_skipped_fails_the_run(tmp_path: Path) -> None:
    status, output = run(tmp_path, 'pytest.importorskip("no_such_module")\n' + NEEDS, HALFOPEN_NO_SKIPS="1")
    assert status != 0
    assert "test_it.py: could not import 'no_such_module'" in output


def test_what_this_system_cannot_do_is_excused(tmp_path: Path) -> None:
    assert run(tmp_path, DEVICE + "def test_three(): ...", HALFOPEN_NO_SKIPS="1")[0] == 0


def test_a_test_runs_when_everything_it_needs_is_there(tmp_path: Path) -> None:
    source = '@pytest.mark.device("/dev/null")\n@pytest.mark.needs("sh")\ndef test_one(): ...'
    status, output = run(tmp_path, source, HALFOPEN_NO_SKIPS="1")
    assert status == 0
    assert "1 passed" in output
    assert "skipped" not in output


@pytest.mark.parametrize(("uid", "outcome"), [(0, "1 passed"), (1000, "1 test: needs root")])
def test_a_test_that_needs_root_skips_for_everybody_else(tmp_path: Path, uid: int, outcome: str) -> None:
    source = "@pytest.mark.root\ndef test_one(): ..."
    (tmp_path / "sitecustomize.py").write_text(f"import os\nos.geteuid = lambda: {uid}\n")
    status, output = run(tmp_path, source, HALFOPEN_NO_SKIPS="1", PYTHONPATH=str(tmp_path))
    assert status == 0
    assert outcome in output
