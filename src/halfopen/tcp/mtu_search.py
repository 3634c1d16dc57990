"""What can be chosen about finding out how large segments may be (RFC 4821)."""

from dataclasses import dataclass

from halfopen.base.errors import ConfigError


@dataclass(slots=True, frozen=True, kw_only=True)
class MtuSearchConfig:
    """How large segments may be where ICMP does not tell (RFC 4821)."""

    mode: int = 0
    """Not 0: unanswered segments get smaller (Linux ``tcp_mtu_probing``)."""
    base_mss: int = 1024
    """At first (``tcp_base_mss``); then half of what they were, each time."""
    floor: int = 48
    """But never less (``tcp_mtu_probe_floor``)."""

    def __post_init__(self) -> None:
        if not 0 <= self.mode <= 2 or self.base_mss < 1 or self.floor < 1:
            raise ConfigError("mode is 0 to 2, base_mss and floor are at least 1")
