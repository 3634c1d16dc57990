"""ICMP, both versions: answering echo, telling of errors sparingly, hearing of them with suspicion.

What is the same for both is here (RFC 1122 3.2.2, RFC 4443 2.4); `halfopen.stack.icmpv4` and `halfopen.stack.icmpv6`
know the messages.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from halfopen.base.addresses import Address
from halfopen.base.clock import Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import NetworkUnreachable
from halfopen.stack import datagram as kinds
from halfopen.stack.config import IcmpConfig
from halfopen.stack.datagram import Datagram, IcmpError, Outgoing, Transport
from halfopen.stack.ip import NetworkLayer
from halfopen.stack.path import Path
from halfopen.stack.token_bucket import TokenBucket
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.packet import CHECKSUM_NONE

REPLY = "reply"

INTERNETWORK_CONTROL = 0xC0
"""The precedence of ICMP errors (RFC 1812 4.3.2.5)."""

PENDING_LIMIT = 4096


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


class IcmpVersion(Transport):
    """ICMP of one version of IP."""

    __slots__ = ("_bucket", "_config", "_counters", "_pending", "_replies", "ip")

    protocol: ClassVar[int]
    echo_request: ClassVar[int]
    echo_reply: ClassVar[int]
    prefix: ClassVar[str]
    """Of counters."""
    errors: ClassVar[Mapping[str, tuple[int, int]]]
    """Type and code by the kinds of `halfopen.stack.datagram`."""

    def __init__(self, ip: NetworkLayer, config: IcmpConfig, counters: Counters, replies: deque[EchoReply]) -> None:
        self.ip = ip
        self._config = config
        self._counters = counters
        self._replies = replies
        self._bucket = TokenBucket(config.error_interval, config.error_burst)
        self._pending: dict[int, EchoRequest] = {}
        ip.transports[self.protocol] = self

    @abstractmethod
    def emit(self, message: Icmp, path: Path) -> bytes:
        """The whole message as it goes along ``path``."""

    @abstractmethod
    def room_for_quote(self, path: Path) -> int:
        """How many octets of a datagram an error may quote."""

    @abstractmethod
    def is_unspeakable(self, datagram: Datagram, type: int, code: int) -> bool:
        """Whether an error about ``datagram`` must not be sent."""

    @abstractmethod
    def answers_many(self, config: IcmpConfig) -> bool:
        """Whether an echo request to several hosts is answered."""

    @abstractmethod
    def is_believable(self, error: IcmpError) -> bool:
        """Whether the MTU may be true that ``error`` tells."""

    def configure(self, config: IcmpConfig) -> None:
        """Another configuration from now on."""
        self._config = config
        self._bucket = TokenBucket(config.error_interval, config.error_burst)

    def send_echo(self, destination: Address, identifier: int, sequence: int, payload: bytes, now: Instant) -> None:
        """Sends an echo request; what comes of it is for `IcmpLayer.poll_reply`. Raises NetworkUnreachable."""
        path = self.ip.find_path(destination, None, now)
        rest = identifier << 16 | sequence
        if len(self._pending) >= PENDING_LIMIT:
            del self._pending[next(iter(self._pending))]
        self._pending[rest] = EchoRequest(destination, now)
        self.count("OutEchos")
        self.send(path, Icmp(self.echo_request, 0, rest, payload), 0, now)

    def send_error(self, type: int, code: int, datagram: Datagram, now: Instant, rest: int = 0) -> None:
        """Tells the sender of ``datagram`` what is wrong with it, unless nothing may be said or too much has been.

        ``rest`` is the second word: the next hop's MTU, or a pointer.
        """
        if self.is_unspeakable(datagram, type, code):
            self.count("OutSuppressed")
            return
        if not self._bucket.take(now):
            self.count("OutRateLimited")
            return
        source = datagram.destination if self.ip.owns(datagram.destination) else None
        try:
            path = self.ip.find_path(datagram.source, source, now, datagram.interface)
        except NetworkUnreachable:
            self.count("OutNoRoutes")
            return
        quote = _quote(datagram, self.room_for_quote(path))
        self.count("OutErrors")
        self.send(path, Icmp(type, code, rest, quote), INTERNETWORK_CONTROL, now)

    def send(self, path: Path, message: Icmp, tos: int, now: Instant) -> None:
        """Puts a message on its way; it is cut where it does not fit."""
        octets = self.emit(message, path)
        outgoing = Outgoing(
            protocol=self.protocol,
            head=octets,
            body=(),
            octets=len(octets),
            tos=tos,
            ttl=self.ttl_along(path),
            dont_fragment=len(octets) + self.ip.header_octets <= path.mtu,
            checksum=CHECKSUM_NONE,
        )
        self.ip.send(path, outgoing, now)

    def ttl_along(self, path: Path) -> int:
        """Of messages of ours."""
        return self._config.ttl

    def on_error(self, error: IcmpError, now: Instant) -> None:
        """An error about an ICMP message of ours: an echo request, or nothing that we asked for."""
        transport = error.quoted.transport
        rest = int.from_bytes(transport[4:8], "big")
        request = self._pending.get(rest) if transport[0] == self.echo_request else None
        if request is None or request.destination != error.quoted.destination:
            self.count("InErrorsForNobody")
            return
        if error.kind == kinds.FRAGMENTATION_NEEDED:
            self.ip.update_path_mtu(request.destination, error.mtu, now)
        del self._pending[rest]
        self._enqueue(EchoReply(error.kind, error.source, rest >> 16, rest & 0xFFFF, now - request.sent))

    def answer(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        """Echo reply: the same identifier, sequence number, data and DSCP, addresses swapped (RFC 1122 3.2.2.6)."""
        if not self._config.echo or (datagram.link_broadcast and not self.answers_many(self._config)):
            self.count("InEchoIgnored")
            return
        source = None if datagram.link_broadcast else datagram.destination
        try:
            path = self.ip.find_path(datagram.source, source, now, datagram.interface)
        except NetworkUnreachable:
            self.count("OutNoRoutes")
            return
        self.count("OutEchoReps")
        self.send(path, Icmp(self.echo_reply, 0, message.rest, message.payload), datagram.tos, now)

    def settle(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        """An echo reply, if it is to a request of ours."""
        rest = message.rest
        request = self._pending.get(rest)
        if request is None or (
            request.destination != datagram.source and not self.ip.is_broadcast(request.destination)
        ):
            self.count("InEchoRepUnexpected")
            return
        del self._pending[rest]
        identifier, sequence = rest >> 16, rest & 0xFFFF
        rtt = now - request.sent
        self._enqueue(EchoReply(REPLY, datagram.source, identifier, sequence, rtt, datagram.ttl, message.payload))

    def hear(self, error: IcmpError, now: Instant) -> None:
        """An error about a datagram that claims to be ours: whether it is, its transport decides (RFC 5927)."""
        transport = self.ip.transports.get(error.quoted.protocol)
        if transport is None or not self.ip.owns(error.quoted.source):
            self.count("InErrorsForNobody")
        elif error.kind == kinds.FRAGMENTATION_NEEDED and not self.is_believable(error):
            self.count("InBadMtu")
        else:
            self.count("InErrors")
            transport.on_error(error, now)

    def count(self, name: str) -> None:
        """Counts under this version's name."""
        self._counters.add(self.prefix + name)

    def _enqueue(self, reply: EchoReply) -> None:
        if len(self._replies) >= self._config.reply_queue:
            self.count("ReplyQueueDrops")
            return
        self._replies.append(reply)


class IcmpLayer:
    """ICMP of one host: each address is served by its version."""

    __slots__ = ("_replies", "v4", "v6")

    def __init__(self, v4: IcmpVersion, v6: IcmpVersion, replies: deque[EchoReply]) -> None:
        self.v4 = v4
        self.v6 = v6
        self._replies = replies

    def configure(self, config: IcmpConfig) -> None:
        """Another configuration from now on."""
        self.v4.configure(config)
        self.v6.configure(config)

    def send_echo(self, destination: Address, identifier: int, sequence: int, payload: bytes, now: Instant) -> None:
        """Sends an echo request; what comes of it is for `poll_reply`. Raises NetworkUnreachable."""
        self._version_of(destination).send_echo(destination, identifier, sequence, payload, now)

    def poll_reply(self) -> EchoReply | None:
        """The oldest answer to a request of ours, or error about one."""
        return self._replies.popleft() if self._replies else None

    @property
    def has_replies(self) -> bool:
        """Whether `poll_reply` has something."""
        return bool(self._replies)

    def send_error(self, kind: str, datagram: Datagram, now: Instant) -> None:
        """Tells the sender of ``datagram`` what is wrong with it, in the words of `halfopen.stack.datagram`."""
        version = self._version_of(datagram.source)
        version.send_error(*version.errors[kind], datagram, now)

    def _version_of(self, address: Address) -> IcmpVersion:
        return self.v4 if len(address) == 4 else self.v6


def _quote(datagram: Datagram, room: int) -> bytes:
    """The start of the datagram, from its IP header on, as much as there is room for."""
    offset = datagram.network_offset
    octets = datagram.offset - offset + datagram.octets
    packet = datagram.packet
    head = packet.head if len(packet.head) - offset >= room or not packet.body else packet.joined()
    return head[offset : offset + min(room, octets)]
