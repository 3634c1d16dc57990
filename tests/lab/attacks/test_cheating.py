from functools import cache

import pytest

from halfopen.lab.attacks.cheating import Cheating
from halfopen.lab.scenario import Outcome, Settings


@cache
def played(trick: str, *defences: str, parts: int = 4) -> Outcome:
    return Cheating().run(
        Settings(seed=1, defences=frozenset(defences), parameters={"trick": trick, "parts": parts}, record=False)
    )


@pytest.mark.parametrize("parts", [2, 4])
def test_where_acks_are_counted_dividing_them_pays(parts: int) -> None:
    outcome = played("division", parts=parts)
    assert outcome.attack_succeeded
    assert outcome.metrics["advantage"] == pytest.approx(outcome.theory["advantage"], rel=0.04)
    assert outcome.metrics["advantage"] > parts / 2


def test_where_octets_are_counted_it_does_not() -> None:
    outcome = played("division", "byte-counting")
    assert not outcome.attack_succeeded
    assert outcome.metrics["advantage"] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("defences", [(), ("byte-counting",)])
def test_counting_octets_takes_nothing_from_an_optimist(defences: tuple[str, ...]) -> None:
    outcome = played("optimistic", *defences)
    assert outcome.attack_succeeded
    assert outcome.metrics["advantage"] > 5
