"""What can be chosen about what only Linux does: how it receives (`halfopen.tcp.linux_receiver`), and retransmits."""

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


@dataclass(slots=True, frozen=True, kw_only=True)
class LinuxRetransmissionConfig:
    """When and how segments are sent again where no RFC says so."""

    gathers: bool = True
    """What was lost in pieces is sent again as large as it may be, else only small ones become one segment (Linux)."""
    syn_linear: int = 0
    """The first so many retransmissions of a SYN, beside `RetransmissionConfig.syn_retries`, do without backoff
    (``tcp_syn_linear_timeouts``)."""
    thin_linear: bool = False
    """So do the first six timeouts of a thin stream, which has no more than three segments in flight
    (``tcp_thin_linear_timeouts``)."""
