"""Defaults of what only a Linux does."""

from halfopen.base.clock import MILLISECOND
from halfopen.tcp.linux_config import LinuxReceiverConfig, LinuxRetransmissionConfig


def test_a_receiver_has_the_kernel_s_figures() -> None:
    config = LinuxReceiverConfig()
    assert (config.most, config.moderates, config.shrinks) == (0, True, False)
    assert (config.compress_delay, config.compress_percent, config.compress_most) == (MILLISECOND, 5, 44)


def test_none_of_its_liberties_in_retransmission_is_taken_by_default() -> None:
    config = LinuxRetransmissionConfig()
    assert (config.gathers, config.syn_linear, config.thin_linear) == (True, 0, False)
