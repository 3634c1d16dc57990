"""From segments to datagrams: ways to the peers, and the header that depends on addresses."""

from abc import ABC, abstractmethod
from typing import Final

from halfopen.base.addresses import Address
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import NetworkUnreachable
from halfopen.base.native import trait
from halfopen.stack.datagram import Outgoing
from halfopen.stack.demux import Flow, local_of, make_flow, remote_of
from halfopen.stack.ip import IpLayer
from halfopen.stack.path import Path
from halfopen.stack.tcp_socket import DEFAULT_MARKS, Marks, TcpSocket
from halfopen.tcp.guard import Guard
from halfopen.tcp.half_open import IPV4_FLOW_OCTETS
from halfopen.tcp.keyed import make_keyed
from halfopen.tcp.negotiation import DEFAULT_MSS, DEFAULT_MSS_IPV6
from halfopen.tcp.passive import PathLimits
from halfopen.wire import tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.packet import CHECKSUM_PARTIAL
from halfopen.wire.tcp import Segment
from halfopen.wire.tcp_options import MAXIMUM_OCTETS

SOFTWARE_GSO: Final = 32 * 1024
"""Octets of a super-segment where the interface takes none: IP cuts it, and TCP's own work is done once for all pieces.

As Linux's generic segmentation offload.
"""

CACHED: Final = 4096
"""Paths that are kept for reuse."""


def headers_octets(flow: Flow) -> int:
    """Octets of IP and TCP header without options, in datagrams of ``flow``: what an MSS is less than an MTU."""
    return 40 if len(flow) == IPV4_FLOW_OCTETS else 60


@trait
class Tunnels(ABC):
    """Who knows that segments of some flows travel in something else than IP."""

    @abstractmethod
    def path(self, flow: Flow, path: Path) -> Path:
        """What is to be taken instead of ``path``, or ``path``."""


def _default_mss(flow: Flow) -> int:
    return DEFAULT_MSS if len(flow) == IPV4_FLOW_OCTETS else DEFAULT_MSS_IPV6


class _Peer:
    """What is the same for all segments between two addresses, while the path is not stale."""

    __slots__ = ("limits", "path", "pseudo_sum")

    def __init__(self, path: Path, pseudo_sum: int) -> None:
        self.path = path
        self.pseudo_sum = pseudo_sum
        self.limits: PathLimits | None = None
        """Of flows that are neither signed nor tunnelled."""


class TcpPaths:
    """Where the segments of one host go. Connections to one peer share a path."""

    __slots__ = ("_cache", "_counters", "_ip", "_now", "_peers", "clock_offsets", "guard", "tunnels")

    def __init__(self, ip: IpLayer, secret: bytes, counters: Counters, hashing: str = "blake2s") -> None:
        self._ip = ip
        self._counters = counters
        self.clock_offsets = make_keyed(hashing, secret, b"tcp ts")
        """From remote and local address to the offset of the timestamp clock between them (RFC 7323 7.1)."""
        self._cache: dict[tuple[Address | None, Address], Path] = {}
        self._peers: dict[bytes, _Peer] = {}
        """By both addresses as they stand in a flow: strangers are answered by one look-up."""
        self._now: Instant = 0
        self.guard: Guard | None = None
        """Signs what leaves, if the host has keys."""
        self.tunnels: Tunnels | None = None
        """Asked for every path to a peer, if the host has any."""

    def is_broadcast(self, address: Address) -> bool:
        """Whether ``address`` means several hosts."""
        return self._ip.is_broadcast(address)

    def find(self, source: Address | None, destination: Address, now: Instant) -> Path:
        """The way from ``source`` (None: to be chosen) to ``destination``; raises NetworkUnreachable."""
        self._now = now
        key = (source, destination)
        path = self._cache.get(key)
        if path is None or path.is_stale:
            path = self._ip.find_path(destination, source, now)
            if len(self._cache) >= CACHED:
                self._cache.clear()
            self._cache[key] = path
        return path

    def learn_mtu(self, destination: Address, mtu: int, now: Instant) -> None:
        """A connection believes that ``mtu`` is all that fits."""
        self._ip.update_path_mtu(destination, mtu, now)

    def limits(self, flow: Flow) -> PathLimits:
        """What a connection of ``flow`` needs to know of its path; the least that every link takes if there is none."""
        try:
            peer = self._peer(flow, self._now)
        except NetworkUnreachable:
            default_mss = _default_mss(flow)
            return PathLimits(mss=default_mss, default_mss=default_mss, timestamp_offset=self._clock_offset(flow))
        if self.guard is not None or self.tunnels is not None:
            return self._limits(flow, peer.path)
        if peer.limits is None:
            peer.limits = self._limits(flow, peer.path)
        return peer.limits

    def _limits(self, flow: Flow, path: Path) -> PathLimits:
        if self.tunnels is not None:
            path = self.tunnels.path(flow, path)
        encapsulation = path.network.encapsulation
        headers = headers_octets(flow) + encapsulation
        burst = max(0, (path.gso_octets or SOFTWARE_GSO) - headers - MAXIMUM_OCTETS)
        signature = self.guard.option_octets(flow) if self.guard is not None else 0
        return PathLimits(
            mss=path.mtu - headers,
            burst=0 if signature or encapsulation else burst,  # each piece needs its own signature, or datagram
            default_mss=_default_mss(flow),
            timestamp_offset=self._clock_offset(flow),
            signature_octets=signature,
            metrics=path.metrics,
        )

    def _clock_offset(self, flow: Flow) -> int:
        return self.clock_offsets.word(flow[:-4])

    def _peer(self, flow: Flow, now: Instant) -> _Peer:
        """The way between the addresses of ``flow``; raises NetworkUnreachable."""
        peer = self._peers.get(flow[:-4])
        if peer is None or peer.path.is_stale:
            local, remote = local_of(flow)[0], remote_of(flow)[0]
            peer = _Peer(self.find(local, remote, now), pseudo_header_sum(local, remote, PROTOCOL_TCP, 0))
            if len(self._peers) >= CACHED:
                self._peers.clear()
            self._peers[flow[:-4]] = peer
        return peer

    def send(self, socket: TcpSocket, segment: Segment, now: Instant) -> None:
        """Puts a connection's segment on its way."""
        path = socket.path
        if path.is_stale:
            try:
                path = socket.path = self.find(path.source, path.destination, now)
            except NetworkUnreachable:
                self._counters.add("TcpOutNoRoutes")
                return
            if self.tunnels is not None:
                path = socket.path = self.tunnels.path(socket.flow, path)
            headers = headers_octets(socket.flow) + path.network.encapsulation
            socket.connection.on_path_mtu(path.mtu - headers, None, now)
        self._emit(path, segment, socket.pseudo_sum, socket.marks, now)

    def send_to(self, flow: Flow, segment: Segment, now: Instant) -> None:
        """Puts a segment that belongs to no connection on its way to the peer of ``flow``."""
        self._now = now
        try:
            peer = self._peer(flow, now)
        except NetworkUnreachable:
            self._counters.add("TcpOutNoRoutes")
            return
        path = peer.path
        if self.tunnels is not None:
            path = self.tunnels.path(flow, path)
        self._emit(path, segment, peer.pseudo_sum, DEFAULT_MARKS, now)

    def _emit(self, path: Path, segment: Segment, pseudo_sum: int, marks: Marks, now: Instant) -> None:
        if self.guard is not None:
            ends = (path.destination, segment.destination_port, path.source, segment.source_port)
            self.guard.sign(make_flow(*ends), segment)
        octets = tcp.header_octets(segment) + segment.octets
        pseudo_sum += octets
        outgoing = Outgoing(
            PROTOCOL_TCP,
            tcp.emit(segment, (pseudo_sum & 0xFFFF) + (pseudo_sum >> 16)),
            segment.payload,
            octets,
            marks.dscp << 2 | segment.ecn,
            marks.ttl,
            True,
            CHECKSUM_PARTIAL,
            tcp.CHECKSUM_OFFSET,
            segment.gso_size,
        )
        path.network.send(path, outgoing, now)
