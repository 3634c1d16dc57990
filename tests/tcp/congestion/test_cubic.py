"""CUBIC against the closed form of RFC 9438: W(t) = C * (t - K)^3 + W_max, and Reno's average rate."""

import pytest

from halfopen.base.clock import MILLISECOND, NEVER, SECOND
from halfopen.tcp.congestion.base import INFINITE, AckSample
from halfopen.tcp.congestion.cubic import ALPHA, Cubic
from halfopen.tcp.congestion.hystart import CSS_ROUNDS

MSS = 1460


class Flow:
    """A sender that always fills its window over a path of constant round-trip time, ACK by ACK, in virtual time."""

    def __init__(self, segments: int, rtt: int = 100 * MILLISECOND) -> None:
        self.control = Cubic(MSS, segments * MSS)
        self.rtt = rtt
        self.now = SECOND

    @property
    def segments(self) -> float:
        return self.control.cwnd / MSS

    def ack(self, octets: int = MSS, limited: bool = True, rtt: int | None = None) -> None:
        rtt = self.rtt if rtt is None else rtt
        self.control.on_ack(AckSample(octets, self.control.cwnd, rtt, rtt, rtt, self.now, limited))

    def round_trip(self, per_ack: int = 2, limited: bool = True) -> None:
        """All of one window is acknowledged, spread over one round-trip time."""
        start, window, done = self.now, self.control.cwnd, 0
        while done < window:
            octets = min(per_ack * MSS, window - done)
            done += octets
            self.now = start + self.rtt * done // window
            self.ack(octets, limited)
        self.now = start + self.rtt

    def lose(self) -> None:
        """One fast recovery, of one round trip."""
        self.control.on_loss(self.control.cwnd, self.now)
        self.now += self.rtt
        self.control.on_recovered(self.now)


def closed_form(w_max: float, start: float, elapsed: float) -> float:
    """In segments and seconds, written from the RFC's text and not from the code."""
    k: float = ((w_max - start) / 0.4) ** (1 / 3)
    return 0.4 * (elapsed - k) * (elapsed - k) * (elapsed - k) + w_max


@pytest.mark.rfc("9438", "9438.1", "9438.2")
@pytest.mark.parametrize(
    ("window", "rtt", "per_ack"), [(500, 100, 1), (1000, 100, 2), (1000, 100, 45), (3000, 50, 45), (10_000, 200, 45)]
)
def test_after_a_loss_the_window_follows_the_cubic_curve_within_one_percent(
    window: int, rtt: int, per_ack: int
) -> None:
    flow = Flow(window, rtt * MILLISECOND)
    flow.lose()
    start = flow.segments
    assert start == pytest.approx(0.7 * window, rel=0.001)
    began = flow.now
    k = ((window - start) / 0.4) ** (1 / 3)
    worst = 0.0
    while flow.now - began < 1.3 * k * SECOND:
        flow.round_trip(per_ack)
        expected = closed_form(window, start, (flow.now - began) / SECOND)
        worst = max(worst, abs(flow.segments - expected) / expected)
    assert worst < 0.01


@pytest.mark.rfc("9438", "9438.2")
def test_the_window_is_back_at_its_maximum_after_k_seconds() -> None:
    flow = Flow(2000, 40 * MILLISECOND)
    flow.lose()
    began = flow.now
    while flow.segments < 1995:
        flow.round_trip()
    elapsed = (flow.now - began) / SECOND
    k = (0.3 * 2000 / 0.4) ** (1 / 3)
    assert elapsed == pytest.approx(k - (5 / 0.4) ** (1 / 3), abs=0.15)  # 5 segments below, this long before K


@pytest.mark.rfc("9438", "9438.2")
def test_growth_does_not_depend_on_the_round_trip_time() -> None:
    short, long = Flow(3000, 20 * MILLISECOND), Flow(3000, 200 * MILLISECOND)
    for flow in (short, long):
        flow.lose()
        began = flow.now
        while flow.now - began < 6 * SECOND:
            flow.round_trip(per_ack=20)
    assert short.segments == pytest.approx(long.segments, rel=0.01)


@pytest.mark.rfc("9438", "9438.3")
def test_a_round_trip_never_adds_more_than_half_the_window() -> None:
    flow = Flow(10, 2 * SECOND)
    flow.control.ssthresh = 10 * MSS
    flow.ack()
    flow.now += 100 * SECOND  # the curve is far above
    before = flow.control.cwnd
    flow.ack(before)
    assert flow.control.cwnd == pytest.approx(1.5 * before, abs=1)


@pytest.mark.rfc("9438", "9438.3")
def test_an_acknowledgment_of_more_than_the_window_counts_as_one_window() -> None:
    flow = Flow(100)
    flow.lose()
    flow.ack()
    flow.now += SECOND
    flow.ack(50 * flow.control.cwnd)
    assert flow.control.cwnd <= 1.5 * 70 * MSS + MSS


@pytest.mark.rfc("9438", "9438.4")
def test_on_a_short_slow_path_it_is_as_fast_as_reno() -> None:
    flow = Flow(20, 10 * MILLISECOND)
    flow.lose()
    assert flow.segments == pytest.approx(14)
    rounds = 0
    while flow.segments < 20:
        flow.round_trip(per_ack=1)
        rounds += 1
    assert rounds == pytest.approx(6 / ALPHA, abs=2)  # 9/17 of a segment each, to where the loss was
    before = flow.segments
    for _ in range(20):
        flow.round_trip(per_ack=1)
    assert flow.segments - before == pytest.approx(20, abs=1.5)  # from there on a whole one


def test_alpha_is_nine_seventeenths() -> None:
    assert pytest.approx(9 / 17) == ALPHA


@pytest.mark.rfc("9438", "9438.5")
@pytest.mark.parametrize(("flight", "ssthresh"), [(100, 70), (3, 2.1), (2, 2), (1, 2)])
def test_a_loss_keeps_seven_tenths_of_the_flight_and_at_least_two_segments(flight: int, ssthresh: float) -> None:
    control = Cubic(MSS, 100 * MSS)
    control.on_loss(flight * MSS, 0)
    assert control.ssthresh == int(ssthresh * MSS)


@pytest.mark.rfc("9438", "9438.6")
def test_a_loss_below_the_last_maximum_leaves_room_for_others() -> None:
    flow = Flow(1000)
    flow.lose()
    flow.lose()  # at 700 segments: the new maximum is 700 * 0.85
    flow.ack()
    assert flow.control.window_at(int(((595 - 490) / 0.4) ** (1 / 3) * SECOND)) / MSS == pytest.approx(595, rel=0.001)


@pytest.mark.rfc("9438", "9438.7")
def test_after_a_timeout_the_first_curve_starts_flat_from_its_own_window() -> None:
    flow = Flow(1000)
    flow.control.on_timeout(1000 * MSS, flow.now, first=True)
    assert (flow.control.cwnd, flow.control.ssthresh) == (MSS, 700 * MSS)
    flow.control.on_timeout(MSS, flow.now, first=False)
    assert (flow.control.cwnd, flow.control.ssthresh) == (MSS, 700 * MSS)
    while flow.segments < 700:
        flow.round_trip()
    began = flow.now
    while flow.now - began < 10 * SECOND:
        flow.round_trip()
    assert flow.segments == pytest.approx(700 + 0.4 * 10**3, rel=0.01)  # K = 0: convex from the start


@pytest.mark.rfc("9438", "9438.9")
@pytest.mark.parametrize("by_timeout", [False, True])
def test_a_spurious_loss_leaves_the_curve_as_it_was(by_timeout: bool) -> None:
    flow, undisturbed = Flow(1000), Flow(1000)
    for each in (flow, undisturbed):
        each.lose()
        for _ in range(30):
            each.round_trip()
    if by_timeout:
        flow.control.on_timeout(flow.control.cwnd, flow.now, first=True)
    else:
        flow.control.on_loss(flow.control.cwnd, flow.now)
    flow.control.cwnd //= 2
    flow.control.on_undo()
    flow.control.on_undo()  # a second time changes nothing
    for each in (flow, undisturbed):
        for _ in range(30):
            each.round_trip()
    assert flow.control.cwnd == undisturbed.control.cwnd
    assert flow.control.ssthresh == undisturbed.control.ssthresh


@pytest.mark.rfc("9438", "9438.10")
def test_time_in_which_the_application_is_the_limit_does_not_count() -> None:
    flow, busy = Flow(1000), Flow(1000)
    for each in (flow, busy):
        each.lose()
        for _ in range(20):
            each.round_trip()
    for _ in range(100):
        flow.round_trip(limited=False)
    assert flow.control.cwnd == busy.control.cwnd
    for each in (flow, busy):
        for _ in range(20):
            each.round_trip()
    assert flow.segments == pytest.approx(busy.segments, rel=0.002)


@pytest.mark.rfc("9438", "9438.10")
def test_idle_time_does_not_count() -> None:
    flow, busy = Flow(1000), Flow(1000)
    for each in (flow, busy):
        each.lose()
        for _ in range(20):
            each.round_trip()
    flow.now += 60 * SECOND
    flow.control.on_idle(60 * SECOND, NEVER, flow.now)
    for each in (flow, busy):
        for _ in range(20):
            each.round_trip()
    assert flow.segments == pytest.approx(busy.segments, rel=0.002)


def test_a_flight_that_is_acknowledged_all_at_once_is_no_idle_time() -> None:
    flow, busy = Flow(1000), Flow(1000)
    for each in (flow, busy):
        each.lose()
    for _ in range(40):
        # The next flight leaves the moment the last one is acknowledged, a round trip after it was sent.
        for each in (flow, busy):
            each.round_trip()
        flow.control.on_idle(100 * MILLISECOND, NEVER, flow.now)
    assert flow.control.cwnd == busy.control.cwnd


def test_idle_before_any_curve_is_only_the_restart_window() -> None:
    flow = Flow(10)
    flow.round_trip()
    flow.control.on_idle(10 * SECOND, SECOND, flow.now)
    assert flow.segments == 10
    assert flow.control.ssthresh == INFINITE


def test_an_unused_window_before_any_curve_does_not_grow() -> None:
    flow = Flow(100)
    flow.control.ssthresh = 100 * MSS
    flow.ack(limited=False)
    assert flow.segments == 100


def test_below_the_threshold_the_next_curve_waits() -> None:
    flow = Flow(100)
    flow.lose()
    flow.round_trip()
    flow.control.cwnd = 10 * MSS  # as after a restart
    flow.ack(MSS)
    assert flow.segments == 11


def test_a_large_window_grows_although_each_ack_adds_less_than_an_octet() -> None:
    flow = Flow(100_000, 10 * MILLISECOND)
    flow.lose()
    flow.now += int(((0.3 * 100_000) / 0.4) ** (1 / 3) * SECOND)
    before = flow.control.cwnd
    flow.ack()
    assert flow.control.cwnd - before <= 1460
    flow.round_trip()
    assert flow.control.cwnd > before


def test_the_window_never_grows_past_the_largest() -> None:
    flow = Flow(1)
    flow.control.cwnd = flow.control.ssthresh = INFINITE - 1
    for _ in range(10):
        flow.now += 100 * SECOND
        flow.ack(INFINITE)
    assert flow.control.cwnd == INFINITE


def test_reno_growth_ends_at_the_largest_window_too() -> None:
    flow = Flow(1)
    flow.control.cwnd = flow.control.ssthresh = INFINITE - 1
    for _ in range(2):
        flow.ack(INFINITE)
    assert flow.control.cwnd == INFINITE


@pytest.mark.rfc("9438", "9438.11")
def test_hystart_ends_slow_start_before_the_first_loss() -> None:
    flow = Flow(10)
    rounds = 0
    while flow.control.ssthresh == INFINITE:
        flow.rtt = (100 + 20 * rounds) * MILLISECOND
        flow.round_trip(per_ack=1)
        rounds += 1
    assert rounds <= CSS_ROUNDS + 3
    before = flow.segments
    flow.round_trip()
    assert flow.segments < before + 3  # congestion avoidance, K = 0


@pytest.mark.rfc("9438", "9438.5")
def test_the_sawtooth_is_steady() -> None:
    flow = Flow(500, 50 * MILLISECOND)
    peaks = []
    for _ in range(5):
        flow.lose()
        began = flow.now
        while flow.segments < 500:
            flow.round_trip()
        peaks.append((flow.now - began) / SECOND)
    assert max(peaks) - min(peaks) < 0.1 * max(peaks)
    assert max(peaks) == pytest.approx((0.3 * 500 / 0.4) ** (1 / 3), rel=0.1)
