"""ICMP for IPv6 (RFC 4443)."""

from collections import deque
from typing import Final

from halfopen.base.addresses import is_multicast, is_unspecified
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import Malformed
from halfopen.stack import datagram as kinds
from halfopen.stack.config import IcmpConfig
from halfopen.stack.datagram import Datagram, IcmpError
from halfopen.stack.icmp import EchoReply, IcmpVersion
from halfopen.stack.ipv6 import Ipv6Layer
from halfopen.stack.path import Path
from halfopen.wire import icmpv6, ipv6_headers, ndp
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv6 import FRAGMENT, MINIMUM_MTU, PROTOCOL_ICMPV6

_KINDS: Final = {
    (icmpv6.DESTINATION_UNREACHABLE, icmpv6.NO_ROUTE): kinds.NET_UNREACHABLE,
    (icmpv6.DESTINATION_UNREACHABLE, icmpv6.ADMINISTRATIVELY_PROHIBITED): kinds.ADMIN_PROHIBITED,
    (icmpv6.DESTINATION_UNREACHABLE, icmpv6.BEYOND_SCOPE): kinds.HOST_UNREACHABLE,
    (icmpv6.DESTINATION_UNREACHABLE, icmpv6.ADDRESS_UNREACHABLE): kinds.HOST_UNREACHABLE,
    (icmpv6.DESTINATION_UNREACHABLE, icmpv6.PORT_UNREACHABLE): kinds.PORT_UNREACHABLE,
    (icmpv6.DESTINATION_UNREACHABLE, icmpv6.SOURCE_POLICY_FAILED): kinds.ADMIN_PROHIBITED,
    (icmpv6.DESTINATION_UNREACHABLE, icmpv6.ROUTE_REJECTED): kinds.ADMIN_PROHIBITED,
    (icmpv6.PACKET_TOO_BIG, 0): kinds.FRAGMENTATION_NEEDED,
    (icmpv6.TIME_EXCEEDED, icmpv6.HOP_LIMIT_EXCEEDED): kinds.TTL_EXCEEDED,
    (icmpv6.TIME_EXCEEDED, icmpv6.REASSEMBLY_EXCEEDED): kinds.REASSEMBLY_EXCEEDED,
    (icmpv6.PARAMETER_PROBLEM, icmpv6.ERRONEOUS_FIELD): kinds.PARAMETER_PROBLEM,
    (icmpv6.PARAMETER_PROBLEM, icmpv6.UNRECOGNIZED_NEXT_HEADER): kinds.PROTOCOL_UNREACHABLE,
    (icmpv6.PARAMETER_PROBLEM, icmpv6.UNRECOGNIZED_OPTION): kinds.PARAMETER_PROBLEM,
    (icmpv6.PARAMETER_PROBLEM, icmpv6.INCOMPLETE_CHAIN): kinds.PARAMETER_PROBLEM,
}

_ERRORS: Final = {
    kinds.NET_UNREACHABLE: (icmpv6.DESTINATION_UNREACHABLE, icmpv6.NO_ROUTE),
    kinds.HOST_UNREACHABLE: (icmpv6.DESTINATION_UNREACHABLE, icmpv6.ADDRESS_UNREACHABLE),
    kinds.PORT_UNREACHABLE: (icmpv6.DESTINATION_UNREACHABLE, icmpv6.PORT_UNREACHABLE),
    kinds.PROTOCOL_UNREACHABLE: (icmpv6.PARAMETER_PROBLEM, icmpv6.UNRECOGNIZED_NEXT_HEADER),
    kinds.ADMIN_PROHIBITED: (icmpv6.DESTINATION_UNREACHABLE, icmpv6.ADMINISTRATIVELY_PROHIBITED),
}

_TOLD_OF_GROUPS: Final = frozenset({(icmpv6.PACKET_TOO_BIG, 0), (icmpv6.PARAMETER_PROBLEM, icmpv6.UNRECOGNIZED_OPTION)})
"""Errors that may be sent even about packets to a group (RFC 4443 2.4 (e.3))."""

_MULTICAST_LISTENERS: Final = frozenset(
    {
        icmpv6.MULTICAST_LISTENER_REPORT,
        icmpv6.MULTICAST_LISTENER_DONE,
        icmpv6.MULTICAST_LISTENER_REPORT_V2,
    }
)


def kind_of(type: int, code: int) -> str | None:
    """What an ICMPv6 error says, in words; None if it is no error that transports hear of."""
    return _KINDS.get((type, 0 if type == icmpv6.PACKET_TOO_BIG else code))


class Icmpv6Layer(IcmpVersion):
    """ICMP of one host, for IPv6."""

    __slots__ = ("_network",)

    protocol = PROTOCOL_ICMPV6
    echo_request = icmpv6.ECHO_REQUEST
    echo_reply = icmpv6.ECHO_REPLY
    prefix = "Icmp6"
    errors = _ERRORS

    def __init__(
        self,
        ip: Ipv6Layer,
        config: IcmpConfig,
        counters: Counters,
        replies: deque[EchoReply],
    ) -> None:
        super().__init__(ip, config, counters, replies)
        self._network = ip

    def receive(self, datagram: Datagram, now: Instant) -> None:
        """One message for this host; raises Malformed."""
        message = icmpv6.parse(datagram.payload(), datagram.source, datagram.destination)
        kind = message.type
        if kind == icmpv6.ECHO_REQUEST:
            self._receive_echo(datagram, message, now)
        elif kind == icmpv6.ECHO_REPLY:
            self.settle(datagram, message, now)
        elif kind in ndp.TYPES:
            self._network.discover(datagram, message, now)
        elif kind == icmpv6.MULTICAST_LISTENER_QUERY:
            self._network.hear_query(datagram, message, now)
        elif kind in _MULTICAST_LISTENERS:
            self.count("InMulticastListenersIgnored")
        elif icmpv6.is_error(kind):
            self._receive_error(datagram, message, now)
        else:
            self.count("InUnknownType")

    def emit(self, message: Icmp, path: Path) -> bytes:
        """The whole message; its checksum is over the addresses, too (RFC 4443 2.3)."""
        return icmpv6.emit(message, path.source, path.destination)

    def room_for_quote(self, path: Path) -> int:
        """As much as fits into the minimum MTU (RFC 4443 2.4 (c))."""
        return icmpv6.LARGEST_QUOTE

    def ttl_along(self, path: Path) -> int:
        """What a router recommends on the link, if one does (RFC 4861 6.3.4)."""
        return self._network.recommended_hop_limit(path.interface) or super().ttl_along(path)

    def is_believable(self, error: IcmpError) -> bool:
        """Not below what every link carries (RFC 8201 4), nor if the packet did fit: forged."""
        return MINIMUM_MTU <= error.mtu < error.quoted.total_octets

    def answers_many(self, config: IcmpConfig) -> bool:
        """As `IcmpConfig.echo_multicast` says."""
        return config.echo_multicast

    def is_unspeakable(self, datagram: Datagram, type: int, code: int) -> bool:
        """What no error is ever about (RFC 4443 2.4 (e))."""
        is_for_many = datagram.link_broadcast or is_multicast(datagram.destination)
        if is_for_many and (type, code) not in _TOLD_OF_GROUPS:
            return True
        if is_unspecified(datagram.source) or is_multicast(datagram.source):
            return True
        return _is_about_another(datagram.protocol, datagram.payload())

    def _receive_echo(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        if is_unspecified(datagram.source):
            self.count("InEchoIgnored")
        else:
            self.answer(datagram, message, now)

    def _receive_error(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        kind = kind_of(message.type, message.code)
        if kind is None or datagram.link_broadcast:
            self.count("InUnknownCode")
            return
        quoted = icmpv6.parse_quoted(message.payload)
        mtu = message.rest if kind == kinds.FRAGMENTATION_NEEDED else 0
        self.hear(IcmpError(kind, mtu, datagram.source, quoted), now)


def _is_about_another(kind: int, octets: bytes) -> bool:
    """Whether there is an ICMPv6 error, behind whatever extension headers.

    A message that ends before its type may be one, unless it is a fragment, whose sender is to hear of just that.
    """
    try:
        protocol, at = ipv6_headers.skip(octets, 0, len(octets), kind)
    except Malformed:
        return False
    if at >= len(octets):
        return protocol == PROTOCOL_ICMPV6 and kind != FRAGMENT
    return protocol == PROTOCOL_ICMPV6 and icmpv6.is_error(octets[at])
