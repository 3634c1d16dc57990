import pytest

from halfopen.base.addresses import IPV4_BROADCAST, parse_address
from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.errors import NetworkUnreachable
from halfopen.stack import datagram as kinds
from halfopen.stack.config import IcmpConfig, IpConfig, StackConfig
from halfopen.stack.icmp import REPLY
from halfopen.stack.internet import default_route
from halfopen.wire import icmpv4, ipv4
from halfopen.wire.icmpv4 import ECHO_REPLY, ECHO_REQUEST
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, Ipv4
from halfopen.wire.packet import Packet
from tests.stack.world import FAR, OTHER, OURS, PEER, World, datagram, icmp, icmp_of, ip_of, tun


def make(**settings: object) -> World:
    return World(StackConfig(icmp=IcmpConfig(**settings)), tun())  # type: ignore[arg-type]  # fields by name


def quote(protocol: int = PROTOCOL_UDP, transport: bytes = b"\x04\xd2\x00\x35\0\x08\0\0", **fields: object) -> bytes:
    """The datagram of ours that an error is about."""
    header = Ipv4(**{"source": OURS, "destination": PEER, "protocol": protocol, **fields})  # type: ignore[arg-type]
    return ipv4.emit(header, 1400) + transport


@pytest.mark.rfc("792", "792.1")
def test_an_echo_is_returned_with_its_data_and_its_dscp() -> None:
    (packet,) = make().takes(icmp(ECHO_REQUEST, rest=0x12345678, payload=b"ping", tos=0x28)).sent()
    header, message = ip_of(packet), icmp_of(packet)
    assert (header.source, header.destination, header.tos, header.identification) == (OURS, PEER, 0x28, 0)
    assert (message.type, message.code, message.rest, message.payload) == (ECHO_REPLY, 0, 0x12345678, b"ping")


@pytest.mark.rfc("792", "792.1")
def test_an_echo_to_any_own_address_is_returned_from_that_address() -> None:
    world = World(None, tun(), tun("tun1", "198.51.100.1/24"))
    second = parse_address("198.51.100.1")
    (packet,) = world.takes(icmp(ECHO_REQUEST, destination=second)).sent()
    assert ip_of(packet).source == second


def test_an_echo_larger_than_the_path_is_returned_in_fragments() -> None:
    world = make()
    text = bytes(index & 0xFF for index in range(4000))
    whole = icmp(ECHO_REQUEST, payload=text)[20:]
    for low, high in ((0, 1480), (1480, 2960), (2960, 4008)):
        world.takes(
            datagram(
                whole[low:high],
                protocol=PROTOCOL_ICMP,
                identification=3,
                dont_fragment=False,
                fragment_offset=low,
                more_fragments=high < 4008,
            )
        )
    packets = world.sent()
    assert len(packets) == 3
    peer = World(None, tun(address="192.0.2.2/24"))
    for packet in packets:
        peer.takes(packet)
    assert peer.counters["IcmpInEchoRepUnexpected"] == 1
    assert peer.counters["IpReasmOKs"] == 1


def test_a_broadcast_echo_is_ignored_unless_wanted() -> None:
    request = icmp(ECHO_REQUEST, destination=IPV4_BROADCAST)
    world = make().takes(request)
    assert world.sent() == []
    assert world.counters["IcmpInEchoIgnored"] == 1
    (packet,) = make(echo_broadcast=True).takes(request).sent()
    assert ip_of(packet).source == OURS


def test_echo_can_be_turned_off() -> None:
    assert make(echo=False).takes(icmp(ECHO_REQUEST)).sent() == []


def test_an_echo_from_where_no_way_leads_back_is_counted() -> None:
    world = make().takes(icmp(ECHO_REQUEST, source=FAR))
    assert world.sent() == []
    assert world.counters["IcmpOutNoRoutes"] == 1


@pytest.mark.rfc("792", "792.12")
def test_a_wrong_checksum_is_counted() -> None:
    world = make().takes(icmp(ECHO_REQUEST)[:-1] + b"\xff").takes(datagram(b"\x08", protocol=PROTOCOL_ICMP))
    assert world.counters.snapshot() == {"IcmpBadChecksum": 1, "IcmpTruncated": 1}


@pytest.mark.rfc("5927", "5927.3")
@pytest.mark.rfc("9293", "MUST-55")
@pytest.mark.rfc("792", "792.9", "792.10")
@pytest.mark.parametrize(
    ("type", "counter"),
    [
        (icmpv4.SOURCE_QUENCH, "IcmpInSourceQuenchIgnored"),
        (icmpv4.REDIRECT, "IcmpInRedirectIgnored"),
        (icmpv4.TIMESTAMP_REQUEST, "IcmpInUnknownType"),
        (icmpv4.ROUTER_ADVERTISEMENT, "IcmpInUnknownType"),
        (17, "IcmpInUnknownType"),
        (255, "IcmpInUnknownType"),
    ],
)
def test_what_is_not_acted_upon_is_counted(type: int, counter: str) -> None:
    world = make().takes(icmp(type, payload=quote()))
    assert world.sent() == []
    assert world.udp.errors == []
    assert world.counters.snapshot() == {counter: 1}


@pytest.mark.rfc("9293", "MUST-54")
@pytest.mark.rfc("792", "792.5", "792.7", "792.8")
@pytest.mark.parametrize(
    ("type", "code", "kind"),
    [
        (3, 0, kinds.NET_UNREACHABLE),
        (3, 1, kinds.HOST_UNREACHABLE),
        (3, 2, kinds.PROTOCOL_UNREACHABLE),
        (3, 3, kinds.PORT_UNREACHABLE),
        (3, 4, kinds.FRAGMENTATION_NEEDED),
        (3, 5, kinds.SOURCE_ROUTE_FAILED),
        (3, 13, kinds.ADMIN_PROHIBITED),
        (11, 0, kinds.TTL_EXCEEDED),
        (11, 1, kinds.REASSEMBLY_EXCEEDED),
        (12, 0, kinds.PARAMETER_PROBLEM),
    ],
)
def test_an_error_is_passed_to_the_transport_that_it_is_about(type: int, code: int, kind: str) -> None:
    world = make().takes(icmp(type, code, 1300, quote(), source=FAR))
    (error,) = world.udp.errors
    assert (error.kind, error.source, error.quoted.destination) == (kind, FAR, PEER)
    assert error.mtu == (1300 if kind == kinds.FRAGMENTATION_NEEDED else 0)
    assert error.quoted.transport == b"\x04\xd2\x00\x35\0\x08\0\0"
    assert world.tcp.errors == []


def test_an_error_about_tcp_goes_to_tcp() -> None:
    world = make().takes(icmp(3, 3, 0, quote(PROTOCOL_TCP)))
    assert [error.kind for error in world.tcp.errors] == [kinds.PORT_UNREACHABLE]


@pytest.mark.parametrize(("type", "code"), [(3, 16), (3, 255), (11, 2)])
def test_an_error_with_an_unknown_code_is_counted(type: int, code: int) -> None:
    world = make().takes(icmp(type, code, 0, quote()))
    assert world.counters.snapshot() == {"IcmpInUnknownCode": 1}


@pytest.mark.parametrize("quoted", [quote(source=OTHER), quote(protocol=99)], ids=["not from us", "no such transport"])
def test_an_error_about_what_we_never_sent_is_for_nobody(quoted: bytes) -> None:
    world = make().takes(icmp(3, 3, 0, quoted))
    assert world.udp.errors == []
    assert world.counters.snapshot() == {"IcmpInErrorsForNobody": 1}


@pytest.mark.parametrize("quoted", [b"", quote()[:27], b"\x65" + quote()[1:], quote(fragment_offset=8)])
def test_an_error_that_quotes_nothing_sensible_is_counted(quoted: bytes) -> None:
    world = make().takes(icmp(3, 3, 0, quoted))
    assert world.counters.snapshot() == {"IcmpBadQuote": 1}


@pytest.mark.rfc("1191", "1191.1")
def test_a_router_that_tells_no_mtu_is_taken_to_mean_the_next_plateau() -> None:
    world = make().takes(icmp(3, 4, 0, quote()))
    assert [error.mtu for error in world.udp.errors] == [1006]


@pytest.mark.rfc("5927", "5927.4")
def test_a_datagram_that_did_fit_cannot_have_been_too_large() -> None:
    world = make().takes(icmp(3, 4, 1420, quote()))
    assert world.udp.errors == []
    assert world.counters.snapshot() == {"IcmpInBadMtu": 1}


def test_a_quoted_udp_datagram_alone_does_not_change_a_path_mtu() -> None:
    world = make().takes(icmp(3, 4, 600, quote()))
    assert world.host.ip.find_path(PEER, None, 0).mtu == 1500


@pytest.mark.rfc("792", "792.2")
def test_an_error_quotes_as_much_as_fits_in_576_octets() -> None:
    whole = datagram(bytes(index & 0xFF for index in range(1000)), protocol=99)
    for packet in (Packet(whole), Packet(whole[:40], (whole[40:700], whole[700:]))):
        world = make()
        world.host.receive(world.interface, packet, 0)
        (answer,) = world.sent()
        assert answer.octets == 576
        assert icmp_of(answer).payload == whole[:548]
        assert (ip_of(answer).tos, ip_of(answer).source) == (0xC0, OURS)


def test_a_quote_leaves_out_the_padding() -> None:
    whole = datagram(bytes(9), protocol=99)
    (answer,) = make().takes(whole + bytes(17)).sent()
    assert icmp_of(answer).payload == whole


@pytest.mark.rfc("1122", "1122.4")
@pytest.mark.rfc("792", "792.3")
@pytest.mark.parametrize(
    "about",
    [
        datagram(protocol=99, destination=IPV4_BROADCAST),
        datagram(protocol=99, destination=parse_address("192.0.2.255")),
        datagram(protocol=99, destination=parse_address("224.0.0.1")),
    ],
)
def test_no_error_is_sent_about_a_broadcast(about: bytes) -> None:
    world = make().takes(about)
    assert world.sent() == []
    assert world.counters["IcmpOutSuppressed"] == 1


@pytest.mark.rfc("792", "792.3")
@pytest.mark.parametrize(("type", "count"), [(3, 0), (4, 0), (5, 0), (11, 0), (12, 0), (8, 1), (0, 1)])
def test_no_error_is_sent_about_an_error(type: int, count: int) -> None:
    world = World(StackConfig(ip=IpConfig(forwarding=True)), tun())
    world.takes(icmp(type, payload=quote(), ttl=1, destination=FAR))
    assert len(world.sent()) == count


@pytest.mark.rfc("792", "792.3")
def test_no_error_is_sent_about_a_fragment_other_than_the_first() -> None:
    world = World(StackConfig(ip=IpConfig(forwarding=True)), tun())
    world.takes(datagram(destination=FAR, ttl=1, dont_fragment=False, fragment_offset=80))
    assert world.sent() == []
    assert world.counters["IcmpOutSuppressed"] == 1


def test_an_error_about_a_datagram_from_where_no_way_leads_back_is_counted() -> None:
    world = make().takes(datagram(protocol=99, source=FAR))
    assert world.sent() == []
    assert world.counters["IcmpOutNoRoutes"] == 1


@pytest.mark.rfc("792", "792.11")
def test_errors_are_limited_to_a_burst_and_a_rate() -> None:
    world = make(error_burst=3, error_interval=100 * MILLISECOND)
    for _ in range(10):
        world.takes(datagram(protocol=99), SECOND)
    assert len(world.sent(SECOND)) == 3
    assert world.counters["IcmpOutRateLimited"] == 7
    world.takes(datagram(protocol=99), SECOND + 99 * MILLISECOND)
    assert world.sent(SECOND) == []
    world.takes(datagram(protocol=99), SECOND + 100 * MILLISECOND)
    assert len(world.sent(SECOND)) == 1


def test_our_echo_request_and_its_reply() -> None:
    world = make()
    world.host.icmp.send_echo(PEER, 7, 1, b"hello", 0)
    (packet,) = world.sent()
    message = icmp_of(packet)
    assert (message.type, message.rest, message.payload) == (ECHO_REQUEST, 0x00070001, b"hello")
    world.takes(icmp(ECHO_REPLY, 0, message.rest, b"hello", ttl=61), 5 * MILLISECOND)
    reply = world.host.icmp.poll_reply()
    assert reply is not None
    assert (reply.kind, reply.source, reply.identifier, reply.sequence) == (REPLY, PEER, 7, 1)
    assert (reply.rtt, reply.ttl, reply.payload) == (5 * MILLISECOND, 61, b"hello")
    assert world.host.icmp.poll_reply() is None


def test_two_hosts_of_ours_ping_each_other() -> None:
    world, peer = make(), World(None, tun(address="192.0.2.2/24"))
    world.host.icmp.send_echo(PEER, 7, 1, bytes(3000), 0)
    for packet in world.sent():
        peer.takes(packet)
    for packet in peer.sent():
        world.takes(packet)
    reply = world.host.icmp.poll_reply()
    assert reply is not None and reply.payload == bytes(3000)


def test_we_can_ping_ourselves() -> None:
    world = make()
    for destination in (OURS, parse_address("127.0.0.1")):
        world.host.icmp.send_echo(destination, 7, 1, b"", 0)
        assert world.sent() == []
        reply = world.host.icmp.poll_reply()
        assert reply is not None and reply.source == destination


@pytest.mark.parametrize(
    "forged",
    [
        icmp(ECHO_REPLY, 0, 0x00070001, source=OTHER),
        icmp(ECHO_REPLY, 0, 0x00070002),
        icmp(3, 1, 0, quote(PROTOCOL_ICMP, b"\x08\0\0\0\0\x07\0\x01", destination=OTHER)),
        icmp(3, 1, 0, quote(PROTOCOL_ICMP, b"\x08\0\0\0\0\x07\0\x02")),
        icmp(3, 1, 0, quote(PROTOCOL_ICMP, b"\x00\0\0\0\0\x07\0\x01")),
    ],
)
def test_an_answer_that_fits_no_request_is_not_believed(forged: bytes) -> None:
    world = make()
    world.host.icmp.send_echo(PEER, 7, 1, b"", 0)
    world.sent()
    world.takes(forged)
    assert world.host.icmp.poll_reply() is None
    assert world.counters["IcmpInEchoRepUnexpected"] + world.counters["IcmpInErrorsForNobody"] == 1


def test_an_error_about_our_echo_request_is_an_answer_too() -> None:
    world = make()
    world.host.icmp.send_echo(PEER, 7, 1, b"", 0)
    world.sent()
    world.takes(icmp(11, 0, 0, quote(PROTOCOL_ICMP, b"\x08\0\0\0\0\x07\0\x01"), source=OTHER), SECOND)
    reply = world.host.icmp.poll_reply()
    assert reply is not None
    assert (reply.kind, reply.source, reply.sequence, reply.rtt) == (kinds.TTL_EXCEEDED, OTHER, 1, SECOND)


def test_an_error_about_our_echo_request_teaches_the_path_mtu() -> None:
    world = make()
    world.host.icmp.send_echo(PEER, 7, 1, bytes(1400), 0)
    world.sent()
    world.takes(icmp(3, 4, 1300, quote(PROTOCOL_ICMP, b"\x08\0\0\0\0\x07\0\x01"), source=OTHER))
    assert world.host.ip.find_path(PEER, None, 0).mtu == 1300


def test_an_echo_to_nowhere_is_refused() -> None:
    with pytest.raises(NetworkUnreachable):
        make().host.icmp.send_echo(FAR, 7, 1, b"", 0)


def test_replies_to_a_broadcast_echo_come_from_anybody_once() -> None:
    world = make()
    world.host.icmp.send_echo(parse_address("192.0.2.255"), 7, 1, b"", 0)
    world.sent()
    world.takes(icmp(ECHO_REPLY, 0, 0x00070001, source=OTHER)).takes(icmp(ECHO_REPLY, 0, 0x00070001))
    reply = world.host.icmp.poll_reply()
    assert reply is not None and reply.source == OTHER
    assert world.counters["IcmpInEchoRepUnexpected"] == 1


def test_replies_that_nobody_polls_are_bounded() -> None:
    world = make(reply_queue=2)
    for sequence in range(4):
        world.host.icmp.send_echo(PEER, 7, sequence, b"", 0)
        world.takes(icmp(ECHO_REPLY, 0, 0x00070000 + sequence))
    assert world.counters["IcmpReplyQueueDrops"] == 2


def test_requests_that_nobody_answers_are_bounded() -> None:
    world = make()
    for number in range(5000):
        world.host.icmp.send_echo(PEER, number, 0, b"", 0)
    world.sent()
    world.takes(icmp(ECHO_REPLY, 0, 0)).takes(icmp(ECHO_REPLY, 0, 4999 << 16))
    reply = world.host.icmp.poll_reply()
    assert reply is not None and reply.identifier == 4999
    assert world.counters["IcmpInEchoRepUnexpected"] == 1


@pytest.mark.rfc("792", "792.6")
def test_a_redirect_by_the_first_hop_is_followed_if_it_may_be() -> None:
    world = make(accept_redirects=True)
    world.host.routes.add(default_route(world.interface, PEER))
    about = quote(destination=FAR)
    world.takes(icmp(icmpv4.REDIRECT, 1, int.from_bytes(OTHER, "big"), about))
    assert world.counters.snapshot() == {"IcmpRedirectsFollowed": 1}
    route = world.host.routes.lookup(FAR)
    assert route is not None
    assert (route.gateway, route in world.host.learnt_routes) == (OTHER, True)


@pytest.mark.parametrize(
    ("gateway", "about", "code", "counter"),
    [
        (OURS, {}, 1, "IcmpInRedirectBad"),
        (FAR, {}, 1, "IcmpInRedirectBad"),
        (parse_address("192.0.2.255"), {}, 1, "IcmpInRedirectBad"),
        (OTHER, {"source": PEER}, 1, "IcmpInRedirectBad"),
        (OTHER, {}, 4, "IcmpInRedirectIgnored"),
        (OTHER, {}, 0, "IcmpRedirectsRefused"),
    ],
)
def test_a_redirect_that_cannot_be_right_is_not_followed(
    gateway: bytes, about: dict[str, object], code: int, counter: str
) -> None:
    world = make(accept_redirects=True)
    octets = quote(**{"destination": FAR, **about})  # type: ignore[arg-type]  # fields by name
    world.takes(icmp(icmpv4.REDIRECT, code, int.from_bytes(gateway, "big"), octets))
    assert world.counters.snapshot() == {counter: 1}
