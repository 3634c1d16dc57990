from itertools import groupby, pairwise
from math import sqrt
from statistics import fmean, pstdev

import pytest

from halfopen.base.chance import Chance, Correlated, Jitter, Uniform, make_loss
from halfopen.base.impairment import FourState, GilbertElliott
from halfopen.base.rng import SeededRng

MANY = 40_000


def fates(chance: Chance, count: int = MANY) -> list[bool]:
    rng = SeededRng(1)
    return [chance.happens(rng) for _ in range(count)]


def mean_burst(lost: list[bool]) -> float:
    return fmean(len(list(run)) for is_lost, run in groupby(lost) if is_lost)


def lag_one(values: list[float]) -> float:
    """The correlation of each value with the one before it."""
    mean = fmean(values)
    products = fmean((a - mean) * (b - mean) for a, b in pairwise(values))
    return products / pstdev(values) ** 2


def test_a_chance_without_memory_is_each_packets_own() -> None:
    lost = fates(make_loss(0.1, 0.0))
    assert fmean(lost) == pytest.approx(0.1, rel=0.05)
    assert mean_burst(lost) == pytest.approx(1 / 0.9, rel=0.03)


def test_what_cannot_happen_draws_nothing() -> None:
    rng = SeededRng(1)
    assert not Correlated(0.0).happens(rng)
    assert rng.octets(8) == SeededRng(1).octets(8)


@pytest.mark.parametrize("correlation", [0.0, 0.25, 0.75])
def test_numbers_remember_as_netems_do(correlation: float) -> None:
    rng = SeededRng(2)
    numbers = Uniform(correlation)
    values = [numbers.draw(rng) for _ in range(MANY)]
    assert all(0 <= value < 1 for value in values)
    assert fmean(values) == pytest.approx(0.5, abs=0.02)
    assert lag_one(values) == pytest.approx(correlation, abs=0.02)
    # The variance of x' = c x + (1 - c) u, for a u of variance 1/12.
    assert pstdev(values) == pytest.approx(sqrt((1 - correlation) / (1 + correlation) / 12), rel=0.02)


def test_correlated_loss_comes_in_bursts() -> None:
    assert mean_burst(fates(make_loss(0.4, 0.5))) > 1.15 * mean_burst(fates(make_loss(0.4, 0.0)))


@pytest.mark.parametrize(
    "model",
    [
        GilbertElliott(p=0.02, r=0.25),
        GilbertElliott(p=0.05, r=0.5, bad=0.6),
        GilbertElliott(p=0.05, r=0.2, bad=0.8, good=0.01),
    ],
)
def test_gilbert_and_elliott_lose_what_their_formula_says(model: GilbertElliott) -> None:
    expected = (model.bad * model.p + model.good * model.r) / (model.p + model.r)
    assert fmean(fates(make_loss(model, 0.0), 3 * MANY)) == pytest.approx(expected, rel=0.05)


def test_a_burst_of_gilbert_is_one_over_r_long_and_the_gaps_one_over_p() -> None:
    lost = fates(make_loss(GilbertElliott(p=0.05, r=0.2), 0.0), 2 * MANY)
    assert mean_burst(lost) == pytest.approx(1 / 0.2, rel=0.05)
    assert mean_burst([not each for each in lost]) == pytest.approx(1 / 0.05, rel=0.05)


@pytest.mark.parametrize(
    "model",
    [
        FourState(p13=0.02, p31=0.3),
        FourState(p13=0.02, p31=0.1, p32=0.4, p23=0.3),
        FourState(p13=0.01, p31=0.2, p32=0.2, p23=0.5, p14=0.03),
    ],
)
def test_the_four_states_lose_what_their_balance_says(model: FourState) -> None:
    # In balance as much goes into each state as comes out of it, in units of state 1.
    third = model.p13 / model.p31
    second = third * model.p32 / model.p23
    fourth = model.p14
    expected = (third + fourth) / (1 + second + third + fourth)
    assert fmean(fates(make_loss(model, 0.0), 3 * MANY)) == pytest.approx(expected, rel=0.05)


def test_the_four_states_lose_alone_between_bursts() -> None:
    assert mean_burst(fates(make_loss(FourState(p13=0, p31=1, p14=0.2), 0.0))) == 1


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_uniform_jitter_stays_within_its_bounds(correlation: float) -> None:
    rng = SeededRng(3)
    jitter = Jitter(1000, "uniform", correlation)
    values = [float(jitter.draw(rng)) for _ in range(MANY)]
    assert max(map(abs, values)) <= 1000
    assert fmean(values) == pytest.approx(0, abs=12)
    assert lag_one(values) == pytest.approx(correlation, abs=0.02)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_normal_jitter_has_the_deviation_and_the_tails_of_a_normal_distribution(correlation: float) -> None:
    rng = SeededRng(4)
    jitter = Jitter(10_000, "normal", correlation)
    values = [float(jitter.draw(rng)) for _ in range(MANY)]
    assert fmean(values) == pytest.approx(0, abs=200)
    assert pstdev(values) == pytest.approx(10_000, rel=0.02)
    assert lag_one(values) == pytest.approx(correlation, abs=0.02)
    for deviations, share in ((1, 0.6827), (2, 0.9545), (3, 0.9973)):
        assert fmean(abs(value) < deviations * 10_000 for value in values) == pytest.approx(share, abs=0.01)


def test_no_jitter_draws_nothing() -> None:
    rng = SeededRng(1)
    assert Jitter(0).draw(rng) == 0
    assert rng.octets(8) == SeededRng(1).octets(8)
