from functools import lru_cache

import pytest

from halfopen.lab.attacks.port_probe import PortProbe, expected_time, expected_verdicts, syn_patience
from halfopen.lab.results import AGREE, findings
from halfopen.lab.scans import CLOSED, FILTERED, OPEN, OPEN_FILTERED, SCANS
from halfopen.lab.scenario import Outcome, Settings, Value


@lru_cache
def play(*defences: str, seed: int = 0, **parameters: Value) -> Outcome:
    words = {name.replace("_", "-"): value for name, value in parameters.items()}
    return PortProbe().run(Settings(seed=seed, defences=frozenset(defences), parameters=words))


@pytest.mark.parametrize("name", ["syn", "connect", "fin", "null", "xmas"])
def test_an_rfc_host_tells_a_scanner_what_he_wants_to_know(name: str) -> None:
    assert play(scan=name).attack_succeeded


@pytest.mark.parametrize("name", ["ack", "window", "maimon"])
def test_an_rfc_host_answers_some_scans_without_telling_anything(name: str) -> None:
    outcome = play(scan=name)
    assert not outcome.attack_succeeded
    assert outcome.metrics[f"{name}: learnt"] < 0.05


@pytest.mark.parametrize("defences", [(), ("blackhole",), ("blackhole-syn",), ("tarpit",)])
def test_every_verdict_and_every_second_are_what_theory_says(defences: tuple[str, ...]) -> None:
    compared = [each for each in findings(play(*defences)) if each.verdict]
    assert len(compared) == 38
    assert {each.verdict for each in compared} == {AGREE}


@pytest.mark.parametrize("name", ["fin", "null", "xmas"])
@pytest.mark.parametrize("defence", ["blackhole", "tarpit", "rst-limit"])
def test_silence_hides_open_ports_from_scans_that_live_on_resets(name: str, defence: str) -> None:
    assert not play(defence, scan=name).attack_succeeded


@pytest.mark.parametrize("name", ["syn", "connect"])
def test_a_tarpit_hides_open_ports_among_others_that_seem_to_be(name: str) -> None:
    outcome = play("tarpit", scan=name)
    assert not outcome.attack_succeeded
    assert outcome.metrics[f"{name}: falsely open"] == pytest.approx(48 / 60)
    assert outcome.metrics[f"{name}: P(open if it says so)"] == pytest.approx(6 / 54)


@pytest.mark.parametrize("name", SCANS)
def test_a_detector_in_front_ends_every_kind_of_scan(name: str) -> None:
    assert not play("trw", scan=name).attack_succeeded


def test_all_defences_together_end_every_kind_of_scan() -> None:
    assert [play(*PortProbe.defences, seed=seed).attack_succeeded for seed in range(5)] == [False] * 5


@pytest.mark.parametrize("defence", ["tarpit", "rst-limit"])
def test_the_detector_is_not_taken_in_by_a_tarpit_nor_by_fewer_resets(defence: str) -> None:
    assert not play(defence, "trw").attack_succeeded


@pytest.mark.parametrize("defence", ["blackhole", "blackhole-syn", "rst-limit", "tarpit"])
def test_no_answer_and_no_silence_hides_open_ports_from_every_kind_of_scan(defence: str) -> None:
    assert play(defence).attack_succeeded


def test_silence_blinds_a_detector_that_hears_of_successes_first() -> None:
    outcome = play("blackhole", "trw")
    assert outcome.attack_succeeded
    assert any("Silence blinds the detector" in note for note in outcome.notes)


@pytest.mark.parametrize("defence", ["blackhole", "blackhole-syn", "rst-limit"])
def test_no_silence_of_closed_ports_hides_open_ones_from_a_syn(defence: str) -> None:
    assert play(defence, scan="syn").attack_succeeded


@pytest.mark.parametrize("name", ["fin", "null", "xmas"])
def test_a_blackhole_for_syns_is_none_for_other_scans(name: str) -> None:
    assert play("blackhole-syn", scan=name).attack_succeeded


@pytest.mark.parametrize("name", ["ack", "window", "maimon"])
def test_a_blackhole_tells_those_what_an_rfc_host_does_not(name: str) -> None:
    assert play("blackhole", scan=name).metrics[f"{name}: learnt"] == pytest.approx(1.0)


def test_who_looks_at_the_window_is_not_fooled_by_a_tarpit() -> None:
    outcome = play("tarpit", scan="syn")
    assert outcome.metrics["syn: learnt"] < 0.05
    assert outcome.metrics["syn: learnt with an eye on the window"] == pytest.approx(1.0)


def test_silence_costs_a_client_minutes_instead_of_a_round_trip() -> None:
    seconds = "cost: closed port known after, s"
    assert play().metrics[seconds] == pytest.approx(0.02)
    assert play("blackhole").metrics[seconds] == pytest.approx(syn_patience()) == 247.0
    assert play("tarpit").metrics[seconds] > 600.0
    assert play("rst-limit").metrics[seconds] == pytest.approx(0.02)


def test_a_scanner_spends_the_resets_that_clients_would_have_needed() -> None:
    seconds = "cost: the same during a scan, s"
    assert play().metrics[seconds] == pytest.approx(0.02)
    assert play("rst-limit").metrics[seconds] > 0.5


@pytest.mark.parametrize("defences", [(), ("blackhole",), ("rst-limit",), ("tarpit",), ("trw",)])
def test_no_response_keeps_a_client_from_being_served(defences: tuple[str, ...]) -> None:
    assert play(*defences).metrics["cost: client served after, s"] == pytest.approx(0.04)


def test_a_limit_on_resets_slows_a_scanner_that_repeats_itself() -> None:
    assert play("rst-limit").metrics["syn: time, s"] > 2 * play().metrics["syn: time, s"]


def test_the_answers_stand_in_a_table() -> None:
    (table,) = play().texts.values()
    assert "-sA   .      RST seq SEG.ACK win 0 -> unfiltered" in table
    assert len(table.splitlines()) == 9


def test_theory_knows_what_a_blackhole_does_to_a_fin_scan() -> None:
    assert expected_verdicts(SCANS["fin"], "blackhole") == {
        OPEN: OPEN_FILTERED,
        CLOSED: OPEN_FILTERED,
        FILTERED: OPEN_FILTERED,
    }


def test_silent_ports_take_two_timeouts_ten_at_a_time() -> None:
    assert expected_time(SCANS["syn"], "reset", [FILTERED] * 30) == pytest.approx(0.6)
    assert expected_time(SCANS["syn"], "reset", [OPEN] * 30) == pytest.approx(0.09)


def test_the_same_settings_give_the_same_octets() -> None:
    first, second = (PortProbe().run(Settings(seed=7)) for _ in range(2))
    assert first == second
