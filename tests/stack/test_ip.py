from halfopen.base.addresses import parse_address
from halfopen.stack.config import InterfaceConfig
from halfopen.wire.icmpv4 import Icmp
from tests.stack.world import OURS as OURS_V4
from tests.stack.world import PEER as PEER_V4
from tests.stack.world import World, icmp_of
from tests.stack.world6 import OURS, PEER, icmp6_of, sends6

BOTH = InterfaceConfig(name="tun0", kind="ip", addresses=("192.0.2.1/24", "2001:db8::1/64"))


def test_each_address_is_served_by_its_version() -> None:
    world = World(None, BOTH)
    ip = world.host.ip
    for ours, peer in ((OURS, PEER), (OURS_V4, PEER_V4)):
        assert ip.owns(ours)
        assert not ip.owns(peer)
        path = ip.find_path(peer, None, 0)
        assert (path.source, path.network) == (ours, ip.version_of(peer))


def test_what_means_several_hosts_differs() -> None:
    ip = World(None, BOTH).host.ip
    several = ["224.0.0.1", "192.0.2.255", "255.255.255.255", "ff02::1", "ff0e::9"]
    assert all(ip.is_broadcast(parse_address(text)) for text in several)
    assert not any(ip.is_broadcast(parse_address(text)) for text in ("192.0.2.9", "2001:db8::9", "fe80::9"))


def test_both_versions_of_ping_answer_into_one_queue() -> None:
    world = World(None, BOTH)
    icmp = world.host.icmp
    for ours in (OURS, OURS_V4):
        icmp.send_echo(ours, 1, 1, b"", 0)
    assert world.sent() == []
    replies = [icmp.poll_reply(), icmp.poll_reply()]
    assert [reply.source for reply in replies if reply is not None] == [OURS, OURS_V4]


def test_what_goes_out_is_of_the_version_of_its_destination() -> None:
    world = World(None, BOTH)
    world.host.icmp.send_echo(PEER, 1, 1, b"", 0)
    world.host.icmp.send_echo(PEER_V4, 1, 1, b"", 0)
    six, four = world.sent()
    assert icmp6_of(six) == Icmp(128, 0, 0x10001, b"")
    assert icmp_of(four).type == 8


def test_a_path_mtu_is_learnt_for_one_destination() -> None:
    world = World(None, BOTH)
    world.host.ip.update_path_mtu(PEER_V4, 1000, 0)
    world.host.ip.update_path_mtu(PEER, 1400, 0)
    assert [world.host.ip.find_path(peer, None, 0).mtu for peer in (PEER, PEER_V4)] == [1400, 1000]
    assert world.counters["IpPathMtuUpdates"] == 2


def test_errors_found_here_reach_the_transport_of_either_version() -> None:
    world = World(None, BOTH)
    sends6(world, PEER, 2000)
    world.sends(PEER_V4, 2000)
    world.sent()
    assert [error.quoted.destination for error in world.udp.errors] == [PEER, PEER_V4]
