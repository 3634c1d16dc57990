"""The TCP of one host: which connection a segment belongs to, whose turn it is to send, and when (RFC 9293 3.9.2).

A connection knows no addresses and is called by nobody but this layer and its user. Whatever is done to one marks it;
`transmit` then asks the marked ones for segments, some from each in turn, and `poll_event` hands them to their users.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Address, format_address, is_unspecified
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError, ConnectionRefused, NetworkUnreachable, TcpError
from halfopen.base.rng import Rng
from halfopen.stack import datagram as kinds
from halfopen.stack.closed_ports import SILENCE
from halfopen.stack.config import HARD, StackConfig
from halfopen.stack.datagram import Datagram, IcmpError
from halfopen.stack.deadlines import Deadlines
from halfopen.stack.demux import Flow, flow_of, local_of, remote_of
from halfopen.stack.ip import IpLayer
from halfopen.stack.path_mtu import least_mtu
from halfopen.stack.ports import Owner, PortRow, PortSource, PortTable, any_address
from halfopen.stack.tcp_active import ActiveOpens, free_flow
from halfopen.stack.tcp_output import TcpPaths, headers_octets
from halfopen.stack.tcp_passive import PassiveOpens
from halfopen.stack.tcp_socket import Attention, TcpListener, TcpSocket
from halfopen.stack.tcp_time_wait import Remnant, Remnants, RisingIsn
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.guard import Guard
from halfopen.tcp.half_open import IPV4_FLOW_OCTETS, IPV6_FLOW_OCTETS, HalfOpen
from halfopen.tcp.isn import Rfc6528Isn
from halfopen.tcp.listener import Listener
from halfopen.tcp.master_keys import MasterKey, Md5Key
from halfopen.tcp.state import State
from halfopen.wire import tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.tcp import ACK, RST, SYN, Segment

TURN: Final = 8
"""Segments one connection may send before the next one's turn."""

BUDGET: Final = 64
"""Segments per `transmit`, so that input is looked at in between."""

UNAUTHENTICATED: Final = HARD | {kinds.FRAGMENTATION_NEEDED}
"""What anyone can say about a connection that is otherwise signed (RFC 5925 7.8)."""

_CLOSED: Final = State.CLOSED
_TIME_WAIT: Final = State.TIME_WAIT

Endpoint: TypeAlias = tuple[Address, int]
"""An address and a port."""


class TcpLayer(PortSource, Attention):
    """All TCP of one host."""

    __slots__ = (
        "_counters",
        "_dirty",
        "_flows",
        "_listeners",
        "_passive",
        "_ports",
        "active",
        "config",
        "deadlines",
        "news",
        "paths",
        "remnants",
    )

    def __init__(self, ip: IpLayer, ports: PortTable, config: StackConfig, rng: Rng, counters: Counters) -> None:
        self._ports = ports
        self.config = config
        """The host's; its ``tcp`` is for those that are given none of their own. Replaced, it counts from then on."""
        self._counters = counters
        self.paths = TcpPaths(ip, rng.octets(16), counters, config.tcp_layer.keyed_hash)
        self._flows: dict[Flow, TcpSocket | Remnant] = {}
        self.remnants = Remnants(self._flows, config.tcp_layer.time_wait, counters)
        isn = RisingIsn(config.tcp_layer.isn or Rfc6528Isn(rng.octets(32)), self._flows)
        self._passive = PassiveOpens(isn, self.paths.limits, rng, counters)
        self.active = ActiveOpens(isn, self.paths.limits, self._passive.challenges, counters)
        self._listeners: dict[Endpoint, TcpListener] = {}
        self._dirty: deque[TcpSocket] = deque()
        self.news: deque[TcpSocket | TcpListener] = deque()
        """What `poll_event` hands out; to look at."""
        self.deadlines: Deadlines[TcpSocket | TcpListener | Remnant] = Deadlines()
        ports.add_source(self)
        ip.register(PROTOCOL_TCP, self)
        for key in config.tcp_layer.keys:
            self.add_key(key)

    def listen(
        self,
        local: Endpoint,
        owner: Owner,
        *,
        config: TcpConfig | None = None,
        backlog: int | None = None,
        v6_only: bool = False,
    ) -> TcpListener:
        """Passive OPEN (MUST-41, MUST-43): an unspecified address takes connections to all; port 0 means any.

        ``::`` means those of IPv4 as well, unless ``v6_only`` (RFC 3493 5.3). Raises AddressInUse. ``backlog`` is
        limited by the configuration's.
        """
        address = local[0]
        both = address == IPV6_ANY and not v6_only
        ports = self._ports
        port = ports.bind_both("tcp", local[1], owner) if both else ports.bind("tcp", address, local[1], owner)
        octets = IPV4_FLOW_OCTETS if len(address) == 4 else IPV6_FLOW_OCTETS
        layer = self.config.tcp_layer
        listening = self._passive.make_listening(port, octets, layer, config or self.config.tcp)
        most = layer.backlog
        listener = TcpListener(self, Listener(listening), (address, port), owner)
        listener.backlog = most if backlog is None else max(1, min(backlog, most))
        listener.addresses = (IPV6_ANY, IPV4_ANY) if both else (address,)
        for each in listener.addresses:
            self._listeners[each, port] = listener
        return listener

    def add_key(self, key: MasterKey | Md5Key | None) -> Guard:
        """From now on what opens between the ends that ``key`` names is signed (RFC 5925), or dropped.

        With none what is signed by MD5 is dropped. Returns who keeps the host's keys, and can take them back.
        """
        if self.paths.guard is None:
            self.paths.guard = Guard(self._flows, self._counters)
        if key is not None:
            self.paths.guard.add(key)
        return self.paths.guard

    def connect(
        self,
        remote: Endpoint,
        owner: Owner,
        now: Instant,
        *,
        config: TcpConfig | None = None,
        local: Endpoint | None = None,
    ) -> TcpSocket:
        """Active OPEN; the SYN leaves with the next transmit. Raises NetworkUnreachable, AddressInUse, ConfigError."""
        address, port = remote
        if not 0 < port <= 0xFFFF:
            raise ConfigError(f"a remote port is a number from 1 to 65535, not {port}")
        if is_unspecified(address) or self.paths.is_broadcast(address):
            raise ConfigError(f"{format_address(address)} is nobody to connect to (MUST-46)")
        source = local[0] if local is not None and not is_unspecified(local[0]) else None
        path = self.paths.find(source, address, now)
        flow = free_flow(self._flows, self._ports, remote, (path.source, local[1] if local is not None else 0))
        connection = self.active.open(flow, config or self.config.tcp, now)
        socket = TcpSocket(self, connection, flow, path, owner)
        self._flows[flow] = socket
        self.mark(socket)
        return socket

    def receive(self, datagram: Datagram, now: Instant) -> None:
        """One segment from IP; raises Malformed."""
        if datagram.link_broadcast:
            self._counters.add("TcpBroadcast")  # MUST-57
            return
        packet, octets = datagram.packet, datagram.octets
        if tcp.is_unverified(packet, datagram.offset):
            pseudo = pseudo_header_sum(datagram.source, datagram.destination, PROTOCOL_TCP, octets)
            if octets < tcp.HEADER_OCTETS or not tcp.verify(packet, datagram.offset, octets, pseudo):
                self._counters.add("InCsumErrors")
                return
        segment = tcp.parse(packet, datagram.offset, octets, datagram.tos & 3)
        flow = flow_of(datagram)
        guard = self.paths.guard
        if guard is not None and not guard.admits(flow, segment, packet.head, datagram.offset):
            return
        found = self._flows.get(flow)
        if type(found) is TcpSocket:
            connection = found.connection
            if connection.tcb.state is _TIME_WAIT and connection.time_wait().gives_way(segment):
                self._counters.add("TWRecycled")
                connection.tcb.delete(None)
                del self._flows[flow]
                self.mark(found)
                self._receive_from_stranger(flow, segment, now)
                return
            snd = connection.tcb.snd
            una = snd.una
            connection.on_segment(segment, now)
            if snd.una > una:
                found.path.confirm(now)
            user = connection.tcb.user
            self.mark(found, with_news=user.minds_room or bool(user.events) or found.readable_octets > 0)
        elif isinstance(found, Remnant):
            self._receive_in_time_wait(found, segment, now)
        else:
            self._receive_from_stranger(flow, segment, now)

    def on_error(self, error: IcmpError, now: Instant) -> None:
        """An ICMP error about a segment that claims to be ours: its connection judges by the number (RFC 5927)."""
        quoted = error.quoted
        transport = quoted.transport
        flow = quoted.destination + quoted.source + transport[2:4] + transport[0:2]
        socket = self._flows.get(flow)
        if not isinstance(socket, TcpSocket):
            self._counters.add("TcpErrorsForNobody")
            return
        guard = self.paths.guard
        if guard is not None and error.kind in UNAUTHENTICATED and guard.ignores_icmp(flow):
            return
        seq = int.from_bytes(transport[4:8], "big")
        if error.kind == kinds.FRAGMENTATION_NEEDED:
            mtu = max(error.mtu, min(least_mtu(quoted.destination, self.config.ip), socket.path.interface.mtu))
            is_known = socket.path.mtu <= mtu
            room = mtu - socket.path.network.encapsulation - headers_octets(flow)
            if socket.connection.on_path_mtu(room, seq, now, is_known=is_known):
                self.paths.learn_mtu(quoted.destination, mtu, now)
        else:
            is_hard = error.kind in self.config.icmp.hard_errors
            socket.connection.on_icmp_error(_as_tcp_error(error.kind), seq, is_hard, now)
        self.mark(socket)

    def transmit(self, now: Instant) -> bool:
        """Asks marked connections for segments, a few from each in turn; whether anything was sent."""
        budget = BUDGET
        dirty = self._dirty
        while dirty and budget > 0:
            socket = dirty.popleft()
            budget -= self._transmit_turn(socket, now)
        return budget < BUDGET

    def next_deadline(self) -> Instant:
        """The earliest instant at which `on_deadline` has something to do."""
        return self.deadlines.next_deadline()

    def on_deadline(self, now: Instant) -> None:
        """Timers that are due."""
        while (thing := self.deadlines.pop_due(now)) is not None:
            if type(thing) is TcpSocket:
                deadline = thing.connection.next_deadline()
                if deadline > now:
                    self.deadlines.arm(thing, deadline)
                else:
                    thing.connection.on_deadline(now)
                    self.mark(thing)
            elif type(thing) is TcpListener:
                thing.listener.on_deadline(now)
                self._serve(thing, now)
            elif type(thing) is Remnant and not self.remnants.lapse(thing, now):
                self.deadlines.arm(thing, thing.record.deadline)

    def poll_event(self) -> TcpSocket | TcpListener | None:
        """A socket to which something has happened, or a listener with connections to accept, since last handed out."""
        if not self.news:
            return None
        socket = self.news.popleft()
        socket.has_news = False
        return socket

    def find(self, flow: Flow) -> TcpSocket | HalfOpen | None:
        """The connection of ``flow``, or the record of its peer in SYN-RECEIVED."""
        found = self._flows.get(flow)
        if isinstance(found, TcpSocket):
            return found
        listener = _find_listener(self._listeners, flow)
        return listener.listener.half_open.find(flow) if listener is not None else None

    def mark(self, socket: TcpSocket, *, with_news: bool = True) -> None:
        """Puts the socket on the lists of those with output and those with news."""
        if not socket.is_dirty:
            socket.is_dirty = True
            self._dirty.append(socket)
        if with_news and not socket.has_news:
            socket.has_news = True
            self.news.append(socket)

    def forget(self, listener: TcpListener, now: Instant) -> None:
        """Frees the listener's port; resets connections that nobody has accepted."""
        for address in listener.addresses:
            del self._listeners[address, listener.port]
            self._ports.release("tcp", address, listener.port)
        self.deadlines.disarm(listener)
        while (socket := listener.accept()) is not None:
            socket.abort(now)

    def sockets(self) -> "list[TcpListener | TcpSocket]":
        """All that have an owner: listeners, then connections."""
        connections = (flow for flow in self._flows.values() if isinstance(flow, TcpSocket))
        return [*dict.fromkeys(self._listeners.values()), *connections]

    def rows(self) -> Iterator[PortRow]:
        """Listeners, connections, and what is left of them in TIME-WAIT."""
        for listener in dict.fromkeys(self._listeners.values()):
            yield from listener.rows()
        for found in self._flows.values():
            yield found.row

    def _receive_from_stranger(self, flow: Flow, segment: Segment, now: Instant) -> None:
        """A segment of no connection: for a listener, else for nobody (RFC 9293 3.10.7.1)."""
        listener = _find_listener(self._listeners, flow)
        if listener is None:
            layer = self.config.tcp_layer
            self._passive.closed_ports.limit(layer.rst_rate)
            reply = self._passive.closed_ports.answer(layer.closed_ports, flow, segment, now)
            if reply is not None:
                self.paths.send_to(flow, reply, now)
        elif listener.makes_wait and segment.flags & (SYN | ACK) != SYN | ACK and not segment.flags & RST:
            self._counters.add("ListenOverflows")  # a SYN,ACK is for nobody here, however many wait
        else:
            listener.listener.is_crowded = listener.is_full
            listener.listener.on_segment(flow, segment, now)
            self._serve(listener, now)

    def _receive_in_time_wait(self, remnant: Remnant, segment: Segment, now: Instant) -> None:
        """A listener sees the SYN of a new connection, and all that follows while the peer's handshake goes on there.

        If nothing comes of it, it is TIME-WAIT again (RFC 1122 4.2.2.13 (b)).
        """
        flow = remnant.flow
        listener = _find_listener(self._listeners, flow)
        if listener is None or not listener.listener.expects(flow, segment, now):
            reply, reopens = self.remnants.on_segment(remnant, segment, now, listener is not None)
            if reply is not None:
                self.paths.send_to(flow, reply, now)
            if not reopens:
                return
        self._receive_from_stranger(flow, segment, now)

    def _serve(self, listener: TcpListener, now: Instant) -> None:
        """Sends what a listener has to answer, and makes sockets of connections that have been established there."""
        core = listener.listener
        hides = self.config.tcp_layer.closed_ports == SILENCE
        while (item := core.poll_transmit(now)) is not None:
            if not (hides and item[1].flags & RST):
                self.paths.send_to(item[0], item[1], now)
        while (accepted := core.poll_accept()) is not None:
            flow, connection = accepted
            try:
                path = self.paths.find(local_of(flow)[0], remote_of(flow)[0], now)
            except NetworkUnreachable:
                self._counters.add("TcpAcceptNoRoute")
                continue
            remnant = self._flows.get(flow)
            if isinstance(remnant, Remnant):
                self.remnants.forget(remnant)
                self.deadlines.disarm(remnant)
            socket = TcpSocket(self, connection, flow, path, listener.owner)
            self._flows[flow] = socket
            self.mark(socket)
            listener.accepted.append(socket)
            if not listener.has_news:
                listener.has_news = True
                self.news.append(listener)
        self.deadlines.arm(listener, core.next_deadline())

    def _transmit_turn(self, socket: TcpSocket, now: Instant) -> int:
        """Up to `TURN` segments of one connection; how many."""
        connection, paths = socket.connection, self.paths
        sent = 0
        while sent < TURN:
            segment = connection.poll_transmit(now)
            if segment is None:
                socket.is_dirty = False
                self._settle(socket)
                break
            paths.send(socket, segment, now)
            sent += 1
        else:
            self._dirty.append(socket)
        if sent and socket.wants_room and not socket.has_news:
            socket.has_news = True
            self.news.append(socket)
        return sent

    def _settle(self, socket: TcpSocket) -> None:
        """A connection has said all: it goes, becomes a record of TIME-WAIT, or waits for its next deadline."""
        connection = socket.connection
        state = connection.tcb.state
        if state is not _CLOSED and not (state is _TIME_WAIT and socket.is_orphan):
            self.deadlines.arm(socket, connection.next_deadline())
            return
        if self._flows.get(socket.flow) is socket:
            del self._flows[socket.flow]
        self.deadlines.disarm(socket)
        if state is State.TIME_WAIT:
            remnant = self.remnants.add(socket.flow, connection.time_wait())
            if remnant is not None:
                self.deadlines.arm(remnant, remnant.record.deadline)


def _find_listener(listeners: Mapping[Endpoint, TcpListener], flow: Flow) -> TcpListener | None:
    """Who listens at the local end of ``flow``; an address of its own goes before the unspecified one."""
    address, port = local_of(flow)
    return listeners.get((address, port)) or listeners.get((any_address(address), port))


def _as_tcp_error(kind: str) -> TcpError:
    return ConnectionRefused(kind) if kind in HARD else NetworkUnreachable(kind)
