import pytest

from halfopen.base.addresses import IPV6_ANY, Prefix, parse_address
from halfopen.base.clock import MILLISECOND, NEVER, SECOND
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.wire import ipv6, ndp
from halfopen.wire.ndp import RouterAdvertisement, RouterSolicitation
from halfopen.wire.ndp_options import Options, PrefixInformation, RecursiveDnsServer, RouteInformation
from tests.stack.ndp_world import (
    FAR,
    NETWORK,
    NODES,
    OTHER_MAC,
    OTHER_ROUTER,
    OUR_MAC,
    PEER,
    ROUTER,
    ROUTER_MAC,
    NdpWorld,
    advertisement,
    header_of,
    message_of,
)


def host(**settings: object) -> NdpWorld:
    autoconf = AutoconfConfig(**{"autoconf": False, **settings})  # type: ignore[arg-type]  # fields by name
    return NdpWorld(NdpConfig(autoconf=autoconf), address=None).attaches()


def advertise(world: NdpWorld, router: bytes = ROUTER, now: int = 0, **fields: object) -> NdpWorld:
    mac = ROUTER_MAC if router == ROUTER else OTHER_MAC
    options = Options(**{"source_mac": mac, **fields.pop("options", {})})  # type: ignore[arg-type, dict-item]
    message = RouterAdvertisement(**{"lifetime": 1800, **fields}, options=options)  # type: ignore[arg-type]
    return world.takes(message, router, NODES, now)


def test_a_host_asks_for_routers_three_times() -> None:
    world = host()
    log = world.runs(60 * SECOND)
    assert [message for _, message in log] == [RouterSolicitation(Options(source_mac=OUR_MAC))] * 3
    first = log[0][0]
    assert first < SECOND
    assert [when - first for when, _ in log] == [0, 4 * SECOND, 8 * SECOND]
    assert world.layer.next_deadline() == NEVER


def test_the_question_goes_to_all_routers() -> None:
    world = host()
    world.layer.on_deadline(SECOND)
    (question,) = world.sent()
    assert question.head[:6] == ipv6.multicast_mac(ipv6.ALL_ROUTERS)
    assert (header_of(question).source, header_of(question).destination) == (world.own[0], ipv6.ALL_ROUTERS)


def test_a_host_that_has_lost_its_address_asks_as_nobody() -> None:
    world = host()
    world.layer.release(world.interface, world.own[0])
    world.follower.follow(world.layer)
    world.layer.on_deadline(SECOND)
    (question,) = world.sent()
    assert (header_of(question).source, message_of(question)) == (IPV6_ANY, RouterSolicitation())


def test_an_answer_ends_the_questions() -> None:
    world = advertise(host())
    assert [message for _, message in world.runs(60 * SECOND) if isinstance(message, RouterSolicitation)] == []


def test_somebody_who_is_no_default_router_does_not_end_them() -> None:
    world = advertise(host(), lifetime=0)
    assert len(world.runs(60 * SECOND)) == 3
    assert world.gateway is None


@pytest.mark.parametrize("settings", [{"accept_ra": False}, {"router_solicitations": 0}])
def test_a_host_that_believes_no_router_or_shall_not_ask_does_not(settings: dict[str, object]) -> None:
    assert host(**settings).runs(60 * SECOND) == []


@pytest.mark.rfc("4861", "4861.8")
def test_an_advertised_router_is_the_default_for_its_lifetime() -> None:
    world = advertise(host())
    assert world.gateway == ROUTER
    entry = world.layer.neighbors.table.get(world.interface, ROUTER)
    assert entry is not None
    assert (entry.mac, entry.is_router) == (ROUTER_MAC, True)
    world.runs(1800 * SECOND - 1)
    assert world.gateway == ROUTER
    world.runs(1800 * SECOND)
    assert world.gateway is None


@pytest.mark.rfc("4861", "4861.8")
def test_an_advertisement_makes_a_router_last_or_ends_it() -> None:
    world = advertise(advertise(host()), now=1000 * SECOND)
    world.runs(2799 * SECOND)
    assert world.gateway == ROUTER
    advertise(world, now=2799 * SECOND, lifetime=0)
    assert world.gateway is None


@pytest.mark.rfc("4861", "4861.8")
def test_a_router_of_higher_preference_is_taken() -> None:
    world = advertise(advertise(host()), OTHER_ROUTER, preference=1)
    assert world.gateway == OTHER_ROUTER
    advertise(world, OTHER_ROUTER, preference=-1)
    assert world.gateway == ROUTER


@pytest.mark.rfc("4861", "4861.8")
def test_an_on_link_prefix_needs_no_router() -> None:
    world = advertise(host(), options={"prefixes": (PrefixInformation(NETWORK, 60, 60),)})
    route = world.routes.lookup(PEER)
    assert route is not None
    assert (route.gateway, route.interface) == (None, world.interface)
    world.runs(60 * SECOND)
    assert world.gateway == ROUTER == world.routes.lookup(PEER).gateway  # type: ignore[union-attr]  # there is one


def test_prefixes_that_are_not_on_link_or_link_local_make_no_route() -> None:
    local = PrefixInformation(Prefix.parse("fe80::/64"))
    elsewhere = PrefixInformation(NETWORK, on_link=False)
    world = host()
    before = len(world.routes)
    advertise(world, lifetime=0, options={"prefixes": (local, elsewhere)})
    assert len(world.routes) == before


def test_routes_that_a_router_offers_are_taken_but_not_instead_of_the_default() -> None:
    offered = (RouteInformation(Prefix.of(FAR, 48), 60), RouteInformation(Prefix(IPV6_ANY, 0), 60, 1))
    world = advertise(host(), lifetime=0, options={"routes": offered})
    assert world.gateway == ROUTER
    assert world.routes.lookup(parse_address("2001:db9::1")) is None


@pytest.mark.rfc("4861", "4861.8")
def test_parameters_of_the_link_are_followed_where_they_are_given() -> None:
    world = host()
    routers = world.layer.routers
    assert (routers.mtu(world.interface), routers.hop_limit(world.interface)) == (1500, 64)
    advertise(world, hop_limit=32, reachable_time=1000, retransmit_time=250, options={"mtu": 1280})
    link = routers.link(world.interface)
    assert (routers.mtu(world.interface), routers.hop_limit(world.interface)) == (1280, 32)
    assert SECOND // 2 <= link.reachable_time < SECOND * 3 // 2
    assert link.retransmit_time == 250 * MILLISECOND
    before = link.reachable_time
    advertise(world, reachable_time=1000)
    assert (routers.mtu(world.interface), link.hop_limit, link.reachable_time) == (1280, 32, before)


def test_neighbors_are_asked_as_often_as_the_router_says() -> None:
    world = advertise(host(), retransmit_time=250)
    world.sends(PEER)
    log = [when for when, message in world.runs(SECOND) if isinstance(message, ndp.NeighborSolicitation)]
    assert log == [0, 250 * MILLISECOND, 500 * MILLISECOND]


@pytest.mark.parametrize("mtu", [1279, 1501])
def test_an_mtu_that_cannot_be_is_not_believed(mtu: int) -> None:
    world = advertise(host(), options={"mtu": mtu})
    assert world.layer.routers.mtu(world.interface) == 1500
    assert world.counters["NdpBadMtu"] == 1


def test_resolvers_are_remembered() -> None:
    servers = RecursiveDnsServer(60, (PEER,))
    world = advertise(advertise(host(), options={"dns_servers": (servers,)}))
    assert world.layer.routers.link(world.interface).dns_servers == (servers,)


def test_the_routes_of_a_link_are_counted() -> None:
    world = host(max_routes=2)
    for number in range(3):
        advertise(world, parse_address(f"fe80::{number}"))
    assert world.counters["NdpTooManyRoutes"] == 1


def test_a_silent_router_stands_back_until_it_is_heard_again() -> None:
    world = advertise(advertise(host()), OTHER_ROUTER, preference=-1)
    assert world.gateway == ROUTER
    world.sends(ROUTER, 0)
    world.runs(20 * SECOND)
    assert world.gateway == OTHER_ROUTER
    assert world.counters["NdpRoutersLost"] == 1
    world.sends(ROUTER, 20 * SECOND)
    world.runs(40 * SECOND)
    assert world.counters["NdpRoutersLost"] == 1
    advertise(world, now=40 * SECOND)
    assert world.gateway == ROUTER


def test_a_router_that_says_that_it_is_none_is_none() -> None:
    world = advertise(advertise(host()), OTHER_ROUTER)
    world.takes(advertisement(ROUTER, ROUTER_MAC, solicited=False), ROUTER, NODES)
    assert world.gateway == OTHER_ROUTER
    world.takes(advertisement(OTHER_ROUTER, OTHER_MAC, router=True, solicited=False), OTHER_ROUTER, NODES)
    assert world.gateway == OTHER_ROUTER
