"""The datagrams that a script injects, made from its lines."""

from struct import Struct

from halfopen.packetdrill.addressing import Addressing
from halfopen.packetdrill.icmp_lines import icmp_message, quoted_datagram
from halfopen.packetdrill.mapping import Timestamps, Unmapped
from halfopen.packetdrill.option_octets import encode
from halfopen.packetdrill.script import IcmpLine, IpInfo, PacketLine, TcpLine, UdpLine
from halfopen.packetdrill.signing import digest, spliced
from halfopen.packetdrill.tested import Tracker, UnderTest
from halfopen.wire import ipv4, ipv6, udp
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, Ipv4
from halfopen.wire.ipv6 import PROTOCOL_ICMPV6, Ipv6
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, CHECKSUM_OFFSET, SYN

TTL = 255
"""Of what a script injects without a word about it."""

ECN_FIELDS = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}

_TCP = Struct("!HHIIHHHH")


def build(line: PacketLine, tracker: Tracker, mss: int) -> Packet:
    """The datagram that an inbound line stands for; Unmapped if it cannot be made.

    With ``mss`` above zero a TCP segment longer than that is an aggregate of segments of that size, as a device with
    receive offloads hands them up.
    """
    transport = line.transport
    if line.encapsulation:
        raise Unmapped("encapsulated packets are not supported")
    if isinstance(transport, TcpLine):
        tested = tracker.on_inbound(transport)
        octets = _segment(transport, tested, tracker)
        if line.udp_ports is not None:
            header = udp.emit(*line.udp_ports, udp.HEADER_OCTETS + len(octets) + transport.octets, 0)
            return _datagram(line.ip, tracker.addressing, PROTOCOL_UDP, (header + octets, transport.octets), 0)
        return _datagram(line.ip, tracker.addressing, PROTOCOL_TCP, (octets, transport.octets), mss)
    if isinstance(transport, UdpLine):
        source, destination = _ports(transport.ports, tracker.on_inbound(None))
        header = udp.emit(source, destination, udp.HEADER_OCTETS + transport.octets, 0)
        return _datagram(line.ip, tracker.addressing, PROTOCOL_UDP, (header, transport.octets), 0)
    if isinstance(transport, IcmpLine):
        return _icmp(transport, line.ip, tracker)
    raise Unmapped("this line is for a link of Ethernet")


def _ports(written: tuple[int, int] | None, tested: UnderTest) -> tuple[int, int]:
    if written is not None:
        return written
    if tested.remote_port is None or tested.local_port is None:
        raise Unmapped("nothing has told the ports of this packet: no connection has sent anything yet")
    return tested.remote_port, tested.local_port


def flags_of(line: TcpLine) -> int:
    """The flags with the ACE field in place of AE, CWR and ECE, where it was written as a digit."""
    return line.flags if line.ace is None else line.flags & 0x3F | line.ace << 6


def _segment(line: TcpLine, tested: UnderTest, tracker: Tracker) -> bytes:
    """The TCP header; its checksum is still to come."""
    numbers, timestamps = tested.numbers, tracker.timestamps
    is_syn = line.flags & SYN != 0
    seq = line.start if line.absolute_seq else numbers.remote(line.start, is_syn=is_syn)
    ack = line.ack or 0
    if line.flags & ACK and not line.absolute_ack:
        ack = numbers.local(ack, is_syn=is_syn)
    encoded = encode(line.options or (), lambda edge: numbers.local(edge, is_syn=False), _timestamps(line, timestamps))
    source, destination = _ports(line.ports, tested)
    word = (_TCP.size + len(encoded.octets)) << 10 | flags_of(line)
    fields = (source, destination, seq, ack, word, line.window or 0, 0, line.urgent or 0)
    header = _TCP.pack(*fields) + encoded.octets
    if encoded.digest < 0:
        return header
    return spliced(header, _TCP.size + encoded.digest, _digest(line, tracker, header))


def _digest(line: TcpLine, tracker: Tracker, header: bytes) -> bytes:
    ends = tracker.addressing.remote, tracker.addressing.local
    return digest(tracker.md5_secret, ends, header, bytes(line.octets))


def _timestamps(line: TcpLine, timestamps: Timestamps) -> tuple[int, int] | None:
    for option in line.options or ():
        if option.name == "TS":
            value, echo = option.numbers
            is_live = "absolute ecr" in option.words or not line.flags & ACK
            return value, echo if is_live else timestamps.live(echo)
    return None


def _datagram(ip: IpInfo, addressing: Addressing, protocol: int, parts: tuple[bytes, int], mss: int) -> Packet:
    """An IP header in front of a transport header and as many zeros as it carries, with all checksums."""
    transport, zeros = parts
    octets = len(transport) + zeros
    pseudo = pseudo_header_sum(addressing.remote, addressing.local, protocol, octets)
    at = CHECKSUM_OFFSET if protocol == PROTOCOL_TCP else udp.CHECKSUM_OFFSET
    header = _ip_header(ip, addressing, protocol, octets)
    if mss and protocol == PROTOCOL_TCP and zeros > mss:
        head = header + transport[:at] + pseudo.to_bytes(2, "big") + transport[at + 2 :]
        return Packet(head, (bytes(zeros),), CHECKSUM_PARTIAL, len(header), at, mss)
    total = checksum(transport, pseudo)  # Zeros add nothing, and the header has whole words.
    if protocol == PROTOCOL_UDP:
        total = udp.transmitted(total)
    transport = transport[:at] + total.to_bytes(2, "big") + transport[at + 2 :]
    return Packet(header + transport + bytes(zeros))


def _ip_header(ip: IpInfo, addressing: Addressing, protocol: int, octets: int) -> bytes:
    tos = ip.tos or 0
    if ip.ecn is not None:
        tos = tos & 0xFC | ECN_FIELDS.get(ip.ecn, 2)
    ttl = TTL if ip.ttl is None else ip.ttl
    source, destination = addressing.remote, addressing.local
    if addressing.is_ipv6:
        return ipv6.emit(Ipv6(source, destination, protocol, ttl, tos, ip.flow_label or 0), octets)
    return ipv4.emit(Ipv4(source, destination, protocol, ttl, tos), octets)


def _icmp(line: IcmpLine, ip: IpInfo, tracker: Tracker) -> Packet:
    """An ICMP message; errors quote a datagram of the connection under test."""
    quote = b"" if line.quoted is None else _quote(line, tracker)
    message = icmp_message(line, quote, tracker.addressing)
    protocol = PROTOCOL_ICMPV6 if tracker.addressing.is_ipv6 else PROTOCOL_ICMP
    return Packet(_ip_header(ip, tracker.addressing, protocol, len(message)) + message)


def _quote(line: IcmpLine, tracker: Tracker) -> bytes:
    """The start of the datagram of ours that the error is about: IP header and 8 octets."""
    quoted, tested = line.quoted, tracker.tested
    if tested is None or quoted is None:
        raise Unmapped("there is no connection that an ICMP error could be about")
    destination, source = _ports(None, tested)
    if quoted.ports is not None:
        source, destination = quoted.ports
    if isinstance(quoted, UdpLine):
        octets = udp.HEADER_OCTETS + quoted.octets
        return quoted_datagram(tracker.addressing, PROTOCOL_UDP, octets, udp.emit(source, destination, octets, 0))
    seq = quoted.start if quoted.absolute_seq else tested.numbers.local(quoted.start, is_syn=False)
    length = _TCP.size + quoted.octets
    start = _TCP.pack(source, destination, seq, 0, 0, 0, 0, 0)[:8]
    return quoted_datagram(tracker.addressing, PROTOCOL_TCP, length, start)
