"""An ICMPv6 message in words, in the manner of tcpdump."""

from typing import Final

from halfopen.base.addresses import format_address
from halfopen.wire import icmpv6, ndp
from halfopen.wire.icmpv4 import Icmp

_UNREACHABLE: Final = {
    icmpv6.NO_ROUTE: "unreachable route {destination}",
    icmpv6.ADMINISTRATIVELY_PROHIBITED: "unreachable prohibited {destination}",
    icmpv6.BEYOND_SCOPE: "beyond scope {destination}",
    icmpv6.ADDRESS_UNREACHABLE: "unreachable address {destination}",
    icmpv6.PORT_UNREACHABLE: "unreachable port, {destination} port {port}",
    icmpv6.SOURCE_POLICY_FAILED: "source address failed ingress policy {destination}",
    icmpv6.ROUTE_REJECTED: "reject route {destination}",
}

_PROBLEMS: Final = {
    icmpv6.ERRONEOUS_FIELD: "erroneous",
    icmpv6.UNRECOGNIZED_NEXT_HEADER: "next header",
    icmpv6.UNRECOGNIZED_OPTION: "option",
    icmpv6.INCOMPLETE_CHAIN: "incomplete header chain",
}

_NAMES: Final = {
    icmpv6.MULTICAST_LISTENER_QUERY: "multicast listener query",
    icmpv6.MULTICAST_LISTENER_REPORT: "multicast listener report",
    icmpv6.MULTICAST_LISTENER_DONE: "multicast listener done",
    icmpv6.MULTICAST_LISTENER_REPORT_V2: "multicast listener report v2",
}


def describe_icmpv6(message: Icmp) -> str:
    """What the message says; raises Malformed."""
    if message.type in ndp.TYPES:
        return _describe_ndp(ndp.parse(message))
    if message.type in (icmpv6.ECHO_REQUEST, icmpv6.ECHO_REPLY):
        what = "request" if message.type == icmpv6.ECHO_REQUEST else "reply"
        return f"echo {what}, id {message.rest >> 16}, seq {message.rest & 0xFFFF}"
    if message.type == icmpv6.DESTINATION_UNREACHABLE:
        return f"destination unreachable, {_describe_unreachable(message)}"
    if message.type == icmpv6.PACKET_TOO_BIG:
        return f"packet too big, mtu {message.rest}"
    if message.type == icmpv6.TIME_EXCEEDED:
        is_in_transit = message.code == icmpv6.HOP_LIMIT_EXCEEDED
        return "time exceeded in-transit" if is_in_transit else "ip reassembly time exceeded"
    if message.type == icmpv6.PARAMETER_PROBLEM:
        return f"parameter problem, {_PROBLEMS.get(message.code, f'code {message.code}')} - octet {message.rest}"
    return _NAMES.get(message.type, f"type-{message.type}, code {message.code}")


def _describe_unreachable(message: Icmp) -> str:
    quoted = icmpv6.parse_quoted(message.payload)
    return _UNREACHABLE.get(message.code, "code {code}, {destination}").format(
        destination=format_address(quoted.destination),
        port=int.from_bytes(quoted.transport[2:4], "big"),
        code=message.code,
    )


def _describe_ndp(message: ndp.Message) -> str:
    if isinstance(message, ndp.RouterSolicitation):
        return "router solicitation"
    if isinstance(message, ndp.RouterAdvertisement):
        prefixes = "".join(f", prefix {information.prefix}" for information in message.options.prefixes)
        return f"router advertisement, lifetime {message.lifetime}s{prefixes}"
    if isinstance(message, ndp.NeighborSolicitation):
        return f"neighbor solicitation, who has {format_address(message.target)}"
    if isinstance(message, ndp.NeighborAdvertisement):
        bits = ((message.router, "router"), (message.solicited, "solicited"), (message.override, "override"))
        flags = ",".join(name for bit, name in bits if bit)
        return f"neighbor advertisement, tgt is {format_address(message.target)}, Flags [{flags or 'none'}]"
    return f"redirect, {format_address(message.destination)} to {format_address(message.target)}"
