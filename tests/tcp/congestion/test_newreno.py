"""NewReno's window against RFC 5681."""

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.tcp.congestion.base import INFINITE, AckSample
from halfopen.tcp.congestion.newreno import NewReno

MSS = 1460


def sample(acked: int, flight: int, limited: bool = True) -> AckSample:
    return AckSample(acked, flight, 100 * MILLISECOND, 100 * MILLISECOND, 100 * MILLISECOND, 0, limited)


@pytest.mark.rfc("5681", "5681.3")
@pytest.mark.parametrize("segments_per_ack", [1, 2, 7, 45])
def test_congestion_avoidance_adds_one_segment_every_round_trip(segments_per_ack: int) -> None:
    control = NewReno(MSS, 20 * MSS)
    control.ssthresh = 20 * MSS
    acknowledged = 0
    for rounds in range(1, 101):
        target = sum(20 + n for n in range(rounds)) * MSS  # all that windows of 20, 21, 22 ... segments hold
        while acknowledged < target:
            control.on_ack(sample(segments_per_ack * MSS, control.cwnd))
            acknowledged += segments_per_ack * MSS
        assert abs(control.cwnd - (20 + rounds) * MSS) <= MSS


def test_congestion_avoidance_stands_still_while_the_window_is_not_used() -> None:
    control = NewReno(MSS, 20 * MSS)
    control.ssthresh = 20 * MSS
    for _ in range(100):
        control.on_ack(sample(20 * MSS, 5 * MSS, limited=False))
    assert control.cwnd == 20 * MSS


def test_the_window_never_grows_past_the_largest() -> None:
    control = NewReno(MSS, INFINITE)
    control.on_ack(sample(INFINITE, INFINITE))
    assert control.cwnd == INFINITE


@pytest.mark.rfc("5681", "5681.4")
@pytest.mark.parametrize(("flight", "ssthresh"), [(40, 20), (7, 3.5), (4, 2), (3, 2), (1, 2)])
def test_a_loss_halves_the_flight_but_leaves_two_segments(flight: int, ssthresh: float) -> None:
    control = NewReno(MSS, 50 * MSS)
    control.on_loss(flight * MSS, 0)
    assert control.ssthresh == int(ssthresh * MSS)


@pytest.mark.rfc("5681", "5681.5")
def test_a_timeout_leaves_one_segment_and_halves_the_threshold_once() -> None:
    control = NewReno(MSS, 40 * MSS)
    control.on_timeout(40 * MSS, 0, first=True)
    assert (control.cwnd, control.ssthresh) == (MSS, 20 * MSS)
    control.on_timeout(MSS, 0, first=False)
    assert (control.cwnd, control.ssthresh) == (MSS, 20 * MSS)


def test_a_spurious_timeout_repeated_or_not_is_undone_to_the_window_before_the_first() -> None:
    control = NewReno(MSS, 40 * MSS)
    control.on_timeout(40 * MSS, 0, first=True)
    control.on_timeout(MSS, 0, first=False)
    control.on_undo()
    assert (control.cwnd, control.ssthresh) == (40 * MSS, INFINITE)


def test_the_sawtooth_lies_between_half_and_whole() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.on_loss(100 * MSS, 0)
    control.on_recovered(0)
    rounds = 0
    while control.cwnd < 100 * MSS:
        control.on_ack(sample(control.cwnd, control.cwnd))
        rounds += 1
    assert rounds == 50
