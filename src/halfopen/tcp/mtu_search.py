"""Finding out how large segments may be: what can be chosen, and what is known so far (RFC 4821)."""

from dataclasses import dataclass

from halfopen.base.clock import SECOND, Duration, Instant
from halfopen.base.errors import ConfigError


@dataclass(slots=True, frozen=True, kw_only=True)
class MtuSearchConfig:
    """How large segments may be where ICMP does not tell (RFC 4821)."""

    mode: int = 0
    """Not 0: unanswered segments get smaller, and from then on larger ones are tried; 2: they are from the beginning
    (Linux ``tcp_mtu_probing``)."""
    base_mss: int = 1024
    """At first (``tcp_base_mss``); then half of what they were, each time."""
    floor: int = 48
    """But never less (``tcp_mtu_probe_floor``)."""
    threshold: int = 8
    """Sizes that are nearer to each other are not told apart (``tcp_probe_threshold``)."""
    interval: Duration = 600 * SECOND
    """After so long larger ones are tried again (``tcp_probe_interval``)."""

    stages: str = ""
    """``"both"``, ``"ipv4"`` or ``"ipv6"``: there it is done as on FreeBSD, from the second timeout in a row on: first
    `stage_mss`, two timeouts later the default for peers that tell no MSS, and after six again what it was at first."""
    stage_mss: int = 1200
    """FreeBSD ``pmtud_blackhole_mss``."""
    stage_mss_ipv6: int = 1220

    def __post_init__(self) -> None:
        if not 0 <= self.mode <= 2 or self.base_mss < 1 or self.floor < 1:
            raise ConfigError("mode is 0 to 2, base_mss and floor are at least 1")


class MtuProbe:
    """One segment that is larger than all so far (RFC 4821 7.4)."""

    __slots__ = ("end", "size", "start")

    def __init__(self, start: int, end: int, size: int) -> None:
        self.start = start
        self.end = end
        self.size = size
        """Octets of text."""


class MtuSearch:
    """How large segments may be: ``search_low`` and ``search_high`` of RFC 4821 7.3, in octets of options and text."""

    __slots__ = ("high", "low", "probe", "since")

    def __init__(self, low: int, high: int, since: Instant) -> None:
        self.low = low
        self.high = high
        self.since = since
        self.probe: MtuProbe | None = None
