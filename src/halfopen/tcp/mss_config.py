"""What can be chosen about segment sizes beside the sizes themselves (RFC 9293 3.7.1)."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True, kw_only=True)
class MssManner:
    """Defaults, and whether anything is said and found out."""

    default: int | None = None
    """The MSS of a peer without an MSS option; None is 536 for IPv4 (MUST-15) ..."""
    default_ipv6: int | None = None
    """... and 1220 for IPv6."""
    discovers_path: bool = True
    """Else no segment is larger than those, which every path is believed to take (FreeBSD)."""
    is_said: bool = True
    """A SYN has an MSS option (FreeBSD's ``TCP_NOOPT`` takes it away)."""
