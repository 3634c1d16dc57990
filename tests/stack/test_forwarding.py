import pytest

from halfopen.base.addresses import MAC_BROADCAST, parse_address
from halfopen.base.clock import SECOND
from halfopen.stack.config import IcmpConfig, InterfaceConfig, IpConfig, StackConfig
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.internet import default_route
from halfopen.wire import checksum, icmpv4, ipv4, tcp
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from halfopen.wire.tcp import ACK, Segment
from tests.stack.world import (
    FAR,
    OUR_MAC,
    PEER,
    PEER_MAC,
    World,
    arp_frame,
    datagram,
    frame,
    icmp_of,
    ip_of,
    is_arp,
    offloading,
    payload_of,
    tap,
    tun,
)

OUT = "203.0.113.1/24"
OUR_OUT = parse_address("203.0.113.1")


def router(left: InterfaceConfig | None = None, right: InterfaceConfig | None = None, **ip: object) -> World:
    """The peer is on the left, 203.0.113.0/24 with FAR on the right."""
    settings = StackConfig(ip=IpConfig(forwarding=True, **ip))  # type: ignore[arg-type]  # fields by name
    return World(settings, left or tun(), right or tun("tun1", OUT))


def only(world: World, now: int = 0) -> tuple[Interface, Packet]:
    (transmission,) = world.sent_by(now)
    return transmission


def super_segment(octets: int = 5000, gso_size: int = 1460, offset: int = 0, **fields: object) -> Packet:
    """TCP from the peer to FAR, as a TUN with offloads hands it over."""
    pseudo = checksum.pseudo_header_sum(PEER, FAR, PROTOCOL_TCP, 20 + octets)
    head = tcp.emit(Segment(1234, 80, seq=1, ack=1, flags=ACK, window=5), pseudo)
    header = ipv4.Ipv4(PEER, FAR, PROTOCOL_TCP, **fields)  # type: ignore[arg-type]  # fields by name
    whole = ipv4.emit(header, 20 + octets) + head
    body = bytes(index & 0xFF for index in range(octets))
    return Packet(bytes(offset) + whole, (body,), CHECKSUM_PARTIAL, offset + 20, 16, gso_size)


def verifies(packet: Packet) -> bool:
    header = ip_of(packet)
    pseudo = checksum.pseudo_header_sum(header.source, header.destination, PROTOCOL_TCP, header.total_octets - 20)
    return checksum.checksum(payload_of(packet), pseudo) == 0


@pytest.mark.rfc("1812", "1812.1", "1812.2", "1812.11")
def test_a_datagram_goes_on_one_hop_older_and_otherwise_untouched() -> None:
    world = router()
    whole = datagram(b"transport", destination=FAR, ttl=64, tos=0xBB, identification=5)
    interface, packet = only(world.takes(whole + b"padding"))
    assert interface is world.interfaces[1]
    assert packet.joined() == datagram(b"transport", destination=FAR, ttl=63, tos=0xBB, identification=5)
    assert world.counters["IpForwDatagrams"] == 1


@pytest.mark.rfc("1812", "1812.11")
def test_datagrams_leave_in_the_order_in_which_they_came() -> None:
    world = router()
    for number in range(20):
        world.takes(datagram(destination=FAR, identification=number))
    assert [ip_of(packet).identification for _, packet in world.sent_by(0)] == list(range(20))


def test_every_ttl_keeps_the_checksum_right() -> None:
    for ttl in range(2, 256):
        world = router().takes(datagram(destination=FAR, ttl=ttl))
        assert ip_of(only(world)[1]).ttl == ttl - 1


@pytest.mark.rfc("1812", "1812.1")
def test_nothing_is_forwarded_unless_the_host_and_the_interface_are_told_to() -> None:
    quiet = World(None, tun(), tun("tun1", OUT)).takes(datagram(destination=FAR))
    assert quiet.sent() == []
    closed = router(tun(forwarding=False)).takes(datagram(destination=FAR))
    assert closed.sent() == []
    assert closed.counters.snapshot() == quiet.counters.snapshot() == {"IpInAddrErrors": 1}


@pytest.mark.rfc("1812", "1812.2", "1812.7")
@pytest.mark.parametrize("ttl", [0, 1])
def test_a_datagram_that_is_too_old_is_answered_with_time_exceeded(ttl: int) -> None:
    world = router().takes(datagram(destination=FAR, ttl=ttl))
    interface, answer = only(world)
    message = icmp_of(answer)
    assert (message.type, message.code) == (icmpv4.TIME_EXCEEDED, icmpv4.TTL_EXCEEDED)
    assert interface is world.interfaces[0]
    assert ip_of(answer).source == parse_address("192.0.2.1")
    assert message.payload == datagram(destination=FAR, ttl=ttl)


@pytest.mark.rfc("792", "792.4")
@pytest.mark.rfc("1812", "1812.3")
def test_without_a_route_the_net_is_unreachable() -> None:
    world = router().takes(datagram(destination=parse_address("198.51.100.9")))
    message = icmp_of(only(world)[1])
    assert (message.type, message.code) == (icmpv4.DESTINATION_UNREACHABLE, icmpv4.NET_UNREACHABLE)


@pytest.mark.rfc("1812", "1812.4")
@pytest.mark.parametrize(
    ("fields", "counter"),
    [
        ({"destination": "224.0.0.251"}, "IpForwMulticast"),
        ({"destination": "203.0.113.255"}, "IpForwDirectedBroadcast"),
        ({"destination": "203.0.113.0"}, "IpForwDirectedBroadcast"),
        ({"destination": "169.254.1.1"}, "IpForwLinkLocal"),
        ({"destination": "203.0.113.9", "source": "169.254.1.1"}, "IpForwLinkLocal"),
        ({"destination": "127.0.0.1"}, "IpInMartianDestination"),
        ({"destination": "240.0.0.1"}, "IpInMartianDestination"),
        ({"destination": "0.0.0.1"}, "IpInMartianDestination"),
        ({"destination": "203.0.113.9", "source": "127.0.0.1"}, "IpInMartianSource"),
        ({"destination": "203.0.113.9", "source": "203.0.113.255"}, "IpInMartianSource"),
        ({"destination": "203.0.113.9", "source": "203.0.113.1"}, "IpInMartianSource"),
    ],
)
def test_some_datagrams_are_never_forwarded(fields: dict[str, str], counter: str) -> None:
    world = router()
    world.host.routes.add(default_route(world.interfaces[1]))
    world.takes(datagram(**{name: parse_address(text) for name, text in fields.items()}))
    assert world.sent() == []
    assert world.counters.snapshot() == {counter: 1}


@pytest.mark.rfc("1812", "1812.4")
def test_what_came_in_a_broadcast_frame_is_not_forwarded() -> None:
    world = router(tap()).takes(frame(datagram(destination=FAR), destination=MAC_BROADCAST))
    assert world.counters.snapshot() == {"IpForwLinkBroadcast": 1}


@pytest.mark.rfc("1812", "1812.8")
def test_options_stay_and_source_routes_do_not_pass() -> None:
    world = router().takes(datagram(destination=FAR, options=b"\x94\x04\0\0"))
    assert ip_of(only(world)[1]).options == b"\x94\x04\0\0"
    world.takes(datagram(destination=FAR, options=b"\x83\x07\x04" + PEER + b"\0"))
    assert world.sent() == []
    assert world.counters["IpInSourceRoute"] == 1


@pytest.mark.rfc("792", "792.4")
@pytest.mark.rfc("1812", "1812.5")
@pytest.mark.rfc("1191", "1191.1")
def test_a_datagram_too_large_that_may_not_be_cut_is_answered_with_the_mtu() -> None:
    world = router(right=tun("tun1", OUT, mtu=1300)).takes(datagram(bytes(1281), destination=FAR))
    message = icmp_of(only(world)[1])
    assert (message.type, message.code) == (icmpv4.DESTINATION_UNREACHABLE, icmpv4.FRAGMENTATION_NEEDED)
    assert message.rest == 1300
    assert len(world.takes(datagram(bytes(1280), destination=FAR)).sent()) == 1


@pytest.mark.rfc("1812", "1812.5")
def test_a_datagram_too_large_is_cut_where_that_is_allowed() -> None:
    world = router(right=tun("tun1", OUT, mtu=576))
    text = bytes(index & 0xFF for index in range(1400))
    world.takes(datagram(text, destination=FAR, dont_fragment=False, identification=9, options=b"\x94\x04\0\0"))
    packets = world.sent()
    headers = [ip_of(packet) for packet in packets]
    assert b"".join(payload_of(packet) for packet in packets) == text
    assert {(header.identification, header.ttl) for header in headers} == {(9, 63)}
    assert all(packet.octets <= 576 for packet in packets)
    assert [header.options for header in headers] == [b"\x94\x04\0\0"] * 3


def test_a_fragment_is_forwarded_as_it_is() -> None:
    piece = {"destination": FAR, "dont_fragment": False, "more_fragments": True, "fragment_offset": 80}
    _, packet = only(router().takes(datagram(bytes(80), **piece)))
    assert packet.joined() == datagram(bytes(80), ttl=63, **piece)


def test_our_knowledge_of_a_path_does_not_bind_those_who_send_through_us() -> None:
    world = router()
    world.host.ip.update_path_mtu(FAR, 600, 0)
    assert len(world.takes(datagram(bytes(1400), destination=FAR)).sent()) == 1


@pytest.mark.rfc("4987", "4987.1")
@pytest.mark.rfc("1812", "1812.10")
def test_with_the_ingress_filter_a_source_must_come_by_its_own_way() -> None:
    world = router(ingress_filter=True)
    assert len(world.takes(datagram(destination=FAR)).sent()) == 1
    world.takes(datagram(destination=FAR, source=parse_address("203.0.113.7")))
    world.takes(datagram(destination=FAR, source=parse_address("198.51.100.7")))
    assert world.sent() == []
    assert world.counters["IpForwReversePathFilter"] == 2


@pytest.mark.rfc("1812", "1812.9")
def test_an_own_address_on_the_other_side_is_answered_here() -> None:
    world = router().takes(datagram(destination=OUR_OUT))
    assert len(world.udp.datagrams) == 1


@pytest.mark.rfc("792", "792.4")
def test_an_unresolved_neighbour_makes_the_host_unreachable_for_the_sender() -> None:
    world = router(right=tap("tap1", OUT))
    world.takes(datagram(destination=FAR))
    log = world.runs(3 * SECOND)
    assert [is_arp(packet) for _, packet in log] == [True, True, True, False]
    message = icmp_of(log[-1][1])
    assert (message.type, message.code) == (icmpv4.DESTINATION_UNREACHABLE, icmpv4.HOST_UNREACHABLE)
    assert message.payload == datagram(destination=FAR, ttl=63)


def test_between_ethernets_the_link_header_is_replaced() -> None:
    world = router(tap(), tap("tap1", OUT, mac="02:00:00:00:00:11"))
    world.host.arp.table.add_permanent(world.interfaces[1], FAR, b"\x02\0\0\0\0\x99")
    interface, packet = only(world.takes(frame(datagram(b"transport", destination=FAR))))
    assert interface is world.interfaces[1]
    assert packet.joined() == (
        b"\x02\0\0\0\0\x99\x02\0\0\0\0\x11\x08\x00" + datagram(b"transport", destination=FAR, ttl=63)
    )


def test_a_super_segment_passes_whole_where_the_link_takes_it() -> None:
    _, packet = only(router(right=offloading("tun1", OUT)).takes(super_segment()))
    assert (packet.gso_size, packet.checksum, packet.octets, packet.checksum_start) == (
        1460,
        CHECKSUM_PARTIAL,
        5040,
        20,
    )


def test_a_super_segment_from_ethernet_has_its_marks_moved() -> None:
    segment = super_segment(offset=14)
    segment.head = frame(segment.head[14:])
    _, packet = only(router(tap(), offloading("tun1", OUT)).takes(segment))
    assert (packet.checksum_start, packet.checksum_offset, packet.gso_size) == (20, 16, 1460)


def test_a_super_segment_is_cut_where_the_link_does_not() -> None:
    world = router().takes(super_segment())
    packets = world.sent()
    assert [packet.octets for packet in packets] == [1500, 1500, 1500, 660]
    assert all(verifies(packet) and packet.checksum == CHECKSUM_NONE and not packet.gso_size for packet in packets)


def test_a_super_segment_larger_than_the_link_takes_is_cut() -> None:
    small = tun("tun1", OUT, offloads=Offloads(checksum=True, gso_octets=4000))
    packets = router(right=small).takes(super_segment()).sent()
    assert [packet.checksum for packet in packets] == [CHECKSUM_PARTIAL] * 4


def test_the_segments_of_a_super_segment_decide_whether_it_fits() -> None:
    world = router(right=tun("tun1", OUT, mtu=1400)).takes(super_segment())
    message = icmp_of(only(world)[1])
    assert (message.code, message.rest) == (icmpv4.FRAGMENTATION_NEEDED, 1400)
    assert len(message.payload) == 548


def test_the_segments_of_a_super_segment_are_cut_again_where_that_is_allowed() -> None:
    world = router(right=tun("tun1", OUT, mtu=1400))
    world.takes(super_segment(dont_fragment=False, identification=50))
    packets = world.sent()
    assert all(packet.octets <= 1400 for packet in packets)
    far = World(None, tun(address="203.0.113.9/24"))
    for packet in packets:
        far.takes(packet)
    assert [got.octets - 20 for got in far.tcp.datagrams] == [1460, 1460, 1460, 620]


def test_a_partial_checksum_is_completed_where_the_link_does_not() -> None:
    _, packet = only(router().takes(super_segment(1000, 0)))
    assert packet.checksum == CHECKSUM_NONE and verifies(packet)


def test_a_verified_checksum_is_simply_there() -> None:
    _, packet = only(router().takes(Packet(datagram(destination=FAR), (), CHECKSUM_VERIFIED)))
    assert packet.checksum == CHECKSUM_NONE


@pytest.mark.parametrize(
    "marks",
    [
        {"checksum": CHECKSUM_NONE},
        {"checksum_start": 0},
        {"checksum_start": 24},
        {"checksum_offset": 6},
        {"checksum_offset": 5000},
    ],
    ids=str,
)
def test_marks_that_contradict_the_headers_are_counted(marks: dict[str, int]) -> None:
    packet = super_segment()
    for name, value in marks.items():
        setattr(packet, name, value)
    world = router().takes(packet)
    assert world.sent() == []
    assert world.counters.snapshot() == {"IpForwBadOffload": 1}


@pytest.mark.parametrize("head", [38, 39])
def test_a_super_segment_without_its_whole_header_in_the_head_is_counted(head: int) -> None:
    packet = super_segment()
    packet.body = (packet.head[head:], *packet.body)
    packet.head = packet.head[:head]
    assert router().takes(packet).counters["IpForwBadOffload"] == 1


def test_a_super_segment_whose_header_claims_to_be_longer_than_the_head_is_counted() -> None:
    packet = super_segment()
    packet.head = packet.head[:32] + b"\xf0" + packet.head[33:]
    assert router().takes(packet).counters["IpForwBadOffload"] == 1


def test_paths_are_kept_and_asked_for_again_when_routes_change() -> None:
    world = router()
    elsewhere = tun("tun2", "198.51.100.1/24")
    assert only(world.takes(datagram(destination=FAR)))[0] is world.interfaces[1]
    world.host.routes.remove_interface(world.interfaces[1])
    third = world.host.add_interface(elsewhere)
    world.host.routes.add(default_route(third))
    assert only(world.takes(datagram(destination=FAR)))[0] is third


def test_the_answer_to_a_scan_through_us_is_limited() -> None:
    settings = StackConfig(ip=IpConfig(forwarding=True), icmp=IcmpConfig(error_burst=5))
    world = World(settings, tun(), tun("tun1", OUT))
    for number in range(10_000):
        world.takes(datagram(destination=b"\x0a\x00" + number.to_bytes(2, "big")))
    assert len(world.sent()) == 5
    assert world.counters["IcmpOutRateLimited"] == 9995


def test_many_destinations_do_not_fill_the_memory() -> None:
    world = router()
    world.host.routes.add(default_route(world.interfaces[1]))
    for number in range(5000):
        world.takes(datagram(destination=b"\x0a\x00" + number.to_bytes(2, "big")))
    assert len(world.sent()) == 5000


def test_arp_answers_on_both_sides() -> None:
    world = router(tap(), tap("tap1", OUT, mac="02:00:00:00:00:11"))
    world.takes(arp_frame(1))
    world.takes(arp_frame(1, FAR, OUR_OUT), on=1)
    sources = [packet.head[6:12] for packet in world.sent()]
    assert sources == [OUR_MAC, b"\x02\0\0\0\0\x11"]
    assert PEER_MAC not in sources


def body_apart(whole: bytes) -> Packet:
    return Packet(whole[:20], (whole[20:],))


@pytest.mark.parametrize(
    "packet",
    [
        Packet(datagram(b"transport", destination=FAR, ttl=64, tos=0xBB, identification=5) + b"padding"),
        body_apart(datagram(b"transport", destination=FAR)),
        body_apart(datagram(b"transport", destination=FAR) + b"padding"),
        *[Packet(datagram(destination=FAR, ttl=ttl)) for ttl in (0, 1, 2, 3, 255)],
        Packet(datagram(bytes(1480), destination=FAR)),
        Packet(datagram(bytes(1481), destination=FAR)),
        Packet(datagram(bytes(2000), destination=FAR, dont_fragment=False)),
        Packet(datagram(bytes(80), destination=FAR, dont_fragment=False, more_fragments=True)),
        Packet(datagram(b"transport", destination=FAR, options=b"\x01\x01\x01\x01")),
        Packet(datagram(b"transport", destination=FAR)[:-1]),
        Packet(datagram(b"transport", destination=FAR)[:10] + bytes(2) + datagram(b"transport", destination=FAR)[12:]),
        Packet(datagram(destination=FAR, source=parse_address("192.0.2.255"))),
        super_segment(),
        super_segment(1000, 0),
        Packet(datagram(bytes(20), destination=FAR), (), CHECKSUM_PARTIAL, 20, 30),
        Packet(datagram(bytes(20), destination=FAR), (), CHECKSUM_PARTIAL, 19, 16),
        Packet(datagram(bytes(20), destination=FAR), (), CHECKSUM_VERIFIED),
    ],
)
@pytest.mark.parametrize("right", [tun("tun1", OUT), offloading("tun1", OUT)])
def test_what_follows_others_on_their_way_fares_as_if_it_were_the_first(packet: Packet, right: InterfaceConfig) -> None:
    first, later = router(right=right), router(right=right)
    only(later.takes(datagram(b"the first", destination=FAR)))
    counted = later.counters["IpForwDatagrams"]
    expected = [(interface.name, each.joined(), each.checksum) for interface, each in first.takes(packet).sent_by(0)]
    assert [(interface.name, each.joined(), each.checksum) for interface, each in later.takes(packet).sent_by(0)] == (
        expected
    )
    assert later.counters["IpForwDatagrams"] - counted == first.counters["IpForwDatagrams"]


def test_a_way_that_was_taken_is_left_when_anything_about_it_changes() -> None:
    whole = datagram(destination=FAR)
    world = router()
    only(world.takes(whole))
    world.interfaces[0].forwarding = False
    assert world.takes(whole).sent_by(0) == []
    world.interfaces[0].forwarding = True
    world.host.configure(StackConfig(ip=IpConfig(forwarding=False)))
    assert world.takes(whole).sent_by(0) == []
    world.host.configure(StackConfig(ip=IpConfig(forwarding=True)))
    world.host.routes.remove_interface(world.interfaces[1])
    assert icmp_of(only(world.takes(whole))[1]).code == icmpv4.NET_UNREACHABLE


def test_of_two_interfaces_each_has_to_show_that_its_datagrams_may_pass() -> None:
    world = router(ingress_filter=True)
    whole = datagram(destination=FAR)
    only(world.takes(whole))
    assert world.takes(whole, on=1).sent_by(0) == []
    assert world.counters["IpForwReversePathFilter"] == 1
