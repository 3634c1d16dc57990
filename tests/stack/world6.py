"""The same host as in `tests.stack.world`, and the packets of an honest or lying neighbour, in IPv6."""

from halfopen.base.addresses import Address, parse_address
from halfopen.base.clock import Instant
from halfopen.stack.config import InterfaceConfig
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.wire import icmpv6, ipv6
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_UDP
from halfopen.wire.ipv6 import PROTOCOL_ICMPV6, Ipv6
from halfopen.wire.packet import Packet
from tests.stack.world import World, udp_outgoing

OURS = parse_address("2001:db8::1")
PEER = parse_address("2001:db8::2")
OTHER = parse_address("2001:db8::3")
GATEWAY = parse_address("2001:db8::fe")
FAR = parse_address("2001:db8:ffff::9")
PEER_LINK = parse_address("fe80::2")

ALONE = NdpConfig(autoconf=AutoconfConfig(accept_ra=False, dad_transmits=0))
"""No router is asked for, and nobody whether he objects."""


def tun6(name: str = "tun0", address: str = "2001:db8::1/64", **more: object) -> InterfaceConfig:
    return InterfaceConfig(name=name, kind="ip", addresses=(address,), **more)  # type: ignore[arg-type]  # any field


def tap6(name: str = "tap0", address: str = "2001:db8::1/64", **more: object) -> InterfaceConfig:
    fields: dict[str, object] = {"mac": "02:00:00:00:00:01", **more}
    return InterfaceConfig(name=name, kind="ethernet", addresses=(address,), **fields)  # type: ignore[arg-type]


def packet6(payload: bytes = b"\x04\xd2\x00\x35\x00\x08\0\0", **fields: object) -> bytes:
    """An IPv6 packet from the peer to us."""
    named = {"source": PEER, "destination": OURS, "next_header": PROTOCOL_UDP, **fields}
    return ipv6.emit(Ipv6(**named), len(payload)) + payload  # type: ignore[arg-type]  # fields by name


def icmp6(type: int, code: int = 0, rest: int = 0, payload: bytes = b"", **fields: object) -> bytes:
    """The same with an ICMPv6 message in it."""
    source, destination = fields.get("source", PEER), fields.get("destination", OURS)
    assert isinstance(source, bytes)
    assert isinstance(destination, bytes)
    message = icmpv6.emit(Icmp(type, code, rest, payload), source, destination)
    return packet6(message, **{"next_header": PROTOCOL_ICMPV6, **fields})


def header_of(packet: Packet, offset: int = 0) -> Ipv6:
    return ipv6.parse(packet.head, offset, packet.octets - offset)


def icmp6_of(packet: Packet, offset: int = 0) -> Icmp:
    header = header_of(packet, offset)
    assert header.next_header == PROTOCOL_ICMPV6
    octets = packet.joined()[offset + ipv6.HEADER_OCTETS :]
    return icmpv6.parse(octets, header.source, header.destination)


def sends6(world: World, destination: Address, octets: int = 8, now: Instant = 0, **marks: object) -> None:
    """A transport of ours sends ``octets`` octets of UDP."""
    path = world.host.ip.find_path(destination, None, now)
    world.host.ip.send(path, udp_outgoing(octets, **marks), now)
