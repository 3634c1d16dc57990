from functools import lru_cache

import pytest

from halfopen.lab.attacks.scan_detection import BY_CONTACT, BY_SOURCE, DETECTORS, ScanDetection
from halfopen.lab.results import AGREE, findings
from halfopen.lab.scenario import Outcome, Settings, Value


@lru_cache
def play(*defences: str, seed: int = 0, **parameters: Value) -> Outcome:
    return ScanDetection().run(Settings(seed=seed, defences=frozenset(defences), parameters=parameters))


def test_nobody_stops_the_hunter_if_nobody_looks() -> None:
    assert play().attack_succeeded


@pytest.mark.parametrize("name", ["trw", "zeek", "scanlogd", "psad", "portsentry"])
def test_each_detector_stops_a_scan_that_makes_no_effort_to_hide(name: str) -> None:
    outcome = play(name)
    assert outcome.metrics[f"{name}: hunter found"] == 1.0
    assert not outcome.attack_succeeded


def test_all_that_detectors_do_agrees_with_the_closed_forms() -> None:
    compared = [each for each in findings(play(seed=5)) if each.verdict]
    assert len(compared) == 15
    assert {each.verdict for each in compared} == {AGREE}


@pytest.mark.parametrize(("name", "pace"), [("zeek", 0.045), ("scanlogd", 0.3)])
def test_patience_deceives_those_with_time_windows(name: str, pace: float) -> None:
    assert play(name, pace=pace).attack_succeeded


@pytest.mark.parametrize(("name", "pace"), [("trw", 0.045), ("psad", 0.045)])
def test_patience_does_not_help_against_those_that_never_forget(name: str, pace: float) -> None:
    assert not play(name, pace=pace).attack_succeeded


def test_one_good_contact_for_each_port_deceives_trw() -> None:
    outcome = play("trw", good=1)
    assert outcome.attack_succeeded
    assert outcome.metrics["trw: hunter found"] == 0.0


def test_good_contacts_do_not_help_against_who_counts_failures() -> None:
    assert not play("psad", good=1).attack_succeeded


def test_forged_scans_make_a_weapon_of_trw() -> None:
    outcome = play("trw")
    assert outcome.metrics["trw: strangers framed"] == outcome.metrics["trw: customers framed"] == 1.0
    assert outcome.metrics["framed and still served"] == 0.0


def test_to_believe_in_sources_that_have_completed_a_handshake_saves_strangers_only() -> None:
    outcome = play(BY_SOURCE)
    assert outcome.metrics[f"{BY_SOURCE}: strangers framed"] == 0.0
    assert outcome.metrics[f"{BY_SOURCE}: customers framed"] == 1.0
    assert outcome.metrics["framed and still served"] == 0.5


def test_to_believe_in_completed_handshakes_only_frames_nobody() -> None:
    outcome = play(BY_CONTACT)
    assert outcome.metrics[f"{BY_CONTACT}: customers framed"] == 0.0
    assert outcome.metrics["framed and still served"] == 1.0


def test_but_sees_no_half_open_scan() -> None:
    assert play(BY_CONTACT).attack_succeeded
    assert play(BY_SOURCE).attack_succeeded


def test_a_connect_scan_validates_itself_by_its_first_find() -> None:
    assert not play(BY_SOURCE, scan="connect").attack_succeeded


def test_a_tarpit_makes_failures_that_validate_themselves() -> None:
    assert play(BY_CONTACT, scan="connect").metrics[f"{BY_CONTACT}: hunter found"] == 0.0
    outcome = play(BY_CONTACT, "tarpit", scan="connect")
    assert outcome.metrics[f"{BY_CONTACT}: hunter found"] == 1.0
    assert outcome.metrics["framed and still served"] == 1.0
    assert not outcome.attack_succeeded


def test_a_tarpit_alone_drowns_what_is_hidden_in_what_is_not_there() -> None:
    outcome = play("tarpit")
    assert outcome.metrics["hidden services found"] == outcome.metrics["closed ports taken for open"] == 1.0
    assert not outcome.attack_succeeded


def test_an_ingress_filter_lets_nobody_be_framed() -> None:
    outcome = play("ingress-filter")
    assert all(outcome.metrics[f"{name}: customers framed"] == 0.0 for name in DETECTORS)


def test_the_same_settings_give_the_same_octets() -> None:
    first, second = (ScanDetection().run(Settings(seed=7)) for _ in range(2))
    assert first == second
