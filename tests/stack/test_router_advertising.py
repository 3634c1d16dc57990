from itertools import pairwise

import pytest

from halfopen.base.addresses import Prefix
from halfopen.base.clock import MILLISECOND, NEVER, SECOND
from halfopen.stack.config_ndp import AdvertiseConfig, NdpConfig, RouterConfig
from halfopen.stack.interface import Interface
from halfopen.wire import ipv6
from halfopen.wire.ndp import NeighborAdvertisement, RouterAdvertisement, RouterSolicitation
from halfopen.wire.ndp_options import Options, PrefixInformation
from tests.stack.ndp_world import (
    NETWORK,
    NODES,
    OUR_MAC,
    PEER,
    PEER_LOCAL,
    PEER_MAC,
    ROUTER,
    ROUTER_MAC,
    NdpWorld,
    header_of,
    solicitation,
)

ADVERTISE = AdvertiseConfig(
    interface="eth0", prefixes=("2001:db8::/64",), mtu=1400, reachable_time=5 * SECOND, retransmit_time=SECOND
)


def router(*advertise: AdvertiseConfig) -> NdpWorld:
    return NdpWorld(NdpConfig(router=RouterConfig(advertise=advertise))).attaches()


def asks(world: NdpWorld, now: int, mac: bytes = PEER_MAC) -> NdpWorld:
    return world.takes(RouterSolicitation(Options(source_mac=mac)), PEER_LOCAL, ipv6.ALL_ROUTERS, now)


def test_a_router_tells_all_nodes_what_it_is_configured_to() -> None:
    world = router(ADVERTISE)
    world.layer.on_deadline(0)
    (packet,) = world.sent()
    header = header_of(packet)
    assert (header.source, header.destination, header.hop_limit) == (world.own[1], NODES, 255)
    world.output.append((world.interface, packet))
    assert world.said() == [
        RouterAdvertisement(
            1800,
            64,
            5000,
            1000,
            options=Options(source_mac=OUR_MAC, mtu=1400, prefixes=(PrefixInformation(NETWORK, 2_592_000, 604_800),)),
        )
    ]


def test_the_first_three_come_soon_and_then_they_are_rare() -> None:
    log = [when for when, _ in router(ADVERTISE).runs(2400 * SECOND)]
    assert log[:3] == [0, 16 * SECOND, 32 * SECOND]
    gaps = [later - earlier for earlier, later in pairwise(log[2:])]
    assert len(gaps) >= 3
    assert all(200 * SECOND <= gap <= 600 * SECOND for gap in gaps)


def test_whoever_asks_is_answered_soon_but_not_more_often_than_every_three_seconds() -> None:
    world = router(ADVERTISE)
    world.runs(100 * SECOND)
    asks(world, 100 * SECOND)
    asks(world, 100 * SECOND)
    log = [when for when, _ in world.runs(102 * SECOND)]
    assert len(log) == 1
    assert 0 <= log[0] - 100 * SECOND < 500 * MILLISECOND
    asks(world, 102 * SECOND)
    (again,) = [when for when, _ in world.runs(110 * SECOND)]
    assert 3 * SECOND <= again - log[0] < 3500 * MILLISECOND
    assert world.mac(PEER_LOCAL) == PEER_MAC


def test_a_solicitation_from_nobody_is_answered_too() -> None:
    world = router(ADVERTISE)
    world.runs(100 * SECOND)
    world.takes(RouterSolicitation(), bytes(16), ipv6.ALL_ROUTERS, 100 * SECOND)
    assert len(world.runs(101 * SECOND)) == 1


def test_a_router_is_silent_where_it_is_not_to_advertise() -> None:
    world = router()
    assert asks(world, 0).runs(3600 * SECOND) == []
    assert world.counters["NdpSolicitationsIgnored"] == 1
    assert world.layer.next_deadline() == NEVER


def test_a_host_does_not_answer_for_routers() -> None:
    world = asks(NdpWorld().attaches(), 0)
    assert world.counters["NdpNotARouter"] == 1


def test_a_router_says_that_it_is_one() -> None:
    world = router().takes(solicitation())
    (answer,) = world.said()
    assert isinstance(answer, NeighborAdvertisement)
    assert answer.router
    assert ipv6.ALL_ROUTERS in world.addresses.groups


def test_a_router_takes_no_advice() -> None:
    world = router().takes(RouterAdvertisement(1800, options=Options(source_mac=ROUTER_MAC)), ROUTER, NODES)
    assert world.gateway is None
    assert world.counters["NdpAdvertisementsIgnored"] == 1


def test_without_a_link_local_address_nothing_is_said() -> None:
    world = router(ADVERTISE)
    world.layer.release(world.interface, world.own[1])
    world.follower.follow(world.layer)
    assert world.runs(SECOND) == []
    assert world.counters["NdpNoSource"] == 1


def test_a_second_start_changes_nothing() -> None:
    world = router(ADVERTISE)
    world.runs(SECOND)
    before = world.layer.next_deadline()
    world.layer.advertising.start(world.interface, SECOND)
    assert world.layer.next_deadline() == before


def test_a_host_gets_an_address_and_a_route_from_a_router_of_ours() -> None:
    source = router(ADVERTISE)
    source.layer.on_deadline(0)
    host = NdpWorld(address=None, mac=PEER_MAC).attaches()
    (message,) = source.said()
    host.takes(message, source.own[1], NODES)
    assert [address in NETWORK for address in host.own] == [False, True]
    assert host.gateway == source.own[1]
    assert host.layer.routers.mtu(host.interface) == 1400
    assert host.routes.lookup(PEER).gateway is None  # type: ignore[union-attr]  # there is one


@pytest.mark.parametrize("prefix", ["2001:db8::/48", "2001:db8:1::/64"])
def test_all_prefixes_are_told(prefix: str) -> None:
    informations = AdvertiseConfig(interface="eth0", prefixes=("2001:db8::/64", prefix)).informations()
    assert [information.prefix for information in informations] == [NETWORK, Prefix.parse(prefix)]


def test_each_interface_advertises_at_its_own_times() -> None:
    second = Interface("eth1", "ethernet", mac=ROUTER_MAC)
    world = router(ADVERTISE, AdvertiseConfig(interface="eth1"))
    world.addresses.interfaces.append(second)
    world.layer.attach(second, SECOND)
    world.follower.follow(world.layer)
    world.layer.on_deadline(0)
    assert [interface for interface, _ in world.output] == [world.interface]
    world.layer.on_deadline(SECOND)
    assert [interface for interface, _ in world.output] == [world.interface, second]
