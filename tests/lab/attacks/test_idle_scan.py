from functools import lru_cache

import pytest

from halfopen.lab.attacks.idle_scan import POLICIES, IdleScan
from halfopen.lab.results import AGREE, findings
from halfopen.lab.scenario import Outcome, Settings, Value


@lru_cache
def play(*defences: str, seed: int = 0, **parameters: Value) -> Outcome:
    return IdleScan().run(Settings(seed=seed, defences=frozenset(defences), parameters=parameters))


def test_a_counter_for_all_gives_every_port_of_the_victim_away() -> None:
    outcome = play()
    assert outcome.attack_succeeded
    assert outcome.metrics["ports guessed right"] == 1.0
    assert outcome.metrics["bits learnt per port"] == pytest.approx(outcome.theory["bits learnt per port"])


def test_the_counter_moves_by_two_for_an_open_port_and_by_one_for_others() -> None:
    steps = [play().metrics[f"usual step at {port} port"] for port in ("an open", "a closed", "a filtered")]
    assert steps == [2.0, 1.0, 1.0]


def test_the_victim_never_sees_the_attacker_and_accuses_the_zombie() -> None:
    outcome = play()
    assert outcome.metrics["attacker's packets at the victim"] == 0.0
    assert outcome.metrics["zombie accused by Zeek"] == 1.0


@pytest.mark.parametrize("defence", [*POLICIES, "ingress-filter"])
def test_each_defence_leaves_the_attacker_a_coin_to_toss(defence: str) -> None:
    outcome = play(defence, ports=200)
    assert not outcome.attack_succeeded
    assert outcome.metrics["bits learnt per port"] == 0.0
    assert {each.verdict for each in findings(outcome) if each.theory is not None} == {AGREE}


def test_an_ingress_filter_keeps_the_zombie_from_being_accused() -> None:
    assert play("ingress-filter").metrics["zombie accused by Zeek"] == 0.0


def test_a_zombie_that_is_not_idle_tells_less_as_the_closed_form_says() -> None:
    outcome = play(noise=2.0, ports=400)
    assert not outcome.attack_succeeded
    assert outcome.theory["ports guessed right"] == pytest.approx(0.620, abs=0.001)
    assert {each.verdict for each in findings(outcome) if each.theory is not None} == {AGREE}


def test_the_same_settings_give_the_same_octets() -> None:
    first, second = (IdleScan().run(Settings(seed=7)) for _ in range(2))
    assert first == second
