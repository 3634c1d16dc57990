from random import Random

import pytest

from halfopen.lab.detection_theory import of_count, of_walk
from halfopen.lab.detectors import expected_contacts, flag_probability


@pytest.mark.parametrize("failure", [0.1, 0.2, 0.8, 0.9, 0.99])
def test_a_long_walk_is_gamblers_ruin(failure: float) -> None:
    up, down = of_walk(failure, 500), of_walk(1 - failure, 500)
    assert up.found == pytest.approx(flag_probability(failure))
    both = up.found * up.contacts + down.found * down.contacts
    assert both == pytest.approx(expected_contacts(failure))


@pytest.mark.parametrize(("failures", "failure"), [(1, 0.9), (5, 0.8), (15, 0.9)])
def test_a_long_count_is_negative_binomial(failures: int, failure: float) -> None:
    expectation = of_count(failures, failure, 500)
    assert expectation.found == pytest.approx(1.0)
    assert expectation.contacts == pytest.approx(failures / failure)
    assert expectation.deviation == pytest.approx((failures * (1 - failure)) ** 0.5 / failure)


def test_few_contacts_do_not_always_suffice() -> None:
    rng = Random(1)
    rounds = [sum(rng.random() < 0.9 for _ in range(20)) >= 15 for _ in range(20_000)]
    assert of_count(15, 0.9, 20).found == pytest.approx(sum(rounds) / len(rounds), abs=0.003)


def test_who_never_fails_is_never_found() -> None:
    assert of_walk(0.0, 50).found == 0.0
    assert of_count(1, 0.0, 50).contacts == 0.0
    assert of_count(1, 0.0, 50).tolerance(10) == 0.0


def test_the_tolerance_shrinks_with_the_root_of_the_sources() -> None:
    expectation = of_walk(0.9, 100)
    assert expectation.tolerance(25) == pytest.approx(2 * expectation.tolerance(100))
