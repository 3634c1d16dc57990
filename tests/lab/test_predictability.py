"""The figures against nmap's own definitions, rows of its database, and distributions known in closed form."""

from random import Random
from statistics import median

import pytest

from halfopen.base.clock import MICROSECOND, MILLISECOND, SECOND
from halfopen.base.errors import ConfigError
from halfopen.base.rng import SeededRng
from halfopen.lab.generators import GENERATORS, WeakIsn
from halfopen.lab.predictability import NmapFigures, Sample, attractor, first_generation, nmap_figures

RUNS = 300


def probe(name: str, seed: int) -> list[Sample]:
    """What nmap gets: six SYNs from six ports, 100 ms apart but for the jitter of its timer, which it knows of."""
    generator = GENERATORS[name](SeededRng(seed))
    choose = generator.choose if isinstance(generator, WeakIsn) else generator.next
    rng = Random(seed)
    samples = []
    for number in range(6):
        sent = 10 * SECOND + number * 100 * MILLISECOND + round(rng.gauss(0, 0.5 * MILLISECOND))
        flow = seed.to_bytes(4, "big") + bytes([number])
        samples.append(Sample(sent, choose(flow, sent + 20 * MILLISECOND) % 2**32))
    return samples


@pytest.mark.parametrize(
    ("name", "sp", "isr", "gcds"),
    [
        ("constant", (0, 0), (0, 0), {0}),
        ("i800", (0, 25), (104, 104), {800}),
        ("bsd42", (17, 18), (76, 77), {64, 128}),
        ("bsd43", (13, 20), (155, 157), {64000, 128000}),
        ("win9x", (0, 29), (79, 81), None),
        ("rfc793", (0, 30), (143, 144), None),
        ("bsd44lite2", (140, 161), (153, 162), None),
        ("randinc15", (116, 139), (127, 146), None),
        ("randinc16", (124, 147), (134, 154), None),
        ("randinc24", (188, 211), (198, 218), None),
        ("lnx24", (184, 211), (190, 216), None),
        ("mt19937", (240, 268), (250, 274), None),
        ("csprng", (240, 268), (250, 274), None),
        ("rfc6528", (240, 268), (250, 274), None),
    ],
)
def test_each_generator_lies_where_theory_and_nmap_s_database_have_it(
    name: str, sp: tuple[int, int], isr: tuple[int, int], gcds: set[int] | None
) -> None:
    figures = [nmap_figures(probe(name, seed)) for seed in range(RUNS)]
    within = sum(sp[0] <= each.sp <= sp[1] and isr[0] <= each.isr <= isr[1] for each in figures)
    assert within >= 0.97 * RUNS
    if gcds is not None:
        assert {each.gcd for each in figures} <= gcds


def test_uniform_numbers_have_the_median_of_the_closed_form() -> None:
    # Differences uniform up to 2^31 at 100 ms: sigma = 10 * 2^31 / sqrt(12), SP 260.2.
    figures = [nmap_figures(probe("csprng", seed)) for seed in range(101)]
    assert 259 <= median(each.sp for each in figures) <= 261
    assert all(each.sp >= 225 for each in figures)


def test_figures_by_hand() -> None:
    samples = [Sample(n * 100 * MILLISECOND, isn) for n, isn in enumerate((0, 64000, 128000, 256000, 320000, 384000))]
    # Rates 640,000 but one of 1,280,000; in units of the divisor 10 and 20: mean 12, sigma sqrt(20) = 4.47.
    assert nmap_figures(samples) == NmapFigures(gcd=64000, isr=156, sp=17)


def test_small_common_divisors_are_not_divided_out() -> None:
    samples = [Sample(n * SECOND, 8 * n * n) for n in range(5)]
    assert nmap_figures(samples) == NmapFigures(gcd=8, isr=40, sp=35)


def test_differences_go_the_shorter_way_and_pauses_are_a_microsecond_at_least() -> None:
    samples = [Sample(n, isn) for n, isn in enumerate((5, 2**32 - 5, 5, 15))]
    assert nmap_figures(samples) == NmapFigures(gcd=10, isr=186, sp=0)
    assert MICROSECOND == 1000


@pytest.mark.parametrize(
    ("sp", "words"),
    [
        (0, "Trivial joke"),
        (5, "Easy"),
        (10, "Medium"),
        (11, "Formidable"),
        (15, "Worthy challenge"),
        (16, "Good luck!"),
    ],
)
def test_the_difficulty_in_nmap_s_words(sp: int, words: str) -> None:
    assert NmapFigures(gcd=1, isr=1, sp=sp).words == words


def test_three_numbers_are_not_enough() -> None:
    with pytest.raises(ConfigError, match="at least 4"):
        nmap_figures([Sample(n, n) for n in range(3)])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", "C"),
        ("i800", "i800"),
        ("bsd42", "TD"),
        ("bsd43", "64K"),
        ("win9x", "TD"),
        ("bsd44lite2", "RI"),
        ("csprng", "TR"),
    ],
)
def test_the_first_generation_knew_its_classes(name: str, expected: str) -> None:
    assert first_generation([sample.isn for sample in probe(name, 1)]).name == expected


def test_the_attractor_of_constant_steps_is_one_point() -> None:
    assert set(attractor([2**32 - 100, 2**32 - 50, 0, 50, 100, 150])) == {(50, 50, 50)}
