"""One line a packet, in the manner of tcpdump: what captures, ladders and traces show."""

from collections.abc import Callable
from typing import Final

from halfopen.base.addresses import format_address, format_mac
from halfopen.base.errors import Malformed
from halfopen.wire import arp, ethernet, icmpv4, icmpv6, ipv4, ipv6, ipv6_headers, tcp, tcp_options, udp
from halfopen.wire.describe_icmpv6 import describe_icmpv6
from halfopen.wire.packet import Packet

_UNLIMITED: Final = 1 << 16
"""Longer than every datagram: a capture may have cut the packet off, and what is missing can still be counted."""

_FLAGS: Final = (
    (tcp.FIN, "F", "FIN"),
    (tcp.SYN, "S", "SYN"),
    (tcp.RST, "R", "RST"),
    (tcp.PSH, "P", "PSH"),
    (tcp.ACK, ".", "ACK"),
    (tcp.URG, "U", "URG"),
    (tcp.ECE, "E", "ECE"),
    (tcp.CWR, "W", "CWR"),
    (tcp.AE, "e", "AE"),
)
"""The control bits (RFC 9293 3.1), with tcpdump's letters."""

_UNREACHABLE: Final = {
    icmpv4.NET_UNREACHABLE: "net {destination} unreachable",
    icmpv4.HOST_UNREACHABLE: "host {destination} unreachable",
    icmpv4.PROTOCOL_UNREACHABLE: "{destination} protocol {protocol} unreachable",
    icmpv4.PORT_UNREACHABLE: "{destination} port {port} unreachable",
    icmpv4.FRAGMENTATION_NEEDED: "{destination} unreachable - need to frag (mtu {mtu})",
    icmpv4.SOURCE_ROUTE_FAILED: "{destination} unreachable - source route failed",
    icmpv4.NET_PROHIBITED: "net {destination} unreachable - admin prohibited",
    icmpv4.HOST_PROHIBITED: "host {destination} unreachable - admin prohibited",
    icmpv4.COMMUNICATION_PROHIBITED: "{destination} unreachable - admin prohibited filter",
}


def describe(data: bytes, kind: str) -> str:
    """The packet in one line; ``kind`` is ``"ethernet"`` or ``"ip"``. Octets that are no packet are said to be none."""
    try:
        return _describe_frame(data) if kind == "ethernet" else _describe_ip(data, 0)
    except Malformed as malformed:
        return f"malformed ({malformed.reason}), length {len(data)}"


def _describe_frame(data: bytes) -> str:
    _, source, ethertype = ethernet.parse(data)
    if ethertype in (ethernet.ETHERTYPE_IPV4, ethernet.ETHERTYPE_IPV6):
        return _describe_ip(data, ethernet.HEADER_OCTETS)
    octets = len(data) - ethernet.HEADER_OCTETS
    if ethertype != ethernet.ETHERTYPE_ARP:
        return f"{format_mac(source)}: ethertype 0x{ethertype:04x}, length {octets}"
    return f"{_describe_arp(arp.parse(data, ethernet.HEADER_OCTETS))}, length {octets}"


def _describe_arp(packet: arp.Arp) -> str:
    sender = format_address(packet.sender_address)
    target = format_address(packet.target_address)
    if packet.operation == arp.REQUEST:
        return f"ARP, Announcement {sender}" if sender == target else f"ARP, Request who-has {target} tell {sender}"
    if packet.operation == arp.REPLY:
        return f"ARP, Reply {sender} is-at {format_mac(packet.sender_mac)}"
    return f"ARP, operation {packet.operation} from {sender}"


def _describe_ip(data: bytes, offset: int) -> str:
    if len(data) > offset and data[offset] >> 4 == 6:
        return _describe_ipv6(data, offset)
    header = ipv4.parse(data, offset, _UNLIMITED)
    source = format_address(header.source)
    destination = format_address(header.destination)
    octets = header.total_octets - header.header_octets
    if header.fragment_offset:
        more = "+" if header.more_fragments else ""
        where = f"{octets}@{header.fragment_offset}{more}"
        return f"{source} > {destination}: ip-proto-{header.protocol}, fragment {header.identification}:{where}"
    start = offset + header.header_octets
    describer = _DESCRIBERS.get(header.protocol)
    if describer is None:
        return f"{source} > {destination}: ip-proto-{header.protocol}, length {octets}"
    return describer(source, destination, data, start, octets)


def _describe_ipv6(data: bytes, offset: int) -> str:
    """Extension headers are passed over in silence, but for fragments: ``frag (offset|octets)``."""
    header = ipv6.parse(data, offset, _UNLIMITED)
    source = format_address(header.source)
    destination = format_address(header.destination)
    start = offset + ipv6.HEADER_OCTETS
    stop = start + header.payload_octets
    protocol, at = ipv6_headers.skip(data, start, min(stop, len(data)), header.next_header, into_fragment=False)
    octets = stop - at
    if protocol == ipv6.FRAGMENT:
        fragment = ipv6_headers.parse_fragment(data, at)
        more = "+" if fragment.more else ""
        where = f"{octets - ipv6_headers.FRAGMENT_OCTETS}@{fragment.offset}{more}"
        return f"{source} > {destination}: ip-proto-{fragment.next_header}, fragment {fragment.identification}:{where}"
    if protocol == ipv6.PROTOCOL_ICMPV6:
        message = icmpv6.parse(data[at:stop], header.source, header.destination)
        return f"{source} > {destination}: ICMP6, {describe_icmpv6(message)}, length {octets}"
    describer = _DESCRIBERS.get(protocol)
    if describer is None or protocol == ipv4.PROTOCOL_ICMP:
        return f"{source} > {destination}: ip-proto-{protocol}, length {octets}"
    return describer(source, destination, data, at, octets)


def _describe_tcp(source: str, destination: str, data: bytes, start: int, octets: int) -> str:
    missing = start + octets - len(data)
    segment = tcp.parse(Packet(data, (bytes(missing),) if missing > 0 else ()), start, octets)
    flags = "".join(letter for bit, letter, _ in _FLAGS if segment.flags & bit) or "none"
    parts = [f"{source}.{segment.source_port} > {destination}.{segment.destination_port}: Flags [{flags}]"]
    if segment.octets:
        parts.append(f"seq {segment.seq}:{segment.seq + segment.octets & 0xFFFFFFFF}")
    elif segment.flags & (tcp.SYN | tcp.FIN | tcp.RST):
        parts.append(f"seq {segment.seq}")
    if segment.flags & tcp.ACK:
        parts.append(f"ack {segment.ack}")
    parts.append(f"win {segment.window}")
    if segment.flags & tcp.URG:
        parts.append(f"urg {segment.urgent}")
    options = _describe_options(data, start + tcp.HEADER_OCTETS, start + (data[start + 12] >> 2 & 0x3C))
    if options:
        parts.append(f"options [{options}]")
    parts.append(f"length {segment.octets}")
    return ", ".join(parts)


def _describe_options(data: bytes, at: int, stop: int) -> str:
    """Option by option as they stand, padding included, which `tcp_options.parse` has found to be well formed."""
    parts: list[str] = []
    while at < stop:
        kind = data[at]
        if kind in (tcp_options.END, tcp_options.NO_OPERATION):
            parts.append("nop" if kind else "eol")
            at = at + 1 if kind else stop
            continue
        octets = data[at + 1]
        parts.append(_describe_option(tcp_options.parse(data, at, at + octets) or tcp_options.Options()))
        at += octets
    return ",".join(parts)


def _describe_option(option: tcp_options.Options) -> str:
    if option.sack:
        return f"sack {len(option.sack)} " + "".join(f"{{{left}:{right}}}" for left, right in option.sack)
    return option_words(option)[0]


def flag_names(flags: int) -> list[str]:
    """``["SYN", "ACK"]``: the control bits that are set, by name, from FIN on."""
    return [name for bit, _, name in _FLAGS if flags & bit]


def option_words(options: tcp_options.Options) -> list[str]:
    """``["mss 1460", "sackOK"]``: what was in a header but SACK blocks, in the order in which Linux sends it."""
    words: list[str] = []
    if options.mss is not None:
        words.append(f"mss {options.mss}")
    if options.sack_permitted:
        words.append("sackOK")
    if options.timestamps is not None:
        words.append(f"TS val {options.timestamps[0]} ecr {options.timestamps[1]}")
    if options.window_scale is not None:
        words.append(f"wscale {options.window_scale}")
    if options.fast_open is not None:
        kind, cookie = options.fast_open
        name = "tfo" if kind == tcp_options.FAST_OPEN else "exp-tfo"
        words.append(f"{name} cookie {cookie.hex()}" if cookie else f"{name} cookiereq")
    words += [_describe_unknown(kind, value) for kind, value in options.unknown]
    return words


def _describe_unknown(kind: int, value: bytes) -> str:
    """One that `tcp_options` leaves to others."""
    if kind == tcp_options.AUTHENTICATION and len(value) > 2:
        return f"tcp-ao keyid {value[0]} rnextkeyid {value[1]} mac 0x{value[2:].hex()}"
    name = "md5" if kind == tcp_options.MD5_SIGNATURE else f"unknown-{kind}"
    return f"{name} 0x{value.hex()}" if value else name


def _describe_udp(source: str, destination: str, data: bytes, start: int, octets: int) -> str:
    source_port, destination_port, _, payload_octets, _ = udp.parse(data, start, octets)
    return f"{source}.{source_port} > {destination}.{destination_port}: UDP, length {payload_octets}"


def _describe_icmp(source: str, destination: str, data: bytes, start: int, octets: int) -> str:
    message = icmpv4.parse(data[start : start + octets])
    return f"{source} > {destination}: ICMP {_describe_message(message)}, length {octets}"


def _describe_message(message: icmpv4.Icmp) -> str:
    if message.type in (icmpv4.ECHO_REQUEST, icmpv4.ECHO_REPLY):
        what = "request" if message.type == icmpv4.ECHO_REQUEST else "reply"
        return f"echo {what}, id {message.rest >> 16}, seq {message.rest & 0xFFFF}"
    if message.type == icmpv4.DESTINATION_UNREACHABLE:
        return _describe_unreachable(message)
    if message.type == icmpv4.TIME_EXCEEDED:
        return "time exceeded in-transit" if message.code == icmpv4.TTL_EXCEEDED else "ip reassembly time exceeded"
    if message.type == icmpv4.REDIRECT:
        return f"redirect to {format_address(message.rest.to_bytes(4, 'big'))}"
    if message.type == icmpv4.PARAMETER_PROBLEM:
        return f"parameter problem - octet {message.rest >> 24}"
    return f"type-{message.type}, code {message.code}"


def _describe_unreachable(message: icmpv4.Icmp) -> str:
    quoted = icmpv4.parse_quoted(message.payload)
    pattern = _UNREACHABLE.get(message.code, "{destination} unreachable - code {code}")
    return pattern.format(
        destination=format_address(quoted.destination),
        protocol=quoted.protocol,
        port=int.from_bytes(quoted.transport[2:4], "big"),
        mtu=message.rest & 0xFFFF,
        code=message.code,
    )


_DESCRIBERS: Final[dict[int, Callable[[str, str, bytes, int, int], str]]] = {
    ipv4.PROTOCOL_ICMP: _describe_icmp,
    ipv4.PROTOCOL_TCP: _describe_tcp,
    ipv4.PROTOCOL_UDP: _describe_udp,
}
