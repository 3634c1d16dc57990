"""The frames that lines of the link dialect stand for, to the last octet."""

from dataclasses import dataclass, field, replace
from struct import Struct

from halfopen.base.addresses import IPV6_ANY, MAC_BROADCAST, MAC_ZERO, Address, Mac, is_multicast, parse_address
from halfopen.packetdrill.icmp_lines import type_and_code
from halfopen.packetdrill.inbound import ECN_FIELDS
from halfopen.packetdrill.link_layout import LinkLayout
from halfopen.packetdrill.link_script import (
    ArpLine,
    IcmpMessage,
    LinkLine,
    MldLine,
    MldQuery,
    NdpLine,
    RawPayload,
    Slice,
    UdpDatagram,
)
from halfopen.packetdrill.mapping import Unmapped
from halfopen.packetdrill.script import IcmpLine, IpInfo, PacketLine
from halfopen.wire import arp, ethernet, icmpv4, icmpv6, ipv4, ipv6, ipv6_headers, ndp, ndp_options, udp
from halfopen.wire.arp import Arp
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_UDP, Ipv4
from halfopen.wire.ipv6 import FRAGMENT, HOP_BY_HOP_OPTIONS, PROTOCOL_ICMPV6, Ipv6
from halfopen.wire.ndp_options import NONCE_OCTETS, Options

ALL_NODES = parse_address("ff02::1")
ALL_ROUTERS = parse_address("ff02::2")
ALL_MLD_ROUTERS = parse_address("ff02::16")
TTL = 64
"""Of what a script injects without a word about it."""
LARGEST_QUOTE = 548
"""What an error that is injected quotes at most (RFC 1812 4.3.2.3)."""
RECORD_TYPES = {"is_ex": 2, "to_in": 3, "to_ex": 4}
_QUERY = Struct("!16sBBH")
_DEFAULT_TTL = {"ndp": ndp.HOP_LIMIT, "mld": 1}


@dataclass(slots=True)
class Memory:
    """What has gone by, and what numbers of the script are which on the wire."""

    ids: dict[int, int] = field(default_factory=dict)
    nonces: dict[int, bytes] = field(default_factory=dict)
    received: list[bytes] = field(default_factory=list)
    """Datagrams that the host was sent; one of them is what its errors quote."""
    last_sent: bytes = b""
    """The datagram that errors to the host quote."""


@dataclass(slots=True)
class _Seen:
    """What stands in a frame that has come out, where a line says nothing of it."""

    ip: bytes = b""

    def header4(self) -> Ipv4 | None:
        """Its IPv4 header, if it has one."""
        return ipv4.parse(self.ip, 0, len(self.ip)) if self.ip and self.ip[0] >> 4 == 4 else None

    def header6(self) -> Ipv6 | None:
        """Its IPv6 header, if it has one."""
        return ipv6.parse(self.ip, 0, len(self.ip)) if self.ip and self.ip[0] >> 4 == 6 else None


class FrameBuilder:
    """Builds the frame of a line; of an outbound one with what it leaves open as in the frame that was seen."""

    __slots__ = ("_layout", "_memory")

    def __init__(self, layout: LinkLayout, memory: Memory) -> None:
        self._layout = layout
        self._memory = memory

    def build(self, line: PacketLine, frame: LinkLine, seen: bytes | None = None) -> bytes:
        """All octets from the Ethernet header on; Unmapped where the line cannot be meant."""
        body = frame.body
        if isinstance(body, ArpLine):
            return self._arp(line, frame, body)
        looked_at = _Seen(seen[ethernet.HEADER_OCTETS :] if seen is not None else b"")
        source, destination = (self._layout.address(end) for end in self._ends(line, frame))
        if self._layout.addressing.is_ipv6 != (len(source) == 16) or len(source) != len(destination):
            raise Unmapped("addresses and IP version do not go together")
        protocol, octets = self._payload(body, source, destination, looked_at)
        make = self._six if len(source) == 16 else self._four
        packet = make(line, frame, (source, destination, protocol, octets), looked_at)
        kind = ethernet.ETHERTYPE_IPV6 if len(source) == 16 else ethernet.ETHERTYPE_IPV4
        return self._link(line, frame, destination, kind) + packet

    def header_of_segment(self, is_ipv6: bool) -> bytes:
        """The Ethernet header in front of a segment that the remote end sends."""
        kind = ethernet.ETHERTYPE_IPV6 if is_ipv6 else ethernet.ETHERTYPE_IPV4
        return ethernet.emit(self._layout.mac("local"), self._layout.mac("remote"), kind)

    def _arp(self, line: PacketLine, frame: LinkLine, body: ArpLine) -> bytes:
        layout = self._layout
        ours, theirs = layout.ends(frame.device)
        target = body.target if body.target is not None else (ours if line.inbound else theirs)
        destination, source = self._stations(line, frame, MAC_BROADCAST if not body.is_reply else None)
        sender_mac = layout.mac(body.station) if body.station is not None else source
        message = Arp(
            arp.REPLY if body.is_reply else arp.REQUEST,
            sender_mac,
            layout.address(body.sender),
            destination if body.is_reply else MAC_ZERO,
            layout.address(target) if target != IPV6_ANY else bytes(4),
        )
        if len(message.sender_address) != 4 or len(message.target_address) != 4:
            raise Unmapped("ARP is for IPv4 (RFC 826)")
        return ethernet.emit(destination, source, ethernet.ETHERTYPE_ARP) + arp.emit(message)

    def _stations(self, line: PacketLine, frame: LinkLine, usual: Mac | None) -> tuple[Mac, Mac]:
        """Destination and source; ``usual`` is the destination of what is not for one station."""
        layout = self._layout
        if frame.stations is not None:
            return layout.mac(frame.stations[1]), layout.mac(frame.stations[0])
        ours, theirs = layout.ends(frame.device)
        if frame.ends is not None:
            named = frame.ends[0 if line.inbound else 1]
            theirs = _station_of(named, frame.device) or theirs
        if isinstance(frame.body, NdpLine) and frame.ends is None and line.inbound and frame.body.type in _OF_ROUTERS:
            theirs = "gateway"
        source, destination = (theirs, ours) if line.inbound else (ours, theirs)
        return usual or layout.mac(destination), layout.mac(source)

    def _link(self, line: PacketLine, frame: LinkLine, destination: Address, kind: int) -> bytes:
        group = None
        if len(destination) == 16 and is_multicast(destination):
            group = ipv6.multicast_mac(destination)
        elif destination == b"\xff" * 4:
            group = MAC_BROADCAST
        to, source = self._stations(line, frame, group)
        return ethernet.emit(to, source, kind)

    def _ends(self, line: PacketLine, frame: LinkLine) -> tuple[str | Address, str | Address]:
        if frame.ends is not None:
            return frame.ends
        ours, theirs = self._layout.ends(frame.device)
        match frame.body:
            case NdpLine(type="neighbor_solicitation", target=target) if target is not None:
                return (theirs if line.inbound else ours), ipv6.solicited_node(self._layout.address(target))
            case NdpLine(type="neighbor_advertisement", target=target) if target is not None:
                return target, (ours if line.inbound else theirs)
            case NdpLine(type="router_solicitation"):
                return ("remote_link" if line.inbound else "local_link"), ALL_ROUTERS
            case NdpLine(type="router_advertisement"):
                return ("gateway_link" if line.inbound else "local_link"), ALL_NODES
            case NdpLine(type="redirect"):
                return ("gateway_link", ours) if line.inbound else ("local_link", theirs)
            case MldLine():
                return ("remote_link" if line.inbound else "local_link"), ALL_MLD_ROUTERS
            case MldQuery(group=group):
                return "gateway_link", ALL_NODES if group is None else group
            case _:
                return (theirs, ours) if line.inbound else (ours, theirs)

    def _payload(self, body: object, source: Address, destination: Address, seen: _Seen) -> tuple[int, bytes]:
        """Protocol and octets behind the IP header."""
        is_ipv6 = len(source) == 16
        match body:
            case UdpDatagram():
                return PROTOCOL_UDP, self._udp(body, source, destination)
            case RawPayload():
                return body.protocol, bytes(body.octets)
            case IcmpMessage():
                message = self._icmp(body, is_ipv6, seen)
            case NdpLine():
                message = ndp.emit(self._ndp(body, seen))
            case MldLine():
                message = self._report(body)
            case MldQuery():
                group = IPV6_ANY if body.group is None else self._layout.address(body.group)
                rest = _QUERY.pack(group, 2, 125, 0)  # Robustness 2, every 125 s: the defaults of RFC 3810 9.
                message = Icmp(icmpv6.MULTICAST_LISTENER_QUERY, 0, body.max_delay << 16, rest)
            case _:
                raise Unmapped("a body of another kind")
        if not is_ipv6 and not isinstance(body, IcmpMessage):
            raise Unmapped("this is a message of ICMPv6")
        if is_ipv6:
            return PROTOCOL_ICMPV6, icmpv6.emit(message, source, destination)
        return PROTOCOL_ICMP, icmpv4.emit(message)

    def _udp(self, body: UdpDatagram, source: Address, destination: Address) -> bytes:
        addressing = self._layout.addressing
        ports = body.ports or (addressing.connect_port, addressing.bind_port)
        octets = udp.HEADER_OCTETS + body.octets
        header = udp.emit(*ports, octets, 0)
        total = udp.transmitted(checksum(header, pseudo_header_sum(source, destination, PROTOCOL_UDP, octets)))
        return udp.emit(*ports, octets, total) + bytes(body.octets)

    def _icmp(self, body: IcmpMessage, is_ipv6: bool, seen: _Seen) -> Icmp:
        kind, code = type_and_code(IcmpLine(body.type, body.code), is_ipv6=is_ipv6)
        if body.is_echo:
            pattern = bytes(at & 0xFF for at in range(body.octets))
            return Icmp(kind, code, (body.id or 0) << 16 | body.seq, pattern)
        rest = body.mtu if body.mtu is not None else (body.pointer or 0) << (0 if is_ipv6 else 24)
        if body.gateway is not None:
            rest = int.from_bytes(self._layout.address(body.gateway)[:4], "big")
        return Icmp(kind, code, rest, self._quote(seen))

    def _quote(self, seen: _Seen) -> bytes:
        """What came last, of the host; or, of an error of the host's, what it quotes if that has come."""
        if not seen.ip:
            return self._memory.last_sent[:LARGEST_QUOTE]
        start = ipv6.HEADER_OCTETS if seen.ip[0] >> 4 == 6 else ipv4.MINIMUM_OCTETS
        quote = seen.ip[start + icmpv4.HEADER_OCTETS :]
        header = ipv6.HEADER_OCTETS if start == ipv6.HEADER_OCTETS else ipv4.MINIMUM_OCTETS
        enough = len(quote) >= header + icmpv4.HEADER_OCTETS
        if enough and any(datagram.startswith(quote) for datagram in self._memory.received):
            return quote
        return self._memory.received[-1][:LARGEST_QUOTE] if self._memory.received else b""

    def _ndp(self, body: NdpLine, seen: _Seen) -> ndp.Message:
        layout, numbers = self._layout, dict(body.numbers)
        options = Options(
            source_mac=b"" if body.source_link is None else layout.mac(body.source_link),
            target_mac=b"" if body.target_link is None else layout.mac(body.target_link),
            mtu=body.mtu,
            prefixes=body.prefixes,
            nonce=b"" if body.nonce is None else self._nonce(body.nonce, seen),
            redirected=self._memory.last_sent[: 1280 - 88] if body.type == "redirect" and not seen.ip else b"",
        )
        target = IPV6_ANY if body.target is None else layout.address(body.target)
        match body.type:
            case "router_solicitation":
                return ndp.RouterSolicitation(options)
            case "router_advertisement":
                times = (numbers.get("reachable", 0), numbers.get("retransmit", 0), numbers.get("preference", 0))
                flags = ("managed" in body.flags, "other" in body.flags)
                fixed = (numbers.get("lifetime", 0), numbers.get("hop_limit", 0))
                return ndp.RouterAdvertisement(*fixed, *times, *flags, options)
            case "neighbor_solicitation":
                return ndp.NeighborSolicitation(target, options)
            case "redirect" if body.destination is not None:
                return ndp.Redirect(target, layout.address(body.destination), options)
            case _:
                is_router, solicited, override = (name in body.flags for name in ("router", "solicited", "override"))
                return ndp.NeighborAdvertisement(target, is_router, solicited, override, options)

    def _nonce(self, number: int, seen: _Seen) -> bytes:
        """A nonce of the host's is learnt where a line first expects one."""
        nonces = self._memory.nonces
        if number not in nonces and seen.ip:
            at = ipv6.HEADER_OCTETS + icmpv6.HEADER_OCTETS + 16
            nonces[number] = ndp_options.parse_options(seen.ip[at:]).nonce
        return nonces.setdefault(number, number.to_bytes(NONCE_OCTETS, "big"))

    def _report(self, body: MldLine) -> Icmp:
        records = [bytes((RECORD_TYPES[kind], 0, 0, 0)) + self._layout.address(group) for group, kind in body.records]
        return Icmp(icmpv6.MULTICAST_LISTENER_REPORT_V2, 0, len(records), b"".join(records))

    def _id(self, part: Slice, live: int | None) -> int:
        """A datagram's number: the script's own if it has injected it, else what the host has chosen."""
        if live is not None:
            return self._memory.ids.setdefault(part.id, live)
        return self._memory.ids.setdefault(part.id, part.id)

    def _four(
        self, line: PacketLine, frame: LinkLine, parts: tuple[Address, Address, int, bytes], seen: _Seen
    ) -> bytes:
        source, destination, protocol, octets = parts
        header = seen.header4() or Ipv4(source, destination, protocol, ttl=TTL, dont_fragment=False)
        header = replace(
            header,
            source=source,
            destination=destination,
            protocol=protocol,
            ttl=header.ttl if line.ip.ttl is None else line.ip.ttl,
            tos=_tos(line.ip, header.tos),
            dont_fragment=header.dont_fragment or frame.dont_fragment,
            more_fragments=False,
            fragment_offset=0,
            options=b"",
        )
        if (part := frame.slice) is not None:
            number = self._id(part, header.identification if seen.ip else None)
            octets = octets[part.offset : part.offset + part.octets]
            header = replace(
                header,
                identification=number,
                dont_fragment=frame.dont_fragment,
                more_fragments=part.more,
                fragment_offset=part.offset,
            )
        return ipv4.emit(header, len(octets)) + octets

    def _six(self, line: PacketLine, frame: LinkLine, parts: tuple[Address, Address, int, bytes], seen: _Seen) -> bytes:
        source, destination, protocol, octets = parts
        if (part := frame.slice) is not None:
            live = ipv6_headers.parse_fragment(seen.ip, ipv6.HEADER_OCTETS).identification if _has_slice(seen) else None
            fragment = ipv6_headers.Fragment(protocol, part.offset, part.more, self._id(part, live))
            octets = ipv6_headers.emit_fragment(fragment) + octets[part.offset : part.offset + part.octets]
            protocol = FRAGMENT
        if isinstance(frame.body, MldLine | MldQuery):
            alert = ipv6_headers.emit_options(protocol, [(ipv6_headers.OPTION_ROUTER_ALERT, bytes(2))])
            octets, protocol = alert + octets, HOP_BY_HOP_OPTIONS
        shown = seen.header6() or Ipv6(source, destination, protocol, hop_limit=TTL)
        fixed = _fixed_hop_limit(frame)
        header = replace(
            shown,
            source=source,
            destination=destination,
            next_header=protocol,
            hop_limit=line.ip.ttl if line.ip.ttl is not None else fixed or shown.hop_limit,
            traffic_class=_tos(line.ip, shown.traffic_class),
            flow_label=shown.flow_label if line.ip.flow_label is None else line.ip.flow_label,
        )
        return ipv6.emit(header, len(octets)) + octets


_OF_ROUTERS = ("router_advertisement", "redirect")


def _fixed_hop_limit(frame: LinkLine) -> int | None:
    """What the RFCs demand of messages that stay on the link."""
    if isinstance(frame.body, NdpLine):
        return _DEFAULT_TTL["ndp"]
    return _DEFAULT_TTL["mld"] if isinstance(frame.body, MldLine | MldQuery) else None


def _has_slice(seen: _Seen) -> bool:
    return len(seen.ip) >= ipv6.HEADER_OCTETS + ipv6_headers.FRAGMENT_OCTETS and seen.ip[6] == FRAGMENT


def _station_of(host: str | Address, device: int) -> str | None:
    """Whose link address a host by name has on a device; None if that is not on the link, or has no name."""
    name = host.removesuffix("_link") if isinstance(host, str) else ""
    return name if name in (("second", "host") if device else ("local", "remote", "gateway")) else None


def _tos(ip: IpInfo, otherwise: int) -> int:
    value = otherwise if ip.tos is None else ip.tos
    return value if ip.ecn is None else value & ~3 | ECN_FIELDS.get(ip.ecn, value & 3)
