"""ICMP's type and code for an error that a connection has been told of."""

from halfopen.base.errors import TcpError
from halfopen.stack import datagram as kinds

_ICMPV4 = {
    kinds.NET_UNREACHABLE: (3, 0),
    kinds.HOST_UNREACHABLE: (3, 1),
    kinds.PROTOCOL_UNREACHABLE: (3, 2),
    kinds.PORT_UNREACHABLE: (3, 3),
    kinds.FRAGMENTATION_NEEDED: (3, 4),
    kinds.SOURCE_ROUTE_FAILED: (3, 5),
    kinds.HOST_UNKNOWN: (3, 7),
    kinds.HOST_ISOLATED: (3, 8),
    kinds.NET_PROHIBITED: (3, 9),
    kinds.ADMIN_PROHIBITED: (3, 13),
    kinds.PRECEDENCE: (3, 14),
    kinds.TTL_EXCEEDED: (11, 0),
    kinds.REASSEMBLY_EXCEEDED: (11, 1),
    kinds.PARAMETER_PROBLEM: (12, 0),
}
_ICMPV6 = {
    kinds.NET_UNREACHABLE: (1, 0),
    kinds.ADMIN_PROHIBITED: (1, 1),
    kinds.HOST_UNREACHABLE: (1, 3),
    kinds.PORT_UNREACHABLE: (1, 4),
    kinds.FRAGMENTATION_NEEDED: (2, 0),
    kinds.TTL_EXCEEDED: (3, 0),
    kinds.REASSEMBLY_EXCEEDED: (3, 1),
    kinds.PARAMETER_PROBLEM: (4, 0),
}


def icmp_code(error: TcpError, *, is_ipv6: bool) -> tuple[int, int] | None:
    """The first code that means ``error``; None if it is not ICMP's."""
    kind = str(error.args[0]) if error.args else ""
    return (_ICMPV6 if is_ipv6 else _ICMPV4).get(kind)
