import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OLD = Path(sys.prefix) / "share" / "redis-4.5.3"


def answers(*paths: Path) -> tuple[str, list[str]]:
    """The version of redis-py that is found with ``paths`` in front, and what its client heard."""
    path = os.pathsep.join([*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "tests.sim.libraries.redis_cancelled"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    return report["version"], report["answers"]


@pytest.mark.skipif(not OLD.exists(), reason="make setup installs redis 4.5.3 beside the current one")
def test_redis_4_5_3_answers_the_next_command_with_the_answer_to_a_cancelled_one() -> None:
    assert answers(OLD) == ("4.5.3", ["first", "second"])


def test_the_current_redis_answers_each_command_with_its_own_answer() -> None:
    assert answers()[1] == ["second", "third"]
