"""CUBIC in whole segments, as Linux has it, and its HyStart."""

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.congestion.algorithms import make_congestion_control
from halfopen.tcp.congestion.base import INFINITE, AckSample
from halfopen.tcp.congestion.linux_cubic import LinuxCubic
from halfopen.tcp.congestion.linux_hystart import ACK_TRAIN, DELAY
from halfopen.tcp.congestion_config import CongestionConfig

RTT = 100 * MILLISECOND


def after_loss(segments: int) -> LinuxCubic:
    """A window after a loss, which is the limit."""
    control = LinuxCubic(1000, segments * 1000)
    control.on_loss(segments * 1000, 0)
    control.on_recovered(0)
    return control


def acked(control: LinuxCubic, segments: int, now: int, *, limited: bool = True, rtt: int = RTT) -> int:
    control.look(ack(control, segments, now, rtt))
    sample = ack(control, segments, now, rtt)
    sample.is_cwnd_limited = limited
    control.on_ack(sample)
    return control.cwnd // 1000


def ack(control: LinuxCubic, segments: int, now: int, rtt: int, una: int = 0) -> AckSample:
    sample = AckSample(segments * 1000, control.cwnd, rtt, RTT, RTT, now)
    sample.una = una or now
    return sample


def test_linux_profiles_have_it_with_the_detection_they_choose() -> None:
    control = make_congestion_control(CongestionConfig(whole_segments=True, hystart=DELAY), 1000)
    assert isinstance(control, LinuxCubic)
    assert (control.whole, control.hystart.detects) == (True, DELAY)


def test_a_loss_leaves_seven_tenths() -> None:
    control = after_loss(10)
    assert (control.cwnd, control.ssthresh) == (7000, 7000)


def test_acknowledged_segments_are_counted_until_one_more_is_due() -> None:
    control = after_loss(10)
    now, windows = 300 * MILLISECOND, []
    for segments in (2, 2, 2, 4, 6):
        windows.append(acked(control, segments, now))
        now += 70 * MILLISECOND
    assert windows == sorted(windows)
    assert (windows[0], windows[-1]) == (7, 9)


def test_a_window_that_is_not_the_limit_stays() -> None:
    assert acked(after_loss(10), 20, SECOND, limited=False) == 7


def test_a_window_that_stays_is_not_calculated_anew_at_once() -> None:
    control = after_loss(20)
    assert acked(control, 1, SECOND) == 14
    count = control.curve.count
    acked(control, 1, SECOND + 20 * MILLISECOND)
    assert control.curve.count == count
    acked(control, 1, SECOND + 80 * MILLISECOND)
    assert control.curve.count != count


def test_at_the_top_it_stays_for_long_and_then_looks_for_more() -> None:
    control = after_loss(10)
    control.cwnd = 10_000
    assert acked(control, 10, 2 * SECOND) == 10
    assert acked(control, 10, 9 * SECOND) > 10


def test_it_is_at_least_as_fast_as_reno() -> None:
    control = after_loss(40)
    control.cwnd = 40_000
    now = SECOND
    for _ in range(12):
        acked(control, control.cwnd // 1000, now)
        now += 40 * MILLISECOND
    assert control.cwnd > 43_000


def test_who_loses_again_below_the_last_top_leaves_room() -> None:
    control = after_loss(100)
    control.on_loss(0, SECOND)
    assert control.curve.last_max == 70 * (1024 + 717) // 2048


def test_without_a_loss_so_far_a_segment_comes_for_twenty_at_the_latest() -> None:
    control = LinuxCubic(1000, 50_000)
    control.ssthresh = 50_000
    assert acked(control, 20, SECOND) == 51


def test_a_window_that_has_grown_at_the_same_instant_keeps_its_step() -> None:
    control = after_loss(20)
    acked(control, 1, SECOND)
    count = control.curve.count
    control.cwnd = 20_000
    acked(control, 1, SECOND)
    assert control.curve.count == count
    acked(control, 1, SECOND + 1)
    assert control.curve.count == 2000


def test_the_rest_of_slow_start_goes_on_as_congestion_avoidance() -> None:
    control = LinuxCubic(1000, 10_000)
    control.ssthresh = 15_000
    assert acked(control, 5, SECOND) == 15
    assert control.credit == 0
    control.cwnd = 10_000
    assert acked(control, 8, SECOND) == 15
    assert control.credit == 3
    assert acked(control, 37, 2 * SECOND) == 17


def test_a_credit_that_has_become_enough_is_one_segment() -> None:
    control = after_loss(10)
    control.credit = 800
    assert acked(control, 1, 300 * MILLISECOND) == 8


def test_a_timeout_clears_the_least_delay() -> None:
    control = after_loss(20)
    control.look(ack(control, 1, 2 * SECOND, RTT // 2))
    assert control.delay_min == RTT // 2
    control.on_timeout(14_000, 3 * SECOND, True)
    control.look(ack(control, 1, 4 * SECOND, RTT))
    assert control.delay_min == RTT


def test_a_timeout_begins_anew_and_only_the_first_reduces() -> None:
    control = after_loss(20)
    control.on_timeout(14_000, SECOND, True)
    assert (control.cwnd, control.ssthresh) == (1000, 9000)
    control.on_timeout(1000, 2 * SECOND, False)
    assert control.ssthresh == 9000


def test_idle_time_does_not_move_along_the_curve() -> None:
    control = after_loss(10)
    control.on_idle(SECOND, 10 * SECOND, SECOND)  # no stage has begun
    acked(control, 1, SECOND)
    control.on_idle(3 * SECOND, 10 * SECOND, 5 * SECOND)
    assert control.curve.epoch == 4 * SECOND
    control.on_idle(3 * SECOND, 10 * SECOND, 5 * SECOND)
    assert control.curve.epoch == 5 * SECOND


def slow_start(detects: int, segments: int = 20) -> LinuxCubic:
    return LinuxCubic(1000, segments * 1000, detects)


def test_nothing_is_detected_without_a_sample_right_after_a_loss_or_when_it_is_off() -> None:
    control = slow_start(0)
    for at in range(20):
        control.look(ack(control, 1, (at + 1) * MILLISECOND, RTT + at * 10 * MILLISECOND))
    control.look(ack(control, 1, SECOND, 0))
    assert control.ssthresh == INFINITE
    control = after_loss(10)
    acked(control, 1, SECOND)
    control.look(ack(control, 1, SECOND + 1, 1))
    assert control.delay_min == RTT


@pytest.mark.parametrize(("segments", "ends"), [(15, False), (16, True)])
def test_longer_round_trips_end_slow_start_of_a_window_that_is_large_enough(segments: int, ends: bool) -> None:
    control = slow_start(DELAY, segments)
    control.look(ack(control, 1, RTT, RTT, una=1))
    for at in range(9):
        control.look(ack(control, 1, 3 * RTT + at, RTT + 20 * MILLISECOND, una=100_000))
    assert (control.ssthresh == segments * 1000) == ends


def test_round_trips_that_are_hardly_longer_do_not() -> None:
    control = slow_start(DELAY)
    for at in range(20):
        control.look(ack(control, 1, RTT + at, RTT + at, una=1))
    assert control.ssthresh == INFINITE


def test_a_train_of_acks_that_is_longer_than_half_a_round_trip_ends_slow_start() -> None:
    control = slow_start(ACK_TRAIN)
    for at in range(50):
        control.look(ack(control, 1, RTT + at * MILLISECOND, RTT, una=1))
    assert control.ssthresh == INFINITE
    control.look(ack(control, 1, RTT + 51 * MILLISECOND, RTT, una=1))
    assert control.ssthresh == 20_000
    before = control.ssthresh
    control.look(ack(control, 1, RTT + 52 * MILLISECOND, RTT, una=1))
    assert control.ssthresh == before


def test_acks_that_do_not_follow_each_other_closely_are_no_train() -> None:
    control = slow_start(ACK_TRAIN)
    for at in range(50):
        control.look(ack(control, 1, RTT + 3 * at * MILLISECOND, RTT, una=1))
    assert control.ssthresh == INFINITE
