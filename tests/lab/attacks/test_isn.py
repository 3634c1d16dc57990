from functools import lru_cache
from statistics import median

import pytest

from halfopen.base.errors import ConfigError
from halfopen.lab.attacks.isn import THEORY, Isn, as_nmap
from halfopen.lab.attacks.isn_drawing import Panel, attractors, scale
from halfopen.lab.generators import GENERATORS
from halfopen.lab.predictability import Sample, nmap_figures
from halfopen.lab.predictors import BLIND
from halfopen.lab.results import findings
from halfopen.lab.scenario import Outcome, Settings, Value
from halfopen.lab.world import Layout, World
from halfopen.stack.config import StackConfig, TcpLayerConfig


def isn(*defences: str, seed: int = 1, record: bool = False, **parameters: Value) -> Outcome:
    return Isn().run(Settings(seed=seed, defences=frozenset(defences), parameters=parameters, record=record))


@lru_cache
def everything() -> Outcome:
    return isn(record=True)


def test_there_is_theory_for_every_generator() -> None:
    assert set(THEORY) == set(GENERATORS)


def test_nmaps_figures_and_the_guesses_of_all_generators_are_those_of_theory() -> None:
    outcome = everything()
    assert len(outcome.theory) == 3 * len(GENERATORS)
    assert [each.name for each in findings(outcome) if each.verdict not in ("", "agrees")] == []


def test_seven_generators_can_be_guessed_within_zalewskis_budget() -> None:
    outcome = everything()
    assert outcome.attack_succeeded
    weak = [name for name in GENERATORS if outcome.metrics[f"{name}: guesses"] <= 5000]
    assert weak == ["constant", "i800", "bsd42", "bsd43", "win9x", "rfc793", "mt19937"]
    assert outcome.metrics["predictable generators"] == 7


def test_the_table_has_a_row_for_each_generator_and_no_figure_outside_of_its_range() -> None:
    table = everything().texts["All generators"]
    assert [line.split()[0] for line in table.splitlines()[-len(GENERATORS) :]] == list(GENERATORS)
    assert "OUTSIDE" not in table
    assert "64K 1" in table


def test_the_drawing_has_a_panel_for_each() -> None:
    svg = everything().figures["attractors"]
    assert all(f">{name}</text>" in svg for name in GENERATORS)
    assert "<script" not in svg


def test_the_capture_has_nmaps_probes_with_comments() -> None:
    assert b"nmap's SYN 6 of 6" in everything().capture


@pytest.mark.parametrize("generator", ["bsd43", "mt19937"])
@pytest.mark.parametrize("defence", ["rfc6528", "modulate"])
def test_each_defence_alone_makes_a_weak_generator_strong(generator: str, defence: str) -> None:
    outcome = isn(defence, generator=generator)
    assert not outcome.attack_succeeded
    assert outcome.metrics[f"{generator}: guesses"] == BLIND
    assert outcome.metrics[f"{generator}: SP"] >= 225
    assert {each.verdict for each in findings(outcome)} <= {"", "agrees"}


def test_more_jitter_makes_a_clock_harder_to_guess() -> None:
    still, shaking = (isn(generator="rfc793", jitter=jitter).metrics["rfc793: guesses"] for jitter in (0.1, 3.0))
    assert 20 <= still <= 50
    assert shaking == pytest.approx(3 * 337, rel=0.3)


def our_own(runs: int, config: StackConfig) -> list[list[Sample]]:
    """What nmap would have seen of a host of ours, at as many times."""
    with World(Settings(seed=9, record=False), Layout(configs={"server": config})) as world:

        async def story() -> list[list[Sample]]:
            world.attacker.sniff()
            await world.server.start_server(lambda reader, writer: writer.close(), None, 9001)
            return [await as_nmap(world, 9001) for _ in range(runs)]

        return world.run(story())


@pytest.mark.parametrize("cookies", ["overflow", "always"])
def test_our_own_host_is_as_unpredictable_as_can_be(cookies: str) -> None:
    config = StackConfig(tcp_layer=TcpLayerConfig(syn_cookies=cookies))
    figures = [nmap_figures(samples) for samples in our_own(101, config)]
    assert min(each.sp for each in figures) >= 225
    assert 259 <= median(each.sp for each in figures) <= 261
    assert all(each.words == "Good luck!" for each in figures)
    assert sum(each.gcd <= 6 for each in figures) >= 99
    assert all(245 <= each.isr <= 274 for each in figures)


def test_a_scale_has_some_width_even_for_a_single_value() -> None:
    assert scale([(5, 5, 5)]) == (4, 6)
    assert scale([(-3, 0, 9)]) == (-3, 9)
    assert attractors([Panel("<a&b>", [(1, 2, 3)], "x")]).count("&lt;a&amp;b&gt;") == 1


def test_an_unknown_generator_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'randinc24'"):
        isn(generator="randinc")
