import json
import os
import subprocess
import sys
from pathlib import Path

from tests.sim.libraries.digests import SCENARIOS

ROOT = Path(__file__).parents[3]


def digests(hash_seed: str) -> dict[str, str]:
    """Those that another process finds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim.libraries.digests"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_processes_with_other_hash_seeds_put_the_same_octets_on_the_cable_at_the_same_times() -> None:
    first, second = digests("1"), digests("2")
    assert first.keys() == SCENARIOS.keys()
    assert first == second
