import pytest

from halfopen.base.addresses import Prefix, parse_address
from halfopen.base.errors import ConfigError
from halfopen.sim.addressing import AddressPlan, candidates, common, host_numbers, overlap


def taken(plan: AddressPlan, *hosts: int) -> list[str]:
    prefixes = []
    for count in hosts:
        prefix = plan.next_prefix(count)
        plan.reserve(prefix)
        prefixes.append(str(prefix))
    return prefixes


def test_the_first_networks_are_whole_and_further_ones_just_large_enough() -> None:
    given = taken(AddressPlan(), 2, 200, 2, 6, 7, 2)
    assert given[:2] == ["192.0.2.0/24", "198.51.100.0/24"]
    assert given[2:] == ["203.0.113.0/29", "203.0.113.8/29", "203.0.113.16/28", "203.0.113.32/29"]


def test_when_the_documentation_ranges_are_full_the_benchmarks_range_is_used() -> None:
    given = taken(AddressPlan(), *[2] * 40)
    assert given[33:36] == ["203.0.113.248/29", "198.18.0.0/29", "198.18.0.8/29"]


def test_a_network_with_more_hosts_than_a_documentation_range_has_room() -> None:
    assert taken(AddressPlan(), 300) == ["198.18.0.0/23"]
    with pytest.raises(ConfigError, match="no network for 200000 hosts is left"):
        AddressPlan().next_prefix(200_000)


def test_networks_that_were_given_are_not_given_again() -> None:
    plan = AddressPlan()
    plan.claim("a", *plan.check("a", "192.0.2.200/26"))
    assert taken(plan, 2) == ["198.51.100.0/24"]


def test_addresses_are_given_from_the_lowest_and_none_twice() -> None:
    plan = AddressPlan()
    prefix = Prefix.parse("192.0.2.0/29")
    plan.claim("b", parse_address("192.0.2.2"), prefix)
    assert plan.next_addresses(prefix, 2) == [b"\xc0\0\2\1", b"\xc0\0\2\3"]
    plan.claim("a", b"\xc0\0\2\1", prefix)
    assert plan.next_addresses(prefix, 4) == [bytes((192, 0, 2, last)) for last in (3, 4, 5, 6)]
    with pytest.raises(ConfigError, match=r"192\.0\.2\.0/29 is full: it has room for 6 hosts"):
        plan.next_addresses(prefix, 5)
    assert plan.next_addresses(prefix, 0) == []


@pytest.mark.rfc("3021", "2.1")
def test_a_network_of_two_needs_no_broadcast_address() -> None:
    assert host_numbers(Prefix.parse("192.0.2.6/31")) == (0, 1)
    assert host_numbers(Prefix.parse("192.0.2.8/30")) == (1, 2)
    assert AddressPlan().next_addresses(Prefix.parse("192.0.2.6/31"), 2) == [b"\xc0\0\2\6", b"\xc0\0\2\7"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("192.0.2.1/24", "host 'b': 192.0.2.1 belongs to 'a' already"),
        ("192.0.2.1", "host 'b': '192.0.2.1' is not an interface address"),
        ("ff02::1/64", "host 'b': ff02::1 is not the address of an IPv6 host"),
        ("::ffff:192.0.2.1/120", "is not the address of an IPv6 host"),
        ("fe80::1/64", "host 'b': fe80::1 is link-local"),
        ("2001:db8::/64", "host 'b': 2001:db8:: is the anycast address of the routers on 2001:db8::/64"),
        ("127.0.0.1/8", "host 'b': 127.0.0.1 is not the address of an IPv4 host"),
        ("192.0.2.255/24", "host 'b': 192.0.2.255 is a broadcast address of 192.0.2.0/24"),
    ],
)
def test_what_is_no_free_address_is_refused(text: str, complaint: str) -> None:
    plan = AddressPlan()
    plan.claim("a", *plan.check("a", "192.0.2.1/24"))
    with pytest.raises(ConfigError) as caught:
        plan.check("b", text)
    assert complaint in str(caught.value)


def test_prefixes_overlap_if_one_lies_in_the_other() -> None:
    wide, narrow, other = (Prefix.parse(text) for text in ("192.0.2.0/24", "192.0.2.128/25", "198.51.100.0/24"))
    assert overlap(wide, narrow)
    assert overlap(narrow, wide)
    assert not overlap(narrow, other)


def test_the_common_prefix_is_the_first_of_the_first_that_all_have() -> None:
    a, b, c = (Prefix.parse(f"192.0.2.{start}/26") for start in (0, 64, 128))
    assert common([[a, b, c], [c, b]]) == b
    assert common([[a], [b]]) is None


def test_candidates_do_not_overlap_and_have_room() -> None:
    for hosts in (1, 6, 7, 254, 255):
        found = [prefix for prefix, _ in zip(candidates(hosts), range(50), strict=False)]
        assert not any(overlap(one, other) for one in found for other in found if one is not other)
        assert all(host_numbers(prefix)[1] >= hosts for prefix in found)
