"""Every expectation of our scripts is one: a script with any of them changed fails, and at that place."""

from pathlib import Path

import pytest

from halfopen.packetdrill.corpus import find_scripts, versions_for
from halfopen.packetdrill.mutate import Mutation, mutations
from halfopen.packetdrill.parser import load
from halfopen.packetdrill.profiles import PROFILES
from halfopen.packetdrill.runner import run
from halfopen.packetdrill.settings import RunOptions
from halfopen.packetdrill.trials import standard_definitions

ROOT = Path(__file__).parent


def is_noticed(mutation: Mutation, options: RunOptions) -> bool:
    verdict = run(mutation.script, options)
    return verdict.verdict == "fail" and verdict.line == mutation.line


@pytest.mark.parametrize("path", find_scripts(ROOT), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_with_another_expectation_fails_there(path: Path) -> None:
    profile = path.relative_to(ROOT).parts[0]
    version = versions_for(path, ["ipv4", "ipv6"])[0]
    script = load(path, standard_definitions(profile, version, {}))
    options = RunOptions(profile=PROFILES[profile], ip_version=version)
    unnoticed = [f"line {each.line}: {each.what}" for each in mutations(script) if not is_noticed(each, options)]
    assert unnoticed == []
