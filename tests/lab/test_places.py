import pytest

from halfopen.base.addresses import format_address, parse_address
from halfopen.lab.places import IPV4_PLACES, IPV6_PLACES, PLACES, ends_in, ethertype_of, is_ip, is_spoofed
from halfopen.wire import ethernet, ipv4, ipv6
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.ipv6 import Ipv6


def test_each_host_has_a_counterpart_in_ipv6() -> None:
    assert IPV4_PLACES.at("192.0.2.254/24") == "192.0.2.254/24"
    assert IPV6_PLACES.at("192.0.2.254/24") == "2001:db8:1::fe/64"
    for own, interface in (("client", "192.0.2.1/24"), ("server", "198.51.100.2/24"), ("attacker", "203.0.113.1/28")):
        for places in PLACES.values():
            assert places.at(interface).partition("/")[0] == getattr(places, own)


@pytest.mark.parametrize("version", [4, 6])
def test_floods_come_from_nobody(version: int) -> None:
    places = PLACES[version]
    known = places.nobodys(126)
    assert len(set(known)) == 126
    assert all(map(is_spoofed, known))
    assert not is_spoofed(parse_address(places.attacker))


def test_the_ends_of_a_datagram_are_found_in_either_version() -> None:
    for version, places in PLACES.items():
        ends = parse_address(places.client), parse_address(places.server)
        head = ipv4.emit(Ipv4(*ends, 6), 0) if version == 4 else ipv6.emit(Ipv6(*ends, 6), 0)
        assert ends_in(b"some" + head, 4) == ends
        frame = bytes(12) + ethertype_of(head) + head
        assert is_ip(frame)
        assert format_address(ends_in(frame, ethernet.HEADER_OCTETS)[0]) == places.client
    assert not is_ip(ethernet.emit(bytes(6), bytes(6), ethernet.ETHERTYPE_ARP))
