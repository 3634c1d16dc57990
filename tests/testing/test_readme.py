"""What the README shows works as it stands there."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TESTS = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "def test_" in block]


def test_there_is_a_test_in_the_readme() -> None:
    assert len(TESTS) == 1


@pytest.mark.parametrize("options", [(), ("--sim-fault=flaky-wifi", "--sim-seeds=3")], ids=["plain", "flaky-wifi"])
def test_the_readme_s_test_passes(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    pytester.makepyfile(TESTS[0])
    quiet = ("-p", "no:cacheprovider", "-p", "no:xdist", "-o", "asyncio_default_fixture_loop_scope=function")
    result = pytester.runpytest_inprocess(*quiet, *options)
    result.assert_outcomes(passed=3 if options else 1)
