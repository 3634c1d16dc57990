"""What can be chosen about how fast text leaves, and in what bursts (Linux ``tcp_update_pacing_rate``)."""

from dataclasses import dataclass

from halfopen.base.errors import ConfigError


@dataclass(slots=True, frozen=True, kw_only=True)
class PaceConfig:
    """The rate is a share of the congestion window for every round trip."""

    enabled: bool = False
    """The next burst waits until the one before it has had its time, else all that may go goes at once."""
    start_percent: int = 200
    """The share in slow start (``tcp_pacing_ss_ratio``) ..."""
    percent: int = 120
    """... and later (``tcp_pacing_ca_ratio``)."""
    largest_rate: int | None = None
    """Octets a second at most, headers counted (``SO_MAX_PACING_RATE``)."""
    near_shift: int = 9
    """To near peers bursts are larger, half as much for every 2^9 microseconds of distance (``tcp_tso_rtt_log``); 0:
    they are not."""

    def __post_init__(self) -> None:
        if self.start_percent < 1 or self.percent < 1 or (self.largest_rate is not None and self.largest_rate < 1):
            raise ConfigError("shares and rates are at least 1")
        if not 0 <= self.near_shift <= 31:
            raise ConfigError(f"near_shift is 0 to 31, not {self.near_shift}")
