import pytest

from halfopen.base.addresses import IPV6_ANY, parse_address
from halfopen.base.clock import MILLISECOND, MINUTE, SECOND
from halfopen.base.errors import NetworkUnreachable
from halfopen.stack.config import IpConfig, StackConfig
from halfopen.stack.config_ipv6 import Ipv6Config
from halfopen.stack.datagram import FRAGMENTATION_NEEDED, HOST_UNREACHABLE
from halfopen.stack.interface import Offloads
from halfopen.stack.internet import default_route
from halfopen.stack.routes import Route
from halfopen.wire import icmpv6, ipv6, ipv6_headers, ndp
from halfopen.wire.ipv4 import PROTOCOL_UDP
from halfopen.wire.ipv6 import ALL_NODES, FRAGMENT, Ipv6
from halfopen.wire.ndp_options import Options
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from tests.stack.world import PEER as PEER_V4
from tests.stack.world import World, udp_outgoing
from tests.stack.world6 import ALONE, FAR, GATEWAY, OTHER, OURS, PEER, header_of, icmp6_of, packet6, sends6, tap6, tun6

PEER_MAC = b"\x02\0\0\0\0\x02"


def make(offloads: Offloads | None = None) -> World:
    return World(StackConfig(ndp=ALONE), tun6(offloads=offloads or Offloads()))


def ethernet() -> World:
    return World(StackConfig(ndp=ALONE), tap6())


def answers(world: World, now: int = 0) -> None:
    """The peer advertises himself, having been asked."""
    message = ndp.NeighborAdvertisement(PEER, False, True, True, Options(target_mac=PEER_MAC))
    octets = icmpv6.emit(ndp.emit(message), PEER, OURS)
    frame = world.interface.mac + PEER_MAC + b"\x86\xdd" + packet6(octets, next_header=58, hop_limit=255)
    world.takes(frame, now)


def test_what_a_transport_sends_stands_behind_a_header() -> None:
    world = make()
    sends6(world, PEER, 20, tos=0xB9, ttl=7)
    (packet,) = world.sent()
    header = header_of(packet)
    assert (header.source, header.destination, header.next_header) == (OURS, PEER, PROTOCOL_UDP)
    assert (header.traffic_class, header.hop_limit, header.payload_octets) == (0xB9, 7, 20)


def labels(world: World, ports: bytes, destination: bytes = PEER) -> set[int]:
    path = world.host.ip.find_path(destination, None, 0)
    for _ in range(3):
        outgoing = udp_outgoing()
        outgoing.head = ports + outgoing.head[4:]
        world.host.ip.send(path, outgoing, 0)
    return {header_of(packet).flow_label for packet in world.sent()}


@pytest.mark.rfc("8200", "8200.6")
def test_each_flow_has_a_label_of_its_own() -> None:
    world = make()
    seen = [labels(world, bytes((0, port, 0, 53))) for port in range(50)]
    assert all(len(one) == 1 for one in seen)
    assert len(set.union(*seen)) >= 49
    assert labels(world, b"\0\1\0\1", OTHER) != labels(world, b"\0\1\0\1", PEER)


def test_there_need_be_no_labels() -> None:
    world = World(StackConfig(ndp=ALONE, ipv6=Ipv6Config(auto_flow_labels=False)), tun6())
    assert labels(world, b"\0\1\0\1") == {0}


def test_a_neighbour_is_asked_for_and_what_waits_for_him_goes() -> None:
    world = ethernet()
    world.sent()
    sends6(world, PEER)
    (question,) = world.sent()
    assert icmp6_of(question, 14).type == icmpv6.NEIGHBOR_SOLICITATION
    answers(world)
    (packet,) = world.sent()
    assert packet.head[:14] == PEER_MAC + world.interface.mac + b"\x86\xdd"
    assert header_of(packet, 14).destination == PEER
    sends6(world, PEER)
    assert len(world.sent()) == 1


def test_a_neighbour_that_does_not_answer_is_unreachable() -> None:
    world = ethernet()
    sends6(world, PEER)
    world.runs(10 * SECOND)
    (error,) = world.udp.errors
    assert (error.kind, error.source, error.quoted.destination) == (HOST_UNREACHABLE, OURS, PEER)


def test_a_group_has_an_ethernet_address_of_its_own() -> None:
    world = ethernet()
    world.sent()
    sends6(world, ALL_NODES)
    (packet,) = world.sent()
    assert packet.head[:6] == bytes.fromhex("333300000001")


def test_what_lies_elsewhere_goes_to_the_gateway() -> None:
    world = make()
    world.host.routes.add(default_route(world.interface, GATEWAY))
    path = world.host.ip.find_path(FAR, None, 0)
    assert (path.next_hop, path.source, path.interface) == (GATEWAY, OURS, world.interface)


def test_a_route_may_name_its_source() -> None:
    world = make()
    world.host.add_address(world.interface, OTHER, world.interface.addresses[0][1], 0)
    world.host.routes.add(
        Route(prefix=default_route(world.interface, GATEWAY).prefix, interface=world.interface, source=OTHER)
    )
    assert world.host.ip.find_path(FAR, None, 0).source == OTHER


@pytest.mark.parametrize("destination", [FAR, IPV6_ANY, parse_address("::ffff:192.0.2.2")])
def test_there_is_no_way_to_nobody(destination: bytes) -> None:
    world = make()
    with pytest.raises(NetworkUnreachable):
        world.host.ip.find_path(destination, None, 0)
    assert world.counters["IpOutNoRoutes"] == 1


def test_there_is_no_way_from_one_version_to_the_other() -> None:
    world = make()
    for ends in ((PEER_V4, OURS), (PEER, PEER_V4)):
        with pytest.raises(NetworkUnreachable, match="one version"):
            world.host.ip.find_path(ends[0], ends[1], 0)


def test_a_route_without_interface_refuses() -> None:
    world = make()
    world.host.routes.add(Route(prefix=default_route(world.interface, GATEWAY).prefix))
    with pytest.raises(NetworkUnreachable):
        world.host.ip.find_path(FAR, None, 0)


def test_a_loopback_source_does_not_leave() -> None:
    with pytest.raises(NetworkUnreachable):
        make().host.ip.find_path(PEER, parse_address("::1"), 0)


def test_a_link_local_destination_is_on_the_link_of_its_source() -> None:
    world = World(StackConfig(ndp=ALONE), tun6(address="fe80::1/64"), tun6("tun1", "fe80::2/64"))
    neighbour = parse_address("fe80::9")
    ip, (first, second) = world.host.ip, world.interfaces
    assert ip.find_path(neighbour, None, 0).interface is first
    assert ip.find_path(neighbour, parse_address("fe80::2"), 0).interface is second
    path = ip.find_path(neighbour, None, 0, second)
    assert (path.interface, path.source) == (second, parse_address("fe80::2"))


def test_a_host_without_ipv6_addresses_reaches_no_neighbour() -> None:
    world = World(StackConfig(ndp=ALONE), tun6(address="192.0.2.1/24"))
    with pytest.raises(NetworkUnreachable):
        world.host.ip.find_path(parse_address("fe80::9"), None, 0)


@pytest.mark.rfc("8200", "8200.5")
def test_a_packet_that_may_be_cut_is_cut_by_its_source() -> None:
    world = make()
    sends6(world, PEER, 4000, dont_fragment=False)
    packets = world.sent()
    assert [packet.octets for packet in packets] == [1496, 1496, 1152]
    text = b""
    numbers = set()
    for packet in packets:
        header = header_of(packet)
        chain = ipv6_headers.parse(packet.joined(), 0, header)
        assert chain.fragment is not None
        assert header.next_header == FRAGMENT
        assert (chain.fragment.offset, chain.fragment.next_header) == (len(text), PROTOCOL_UDP)
        numbers.add(chain.fragment.identification)
        text += packet.joined()[48:]
    expected = udp_outgoing(4000)
    assert text == expected.head + b"".join(expected.body)
    assert len(numbers) == 1


def test_a_packet_that_may_not_be_cut_is_reported() -> None:
    world = make()
    sends6(world, PEER, 2000)
    assert world.sent() == []
    (error,) = world.udp.errors
    assert (error.kind, error.mtu) == (FRAGMENTATION_NEEDED, 1500)
    assert world.counters["Ip6FragFails"] == 1


def test_a_packet_beyond_the_largest_is_counted() -> None:
    world = make()
    outgoing = udp_outgoing(8, dont_fragment=False)
    outgoing.body, outgoing.octets = (bytes(65_528),), 65_536
    world.host.ip.send(world.host.ip.find_path(PEER, None, 0), outgoing, 0)
    assert world.sent() == []
    assert world.counters["Ip6OutTooLong"] == 1


def test_a_super_segment_is_cut_where_the_link_takes_none() -> None:
    world = make()
    head = bytes.fromhex("04d20050 00000001 00000001 50180000 00000000")
    outgoing = udp_outgoing()
    outgoing.protocol, outgoing.head, outgoing.body, outgoing.octets = 6, head, (bytes(3000),), 3020
    outgoing.checksum, outgoing.checksum_offset, outgoing.gso_size = CHECKSUM_PARTIAL, 16, 1440
    world.host.ip.send(world.host.ip.find_path(PEER, None, 0), outgoing, 0)
    packets = world.sent()
    assert [packet.octets for packet in packets] == [1500, 1500, 180]
    assert len({header_of(packet).flow_label for packet in packets}) == 1


def test_a_super_segment_stays_whole_where_the_link_takes_it() -> None:
    world = make(offloads=Offloads(checksum=True, gso_octets=65535))
    head = bytes.fromhex("04d20050 00000001 00000001 50180000 00000000")
    outgoing = udp_outgoing()
    outgoing.protocol, outgoing.head, outgoing.body, outgoing.octets = 6, head, (bytes(3000),), 3020
    outgoing.checksum, outgoing.checksum_offset, outgoing.gso_size = CHECKSUM_PARTIAL, 16, 1440
    world.host.ip.send(world.host.ip.find_path(PEER, None, 0), outgoing, 0)
    (packet,) = world.sent()
    assert (packet.octets, packet.gso_size, packet.checksum_start) == (3060, 1440, 40)


@pytest.mark.rfc("8201", "8201.2")
def test_a_path_mtu_is_learnt_and_forgotten() -> None:
    world = make()
    world.host.ip.update_path_mtu(PEER, 1300, 0)
    assert world.host.ip.find_path(PEER, None, 0).mtu == 1300
    world.runs(10 * MINUTE + MILLISECOND)
    assert world.host.ip.find_path(PEER, None, 10 * MINUTE + MILLISECOND).mtu == 1500


@pytest.mark.rfc("8200", "8200.4")
def test_no_path_carries_less_than_1280_octets() -> None:
    world = World(StackConfig(ndp=ALONE, ip=IpConfig(pmtu_min=68)), tun6())
    world.host.ip.update_path_mtu(PEER, 600, 0)
    assert world.host.ip.find_path(PEER, None, 0).mtu == 1280


def test_our_own_addresses_are_reached_without_a_wire() -> None:
    world = make()
    sends6(world, OURS, 3000)
    sends6(world, parse_address("::1"), 3000)
    assert world.sent() == []
    assert [got.octets for got in world.udp.datagrams] == [3000, 3000]


def test_an_unquotable_packet_of_ours_is_counted() -> None:
    world = make()
    v6 = world.host.ip.v6
    assert not v6.report_undeliverable(Packet(ipv6.emit(Ipv6(PEER, OURS, 17), 0)))
    assert v6.report_undeliverable(Packet(ipv6.emit(Ipv6(OURS, PEER, 17), 0)))
    assert world.counters["Icmp6BadQuote"] == 1


def test_an_address_that_is_taken_back_is_nobodys() -> None:
    world = make()
    world.host.remove_address(world.interface, OURS)
    assert not world.host.ip.owns(OURS)
    with pytest.raises(NetworkUnreachable):
        world.host.ip.find_path(PEER, None, 0)
