"""What options say about the IP headers of a socket (MUST-48, MUST-49)."""

from collections.abc import Mapping

from halfopen.stack.tcp_socket import Marks

DEFAULT_TTL = 64


def tos(kept: Mapping[str, int], *, is_ipv6: bool) -> int:
    """IP_TOS, or IPV6_TCLASS where that was set."""
    return kept.get("IPV6_TCLASS" if is_ipv6 and "IPV6_TCLASS" in kept else "IP_TOS", 0)


def ttl(kept: Mapping[str, int], *, is_ipv6: bool) -> int:
    """IP_TTL, or IPV6_UNICAST_HOPS where that was set."""
    return kept.get("IPV6_UNICAST_HOPS" if is_ipv6 and "IPV6_UNICAST_HOPS" in kept else "IP_TTL", DEFAULT_TTL)


def marks(kept: Mapping[str, int], *, is_ipv6: bool) -> Marks:
    """DSCP and TTL of a connection's packets."""
    return Marks(tos(kept, is_ipv6=is_ipv6) >> 2, ttl(kept, is_ipv6=is_ipv6))
