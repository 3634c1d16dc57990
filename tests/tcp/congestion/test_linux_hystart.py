"""The first HyStart, by itself."""

import pytest

from halfopen.base.clock import MILLISECOND, Duration, Instant
from halfopen.tcp.congestion.base import AckSample
from halfopen.tcp.congestion.linux_hystart import ACK_TRAIN, DELAY, LOW_WINDOW, MIN_SAMPLES, LinuxHyStart

RTT = 100 * MILLISECOND
MSS = 1000


def watch(hystart: LinuxHyStart, now: Instant, rtt: Duration = RTT, una: int = 1, segments: int = 20) -> bool:
    """What has been found after an ACK of one segment."""
    sample = AckSample(MSS, segments * MSS, rtt, RTT, RTT, now)
    sample.una = una
    hystart.watch(sample, segments * MSS, MSS, RTT)
    return hystart.found


def late(hystart: LinuxHyStart, acks: int, rtt: Duration, una: int = 1, segments: int = 20) -> bool:
    """What has been found after several ACKs, far apart, that came after ``rtt``."""
    return [watch(hystart, una * RTT + at * 5 * MILLISECOND, rtt, una, segments) for at in range(acks)][-1]


def train(hystart: LinuxHyStart, gap: Duration, milliseconds: int) -> bool:
    """What has been found after ACKs that follow each other."""
    steps = range(0, milliseconds * MILLISECOND + 1, gap)
    return [watch(hystart, RTT + step) for step in steps][-1]


def test_a_train_of_acks_is_long_enough_after_half_a_round_trip_and_what_the_peer_may_wait() -> None:
    assert not train(LinuxHyStart(ACK_TRAIN), MILLISECOND, 50)
    assert train(LinuxHyStart(ACK_TRAIN), MILLISECOND, 51)


def test_acks_that_are_further_apart_are_no_train() -> None:
    assert train(LinuxHyStart(ACK_TRAIN), 2 * MILLISECOND, 60)
    assert not train(LinuxHyStart(ACK_TRAIN), 3 * MILLISECOND, 60)


def test_a_train_means_nothing_to_who_looks_at_delay_alone() -> None:
    assert not train(LinuxHyStart(DELAY), MILLISECOND, 60)


@pytest.mark.parametrize(("rise", "is_found"), [(12_500_000, False), (12_500_001, True)])
def test_round_trips_are_longer_if_all_of_a_round_are_by_an_eighth(rise: int, is_found: bool) -> None:
    assert late(LinuxHyStart(DELAY), MIN_SAMPLES + 1, RTT + rise) is is_found


def test_eight_samples_of_a_round_decide_nothing_yet() -> None:
    assert not late(LinuxHyStart(DELAY), MIN_SAMPLES, 2 * RTT)


def test_one_short_round_trip_speaks_for_its_round_but_not_for_the_next() -> None:
    hystart = LinuxHyStart(DELAY)
    watch(hystart, RTT)
    assert not late(hystart, 20, 2 * RTT)
    assert late(hystart, MIN_SAMPLES + 1, 2 * RTT, una=20 * MSS + 2)


def test_longer_round_trips_mean_nothing_to_who_looks_at_trains_alone() -> None:
    assert not late(LinuxHyStart(ACK_TRAIN), 20, 2 * RTT)


def test_nothing_is_found_in_a_small_window() -> None:
    assert not late(LinuxHyStart(DELAY), 20, 2 * RTT, segments=LOW_WINDOW - 1)
    assert late(LinuxHyStart(DELAY), 20, 2 * RTT, segments=LOW_WINDOW)


def test_after_a_timeout_it_begins_anew() -> None:
    hystart = LinuxHyStart(ACK_TRAIN | DELAY)
    assert late(hystart, MIN_SAMPLES + 1, 2 * RTT)
    hystart.reset()
    assert not hystart.found
    assert not late(hystart, MIN_SAMPLES, 2 * RTT)
    assert late(hystart, 1, 2 * RTT)
