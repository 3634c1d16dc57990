"""What can be chosen about how a Linux receives (`halfopen.tcp.linux_receiver`): its sysctls."""

from dataclasses import dataclass

from halfopen.base.clock import MILLISECOND, Duration


@dataclass(slots=True, frozen=True, kw_only=True)
class LinuxReceiverConfig:
    """Nothing of this means anything but where the window is Linux's."""

    most: int = 0
    """What the host lets buffers grow to, if this one is as large as its user wants it; 0: he has not said
    (``SO_RCVBUF``)."""
    moderates: bool = True
    """The buffer grows with what the user reads in a round trip (``tcp_moderate_rcvbuf``)."""
    shrinks: bool = False
    """The right edge of the window moves left where memory is short, against SHLD-14 (``tcp_shrink_window``)."""
    compress_delay: Duration = 1 * MILLISECOND
    """So long duplicate ACKs that only differ in SACK blocks may wait for each other (``tcp_comp_sack_delay_ns``),"""
    compress_percent: int = 5
    """but only this part of a round trip (``tcp_comp_sack_rtt_percent``),"""
    compress_most: int = 44
    """and so many of them (``tcp_comp_sack_nr``); 0: none waits."""
