import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import SECOND
from halfopen.stack.ndp_changes import MAX_REDIRECTS
from halfopen.stack.routes import Route
from halfopen.wire.ndp import Redirect, RouterAdvertisement
from halfopen.wire.ndp_options import Options
from tests.stack.ndp_world import FAR, NETWORK, NODES, OTHER_MAC, OTHER_ROUTER, OURS, PEER, ROUTER, NdpWorld

SECOND_OWN = parse_address("2001:db8::1:1")


def routed() -> NdpWorld:
    return NdpWorld().takes(RouterAdvertisement(1800), ROUTER, NODES)


def redirect(target: bytes = OTHER_ROUTER, destination: bytes = FAR) -> Redirect:
    return Redirect(target, destination, Options(target_mac=OTHER_MAC))


def first_hop(world: NdpWorld, destination: bytes) -> bytes | None:
    route = world.routes.lookup(destination)
    return None if route is None else route.gateway or destination


def test_an_address_brings_its_network_and_takes_it_away() -> None:
    world = NdpWorld()
    assert first_hop(world, PEER) == PEER
    world.claims(SECOND_OWN)
    world.layer.release(world.interface, OURS)
    world.follower.follow(world.layer)
    assert (world.own, first_hop(world, PEER)) == ([SECOND_OWN], PEER)
    world.layer.release(world.interface, SECOND_OWN)
    world.follower.follow(world.layer)
    assert (world.own, first_hop(world, PEER)) == ([], None)


def test_a_route_that_somebody_else_has_removed_is_not_missed() -> None:
    world = NdpWorld()
    world.routes.remove(Route(prefix=NETWORK, interface=world.interface))
    world.layer.release(world.interface, OURS)
    world.follower.follow(world.layer)
    assert len(world.routes) == 0


def test_every_change_makes_known_paths_stale() -> None:
    world = routed()
    before = world.routes.generation
    world.takes(redirect(), ROUTER)
    assert world.routes.generation > before


@pytest.mark.rfc("4861", "4861.9")
def test_a_redirect_of_the_current_first_hop_is_followed() -> None:
    world = routed().takes(redirect(), ROUTER)
    assert first_hop(world, FAR) == OTHER_ROUTER
    assert first_hop(world, parse_address("2001:db8:ffff::8")) == ROUTER
    world.takes(redirect(ROUTER), OTHER_ROUTER)
    assert first_hop(world, FAR) == ROUTER
    assert world.counters["NdpRedirectsFollowed"] == 2


def test_a_destination_may_turn_out_to_be_a_neighbor() -> None:
    world = routed().takes(redirect(FAR), ROUTER)
    route = world.routes.lookup(FAR)
    assert route is not None
    assert route.gateway is None


@pytest.mark.rfc("4861", "4861.9")
def test_a_redirect_of_anybody_else_is_refused() -> None:
    world = routed().takes(redirect(), OTHER_ROUTER)
    assert first_hop(world, FAR) == ROUTER
    world.takes(redirect(destination=PEER), ROUTER)
    assert first_hop(world, PEER) == PEER
    assert world.counters["NdpRedirectsRefused"] == 2
    assert NdpWorld().takes(redirect(), ROUTER).counters["NdpRedirectsRefused"] == 1


def test_what_was_redirected_to_a_silent_neighbor_finds_its_old_way() -> None:
    world = routed().takes(redirect(), ROUTER).takes(redirect(PEER, PEER), ROUTER)
    world.sends(OTHER_ROUTER)
    world.runs(20 * SECOND)
    assert first_hop(world, FAR) == ROUTER


def test_redirects_are_counted_and_the_oldest_goes() -> None:
    world = routed()
    for number in range(MAX_REDIRECTS + 1):
        world.takes(redirect(destination=FAR[:12] + number.to_bytes(4, "big")), ROUTER)
    assert first_hop(world, FAR[:12] + bytes(4)) == ROUTER
    assert first_hop(world, FAR[:12] + bytes((0, 0, 0, 1))) == OTHER_ROUTER
