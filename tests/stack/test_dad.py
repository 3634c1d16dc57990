import pytest

from halfopen.base.addresses import IPV6_ANY, parse_address
from halfopen.base.clock import NEVER, SECOND
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.conflicts import AddressConflict
from halfopen.wire import ethernet, ipv6
from halfopen.wire.ndp import NeighborSolicitation
from tests.stack.ndp_world import (
    NODES,
    OTHER_MAC,
    OUR_MAC,
    OURS,
    PEER,
    NdpWorld,
    advertisement,
    dad_solicitation,
    header_of,
    message_of,
    solicitation,
)

GROUP = ipv6.solicited_node(OURS)
SAME_GROUP = parse_address("2001:db8:1::1")


def probing(**settings: object) -> NdpWorld:
    autoconf = AutoconfConfig(**settings)  # type: ignore[arg-type]  # fields by name
    world = NdpWorld(NdpConfig(autoconf=autoconf), address=None)
    world.claims(OURS, probe=True)
    return world


@pytest.mark.rfc("4862", "4862.1")
def test_an_address_is_asked_for_once_and_used_a_second_later() -> None:
    world = probing()
    assert world.own == []
    assert world.layer.claims.is_tentative(world.interface, OURS)
    first = world.layer.next_deadline()
    assert first < SECOND
    world.layer.on_deadline(first)
    (question,) = world.sent()
    assert question.head[:6] == ipv6.multicast_mac(GROUP)
    assert (header_of(question).source, header_of(question).destination) == (IPV6_ANY, GROUP)
    message = message_of(question)
    assert isinstance(message, NeighborSolicitation)
    assert (message.target, message.options.source_mac, len(message.options.nonce)) == (OURS, b"", 6)
    assert world.layer.next_deadline() == first + SECOND
    assert world.runs(first + SECOND) == []
    assert world.own == [OURS]
    assert not world.layer.claims.is_tentative(world.interface, OURS)
    assert world.layer.next_deadline() == NEVER
    assert world.routes.lookup(PEER) is not None


def test_it_may_be_asked_for_more_often_or_not_at_all() -> None:
    assert len(probing(dad_transmits=3).runs(10 * SECOND)) == 3
    assert probing(dad_transmits=0).own == [OURS]


@pytest.mark.rfc("4862", "4862.3")
def test_the_solicited_node_group_is_joined_before_the_address_is_used() -> None:
    world = probing()
    assert GROUP in world.addresses.groups
    world.layer.release(world.interface, OURS)
    assert GROUP not in world.addresses.groups


def test_a_group_is_left_with_the_last_address_that_is_in_it() -> None:
    world = NdpWorld()
    world.claims(SAME_GROUP)
    world.layer.release(world.interface, OURS)
    world.follower.follow(world.layer)
    assert world.own == [SAME_GROUP]
    assert GROUP in world.addresses.groups
    assert world.layer.claims.release(world.interface, PEER) is None


@pytest.mark.rfc("4862", "4862.1")
@pytest.mark.parametrize("is_answer", [True, False], ids=["advertisement", "solicitation"])
def test_an_objection_makes_a_tentative_address_unusable(is_answer: bool) -> None:
    world = probing()
    if is_answer:
        world.takes(advertisement(OURS, OTHER_MAC, solicited=False), OURS, NODES)
    else:
        world.takes(dad_solicitation(OURS), IPV6_ANY, GROUP)
    assert world.runs(10 * SECOND) == []
    assert world.own == []
    claimant = OTHER_MAC if is_answer else b""
    assert world.layer.claims.poll_conflict() == AddressConflict(world.interface, OURS, claimant, True)
    assert world.layer.claims.poll_conflict() is None
    assert world.counters["NdpAddressesLost"] == 1


def test_a_twin_with_our_link_address_is_noticed_as_well() -> None:
    world = probing().takes(advertisement(OURS, OUR_MAC, solicited=False), OURS, NODES)
    assert world.counters["NdpAddressesLost"] == 1


def test_our_own_question_that_the_link_returns_is_no_objection() -> None:
    world = probing()
    world.layer.on_deadline(SECOND)
    (question,) = world.said()
    world.takes(question, IPV6_ANY, GROUP)
    assert world.counters["NdpDadLooped"] == 1
    world.runs(10 * SECOND)
    assert world.own == [OURS]


def test_nobody_answers_for_a_tentative_address() -> None:
    world = probing().takes(solicitation(OURS), PEER, GROUP)
    assert world.sent() == []
    assert world.counters["NdpTentativeIgnored"] == 1


def test_somebody_who_has_our_address_is_told_of() -> None:
    world = NdpWorld().takes(advertisement(OURS, OTHER_MAC, solicited=False), OURS, NODES)
    assert world.own == [OURS]
    assert world.layer.claims.poll_conflict() == AddressConflict(world.interface, OURS, OTHER_MAC, False)
    world.takes(advertisement(OURS, OUR_MAC, solicited=False), OURS, NODES)
    assert world.counters["NdpOwnEcho"] == 1
    assert world.layer.claims.poll_conflict() is None


def test_somebody_who_wants_our_address_is_told_that_it_is_ours() -> None:
    world = NdpWorld().takes(dad_solicitation(OURS), IPV6_ANY, GROUP)
    (answer,) = world.sent()
    assert ethernet.parse(answer.head)[0] == ipv6.multicast_mac(NODES)
    assert message_of(answer) == advertisement(OURS, OUR_MAC, solicited=False)
