"""ICMP: answering echo, telling of errors sparingly, hearing of them with suspicion (RFC 792, RFC 1122 3.2.2)."""

from collections import deque
from dataclasses import dataclass

from halfopen.base.addresses import Address, is_valid_source
from halfopen.base.clock import Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import NetworkUnreachable
from halfopen.stack import datagram as kinds
from halfopen.stack.config import IcmpConfig
from halfopen.stack.datagram import Datagram, IcmpError, Outgoing, Transport
from halfopen.stack.ip import HEADER_OCTETS, LARGEST_QUOTE, IpLayer
from halfopen.stack.path_mtu import next_plateau
from halfopen.stack.token_bucket import TokenBucket
from halfopen.wire import icmpv4
from halfopen.wire.icmpv4 import Icmp, Quoted
from halfopen.wire.ipv4 import PROTOCOL_ICMP
from halfopen.wire.packet import CHECKSUM_NONE

REPLY = "reply"

INTERNETWORK_CONTROL = 0xC0
"""The precedence of ICMP errors (RFC 1812 4.3.2.5)."""

PENDING_LIMIT = 4096

_UNREACHABLE_KINDS = {
    icmpv4.NET_UNREACHABLE: kinds.NET_UNREACHABLE,
    icmpv4.HOST_UNREACHABLE: kinds.HOST_UNREACHABLE,
    icmpv4.PROTOCOL_UNREACHABLE: kinds.PROTOCOL_UNREACHABLE,
    icmpv4.PORT_UNREACHABLE: kinds.PORT_UNREACHABLE,
    icmpv4.FRAGMENTATION_NEEDED: kinds.FRAGMENTATION_NEEDED,
    icmpv4.SOURCE_ROUTE_FAILED: kinds.SOURCE_ROUTE_FAILED,
    icmpv4.NET_UNKNOWN: kinds.NET_UNREACHABLE,
    icmpv4.HOST_UNKNOWN: kinds.HOST_UNREACHABLE,
    icmpv4.SOURCE_HOST_ISOLATED: kinds.HOST_UNREACHABLE,
    icmpv4.NET_PROHIBITED: kinds.ADMIN_PROHIBITED,
    icmpv4.HOST_PROHIBITED: kinds.ADMIN_PROHIBITED,
    icmpv4.NET_UNREACHABLE_FOR_TOS: kinds.NET_UNREACHABLE,
    icmpv4.HOST_UNREACHABLE_FOR_TOS: kinds.HOST_UNREACHABLE,
    icmpv4.COMMUNICATION_PROHIBITED: kinds.ADMIN_PROHIBITED,
    icmpv4.HOST_PRECEDENCE_VIOLATION: kinds.ADMIN_PROHIBITED,
    icmpv4.PRECEDENCE_CUTOFF: kinds.ADMIN_PROHIBITED,
}

_TIME_EXCEEDED_KINDS = {
    icmpv4.TTL_EXCEEDED: kinds.TTL_EXCEEDED,
    icmpv4.REASSEMBLY_EXCEEDED: kinds.REASSEMBLY_EXCEEDED,
}


def kind_of(type: int, code: int) -> str | None:
    """What an ICMP error says, in words; None if it is no error that transports hear of."""
    if type == icmpv4.DESTINATION_UNREACHABLE:
        return _UNREACHABLE_KINDS.get(code)
    if type == icmpv4.TIME_EXCEEDED:
        return _TIME_EXCEEDED_KINDS.get(code)
    return kinds.PARAMETER_PROBLEM if type == icmpv4.PARAMETER_PROBLEM else None


@dataclass(slots=True, frozen=True)
class EchoReply:
    """What came of an echo request: ``kind`` is ``"reply"`` or what went wrong, ``source`` who said so."""

    kind: str
    source: Address
    identifier: int
    sequence: int
    rtt: Duration
    ttl: int = 0
    payload: bytes = b""


@dataclass(slots=True, frozen=True)
class EchoRequest:
    """One of our requests: only what answers it is believed."""

    destination: Address
    sent: Instant


class IcmpLayer(Transport):
    """ICMP of one host."""

    __slots__ = ("_bucket", "_config", "_counters", "_ip", "_pending", "_replies")

    def __init__(self, ip: IpLayer, config: IcmpConfig, counters: Counters) -> None:
        self._ip = ip
        self._config = config
        self._counters = counters
        self._bucket = TokenBucket(config.error_interval, config.error_burst)
        self._pending: dict[int, EchoRequest] = {}
        self._replies: deque[EchoReply] = deque()
        ip.register(PROTOCOL_ICMP, self)

    def configure(self, config: IcmpConfig) -> None:
        """Another configuration from now on."""
        self._config = config
        self._bucket = TokenBucket(config.error_interval, config.error_burst)

    def send_echo(self, destination: Address, identifier: int, sequence: int, payload: bytes, now: Instant) -> None:
        """Sends an echo request; what comes of it is for `poll_reply`. Raises NetworkUnreachable."""
        path = self._ip.find_path(destination, None, now)
        rest = identifier << 16 | sequence
        if len(self._pending) >= PENDING_LIMIT:
            del self._pending[next(iter(self._pending))]
        self._pending[rest] = EchoRequest(destination, now)
        self._counters.add("IcmpOutEchos")
        message = icmpv4.emit(Icmp(icmpv4.ECHO_REQUEST, 0, rest, payload))
        fits = len(message) + HEADER_OCTETS <= path.mtu
        self._ip.send(path, self._outgoing(message, 0, fits), now)

    def poll_reply(self) -> EchoReply | None:
        """The oldest answer to a request of ours, or error about one."""
        return self._replies.popleft() if self._replies else None

    @property
    def has_replies(self) -> bool:
        """Whether `poll_reply` has something."""
        return bool(self._replies)

    def send_error(self, type: int, code: int, datagram: Datagram, now: Instant, rest: int = 0) -> None:
        """Tells the sender of ``datagram`` what is wrong with it, unless nothing may be said or too much has been.

        ``rest`` is the second word: the next hop's MTU, or a pointer in its first octet.
        """
        if self._is_unspeakable(datagram):
            self._counters.add("IcmpOutSuppressed")
            return
        if not self._bucket.take(now):
            self._counters.add("IcmpOutRateLimited")
            return
        source = datagram.destination if self._ip.owns(datagram.destination) else None
        try:
            path = self._ip.find_path(datagram.source, source, now)
        except NetworkUnreachable:
            self._counters.add("IcmpOutNoRoutes")
            return
        room = min(LARGEST_QUOTE, path.mtu - HEADER_OCTETS - icmpv4.HEADER_OCTETS)
        quote = _quote(datagram, room)
        self._counters.add("IcmpOutErrors")
        message = icmpv4.emit(Icmp(type, code, rest, quote))
        self._ip.send(path, self._outgoing(message, INTERNETWORK_CONTROL, True), now)

    def receive(self, datagram: Datagram, now: Instant) -> None:
        """One message for this host; raises Malformed."""
        message = icmpv4.parse(datagram.payload())
        if message.type == icmpv4.ECHO_REQUEST:
            self._answer(datagram, message, now)
        elif message.type == icmpv4.ECHO_REPLY:
            self._settle(message.rest, REPLY, datagram, message.payload, now)
        elif message.type == icmpv4.SOURCE_QUENCH:
            self._counters.add("IcmpInSourceQuenchIgnored")
        elif message.type == icmpv4.REDIRECT:
            self._counters.add("IcmpInRedirectIgnored")
        elif message.type in icmpv4.ERROR_TYPES:
            self._hear(datagram, message, now)
        else:
            self._counters.add("IcmpInUnknownType")

    def on_error(self, error: IcmpError, now: Instant) -> None:
        """An error about an ICMP message of ours: an echo request, or nothing that we asked for."""
        transport = error.quoted.transport
        if transport[0] != icmpv4.ECHO_REQUEST:
            self._counters.add("IcmpInErrorsForNobody")
            return
        rest = int.from_bytes(transport[4:8], "big")
        request = self._pending.get(rest)
        if request is None or request.destination != error.quoted.destination:
            self._counters.add("IcmpInErrorsForNobody")
            return
        if error.kind == kinds.FRAGMENTATION_NEEDED:
            self._ip.update_path_mtu(request.destination, error.mtu, now)
        del self._pending[rest]
        self._enqueue(EchoReply(error.kind, error.source, rest >> 16, rest & 0xFFFF, now - request.sent))

    def _answer(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        """Echo reply: the same identifier, sequence number, data and DSCP, addresses swapped (RFC 1122 3.2.2.6)."""
        source: Address | None = datagram.destination
        if not self._config.echo or (datagram.link_broadcast and not self._config.echo_broadcast):
            self._counters.add("IcmpInEchoIgnored")
            return
        if datagram.link_broadcast:
            source = None
        try:
            path = self._ip.find_path(datagram.source, source, now)
        except NetworkUnreachable:
            self._counters.add("IcmpOutNoRoutes")
            return
        self._counters.add("IcmpOutEchoReps")
        reply = icmpv4.emit(Icmp(icmpv4.ECHO_REPLY, 0, message.rest, message.payload))
        fits = len(reply) + HEADER_OCTETS <= path.mtu
        self._ip.send(path, self._outgoing(reply, datagram.tos, fits), now)

    def _settle(self, rest: int, kind: str, datagram: Datagram, payload: bytes, now: Instant) -> None:
        """An echo reply, if it is to a request of ours."""
        request = self._pending.get(rest)
        if request is None or (
            request.destination != datagram.source and not self._ip.is_broadcast(request.destination)
        ):
            self._counters.add("IcmpInEchoRepUnexpected")
            return
        del self._pending[rest]
        identifier, sequence = rest >> 16, rest & 0xFFFF
        rtt = now - request.sent
        self._enqueue(EchoReply(kind, datagram.source, identifier, sequence, rtt, datagram.ttl, payload))

    def _hear(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        """An error about a datagram that claims to be ours: whether it is, its transport decides (RFC 5927)."""
        kind = kind_of(message.type, message.code)
        if kind is None or datagram.link_broadcast:
            self._counters.add("IcmpInUnknownCode")
            return
        quoted = icmpv4.parse_quoted(message.payload)
        transport = self._ip.transports.get(quoted.protocol)
        if transport is None or not self._ip.owns(quoted.source):
            self._counters.add("IcmpInErrorsForNobody")
            return
        mtu = 0
        if kind == kinds.FRAGMENTATION_NEEDED:
            mtu = next_hop_mtu(message, quoted)
            if mtu >= quoted.total_octets:
                self._counters.add("IcmpInBadMtu")  # it did fit: forged (RFC 5927 7.2)
                return
        self._counters.add("IcmpInErrors")
        transport.on_error(IcmpError(kind, mtu, datagram.source, quoted), now)

    def _is_unspeakable(self, datagram: Datagram) -> bool:
        """What no error is ever about (RFC 1122 3.2.2, RFC 1812 4.3.2.7)."""
        head = datagram.packet.head
        offset = datagram.network_offset
        if datagram.link_broadcast or self._ip.is_broadcast(datagram.destination):
            return True
        if (head[offset + 6] & 0x1F) | head[offset + 7]:
            return True  # not the first fragment
        if datagram.protocol == PROTOCOL_ICMP and (datagram.octets < 1 or datagram.payload()[0] in icmpv4.ERROR_TYPES):
            return True
        if self._ip.owns(datagram.source):
            return False
        return not is_valid_source(datagram.source) or self._ip.is_broadcast(datagram.source)

    def _enqueue(self, reply: EchoReply) -> None:
        if len(self._replies) >= self._config.reply_queue:
            self._counters.add("IcmpReplyQueueDrops")
            return
        self._replies.append(reply)

    def _outgoing(self, message: bytes, tos: int, dont_fragment: bool) -> Outgoing:
        return Outgoing(
            protocol=PROTOCOL_ICMP,
            head=message,
            body=(),
            octets=len(message),
            tos=tos,
            ttl=self._config.ttl,
            dont_fragment=dont_fragment,
            checksum=CHECKSUM_NONE,
        )


def next_hop_mtu(message: Icmp, quoted: Quoted) -> int:
    """What a router says that fits, or would say if it knew RFC 1191."""
    return message.rest & 0xFFFF or next_plateau(quoted.total_octets)


def _quote(datagram: Datagram, room: int) -> bytes:
    """The start of the datagram, from its IP header on, as much as there is room for."""
    offset = datagram.network_offset
    octets = datagram.offset - offset + datagram.octets
    packet = datagram.packet
    head = packet.head if len(packet.head) - offset >= room or not packet.body else packet.joined()
    return head[offset : offset + min(room, octets)]
