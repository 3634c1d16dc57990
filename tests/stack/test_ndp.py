import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import IPV6_ANY, MAC_BROADCAST, MAC_ZERO, parse_address
from halfopen.base.clock import MINUTE, NEVER
from halfopen.base.errors import Malformed
from halfopen.stack.config_ndp import AdvertiseConfig, AutoconfConfig, NdpConfig, RouterConfig
from halfopen.stack.interface import Interface
from halfopen.stack.ndp import INTERFACE_LOCAL_NODES
from halfopen.wire import ipv6, ndp
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ndp import NeighborSolicitation, Redirect, RouterAdvertisement, RouterSolicitation
from halfopen.wire.ndp_options import Options, PrefixInformation
from tests.stack.ndp_world import (
    FAR,
    NETWORK,
    NODES,
    OTHER_MAC,
    OTHER_ROUTER,
    OUR_MAC,
    OURS,
    PEER,
    PEER_LOCAL,
    PEER_MAC,
    ROUTER,
    ROUTER_MAC,
    NdpWorld,
    advertisement,
    dad_solicitation,
    header_of,
    message_of,
    solicitation,
)


@pytest.mark.rfc("4861", "4861.2")
def test_a_question_for_our_address_is_answered_to_the_one_who_asked() -> None:
    world = NdpWorld().takes(solicitation(), destination=ipv6.solicited_node(OURS))
    (answer,) = world.sent()
    assert answer.head[:6] == PEER_MAC
    assert (header_of(answer).source, header_of(answer).destination) == (OURS, PEER)
    assert message_of(answer) == advertisement(OURS, OUR_MAC)


def test_a_question_for_another_address_is_not_answered() -> None:
    world = NdpWorld().takes(solicitation(PEER))
    assert world.sent() == []
    assert world.counters["NdpForOthers"] == 1


def test_a_question_without_a_link_address_is_answered_when_the_asker_is_known() -> None:
    world = NdpWorld().takes(NeighborSolicitation(OURS))
    (question,) = world.said()
    assert question == NeighborSolicitation(PEER, Options(source_mac=OUR_MAC))
    world.takes(advertisement())
    assert world.said() == [advertisement(OURS, OUR_MAC)]


def test_a_question_that_cannot_be_answered_for_lack_of_room_is_not() -> None:
    world = NdpWorld(NdpConfig(table_size=0)).takes(NeighborSolicitation(OURS))
    assert world.sent() == []
    assert world.counters["NeighTableFull"] == 1


def test_nobody_asks_us_in_our_own_name() -> None:
    world = NdpWorld().takes(solicitation(), source=OURS)
    assert world.sent() == []
    assert world.counters["NdpBadSource"] == 1


def test_what_we_have_sent_ourselves_is_not_listened_to() -> None:
    world = NdpWorld().takes(solicitation(mac=OUR_MAC))
    assert (world.sent(), world.state()) == ([], None)
    assert world.counters["NdpOwnEcho"] == 1


@pytest.mark.parametrize("mac", [MAC_BROADCAST, MAC_ZERO, bytes.fromhex("333300000001")])
def test_a_link_address_that_no_station_has_is_refused(mac: bytes) -> None:
    world = NdpWorld()
    with pytest.raises(Malformed, match="NdpBadLinkAddress"):
        world.takes(solicitation(mac=mac))


@pytest.mark.rfc("4861", "4861.1")
def test_what_comes_from_afar_is_refused() -> None:
    with pytest.raises(Malformed, match="NdpBadHopLimit"):
        NdpWorld().takes(solicitation(), hop_limit=254)


def test_a_link_without_frames_has_no_neighbors() -> None:
    world = NdpWorld(address=None)
    world.interface = Interface("tun0", "ip")
    world.attaches(probe=True)
    assert world.own == []
    world.claims(OURS, probe=True)
    assert world.own == [OURS]
    assert world.takes(solicitation()).sent() == []
    assert world.counters["NdpWithoutLink"] == 1
    assert world.layer.next_deadline() == NEVER


@pytest.mark.rfc("4862", "4862.3")
def test_a_host_listens_to_all_nodes_and_to_the_groups_of_its_addresses() -> None:
    world = NdpWorld()
    assert {NODES, INTERFACE_LOCAL_NODES, ipv6.solicited_node(OURS)} <= world.addresses.groups
    assert ipv6.ALL_ROUTERS not in world.addresses.groups


def test_an_interface_that_probes_probes_all_its_addresses() -> None:
    world = NdpWorld(address=None).attaches(probe=True)
    options = Options(source_mac=ROUTER_MAC, prefixes=(PrefixInformation(NETWORK),))
    world.takes(RouterAdvertisement(1800, options=options), ROUTER, NODES)
    assert world.own == []
    asked = [message for _, message in world.runs(MINUTE) if isinstance(message, NeighborSolicitation)]
    assert len(asked) == 2
    assert {message.target for message in asked} == set(world.own)


@pytest.mark.rfc("4861", "4861.9")
def test_redirects_are_followed_by_hosts_that_are_to() -> None:
    redirect = Redirect(PEER_LOCAL, FAR, Options(target_mac=PEER_MAC))
    for config in (NdpConfig(autoconf=AutoconfConfig(accept_redirects=False)), NdpConfig(router=RouterConfig())):
        world = NdpWorld(config).takes(redirect, ROUTER)
        assert (world.state(PEER_LOCAL), world.counters["NdpRedirectsIgnored"]) == (None, 1)
    world = NdpWorld().takes(RouterAdvertisement(1800), ROUTER, NODES).takes(redirect, ROUTER)
    assert world.gateway == PEER_LOCAL
    entry = world.layer.neighbors.table.get(world.interface, PEER_LOCAL)
    assert entry is not None
    assert (entry.mac, entry.is_router) == (PEER_MAC, True)


def test_a_redirect_without_link_address_or_to_the_destination_itself_makes_no_router() -> None:
    world = NdpWorld().takes(RouterAdvertisement(1800), ROUTER, NODES)
    world.takes(Redirect(PEER_LOCAL, FAR), ROUTER)
    assert (world.gateway, world.state(PEER_LOCAL)) == (PEER_LOCAL, None)
    target = parse_address("2001:db8:ffff::8")
    world.takes(Redirect(target, target, Options(target_mac=PEER_MAC)), ROUTER)
    entry = world.layer.neighbors.table.get(world.interface, target)
    assert entry is not None
    assert not entry.is_router


@pytest.mark.parametrize("table_size", [0, 1])
def test_a_table_that_is_full_does_not_keep_a_router_from_being_used(table_size: int) -> None:
    world = NdpWorld(NdpConfig(table_size=table_size))
    options = Options(source_mac=ROUTER_MAC)
    world.takes(RouterAdvertisement(1800, options=options), ROUTER, NODES)
    assert world.gateway == ROUTER
    redirect = Redirect(OTHER_ROUTER, FAR, Options(target_mac=OTHER_MAC))
    assert world.takes(redirect, ROUTER).gateway == OTHER_ROUTER


def test_a_router_with_a_full_table_still_answers() -> None:
    advertise = AdvertiseConfig(interface="eth0")
    world = NdpWorld(NdpConfig(table_size=0, router=RouterConfig(advertise=(advertise,)))).attaches()
    world.takes(RouterSolicitation(Options(source_mac=PEER_MAC)), PEER_LOCAL, ipv6.ALL_ROUTERS)
    assert world.counters["NeighTableFull"] == 1
    assert [type(message) for message in world.said()] == []
    assert world.layer.next_deadline() == 0


def test_one_jump_of_time_is_the_same_as_many_steps() -> None:
    stepping, jumping = NdpWorld(address=None).attaches(probe=True), NdpWorld(address=None).attaches(probe=True)
    stepped = [message for _, message in stepping.runs(MINUTE)]
    jumping.layer.on_deadline(MINUTE)
    assert [type(message) for message in stepped] == [NeighborSolicitation] + [RouterSolicitation] * 3
    assert jumping.said() == stepped
    assert jumping.own == stepping.own


MESSAGES = st.sampled_from(
    [
        (solicitation(), PEER, OURS),
        (dad_solicitation(OURS), IPV6_ANY, ipv6.solicited_node(OURS)),
        (advertisement(), PEER, OURS),
        (advertisement(OURS, OTHER_MAC, solicited=False), PEER, NODES),
        (RouterSolicitation(Options(source_mac=PEER_MAC)), PEER_LOCAL, ipv6.ALL_ROUTERS),
        (
            RouterAdvertisement(
                9, 64, 9, 9, options=Options(source_mac=ROUTER_MAC, mtu=1280, prefixes=(PrefixInformation(NETWORK),))
            ),
            ROUTER,
            NODES,
        ),
        (Redirect(PEER_LOCAL, FAR, Options(target_mac=PEER_MAC, redirected=bytes(48))), ROUTER, OURS),
    ]
)


@given(
    st.lists(
        st.tuples(MESSAGES, st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3)), max_size=6
    ),
    st.booleans(),
)
def test_mutated_messages_raise_nothing_but_malformed(
    mutations: list[tuple[tuple[ndp.Message, bytes, bytes], list[tuple[int, int]]]], probe: bool
) -> None:
    world = NdpWorld(NdpConfig(autoconf=AutoconfConfig(use_tempaddr=True))).attaches(probe=probe)
    world.sends()
    for (message, source, destination), changes in mutations:
        icmp = ndp.emit(message)
        payload = bytearray(icmp.payload)
        for at, value in changes if payload else ():
            payload[at % len(payload)] = value
        try:
            world.takes(Icmp(icmp.type, 0, icmp.rest, bytes(payload)), source, destination)
        except Malformed as malformed:
            assert malformed.reason.startswith("Ndp")
    world.runs(MINUTE)
    assert world.layer.next_deadline() > MINUTE
    assert OURS in world.own
