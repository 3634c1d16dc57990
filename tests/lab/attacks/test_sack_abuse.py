from functools import cache

import pytest

from halfopen.lab.attacks.sack_abuse import BUFFER, PIECES, SHARES, SackAbuse
from halfopen.lab.scenario import Outcome, Settings


@cache
def played(weapon: str, *defences: str) -> Outcome:
    return SackAbuse().run(Settings(seed=1, defences=frozenset(defences), parameters={"weapon": weapon}, record=False))


@pytest.mark.parametrize("weapon", ["mss", "early"])
def test_without_bounds_next_to_nothing_is_in_a_segment(weapon: str) -> None:
    assert played(weapon).attack_succeeded


@pytest.mark.parametrize("weapon", ["mss", "early"])
def test_bounds_stop_it(weapon: str) -> None:
    assert not played(weapon, "bounds").attack_succeeded


@pytest.mark.parametrize(("defences", "octets"), [((), 20), (("bounds",), 48)])
def test_the_least_segment_is_that_of_the_bound(defences: tuple[str, ...], octets: int) -> None:
    assert played("mss", *defences).metrics["octets a segment"] == octets


def test_what_early_segments_cost_is_charged_to_the_window() -> None:
    assert played("early").metrics["early segments held"] == PIECES
    assert played("early", "bounds").metrics["octets they cost"] == pytest.approx(BUFFER, rel=0.01)


@pytest.mark.parametrize("defences", [(), ("bounds",)])
def test_sacks_of_single_octets_are_never_believed(defences: tuple[str, ...]) -> None:
    outcome = played("sack", *defences)
    assert not outcome.attack_succeeded
    assert outcome.metrics["SACK blocks refused"] == SHARES
    assert outcome.metrics["records on the scoreboard"] <= 3
