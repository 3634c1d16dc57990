"""What can be chosen about congestion control (RFC 5681, RFC 9438)."""

from dataclasses import dataclass, field

from halfopen.tcp.pace_config import PaceConfig


@dataclass(slots=True, frozen=True, kw_only=True)
class CongestionConfig:
    """Congestion control (RFC 5681, RFC 9438)."""

    algorithm: str = "cubic"
    """A key of `halfopen.tcp.congestion.algorithms.ALGORITHMS`."""
    initial_window: int = 10
    """Segments (RFC 6928)."""
    byte_limit: int | None = None
    """Segments by which one ACK opens the window in slow start (RFC 3465 2.2, FreeBSD ``abc_l_var``), 0 if ACKs count
    and not octets; congestion control is FreeBSD's then (`halfopen.tcp.congestion.bsd`)."""
    limited_transmit: bool = True
    """The first duplicate ACKs let new text out (RFC 3042)."""
    restart_after_idle: bool = True
    """RFC 5681 4.1 (Linux ``tcp_slow_start_after_idle``)."""
    whole_segments: bool = False
    """cwnd counts segments, small ones too, and ssthresh is a share of cwnd, not of FlightSize (Linux)."""
    hystart: int = 3
    """Linux's CUBIC leaves its first slow start by the length of a train of ACKs (1), by their delay (2), or by either
    (3; ``hystart_detect``), where windows are whole segments."""
    defers: bool = False
    """What would be a small part of a burst waits for the next ACK (`halfopen.tcp.bursts`, Linux)."""
    least_burst: int = 2
    """Segments that are worth sending at any pace (Linux ``tcp_min_tso_segs``)."""
    pace: PaceConfig = field(default_factory=PaceConfig)
