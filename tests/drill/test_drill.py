"""Our own scripts: what they expect is what our stack does, in both IP versions."""

from pathlib import Path

import pytest

from halfopen.packetdrill.corpus import find_scripts, versions_for
from halfopen.packetdrill.trials import Trial, attempt

ROOT = Path(__file__).parent

TRIALS = [
    pytest.param(path, version, id=f"{path.relative_to(ROOT)}-{version}")
    for path in find_scripts(ROOT)
    for version in versions_for(path, ["ipv4", "ipv6"])
]


@pytest.mark.parametrize(("path", "ip_version"), TRIALS)
def test_a_script_passes(path: Path, ip_version: str) -> None:
    profile = path.relative_to(ROOT).parts[0]
    verdict = attempt(Trial(path=str(path), profile=profile, ip_version=ip_version))
    assert (verdict.verdict, verdict.line, verdict.message) == ("pass", 0, ""), verdict
