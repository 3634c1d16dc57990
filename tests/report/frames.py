"""Captured frames for the tests of `halfopen.report`: two hosts, one connection."""

from halfopen.base.addresses import parse_address, parse_mac
from halfopen.base.clock import MICROSECOND
from halfopen.capture.record import LINKTYPE_ETHERNET, LINKTYPE_RAW, CapturedInterface, Record
from halfopen.wire import arp, ethernet, ipv4, tcp
from halfopen.wire.tcp import Segment

ALICE, BOB = parse_address("192.0.2.1"), parse_address("192.0.2.2")
ALICE_MAC, BOB_MAC = parse_mac("02:00:5e:00:53:01"), parse_mac("02:00:5e:00:53:02")
TAP = CapturedInterface("tap0", LINKTYPE_ETHERNET)
TUN = CapturedInterface("tun0", LINKTYPE_RAW)


def captured(micros: int, octets: bytes, interface: CapturedInterface = TUN, comment: str | None = None) -> Record:
    return Record(micros * MICROSECOND, interface, octets, comment, original_octets=len(octets))


def datagram(source: bytes, destination: bytes, protocol: int, payload: bytes, **header) -> bytes:
    return ipv4.emit(ipv4.Ipv4(source, destination, protocol, **header), len(payload)) + payload


def segment(flags: int, seq: int, ack: int = 0, *, data: bytes = b"", reply: bool = False, **fields) -> bytes:
    """Of a connection from port 40000 of ALICE to port 80 of BOB, or of its other direction."""
    source, destination = (BOB, ALICE) if reply else (ALICE, BOB)
    ports = (80, 40000) if reply else (40000, 80)
    fields.setdefault("window", 64240)
    header = tcp.emit(Segment(*ports, seq % (1 << 32), ack % (1 << 32), flags, **fields), 0)
    return datagram(source, destination, ipv4.PROTOCOL_TCP, header + data)


def arp_frame(operation: int, sender: tuple[bytes, bytes], target: tuple[bytes, bytes]) -> bytes:
    message = arp.Arp(operation, *sender, *target)
    return ethernet.emit(b"\xff" * 6, sender[0], ethernet.ETHERTYPE_ARP) + arp.emit(message)
