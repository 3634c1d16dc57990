"""What a host has for those whom it calls: sequence numbers, what is known of their paths, and their cookies."""

from collections.abc import Container

from halfopen.base.addresses import Address
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import AddressInUse
from halfopen.stack.demux import Flow, local_of, make_flow, remote_of
from halfopen.stack.ports import PortTable, format_endpoint
from halfopen.tcp.challenges import ChallengeBudget
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.fast_open import ServerCookies
from halfopen.tcp.isn import IsnGenerator
from halfopen.tcp.passive import Paths
from halfopen.tcp.tcb import Opening


class ActiveOpens:
    """Active OPENs of one host (RFC 9293 3.10.1)."""

    __slots__ = ("_challenges", "_counters", "_isn", "_paths", "cookies")

    def __init__(self, isn: IsnGenerator, paths: Paths, challenges: ChallengeBudget, counters: Counters) -> None:
        self._isn = isn
        self._paths = paths
        self._challenges = challenges
        self._counters = counters
        self.cookies = ServerCookies()
        """Fast Open cookies that servers have given to this host (RFC 7413 4.1.3)."""

    def open(self, flow: Flow, config: TcpConfig, now: Instant) -> Connection:
        """A connection in SYN-SENT; its SYN may wait for text, if the server is known to take it (RFC 7413 4.2.1)."""
        limits = self._paths(flow)
        peer, port = remote_of(flow)
        opening = Opening(
            local_port=local_of(flow)[1],
            remote_port=port,
            iss=self._isn.next(flow, now),
            mss=limits.mss,
            burst=limits.burst,
            advertised_mss=limits.metrics.advertised_mss,
            default_mss=limits.default_mss,
            timestamp_offset=limits.timestamp_offset,
            challenges=self._challenges,
            signature_octets=limits.signature_octets,
            config=limits.configured(config),
            counters=self._counters,
        )
        self._counters.add("ActiveOpens")
        request = self.cookies.request(peer, config.fast_open, now) if config.fast_open.connect else None
        return Connection.open(opening, now, request)


def free_flow(
    flows: Container[Flow], ports: PortTable, remote: tuple[Address, int], local: tuple[Address, int]
) -> Flow:
    """The flow from ``local``; its port may be 0: then an ephemeral one makes the flow unique (RFC 6056 3.3)."""
    source, port = local
    if port == 0:
        endpoints = make_flow(*remote, source, 0)
        port = ports.choose("tcp", endpoints, lambda port: make_flow(*remote, source, port) not in flows)
    flow = make_flow(*remote, source, port)
    if flow in flows:
        raise AddressInUse(f"{format_endpoint(source, port)} has a connection to {format_endpoint(*remote)}")
    return flow
