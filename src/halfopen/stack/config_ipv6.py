"""What can be chosen about IPv6 on a host."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True, kw_only=True)
class Ipv6Config:
    """IPv6 itself (RFC 8200); names and defaults of Linux's ``net.ipv6``."""

    mld: bool = False
    """Tell of the groups that addresses need (RFC 3810), for switches that send groups to members only."""
    auto_flow_labels: bool = True
    """Give each flow of TCP and UDP a label of its own (RFC 6437 3)."""
