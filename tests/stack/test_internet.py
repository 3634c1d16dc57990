import pytest

from halfopen.base.addresses import Prefix, parse_address, parse_mac
from halfopen.base.clock import MINUTE, NEVER, SECOND
from halfopen.base.errors import ConfigError
from halfopen.stack.config import InterfaceConfig
from halfopen.stack.interface import IP
from tests.stack.world import OTHER, OURS, PEER, World, datagram, tap, tun, udp_outgoing


def test_a_new_interface_brings_its_addresses_and_routes() -> None:
    world = World(None, InterfaceConfig(name="tun0", kind=IP, addresses=("192.0.2.1/24", "198.51.100.1/25")))
    assert world.host.ip.owns(OURS)
    route = world.host.routes.lookup(parse_address("198.51.100.126"))
    assert route is not None and route.interface is world.interface
    assert world.host.routes.lookup(parse_address("198.51.100.128")) is None
    assert repr(world.interface) == "Interface(tun0)"


def test_an_ethernet_interface_without_a_mac_gets_a_local_one() -> None:
    mac = World(None, tap(mac=None)).interface.mac
    assert len(mac) == 6 and mac[0] == 2
    assert World(None, tap()).interface.mac == parse_mac("02:00:00:00:00:01")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "token-ring"}, "token-ring"),
        ({"mtu": 67}, "67"),
        ({"mtu": 65536}, "65536"),
        ({"addresses": ("192.0.2.1",)}, "192.0.2.1"),
        ({"addresses": ("192.0.2.999/24",)}, "192.0.2.999"),
        ({"addresses": ("192.0.2.1/33",)}, "33"),
        ({"addresses": ("2001:db8::1/64",), "mtu": 1279}, "1280"),
        ({"kind": "ethernet", "mac": "nonsense"}, "nonsense"),
    ],
)
def test_an_interface_that_cannot_be_is_refused_by_name(change: dict[str, object], message: str) -> None:
    fields: dict[str, object] = {"name": "tun0", "kind": "ip", **change}
    with pytest.raises(ConfigError, match=f"tun0.*{message}"):
        World(None, InterfaceConfig(**fields))  # type: ignore[arg-type]  # fields by name


def test_two_interfaces_do_not_share_a_name() -> None:
    with pytest.raises(ConfigError, match="tun0"):
        World(None, tun(), tun())


def test_a_removed_address_takes_its_route_along() -> None:
    world = World(None, tun())
    world.host.remove_address(world.interface, OURS)
    assert not world.host.ip.owns(OURS)
    assert not world.host.ip.is_broadcast(parse_address("192.0.2.255"))
    assert len(world.host.routes) == 0


def test_an_address_with_a_prefix_of_31_has_no_broadcast() -> None:
    world = World(None, tun(address="192.0.2.1/31"))
    assert not world.host.ip.is_broadcast(parse_address("192.0.2.0"))
    assert world.takes(datagram(source=parse_address("192.0.2.0"))).udp.datagrams


def test_an_idle_host_has_no_deadline() -> None:
    assert World(None, tun(), tap("tap0", "198.51.100.1/24")).host.next_deadline() == NEVER


def test_the_deadline_is_the_earliest_of_all_parts() -> None:
    world = World(None, tun(), tap("tap0", "198.51.100.1/24"))
    world.host.ip.update_path_mtu(PEER, 1000, 0)
    assert world.host.next_deadline() == 10 * MINUTE
    world.takes(datagram(bytes(16), dont_fragment=False, more_fragments=True))
    assert world.host.next_deadline() == 60 * SECOND
    world.sends(parse_address("198.51.100.9"), 9)
    assert world.host.next_deadline() == SECOND


def test_an_error_for_a_transport_that_is_not_there_is_nobodys() -> None:
    world = World(None, tun())
    world.sends(PEER, 2000)
    del world.host.ip.v4.transports[17]
    assert world.sent() == []


def test_the_loopback_interface_counts_what_it_delivers() -> None:
    world = World(None, tun())
    world.sends(OURS, 100)
    world.sent()
    lo = world.host.addresses.loopback
    assert (lo.name, lo.statistics.received_packets, lo.statistics.received_octets) == ("lo", 1, 120)


def test_protocol_unreachable_comes_back_by_loopback_too() -> None:
    world = World(None, tun())
    outgoing = udp_outgoing(20)
    outgoing.protocol = 132
    world.host.ip.send(world.host.ip.find_path(OURS, None, 0), outgoing, 0)
    assert world.sent() == []
    assert world.counters["IpInUnknownProtos"] == 1
    assert world.counters["IcmpInErrorsForNobody"] == 1


def test_several_addresses_of_one_network_share_it() -> None:
    world = World(None, tun())
    world.host.add_address(world.interface, OTHER, Prefix.of(OTHER, 24), 0)
    world.host.remove_address(world.interface, OURS)
    route = world.host.routes.lookup(PEER)
    assert route is not None and route.source == OTHER
    assert world.host.ip.is_broadcast(parse_address("192.0.2.255"))
