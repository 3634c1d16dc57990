import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import SECOND
from halfopen.stack.config import StackConfig
from halfopen.wire import icmpv6, ipv6, ipv6_headers
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_UDP
from halfopen.wire.ipv6 import (
    ALL_NODES,
    DESTINATION_OPTIONS,
    FRAGMENT,
    HOP_BY_HOP_OPTIONS,
    NO_NEXT_HEADER,
    PROTOCOL_ICMPV6,
    ROUTING,
)
from halfopen.wire.ipv6_headers import Fragment
from halfopen.wire.packet import Packet
from tests.stack.world import World
from tests.stack.world6 import ALONE, FAR, OTHER, OURS, PEER, header_of, icmp6, icmp6_of, packet6, tun6

UDP = b"\x04\xd2\x00\x35\x00\x08\0\0"


def make() -> World:
    return World(StackConfig(ndp=ALONE), tun6())


@pytest.mark.rfc("8200", "8200.1")
def test_a_plain_packet_goes_to_its_transport() -> None:
    world = make().takes(packet6(UDP, traffic_class=0x2A, hop_limit=9))
    (datagram,) = world.udp.datagrams
    assert (datagram.source, datagram.destination) == (PEER, OURS)
    assert (datagram.tos, datagram.ttl, datagram.offset, datagram.octets) == (0x2A, 9, 40, 8)
    assert datagram.flow_offset == 8


def test_a_packet_in_pieces_and_with_padding_is_the_same() -> None:
    whole = packet6(UDP + b"text"[:0])
    world = make().takes(Packet(whole[:48], (b"padding",)))
    assert world.udp.datagrams[0].payload() == UDP


@pytest.mark.rfc("8200", "8200.2")
def test_extension_headers_are_stepped_over() -> None:
    options = ipv6_headers.emit_options(DESTINATION_OPTIONS, [(5, b"\0\0")])
    more = ipv6_headers.emit_options(PROTOCOL_UDP, [(0x1E, b"1234")])
    world = make().takes(packet6(options + more + UDP, next_header=HOP_BY_HOP_OPTIONS))
    (datagram,) = world.udp.datagrams
    assert datagram.payload() == UDP
    assert datagram.flow_offset == -1
    assert datagram.protocol == PROTOCOL_UDP


@pytest.mark.rfc("8200", "8200.2")
def test_an_unknown_next_header_is_a_parameter_problem_with_its_place() -> None:
    world = make().takes(packet6(UDP, next_header=253))
    (answer,) = world.sent()
    message = icmp6_of(answer)
    assert (message.type, message.code, message.rest) == (icmpv6.PARAMETER_PROBLEM, 1, 6)
    assert message.payload == packet6(UDP, next_header=253)
    assert header_of(answer).destination == PEER
    assert world.counters["Ip6InUnknownProtos"] == 1


def test_the_place_of_an_unknown_next_header_behind_others_is_told() -> None:
    options = ipv6_headers.emit_options(254, [])
    world = make().takes(packet6(options + UDP, next_header=DESTINATION_OPTIONS))
    assert icmp6_of(world.sent()[0]).rest == 40


def test_no_next_header_is_dropped_in_silence() -> None:
    world = make().takes(packet6(b"", next_header=NO_NEXT_HEADER))
    assert world.sent() == []
    assert world.counters["Ip6InNoNextHeader"] == 1


@pytest.mark.rfc("8200", "8200.2")
@pytest.mark.parametrize(
    ("kind", "to_group", "is_told"),
    [
        (0x1E, False, None),
        (0x5E, False, False),
        (0x9E, False, True),
        (0x9E, True, True),
        (0xDE, False, True),
        (0xDE, True, False),
    ],
)
def test_what_is_done_about_an_unknown_option_its_two_highest_bits_say(
    kind: int, to_group: bool, is_told: bool | None
) -> None:
    options = ipv6_headers.emit_options(PROTOCOL_UDP, [(kind, b"1234")])
    destination = ALL_NODES if to_group else OURS
    world = make().takes(packet6(options + UDP, next_header=DESTINATION_OPTIONS, destination=destination))
    answers = world.sent()
    assert len(world.udp.datagrams) == (is_told is None)
    assert len(answers) == (is_told is True)
    for answer in answers:
        message = icmp6_of(answer)
        assert (message.type, message.code, message.rest) == (icmpv6.PARAMETER_PROBLEM, 2, 42)


@pytest.mark.rfc("8200", "8200.3")
def test_a_routing_header_of_type_0_is_refused() -> None:
    routing = bytes((PROTOCOL_UDP, 2, 0, 1)) + bytes(4) + FAR
    world = make().takes(packet6(routing + UDP, next_header=ROUTING))
    message = icmp6_of(world.sent()[0])
    assert (message.type, message.code, message.rest) == (icmpv6.PARAMETER_PROBLEM, 0, 42)
    assert world.udp.datagrams == []


@pytest.mark.parametrize(
    ("fields", "counter"),
    [
        ({"source": OURS}, "Ip6InLand"),
        ({"source": OURS, "destination": ALL_NODES}, "Ip6InMartianSource"),
        ({"source": ALL_NODES}, "Ip6InMartianSource"),
        ({"source": parse_address("::1")}, "Ip6InMartianSource"),
        ({"source": parse_address("::ffff:192.0.2.1")}, "Ip6InMartianSource"),
        ({"source": bytes(16)}, "Ip6InMartianSource"),
        ({"destination": parse_address("::1")}, "Ip6InMartianDestination"),
        ({"destination": bytes(16)}, "Ip6InMartianDestination"),
        ({"destination": parse_address("::ffff:192.0.2.1")}, "Ip6InMartianDestination"),
        ({"destination": parse_address("ff01::1")}, "Ip6InMartianDestination"),
        ({"destination": parse_address("ff02::77")}, "Ip6InOtherGroups"),
        ({"destination": OTHER}, "Ip6InAddrErrors"),
    ],
)
def test_what_cannot_be_for_us_is_counted_and_never_answered(fields: dict[str, object], counter: str) -> None:
    world = make().takes(packet6(UDP, **fields))
    assert world.udp.datagrams == []
    assert world.sent() == []
    assert world.counters.snapshot() == {counter: 1}


@pytest.mark.rfc("8200", "8200.1")
@pytest.mark.parametrize("octets", range(48))
def test_a_truncated_packet_is_counted(octets: int) -> None:
    world = make().takes(packet6(UDP)[:octets])
    assert world.udp.datagrams == []
    assert sum(world.counters.snapshot().values()) == 1


def test_what_is_sent_to_a_group_is_marked_as_such() -> None:
    world = make().takes(packet6(UDP, destination=ALL_NODES))
    assert world.udp.datagrams[0].link_broadcast


def fragments(octets: bytes, size: int, protocol: int = PROTOCOL_UDP, number: int = 7) -> list[bytes]:
    """Packets from the peer with the pieces of ``octets``."""
    pieces = []
    for at in range(0, len(octets), size):
        header = ipv6_headers.emit_fragment(Fragment(protocol, at, at + size < len(octets), number))
        pieces.append(packet6(header + octets[at : at + size], next_header=FRAGMENT))
    return pieces


TEXT = UDP + bytes(range(200))


@pytest.mark.rfc("8200", "8200.4")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_fragments_in_any_order_come_together(order: tuple[int, ...]) -> None:
    world = make()
    pieces = fragments(TEXT, 80)
    for index in order:
        world.takes(pieces[index])
    (datagram,) = world.udp.datagrams
    assert datagram.payload() == TEXT
    assert header_of(datagram.packet).next_header == PROTOCOL_UDP
    assert world.counters["Ip6ReasmOKs"] == 1


def test_a_repeated_fragment_is_no_overlap() -> None:
    world = make()
    first, *rest = fragments(TEXT, 80)
    for piece in (first, first, *rest):
        world.takes(piece)
    assert world.udp.datagrams[0].payload() == TEXT


@pytest.mark.rfc("8200", "8200.4")
def test_any_other_overlap_ends_the_packet() -> None:
    world = make()
    first, second, third = fragments(TEXT, 80)
    overlapping = fragments(TEXT, 160)[0]
    for piece in (second, overlapping, first, third):
        world.takes(piece)
    assert world.udp.datagrams == []
    assert world.counters["Ip6ReasmOverlaps"] == 1


@pytest.mark.rfc("8200", "8200.4")
def test_even_a_part_of_what_is_there_is_an_overlap() -> None:
    world = make()
    first, second, third = fragments(TEXT, 80)
    part = fragments(TEXT[:80], 40)[0]
    for piece in (first, part, second, third):
        world.takes(piece)
    assert world.udp.datagrams == []


@pytest.mark.rfc("8200", "8200.4")
def test_an_atomic_fragment_waits_for_nothing() -> None:
    world = make()
    first, *_ = fragments(TEXT, 80)
    world.takes(first).takes(fragments(UDP, 80)[0])
    assert world.udp.datagrams[0].payload() == UDP


@pytest.mark.rfc("8200", "8200.4")
def test_a_fragment_of_odd_length_is_a_parameter_problem() -> None:
    world = make().takes(fragments(TEXT, 81)[0])
    message = icmp6_of(world.sent()[0])
    assert (message.type, message.code, message.rest) == (icmpv6.PARAMETER_PROBLEM, 0, 4)


@pytest.mark.rfc("8200", "8200.4")
def test_a_fragment_that_goes_beyond_the_largest_packet_is_a_parameter_problem() -> None:
    piece = ipv6_headers.emit_fragment(Fragment(PROTOCOL_UDP, 65528, False, 1)) + bytes(64)
    message = icmp6_of(make().takes(packet6(piece, next_header=FRAGMENT)).sent()[0])
    assert (message.type, message.code, message.rest) == (icmpv6.PARAMETER_PROBLEM, 0, 42)


@pytest.mark.rfc("8200", "8200.4")
def test_a_first_fragment_without_all_headers_is_refused() -> None:
    piece = ipv6_headers.emit_fragment(Fragment(DESTINATION_OPTIONS, 0, True, 1)) + bytes((PROTOCOL_UDP, 9)) + bytes(6)
    message = icmp6_of(make().takes(packet6(piece, next_header=FRAGMENT)).sent()[0])
    assert (message.type, message.code) == (icmpv6.PARAMETER_PROBLEM, 3)


@pytest.mark.rfc("8200", "8200.4")
def test_time_exceeded_is_sent_only_if_the_first_fragment_came() -> None:
    world = make()
    first, second, _ = fragments(TEXT, 80)
    world.takes(first).takes(fragments(TEXT, 80, number=8)[1])
    del second
    (_, answer) = world.runs(61 * SECOND)[-1]
    message = icmp6_of(answer)
    assert (message.type, message.code) == (icmpv6.TIME_EXCEEDED, icmpv6.REASSEMBLY_EXCEEDED)
    assert message.payload == first
    assert world.counters["Ip6ReasmTimeout"] == 2
    assert world.counters["Icmp6OutErrors"] == 1


def test_what_is_wrong_with_a_packet_that_was_cut_is_told_of_the_whole() -> None:
    world = make()
    for piece in fragments(TEXT, 80, protocol=253):
        world.takes(piece)
    message = icmp6_of(world.sent()[0])
    assert (message.type, message.code, message.rest) == (icmpv6.PARAMETER_PROBLEM, 1, 6)
    assert message.payload[40:] == TEXT


def test_one_fragment_marked_congested_marks_the_packet() -> None:
    world = make()
    first, second = fragments(TEXT, 160)
    word = int.from_bytes(first[:4], "big") | 2 << 20
    other = int.from_bytes(second[:4], "big") | 3 << 20
    world.takes(word.to_bytes(4, "big") + first[4:]).takes(other.to_bytes(4, "big") + second[4:])
    assert world.udp.datagrams[0].tos == 3


def test_our_link_local_address_is_ours_on_its_own_link_only() -> None:
    world = World(StackConfig(ndp=ALONE), tun6(address="fe80::1/64"), tun6("tun1", "2001:db8:1::1/64"))
    packet = packet6(UDP, source=parse_address("fe80::9"), destination=parse_address("fe80::1"))
    world.takes(packet, on=0).takes(packet, on=1)
    assert len(world.udp.datagrams) == 1


def test_an_error_never_answers_an_error_nor_a_group() -> None:
    world = make()
    error = Icmp(icmpv6.DESTINATION_UNREACHABLE, 0, 0, b"")
    options = ipv6_headers.emit_options(PROTOCOL_ICMPV6, [(0x9E, b"1234")])
    body = icmpv6.emit(error, PEER, OURS)
    world.takes(packet6(body, next_header=253, destination=ALL_NODES))
    world.takes(packet6(options + body, next_header=DESTINATION_OPTIONS, source=bytes(16), destination=ALL_NODES))
    assert world.sent() == []


def test_a_message_to_ourselves_needs_no_wire() -> None:
    world = make()
    path = world.host.ip.find_path(parse_address("::1"), None, 0)
    assert path.interface is world.host.addresses.loopback
    world.host.icmp.send_echo(OURS, 1, 2, b"abc", 0)
    assert world.sent() == []
    reply = world.host.icmp.poll_reply()
    assert reply is not None
    assert (reply.kind, reply.source, reply.payload) == ("reply", OURS, b"abc")


def test_octets_of_any_kind_raise_nothing() -> None:
    world = make()
    plain = icmp6(icmpv6.ECHO_REQUEST, 0, 1, b"0123456789")
    for at in range(len(plain)):
        for value in (0, 1, 0x2B, 0x2C, 0x3C, 0x80, 0xFF):
            world.takes(plain[:at] + bytes((value,)) + plain[at + 1 :])
    assert ipv6.parse(plain, 0, len(plain)).source == PEER
    assert world.counters["Icmp6BadChecksum"] > 0
