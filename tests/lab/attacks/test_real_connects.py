import pytest

from halfopen.lab.attacks.real_connects import BOTS, QUOTA, RealConnects
from halfopen.lab.results import DIFFER, findings, run
from halfopen.lab.scenario import Outcome, Settings, Value


def play(*defences: str, **parameters: Value) -> Outcome:
    chosen = {"places": 60, "clients": 40, "seconds": 4.0, **parameters}
    outcome = run(RealConnects(), Settings(seed=1, defences=frozenset(defences), parameters=chosen)).outcome
    assert [each.name for each in findings(outcome) if each.verdict == DIFFER] == []
    return outcome


def test_silent_connections_take_all_places() -> None:
    outcome = play()
    assert outcome.attack_succeeded
    assert outcome.metrics["clients served"] == 0
    assert outcome.metrics["most places taken"] == 60


@pytest.mark.parametrize("defence", ["cookies-always", "bigger-backlog", "ingress-filter"])
def test_what_helps_against_floods_does_not_help_here(defence: str) -> None:
    assert play(defence).attack_succeeded


def test_the_attacker_returns_cookies_like_anybody() -> None:
    outcome = play("cookies-always")
    assert outcome.metrics["cookies that came back"] >= outcome.metrics["connections of the attacker"]


def test_a_quota_for_each_source_leaves_places_to_others() -> None:
    outcome = play("source-quota")
    assert not outcome.attack_succeeded
    assert outcome.metrics["most places taken"] <= BOTS * QUOTA + 1
    assert outcome.metrics["refused by the quota"] > 0


def test_a_quota_does_not_help_against_enough_bots() -> None:
    assert play("source-quota", places=40).attack_succeeded


def test_the_silent_lose_their_places() -> None:
    assert not play("idle-timeout").attack_succeeded
