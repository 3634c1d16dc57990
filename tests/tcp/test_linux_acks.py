"""How long Linux has an ACK wait."""

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.linux_acks import ATO_MIN, MAX_QUICK, Delays

RTO = 300 * MILLISECOND


def heard(pause: int = 0) -> Delays:
    """After two segments."""
    delays = Delays()
    delays.on_text(SECOND, 50, RTO)
    delays.quick = 0
    delays.on_text(SECOND + pause, 50, RTO)
    return delays


def test_the_first_text_of_all_makes_it_quick() -> None:
    delays = Delays()
    assert (delays.wait(0), delays.is_quick) == (0, False)
    delays.on_text(SECOND, 50, RTO)
    assert (delays.quick, delays.ato, delays.is_quick) == (MAX_QUICK, ATO_MIN, True)


def test_a_small_window_takes_fewer_quick_acks_and_two_at_least() -> None:
    delays = Delays()
    delays.hurry(5)
    assert delays.quick == 5
    delays = Delays()
    delays.hurry(0)
    assert delays.quick == 2
    delays.hurry(1)
    assert delays.quick == 2


def test_short_pauses_bring_the_delay_to_its_minimum() -> None:
    assert heard(10 * MILLISECOND).wait(0) == ATO_MIN


def test_a_longer_pause_makes_it_longer() -> None:
    assert heard(30 * MILLISECOND).ato == 50 * MILLISECOND
    assert heard(50 * MILLISECOND).ato == ATO_MIN


def test_after_more_than_an_rto_of_silence_it_is_quick_again() -> None:
    assert heard(RTO + 1).is_quick
    assert not heard(RTO).is_quick


def test_no_ack_waits_longer_than_a_round_trip_or_200_ms() -> None:
    delays = heard()
    delays.ato = SECOND
    assert delays.wait(0) == 200 * MILLISECOND
    assert delays.wait(100 * MILLISECOND) == 100 * MILLISECOND
    assert delays.wait(MILLISECOND) == ATO_MIN
    delays.talks = True
    assert delays.wait(0) == 200 * MILLISECOND


def test_every_ack_that_was_owed_takes_one_of_the_quick_ones() -> None:
    delays = Delays()
    delays.on_text(SECOND, 2, RTO)
    delays.ato = SECOND
    delays.on_ack_sent(False)
    assert delays.quick == 2
    delays.on_ack_sent(True)
    assert (delays.quick, delays.ato) == (1, SECOND)
    delays.on_ack_sent(True)
    assert (delays.quick, delays.ato) == (0, ATO_MIN)


def test_who_answers_soon_is_expected_to_do_so_again() -> None:
    delays = heard()
    delays.on_data_sent(SECOND + ATO_MIN)
    assert not delays.talks
    delays.on_data_sent(SECOND + ATO_MIN - 1)
    assert delays.talks
    delays.quick = 5
    assert not delays.is_quick


def test_an_answer_that_does_not_come_ends_that_and_else_makes_the_delay_longer() -> None:
    delays = heard()
    delays.talks = True
    delays.ato = 80 * MILLISECOND
    delays.on_deadline(RTO)
    assert (delays.talks, delays.ato) == (False, ATO_MIN)
    delays.on_deadline(RTO)
    assert delays.ato == 2 * ATO_MIN
    delays.on_deadline(ATO_MIN)
    assert delays.ato == ATO_MIN


def test_what_comes_again_makes_it_quick() -> None:
    delays = heard()
    delays.talks = True
    delays.rush(9)
    assert (delays.quick, delays.talks) == (9, False)


def test_the_largest_segment_is_a_full_one_and_so_are_two_alike() -> None:
    delays = Delays()
    assert delays.full_size(1000, 536, 0, False) == 1000
    assert delays.full_size(700, 1000, 0, True) == 1000
    assert delays.full_size(700, 1000, 700, True) == 700
    assert delays.full_size(200, 1000, 200, True) == 1000
    assert delays.full_size(200, 1000, 200, False) == 200
    assert delays.full_size(20, 1000, 20, False) == 1000


def test_small_and_pushed_segments_are_counted_until_an_ack_leaves() -> None:
    delays = Delays()
    delays.full_size(1000, 1000, 0, True)
    assert delays.pushed == 1
    delays.full_size(10, 1000, 0, True)
    assert delays.pushed == 2
    delays.on_ack_sent(True)
    delays.full_size(10, 1000, 0, True)
    assert delays.pushed == 1


def test_after_three_duplicate_acks_it_repeats_itself_until_text_moves_on() -> None:
    delays = Delays()
    assert [delays.repeats_itself(1) for _ in range(5)] == [False, False, False, True, True]
    assert not delays.repeats_itself(2)


def test_compressed_acks_are_no_sign_that_nothing_rides_along() -> None:
    delays = heard()
    delays.compressed = 2
    before = delays.ato
    delays.on_deadline(RTO)
    assert delays.ato == before
    delays.on_ack_sent(True)
    assert delays.compressed == 0
