"""UDP (RFC 768, RFC 1122 4.1): datagrams between ports, with the errors that ICMP reports about them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Address, is_multicast, is_unspecified
from halfopen.base.clock import NEVER, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import (
    ConfigError,
    ConnectionRefused,
    HalfopenError,
    Malformed,
    NetworkUnreachable,
    NotConnected,
    TcpError,
)
from halfopen.base.octets import Buffer, Buffers, cut
from halfopen.stack import datagram as seam
from halfopen.stack.datagram import Datagram, IcmpError, Outgoing, Transport
from halfopen.stack.icmp import IcmpLayer
from halfopen.stack.interface import Interface
from halfopen.stack.ip import IpLayer
from halfopen.stack.path import Path
from halfopen.stack.ports import Owner, PortRow, PortSource, PortTable, any_address
from halfopen.wire import checksum, udp
from halfopen.wire.ipv4 import PROTOCOL_UDP
from halfopen.wire.packet import CHECKSUM_NONE, Packet

LARGEST_PAYLOAD: Final = 65507
"""65535 octets of IPv4 datagram without its header and ours."""

LARGEST_PAYLOAD_IPV6: Final = 65527
"""65535 octets behind the IPv6 header, without our own."""

RECEIVE_LIMIT: Final = 212_992
"""Octets a socket queues, overhead included (Linux ``net.core.rmem_default``)."""

OVERHEAD: Final = 256
"""What a queued datagram costs besides its octets, so that empty ones cannot be queued without bound."""


class BroadcastForbidden(HalfopenError):
    """A datagram to a broadcast address from a socket that has not asked for it (``SO_BROADCAST``)."""


class MessageTooLong(HalfopenError):
    """More octets than a datagram carries, or than the path does without fragments where those are forbidden."""


@dataclass(slots=True, frozen=True)
class Message:
    """A datagram as the user sees it: its octets, who sent it, and the marks it came with (RFC 1122 4.1.3)."""

    data: bytes
    address: Address
    port: int
    tos: int = 0
    ttl: int = 0
    interface: Interface | None = field(default=None, compare=False)


@dataclass(slots=True, kw_only=True)
class UdpOptions:
    """What a socket may choose about its datagrams (RFC 1122 4.1.4)."""

    broadcast: bool = False
    tos: int = 0
    ttl: int = 64
    dont_fragment: bool = False
    interface: Interface | None = None
    """Where addresses are meant that other links have as well: link-local ones and groups (RFC 4007 6)."""
    receive_limit: int = RECEIVE_LIMIT


class UdpSocket:
    """A bound port. `receive` and `poll_error` take what has come; `send_to` sends."""

    __slots__ = (
        "_errors",
        "_layer",
        "_path",
        "_queue",
        "_queued",
        "address",
        "addresses",
        "is_closed",
        "options",
        "owner",
        "port",
        "remote",
    )

    def __init__(self, layer: "UdpLayer", address: Address, port: int, owner: Owner) -> None:
        self._layer = layer
        self._queue: deque[Message] = deque()
        self._queued = 0
        self._errors: deque[IcmpError] = deque(maxlen=16)
        self._path: Path | None = None
        self.address = address
        self.addresses: tuple[Address, ...] = (address,)
        """Where the port is taken: in both versions of IP, if `address` stands for all of both."""
        self.port = port
        self.owner = owner
        self.options = UdpOptions()
        self.remote: tuple[Address, int] | None = None
        self.is_closed = False

    def connect(self, address: Address, port: int, now: Instant) -> None:
        """From now on datagrams go to, and are taken from, this peer only; raises NetworkUnreachable."""
        path = self._layer.path(self, address, now)
        if is_unspecified(self.address):
            self._layer.rebind(self, path.source)
        self.remote = (address, port)

    def send_to(self, data: Buffer, address: Address, port: int, now: Instant) -> None:
        """Sends one datagram, perhaps without octets; raises NetworkUnreachable, BroadcastForbidden, MessageTooLong."""
        if self.is_closed:
            raise NotConnected("the socket is closed")
        if not 0 < port <= 0xFFFF:
            raise ConfigError(f"a remote port is a number from 1 to 65535, not {port}")
        most = LARGEST_PAYLOAD if len(address) == 4 else LARGEST_PAYLOAD_IPV6
        if len(data) > most:
            raise MessageTooLong(f"a datagram carries {most} octets at most, not {len(data)}")
        if self._path is None or self._path.is_stale or self._path.destination != address:
            self._path = self._layer.path(self, address, now)
        self._layer.send(self, self._path, port, bytes(data), now)

    def send(self, data: Buffer, now: Instant) -> None:
        """`send_to` the connected peer."""
        if self.remote is None:
            raise NotConnected("the socket is not connected, so a destination is needed")
        self.send_to(data, self.remote[0], self.remote[1], now)

    def receive(self) -> Message | None:
        """The oldest datagram that waits."""
        if not self._queue:
            return None
        message = self._queue.popleft()
        self._queued -= len(message.data) + OVERHEAD
        return message

    def poll_error(self) -> TcpError | None:
        """The oldest error that ICMP has reported about a datagram of ours (RFC 1122 4.1.3.3)."""
        error = self.poll_icmp_error()
        return _as_tcp_error(error.kind) if error is not None else None

    def poll_icmp_error(self) -> IcmpError | None:
        """As `poll_error`, with all that ICMP said: who said it, about which datagram (Linux ``IP_RECVERR``)."""
        return self._errors.popleft() if self._errors else None

    @property
    def queued_octets(self) -> int:
        """What waits to be received, overhead included."""
        return self._queued

    def accepts(self, source: Address, port: int) -> bool:
        """Whether a datagram from there is for this socket: a connected one hears its peer only."""
        return self.remote is None or self.remote == (source, port)

    def enqueue(self, message: Message) -> bool:
        """Takes a datagram; False if the queue is full."""
        size = len(message.data) + OVERHEAD
        if self._queued + size > self.options.receive_limit:
            return False
        self._queued += size
        self._queue.append(message)
        return True

    def report(self, error: IcmpError) -> None:
        """Takes an error; of a flood of them the latest are kept."""
        self._errors.append(error)

    def close(self) -> None:
        """Gives the port back."""
        if not self.is_closed:
            self.is_closed = True
            self._layer.forget(self)


class UdpLayer(PortSource):
    """All UDP sockets of one host."""

    __slots__ = ("_counters", "_icmp", "_ip", "_ports", "_sockets", "news", "tunnels")

    def __init__(self, ip: IpLayer, icmp: IcmpLayer, ports: PortTable, counters: Counters) -> None:
        self._ip = ip
        self._icmp = icmp
        self._ports = ports
        self._counters = counters
        self._sockets: dict[tuple[Address, int], UdpSocket] = {}
        self.news: dict[UdpSocket, None] = {}
        """What `poll_event` hands out; to look at."""
        self.tunnels: dict[int, Transport] = {}
        """Who takes what comes to a port, and errors about what has been sent from it, in place of its socket."""
        ports.add_source(self)
        ip.register(PROTOCOL_UDP, self)

    def bind(self, address: Address, port: int, owner: Owner, *, v6_only: bool = False) -> UdpSocket:
        """A socket on ``address`` (unspecified: all of them) and ``port`` (0: any); raises AddressInUse.

        ``::`` means all addresses of IPv4 as well, unless ``v6_only`` (RFC 3493 5.3).
        """
        both = address == IPV6_ANY and not v6_only
        port = self._ports.bind_both("udp", port, owner) if both else self._ports.bind("udp", address, port, owner)
        socket = UdpSocket(self, address, port, owner)
        socket.addresses = (IPV6_ANY, IPV4_ANY) if both else (address,)
        for each in socket.addresses:
            self._sockets[each, port] = socket
        return socket

    def poll_event(self) -> UdpSocket | None:
        """A socket for which datagrams or errors have come since it was last handed out."""
        for socket in self.news:
            del self.news[socket]
            return socket
        return None

    def next_deadline(self) -> Instant:
        """UDP waits for nothing."""
        return NEVER

    def on_deadline(self, now: Instant) -> None:
        """Nothing is ever due."""
        return None

    def path(self, socket: UdpSocket, destination: Address, now: Instant) -> Path:
        """The way from the socket to ``destination``; raises NetworkUnreachable."""
        source = None if is_unspecified(socket.address) else socket.address
        return self._ip.find_path(destination, source, now, socket.options.interface)

    def rebind(self, socket: UdpSocket, address: Address) -> None:
        """Narrows a socket on all addresses to one of them."""
        self._release(socket)
        self._ports.bind("udp", address, socket.port, socket.owner)
        socket.address = address
        socket.addresses = (address,)
        self._sockets[address, socket.port] = socket

    def forget(self, socket: UdpSocket) -> None:
        """A socket has closed."""
        self._release(socket)
        self.news.pop(socket, None)

    def send(self, socket: UdpSocket, path: Path, port: int, data: bytes, now: Instant) -> None:
        """Puts one datagram on its way. The checksum is complete: fragments could not be summed by a device."""
        options = socket.options
        has_broadcasts = len(path.destination) == 4
        if has_broadcasts and not options.broadcast and self._ip.is_broadcast(path.destination):
            raise BroadcastForbidden("sending to a broadcast address takes a socket that allows it")
        octets = udp.HEADER_OCTETS + len(data)
        pseudo = checksum.pseudo_header_sum(path.source, path.destination, PROTOCOL_UDP, octets)
        bare = udp.emit(socket.port, port, octets, 0)
        head = udp.emit(socket.port, port, octets, checksum.checksum(bare + data, pseudo) or 0xFFFF)
        outgoing = Outgoing(
            protocol=PROTOCOL_UDP,
            head=head,
            body=(data,) if data else (),
            octets=octets,
            tos=options.tos,
            ttl=options.ttl,
            dont_fragment=options.dont_fragment,
            checksum=CHECKSUM_NONE,
        )
        self._ip.send(path, outgoing, now)
        self._counters.add("UdpOutDatagrams")

    def receive(self, datagram: Datagram, now: Instant) -> None:
        """One datagram from IP, to its socket or to nobody (RFC 1122 4.1.3)."""
        packet = datagram.packet
        try:
            source_port, port, offset, octets, sum_field = udp.parse(packet.head, datagram.offset, datagram.octets)
        except Malformed as error:
            self._drop("UdpInErrors", error.reason)
            return
        if is_multicast(datagram.source) or self._ip.is_broadcast(datagram.source):
            self._drop("UdpInErrors", "UdpBadSource")
            return
        text = _text(packet, offset, octets)
        if not _sum_holds(datagram, octets, sum_field, text):
            self._drop("UdpInErrors", "UdpInCsumErrors")
            return
        if port in self.tunnels:
            self._counters.add("UdpInDatagrams")
            self.tunnels[port].receive(datagram, now)
            return
        socket = self._find(datagram.destination, port, datagram.source, source_port)
        if socket is None:
            self._counters.add("UdpNoPorts")
            self._icmp.send_error(seam.PORT_UNREACHABLE, datagram, now)
            return
        message = Message(b"".join(text), datagram.source, source_port, datagram.tos, datagram.ttl, datagram.interface)
        if not socket.enqueue(message):
            self._drop("UdpInErrors", "UdpRcvbufErrors")
            return
        self._counters.add("UdpInDatagrams")
        self.news[socket] = None

    def on_error(self, error: IcmpError, now: Instant) -> None:
        """Passes an ICMP error to the socket whose datagram it quotes (RFC 1122 4.1.3.3)."""
        quoted = error.quoted
        port = int.from_bytes(quoted.transport[0:2], "big")
        if port in self.tunnels:
            self.tunnels[port].on_error(error, now)
            return
        remote_port = int.from_bytes(quoted.transport[2:4], "big")
        socket = self._find(quoted.source, port, quoted.destination, remote_port)
        if socket is None:
            self._counters.add("UdpErrorsForNobody")
            return
        if error.kind == seam.FRAGMENTATION_NEEDED:
            self._ip.update_path_mtu(quoted.destination, error.mtu, now)
        socket.report(error)
        self.news[socket] = None

    def sockets(self) -> list[UdpSocket]:
        """All that are open."""
        return list(dict.fromkeys(self._sockets.values()))

    def rows(self) -> Iterator[PortRow]:
        """One row for each socket."""
        for socket in self.sockets():
            remote, remote_port = socket.remote or (any_address(socket.address), 0)
            yield PortRow(
                netid="udp",
                state="ESTAB" if socket.remote else "UNCONN",
                recv_q=socket.queued_octets,
                send_q=0,
                local=socket.address,
                local_port=socket.port,
                remote=remote,
                remote_port=remote_port,
                owner=socket.owner,
            )

    def _release(self, socket: UdpSocket) -> None:
        for address in socket.addresses:
            self._ports.release("udp", address, socket.port)
            self._sockets.pop((address, socket.port), None)

    def _find(self, local: Address, port: int, remote: Address, remote_port: int) -> UdpSocket | None:
        for address in (local, any_address(local)):
            socket = self._sockets.get((address, port))
            if socket is not None and socket.accepts(remote, remote_port):
                return socket
        return None

    def _drop(self, *counters: str) -> None:
        for name in counters:
            self._counters.add(name)


def _text(packet: Packet, offset: int, octets: int) -> Buffers:
    """The datagram's octets, without padding that the link may have added."""
    return cut((packet.head, *packet.body), offset, offset + octets)


def _sum_holds(datagram: Datagram, octets: int, field: int, text: Buffers) -> bool:
    """Zero stands for no checksum, in IPv4 only; IPv6 has no other check of the addresses (RFC 8200 8.1)."""
    if datagram.packet.checksum != CHECKSUM_NONE:
        return True
    if field == 0:
        return len(datagram.source) == 4
    octets += udp.HEADER_OCTETS
    pseudo = checksum.pseudo_header_sum(datagram.source, datagram.destination, PROTOCOL_UDP, octets)
    header = datagram.packet.head[datagram.offset : datagram.offset + udp.HEADER_OCTETS]
    return checksum.checksum(b"".join((header, *text)), pseudo) == 0


def _as_tcp_error(kind: str) -> TcpError:
    if kind == seam.PORT_UNREACHABLE:
        return ConnectionRefused("the peer has nobody at that port")
    return NetworkUnreachable(kind)
