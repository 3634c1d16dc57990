"""FreeBSD's congestion control: windows of 1000-octet segments."""

import pytest

from halfopen.tcp.congestion.base import INFINITE, AckSample
from halfopen.tcp.congestion.bsd import BsdCubic, BsdPrr, BsdReno

MSS = 1000


def sample(acked: int, limited: bool = True) -> AckSample:
    return AckSample(acked, acked, 50_000_000, 50_000_000, 50_000_000, 1, limited)


@pytest.mark.parametrize("kind", [BsdReno, BsdCubic])
@pytest.mark.parametrize(("limit", "growth"), [(2, 2000), (1, 1000), (0, 1000), (8, 5000)])
def test_in_slow_start_an_ack_opens_the_window_by_a_few_segments(
    kind: type[BsdReno | BsdCubic], limit: int, growth: int
) -> None:
    control = kind(MSS, 10 * MSS, limit)
    control.on_ack(sample(5000))
    assert control.cwnd == 10 * MSS + growth


@pytest.mark.parametrize("kind", [BsdReno, BsdCubic])
def test_the_window_stays_if_the_peers_is_smaller(kind: type[BsdReno | BsdCubic]) -> None:
    control = kind(MSS, 10 * MSS)
    control.on_ack(sample(5000, limited=False))
    assert control.cwnd == 10 * MSS


def test_while_what_was_lost_is_sent_again_an_ack_is_worth_one_segment() -> None:
    control = BsdReno(MSS, 10 * MSS)
    control.resends = True
    control.on_ack(sample(5000))
    assert control.cwnd == 11 * MSS


def test_above_ssthresh_a_whole_window_has_to_be_acknowledged() -> None:
    control = BsdReno(MSS, 10 * MSS)
    control.ssthresh = 4 * MSS
    for _ in range(9):
        control.on_ack(sample(1000))
    assert control.cwnd == 10 * MSS
    control.on_ack(sample(1000))
    assert control.cwnd == 11 * MSS


def test_without_byte_counting_every_ack_counts() -> None:
    control = BsdReno(MSS, 10 * MSS, limit=0)
    control.ssthresh = 4 * MSS
    control.on_ack(sample(10))
    assert control.cwnd == 10 * MSS + 100


def test_the_window_is_cut_not_the_flight() -> None:
    control = BsdReno(MSS, 11 * MSS)
    control.on_loss(4 * MSS, 0)
    assert (control.cwnd, control.ssthresh) == (11 * MSS, 5 * MSS)


@pytest.mark.parametrize("kind", [BsdReno, BsdCubic])
def test_a_timeout_halves_the_flight_once(kind: type[BsdReno | BsdCubic]) -> None:
    control = kind(MSS, 10 * MSS)
    control.on_timeout(7 * MSS, 0, True)
    assert (control.cwnd, control.ssthresh) == (MSS, 3 * MSS)
    control.on_timeout(MSS, 0, False)
    assert (control.cwnd, control.ssthresh) == (MSS, 3 * MSS)


def test_cubic_halves_its_window_the_first_time_and_takes_seven_tenths_later() -> None:
    control = BsdCubic(MSS, 10 * MSS)
    control.on_loss(4 * MSS, 0)
    assert control.ssthresh == 5 * MSS
    control.on_loss(4 * MSS, 0)
    assert control.ssthresh == 7 * MSS


def test_cubic_follows_its_curve_above_ssthresh() -> None:
    control = BsdCubic(MSS, 10 * MSS)
    control.ssthresh = 4 * MSS
    control.on_ack(sample(10 * MSS))
    assert 10 * MSS < control.cwnd < INFINITE


@pytest.mark.parametrize("kind", [BsdReno, BsdCubic])
@pytest.mark.parametrize(("flight", "cwnd"), [(0, 2000), (3000, 4000), (9000, 5000)])
def test_the_end_of_recovery_lets_no_burst_out(kind: type[BsdReno | BsdCubic], flight: int, cwnd: int) -> None:
    control = kind(MSS, 10 * MSS)
    control.on_loss(0, 0)
    control.on_recovered(0)
    control.on_repaired(flight)
    assert control.cwnd == cwnd


@pytest.mark.parametrize("kind", [BsdReno, BsdCubic])
def test_new_text_follows_when_half_of_the_window_is_in_flight(kind: type[BsdReno | BsdCubic]) -> None:
    control = kind(MSS, 10 * MSS)
    control.on_loss(0, 0)
    prr = control.start_prr(10 * MSS, 10 * MSS)
    assert prr.on_ack(3 * MSS, 6 * MSS, False) == MSS  # the retransmission
    prr.on_sent(MSS)
    assert prr.on_ack(MSS, 6 * MSS, False) == 0
    assert prr.on_ack(MSS, 5 * MSS, False) == 0
    assert prr.on_ack(MSS, 4 * MSS, False) == MSS
    assert prr.on_ack(0, 4 * MSS, False) == 0


def test_limited_transmit_has_been_paid_for() -> None:
    control = BsdReno(MSS, 10 * MSS)
    control.on_loss(0, 0)
    prr = control.start_prr(12 * MSS, 12 * MSS)
    assert isinstance(prr, BsdPrr)
    assert prr.delivered == 3 * MSS
