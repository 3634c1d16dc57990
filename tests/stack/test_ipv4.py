import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import IPV4_ANY, IPV4_BROADCAST, Prefix, parse_address
from halfopen.base.clock import MINUTE
from halfopen.base.errors import NetworkUnreachable
from halfopen.stack.config import IpConfig, StackConfig
from halfopen.stack.datagram import FRAGMENTATION_NEEDED, Outgoing
from halfopen.stack.interface import Offloads
from halfopen.stack.internet import default_route
from halfopen.stack.ipv4 import multicast_mac
from halfopen.stack.routes import Route
from halfopen.wire import checksum, tcp
from halfopen.wire.ipv4 import PROTOCOL_TCP, Ipv4, emit
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from halfopen.wire.tcp import ACK, Segment
from tests.stack.world import (
    FAR,
    GATEWAY,
    OTHER,
    OURS,
    PEER,
    World,
    ip_of,
    offloading,
    payload_of,
    tap,
    tun,
    udp_outgoing,
)
from tests.tcp.permits import Anywhere


def make(config: StackConfig | None = None) -> World:
    return World(config, tun())


def tcp_outgoing(world: World, octets: int, gso_size: int = 0, destination: bytes = PEER) -> Outgoing:
    """A segment of ``octets`` octets of text, its checksum partial."""
    path = world.host.ip.find_path(destination, None, 0)
    pseudo = checksum.pseudo_header_sum(path.source, path.destination, PROTOCOL_TCP, 20 + octets)
    head = tcp.emit(Segment(1234, 80, seq=1, ack=1, flags=ACK, window=5), pseudo)
    body = bytes(index & 0xFF for index in range(octets))
    return Outgoing(PROTOCOL_TCP, head, (body,), 20 + octets, checksum_offset=16, gso_size=gso_size)


def verifies(packet: Packet) -> bool:
    header = ip_of(packet)
    octets = header.total_octets - header.header_octets
    pseudo = checksum.pseudo_header_sum(header.source, header.destination, PROTOCOL_TCP, octets)
    return checksum.checksum(payload_of(packet), pseudo) == 0


def test_a_path_to_a_neighbour_has_its_own_next_hop_and_our_address_there() -> None:
    world = make()
    path = world.host.ip.find_path(PEER, None, 0)
    assert (path.source, path.destination, path.next_hop, path.interface) == (OURS, PEER, PEER, world.interface)
    assert (path.mtu, path.gso_octets, path.checksum_offload) == (1500, 0, False)


def test_a_path_to_a_far_host_leads_to_the_gateway() -> None:
    world = make()
    world.host.routes.add(default_route(world.interface, GATEWAY))
    path = world.host.ip.find_path(FAR, None, 0)
    assert (path.source, path.next_hop) == (OURS, GATEWAY)


def test_a_path_knows_the_offloads_of_its_interface() -> None:
    path = World(None, offloading()).host.ip.find_path(PEER, None, 0)
    assert (path.gso_octets, path.checksum_offload) == (65535, True)


@pytest.mark.parametrize("destination", ["203.0.113.9", "0.0.0.0", "240.0.0.1", "2001:db8::1"])
def test_there_is_no_path_to_some(destination: str) -> None:
    world = make()
    with pytest.raises(NetworkUnreachable):
        world.host.ip.find_path(parse_address(destination), None, 0)
    assert world.counters["IpOutNoRoutes"] == 1


@pytest.mark.parametrize("destination", ["192.0.2.9", "255.255.255.255", "224.0.0.1"])
def test_without_an_interface_there_is_no_path(destination: str) -> None:
    with pytest.raises(NetworkUnreachable):
        World().host.ip.find_path(parse_address(destination), None, 0)


def test_a_refusing_route_makes_unreachable() -> None:
    world = make()
    world.host.routes.add(default_route(world.interface, GATEWAY))
    world.host.routes.add(Route(prefix=Prefix.parse("203.0.113.0/24")))
    with pytest.raises(NetworkUnreachable):
        world.host.ip.find_path(FAR, None, 0)


@pytest.mark.rfc("1122", "1122.11")
def test_a_loopback_source_never_leaves() -> None:
    with pytest.raises(NetworkUnreachable, match="loopback"):
        make().host.ip.find_path(PEER, parse_address("127.0.0.1"), 0)


@pytest.mark.rfc("9293", "MUST-44")
@pytest.mark.rfc("1122", "1122.9")
def test_the_source_is_the_address_on_the_next_hops_network() -> None:
    world = make()
    second = parse_address("198.51.100.1")
    world.host.add_address(world.interface, second, Prefix.parse("198.51.100.0/24"), 0)
    assert world.host.ip.find_path(parse_address("198.51.100.7"), None, 0).source == second
    assert world.host.ip.find_path(PEER, None, 0).source == OURS
    assert world.host.ip.find_path(PEER, second, 0).source == second


def test_a_route_may_prefer_a_source_and_an_interface_without_address_borrows_one() -> None:
    world = World(None, tun(), tun("tun1", "198.51.100.1/24"))
    bare = world.host.add_interface(tun("tun2"))
    world.host.remove_address(bare, OURS)
    world.host.add_address(world.interface, OURS, Prefix.of(OURS, 24), 0)
    world.host.routes.add(Route(prefix=Prefix.parse("203.0.113.0/24"), interface=bare))
    assert world.host.ip.find_path(FAR, None, 0).source == OURS
    world.host.routes.add(Route(prefix=Prefix.of(FAR, 32), interface=bare, source=parse_address("198.51.100.1")))
    assert world.host.ip.find_path(FAR, None, 0).source == parse_address("198.51.100.1")


def test_without_any_address_there_is_no_path() -> None:
    world = make()
    world.host.remove_address(world.interface, OURS)
    world.host.routes.add(default_route(world.interface))
    with pytest.raises(NetworkUnreachable, match="no address"):
        world.host.ip.find_path(FAR, None, 0)


def test_the_limited_broadcast_leaves_by_the_interface_of_its_source_or_the_first() -> None:
    world = World(None, tap(), tap("tap1", "198.51.100.1/24"))
    assert world.host.ip.find_path(IPV4_BROADCAST, None, 0).interface is world.interfaces[0]
    path = world.host.ip.find_path(IPV4_BROADCAST, parse_address("198.51.100.1"), 0)
    assert path.interface is world.interfaces[1]


def test_broadcasts_and_groups_are_known_as_such() -> None:
    ip = make().host.ip
    texts = ("192.0.2.255", "192.0.2.0", "255.255.255.255", "224.0.0.1", "192.0.2.7", "127.0.0.1")
    assert [ip.is_broadcast(parse_address(text)) for text in texts] == [True] * 4 + [False] * 2


def test_a_path_is_stale_after_any_change() -> None:
    world = make()
    path = world.host.ip.find_path(PEER, None, 0)
    assert not path.is_stale
    world.host.add_address(world.interface, OTHER, Prefix.of(OTHER, 24), 0)
    assert path.is_stale


@pytest.mark.rfc("9293", "MUST-49", "SHLD-22")
@pytest.mark.rfc("6864", "6864.1")
def test_an_atomic_datagram_has_identification_zero_and_the_marks_asked_for() -> None:
    world = make()
    for _ in range(3):
        world.sends(PEER, 50, tos=0xBA, ttl=9)
    headers = [ip_of(packet) for packet in world.sent()]
    assert {header.identification for header in headers} == {0}
    header = headers[0]
    assert (header.source, header.destination, header.protocol) == (OURS, PEER, 17)
    assert (header.tos, header.ttl, header.dont_fragment, header.total_octets) == (0xBA, 9, True, 70)


@given(
    st.integers(8, 1480),
    st.integers(0, 255),
    st.integers(1, 255),
    st.booleans(),
    st.binary(min_size=4, max_size=4).filter(lambda address: 0 < address[0] < 224 and address[0] != 127),
)
def test_every_header_is_what_the_format_module_would_emit(
    octets: int, tos: int, ttl: int, dont_fragment: bool, destination: bytes
) -> None:
    world = make()
    world.host.routes.add(default_route(world.interface))
    if world.host.ip.owns(destination):
        return
    world.sends(destination, octets, tos=tos, ttl=ttl, dont_fragment=dont_fragment)
    (packet,) = world.sent()
    sent = ip_of(packet)
    expected = Ipv4(OURS, destination, 17, ttl, tos, sent.identification, dont_fragment)
    assert packet.head[:20] == emit(expected, octets)


@pytest.mark.rfc("6864", "6864.1")
def test_identifications_count_for_each_destination_alone() -> None:
    world = make()
    for destination in (PEER, OTHER, PEER, PEER):
        world.sends(destination, 50, dont_fragment=False)
    values = [ip_of(packet).identification for packet in world.sent()]
    assert (values[2] - values[0], values[3] - values[2]) in {(1, 1), (1, -65535), (-65535, 1)}
    assert values[1] != values[0]


@pytest.mark.parametrize("policy", ["destination", "global"])
def test_atomic_datagrams_are_numbered_where_that_is_chosen(policy: str) -> None:
    world = make(StackConfig(ip=IpConfig(ip_id=policy, permit=Anywhere())))
    for destination in (PEER, OTHER, PEER):
        world.sends(destination, 50)
    values = [ip_of(packet).identification for packet in world.sent()]
    assert (values[2] - values[0]) & 0xFFFF == (2 if policy == "global" else 1)
    assert all(ip_of(packet).dont_fragment for packet in world.sent())


def test_each_part_of_a_super_segment_has_its_own_number() -> None:
    world = make(StackConfig(ip=IpConfig(ip_id="global", permit=Anywhere())))
    path = world.host.ip.find_path(PEER, None, 0)
    world.host.ip.send(path, tcp_outgoing(world, 3000, gso_size=1000), 0)
    world.host.ip.send(path, tcp_outgoing(world, 100), 0)
    values = [ip_of(packet).identification for packet in world.sent()]
    assert [(value - values[0]) & 0xFFFF for value in values] == [0, 1, 2, 3]


@pytest.mark.rfc("9293", "MUST-2")
def test_without_offload_the_checksum_is_completed_here() -> None:
    world = make()
    world.host.ip.send(world.host.ip.find_path(PEER, None, 0), tcp_outgoing(world, 101), 0)
    (packet,) = world.sent()
    assert packet.checksum == CHECKSUM_NONE
    assert verifies(packet)


def test_with_offload_the_checksum_stays_partial_and_the_marks_say_where() -> None:
    world = World(None, offloading())
    world.host.ip.send(world.host.ip.find_path(PEER, None, 0), tcp_outgoing(world, 101), 0)
    (packet,) = world.sent()
    assert (packet.checksum, packet.checksum_start, packet.checksum_offset) == (CHECKSUM_PARTIAL, 20, 16)
    assert verifies(complete_checksum(packet))


def test_behind_a_link_header_the_marks_count_from_its_start() -> None:
    world = World(None, tap(offloads=Offloads(checksum=True)))
    world.host.arp.table.add_permanent(world.interface, PEER, b"\x02\0\0\0\0\x02")
    world.host.ip.send(world.host.ip.find_path(PEER, None, 0), tcp_outgoing(world, 101), 0)
    (packet,) = world.sent()
    assert (packet.checksum, packet.checksum_start) == (CHECKSUM_PARTIAL, 34)
    assert packet.head[:14] == b"\x02\0\0\0\0\x02" + b"\x02\0\0\0\0\x01" + b"\x08\x00"


def test_a_super_segment_goes_out_whole_where_the_link_cuts_it() -> None:
    world = World(None, offloading())
    world.host.ip.send(world.host.ip.find_path(PEER, None, 0), tcp_outgoing(world, 5000, 1460), 0)
    (packet,) = world.sent()
    assert (packet.gso_size, packet.octets) == (1460, 5040)


@pytest.mark.parametrize("octets", [1000, 5000])
def test_a_super_segment_is_cut_here_where_the_link_does_not(octets: int) -> None:
    world = make()
    world.host.ip.send(world.host.ip.find_path(PEER, None, 0), tcp_outgoing(world, octets, 1460), 0)
    packets = world.sent()
    assert sum(packet.octets - 40 for packet in packets) == octets
    assert all(packet.octets <= 1500 and not packet.gso_size and verifies(packet) for packet in packets)


def test_a_super_segment_whose_segments_are_too_large_is_refused_and_reported() -> None:
    world = World(None, offloading())
    world.host.ip.send(world.host.ip.find_path(PEER, None, 0), tcp_outgoing(world, 5000, 1461), 0)
    assert world.sent() == []
    assert [error.kind for error in world.tcp.errors] == [FRAGMENTATION_NEEDED]


def test_a_datagram_too_large_for_the_path_that_may_not_be_cut_is_reported_to_its_transport() -> None:
    world = make()
    world.sends(PEER, 1481)
    assert world.sent() == []
    (error,) = world.udp.errors
    assert (error.kind, error.mtu, error.source, error.quoted.total_octets) == (FRAGMENTATION_NEEDED, 1500, OURS, 1501)
    assert world.counters["IpFragFails"] == 1


@pytest.mark.rfc("1122", "1122.7")
def test_a_datagram_that_may_be_cut_is_cut() -> None:
    world = make()
    outgoing = udp_outgoing(4000, dont_fragment=False)
    world.host.ip.send(world.host.ip.find_path(PEER, None, 0), outgoing, 0)
    packets = world.sent()
    assert b"".join(payload_of(packet) for packet in packets) == outgoing.head + outgoing.body[0]
    assert len({ip_of(packet).identification for packet in packets}) == 1
    assert world.counters["IpFragCreates"] == 3


def test_our_own_fragments_come_together_at_another_host_of_ours() -> None:
    world, other = make(), World(None, tun(address="192.0.2.2/24"))
    world.sends(PEER, 60000, dont_fragment=False)
    for packet in world.sent():
        other.takes(packet)
    assert [got.octets for got in other.udp.datagrams] == [60000]


def test_more_than_an_ipv4_datagram_holds_is_counted() -> None:
    world = make()
    world.sends(PEER, 65516, dont_fragment=False)
    assert world.sent() == []
    assert world.counters["IpOutTooLong"] == 1


@pytest.mark.rfc("1191", "1191.5")
def test_a_learnt_path_mtu_makes_paths_stale_and_smaller_until_it_is_old() -> None:
    world = make()
    path = world.host.ip.find_path(PEER, None, 0)
    world.host.ip.update_path_mtu(PEER, 1400, 0)
    assert path.is_stale
    assert world.host.ip.find_path(PEER, None, 0).mtu == 1400
    assert world.host.ip.find_path(OTHER, None, 0).mtu == 1500
    path = world.host.ip.find_path(PEER, None, 0)
    world.host.ip.update_path_mtu(PEER, 1400, 0)
    assert not path.is_stale
    world.host.on_deadline(10 * MINUTE)
    assert path.is_stale
    assert world.host.ip.find_path(PEER, None, 10 * MINUTE).mtu == 1500


def test_a_learnt_path_mtu_above_the_links_changes_nothing() -> None:
    world = make()
    world.host.ip.update_path_mtu(PEER, 9000, 0)
    assert world.host.ip.find_path(PEER, None, 0).mtu == 1500


def test_loopback_vouches_for_checksums() -> None:
    world = make()
    world.host.ip.send(world.host.ip.find_path(OURS, None, 0), tcp_outgoing(world, 100, destination=OURS), 0)
    assert world.sent() == []
    assert [got.packet.checksum for got in world.tcp.datagrams] == [CHECKSUM_VERIFIED]


def test_a_source_can_be_chosen_for_loopback_too() -> None:
    path = make().host.ip.find_path(parse_address("127.0.0.1"), OURS, 0)
    assert (path.source, path.mtu, path.checksum_offload) == (OURS, 65535, True)


def test_a_path_says_what_it_is() -> None:
    assert repr(make().host.ip.find_path(PEER, None, 0)) == "Path(c0000201 -> c0000202 by tun0)"


def test_a_group_has_an_ethernet_address_made_of_its_last_23_bits() -> None:
    assert multicast_mac(parse_address("239.129.2.3")) == b"\x01\x00\x5e\x01\x02\x03"


def test_an_unquotable_datagram_of_ours_is_counted() -> None:
    world = make()
    assert not world.host.ip.v4.report_undeliverable(Packet(emit(Ipv4(PEER, OURS, 17), 0)))
    assert world.host.ip.v4.report_undeliverable(Packet(emit(Ipv4(OURS, PEER, 17), 0)))
    assert world.counters["IcmpBadQuote"] == 1


def test_an_unspecified_source_address_is_taken_as_given() -> None:
    assert make().host.ip.find_path(PEER, IPV4_ANY, 0).source == IPV4_ANY
