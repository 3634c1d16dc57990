from random import Random
from statistics import median

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.rng import SeededRng
from halfopen.lab.generators import GENERATORS, WeakIsn
from halfopen.lab.predictability import Sample
from halfopen.lab.predictors import (
    BLIND,
    Predictability,
    Predictor,
    Twister,
    Window,
    choose_predictor,
    clone_of,
    feasibility,
    make_predictors,
    predictability,
)


def observed(name: str, count: int, deviation: float = 1.0) -> list[Sample]:
    """Connections 50 ms apart whose SYNs arrive with a jitter of ``deviation`` ms that the attacker does not know."""
    generator = GENERATORS[name](SeededRng(7))
    choose = generator.choose if isinstance(generator, WeakIsn) else generator.next
    rng = Random(1)
    samples = []
    for number in range(count):
        sent = 10 * SECOND + number * 50 * MILLISECOND
        arrives = sent + 20 * MILLISECOND + round(rng.gauss(0, deviation * MILLISECOND))
        samples.append(Sample(sent, choose(number.to_bytes(4, "big"), arrives) % 2**32))
    return samples


@pytest.mark.parametrize(
    ("name", "middle", "p95"),
    [
        ("constant", (1, 1), (1, 1)),
        ("i800", (1, 1), (1, 1)),
        ("bsd42", (1, 1), (1, 2)),
        ("bsd43", (1, 1), (1, 2)),
        ("win9x", (1, 3), (3, 6)),
        ("rfc793", (270, 420), (800, 1200)),
        ("randinc15", (14_000, 19_000), (29_000, 34_000)),
        ("randinc16", (28_000, 38_000), (57_000, 68_000)),
        ("randinc24", (7e6, 10e6), (14e6, 18e6)),
    ],
)
def test_the_best_predictor_needs_what_theory_says(
    name: str, middle: tuple[float, float], p95: tuple[float, float]
) -> None:
    found = predictability(observed(name, 420), learn=20, trials=400)
    assert middle[0] <= found.median <= middle[1]
    assert p95[0] <= found.p95 <= p95[1]


def test_a_twister_is_known_after_624_numbers_and_not_before() -> None:
    samples = observed("mt19937", 700)
    assert predictability(samples, learn=624, trials=70).median == 1
    assert predictability(samples[:600], learn=20).predictor == "none"


@pytest.mark.parametrize("name", ["csprng", "rfc6528", "linux"])
def test_nothing_predicts_the_strong_ones(name: str) -> None:
    found = predictability(observed(name, 300), learn=20)
    assert (found.predictor, found.median) == ("none", BLIND)


def test_a_clone_goes_on_as_the_original() -> None:
    original = Random(12345)
    clone = clone_of([original.getrandbits(32) for _ in range(624)])
    assert [clone.getrandbits(32) for _ in range(2000)] == [original.getrandbits(32) for _ in range(2000)]


def test_less_jitter_makes_a_clock_easier() -> None:
    sharp = predictability(observed("rfc793", 420, 0.1), learn=20, trials=400)
    assert sharp.median == pytest.approx(34, rel=0.25)


def test_feasibility_is_the_budget_s_share_of_the_candidates() -> None:
    assert feasibility(1 << 16) == pytest.approx(0.0763, abs=1e-4)
    assert feasibility(100) == 1.0


def test_a_guess_costs_time_on_the_line() -> None:
    found = Predictability(predictor="none", median=BLIND, p95=BLIND, trials=1, feasibility=0.0)
    assert found.seconds == pytest.approx(1443, rel=0.01)


def test_a_hash_of_24_bits_is_found_below_its_clock() -> None:
    samples = observed("lnx24", 370, 0.0)
    ranks = [Window().rank(samples[:at], samples[at]) for at in range(70, 370)]
    assert None not in ranks
    assert median(rank for rank in ranks if rank is not None) == pytest.approx(2**23, rel=0.2)
    assert predictability(samples, learn=70, trials=300).median <= 2**24


@pytest.mark.parametrize("name", ["csprng", "rfc6528", "linux"])
def test_strong_generators_leave_nothing_to_predict(name: str) -> None:
    found = predictability(observed(name, 300), learn=20)
    assert (found.predictor, found.median) == ("none", BLIND)
    assert found.feasibility == feasibility(2**32)
    assert choose_predictor(observed(name, 40)) is None


@pytest.mark.parametrize("predictor", make_predictors(), ids=lambda each: each.name)
@pytest.mark.parametrize("name", ["constant", "bsd43", "rfc793", "randinc15", "lnx24", "mt19937"])
def test_the_candidate_of_a_rank_is_the_one_that_rank_has_counted(name: str, predictor: Predictor) -> None:
    samples = observed(name, 720 if name == "mt19937" else 90)
    known, truth = samples[:-1], samples[-1]
    if isinstance(predictor, Twister) and name == "mt19937":
        assert predictor.guess(known, truth.when, 1) == truth.isn
        assert predictor.guess(known, truth.when, 2) is None
    rank = predictor.rank(known, truth)
    if rank is not None:
        assert predictor.guess(known, truth.when, rank) == truth.isn
        assert predictor.guess(known, truth.when, rank + 1) != truth.isn


def test_the_best_predictor_is_chosen_from_a_few_samples() -> None:
    chosen = choose_predictor(observed("bsd43", 20))
    assert chosen is not None
    assert chosen.name == "stepped clock"
    twister = choose_predictor(observed("mt19937", 640))
    assert twister is not None
    assert twister.name == "Mersenne Twister"


def test_the_share_of_feasible_attacks_is_the_budget_over_the_width() -> None:
    assert predictability(observed("randinc15", 620), learn=20, trials=600).feasibility == pytest.approx(
        feasibility(2**15), abs=0.04
    )
