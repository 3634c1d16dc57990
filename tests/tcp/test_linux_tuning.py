"""What a Linux learns of the round trip and of its user's pace."""

from halfopen.base.clock import MILLISECOND
from halfopen.tcp.linux_tuning import Tuning


def begun() -> Tuning:
    """At octet 1, with a window of 64240 and segments of 1460."""
    tuning = Tuning()
    tuning.begin(64_240, 1460, 1, 0)
    return tuning


def test_at_first_ten_segments_count_as_a_round_trips_worth() -> None:
    assert begun().taken == 14_600
    tuning = Tuning()
    tuning.begin(5000, 1460, 1, 0)
    assert tuning.taken == 5000


def test_a_window_that_has_been_filled_took_a_round_trip_at_most() -> None:
    tuning = begun()
    tuning.on_window(1001, 10_000, 0)
    tuning.on_window(5001, 10_000, 10 * MILLISECOND)
    assert tuning.rtt == 0
    tuning.on_window(11_001, 10_000, 20 * MILLISECOND)
    assert tuning.rtt == 20 * MILLISECOND
    tuning.on_window(21_001, 10_000, 50 * MILLISECOND)
    assert tuning.rtt == 20 * MILLISECOND
    tuning.on_window(31_001, 10_000, 50 * MILLISECOND)
    assert tuning.rtt == 1000


def test_an_echo_says_it_better_if_it_is_new_and_of_a_full_segment() -> None:
    tuning = begun()
    tuning.on_echo(7, 80 * MILLISECOND, is_full=False, is_read=True)
    tuning.on_echo(7, 80 * MILLISECOND, is_full=True, is_read=True)
    tuning.on_echo(8, None, is_full=True, is_read=True)
    assert tuning.rtt == 0
    tuning.on_echo(9, 80 * MILLISECOND, is_full=True, is_read=True)
    assert tuning.rtt == 80 * MILLISECOND
    tuning.on_echo(10, 160 * MILLISECOND, is_full=True, is_read=True)
    assert tuning.rtt == 90 * MILLISECOND
    tuning.on_echo(11, 40 * MILLISECOND, is_full=True, is_read=False)
    assert tuning.rtt == 40 * MILLISECOND


def test_a_longer_one_may_be_the_users_doing_while_text_waits() -> None:
    tuning = begun()
    tuning.rtt = 80 * MILLISECOND
    tuning.on_echo(9, 160 * MILLISECOND, is_full=True, is_read=False)
    assert tuning.rtt == 80 * MILLISECOND


def test_the_pace_is_taken_once_in_a_round_trip() -> None:
    tuning = begun()
    assert tuning.on_read(20_001, 0, 100 * MILLISECOND) == 0
    tuning.rtt = 100 * MILLISECOND
    assert tuning.on_read(20_001, 0, 99 * MILLISECOND) == 0
    assert tuning.on_read(20_001, 0, 100 * MILLISECOND) == 20_000
    assert tuning.on_read(40_001, 10_000, 200 * MILLISECOND) == 0
    assert (tuning.start, tuning.began_at) == (40_001, 200 * MILLISECOND)


def test_the_window_wanted_is_twice_that_and_more_while_it_grows() -> None:
    tuning = begun()
    assert tuning.demand(14_600, 500) == 29_700
    assert tuning.demand(29_200, 0) == 58_400 + 2 * 58_400
    assert tuning.taken == 29_200
    tuning.taken = 0
    assert tuning.demand(1000, 0) == 2000
