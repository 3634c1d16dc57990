import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.stack import datagram as kinds
from halfopen.stack.config import IcmpConfig, StackConfig
from halfopen.stack.icmpv6 import kind_of
from halfopen.wire import icmpv6, ipv6_headers
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv6 import ALL_NODES, DESTINATION_OPTIONS
from tests.stack.world import World, udp_outgoing
from tests.stack.world6 import ALONE, OTHER, OURS, PEER, header_of, icmp6, icmp6_of, packet6, sends6, tun6


def make(**icmp: object) -> World:
    return World(StackConfig(ndp=ALONE, icmp=IcmpConfig(**icmp)), tun6())  # type: ignore[arg-type]  # fields by name


def sent_by_us(world: World, octets: int = 100) -> bytes:
    sends6(world, PEER, octets)
    (packet,) = world.sent()
    return packet.joined()


@pytest.mark.rfc("4443", "4443.5")
def test_an_echo_request_is_answered_with_all_that_it_brought() -> None:
    world = make().takes(icmp6(icmpv6.ECHO_REQUEST, 0, 0x12345678, b"text", traffic_class=0x28))
    (answer,) = world.sent()
    message, header = icmp6_of(answer), header_of(answer)
    assert (message.type, message.code, message.rest, message.payload) == (icmpv6.ECHO_REPLY, 0, 0x12345678, b"text")
    assert (header.source, header.destination, header.traffic_class, header.hop_limit) == (OURS, PEER, 0x28, 64)


def test_a_long_answer_is_cut() -> None:
    world = make()
    path = world.host.ip.find_path(PEER, None, 0)
    world.host.icmp.v6.send(path, Icmp(icmpv6.ECHO_REPLY, 0, 1, bytes(3000)), 0, 0)
    assert [packet.octets for packet in world.sent()] == [1496, 1496, 160]


@pytest.mark.rfc("4443", "4443.5")
def test_a_group_is_answered_from_our_own_address() -> None:
    world = make().takes(icmp6(icmpv6.ECHO_REQUEST, 0, 1, destination=ALL_NODES))
    assert header_of(world.sent()[0]).source == OURS


def test_a_group_need_not_be_answered() -> None:
    world = make(echo_multicast=False).takes(icmp6(icmpv6.ECHO_REQUEST, 0, 1, destination=ALL_NODES))
    assert world.sent() == []
    assert world.counters["Icmp6InEchoIgnored"] == 1


def test_nobody_is_not_answered() -> None:
    world = make().takes(icmp6(icmpv6.ECHO_REQUEST, 0, 1, source=bytes(16)))
    assert world.sent() == []
    assert world.counters["Icmp6InEchoIgnored"] == 1


def test_a_reply_to_a_request_of_ours_is_handed_out() -> None:
    world = make()
    world.host.icmp.send_echo(PEER, 7, 9, b"abc", 0)
    (request,) = world.sent()
    assert icmp6_of(request).payload == b"abc"
    world.takes(icmp6(icmpv6.ECHO_REPLY, 0, 7 << 16 | 9, b"abc", hop_limit=33), 5 * MILLISECOND)
    reply = world.host.icmp.poll_reply()
    assert reply is not None
    assert (reply.kind, reply.source, reply.identifier, reply.sequence) == ("reply", PEER, 7, 9)
    assert (reply.rtt, reply.ttl, reply.payload) == (5 * MILLISECOND, 33, b"abc")


def test_a_reply_of_somebody_else_is_not() -> None:
    world = make()
    world.host.icmp.send_echo(PEER, 7, 9, b"abc", 0)
    world.takes(icmp6(icmpv6.ECHO_REPLY, 0, 7 << 16 | 9, b"abc", source=OTHER))
    assert not world.host.icmp.has_replies
    assert world.counters["Icmp6InEchoRepUnexpected"] == 1


@pytest.mark.rfc("4443", "4443.1")
@pytest.mark.parametrize(
    ("type", "code", "kind"),
    [
        (icmpv6.DESTINATION_UNREACHABLE, 0, kinds.NET_UNREACHABLE),
        (icmpv6.DESTINATION_UNREACHABLE, 1, kinds.ADMIN_PROHIBITED),
        (icmpv6.DESTINATION_UNREACHABLE, 2, kinds.HOST_UNREACHABLE),
        (icmpv6.DESTINATION_UNREACHABLE, 3, kinds.HOST_UNREACHABLE),
        (icmpv6.DESTINATION_UNREACHABLE, 4, kinds.PORT_UNREACHABLE),
        (icmpv6.DESTINATION_UNREACHABLE, 5, kinds.ADMIN_PROHIBITED),
        (icmpv6.DESTINATION_UNREACHABLE, 6, kinds.ADMIN_PROHIBITED),
        (icmpv6.TIME_EXCEEDED, 0, kinds.TTL_EXCEEDED),
        (icmpv6.TIME_EXCEEDED, 1, kinds.REASSEMBLY_EXCEEDED),
        (icmpv6.PARAMETER_PROBLEM, 0, kinds.PARAMETER_PROBLEM),
        (icmpv6.PARAMETER_PROBLEM, 1, kinds.PROTOCOL_UNREACHABLE),
    ],
)
def test_an_error_reaches_the_transport_that_it_is_about(type: int, code: int, kind: str) -> None:
    world = make()
    quote = sent_by_us(world)
    world.takes(icmp6(type, code, 0, quote, source=OTHER))
    (error,) = world.udp.errors
    assert (error.kind, error.mtu, error.source) == (kind, 0, OTHER)
    assert (error.quoted.source, error.quoted.destination) == (OURS, PEER)
    assert error.quoted.transport[:4] == b"\x04\xd2\x00\x35"


def test_an_error_with_an_unknown_code_is_counted() -> None:
    assert kind_of(icmpv6.DESTINATION_UNREACHABLE, 99) is None
    world = make()
    world.takes(icmp6(icmpv6.DESTINATION_UNREACHABLE, 99, 0, sent_by_us(world)))
    assert world.udp.errors == []
    assert world.counters["Icmp6InUnknownCode"] == 1


@pytest.mark.rfc("4443", "4443.1")
def test_a_packet_that_is_too_big_brings_the_mtu() -> None:
    world = make()
    world.takes(icmp6(icmpv6.PACKET_TOO_BIG, 7, 1300, sent_by_us(world, 1440)))
    (error,) = world.udp.errors
    assert (error.kind, error.mtu) == (kinds.FRAGMENTATION_NEEDED, 1300)


@pytest.mark.rfc("8201", "8201.1")
@pytest.mark.parametrize("mtu", [0, 1279, 1480, 1500, 1 << 31])
def test_an_mtu_that_cannot_be_is_not_believed(mtu: int) -> None:
    world = make()
    world.takes(icmp6(icmpv6.PACKET_TOO_BIG, 0, mtu, sent_by_us(world, 1440)))
    assert world.udp.errors == []
    assert world.counters["Icmp6InBadMtu"] == 1


def test_an_error_about_somebody_elses_packet_is_nobodys() -> None:
    world = make()
    world.takes(icmp6(icmpv6.DESTINATION_UNREACHABLE, 0, 0, packet6(bytes(8), source=OTHER)))
    world.takes(icmp6(icmpv6.DESTINATION_UNREACHABLE, 0, 0, packet6(bytes(8), source=OURS, next_header=132)))
    assert world.counters["Icmp6InErrorsForNobody"] == 2


def test_a_ping_hears_what_went_wrong() -> None:
    world = make()
    world.host.icmp.send_echo(PEER, 7, 9, bytes(1400), 0)
    (request,) = world.sent()
    world.takes(icmp6(icmpv6.PACKET_TOO_BIG, 0, 1280, request.joined()[:1232], source=OTHER), 3)
    reply = world.host.icmp.poll_reply()
    assert reply is not None
    assert (reply.kind, reply.source, reply.rtt) == (kinds.FRAGMENTATION_NEEDED, OTHER, 3)
    assert world.host.ip.find_path(PEER, None, 3).mtu == 1280


@pytest.mark.rfc("4443", "4443.4")
def test_errors_are_sent_sparingly() -> None:
    world = make(error_interval=SECOND, error_burst=3)
    for _ in range(10):
        world.takes(packet6(bytes(8), next_header=253))
    assert len(world.sent()) == 3
    assert world.counters["Icmp6OutRateLimited"] == 7


@pytest.mark.rfc("4443", "4443.2")
def test_an_error_quotes_as_much_as_fits_into_the_least_mtu() -> None:
    world = make().takes(packet6(bytes(1400), next_header=253))
    assert world.sent()[0].octets == 1280


@pytest.mark.rfc("4443", "4443.3")
@pytest.mark.parametrize("type", [0, 1, 99, 127, icmpv6.REDIRECT])
def test_no_error_is_about_an_error(type: int) -> None:
    world = make()
    message = icmpv6.emit(Icmp(type, 0, 0, bytes(8)), PEER, OURS)
    world.takes(packet6(message, next_header=58))
    datagram = packet6(message, next_header=58, source=PEER)
    world.takes(datagram)
    assert world.sent() == []


@pytest.mark.rfc("4443", "4443.3")
def test_no_error_is_about_an_error_behind_extension_headers() -> None:
    unknown = ipv6_headers.emit_options(58, [(0x9E, b"1234")])
    for octets, answers in ((icmpv6.emit(Icmp(1, 0, 0, bytes(8)), PEER, OURS), 0), (b"", 0), (b"\x80" + bytes(7), 1)):
        world = make().takes(packet6(unknown + octets, next_header=DESTINATION_OPTIONS))
        assert len(world.sent()) == answers
        assert world.counters["Ipv6UnknownOption"] == 1


@pytest.mark.rfc("4443", "4443.6")
@pytest.mark.parametrize(
    ("type", "counter"),
    [(130, "Icmp6InMulticastListenersIgnored"), (143, "Icmp6InMulticastListenersIgnored"), (200, "Icmp6InUnknownType")],
)
def test_what_is_not_for_us_is_counted(type: int, counter: str) -> None:
    world = make().takes(icmp6(type, 0, 0, bytes(16)))
    assert world.sent() == []
    assert world.counters.snapshot() == {counter: 1}


def test_a_checksum_is_over_the_addresses_too() -> None:
    good = icmp6(icmpv6.ECHO_REQUEST, 0, 1)
    world = make().takes(good[:8] + OTHER + good[24:])
    assert world.sent() == []
    assert world.counters.snapshot() == {"Icmp6BadChecksum": 1}


def test_neighbor_discovery_takes_its_own_messages() -> None:
    world = make().takes(icmp6(icmpv6.NEIGHBOR_SOLICITATION, 0, 0, OURS, hop_limit=254))
    assert world.sent() == []
    assert sum(world.counters.snapshot().values()) == 1


def test_a_port_without_an_owner_is_told_in_the_words_of_this_version() -> None:
    world = make()
    world.takes(packet6(udp_outgoing().head))
    (datagram,) = world.udp.datagrams
    world.host.icmp.send_error(kinds.PORT_UNREACHABLE, datagram, 0)
    message = icmp6_of(world.sent()[0])
    assert (message.type, message.code) == (icmpv6.DESTINATION_UNREACHABLE, icmpv6.PORT_UNREACHABLE)


@pytest.mark.rfc("4443", "4443.3")
def test_a_source_that_is_not_one_host_is_told_nothing() -> None:
    world = make()
    world.takes(packet6(bytes(8), next_header=253, source=parse_address("::")))
    assert world.sent() == []


@pytest.mark.rfc("4443", "4443.3")
def test_a_packet_for_a_group_is_no_reason_for_an_error() -> None:
    world = make()
    world.takes(packet6(bytes(8), next_header=253, destination=ALL_NODES))
    assert world.sent() == []
