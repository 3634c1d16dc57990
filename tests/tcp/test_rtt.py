"""The RTT estimator against the formulas of RFC 6298 in exact arithmetic."""

import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import MILLISECOND, MINUTE, SECOND
from halfopen.base.native import build
from halfopen.tcp.rtt import MIN_RTT_WINDOW, RttEstimator


@pytest.mark.rfc("6298", "6298.1")
def test_before_any_sample_the_timeout_is_one_second() -> None:
    rtt = RttEstimator()
    assert (rtt.rto, rtt.srtt, rtt.min_rtt, rtt.latest_rtt) == (SECOND, 0, 0, 0)


@pytest.mark.rfc("6298", "6298.2")
def test_the_first_sample_sets_srtt_to_itself_and_rttvar_to_half() -> None:
    rtt = RttEstimator(rto_min=0)
    rtt.sample(100 * MILLISECOND, 0)
    assert (rtt.srtt, rtt.rttvar) == (100 * MILLISECOND, 50 * MILLISECOND)
    assert rtt.rto == 300 * MILLISECOND


@pytest.mark.rfc("6298", "6298.3", "6298.4")
@pytest.mark.rfc("9293", "MUST-18")
@given(st.lists(st.integers(1, 10 * SECOND), min_size=1, max_size=60))
def test_later_samples_update_the_variance_before_the_mean(samples: list[int]) -> None:
    rtt = RttEstimator(rto_min=0, granularity=0, rto_max=10**15)
    srtt = Fraction(samples[0])
    rttvar = srtt / 2
    rtt.sample(samples[0], 0)
    for sample in samples[1:]:
        rttvar = Fraction(3, 4) * rttvar + Fraction(1, 4) * abs(srtt - sample)
        srtt = Fraction(7, 8) * srtt + Fraction(1, 8) * sample
        rtt.sample(sample, 0)
    assert abs(rtt.srtt - srtt) <= 8  # what flooring nanoseconds can add up to
    assert abs(rtt.rttvar - rttvar) <= 16
    assert rtt.rto == rtt.srtt + 4 * rtt.rttvar


@pytest.mark.rfc("6298", "6298.4")
def test_the_granularity_of_the_clock_is_the_least_margin() -> None:
    rtt = RttEstimator(rto_min=0, granularity=10 * MILLISECOND)
    for _ in range(200):
        rtt.sample(50 * MILLISECOND, 0)
    assert rtt.rto == 60 * MILLISECOND


@pytest.mark.rfc("6298", "6298.5")
@pytest.mark.parametrize("minimum", [200 * MILLISECOND, SECOND])
def test_the_timeout_is_never_below_the_minimum(minimum: int) -> None:
    rtt = RttEstimator(rto_min=minimum)
    for _ in range(200):
        rtt.sample(MILLISECOND, 0)
    assert minimum <= rtt.rto <= minimum + MILLISECOND


def test_the_minimum_is_a_margin_above_the_mean_as_in_linux() -> None:
    rtt = RttEstimator()
    for _ in range(200):
        rtt.sample(300 * MILLISECOND, 0)
    assert rtt.rto == 500 * MILLISECOND


@pytest.mark.rfc("6298", "6298.6")
def test_the_timeout_is_never_above_the_maximum() -> None:
    rtt = RttEstimator()
    rtt.sample(100 * SECOND, 0)
    assert rtt.rto == 120 * SECOND


@pytest.mark.rfc("6298", "6298.10")
@pytest.mark.rfc("9293", "MUST-19")
def test_each_expiry_doubles_the_timeout_up_to_the_maximum() -> None:
    rtt = RttEstimator(rto_max=60 * SECOND)
    seen = []
    for _ in range(8):
        rtt.backoff()
        seen.append(rtt.rto // SECOND)
    assert seen == [2, 4, 8, 16, 32, 60, 60, 60]
    assert rtt.backoffs == 8


@pytest.mark.rfc("6298", "6298.7")
def test_a_backed_off_timeout_stays_until_a_sample_is_certain() -> None:
    rtt = RttEstimator()
    rtt.sample(100 * MILLISECOND, 0)
    rtt.backoff()
    rtt.backoff()
    assert rtt.rto == 1200 * MILLISECOND
    rtt.sample(100 * MILLISECOND, 0)
    assert (rtt.rto, rtt.backoffs) == (300 * MILLISECOND, 0)


def test_a_backoff_can_be_taken_back_without_a_sample() -> None:
    rtt = RttEstimator()
    rtt.backoff()
    rtt.reset_backoff()
    assert (rtt.rto, rtt.backoffs) == (SECOND, 0)
    rtt.sample(100 * MILLISECOND, 0)
    rtt.backoff()
    rtt.reset_backoff()
    assert (rtt.rto, rtt.backoffs) == (300 * MILLISECOND, 0)


@pytest.mark.rfc("6298", "6298.11")
def test_after_a_lost_syn_data_starts_with_a_timeout_of_three_seconds() -> None:
    rtt = RttEstimator()
    rtt.backoff()
    rtt.on_established(syn_was_lost=True)
    assert (rtt.rto, rtt.backoffs) == (3 * SECOND, 0)


def test_a_handshake_without_loss_or_with_a_sample_keeps_its_timeout() -> None:
    rtt = RttEstimator()
    rtt.on_established(syn_was_lost=False)
    assert rtt.rto == SECOND
    rtt.sample(100 * MILLISECOND, 0)
    rtt.on_established(syn_was_lost=True)
    assert rtt.rto == 300 * MILLISECOND


def test_a_round_trip_of_no_time_is_a_sample_too() -> None:
    rtt = RttEstimator()
    rtt.sample(0, 0)
    assert (rtt.srtt, rtt.min_rtt, rtt.latest_rtt) == (1, 1, 1)


def test_the_minimum_is_the_smallest_of_the_last_minutes() -> None:
    rtt = RttEstimator()
    rtt.sample(50, 0)
    rtt.sample(30, 1 * MINUTE)
    rtt.sample(40, 2 * MINUTE)
    assert rtt.min_rtt == 30
    rtt.sample(45, 3 * MINUTE)  # the second half of the window begins
    assert rtt.min_rtt == 30
    rtt.sample(42, 4 * MINUTE)
    assert rtt.min_rtt == 30
    rtt.sample(60, 6 * MINUTE)  # and the third: 30 is too old by now
    assert rtt.min_rtt == 42
    rtt.sample(20, 6 * MINUTE)
    assert (rtt.min_rtt, rtt.latest_rtt) == (20, 20)


def test_after_a_long_silence_the_minimum_is_the_next_sample() -> None:
    rtt = RttEstimator()
    rtt.sample(30, 0)
    rtt.sample(50, MIN_RTT_WINDOW + 1)
    assert rtt.min_rtt == 50


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, MIN_RTT_WINDOW)), min_size=1, max_size=50))
def test_the_minimum_lies_between_those_of_half_and_of_the_whole_window(steps: list[tuple[int, int]]) -> None:
    rtt, now, seen = RttEstimator(), 0, []
    for value, step in steps:
        now += step
        seen.append((now, value))
        rtt.sample(value, now)
        assert rtt.min_rtt <= min(each for when, each in seen if now - when <= MIN_RTT_WINDOW // 2)
        assert rtt.min_rtt in [each for when, each in seen if now - when <= 2 * MIN_RTT_WINDOW]


def test_an_estimator_is_small() -> None:
    methods = 8 if build() == "compiled" else 0  # a compiled object begins with a pointer to them
    assert sys.getsizeof(RttEstimator()) <= 144 + methods


def test_the_rto_that_has_expired_is_remembered() -> None:
    estimator = RttEstimator()
    estimator.backoff()
    estimator.backoff()
    assert (estimator.expired, estimator.rto) == (2 * SECOND, 4 * SECOND)


def test_slop_is_added_to_each_rto_but_the_first() -> None:
    estimator = RttEstimator(rto_initial=1 * SECOND, slop=200 * MILLISECOND)
    seen = [estimator.rto]
    for _ in range(3):
        estimator.backoff()
        seen.append(estimator.rto)
    assert seen == [SECOND, 2200 * MILLISECOND, 4200 * MILLISECOND, 8200 * MILLISECOND]


def test_slop_does_not_double() -> None:
    estimator = RttEstimator(rto_min=30 * MILLISECOND, slop=200 * MILLISECOND)
    estimator.bound_whole()
    estimator.sample(1 * MILLISECOND, 0)
    assert estimator.rto == 230 * MILLISECOND
    estimator.backoff()
    assert estimator.rto == 260 * MILLISECOND


def test_the_minimum_may_be_of_the_whole() -> None:
    estimator = RttEstimator(rto_min=1 * SECOND)
    estimator.bound_whole()
    estimator.sample(100 * MILLISECOND, 0)
    assert estimator.rto == SECOND


def test_probes_of_a_bsd_come_after_four_round_trips_and_eight_deviations() -> None:
    estimator = RttEstimator(slop=200 * MILLISECOND)
    assert estimator.bsd_persist() == 2200 * MILLISECOND
    estimator.sample(100 * MILLISECOND, 0)
    assert estimator.bsd_persist() == (400 + 400 + 200) * MILLISECOND
    estimator.backoff()
    assert estimator.bsd_persist() == (1600 + 200) * MILLISECOND
