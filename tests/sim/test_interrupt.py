import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from halfopen.capture.pcapng import Reader


def interrupt(process: "subprocess.Popen[str]", how: str) -> None:
    """Once asks the program to end. One that never yields does not hear that; the second time nobody is asked."""
    process.send_signal(signal.SIGINT)
    while how == "spins" and process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("how", ["yields", "spins"])
def test_ctrl_c_ends_a_run_with_a_message_and_leaves_a_valid_capture(tmp_path: Path, how: str) -> None:
    path = tmp_path / "run.pcapng"
    command = [sys.executable, "-m", "tests.sim.endless", str(path), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            interrupt(process, how)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT
    with path.open("rb") as file:
        records = list(Reader(file))
    assert len(records) > 400
    assert "KeyboardInterrupt: at 0." in errors
    assert " s of virtual time\n" in errors
    assert "\nserver:\nNetid State" in errors
