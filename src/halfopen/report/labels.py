"""What an arrow of a ladder diagram says about a packet, in the notation of tcpdump."""

from collections.abc import Callable
from dataclasses import dataclass

from halfopen.base.addresses import format_address, format_mac, is_unspecified
from halfopen.base.errors import Malformed
from halfopen.report.streams import StreamView
from halfopen.wire import arp, icmpv4, icmpv6, ipv4, tcp
from halfopen.wire.arp import Arp
from halfopen.wire.carried import Carried
from halfopen.wire.describe import flag_names, option_words
from halfopen.wire.describe_icmpv6 import describe_icmpv6
from halfopen.wire.icmpv4 import Icmp, Quoted
from halfopen.wire.tcp import Segment

_ICMP_TYPES = {
    icmpv4.ECHO_REPLY: "echo reply",
    icmpv4.SOURCE_QUENCH: "source quench",
    icmpv4.REDIRECT: "redirect",
    icmpv4.ECHO_REQUEST: "echo request",
    icmpv4.ROUTER_ADVERTISEMENT: "router advertisement",
    icmpv4.ROUTER_SOLICITATION: "router solicitation",
    icmpv4.PARAMETER_PROBLEM: "parameter problem",
    icmpv4.TIMESTAMP_REQUEST: "timestamp request",
    icmpv4.TIMESTAMP_REPLY: "timestamp reply",
}
_ICMP_CODES = {
    (icmpv4.DESTINATION_UNREACHABLE, icmpv4.NET_UNREACHABLE): "net unreachable",
    (icmpv4.DESTINATION_UNREACHABLE, icmpv4.HOST_UNREACHABLE): "host unreachable",
    (icmpv4.DESTINATION_UNREACHABLE, icmpv4.PROTOCOL_UNREACHABLE): "protocol unreachable",
    (icmpv4.DESTINATION_UNREACHABLE, icmpv4.PORT_UNREACHABLE): "port unreachable",
    (icmpv4.DESTINATION_UNREACHABLE, icmpv4.FRAGMENTATION_NEEDED): "fragmentation needed",
    (icmpv4.DESTINATION_UNREACHABLE, icmpv4.SOURCE_ROUTE_FAILED): "source route failed",
    (icmpv4.TIME_EXCEEDED, icmpv4.TTL_EXCEEDED): "TTL exceeded",
    (icmpv4.TIME_EXCEEDED, icmpv4.REASSEMBLY_EXCEEDED): "reassembly time exceeded",
}
_PROTOCOLS = {ipv4.PROTOCOL_ICMP: "icmp", ipv4.PROTOCOL_TCP: "tcp", ipv4.PROTOCOL_UDP: "udp"}


@dataclass(slots=True, frozen=True)
class Text:
    """The parts of an arrow's text, as `halfopen.report.arrows.Arrow` has them."""

    label: str
    details: str = ""
    note: str = ""


def of_arp(message: Arp) -> Text:
    """``"ARP who-has 192.0.2.1 tell 192.0.2.2"``, ``"ARP 192.0.2.1 is-at 02:00:5e:10:00:01"`` (RFC 826, RFC 5227)."""
    sender, target = format_address(message.sender_address), format_address(message.target_address)
    mac = format_mac(message.sender_mac)
    if message.operation == arp.REPLY:
        return Text(f"ARP {sender} is-at {mac}")
    if message.operation != arp.REQUEST:
        return Text(f"ARP operation {message.operation}")
    if message.sender_address == message.target_address:
        return Text(f"ARP announcement: {sender} is-at {mac}")
    if is_unspecified(message.sender_address):
        return Text(f"ARP probe: who-has {target}")
    return Text(f"ARP who-has {target} tell {sender}")


def version_of(carried: Carried) -> int:
    """4 or 6."""
    return 4 if len(carried.source) == 4 else 6


def of_fragment(carried: Carried) -> Text:
    """``"IPv4 fragment id=7 octets 0:1480, more follow"`` (RFC 791 3.2, RFC 8200 4.5)."""
    start, has_more, identification = carried.fragment or (0, False, 0)
    more = ", more follow" if has_more else ""
    version, stop = version_of(carried), start + carried.octets
    return Text(f"IPv{version} fragment id={identification} octets {start}:{stop}{more}")


def of_icmp(message: Icmp, version: int = 4) -> Text:
    """``"ICMP echo request id=1 seq=2 len=56"``, or the name of an error and whom it is about."""
    if version == 6:
        about = _about(icmpv6.parse_quoted, message.payload) if icmpv6.is_error(message.type) else ""
        return Text(f"ICMP6 {describe_icmpv6(message)}", about)
    name = _ICMP_CODES.get((message.type, message.code)) or _ICMP_TYPES.get(message.type)
    label = f"ICMP {name}" if name else f"ICMP type {message.type} code {message.code}"
    if message.type in (icmpv4.ECHO_REQUEST, icmpv4.ECHO_REPLY):
        return Text(f"{label} id={message.rest >> 16} seq={message.rest & 0xFFFF} len={len(message.payload)}")
    if name == "fragmentation needed":
        label += f" mtu={message.rest & 0xFFFF}"
    return Text(label, _about(icmpv4.parse_quoted, message.payload) if message.type in icmpv4.ERROR_TYPES else "")


def _about(parse_quoted: Callable[[bytes], Quoted], payload: bytes) -> str:
    """The datagram that an error quotes: ``"about 192.0.2.1:40000 > 192.0.2.2:80 tcp"``."""
    try:
        quoted = parse_quoted(payload)
    except Malformed:
        return ""
    source, destination = format_address(quoted.source), format_address(quoted.destination)
    if quoted.protocol in (ipv4.PROTOCOL_TCP, ipv4.PROTOCOL_UDP):
        source += f":{int.from_bytes(quoted.transport[:2], 'big')}"
        destination += f":{int.from_bytes(quoted.transport[2:4], 'big')}"
    return f"about {source} > {destination} {_PROTOCOLS.get(quoted.protocol, f'protocol {quoted.protocol}')}"


def of_segment(segment: Segment, views: tuple[StreamView, StreamView] | None = None, note: str = "") -> Text:
    """``"SYN seq=3134554921 win=64240"`` and ``"<mss 1460,sackOK,TS val 1 ecr 0,wscale 8>"``.

    ``views`` are those of the sender's stream and of the receiver's, from which sequence numbers are then counted. The
    window is the field as it stands in the header, without scale.
    """
    seq, ack = segment.seq, segment.ack
    if views:
        seq, ack = views[0].offset(seq), views[1].offset(ack) if segment.flags & tcp.ACK else 0
    parts = [",".join(flag_names(segment.flags)) or "no flags", f"seq={seq}"]
    if segment.flags & tcp.ACK:
        parts.append(f"ack={ack}")
    parts.append(f"win={segment.window}")
    if segment.flags & tcp.URG:
        parts.append(f"urg={segment.urgent}")
    if segment.octets:
        parts.append(f"len={segment.octets}")
    if segment.options is None:
        return Text(" ".join(parts), note=note)
    edges = segment.options.sack
    if views:
        edges = tuple((views[1].offset(left), views[1].offset(right)) for left, right in edges)
    if edges:
        parts.append("sack " + " ".join(f"{left}:{right}" for left, right in edges))
    words = ",".join(option_words(segment.options))
    return Text(" ".join(parts), f"<{words}>" if words else "", note)
