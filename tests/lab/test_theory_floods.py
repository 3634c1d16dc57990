from collections import deque
from random import Random

import pytest

from halfopen.lab import theory_floods as theory
from halfopen.lab.theory_floods import Table, Window


def test_a_record_lives_63_seconds_with_five_retransmissions_and_3_with_one() -> None:
    assert theory.lifetime(5) == 63
    assert theory.lifetime(1) == 3
    assert theory.synack_times(5) == [0, 1, 3, 7, 15, 31]


@pytest.mark.parametrize(
    ("backlog", "seconds", "rate"), [(5, 75, 0.07), (8, 75, 0.11), (60, 63, 0.95), (128, 63, 2.0), (15_359, 15, 1024)]
)
def test_the_rates_that_keep_historic_queues_full(backlog: int, seconds: float, rate: float) -> None:
    assert theory.keep_full_rate(backlog, seconds) == pytest.approx(rate, rel=0.05)


def test_erlangs_formula_for_one_and_two_servers() -> None:
    assert theory.erlang_b(3.0, 1) == pytest.approx(3 / 4)
    assert theory.erlang_b(2.0, 2) == pytest.approx(2 / 5)


@pytest.mark.parametrize(("rate", "one", "seven"), [(10, 0.203, 0.796), (100, 0.020, 0.134), (1000, 0.002, 0.014)])
def test_drop_tail_of_128_is_erlangs_formula_near_the_fluid_limit(rate: float, one: float, seven: float) -> None:
    fluid = theory.drop_tail_fluid(128, rate, 63)
    assert fluid == pytest.approx(one, abs=6e-4)
    assert theory.with_retries(fluid, 7) == pytest.approx(seven, abs=6e-4)
    assert theory.drop_tail(Table.of(128), rate, 63) == pytest.approx(fluid, rel=0.02)


def test_in_the_second_lifetime_of_a_flood_each_place_is_taken_once_more() -> None:
    assert theory.drop_tail_second(Table.of(1024), 40, 63) == pytest.approx(1024 / (40 * 63))
    # By experiment: one bucket, SYNs by chance, the first of them to an empty table.
    rng, ways, admitted, arrived = Random(1), 32, 0, 0
    for _ in range(400):
        time, ends = 0.0, deque[float]()
        while (time := time + rng.expovariate(1.25)) < 126:
            while ends and ends[0] <= time:
                ends.popleft()
            has_room = len(ends) < ways
            if has_room:
                ends.append(time + 63)
            arrived, admitted = arrived + (time >= 63), admitted + (has_room and time >= 63)
    assert admitted / arrived == pytest.approx(theory.drop_tail_second(Table(1, ways), 1.25, 63), rel=0.01)


def test_a_table_that_fills_slowly_is_erlangs() -> None:
    assert theory.drop_tail_second(Table.of(128), 2, 63) == theory.drop_tail(Table.of(128), 2, 63)


@pytest.mark.parametrize(
    ("rate", "share"), [(2, 0.9998), (10, 0.999), (100, 0.990), (1000, 0.907), (10_000, 0.377), (20_000, 0.142)]
)
def test_random_drop_of_1024_decays_exponentially(rate: float, share: float) -> None:
    assert theory.random_drop(Table.of(1024), rate, 0.1) == pytest.approx(share, abs=6e-4)


@pytest.mark.parametrize(("rate", "share"), [(20_000, 1), (100_000, 0.984), (150_000, 0.527), (200_000, 0.058)])
def test_the_cache_of_freebsd_has_its_knee_at_150_000(rate: float, share: float) -> None:
    assert theory.recycle_oldest(Table(512, 30), rate, 0.1) == pytest.approx(share, abs=6e-4)


def test_the_larger_the_bucket_the_more_oldest_first_is_a_step_at_b_over_rtt() -> None:
    whole = Table(1, 1024)
    assert theory.recycle_oldest(whole, 0.9 * 10_240, 0.1) > 0.99
    assert theory.recycle_oldest(whole, 1.1 * 10_240, 0.1) < 0.01


def test_a_backlog_is_laid_out_in_whole_buckets() -> None:
    assert Table.of(5) == Table(1, 5)
    assert Table.of(128) == Table(4, 32)
    assert Table.of(1000).capacity >= 1000


def test_fewer_retransmissions_harm_clients_on_lossy_paths() -> None:
    assert theory.completes_under_loss(0.1, 5) == pytest.approx(1 - 1e-6)
    assert theory.completes_under_loss(0.1, 0) == pytest.approx(0.9)


def test_synacks_are_counted_in_the_window_only() -> None:
    late = Window(before=100, seconds=10)
    assert theory.synacks_per_syn(lambda seconds: 1.0, 5, late) == pytest.approx(6)
    early = Window(before=0, seconds=2)
    assert theory.synacks_per_syn(lambda seconds: 1.0, 5, early) == pytest.approx(1.5)


def test_reflection_multiplies_octets_by_the_retransmissions() -> None:
    assert theory.amplification(5, 40, 44) == pytest.approx(6.6)
    assert theory.amplification(0, 40, 44) == pytest.approx(1.1)
