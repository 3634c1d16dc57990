"""ICMP for IPv4 (RFC 792, RFC 1122 3.2.2)."""

from collections import deque
from typing import Final

from halfopen.base.addresses import is_valid_source
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.stack import datagram as kinds
from halfopen.stack.config import IcmpConfig
from halfopen.stack.datagram import Datagram, IcmpError
from halfopen.stack.icmp import EchoReply, IcmpVersion
from halfopen.stack.ip import NetworkLayer
from halfopen.stack.ipv4 import HEADER_OCTETS, LARGEST_QUOTE
from halfopen.stack.ndp_changes import ChangeFollower, Redirected
from halfopen.stack.path import Path
from halfopen.stack.path_mtu import next_plateau
from halfopen.wire import icmpv4
from halfopen.wire.icmpv4 import Icmp, Quoted
from halfopen.wire.ipv4 import PROTOCOL_ICMP

_UNREACHABLE_KINDS: Final = {
    icmpv4.NET_UNREACHABLE: kinds.NET_UNREACHABLE,
    icmpv4.HOST_UNREACHABLE: kinds.HOST_UNREACHABLE,
    icmpv4.PROTOCOL_UNREACHABLE: kinds.PROTOCOL_UNREACHABLE,
    icmpv4.PORT_UNREACHABLE: kinds.PORT_UNREACHABLE,
    icmpv4.FRAGMENTATION_NEEDED: kinds.FRAGMENTATION_NEEDED,
    icmpv4.SOURCE_ROUTE_FAILED: kinds.SOURCE_ROUTE_FAILED,
    icmpv4.NET_UNKNOWN: kinds.NET_UNREACHABLE,
    icmpv4.HOST_UNKNOWN: kinds.HOST_UNKNOWN,
    icmpv4.SOURCE_HOST_ISOLATED: kinds.HOST_ISOLATED,
    icmpv4.NET_PROHIBITED: kinds.NET_PROHIBITED,
    icmpv4.HOST_PROHIBITED: kinds.ADMIN_PROHIBITED,
    icmpv4.NET_UNREACHABLE_FOR_TOS: kinds.NET_UNREACHABLE,
    icmpv4.HOST_UNREACHABLE_FOR_TOS: kinds.HOST_UNREACHABLE,
    icmpv4.COMMUNICATION_PROHIBITED: kinds.ADMIN_PROHIBITED,
    icmpv4.HOST_PRECEDENCE_VIOLATION: kinds.PRECEDENCE,
    icmpv4.PRECEDENCE_CUTOFF: kinds.PRECEDENCE,
}

_TIME_EXCEEDED_KINDS: Final = {
    icmpv4.TTL_EXCEEDED: kinds.TTL_EXCEEDED,
    icmpv4.REASSEMBLY_EXCEEDED: kinds.REASSEMBLY_EXCEEDED,
}

_ERRORS: Final = {
    kinds.NET_UNREACHABLE: (icmpv4.DESTINATION_UNREACHABLE, icmpv4.NET_UNREACHABLE),
    kinds.HOST_UNREACHABLE: (icmpv4.DESTINATION_UNREACHABLE, icmpv4.HOST_UNREACHABLE),
    kinds.PROTOCOL_UNREACHABLE: (icmpv4.DESTINATION_UNREACHABLE, icmpv4.PROTOCOL_UNREACHABLE),
    kinds.PORT_UNREACHABLE: (icmpv4.DESTINATION_UNREACHABLE, icmpv4.PORT_UNREACHABLE),
    kinds.ADMIN_PROHIBITED: (icmpv4.DESTINATION_UNREACHABLE, icmpv4.COMMUNICATION_PROHIBITED),
}

_LAST_REDIRECT: Final = 3
"""Of the codes for a network or host, whatever the type of service (RFC 792)."""


def kind_of(type: int, code: int) -> str | None:
    """What an ICMP error says, in words; None if it is no error that transports hear of."""
    if type == icmpv4.DESTINATION_UNREACHABLE:
        return _UNREACHABLE_KINDS.get(code)
    if type == icmpv4.TIME_EXCEEDED:
        return _TIME_EXCEEDED_KINDS.get(code)
    return kinds.PARAMETER_PROBLEM if type == icmpv4.PARAMETER_PROBLEM else None


class Icmpv4Layer(IcmpVersion):
    """ICMP of one host, for IPv4."""

    __slots__ = ("redirects",)

    protocol = PROTOCOL_ICMP
    echo_request = icmpv4.ECHO_REQUEST
    echo_reply = icmpv4.ECHO_REPLY
    prefix = "Icmp"
    errors = _ERRORS

    def __init__(self, ip: NetworkLayer, config: IcmpConfig, counters: Counters, replies: deque[EchoReply]) -> None:
        super().__init__(ip, config, counters, replies)
        self.redirects = ChangeFollower(ip.routes, counters, self.prefix)
        """The routes to single hosts that routers have told of."""

    def receive(self, datagram: Datagram, now: Instant) -> None:
        """One message for this host; raises Malformed."""
        message = icmpv4.parse(datagram.payload())
        if message.type == icmpv4.ECHO_REQUEST:
            self.answer(datagram, message, now)
        elif message.type == icmpv4.ECHO_REPLY:
            self.settle(datagram, message, now)
        elif message.type == icmpv4.SOURCE_QUENCH:
            self.count("InSourceQuenchIgnored")
        elif message.type == icmpv4.REDIRECT:
            self._receive_redirect(datagram, message)
        elif message.type in icmpv4.ERROR_TYPES:
            self._receive_error(datagram, message, now)
        else:
            self.count("InUnknownType")

    def emit(self, message: Icmp, path: Path) -> bytes:
        """The whole message; its checksum knows nothing of the path."""
        return icmpv4.emit(message)

    def room_for_quote(self, path: Path) -> int:
        """What 576 octets have room for (RFC 1812 4.3.2.3), and the path."""
        return min(LARGEST_QUOTE, path.mtu - HEADER_OCTETS - icmpv4.HEADER_OCTETS)

    def is_believable(self, error: IcmpError) -> bool:
        """Not if the datagram did fit: forged (RFC 5927 7.2)."""
        return error.mtu < error.quoted.total_octets

    def answers_many(self, config: IcmpConfig) -> bool:
        """As `IcmpConfig.echo_broadcast` says."""
        return config.echo_broadcast

    def is_unspeakable(self, datagram: Datagram, type: int, code: int) -> bool:
        """What no error is ever about (RFC 1122 3.2.2, RFC 1812 4.3.2.7)."""
        head = datagram.packet.head
        offset = datagram.network_offset
        if datagram.link_broadcast or self.ip.is_broadcast(datagram.destination):
            return True
        if (head[offset + 6] & 0x1F) | head[offset + 7]:
            return True  # not the first fragment
        if datagram.protocol == PROTOCOL_ICMP and (datagram.octets < 1 or datagram.payload()[0] in icmpv4.ERROR_TYPES):
            return True
        if self.ip.owns(datagram.source):
            return False
        return not is_valid_source(datagram.source) or self.ip.is_broadcast(datagram.source)

    def _receive_redirect(self, datagram: Datagram, message: Icmp) -> None:
        """A better first hop (RFC 1122 3.2.2.2): on this link, told by the one so far, about a datagram of ours."""
        if not self._config.accept_redirects or datagram.link_broadcast or message.code > _LAST_REDIRECT:
            self.count("InRedirectIgnored")
            return
        quoted = icmpv4.parse_quoted(message.payload)
        interface, gateway = datagram.interface, message.rest.to_bytes(4, "big")
        ours = interface.address_towards(gateway)
        if ours in (None, gateway) or not self.ip.owns(quoted.source) or self.ip.is_broadcast(gateway):
            self.count("InRedirectBad")
            return
        self.redirects.follow_redirect(Redirected(interface, quoted.destination, gateway, datagram.source))

    def _receive_error(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        kind = kind_of(message.type, message.code)
        if kind is None or datagram.link_broadcast:
            self.count("InUnknownCode")
            return
        quoted = icmpv4.parse_quoted(message.payload)
        mtu = next_hop_mtu(message, quoted) if kind == kinds.FRAGMENTATION_NEEDED else 0
        self.hear(IcmpError(kind, mtu, datagram.source, quoted), now)


def next_hop_mtu(message: Icmp, quoted: Quoted) -> int:
    """What a router says that fits, or would say if it knew RFC 1191."""
    return message.rest & 0xFFFF or next_plateau(quoted.total_octets)
