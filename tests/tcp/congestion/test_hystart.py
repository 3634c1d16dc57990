"""HyStart++ against the algorithm of RFC 9406 4.2, round by round."""

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.tcp.congestion.hystart import CSS_GROWTH_DIVISOR, CSS_ROUNDS, N_RTT_SAMPLE, HyStart

MSS = 1000
ROUND = 20
BASE = 80 * MILLISECOND


def run_round(hystart: HyStart, rtt: int, acks: int = ROUND) -> int:
    """A round of ``acks`` ACKs of one segment each, with as much in flight; returns the growth allowed."""
    return sum(hystart.growth(MSS, (acks - 1) * MSS, rtt) for _ in range(acks))


def after_one_round() -> HyStart:
    hystart = HyStart()
    hystart.growth(MSS, (ROUND - 1) * MSS, BASE)  # ends the empty round before the first
    run_round(hystart, BASE, ROUND - 1)
    return hystart


def test_a_steady_round_trip_time_is_slow_start_for_ever() -> None:
    hystart = after_one_round()
    assert all(run_round(hystart, BASE) == ROUND * MSS for _ in range(20))
    assert not hystart.in_css and not hystart.is_done


def test_a_rise_by_an_eighth_enters_conservative_slow_start_at_the_eighth_sample() -> None:
    hystart = after_one_round()
    grown = [hystart.growth(MSS, ROUND * MSS, BASE + BASE // 8) for _ in range(N_RTT_SAMPLE)]
    assert grown == [MSS] * (N_RTT_SAMPLE - 1) + [MSS // CSS_GROWTH_DIVISOR]
    assert hystart.in_css


@pytest.mark.parametrize(
    ("base", "rise", "enters"),
    [
        (8 * MILLISECOND, 4 * MILLISECOND, True),  # an eighth would be 1 ms: at least 4
        (8 * MILLISECOND, 4 * MILLISECOND - 1, False),
        (80 * MILLISECOND, 10 * MILLISECOND, True),
        (80 * MILLISECOND, 10 * MILLISECOND - 1, False),
        (400 * MILLISECOND, 16 * MILLISECOND, True),  # an eighth would be 50 ms: at most 16
        (400 * MILLISECOND, 16 * MILLISECOND - 1, False),
    ],
)
def test_the_threshold_lies_between_4_and_16_milliseconds(base: int, rise: int, enters: bool) -> None:
    hystart = HyStart()
    hystart.growth(MSS, ROUND * MSS, base)
    run_round(hystart, base)
    run_round(hystart, base + rise)
    assert hystart.in_css is enters


def test_fewer_than_eight_samples_say_nothing() -> None:
    hystart = HyStart()
    hystart.growth(MSS, (N_RTT_SAMPLE - 1) * MSS, BASE)
    for count in range(10 * (N_RTT_SAMPLE - 1)):
        rtt = BASE * (1 + count // (N_RTT_SAMPLE - 1))  # a round of seven samples, each slower than the last
        assert hystart.growth(MSS, (N_RTT_SAMPLE - 1) * MSS, rtt) == MSS
    assert not hystart.in_css


def test_a_round_after_one_without_samples_has_nothing_to_compare_with() -> None:
    hystart = after_one_round()
    run_round(hystart, 0)
    run_round(hystart, 3 * BASE)
    assert not hystart.in_css


def test_an_acknowledgment_without_a_sample_grows_the_window_all_the_same() -> None:
    assert HyStart().growth(MSS, MSS, 0) == MSS


def test_five_rounds_of_conservative_slow_start_end_it_the_partial_one_counted() -> None:
    hystart = after_one_round()
    run_round(hystart, 2 * BASE)
    assert hystart.in_css
    for _ in range(CSS_ROUNDS - 2):
        assert run_round(hystart, 2 * BASE) == ROUND * MSS // CSS_GROWTH_DIVISOR
        assert not hystart.is_done
    run_round(hystart, 2 * BASE)
    assert hystart.is_done


def test_jitter_that_goes_away_resumes_slow_start() -> None:
    hystart = after_one_round()
    run_round(hystart, 2 * BASE)
    assert hystart.in_css
    run_round(hystart, BASE)
    assert not hystart.in_css
    assert run_round(hystart, BASE) == ROUND * MSS
