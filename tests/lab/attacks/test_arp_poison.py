from functools import lru_cache

import pytest

from halfopen.lab.attacks.arp_poison import ArpPoison, share_of_time
from halfopen.lab.results import AGREE, findings
from halfopen.lab.scenario import Outcome, Settings, Value

GRID = {
    "request, entry present": 8.0,
    "request, entry absent": 8.0,
    "reply, entry present": 8.0,
    "reply, entry absent": 0.0,
    "gratuitous, entry present": 0.0,  # its owner hears it, and objects
    "gratuitous, entry absent": 0.0,
    "whisper, entry present": 8.0,
    "whisper, entry absent": 0.0,
}
SAFE = ("verify-claims", "no-planting")


@lru_cache
def play(*defences: str, seed: int = 0, **parameters: Value) -> Outcome:
    return ArpPoison().run(Settings(seed=seed, defences=frozenset(defences), parameters=parameters))


@pytest.mark.parametrize(("cell", "seconds"), GRID.items())
def test_who_believes_everybody_is_deceived_until_he_doubts(cell: str, seconds: float) -> None:
    assert play().metrics[f"{cell}: hijacked"] * 20 == pytest.approx(seconds, abs=0.2)


@pytest.mark.parametrize("cell", GRID)
@pytest.mark.parametrize("seed", range(3))
def test_our_hosts_send_no_frame_to_the_attacker(cell: str, seed: int) -> None:
    assert play(*SAFE, seed=seed).metrics[f"{cell}: hijacked"] == 0.0


def test_the_attack_succeeds_undefended_and_fails_defended() -> None:
    assert play().attack_succeeded
    assert not play(*SAFE).attack_succeeded
    assert not play("static-entries").attack_succeeded


def test_each_of_our_two_rules_is_needed() -> None:
    verifying, frugal = play("verify-claims"), play("no-planting")
    assert verifying.metrics["request, entry present: hijacked"] == 0.0
    assert verifying.metrics["request, entry absent: hijacked"] > 0.3
    assert frugal.metrics["request, entry absent: hijacked"] == 0.0
    assert frugal.metrics["request, entry present: hijacked"] > 0.3


@pytest.mark.parametrize(
    ("weapon", "period", "share"),
    [
        ("request", 5.0, 0.8),
        ("whisper", 5.0, 0.8),
        ("reply", 5.0, 1.0),
        ("reply", 20.0, 0.4),
        ("gratuitous", 5.0, 0.5),
        ("gratuitous", 3.0, 2 / 3),
        ("gratuitous", 10.0, 0.0),
    ],
)
def test_repetition_deceives_for_the_share_of_time_that_theory_says(weapon: str, period: float, share: float) -> None:
    assert share_of_time(weapon, period) == pytest.approx(share)
    outcome = play(weapon=weapon, period=period)
    assert outcome.metrics[f"{weapon}, entry present: hijacked"] == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("weapon", ["request", "reply", "gratuitous", "whisper"])
def test_repetition_does_not_help_against_our_hosts(weapon: str) -> None:
    assert not play(*SAFE, weapon=weapon, period=5.0).attack_succeeded


def test_a_watcher_sees_a_claim_against_what_it_knows_at_once() -> None:
    metrics = play().metrics
    assert metrics["reply, entry present: alarm after, s"] == pytest.approx(0.005)
    assert metrics["request, entry absent: alarm after, s"] == pytest.approx(8.06, abs=0.05)


def test_the_owner_objects_to_what_it_can_hear() -> None:
    objections = {cell: play().metrics[f"{cell}: owner objects"] for cell in GRID}
    assert {cell for cell, objects in objections.items() if objects} == {
        "gratuitous, entry present",
        "gratuitous, entry absent",
    }


def test_an_heir_is_found_at_once_or_after_three_questions_to_the_dead() -> None:
    assert 0.0 <= play().metrics["another takes over after, s"] < 0.2
    assert play(*SAFE).metrics["another takes over after, s"] == pytest.approx(3.0, abs=0.12)


def test_an_entry_written_by_hand_knows_no_heirs() -> None:
    assert play("static-entries").metrics["another takes over after, s"] == -1.0


@pytest.mark.parametrize("defences", [(), SAFE, ("static-entries",)])
def test_all_that_is_measured_agrees_with_theory(defences: tuple[str, ...]) -> None:
    compared = [each for each in findings(play(*defences)) if each.verdict]
    assert len(compared) >= 8
    assert {each.verdict for each in compared} == {AGREE}


def test_the_same_settings_give_the_same_octets() -> None:
    first, second = (ArpPoison().run(Settings(seed=7)) for _ in range(2))
    assert first == second
