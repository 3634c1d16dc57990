import pytest

from halfopen.lab import theory_floods
from halfopen.lab.attacks.reflection import Reflection
from halfopen.lab.results import DIFFER, findings, run
from halfopen.lab.scenario import Outcome, Settings, Value


def play(*defences: str, **parameters: Value) -> Outcome:
    chosen = {"syns": 10, **parameters}
    outcome = run(Reflection(), Settings(seed=1, defences=frozenset(defences), parameters=chosen)).outcome
    assert [each.name for each in findings(outcome) if each.verdict == DIFFER] == []
    return outcome


def test_without_defence_a_silent_victim_gets_six_packets_for_each_syn() -> None:
    outcome = play()
    assert outcome.attack_succeeded
    assert outcome.metrics["packets for each SYN"] == 6
    assert outcome.metrics["octets for each octet"] == pytest.approx(theory_floods.amplification(5, 40, 44))


def test_a_cookie_is_sent_once() -> None:
    outcome = play("cookies-always")
    assert not outcome.attack_succeeded
    assert outcome.metrics["packets for each SYN"] == 1


def test_a_shorter_timer_leaves_two_packets() -> None:
    outcome = play("shorter-timer")
    assert outcome.attack_succeeded
    assert outcome.metrics["packets for each SYN"] == 2


def test_the_default_does_not_help_while_its_table_has_room() -> None:
    assert play("hybrid").attack_succeeded


def test_a_victim_that_is_there_ends_it_by_a_reset() -> None:
    outcome = play("victim-resets")
    assert not outcome.attack_succeeded
    assert outcome.metrics["packets for each SYN"] == 1


def test_an_ingress_filter_lets_nothing_out() -> None:
    outcome = play("ingress-filter")
    assert not outcome.attack_succeeded
    assert outcome.metrics["packets for each SYN"] == 0


def test_a_syn_with_all_options_is_amplified_in_packets_only() -> None:
    outcome = play(options="all")
    assert outcome.metrics["octets for each octet"] == 6


def test_the_same_seed_gives_the_same_capture() -> None:
    assert play().capture == play().capture
