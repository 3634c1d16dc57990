"""The defaults against the figures that RFC 9293 and others demand."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import pytest

from halfopen.base.clock import MILLISECOND, MINUTE, SECOND, Duration
from halfopen.base.errors import ConfigError, SimulationError
from halfopen.tcp.config import (
    DEFAULT,
    AckConfig,
    BufferConfig,
    Ecn,
    EcnConfig,
    FastOpenConfig,
    KeepAliveConfig,
    RetransmissionConfig,
    SecurityConfig,
    TcpConfig,
)
from tests.tcp.permits import Nowhere, weak


def lasts(config: RetransmissionConfig, retries: int, rto: Duration) -> Duration:
    """From the first transmission until nothing has come of the last of ``retries`` retransmissions."""
    total = 0
    for _ in range(retries + 1):
        total += rto
        rto = min(2 * rto, config.rto_max)
    return total


@pytest.mark.rfc("9293", "MUST-25", "MUST-28")
def test_keep_alive_is_off_and_would_wait_for_two_hours() -> None:
    assert not DEFAULT.keep_alive.enabled
    assert DEFAULT.keep_alive.idle >= 2 * 60 * MINUTE


def test_keep_alive_can_be_chosen_for_one_connection() -> None:
    config = replace(DEFAULT, keep_alive=KeepAliveConfig(enabled=True, idle=1 * MINUTE, interval=SECOND, count=2))
    assert config.keep_alive.enabled and config.keep_alive.idle == MINUTE
    assert not DEFAULT.keep_alive.enabled
    assert DEFAULT.keep_alive.count > 1


@pytest.mark.rfc("9293", "MUST-40", "SHLD-18")
def test_acknowledgments_are_delayed_by_less_than_half_a_second() -> None:
    assert 0 < DEFAULT.acks.delay < 500 * MILLISECOND


def test_nagle_is_on_and_can_be_turned_off() -> None:
    assert DEFAULT.acks.nagle
    assert not replace(DEFAULT, acks=AckConfig(nagle=False)).acks.nagle


@pytest.mark.rfc("9293", "SHLD-10", "SHLD-11")
def test_r1_is_three_retransmissions_and_r2_more_than_100_seconds_of_them() -> None:
    config = DEFAULT.retransmission
    assert 3 <= config.soft_retries < config.retries
    assert lasts(config, config.retries, config.rto_min) >= 100 * SECOND


@pytest.mark.rfc("9293", "MUST-23")
def test_r2_for_a_syn_is_at_least_three_minutes() -> None:
    config = DEFAULT.retransmission
    assert lasts(config, config.syn_retries, config.rto_initial) == 247 * SECOND >= 3 * MINUTE


@pytest.mark.rfc("6298", "6298.1", "6298.6")
def test_the_timeout_starts_at_a_second_and_its_cap_is_a_minute_or_more() -> None:
    config = DEFAULT.retransmission
    assert config.rto_initial == SECOND
    assert config.rto_max >= 60 * SECOND


def test_r2_can_be_set_for_one_connection() -> None:
    chosen = replace(DEFAULT, retransmission=RetransmissionConfig(user_timeout=5 * SECOND))
    assert (chosen.retransmission.user_timeout, DEFAULT.retransmission.user_timeout) == (5 * SECOND, None)


def test_time_wait_is_as_long_as_linux_has_it() -> None:
    assert 2 * DEFAULT.closing.msl == 60 * SECOND


def test_ecn_is_granted_but_not_asked_for() -> None:
    assert DEFAULT.options.ecn is Ecn.PASSIVE


def test_every_group_is_frozen_so_that_connections_can_share_one() -> None:
    groups = [getattr(DEFAULT, group.name) for group in fields(DEFAULT)]
    assert all(is_dataclass(group) for group in groups)
    for group in (DEFAULT, *groups):
        with pytest.raises(FrozenInstanceError):
            setattr(group, fields(group)[0].name, None)
    assert TcpConfig() == DEFAULT


def test_a_clamp_bounds_the_windows_whatever_the_buffer() -> None:
    buffers = BufferConfig(receive=9000, receive_initial=5000)
    assert (buffers.first_window, buffers.largest_window) == (5000, 9000)
    buffers = replace(buffers, window_clamp=3000)
    assert (buffers.first_window, buffers.largest_window) == (3000, 3000)
    assert replace(buffers, window_clamp=None).largest_window == 9000


def test_a_rule_of_security_can_only_be_taken_back_with_a_permit() -> None:
    with pytest.raises(ConfigError, match="rfc5961, overlap: no host without a permit"):
        SecurityConfig(rfc5961=False, overlap="last")
    assert not SecurityConfig().is_weak
    assert SecurityConfig().allowed() is None
    assert SecurityConfig(permit=Nowhere()).allowed() is None


def test_the_permit_is_asked_when_a_weakness_is_used() -> None:
    with pytest.raises(SimulationError):
        SecurityConfig(permit=Nowhere(), byte_counting=False).allowed()
    security = weak(byte_counting=False).security
    assert security.allowed() is security


def test_choices_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigError, match="challenge_limit is one of connection, host, none, not 'global'"):
        SecurityConfig(challenge_limit="global")
    with pytest.raises(ConfigError, match="overlap is one of first, last, not 'bsd'"):
        SecurityConfig(overlap="bsd")


@pytest.mark.parametrize("octets", [0, 15, 17])
def test_a_key_for_fast_open_cookies_has_16_octets(octets: int) -> None:
    with pytest.raises(ConfigError, match="16 octets"):
        FastOpenConfig(keys=(bytes(16), bytes(octets)))


def test_a_queue_of_early_connections_has_no_negative_length() -> None:
    with pytest.raises(ConfigError, match="at least 0, not -1"):
        FastOpenConfig(backlog=-1)


@pytest.mark.parametrize(("option", "beacon"), [(-1, 3), (4, 3), (2, -1)])
def test_accurate_ecn_has_no_other_manners_than_four(option: int, beacon: int) -> None:
    with pytest.raises(ConfigError, match=f"not {option} and {beacon}"):
        EcnConfig(option=option, beacon=beacon)


def test_parts_of_rfc_5961_can_lapse_one_at_a_time() -> None:
    lapsed = SecurityConfig(permit=Nowhere(), lapsed=frozenset({"rst"}))
    assert (lapsed.lacks("rst"), lapsed.lacks("syn")) == (True, False)
    assert SecurityConfig(permit=Nowhere(), rfc5961=False).lacks("syn")
