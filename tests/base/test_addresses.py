import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import (
    IPV4_ANY,
    IPV4_BROADCAST,
    IPV6_ANY,
    MAC_BROADCAST,
    MAC_ZERO,
    Prefix,
    format_address,
    format_mac,
    is_link_local,
    is_loopback,
    is_multicast,
    is_reserved_v4,
    is_unspecified,
    is_valid_source,
    parse_address,
    parse_interface,
    parse_mac,
)

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)
either = st.one_of(v4, v6)
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
networks = either.flatmap(
    lambda ip: st.integers(0, ip.max_prefixlen).map(lambda bits: ipaddress.ip_network((ip, bits), strict=False))
)


@given(st.binary(min_size=6, max_size=6))
def test_a_mac_address_survives_its_text(mac: bytes) -> None:
    assert parse_mac(format_mac(mac)) == mac
    assert parse_mac(format_mac(mac).upper().replace(":", "-")) == mac


def test_a_mac_address_may_leave_out_leading_zeros() -> None:
    assert parse_mac("2:0:5e:10:0:1") == bytes.fromhex("02005e100001")
    assert format_mac(MAC_BROADCAST) == "ff:ff:ff:ff:ff:ff"
    assert format_mac(MAC_ZERO) == "00:00:00:00:00:00"


@pytest.mark.parametrize(
    "text", ["", "02:00:5e:10:00", "02:00:5e:10:00:001", "02:00:5e:10:00:0g", "02:00:5e:10:00:+1", "02:00:5e:10:00:"]
)
def test_what_is_no_mac_address_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a MAC address") as caught:
        parse_mac(text)
    assert repr(text) in str(caught.value)


@given(either)
def test_an_ip_address_has_the_octets_and_the_text_of_the_standard_library(ip: Ip) -> None:
    assert parse_address(str(ip)) == ip.packed
    assert format_address(ip.packed) == str(ip)


@pytest.mark.parametrize("text", ["", "192.0.2", "192.0.2.256", "2001:db8::g", "fe80::1%eth0", "example"])
def test_what_is_no_ip_address_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IPv4 or IPv6 address") as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)


def near(*blocks: str) -> st.SearchStrategy[Ip]:
    """Addresses everywhere, and often at the edges of these networks and one beyond."""
    edges = list[Ip]()
    for block in map(ipaddress.ip_network, blocks):
        for edge in (block.network_address, block.broadcast_address):
            edges.append(edge)
            edges.extend(edge + step for step in (-1, 1) if 0 <= int(edge) + step < 2**edge.max_prefixlen)
    return st.one_of(either, st.sampled_from(edges))


@given(near("224.0.0.0/4", "ff00::/8"))
def test_multicast_is_as_the_standard_library_has_it(ip: Ip) -> None:
    assert is_multicast(ip.packed) == ip.is_multicast


@given(near("127.0.0.0/8", "::1/128"))
def test_loopback_is_as_the_standard_library_has_it(ip: Ip) -> None:
    assert is_loopback(ip.packed) == (ip in ipaddress.ip_network("127.0.0.0/8") or ip == ipaddress.ip_address("::1"))


@given(near("0.0.0.0/32", "::/128"))
def test_unspecified_is_as_the_standard_library_has_it(ip: Ip) -> None:
    assert is_unspecified(ip.packed) == ip.is_unspecified


@given(near("169.254.0.0/16", "fe80::/10"))
def test_link_local_is_as_the_standard_library_has_it(ip: Ip) -> None:
    assert is_link_local(ip.packed) == ip.is_link_local


@given(near("240.0.0.0/4"))
def test_reserved_is_class_e_of_ipv4_only(ip: Ip) -> None:
    assert is_reserved_v4(ip.packed) == (ip.version == 4 and ip in ipaddress.ip_network("240.0.0.0/4"))


@pytest.mark.rfc("1122", "1122.3")
@given(near("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "ff00::/8"))
def test_a_valid_source_is_neither_multicast_reserved_loopback_nor_this_network(ip: Ip) -> None:
    refused = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "ff00::/8"]
    assert is_valid_source(ip.packed) == (not any(ip in ipaddress.ip_network(block) for block in refused))


@pytest.mark.parametrize("address", [IPV4_ANY, IPV4_BROADCAST, IPV6_ANY])
def test_the_wildcards_and_the_broadcast_are_no_source(address: bytes) -> None:
    assert not is_valid_source(address)


@given(networks)
def test_a_prefix_survives_its_text(network: Network) -> None:
    prefix = Prefix.parse(str(network))
    assert (prefix.network, prefix.length) == (network.network_address.packed, network.prefixlen)
    assert str(prefix) == str(network)


@given(networks, either)
def test_a_prefix_contains_what_the_standard_library_says(network: Network, ip: Ip) -> None:
    prefix = Prefix.parse(str(network))
    assert (ip.packed in prefix) == (ip in network)
    assert network.broadcast_address.packed in prefix


@given(networks)
def test_the_directed_broadcast_has_all_host_bits_set(network: Network) -> None:
    assert Prefix.parse(str(network)).broadcast == network.broadcast_address.packed


@given(either, st.data())
def test_the_prefix_of_an_address_has_its_host_bits_cleared(ip: Ip, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, ip.max_prefixlen))
    assert str(Prefix.of(ip.packed, length)) == str(ipaddress.ip_network((ip, length), strict=False))


def test_what_is_no_address_is_in_no_prefix() -> None:
    assert "192.0.2.1" not in Prefix.parse("192.0.2.0/24")


@pytest.mark.parametrize("length", [-1, 33])
def test_a_prefix_cannot_be_longer_than_its_address(length: int) -> None:
    with pytest.raises(ValueError, match=rf"of 32 bits cannot have {length}"):
        Prefix.of(IPV4_ANY, length)


@pytest.mark.parametrize("text", ["192.0.2.1/24", "192.0.2.0/33", "x/8"])
def test_what_is_no_prefix_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a network prefix") as caught:
        Prefix.parse(text)
    assert repr(text) in str(caught.value)


@given(either, st.data())
def test_an_interface_address_is_an_address_and_its_network(ip: Ip, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, ip.max_prefixlen))
    assert parse_interface(f"{ip}/{length}") == (ip.packed, Prefix.of(ip.packed, length))


@pytest.mark.parametrize("text", ["192.0.2.1", "192.0.2.1/", "192.0.2.1/x", "192.0.2.1/-1"])
def test_what_is_no_interface_address_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not an interface address") as caught:
        parse_interface(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["192.0.2/24", "192.0.2.1/33"])
def test_an_interface_address_with_a_bad_half_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an IPv4 or IPv6 address|cannot have 33"):
        parse_interface(text)
