"""Choices about the pace."""

import pytest

from halfopen.base.errors import ConfigError
from halfopen.tcp.pace_config import PaceConfig


def test_nothing_is_paced_by_default() -> None:
    assert not PaceConfig().enabled


@pytest.mark.parametrize("choice", [{"start_percent": 0}, {"percent": 0}, {"largest_rate": 0}, {"near_shift": 32}])
def test_what_makes_no_pace_is_refused(choice: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        PaceConfig(**choice)  # type: ignore[arg-type]  # names are checked


def test_a_rate_may_be_given() -> None:
    assert PaceConfig(largest_rate=1).largest_rate == 1
