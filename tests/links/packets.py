"""Packets and links for the tests of links."""

from collections.abc import Iterable
from struct import pack

from halfopen.base.addresses import Address, Mac, parse_address
from halfopen.base.clock import Instant
from halfopen.links.link import Link, LinkKind
from halfopen.wire import checksum, ipv4
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, Packet

KERNEL = parse_address("192.0.2.1")
OURS = parse_address("192.0.2.2")
TCP_CHECKSUM = 16
UDP_CHECKSUM = 6


def ethernet(destination: Mac, source: Mac, ethertype: int = 0x0800) -> bytes:
    return destination + source + pack("!H", ethertype)


def ip(source: Address, destination: Address, protocol: int, transport: bytes) -> bytes:
    header = ipv4.Ipv4(source=source, destination=destination, protocol=protocol)
    return ipv4.emit(header, len(transport)) + transport


def pseudo_sum(source: Address, destination: Address, protocol: int, octets: int) -> int:
    return checksum.pseudo_header_sum(source, destination, protocol, octets)


def tcp_packet(
    payload: bytes,
    *,
    gso_size: int = 0,
    link: bytes = b"",
    flags: int = 0x18,
    ports: tuple[int, int] = (50000, 50001),
    numbers: tuple[int, int] = (1000, 2000),
) -> Packet:
    """A TCP packet from us to the kernel, PARTIAL, payload in the body."""
    partial = pseudo_sum(OURS, KERNEL, 6, 20 + len(payload))
    header = pack("!HHIIBBHHH", *ports, *numbers, 0x50, flags, 65535, partial, 0)
    network = ipv4.emit(ipv4.Ipv4(source=OURS, destination=KERNEL, protocol=6), len(header) + len(payload))
    body = (payload,) if payload else ()
    return Packet(link + network + header, body, CHECKSUM_PARTIAL, len(link) + 20, TCP_CHECKSUM, gso_size)


def udp_packet(payload: bytes, *, link: bytes = b"", port: int = 9, partial: bool = True) -> Packet:
    """A UDP packet from us to the kernel, PARTIAL or without a checksum."""
    sum_field = pseudo_sum(OURS, KERNEL, 17, 8 + len(payload)) if partial else 0
    transport = pack("!HHHH", 50000, port, 8 + len(payload), sum_field) + payload
    mark = CHECKSUM_PARTIAL if partial else CHECKSUM_NONE
    return Packet(link + ip(OURS, KERNEL, 17, transport), (), mark, len(link) + 20, UDP_CHECKSUM)


def transport_checksum_is_right(packet: Packet, network_offset: int) -> bool:
    """Judges a complete IPv4 packet without options."""
    octets = packet.joined()[network_offset:]
    transport = octets[20:]
    partial = pseudo_sum(octets[12:16], octets[16:20], octets[9], len(transport))
    return checksum.checksum(transport, partial) == 0


class MemoryLink(Link):
    """Gives what was put into `arriving`, keeps what is written in `sent`."""

    def __init__(self, arriving: Iterable[Packet] = (), kind: LinkKind = "ip") -> None:
        super().__init__("memory", kind, 1500)
        self.arriving = list(arriving)
        self.sent: list[Packet] = []
        self.is_closed = False
        self.is_full = False

    def fileno(self) -> int:
        return -1

    def read(self, limit: int) -> list[Packet]:
        given, self.arriving = self.arriving[:limit], self.arriving[limit:]
        return given

    def write(self, packet: Packet) -> bool:
        if not self.is_full:
            self.sent.append(packet)
        return not self.is_full

    def close(self) -> None:
        self.is_closed = True


class Clock:
    """Time that stands still until it is set."""

    def __init__(self, now: Instant = 0) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now
