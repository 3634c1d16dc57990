from functools import cache

import pytest

from halfopen.lab.attacks.time_wait import TimeWaitAssassination
from halfopen.lab.scenario import Outcome, Settings


@cache
def played(*defences: str, after: float = 5.0) -> Outcome:
    return TimeWaitAssassination().run(Settings(seed=1, defences=frozenset(defences), parameters={"after": after}))


@pytest.mark.parametrize("after", [1.0, 5.0, 40.0])
def test_one_old_segment_ends_time_wait(after: float) -> None:
    outcome = played(after=after)
    assert outcome.attack_succeeded
    assert outcome.metrics["TIME-WAIT, s"] == pytest.approx(after, abs=0.1)


@pytest.mark.parametrize("after", [1.0, 5.0, 40.0])
def test_a_host_that_ignores_the_rst_waits_its_two_lifetimes(after: float) -> None:
    outcome = played("rfc1337", after=after)
    assert not outcome.attack_succeeded
    assert outcome.metrics["TIME-WAIT, s"] >= 59
