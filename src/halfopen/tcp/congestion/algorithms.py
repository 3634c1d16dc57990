"""The one explicit mapping from the names of congestion controls to their factories."""

from collections.abc import Callable
from typing import Final

from halfopen.base.errors import ConfigError
from halfopen.tcp.congestion.base import CongestionControl
from halfopen.tcp.congestion.bsd import BsdCubic, BsdReno
from halfopen.tcp.congestion.cubic import Cubic
from halfopen.tcp.congestion.linux_cubic import LinuxCubic
from halfopen.tcp.congestion.newreno import NewReno
from halfopen.tcp.congestion_config import CongestionConfig

ALGORITHMS: Final[dict[str, Callable[[int, int], CongestionControl]]] = {"cubic": Cubic, "reno": NewReno}
"""Called with the segment size and the initial window, both in octets."""


def make_congestion_control(config: CongestionConfig, mss: int) -> CongestionControl:
    """The congestion control that ``config`` names, for segments of ``mss`` octets."""
    factory = ALGORITHMS.get(config.algorithm)
    if factory is None:
        known = ", ".join(sorted(ALGORITHMS))
        raise ConfigError(f"congestion control {config.algorithm!r} is unknown; there are {known}")
    window = initial_window(config.initial_window, mss)
    if config.whole_segments and factory is Cubic:
        return LinuxCubic(mss, window, config.hystart)
    if config.byte_limit is not None:
        return (BsdCubic if factory is Cubic else BsdReno)(mss, window, config.byte_limit)
    control = factory(mss, window)
    control.whole = config.whole_segments
    return control


def initial_window(segments: int, mss: int) -> int:
    """IW in octets: min(10 * MSS, max(2 * MSS, 14600)) for ten segments (RFC 6928 2)."""
    return min(segments * mss, max(2 * mss, segments * 1460))
