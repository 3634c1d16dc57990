from functools import cache

import pytest

from halfopen.base.errors import ConfigError
from halfopen.lab.attacks.blind import Blind, expected
from halfopen.lab.scenario import Outcome, Settings

WINDOW = 262_144


@cache
def played(weapon: str, *defences: str, seed: int = 1, window: int = WINDOW, sight: str = "none") -> Outcome:
    parameters = {"weapon": weapon, "window": window, "sight": sight}
    return Blind().run(Settings(seed=seed, defences=frozenset(defences), parameters=parameters))


@pytest.mark.parametrize("weapon", ["rst", "syn", "data"])
def test_by_the_rules_of_rfc_793_the_guesses_of_the_whole_space_suffice(weapon: str) -> None:
    outcome = played(weapon)
    assert outcome.attack_succeeded
    assert 0 < outcome.metrics["guesses"] <= expected(weapon, WINDOW)


@pytest.mark.parametrize("weapon", ["rst", "syn", "data"])
def test_by_those_of_rfc_5961_they_do_nothing(weapon: str) -> None:
    outcome = played(weapon, "rfc5961")
    assert not outcome.attack_succeeded
    assert outcome.metrics["guesses"] == expected(weapon, WINDOW)


@pytest.mark.parametrize("weapon", ["rst", "syn"])
def test_what_falls_into_the_window_is_challenged(weapon: str) -> None:
    # One guess of a RST does; every SYN, but no more often than challenges are sent.
    assert played(weapon, "rfc5961").metrics["challenge ACKs"] >= 1


def test_on_average_half_of_the_space_is_tried() -> None:
    tried = [played("rst", seed=seed, window=1_048_576).metrics["guesses"] for seed in range(12)]
    mean = sum(tried) / len(tried)
    # Uniform between one batch and all 4,096, in whole batches of 2,048.
    assert 1024 < mean < 4096


@pytest.mark.parametrize("weapon", ["rst", "data"])
@pytest.mark.parametrize("defences", [(), ("rfc5961",)])
def test_who_sees_the_connection_needs_one_packet_by_either_rules(weapon: str, defences: tuple[str, ...]) -> None:
    outcome = played(weapon, *defences, sight="all")
    assert outcome.attack_succeeded
    assert outcome.metrics["guesses"] == 1


def test_a_syn_is_challenged_even_at_the_right_number() -> None:
    assert played("syn", sight="all").attack_succeeded
    outcome = played("syn", "rfc5961", sight="all")
    assert not outcome.attack_succeeded
    assert outcome.metrics["challenge ACKs"] >= 1


@pytest.mark.parametrize(("window", "guesses"), [(65_535, 65_538), (65_536, 65_536), (1_048_576, 4096)])
def test_the_law_of_the_window(window: int, guesses: int) -> None:
    assert expected("rst", window) == guesses
    assert expected("data", window) == 2 * guesses


def test_a_weapon_that_is_not_known_is_told() -> None:
    with pytest.raises(ConfigError, match="did you mean 'rst'"):
        played("rts")
