"""Congestion controls by name, and the window they start with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.errors import ConfigError
from halfopen.tcp.config import CongestionConfig
from halfopen.tcp.congestion.algorithms import ALGORITHMS, initial_window, make_congestion_control
from halfopen.tcp.congestion.cubic import Cubic
from halfopen.tcp.congestion.newreno import NewReno


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
