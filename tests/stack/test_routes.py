import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import Prefix, parse_address
from halfopen.stack.interface import Interface
from halfopen.stack.routes import Route, Routes

ETH0 = Interface("eth0", "ethernet")
ETH1 = Interface("eth1", "ethernet")


def route(text: str, interface: Interface | None = ETH0, **more: object) -> Route:
    return Route(prefix=Prefix.parse(text), interface=interface, **more)  # type: ignore[arg-type]  # fields by name


def make(*routes: Route) -> Routes:
    table = Routes()
    for one in routes:
        table.add(one)
    return table


def test_an_empty_table_knows_no_way() -> None:
    assert Routes().lookup(parse_address("192.0.2.1")) is None


@pytest.mark.rfc("1812", "1812.3")
def test_the_longest_prefix_wins_whatever_the_order() -> None:
    default, network, host = route("0.0.0.0/0"), route("192.0.2.0/24"), route("192.0.2.7/32")
    for routes in ((default, network, host), (host, network, default)):
        table = make(*routes)
        assert table.lookup(parse_address("192.0.2.7")) is host
        assert table.lookup(parse_address("192.0.2.8")) is network
        assert table.lookup(parse_address("203.0.113.1")) is default


def test_of_equal_prefixes_the_lowest_metric_wins_then_the_first() -> None:
    worse, better, late = route("192.0.2.0/24", metric=5), route("192.0.2.0/24", ETH1), route("192.0.2.0/24")
    table = make(worse, better, late)
    assert table.lookup(parse_address("192.0.2.1")) is better
    table.remove(better)
    assert table.lookup(parse_address("192.0.2.1")) is late


def test_families_do_not_mix() -> None:
    table = make(route("::/0"), route("0.0.0.0/0"))
    found = table.lookup(parse_address("2001:db8::1"))
    assert found is not None and found.prefix == Prefix.parse("::/0")


def test_a_removed_route_is_gone_and_removing_it_again_is_an_error() -> None:
    one = route("192.0.2.0/24")
    table = make(one)
    table.remove(one)
    assert table.lookup(parse_address("192.0.2.1")) is None
    assert len(table) == 0
    with pytest.raises(ValueError):
        table.remove(one)


def test_all_routes_of_an_interface_go_together() -> None:
    table = make(route("192.0.2.0/24"), route("198.51.100.0/24", ETH1), route("0.0.0.0/0"))
    table.remove_interface(ETH0)
    assert [one.interface for one in table] == [ETH1]


def test_every_change_is_a_new_generation() -> None:
    table = Routes()
    one = route("192.0.2.0/24")
    seen = [table.generation]
    for change in (lambda: table.add(one), lambda: table.remove(one), table.advance):
        change()
        seen.append(table.generation)
    assert len(set(seen)) == 4


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=20),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20),
)
def test_lookup_agrees_with_trying_all_prefixes(prefixes: list[tuple[int, int]], destinations: list[int]) -> None:
    table = Routes()
    networks = []
    for value, length in prefixes:
        prefix = Prefix.of(value.to_bytes(4, "big"), length)
        table.add(Route(prefix=prefix, interface=ETH0))
        networks.append(ipaddress.ip_network(str(prefix)))
    near = [int(network.network_address) for network in networks]
    for value in destinations + near:
        matching = [network for network in networks if ipaddress.ip_address(value) in network]
        best = max((network.prefixlen for network in matching), default=None)
        found = table.lookup(value.to_bytes(4, "big"))
        assert (found.prefix.length if found else None) == best
