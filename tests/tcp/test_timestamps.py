"""Both timestamp clocks of one connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.timestamps import RECENT_EXPIRES, Timestamps, clock_value

WORD = st.integers(0, 0xFFFFFFFF)
AGE = st.integers(1, (1 << 31) - 1)
DAY = 24 * 3600 * SECOND


def started(recent: int, now: int = 0, last_ack_sent: int = 1000) -> Timestamps:
    timestamps = Timestamps(0)
    timestamps.start(recent, now)
    timestamps.last_ack_sent = last_ack_sent
    return timestamps


@pytest.mark.rfc("7323", "7323.9")
@given(offset=WORD, now=st.integers(0, 1 << 62), ticks=st.integers(0, 1 << 20))
def test_our_clock_ticks_in_milliseconds_and_wraps(offset: int, now: int, ticks: int) -> None:
    timestamps = Timestamps(offset)
    assert timestamps.value(now) == clock_value(offset, now)
    assert (timestamps.value(now + ticks * MILLISECOND) - timestamps.value(now)) % (1 << 32) == ticks
    assert 0 <= timestamps.value(now) < 1 << 32


@given(offset=WORD, then=st.integers(0, 1 << 60), ticks=st.integers(0, (1 << 31) - 1))
def test_an_echo_tells_how_long_ago_it_was_sent(offset: int, then: int, ticks: int) -> None:
    timestamps = Timestamps(offset)
    echoed = timestamps.value(then)
    assert timestamps.elapsed(echoed, then + ticks * MILLISECOND) == ticks * MILLISECOND


@given(offset=WORD, now=st.integers(0, 1 << 60), ticks=AGE)
def test_an_echo_of_what_was_never_sent_tells_nothing(offset: int, now: int, ticks: int) -> None:
    timestamps = Timestamps(offset)
    assert timestamps.elapsed((timestamps.value(now) + ticks) & 0xFFFFFFFF, now) is None


@given(recent=WORD, age=AGE)
@pytest.mark.rfc("7323", "7323.6")
def test_an_older_value_fails_paws_across_the_wrap(recent: int, age: int) -> None:
    timestamps = started(recent)
    assert timestamps.is_old((recent - age) & 0xFFFFFFFF, SECOND)
    assert not timestamps.is_old((recent + age) & 0xFFFFFFFF, SECOND)
    assert not timestamps.is_old(recent, SECOND)


@given(recent=WORD, age=AGE)
@pytest.mark.rfc("7323", "7323.5")
def test_recent_follows_newer_values_of_segments_that_start_at_the_last_ack_or_before(recent: int, age: int) -> None:
    timestamps = started(recent)
    newer = (recent + age) & 0xFFFFFFFF
    timestamps.update(newer, 1001, SECOND)
    assert (timestamps.recent, timestamps.recent_at) == (recent, 0)
    timestamps.update((recent - age) & 0xFFFFFFFF, 1000, SECOND)
    assert (timestamps.recent, timestamps.recent_at) == (recent, 0)
    timestamps.update(newer, 1000, SECOND)
    assert (timestamps.recent, timestamps.recent_at) == (newer, SECOND)


@pytest.mark.rfc("7323", "7323.5")
def test_a_delayed_acknowledgment_echoes_the_earliest_segment_that_it_answers() -> None:
    timestamps = started(100)
    timestamps.update(101, 1000, SECOND)
    timestamps.update(102, 2460, SECOND)  # the second of two that one ACK answers
    assert timestamps.recent == 101


@pytest.mark.rfc("7323", "7323.6")
def test_after_24_days_of_silence_any_value_is_taken_for_a_new_beginning() -> None:
    assert RECENT_EXPIRES == 24 * DAY
    timestamps = started(1 << 31)
    assert timestamps.is_old(5, RECENT_EXPIRES - 1)
    assert not timestamps.is_old(5, RECENT_EXPIRES)
    timestamps.update(5, 1000, RECENT_EXPIRES)
    assert (timestamps.recent, timestamps.recent_at) == (5, RECENT_EXPIRES)
    assert timestamps.is_old(4, RECENT_EXPIRES + SECOND)


def test_a_little_reordering_repeats_a_value_that_is_not_much_older() -> None:
    timestamps = Timestamps(0)
    timestamps.start(1000, 0)
    assert timestamps.is_replay(760, 200 * MILLISECOND)
    assert not timestamps.is_replay(759, 200 * MILLISECOND)
