import pytest

from halfopen.base.addresses import IPV6_ANY, Prefix, is_link_local
from halfopen.base.clock import MINUTE, NEVER, SECOND
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.identifiers import eui64, make_address
from halfopen.stack.slaac import LINK_LOCAL, RETRIES
from halfopen.wire.ipv6 import solicited_node
from halfopen.wire.ndp import RouterAdvertisement
from halfopen.wire.ndp_options import INFINITE, Options, PrefixInformation
from tests.stack.ndp_world import NETWORK, NODES, OUR_MAC, OURS, ROUTER, ROUTER_MAC, NdpWorld, dad_solicitation

HOUR = 60 * MINUTE


def host(**settings: object) -> NdpWorld:
    autoconf = AutoconfConfig(**settings)  # type: ignore[arg-type]  # fields by name
    return NdpWorld(NdpConfig(autoconf=autoconf), address=None).attaches()


def advertise(
    world: NdpWorld,
    valid: int = 86400,
    preferred: int = 3600,
    now: int = 0,
    prefix: Prefix = NETWORK,
    **flags: bool,
) -> NdpWorld:
    information = PrefixInformation(prefix, valid, preferred, **flags)
    options = Options(source_mac=ROUTER_MAC, prefixes=(information,))
    return world.takes(RouterAdvertisement(1800, options=options), ROUTER, NODES, now)


def formed(world: NdpWorld, prefix: Prefix = NETWORK) -> list[bytes]:
    return [address for address in world.own if address in prefix]


@pytest.mark.rfc("4862", "4862.1")
def test_an_interface_has_a_link_local_address_that_does_not_tell_its_mac() -> None:
    (address,) = host().own
    assert is_link_local(address)
    assert address != make_address(LINK_LOCAL, eui64(OUR_MAC))


def test_it_may_be_made_of_the_mac() -> None:
    assert host(identifier="eui64").own == [make_address(LINK_LOCAL, eui64(OUR_MAC))]


def test_with_the_same_secret_it_is_the_same_after_a_restart() -> None:
    assert host(secret=b"fixed").own == host(secret=b"fixed").own != host(secret=b"other").own


@pytest.mark.rfc("4862", "4862.2")
def test_an_advertised_prefix_makes_an_address_that_lives_as_long() -> None:
    world = advertise(host())
    (address,) = formed(world)
    conf = world.layer.autoconfiguration
    assert not conf.is_deprecated(address, HOUR - 1)
    assert conf.is_deprecated(address, HOUR)
    assert not conf.is_temporary(address)
    world.runs(86400 * SECOND - 1)
    assert formed(world) == [address]
    world.runs(86400 * SECOND)
    assert formed(world) == []
    assert solicited_node(address) not in world.addresses.groups


def test_formed_addresses_are_told_from_configured_ones() -> None:
    world = host()
    (own,) = world.own
    world.claims(OURS)
    conf = world.layer.autoconfiguration
    assert conf.is_formed(world.interface, own)
    assert not conf.is_formed(world.interface, OURS)


def test_an_infinite_lifetime_does_not_end() -> None:
    world = advertise(host(), INFINITE, INFINITE)
    (address,) = formed(world)
    assert not world.layer.autoconfiguration.is_deprecated(address, NEVER - 1)


@pytest.mark.rfc("4862", "4862.2")
@pytest.mark.parametrize(
    ("prefix", "valid", "preferred", "autonomous"),
    [
        ("2001:db8::/64", 100, 100, False),
        ("fe80::/64", 100, 100, True),
        ("2001:db8::/64", 100, 101, True),
        ("2001:db8::/48", 100, 100, True),
        ("2001:db8::/64", 0, 0, True),
    ],
    ids=["not autonomous", "link-local", "preferred longer than valid", "not 64 bits", "over already"],
)
def test_prefixes_that_no_address_is_made_of(prefix: str, valid: int, preferred: int, autonomous: bool) -> None:
    world = advertise(host(), valid, preferred, prefix=Prefix.parse(prefix), autonomous=autonomous)
    assert len(world.own) == 1


def test_no_address_is_made_if_none_is_wanted() -> None:
    assert len(advertise(host(autoconf=False)).own) == 1


@pytest.mark.rfc("4862", "4862.2")
def test_an_advertisement_makes_an_address_live_longer() -> None:
    world = advertise(advertise(host()), now=HOUR)
    (address,) = formed(world)
    assert not world.layer.autoconfiguration.is_deprecated(address, 2 * HOUR - 1)
    world.runs(24 * HOUR)
    assert formed(world) == [address]
    world.runs(25 * HOUR)
    assert formed(world) == []


@pytest.mark.rfc("4862", "4862.2")
def test_an_advertisement_leaves_an_address_two_hours_to_live() -> None:
    world = advertise(advertise(host()), valid=60, preferred=0, now=HOUR)
    (address,) = formed(world)
    assert world.layer.autoconfiguration.is_deprecated(address, HOUR)
    advertise(world, valid=30, preferred=0, now=2 * HOUR)
    world.runs(3 * HOUR - 1)
    assert formed(world) == [address]
    world.runs(3 * HOUR)
    assert formed(world) == []


def test_the_addresses_of_an_interface_are_counted() -> None:
    world = host(max_addresses=3)
    for number in range(4):
        advertise(world, prefix=Prefix.parse(f"2001:db8:{number}::/64"))
    assert len(world.own) == 3
    assert world.counters["NdpTooManyAddresses"] == 2


@pytest.mark.rfc("4862", "4862.1")
def test_an_address_in_use_elsewhere_is_followed_by_another_a_few_times() -> None:
    world = NdpWorld(NdpConfig(), address=None).attaches(probe=True)
    tried = set()
    while world.layer.next_deadline() < NEVER:
        (tentative,) = tentatives(world)
        tried.add(tentative)
        world.takes(dad_solicitation(tentative), IPV6_ANY, solicited_node(tentative))
    assert len(tried) == 1 + RETRIES
    assert world.own == []
    assert world.counters["NdpAutoconfigurationFailed"] == 1


def tentatives(world: NdpWorld) -> list[bytes]:
    """Found out by asking for all groups that the host has joined for the sake of an address."""
    layer = world.layer
    layer.on_deadline(layer.next_deadline())
    return [message.target for message in world.said() if hasattr(message, "target")]


@pytest.mark.rfc("4862", "4862.1")
def test_an_address_made_of_the_mac_is_given_up_at_once() -> None:
    config = NdpConfig(autoconf=AutoconfConfig(identifier="eui64"))
    world = NdpWorld(config, address=None).attaches(probe=True)
    address = make_address(LINK_LOCAL, eui64(OUR_MAC))
    world.takes(dad_solicitation(address), IPV6_ANY, solicited_node(address))
    assert world.layer.next_deadline() == NEVER
    assert world.counters["NdpAutoconfigurationFailed"] == 1


def test_a_conflict_about_another_address_is_nothing_to_it() -> None:
    world = NdpWorld(address=None)
    world.claims(NETWORK.network[:15] + b"\1", probe=True)
    world.takes(dad_solicitation(NETWORK.network[:15] + b"\1"), IPV6_ANY, solicited_node(NETWORK.network[:15] + b"\1"))
    assert world.layer.next_deadline() == NEVER


def temporaries(world: NdpWorld) -> list[bytes]:
    return [address for address in formed(world) if world.layer.autoconfiguration.is_temporary(address)]


def test_temporary_addresses_follow_each_other_beside_the_stable_one() -> None:
    world = advertise(host(use_tempaddr=True, temp_valid_lft=3 * HOUR, temp_prefered_lft=2 * HOUR), 10**6, 10**6)
    (first,) = temporaries(world)
    assert len(formed(world)) == 2
    world.runs(2 * HOUR)
    assert len(temporaries(world)) == 2
    assert world.layer.autoconfiguration.is_deprecated(first, 2 * HOUR)
    world.runs(3 * HOUR)
    assert first not in temporaries(world)
    assert len(temporaries(world)) >= 1


def test_a_temporary_address_does_not_outlive_its_prefix_nor_its_own_time() -> None:
    world = advertise(host(use_tempaddr=True), 7200, 3600)
    (temporary,) = temporaries(world)
    assert world.layer.autoconfiguration.is_deprecated(temporary, HOUR)
    advertise(world, 10**6, 10**6, now=HOUR)
    assert world.layer.autoconfiguration.is_deprecated(temporary, 24 * HOUR)


def test_no_temporary_address_is_formed_for_a_few_seconds() -> None:
    assert temporaries(advertise(host(use_tempaddr=True), 60, 4)) == []


def test_without_the_stable_address_of_its_prefix_a_temporary_one_is_the_last() -> None:
    world = advertise(host(use_tempaddr=True, temp_prefered_lft=HOUR, identifier="eui64"), 10**6, 10**6)
    (last,) = temporaries(world)
    world.layer.autoconfiguration.on_conflict(world.interface, make_address(NETWORK, eui64(OUR_MAC)), 0)
    world.runs(2 * HOUR)
    assert temporaries(world) == [last]
