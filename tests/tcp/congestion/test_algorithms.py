"""Congestion controls by name, and the window they start with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.errors import ConfigError
from halfopen.tcp.congestion.algorithms import ALGORITHMS, initial_window, make_congestion_control
from halfopen.tcp.congestion.bsd import BsdCubic, BsdReno
from halfopen.tcp.congestion.cubic import Cubic
from halfopen.tcp.congestion.linux_cubic import LinuxCubic
from halfopen.tcp.congestion.newreno import NewReno
from halfopen.tcp.congestion_config import CongestionConfig


@pytest.mark.rfc("9293", "MAY-18")
@pytest.mark.parametrize(("name", "kind"), [("cubic", Cubic), ("reno", NewReno)])
def test_a_name_makes_its_congestion_control(name: str, kind: type) -> None:
    congestion = make_congestion_control(CongestionConfig(algorithm=name), 1448)
    assert type(congestion) is kind
    assert (congestion.mss, congestion.cwnd) == (1448, 14480)


def test_the_default_is_cubic() -> None:
    assert CongestionConfig().algorithm == "cubic"
    assert set(ALGORITHMS) == {"cubic", "reno"}


def test_an_unknown_name_is_answered_by_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'vegas' is unknown; there are cubic, reno"):
        make_congestion_control(CongestionConfig(algorithm="vegas"), 1460)


@pytest.mark.rfc("5681", "5681.1")
@given(st.integers(1, 65535))
def test_ten_segments_start_as_rfc_6928_has_it(mss: int) -> None:
    assert initial_window(10, mss) == min(10 * mss, max(2 * mss, 14600))


@pytest.mark.parametrize(("segments", "window"), [(1, 1460), (2, 2920), (4, 5840)])
def test_fewer_segments_are_what_was_asked_for(segments: int, window: int) -> None:
    assert initial_window(segments, 1460) == window
    assert make_congestion_control(CongestionConfig(initial_window=segments), 1460).cwnd == window


@pytest.mark.parametrize(("name", "kind"), [("cubic", BsdCubic), ("reno", BsdReno)])
def test_freebsd_has_its_own_of_each(name: str, kind: type[BsdCubic | BsdReno]) -> None:
    congestion = make_congestion_control(CongestionConfig(algorithm=name, byte_limit=1), 1448)
    assert isinstance(congestion, kind)
    assert congestion.limit == 1


def test_whole_segments_have_a_cubic_of_their_own() -> None:
    control = make_congestion_control(CongestionConfig(whole_segments=True, hystart=1), 1000)
    assert isinstance(control, LinuxCubic)
    assert control.hystart.detects == 1
    assert make_congestion_control(CongestionConfig(algorithm="reno", whole_segments=True), 1000).whole
