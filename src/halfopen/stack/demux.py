"""The octets that name a connection at one end: source and destination addresses and ports as they stand in a packet.

They are contiguous in a received packet without IP options, so that one slice finds the connection, and nothing is
parsed for a stranger. "Source" is the remote end: flows are seen from the receiver::

    source address  destination address  source port  destination port
    4 or 16         4 or 16              2            2                  octets
"""

from typing import TypeAlias

from halfopen.base.addresses import Address
from halfopen.stack.datagram import Datagram

Flow: TypeAlias = bytes


def flow_of(datagram: Datagram) -> Flow:
    """The flow that a received datagram belongs to; its transport header has at least the ports."""
    head = datagram.packet.head
    start = datagram.flow_offset
    if start >= 0:
        return head[start : start + 2 * len(datagram.source) + 4]
    return datagram.source + datagram.destination + head[datagram.offset : datagram.offset + 4]


def make_flow(remote: Address, remote_port: int, local: Address, local_port: int) -> Flow:
    """The flow between two endpoints, as packets from ``remote`` bear it."""
    return remote + local + remote_port.to_bytes(2, "big") + local_port.to_bytes(2, "big")


def remote_of(flow: Flow) -> tuple[Address, int]:
    """The peer's address and port."""
    return flow[: (len(flow) - 4) // 2], int.from_bytes(flow[-4:-2], "big")


def local_of(flow: Flow) -> tuple[Address, int]:
    """Our address and port."""
    return flow[(len(flow) - 4) // 2 : -4], int.from_bytes(flow[-2:], "big")
