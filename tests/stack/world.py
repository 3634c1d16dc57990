"""A host of ours up to IP, with a transport that notes what it gets, and the frames of an honest or lying neighbour."""

from dataclasses import dataclass, field

from halfopen.base.addresses import MAC_BROADCAST, MAC_ZERO, Address, parse_address, parse_mac
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.datagram import Datagram, IcmpError, Outgoing, Transport
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.internet import Internet
from halfopen.wire import arp, ethernet, icmpv4, ipv4
from halfopen.wire.arp import Arp
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, Ipv4
from halfopen.wire.packet import CHECKSUM_NONE, Packet

OURS = parse_address("192.0.2.1")
PEER = parse_address("192.0.2.2")
OTHER = parse_address("192.0.2.3")
GATEWAY = parse_address("192.0.2.254")
FAR = parse_address("203.0.113.9")
OUR_MAC = parse_mac("02:00:00:00:00:01")
PEER_MAC = parse_mac("02:00:00:00:00:02")
ATTACKER_MAC = parse_mac("02:00:00:00:00:66")


@dataclass
class Recorder(Transport):
    """Notes what IP delivers."""

    datagrams: list[Datagram] = field(default_factory=list)
    errors: list[IcmpError] = field(default_factory=list)

    def receive(self, datagram: Datagram, now: Instant) -> None:
        self.datagrams.append(datagram)

    def on_error(self, error: IcmpError, now: Instant) -> None:
        self.errors.append(error)


class World:
    """A host with TCP and UDP replaced by recorders."""

    def __init__(self, config: StackConfig | None = None, *interfaces: InterfaceConfig) -> None:
        self.counters = Counters()
        self.host = Internet(config or StackConfig(), SeededRng("world"), self.counters)
        self.tcp = Recorder()
        self.udp = Recorder()
        self.host.ip.register(PROTOCOL_TCP, self.tcp)
        self.host.ip.register(PROTOCOL_UDP, self.udp)
        self.interfaces: list[Interface] = [self.host.add_interface(one) for one in interfaces]

    @property
    def interface(self) -> Interface:
        return self.interfaces[0]

    def takes(self, data: bytes | Packet, now: Instant = 0, *, on: int = 0) -> "World":
        packet = data if isinstance(data, Packet) else Packet(data)
        self.host.receive(self.interfaces[on], packet, now)
        return self

    def sent(self, now: Instant = 0) -> list[Packet]:
        return [packet for _, packet in self.sent_by(now)]

    def sent_by(self, now: Instant = 0) -> list[tuple[Interface, Packet]]:
        packets = []
        while (transmission := self.host.poll_transmit(now)) is not None:
            packets.append(transmission)
        return packets

    def sends(self, destination: Address, octets: int = 8, now: Instant = 0, **marks: object) -> None:
        """A transport of ours sends ``octets`` octets of UDP."""
        path = self.host.ip.find_path(destination, None, now)
        self.host.ip.send(path, udp_outgoing(octets, **marks), now)

    def runs(self, until: Instant) -> list[tuple[Instant, Packet]]:
        """Lets time pass, stopping at every deadline, and tells what was sent when."""
        log = [(0, packet) for packet in self.sent(0)]
        while (when := self.host.next_deadline()) <= until:
            self.host.on_deadline(when)
            log.extend((when, packet) for packet in self.sent(when))
        return log


def tun(name: str = "tun0", address: str = "192.0.2.1/24", **more: object) -> InterfaceConfig:
    return InterfaceConfig(name=name, kind="ip", addresses=(address,), **more)  # type: ignore[arg-type]  # any field


def tap(name: str = "tap0", address: str = "192.0.2.1/24", **more: object) -> InterfaceConfig:
    fields: dict[str, object] = {"mac": "02:00:00:00:00:01", **more}
    return InterfaceConfig(name=name, kind="ethernet", addresses=(address,), **fields)  # type: ignore[arg-type]


def offloading(name: str = "tun0", address: str = "192.0.2.1/24", **more: object) -> InterfaceConfig:
    return tun(name, address, offloads=Offloads(checksum=True, gso_octets=65535), **more)


def udp_outgoing(octets: int = 8, **marks: object) -> Outgoing:
    head = b"\x04\xd2\x00\x35" + octets.to_bytes(2, "big") + b"\0\0"
    body = (bytes(range(256)) * (octets // 256 + 1))[: octets - 8]
    fields: dict[str, object] = {"checksum": CHECKSUM_NONE, **marks}
    return Outgoing(PROTOCOL_UDP, head, (body,) if body else (), octets, **fields)  # type: ignore[arg-type]


def datagram(payload: bytes = bytes(8), **fields: object) -> bytes:
    """An IPv4 datagram from the peer to us."""
    header = Ipv4(**{"source": PEER, "destination": OURS, "protocol": PROTOCOL_UDP, **fields})  # type: ignore[arg-type]
    return ipv4.emit(header, len(payload)) + payload


def icmp(type: int, code: int = 0, rest: int = 0, payload: bytes = b"", **fields: object) -> bytes:
    """The same with an ICMP message in it."""
    return datagram(icmpv4.emit(Icmp(type, code, rest, payload)), **{"protocol": PROTOCOL_ICMP, **fields})


def frame(payload: bytes, destination: bytes = OUR_MAC, source: bytes = PEER_MAC, ethertype: int = 0x0800) -> bytes:
    return ethernet.emit(destination, source, ethertype) + payload


def arp_frame(
    operation: int,
    sender: Address = PEER,
    target: Address = OURS,
    mac: bytes = PEER_MAC,
    destination: bytes | None = None,
) -> bytes:
    """A request (broadcast) or reply (to us) of a neighbour."""
    if destination is None:
        destination = MAC_BROADCAST if operation == arp.REQUEST else OUR_MAC
    target_mac = MAC_ZERO if operation == arp.REQUEST else OUR_MAC
    message = Arp(operation, mac, sender, target_mac, target)
    return ethernet.emit(destination, mac, ethernet.ETHERTYPE_ARP) + arp.emit(message)


def arp_of(packet: Packet) -> Arp:
    assert ethernet.parse(packet.head)[2] == ethernet.ETHERTYPE_ARP
    return arp.parse(packet.head, ethernet.HEADER_OCTETS)


def is_arp(packet: Packet) -> bool:
    return packet.head[12:14] == b"\x08\x06"


def ip_of(packet: Packet, offset: int = 0) -> Ipv4:
    return ipv4.parse(packet.head, offset, packet.octets - offset)


def icmp_of(packet: Packet, offset: int = 0) -> Icmp:
    header = ip_of(packet, offset)
    assert header.protocol == PROTOCOL_ICMP
    return icmpv4.parse(packet.joined()[offset + header.header_octets : offset + header.total_octets])


def payload_of(packet: Packet, offset: int = 0) -> bytes:
    header = ip_of(packet, offset)
    return packet.joined()[offset + header.header_octets : offset + header.total_octets]
