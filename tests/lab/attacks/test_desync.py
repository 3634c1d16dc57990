from functools import cache

import pytest

from halfopen.lab.attacks.desync import LIMITED, STORM, Desynchronisation
from halfopen.lab.scenario import Outcome, Settings


@cache
def played(*defences: str) -> Outcome:
    return Desynchronisation().run(Settings(seed=1, defences=frozenset(defences)))


def test_without_a_limit_the_ends_go_on_answering_each_other() -> None:
    outcome = played()
    assert outcome.attack_succeeded
    # Two packets in a round trip of 20 ms are a hundred a second; there are two storms, which cross.
    assert outcome.metrics["packets a second"] == pytest.approx(200, rel=0.05)
    assert outcome.metrics["packets for each octet injected"] > 25


def test_with_the_limit_each_end_says_two_a_second_at_most() -> None:
    outcome = played("ack-limit")
    assert not outcome.attack_succeeded
    assert outcome.metrics["packets a second"] == LIMITED < STORM
    assert outcome.metrics["packets for each octet injected"] < 1


def test_no_rule_about_numbers_prevents_the_hijacking_itself() -> None:
    assert played("ack-limit").metrics["command obeyed"] == 1
