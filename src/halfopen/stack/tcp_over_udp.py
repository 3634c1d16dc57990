"""TCP in UDP datagrams (draft-cheshire-tcp-over-udp, as FreeBSD has it), for networks that let only UDP through.

A whole segment, header included, is the payload of a datagram to or from one local port. The checksum is UDP's, TCP's
is zero. Connections are the same as ever: only the way to a peer leads through a datagram, and nothing on the way of
other segments knows of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from struct import Struct
from typing import Final, TypeAlias

from halfopen.base.addresses import IPV6_ANY
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import Malformed
from halfopen.base.octets import Buffer
from halfopen.stack.datagram import Datagram, IcmpError, Outgoing, Transport
from halfopen.stack.demux import Flow, make_flow
from halfopen.stack.path import Network, Path
from halfopen.stack.ports import Owner
from halfopen.stack.tcp import TcpLayer
from halfopen.stack.tcp_output import Tunnels
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.stack.udp import UdpLayer, UdpSocket
from halfopen.tcp.resets import reset_for
from halfopen.wire import tcp, udp
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_VERIFIED, Packet

LARGEST_HEADER: Final = 60
"""Octets of a TCP header with all the options that fit."""

SWEEP: Final = 1024
"""Flows that are remembered before those are looked for that have ended."""

_OWNER: Final = Owner("tcp-over-udp")
_PORTS: Final = Struct("!HH")

UdpPorts: TypeAlias = tuple[int, int]
"""Of the datagrams that we send: the local port, and the peer's."""


class UdpTunnel(Network):
    """The version of IP of the path ``within``, with a UDP header in front of what is sent."""

    __slots__ = ("overhead", "ports", "within")

    def __init__(self, within: Path, ports: UdpPorts, overhead: int) -> None:
        self.within = within
        self.overhead = overhead
        self.routes = within.network.routes
        self.ports = ports

    @property
    def encapsulation(self) -> int:
        """The UDP header, or what it is taken for."""
        return self.overhead

    def send(self, path: Path, outgoing: Outgoing, now: Instant) -> None:
        """Sends a segment in a datagram."""
        at = outgoing.checksum_offset
        segment = outgoing.head[:at] + b"\0\0" + outgoing.head[at + 2 :]
        octets = udp.HEADER_OCTETS + outgoing.octets
        pseudo = pseudo_header_sum(path.source, path.destination, PROTOCOL_UDP, octets)
        bare = udp.emit(*self.ports, octets, 0)
        whole: Sequence[Buffer] = (bare, segment, *outgoing.body)
        field = udp.transmitted(checksum(b"".join(whole), pseudo))
        head = udp.emit(*self.ports, octets, field) + segment
        wrapped = Outgoing(
            PROTOCOL_UDP, head, outgoing.body, octets, outgoing.tos, outgoing.ttl, checksum=CHECKSUM_NONE
        )
        self.within.network.send(self.within, wrapped, now)


class TcpOverUdp(Transport, Tunnels):
    """Takes segments out of the datagrams to one local port, and knows to which port their peers want theirs."""

    __slots__ = ("_counters", "_opening", "_remote_ports", "_socket", "_tcp", "_udp", "overhead", "sweep_at")

    def __init__(self, tcp_layer: TcpLayer, udp_layer: UdpLayer, counters: Counters) -> None:
        self._tcp = tcp_layer
        self._udp = udp_layer
        self._counters = counters
        self._socket: UdpSocket | None = None
        self._remote_ports: dict[Flow, int] = {}
        self._opening = 0
        self.overhead = udp.HEADER_OCTETS
        """What the MSS is less by."""
        self.sweep_at = SWEEP

    @property
    def port(self) -> int:
        """The local port; 0: TCP comes in UDP no more."""
        return self._socket.port if self._socket is not None else 0

    def listen(self, port: int) -> None:
        """From now on datagrams to ``port``, unless it is 0, are TCP's; raises AddressInUse."""
        if port == self.port:
            return
        socket = self._udp.bind(IPV6_ANY, port, _OWNER) if port else None
        if self._socket is not None:
            del self._udp.tunnels[self._socket.port]
            self._socket.close()
        self._socket = socket
        if socket is not None:
            self._udp.tunnels[socket.port] = self
            self._tcp.paths.tunnels = self

    def through(self, udp_port: int, connect: Callable[[], TcpSocket]) -> TcpSocket:
        """An active OPEN, which ``connect`` does with `TcpLayer.connect`, through datagrams to ``udp_port``."""
        self._opening = udp_port
        try:
            socket = connect()
        finally:
            self._opening = 0
        self._remember(socket.flow, udp_port)
        socket.path = self.path(socket.flow, socket.path)
        return socket

    def path(self, flow: Flow, path: Path) -> Path:
        """``path``, through datagrams if the peer of ``flow`` has its segments in these."""
        remote_port = self._remote_ports.get(flow, self._opening)
        if not remote_port or self._socket is None:
            return path
        tunnel = UdpTunnel(path, (self._socket.port, remote_port), self.overhead)
        encapsulated = Path(tunnel, path.interface, (path.source, path.destination), path.next_hop)
        encapsulated.mtu, encapsulated.metrics, encapsulated.neighbor = path.mtu, path.metrics, path.neighbor
        return encapsulated

    def receive(self, datagram: Datagram, now: Instant) -> None:
        """One datagram, of which UDP has verified the checksum; raises Malformed."""
        inner, remote_port = _unwrapped(datagram)
        head = inner.packet.head
        flow = datagram.source + datagram.destination + head[inner.offset : inner.offset + 4]
        before = self._tcp.find(flow)
        if isinstance(before, TcpSocket) and remote_udp_port(before) != remote_port:
            self._counters.add("TcpOverUdpBadPort")
            self._refuse(flow, inner, remote_port, now)
            return
        self._remember(flow, remote_port)
        try:
            self._tcp.receive(inner, now)
        finally:
            after = self._tcp.find(flow)
            if after is None:
                del self._remote_ports[flow]
            elif after is not before and isinstance(after, TcpSocket):
                after.path = self.path(flow, after.path)

    def _refuse(self, flow: Flow, inner: Datagram, remote_port: int, now: Instant) -> None:
        """A segment from where the peer of its connection does not send: RST, back to there."""
        reply = reset_for(tcp.parse(inner.packet, inner.offset, inner.octets, 0))
        if reply is None:
            return
        right = self._remote_ports.get(flow, 0)
        self._remote_ports[flow] = remote_port
        self._tcp.paths.send_to(flow, reply, now)
        self._counters.add("OutRsts")
        self._remote_ports[flow] = right

    def on_error(self, error: IcmpError, now: Instant) -> None:
        """An ICMP error about a datagram: TCP's if enough of it is quoted to tell the segment (RFC 1812 4.3.2.3)."""
        quoted = error.quoted
        segment = quoted.transport[udp.HEADER_OCTETS :]
        if len(segment) < udp.HEADER_OCTETS:
            self._counters.add("TcpErrorsForNobody")
            return
        (local_port, remote_port), (_, udp_port) = _PORTS.unpack_from(segment), _PORTS.unpack_from(quoted.transport)
        if self._remote_ports.get(make_flow(quoted.destination, remote_port, quoted.source, local_port)) != udp_port:
            self._counters.add("TcpErrorsForNobody")
            return
        self._tcp.on_error(replace(error, quoted=replace(quoted, protocol=PROTOCOL_TCP, transport=segment)), now)

    def _remember(self, flow: Flow, remote_port: int) -> None:
        """Flows that have ended since are forgotten when their number has doubled."""
        self._remote_ports[flow] = remote_port
        if len(self._remote_ports) < self.sweep_at:
            return
        for each in [each for each in self._remote_ports if each != flow and self._tcp.find(each) is None]:
            del self._remote_ports[each]
        self.sweep_at = max(SWEEP, 2 * len(self._remote_ports))


def remote_udp_port(socket: TcpSocket) -> int:
    """Where the peer has its datagrams; 0 if the connection is not in UDP (FreeBSD ``TCP_REMOTE_UDP_ENCAPS_PORT``)."""
    network = socket.path.network
    return network.ports[1] if isinstance(network, UdpTunnel) else 0


def _unwrapped(datagram: Datagram) -> tuple[Datagram, int]:
    """The segment in a datagram, all of its header in the packet's head, and the port it comes from."""
    packet, head = datagram.packet, datagram.packet.head
    remote_port, _, offset, octets, _ = udp.parse(head, datagram.offset, datagram.octets)
    if octets < tcp.HEADER_OCTETS:
        raise Malformed("TcpTruncated")
    body = packet.body
    if len(head) < offset + LARGEST_HEADER and body:
        head, body = packet.joined(), ()
    inner = Datagram(
        Packet(head, body, CHECKSUM_VERIFIED),
        offset,
        octets,
        datagram.source,
        datagram.destination,
        PROTOCOL_TCP,
        datagram.tos,
        datagram.ttl,
        datagram.interface,
        datagram.link_broadcast,
        -1,
    )
    return inner, remote_port
