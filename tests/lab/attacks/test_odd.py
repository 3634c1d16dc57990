from functools import lru_cache

import pytest

from halfopen.lab.attacks.odd import FLAGS, SILENCE, OddSegments, expected_answer, quarrel
from halfopen.lab.results import AGREE, findings
from halfopen.lab.scenario import Outcome, Settings, Value


@lru_cache
def play(*defences: str, seed: int = 0, **parameters: Value) -> Outcome:
    return OddSegments().run(Settings(seed=seed, defences=frozenset(defences), parameters=parameters))


def test_two_hosts_quarrel_for_ever_unless_their_answers_are_limited() -> None:
    assert play().attack_succeeded
    assert not play("ack-limit").attack_succeeded


@pytest.mark.parametrize("seconds", [2.0, 5.0])
def test_a_quarrel_grows_with_every_synack_that_is_sent_again(seconds: float) -> None:
    measured = play(seconds=seconds).metrics["segments of the quarrel"]
    assert measured == pytest.approx(quarrel(seconds, is_limited=False), rel=0.02)


def test_with_a_limit_there_is_one_answer_for_each_synack() -> None:
    assert play("ack-limit").metrics["segments of the quarrel"] == quarrel(4.0, is_limited=True) == 12.0


@pytest.mark.parametrize("defences", [(), ("ack-limit",)])
def test_land_and_martians_get_no_reply_and_are_counted(defences: tuple[str, ...]) -> None:
    metrics = play(*defences).metrics
    assert metrics["replies to impossible sources"] == 0.0
    assert (metrics["dropped as LAND"], metrics["dropped as martian"]) == (2.0, 6.0)


def test_every_combination_of_flags_gets_what_the_rfc_says() -> None:
    outcome = play("ack-limit")
    assert len(set(FLAGS)) == 64
    assert outcome.metrics["flags answered as RFC 9293 says"] == 1.0
    (table,) = outcome.texts.values()
    assert len(table.splitlines()) == 65


@pytest.mark.parametrize(
    ("flags", "at_open", "at_closed"),
    [
        ("S", "SYN,ACK", "RST,ACK"),
        ("SPU", "SYN,ACK", "RST,ACK"),
        ("FS", SILENCE, "RST,ACK"),
        ("", SILENCE, "RST,ACK"),
        ("FPU", SILENCE, "RST,ACK"),
        ("F.", "RST", "RST"),
        ("S.", "RST", "RST"),
        ("SR", SILENCE, SILENCE),
    ],
)
def test_the_expectation_is_that_of_the_table_of_scans(flags: str, at_open: str, at_closed: str) -> None:
    assert expected_answer(flags, is_open=True) == at_open
    assert expected_answer(flags, is_open=False) == at_closed


def test_a_connection_outlives_all_of_them() -> None:
    assert play().metrics["connection outlives odd flags"] == 1.0


def test_all_that_is_measured_agrees_with_theory() -> None:
    for outcome in (play(), play("ack-limit")):
        assert {each.verdict for each in findings(outcome)} == {AGREE}


def test_the_same_settings_give_the_same_octets() -> None:
    first, second = (OddSegments().run(Settings(seed=7)) for _ in range(2))
    assert first == second
