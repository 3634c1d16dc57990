"""Choices about congestion control."""

from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.pace_config import PaceConfig


def test_windows_are_octets_and_nothing_is_paced_by_default() -> None:
    config = CongestionConfig()
    assert (config.algorithm, config.whole_segments, config.pace) == ("cubic", False, PaceConfig())
