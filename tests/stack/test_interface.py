from halfopen.base.addresses import Prefix, parse_address, parse_interface
from halfopen.stack.interface import HostAddresses, Interface
from tests.stack.world import OURS, PEER


def make() -> tuple[HostAddresses, Interface]:
    addresses = HostAddresses(Interface("lo", "ip"))
    interface = Interface("eth0", "ethernet")
    addresses.interfaces.append(interface)
    addresses.add(interface, *parse_interface("192.0.2.1/24"))
    return addresses, interface


def test_the_kind_decides_about_the_link_header() -> None:
    assert (Interface("eth0", "ethernet").is_ethernet, Interface("eth0", "ethernet").link_octets) == (True, 14)
    assert (Interface("tun0", "ip").is_ethernet, Interface("tun0", "ip").link_octets) == (False, 0)


def test_an_interface_knows_its_address_towards_a_neighbour() -> None:
    _, interface = make()
    assert interface.address_towards(PEER) == OURS
    assert interface.address_towards(parse_address("203.0.113.1")) is None


def test_own_addresses_include_loopback_and_not_broadcasts() -> None:
    addresses, interface = make()
    texts = ("192.0.2.1", "127.0.0.1", "127.255.0.9", "192.0.2.255", "192.0.2.2")
    assert [addresses.owns(parse_address(text)) for text in texts] == [True, True, True, False, False]
    assert addresses.owners[OURS] is interface


def test_broadcasts_follow_the_networks() -> None:
    addresses, interface = make()
    limited = {parse_address("255.255.255.255")}
    assert addresses.broadcasts == limited | {parse_address("192.0.2.255"), parse_address("192.0.2.0")}
    addresses.add(interface, parse_address("198.51.100.1"), Prefix.parse("198.51.100.1/32"))
    addresses.remove(interface, OURS)
    assert addresses.broadcasts == limited
    assert not addresses.owns(OURS)
