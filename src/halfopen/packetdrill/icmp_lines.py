"""ICMP messages by the names that scripts have for them, of both versions."""

from collections.abc import Mapping
from types import MappingProxyType

from halfopen.packetdrill.addressing import Addressing
from halfopen.packetdrill.mapping import Unmapped
from halfopen.packetdrill.script import IcmpLine
from halfopen.wire import icmpv4, icmpv6, ipv4, ipv6
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.ipv6 import Ipv6

TYPES_V4: Mapping[str, int] = MappingProxyType(
    {
        "echo_reply": icmpv4.ECHO_REPLY,
        "unreachable": icmpv4.DESTINATION_UNREACHABLE,
        "source_quench": icmpv4.SOURCE_QUENCH,
        "redirect": icmpv4.REDIRECT,
        "echo_request": icmpv4.ECHO_REQUEST,
        "time_exceeded": icmpv4.TIME_EXCEEDED,
        "parameter_problem": icmpv4.PARAMETER_PROBLEM,
        "timestamp_request": icmpv4.TIMESTAMP_REQUEST,
        "timestamp_reply": icmpv4.TIMESTAMP_REPLY,
        "information_request": 15,
        "information_reply": 16,
        "address_mask_request": 17,
        "address_mask_reply": 18,
    }
)
TYPES_V6: Mapping[str, int] = MappingProxyType(
    {
        "unreachable": icmpv6.DESTINATION_UNREACHABLE,
        "packet_too_big": icmpv6.PACKET_TOO_BIG,
        "time_exceeded": icmpv6.TIME_EXCEEDED,
        "parameter_problem": icmpv6.PARAMETER_PROBLEM,
        "echo_request": icmpv6.ECHO_REQUEST,
        "echo_reply": icmpv6.ECHO_REPLY,
    }
)
_UNREACHABLE_V4 = (
    "net_unreachable host_unreachable protocol_unreachable port_unreachable frag_needed source_route_failed "
    "net_unknown host_unknown source_host_isolated net_prohibited host_prohibited net_unreachable_for_tos "
    "host_unreachable_for_tos packet_filtered precedence_violation precedence_cutoff"
)
CODES_V4: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {"unreachable": {name: code for code, name in enumerate(_UNREACHABLE_V4.split())}}
)
CODES_V6: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "unreachable": {
            "no_route": icmpv6.NO_ROUTE,
            "admin_prohibited": icmpv6.ADMINISTRATIVELY_PROHIBITED,
            "not_neighbour": icmpv6.BEYOND_SCOPE,
            "address_unreachable": icmpv6.ADDRESS_UNREACHABLE,
            "port_unreachable": icmpv6.PORT_UNREACHABLE,
        },
        "time_exceeded": {
            "exceeded_hop_limit": icmpv6.HOP_LIMIT_EXCEEDED,
            "exceeded_frag_time": icmpv6.REASSEMBLY_EXCEEDED,
        },
        "parameter_problem": {
            "header_field": icmpv6.ERRONEOUS_FIELD,
            "unknown_next_header": icmpv6.UNRECOGNIZED_NEXT_HEADER,
            "unknown_option": icmpv6.UNRECOGNIZED_OPTION,
        },
    }
)


def type_and_code(line: IcmpLine, *, is_ipv6: bool) -> tuple[int, int]:
    """The two numbers; Unmapped if that version of ICMP has no such name."""
    types, codes = (TYPES_V6, CODES_V6) if is_ipv6 else (TYPES_V4, CODES_V4)
    kind = _number(line.type, "type_", types)
    code = 0 if line.code is None else _number(line.code, "code_", codes.get(line.type, {}))
    return kind, code


def _number(name: str, prefix: str, known: Mapping[str, int]) -> int:
    if name in known:
        return known[name]
    text = name.removeprefix(prefix)
    if text.isdecimal() and int(text) <= 0xFF:
        return int(text)
    raise Unmapped(f"ICMP has no {name!r} here; known are {', '.join(known) or 'numbers'}, and {prefix}N")


def icmp_message(line: IcmpLine, quote: bytes, addressing: Addressing) -> bytes:
    """The message with its checksum; ``quote`` is the datagram that it is about."""
    kind, code = type_and_code(line, is_ipv6=addressing.is_ipv6)
    payload = bytes(line.raw_octets) if line.raw_octets is not None else quote
    rest = line.mtu if line.mtu is not None else (line.id or 0) << 16
    message = Icmp(kind, code, rest, payload)
    if addressing.is_ipv6:
        return icmpv6.emit(message, addressing.remote, addressing.local)
    return icmpv4.emit(message)


def quoted_datagram(addressing: Addressing, protocol: int, octets: int, start: bytes) -> bytes:
    """The header of a datagram of ours with ``octets`` of transport, and the ``start`` of those."""
    source, destination = addressing.local, addressing.remote
    if addressing.is_ipv6:
        return ipv6.emit(Ipv6(source, destination, protocol), octets) + start
    return ipv4.emit(Ipv4(source, destination, protocol), octets) + start
