"""Extension headers, good and bad: the kernel is asked what we are asked, and has to answer the same."""

import time
from collections.abc import Iterator

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.counters import Counters
from halfopen.base.rng import SeededRng
from halfopen.links.interfaces import LinkSettings, configure, set_sysctl
from halfopen.links.link import Link
from halfopen.links.namespaces import Namespace
from halfopen.links.tuntap import TunTap
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.internet import Internet
from halfopen.wire import icmpv6, ipv6, ipv6_headers
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv6 import DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP_OPTIONS, PROTOCOL_ICMPV6, ROUTING, Ipv6
from halfopen.wire.ipv6_headers import Fragment
from halfopen.wire.packet import Packet
from tests.interop.world import DEVICE, NEEDS

pytestmark = NEEDS

ASKED = parse_address("2001:db8::1")
ASKING = parse_address("2001:db8::2")
NODES = parse_address("ff02::1")
PATIENCE = 0.1


def packet(payload: bytes, next_header: int, destination: bytes = ASKED, hop_limit: int = 64) -> bytes:
    return ipv6.emit(Ipv6(ASKING, destination, next_header, hop_limit), len(payload)) + payload


def echo(destination: bytes = ASKED, octets: int = 24) -> bytes:
    return icmpv6.emit(Icmp(icmpv6.ECHO_REQUEST, 0, 7, bytes(octets)), ASKING, destination)


def options(kind: int, *, more: int = PROTOCOL_ICMPV6) -> bytes:
    return ipv6_headers.emit_options(more, [(kind, b"1234")])


def pieces(octets: bytes, size: int, number: int, *, next_header: int = PROTOCOL_ICMPV6) -> list[bytes]:
    made = []
    for at in range(0, len(octets), size):
        header = ipv6_headers.emit_fragment(Fragment(next_header, at, at + size < len(octets), number))
        made.append(packet(header + octets[at : at + size], FRAGMENT))
    return made


ROUTING_0 = bytes((PROTOCOL_ICMPV6, 2, 0, 1, 0, 0, 0, 0)) + ASKING
SPENT_ROUTING = bytes((PROTOCOL_ICMPV6, 2, 9, 0, 0, 0, 0, 0)) + ASKING
LONG = echo(octets=152)
LATE = packet(ipv6_headers.emit_fragment(Fragment(PROTOCOL_ICMPV6, 65528, False, 60)) + bytes(64), FRAGMENT)

QUESTIONS: dict[str, list[bytes]] = {
    "echo": [packet(echo(), PROTOCOL_ICMPV6)],
    "echo to all nodes": [packet(echo(NODES), PROTOCOL_ICMPV6, NODES)],
    "unknown next header": [packet(bytes(20), 253)],
    "unknown next header behind options": [packet(options(0x1E, more=253) + bytes(20), DESTINATION_OPTIONS)],
    "an option to complain about, before an error": [
        packet(options(0x9E) + icmpv6.emit(Icmp(1, 0, 0, bytes(48)), ASKING, ASKED), DESTINATION_OPTIONS)
    ],
    "no next header": [packet(bytes(20), 59)],
    "an option to skip": [packet(options(0x1E) + echo(), DESTINATION_OPTIONS)],
    "an option to discard for": [packet(options(0x5E) + echo(), DESTINATION_OPTIONS)],
    "an option to complain about": [packet(options(0x9E) + echo(), DESTINATION_OPTIONS)],
    "an option to complain to one about": [packet(options(0xDE) + echo(), DESTINATION_OPTIONS)],
    "an option to complain about, to a group": [packet(options(0x9E) + echo(NODES), DESTINATION_OPTIONS, NODES)],
    "an option to complain to one about, to a group": [packet(options(0xDE) + echo(NODES), DESTINATION_OPTIONS, NODES)],
    "a hop-by-hop option to complain about": [packet(options(0x9E) + echo(), HOP_BY_HOP_OPTIONS)],
    "hop-by-hop options behind others": [
        packet(options(0x1E, more=HOP_BY_HOP_OPTIONS) + options(0x1E) + echo(), DESTINATION_OPTIONS)
    ],
    "source routing": [packet(ROUTING_0 + echo(), ROUTING)],
    "a route that has been gone": [packet(SPENT_ROUTING + echo(), ROUTING)],
    "fragments": pieces(LONG, 80, 50),
    "fragments in disorder": pieces(LONG, 80, 51)[::-1],
    "fragments that overlap": [pieces(LONG, 80, 52)[0], pieces(LONG, 96, 52)[0], pieces(LONG, 80, 52)[1]],
    "an atomic fragment": pieces(LONG, 160, 53),
    "a fragment of odd length": pieces(LONG, 81, 54)[:1],
    "a fragment beyond the end": [LATE],
    "a first fragment without its transport": pieces(LONG, 80, 55, next_header=DESTINATION_OPTIONS)[:1],
    "an empty fragment": [packet(ipv6_headers.emit_fragment(Fragment(PROTOCOL_ICMPV6, 0, True, 56)), FRAGMENT)],
    "too short": [packet(echo(), PROTOCOL_ICMPV6)[:50]],
    "from ourselves": [ipv6.emit(Ipv6(ASKED, ASKED, PROTOCOL_ICMPV6), 32) + echo()],
    "hop limit 0": [packet(echo(), PROTOCOL_ICMPV6, ASKED, 0)],
    "an unknown error": [packet(icmpv6.emit(Icmp(100, 0, 0, bytes(48)), ASKING, ASKED), PROTOCOL_ICMPV6)],
    "an unknown message": [packet(icmpv6.emit(Icmp(200, 0, 0, bytes(48)), ASKING, ASKED), PROTOCOL_ICMPV6)],
}


@pytest.fixture(scope="module")
def kernel() -> Iterator[Link]:
    with Namespace() as namespace:
        with namespace.enter():
            link = TunTap(DEVICE, "ip", offload=False)
            set_sysctl("net/ipv6/icmp/ratelimit", "0")
            set_sysctl(f"net/ipv6/conf/{DEVICE}/accept_dad", "0")
            configure(DEVICE, LinkSettings(addresses=("2001:db8::1/64",)))
        assert any(ask_kernel(link, QUESTIONS["echo"]) for _ in range(50))  # its address may be tentative for a moment
        yield link
        link.close()


def relevant(octets: bytes) -> tuple[int, int, int, int] | None:
    """Type, code, second word and length of what answers the one who asks."""
    header = ipv6.parse(octets, 0, len(octets))
    if header.destination != ASKING or header.next_header != PROTOCOL_ICMPV6:
        return None
    message = icmpv6.parse(octets[ipv6.HEADER_OCTETS :], header.source, header.destination)
    return None if 133 <= message.type <= 137 else (message.type, message.code, message.rest, len(octets))


def ask_kernel(link: Link, packets: list[bytes]) -> list[tuple[int, int, int, int]]:
    for octets in packets:
        link.write(Packet(octets))
    answers: list[tuple[int, int, int, int]] = []
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not answers:
        answers = [found for got in link.read(64) if (found := relevant(got.joined())) is not None]
    return answers


def ask_us(packets: list[bytes]) -> list[tuple[int, int, int, int]]:
    host = Internet(StackConfig(), SeededRng("we"), Counters())
    interface = host.add_interface(InterfaceConfig(name="tun0", kind="ip", addresses=("2001:db8::1/64",)))
    for octets in packets:
        host.receive(interface, Packet(octets), 0)
    answers = []
    while (item := host.poll_transmit(0)) is not None:
        found = relevant(item[1].joined())
        if found is not None:
            answers.append(found)
    return answers


@pytest.mark.parametrize("question", QUESTIONS)
def test_we_answer_as_the_kernel_does(kernel: Link, question: str) -> None:
    packets = QUESTIONS[question]
    assert ask_us(packets) == ask_kernel(kernel, packets)
