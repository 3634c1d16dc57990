"""`receive` never raises, whatever the octets: valid packets mutated in ways that their parsers care about.

HALFOPEN_FUZZ_FRAMES sets how many; everything follows from the seed, which a failure names.
"""

import os
import random

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.rng import SeededRng
from halfopen.stack.config import ArpConfig, FragmentConfig, IpConfig, StackConfig
from halfopen.stack.interface import Offloads
from halfopen.stack.ports import Owner
from halfopen.stack.stack import Stack
from halfopen.wire import tcp
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from halfopen.wire.tcp import ACK, FIN, PSH, RST, SYN, URG, Segment
from halfopen.wire.tcp_options import Options
from tests.stack.test_forwarding import super_segment
from tests.stack.test_icmp import quote
from tests.stack.world import (
    ATTACKER_MAC,
    FAR,
    OTHER,
    OURS,
    PEER,
    World,
    arp_frame,
    datagram,
    frame,
    icmp,
    offloading,
    tap,
    tun,
)

FRAMES = int(os.environ.get("HALFOPEN_FUZZ_FRAMES", "1000000"))
BATCH = 2500
ADDRESSES = [OURS, PEER, OTHER, FAR, *(parse_address(text) for text in ("255.255.255.255", "127.0.0.1", "224.0.0.1"))]


def seeds() -> list[bytes]:
    """One of everything."""
    tcp = super_segment(100, 0)
    return [
        datagram(bytes(100)),
        datagram(bytes(30), destination=FAR),
        datagram(bytes(30), destination=FAR, ttl=1),
        datagram(bytes(1400), destination=FAR, dont_fragment=False),
        datagram(bytes(40), options=b"\x94\x04\0\0\x07\x07\x04\0\0\0\0\0"),
        datagram(bytes(40), destination=FAR, dont_fragment=False, options=b"\x83\x07\x04" + PEER + b"\0"),
        datagram(bytes(64), dont_fragment=False, more_fragments=True),
        datagram(bytes(64), dont_fragment=False, fragment_offset=64),
        datagram(bytes(10), protocol=99),
        tcp.joined(),
        icmp(8, payload=bytes(40)),
        icmp(0, rest=0x00070001),
        icmp(3, 4, 600, quote()),
        icmp(3, 1, 0, quote(1, b"\x08\0\0\0\0\x07\0\x01")),
        icmp(11, 0, 0, quote(6)),
        icmp(12, 0, 0, quote()),
    ]


def frames() -> list[bytes]:
    return [frame(one) for one in seeds()] + [
        arp_frame(1),
        arp_frame(2),
        arp_frame(2, mac=ATTACKER_MAC),
        arp_frame(1, sender=OURS, target=OURS, mac=ATTACKER_MAC),
        arp_frame(1, sender=bytes(4)),
    ]


def fix_checksum(data: bytearray, offset: int) -> None:
    """Lets the header checksum be right again, so that mutations get past it."""
    stop = offset + ((data[offset] & 0x0F) << 2) if len(data) > offset else 0
    if len(data) < offset + 20 or stop > len(data) or stop < offset + 20:
        return
    data[offset + 10 : offset + 12] = b"\0\0"
    total = -int.from_bytes(data[offset:stop], "big") % 0xFFFF
    data[offset + 10 : offset + 12] = total.to_bytes(2, "big")


def mutate(dice: random.Random, data: bytearray, offset: int) -> None:
    for _ in range(dice.randrange(4)):
        kind = dice.randrange(6)
        at = dice.randrange(len(data)) if data else 0
        if kind == 0 and data:
            data[at] = dice.randrange(256)
        elif kind == 1 and data:
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = dice.randbytes(dice.randrange(60))
        elif kind == 4:
            data[offset + 12 : offset + 16] = dice.choice(ADDRESSES)
        else:
            data[offset + 16 : offset + 20] = dice.choice(ADDRESSES)
    if dice.random() < 0.8:
        fix_checksum(data, offset)


def packet_of(dice: random.Random, data: bytes) -> Packet:
    """In one piece or several, with honest or lying marks."""
    packet = Packet(data)
    if dice.random() < 0.3:
        first = dice.randrange(len(data) + 1)
        second = dice.randrange(first, len(data) + 1)
        packet = Packet(data[:first], (data[first:second], memoryview(data)[second:]))
    if dice.random() < 0.2:
        packet.checksum = dice.choice((CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED))
        packet.checksum_start = dice.choice((20, 34, dice.randrange(100)))
        packet.checksum_offset = dice.choice((6, 16, dice.randrange(100)))
        packet.gso_size = dice.choice((0, 1, 100, 1460))
    return packet


def segments() -> list[bytes]:
    """TCP and UDP for a host that has a listener, a connection and a socket."""
    flags = (SYN, SYN | ACK, ACK, ACK | PSH, FIN | ACK, RST, RST | ACK, SYN | FIN, ACK | URG, 0)
    options = (None, Options(mss=1460, window_scale=7, sack_permitted=True, timestamps=(1, 0)))
    found = []
    for port in (1234, 4321):
        for one in flags:
            for option in options:
                segment = Segment(port, 80, seq=1, ack=1, flags=one, window=1000, options=option)
                found.append(datagram(tcp.emit(segment, 0) + b"text", protocol=PROTOCOL_TCP))
    return [*found, datagram(b"\x04\xd2\x00\x35\x00\x0c\0\0text"), datagram(b"\x04\xd2\x00\x36\x00\x0c\0\0text")]


def make(kind: str) -> World:
    config = StackConfig(
        ip=IpConfig(forwarding=True),
        arp=ArpConfig(table_size=16, learn_from_requests=True),
        fragments=FragmentConfig(memory=20_000),
    )
    out = tap("out", "203.0.113.1/24", mac="02:00:00:00:00:11", mtu=576, offloads=Offloads())
    if kind == "ethernet":
        return World(config, tap(), out)
    return World(config, offloading() if kind == "offloading" else tun(), out)


@pytest.mark.parametrize("kind", ["ethernet", "ip", "offloading"])
def test_no_packet_raises_and_nothing_grows(kind: str) -> None:
    originals = frames() if kind == "ethernet" else seeds()
    offset = 14 if kind == "ethernet" else 0
    for seed in range(max(1, FRAMES // 3 // BATCH)):
        dice = random.Random(f"{kind} {seed}")
        world = make(kind)
        world.host.icmp.send_echo(PEER, 7, 1, b"", 0)
        now = 0
        for number in range(BATCH):
            data = bytearray(dice.choice(originals))
            mutate(dice, data, offset)
            now += dice.choice((0, MILLISECOND, 100 * MILLISECOND, SECOND))
            try:
                world.takes(packet_of(dice, bytes(data)), now)
                while world.host.next_deadline() <= now:
                    world.host.on_deadline(now)
                world.sent(now)
            except Exception as error:
                raise AssertionError(f"{kind}, seed {seed}, number {number}: {bytes(data).hex()}") from error
        assert len(world.host.arp.table) <= 16
        assert len(world.counters.snapshot()) > 20


def test_no_packet_raises_out_of_a_whole_host() -> None:
    originals = segments() + seeds()
    for seed in range(max(1, FRAMES // 5 // BATCH)):
        dice = random.Random(f"whole {seed}")
        stack = Stack(StackConfig(), SeededRng(seed))
        interface = stack.add_interface(tun())
        stack.tcp.listen((OURS, 80), Owner("fuzz"))
        stack.udp.bind(OURS, 53, Owner("fuzz"))
        now = 0
        for number in range(BATCH):
            data = bytearray(dice.choice(originals))
            mutate(dice, data, 0)
            packet = packet_of(dice, bytes(data))
            if dice.random() < 0.7:
                packet.checksum, packet.gso_size = CHECKSUM_VERIFIED, 0
            now += dice.choice((0, MILLISECOND, 100 * MILLISECOND))
            try:
                stack.receive(interface, packet, now)
                if stack.next_deadline() <= now:
                    stack.on_deadline(now)
                while stack.poll_transmit(now) is not None:
                    pass
            except Exception as error:
                raise AssertionError(f"seed {seed}, number {number}: {bytes(data).hex()}") from error
        assert len(stack.counters.snapshot()) > 20
