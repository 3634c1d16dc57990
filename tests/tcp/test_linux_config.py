"""Defaults of how a Linux receives."""

from halfopen.base.clock import MILLISECOND
from halfopen.tcp.linux_config import LinuxReceiverConfig


def test_they_are_those_of_the_kernel() -> None:
    config = LinuxReceiverConfig()
    assert (config.most, config.moderates, config.shrinks) == (0, True, False)
    assert (config.compress_delay, config.compress_percent, config.compress_most) == (MILLISECOND, 5, 44)
