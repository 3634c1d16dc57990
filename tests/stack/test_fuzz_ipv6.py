"""`receive` never raises, whatever the IPv6 octets: valid packets, mutated; see `tests.stack.test_fuzz`."""

import os
import random

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.rng import SeededRng
from halfopen.stack.config import FragmentConfig, IpConfig, StackConfig
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.ports import Owner
from halfopen.stack.stack import Stack
from halfopen.wire import icmpv6, ipv6_headers
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.ipv6 import ALL_NODES, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP_OPTIONS, ROUTING, solicited_node
from halfopen.wire.ipv6_headers import Fragment
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from tests.stack.world6 import FAR, OTHER, OURS, PEER, icmp6, packet6, tap6, tun6

FRAMES = int(os.environ.get("HALFOPEN_FUZZ_FRAMES", "1000000")) // 20
BATCH = 2500
BEYOND = parse_address("2001:db8:1::9")
ADDRESSES = [OURS, PEER, OTHER, FAR, BEYOND, ALL_NODES, bytes(16), *map(parse_address, ("::1", "fe80::9", "ff01::1"))]
SYN = bytes.fromhex("04d21f40 00000001 00000000 5002ffff 00000000")
MAC_OPTION = b"\1\1\2\0\0\0\0\2"


def seeds() -> list[bytes]:
    """One of everything."""
    options = ipv6_headers.emit_options(17, [(5, b"\0\0"), (0x9E, b"12")])
    first = ipv6_headers.emit_fragment(Fragment(17, 0, True, 5))
    last = ipv6_headers.emit_fragment(Fragment(17, 64, False, 5))
    routing = bytes((17, 2, 0, 0, 0, 0, 0, 0)) + FAR
    group = solicited_node(OURS)
    return [
        packet6(b"\x04\xd2\x1f\x40\x00\x08\0\0"),
        packet6(SYN, next_header=6),
        packet6(bytes(30), destination=BEYOND),
        packet6(bytes(1440), destination=BEYOND, hop_limit=1),
        packet6(options + bytes(16), next_header=HOP_BY_HOP_OPTIONS),
        packet6(options + bytes(16), next_header=HOP_BY_HOP_OPTIONS, destination=BEYOND),
        packet6(options + bytes(16), next_header=DESTINATION_OPTIONS),
        packet6(routing + bytes(16), next_header=ROUTING),
        packet6(first + bytes(64), next_header=FRAGMENT),
        packet6(last + bytes(64), next_header=FRAGMENT),
        packet6(bytes(9), next_header=253),
        icmp6(icmpv6.ECHO_REQUEST, 0, 1, bytes(40)),
        icmp6(icmpv6.ECHO_REPLY, 0, 1, bytes(40)),
        icmp6(icmpv6.PACKET_TOO_BIG, 0, 1300, packet6(SYN, next_header=6, source=OURS, destination=PEER)),
        icmp6(icmpv6.DESTINATION_UNREACHABLE, 4, 0, packet6(bytes(8), source=OURS, destination=PEER)),
        icmp6(icmpv6.NEIGHBOR_SOLICITATION, 0, 0, OURS + MAC_OPTION, destination=group, hop_limit=255),
        icmp6(icmpv6.NEIGHBOR_ADVERTISEMENT, 0, 0x60000000, PEER + b"\2" + MAC_OPTION[1:], hop_limit=255),
        icmp6(icmpv6.ROUTER_ADVERTISEMENT, 0, 0x40000708, bytes(8) + MAC_OPTION, source=parse_address("fe80::9")),
        icmp6(icmpv6.REDIRECT, 0, 0, FAR + FAR, source=parse_address("fe80::9"), hop_limit=255),
    ]


def mutated(rng: random.Random, octets: bytes) -> bytes:
    changed = bytearray(octets)
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(changed))
        changed[at] = rng.choice((0, 1, 0xFF, rng.randrange(256), changed[at] ^ 1 << rng.randrange(8)))
    if not rng.randrange(4):
        at = rng.choice((8, 24))
        changed[at : at + 16] = rng.choice(ADDRESSES)
    if not rng.randrange(8):
        del changed[rng.randrange(len(changed)) :]
    if len(changed) > 48 and changed[6] == 58 and rng.randrange(4):
        changed[42:44] = b"\0\0"
        pseudo = pseudo_header_sum(bytes(changed[8:24]), bytes(changed[24:40]), 58, len(changed) - 40)
        changed[42:44] = checksum(bytes(changed[40:]), pseudo).to_bytes(2, "big")
    return bytes(changed)


def packet_of(rng: random.Random, octets: bytes, is_frame: bool) -> Packet:
    if is_frame:
        octets = rng.choice((b"\x02\0\0\0\0\1", b"\x33\x33\0\0\0\1")) + b"\x02\0\0\0\0\x02\x86\xdd" + octets
    mark = rng.choice((CHECKSUM_NONE, CHECKSUM_NONE, CHECKSUM_VERIFIED, CHECKSUM_PARTIAL))
    cut = rng.choice((len(octets), len(octets), rng.randrange(len(octets) + 1)))
    body = (octets[cut:],) if cut < len(octets) else ()
    gso = rng.choice((0, 0, 0, rng.randrange(1500)))
    return Packet(octets[:cut], body, mark, rng.randrange(70), rng.choice((2, 6, 16)), gso)


@pytest.mark.parametrize("seed", range(max(1, FRAMES // BATCH)))
def test_no_octets_raise(seed: int) -> None:
    rng = random.Random(seed)
    config = StackConfig(
        ip=IpConfig(forwarding=bool(seed % 2)),
        fragments=FragmentConfig(memory=4096, fragments=4),
        ndp=NdpConfig(autoconf=AutoconfConfig(max_addresses=3, max_routes=3)),
    )
    stack = Stack(config, SeededRng(seed))
    ends = [stack.add_interface(tap6()), stack.add_interface(tun6("far0", "2001:db8:1::1/64"))]
    stack.tcp.listen((bytes(16), 8000), Owner("fuzz"))
    stack.udp.bind(bytes(16), 8000, Owner("fuzz"))
    alphabet = seeds()
    now = 0
    for _ in range(BATCH):
        end = rng.choice(ends)
        stack.receive(end, packet_of(rng, mutated(rng, rng.choice(alphabet)), end.is_ethernet), now)
        now += rng.choice((0, MILLISECOND, SECOND))
        if stack.next_deadline() <= now:
            stack.on_deadline(now)
        while stack.poll_transmit(now) is not None:
            pass
    assert stack.counters.snapshot()
