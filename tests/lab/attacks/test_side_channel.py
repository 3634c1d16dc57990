from functools import cache

import pytest

from halfopen.lab.attacks.side_channel import SideChannel
from halfopen.lab.scenario import Outcome, Settings


@cache
def played(*defences: str, seed: int = 1, window: int = 1_048_576) -> Outcome:
    parameters = {"window": window, "ports": 64}
    return SideChannel().run(Settings(seed=seed, defences=frozenset(defences), parameters=parameters, record=False))


@pytest.mark.parametrize("seed", [1, 2])
def test_with_one_limit_for_the_host_a_connection_is_found_located_and_cut(seed: int) -> None:
    outcome = played(seed=seed)
    assert outcome.attack_succeeded
    assert outcome.metrics["connection guessed right"] == 1
    assert outcome.metrics["bits learnt per question"] == outcome.theory["bits learnt per question"] > 0.5


def test_the_rounds_are_those_of_the_searches() -> None:
    outcome = played()
    assert 27 <= outcome.metrics["rounds"] <= outcome.metrics["rounds at most"]
    assert outcome.metrics["seconds"] < 60


def test_a_smaller_window_only_takes_more_batches() -> None:
    outcome = played(window=524_288)
    assert outcome.attack_succeeded
    assert outcome.metrics["rounds at most"] == played().metrics["rounds at most"] + 3


@pytest.mark.parametrize("seed", [1, 2])
def test_with_a_limit_for_each_connection_nothing_is_learnt(seed: int) -> None:
    outcome = played("own-limit", seed=seed)
    assert not outcome.attack_succeeded
    assert outcome.metrics["bits learnt per question"] == 0
    assert outcome.metrics["connection ended"] == 0


def test_the_same_settings_give_the_same_capture() -> None:
    settings = Settings(seed=1, defences=frozenset({"own-limit"}), parameters={"ports": 64})
    assert SideChannel().run(settings).capture == SideChannel().run(settings).capture != b""
