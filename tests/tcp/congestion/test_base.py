"""What every congestion control has: idle restart, undo, the end of recovery, slow start by octets."""

import pytest

from halfopen.base.clock import MILLISECOND, NEVER, SECOND
from halfopen.tcp.congestion.base import INFINITE, AckSample, CongestionControl
from halfopen.tcp.congestion.hystart import CSS_ROUNDS, HyStart
from halfopen.tcp.congestion.newreno import NewReno

MSS = 1000
RTT = 100 * MILLISECOND


def sample(acked: int, flight: int, limited: bool = True, rtt: int = RTT) -> AckSample:
    return AckSample(acked, flight, rtt, rtt, rtt, 0, limited)


@pytest.mark.interpreted("asks of a class whether it is abstract; the other was asked by mypy")
def test_a_congestion_control_is_abstract() -> None:
    with pytest.raises(TypeError):
        CongestionControl(MSS, 10 * MSS)  # type: ignore[abstract]  # the point of the test


@pytest.mark.rfc("5681", "5681.4")
def test_it_starts_with_the_initial_window_and_an_arbitrarily_high_threshold() -> None:
    control = NewReno(MSS, 10 * MSS)
    assert (control.cwnd, control.ssthresh) == (10 * MSS, INFINITE)


@pytest.mark.rfc("5681", "5681.1")
def test_a_lost_syn_leaves_an_initial_window_of_one_segment() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.on_lost_syn()
    assert control.cwnd == MSS


@pytest.mark.rfc("5681", "5681.2")
@pytest.mark.rfc("9293", "MUST-19")
def test_slow_start_doubles_the_window_every_round_trip() -> None:
    control = NewReno(MSS, 10 * MSS)
    for expected in (20, 40, 80):
        flight = control.cwnd
        for _ in range(flight // MSS):
            control.on_ack(sample(MSS, flight))
        assert control.cwnd == expected * MSS


@pytest.mark.rfc("5681", "5681.11")
def test_an_acknowledgment_cut_into_pieces_opens_no_more_than_a_whole_one() -> None:
    whole, divided = NewReno(MSS, 10 * MSS), NewReno(MSS, 10 * MSS)
    whole.on_ack(sample(5 * MSS, 10 * MSS))
    for _ in range(500):
        divided.on_ack(sample(10, 10 * MSS))
    assert divided.cwnd == whole.cwnd == 15 * MSS


def test_one_acknowledgment_at_most_doubles_the_window() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.on_timeout(64 * MSS, 0, first=True)
    control.on_ack(sample(50 * MSS, 64 * MSS))  # the hole is closed: everything behind it is acknowledged at once
    assert control.cwnd == 2 * MSS


def test_slow_start_ends_at_the_threshold_and_the_rest_counts_for_congestion_avoidance() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.ssthresh = 12 * MSS
    control.on_ack(sample(10 * MSS, 10 * MSS))
    assert control.cwnd == 12 * MSS  # 8 * MSS acknowledged octets are left: not yet a window
    control.on_ack(sample(4 * MSS, 12 * MSS))
    assert control.cwnd == 13 * MSS


@pytest.mark.rfc("5681", "5681.12")
def test_a_sender_that_does_not_use_its_window_gets_no_larger_one() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.on_ack(sample(2 * MSS, 2 * MSS, limited=False))
    assert control.cwnd == 10 * MSS


def test_after_recovery_the_window_is_the_threshold() -> None:
    control = NewReno(MSS, 40 * MSS)
    control.on_loss(40 * MSS, 0)
    control.cwnd = 21 * MSS  # where rate reduction left it
    control.on_recovered(0)
    assert control.cwnd == control.ssthresh == 20 * MSS


def test_a_spurious_recovery_is_undone_once() -> None:
    control = NewReno(MSS, 40 * MSS)
    control.on_loss(40 * MSS, 0)
    control.cwnd = control.ssthresh
    control.on_undo()
    assert (control.cwnd, control.ssthresh) == (40 * MSS, INFINITE)
    control.cwnd = MSS
    control.on_undo()
    assert control.cwnd == MSS


def test_undo_takes_nothing_away() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.on_timeout(10 * MSS, 0, first=True)
    control.cwnd = 30 * MSS
    control.on_undo()
    assert control.cwnd == 30 * MSS


@pytest.mark.rfc("5681", "5681.9")
def test_idle_for_more_than_a_timeout_restarts_from_the_initial_window() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.cwnd, control.ssthresh = 100 * MSS, 20 * MSS
    control.on_idle(200 * MILLISECOND, 300 * MILLISECOND, 0)
    assert control.cwnd == 100 * MSS
    control.on_idle(400 * MILLISECOND, 300 * MILLISECOND, 0)
    assert (control.cwnd, control.ssthresh) == (10 * MSS, 75 * MSS)


def test_the_restart_window_is_never_larger_than_the_window() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.cwnd, control.ssthresh = 4 * MSS, 50 * MSS
    control.on_idle(10 * SECOND, SECOND, 0)
    assert (control.cwnd, control.ssthresh) == (4 * MSS, 50 * MSS)


def test_the_restart_can_be_switched_off() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.cwnd = 100 * MSS
    control.on_idle(10 * SECOND, NEVER, 0)
    assert control.cwnd == 100 * MSS


def test_hystart_ends_slow_start_where_the_queue_begins_to_grow() -> None:
    control = NewReno(MSS, 10 * MSS, HyStart())
    rtt = RTT
    for _ in range(CSS_ROUNDS + 3):
        flight = control.cwnd
        for _ in range(flight // MSS):
            control.on_ack(sample(MSS, flight, rtt=rtt))
        rtt += 20 * MILLISECOND
    assert control.ssthresh < INFINITE
    assert control.ssthresh <= control.cwnd < 10 * MSS * 2 ** (CSS_ROUNDS + 3) // 4


def test_hystart_is_for_the_first_slow_start_only() -> None:
    control = NewReno(MSS, 10 * MSS, HyStart())
    control.on_timeout(10 * MSS, 0, first=True)
    control.ssthresh = INFINITE
    for step in range(20):
        control.on_ack(sample(MSS, control.cwnd, rtt=RTT + 50 * step * MILLISECOND))
    assert (control.cwnd, control.ssthresh) == (21 * MSS, INFINITE)


@pytest.mark.parametrize("ssthresh", [INFINITE, 20 * MSS])
def test_one_that_takes_over_goes_on_with_the_windows(ssthresh: int) -> None:
    before, after = NewReno(MSS, 10 * MSS), NewReno(MSS, 10 * MSS, HyStart())
    before.cwnd, before.ssthresh = 15 * MSS, ssthresh
    after.take_over(before)
    assert (after.cwnd, after.ssthresh) == (15 * MSS, ssthresh)
    after.on_ack(sample(MSS, 15 * MSS))
    assert after.cwnd == 16 * MSS


def whole(segments: int = 10) -> NewReno:
    control = NewReno(1000, segments * 1000)
    control.whole = True
    return control


def test_of_whole_segments_there_are_no_parts() -> None:
    control = whole(7)
    control.on_loss(7000, 0)
    assert control.ssthresh == 3000


def test_linux_grows_by_all_that_is_acknowledged() -> None:
    control = whole(2)
    control.on_ack(sample(5000, 5000))
    assert control.cwnd == 7000


@pytest.mark.parametrize(("rtos", "segments"), [(0.5, 40), (1.5, 20), (2.5, 10), (9.0, 10)])
def test_linux_halves_an_idle_window_for_each_rto(rtos: float, segments: int) -> None:
    control = whole()
    control.cwnd = 40_000
    control.on_idle(int(rtos * SECOND), SECOND, 0)
    assert control.cwnd == segments * 1000


def test_a_window_that_was_filled_may_grow() -> None:
    control = whole()
    control.ssthresh = 5000
    control.note_use(0, 4000, 4000, False)
    assert not control.was_filled
    control.note_use(0, 10_000, 10_000, True)
    assert control.was_filled
    control.note_use(1000, 5000, 4000, False)
    assert control.was_filled
    control.note_use(10_000, 12_000, 2000, False)
    assert not control.was_filled


def test_in_slow_start_more_than_half_of_it_is_enough() -> None:
    control = whole()
    control.note_use(0, 6000, 6000, False)
    control.note_use(1000, 2000, 1000, False)
    assert control.was_filled


def test_recovery_begins_with_what_was_in_the_network_and_ends_with_ssthresh() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.on_loss(10 * MSS, 0)
    prr = control.start_prr(10 * MSS, 8 * MSS)
    assert (prr.recover_flight, prr.ssthresh) == (8 * MSS, 5 * MSS)
    control.on_recovered(0)
    control.on_repaired(0)
    assert control.cwnd == 5 * MSS


def test_windows_that_are_whole_segments_stay_as_many_if_those_get_smaller() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.resize(500)
    assert (control.cwnd, control.mss) == (10 * MSS, 500)
    control = NewReno(MSS, 10 * MSS)
    control.whole = True
    control.note_use(0, 4000, 4000, False)
    control.resize(500)
    assert (control.cwnd, control.ssthresh) == (5000, INFINITE)
    control.ssthresh = 4000
    control.resize(1000)
    assert (control.cwnd, control.ssthresh) == (10_000, 8000)


def test_three_quarters_of_a_window_are_whole_segments() -> None:
    control = NewReno(MSS, 7 * MSS)
    control.whole = True
    assert control.three_quarters() == 4 * MSS


def test_a_reduction_may_be_kept() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.on_loss(10 * MSS, 0)
    control.keep_reduction()
    control.on_undo()
    assert control.ssthresh == 5 * MSS


def test_to_look_changes_nothing_by_default() -> None:
    control = NewReno(MSS, 10 * MSS)
    control.look(sample(MSS, MSS))
    assert control.cwnd == 10 * MSS
