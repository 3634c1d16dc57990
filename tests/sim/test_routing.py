import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import IPV4_ANY, format_address, parse_address
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network
from halfopen.sim.routing import EVERYTHING, Graph


def gateways(network: Network, name: str) -> dict[str, str]:
    """Who a node sends to, by the prefix."""
    hops = Graph(network.topology).hops(name)
    owners = {member.address: member.node for segment in network.topology.segments for member in segment.members}
    return {str(hop.prefix): owners[format_address(hop.gateway)] for hop in hops}


def ring(network: Network, count: int) -> list[SimHost]:
    routers = [network.router(f"r{number}") for number in range(count)]
    for first, second in pairwise([*routers, routers[0]]):
        network.link(first, second)
    return routers


def chain(network: Network, count: int, words: str = "") -> list[SimHost]:
    """``client``, so many routers, ``server``."""
    nodes = [network.host("client"), *(network.router(f"r{n}") for n in range(1, count + 1)), network.host("server")]
    for first, second in pairwise(nodes):
        network.link(first, second, words)
    return nodes


def test_a_ring_is_gone_round_the_shorter_way_and_by_the_first_link_if_both_are_as_long() -> None:
    with Network() as network:
        ring(network, 6)
        far = [segment.prefix for segment in network.topology.segments]
        ways = gateways(network, "r0")
        assert [ways.get(str(prefix)) for prefix in far] == [None, "r1", "r1", "r5", "r5", None]


def test_the_hosts_of_a_dumbbell_reach_each_other_over_the_bottleneck() -> None:
    with Network() as network:
        left, right = network.router("left"), network.router("right")
        hosts = [network.host(name) for name in ("a1", "a2", "b1", "b2")]
        for host, router in zip(hosts, (left, left, right, right), strict=True):
            network.link(host, router)
        network.link(left, right, "rate 10mbit")
        assert set(gateways(network, "a1").values()) == {"left"}
        beyond = {str(segment.prefix) for segment in network.topology.segments if segment.name.startswith("b")}
        assert {prefix for prefix, router in gateways(network, "left").items() if router == "right"} == beyond
        replies = network.run(hosts[0].ping("b2"))
        assert "ttl=62" in str(replies)


def test_a_datagram_loses_one_of_its_ttl_at_each_of_five_routers() -> None:
    with Network() as network:
        client, *_ = chain(network, 5, "delay 1ms")
        assert "ttl=59" in str(network.run(client.ping("server")))
        assert [str(number) in gateways(network, "r1").values() for number in range(3)] == [False] * 3
        hops = str(network.run(client.traceroute("server")))
        assert [line.split()[1] for line in hops.splitlines()[1:]] == ["r1", "r2", "r3", "r4", "r5", "server"]


def test_of_two_routers_on_a_segment_each_is_used_for_what_is_behind_it_and_the_first_for_the_rest() -> None:
    with Network() as network:
        host, r1, r2 = network.host("host"), network.router("r1"), network.router("r2")
        network.switch("lan", host, r1, r2)
        for router, name in ((r1, "behind1"), (r2, "behind2")):
            network.link(router, network.host(name))
        ways = gateways(network, "host")
        assert list(ways.values()) == ["r1", "r2", "r1"]
        assert ways[str(EVERYTHING)] == "r1"
        assert "ttl=63" in str(network.run(host.ping("behind2")))


def test_a_host_that_forwards_is_a_router_and_one_that_does_not_is_none() -> None:
    with Network() as network:
        a, middle, b = network.host("a"), network.host("middle", sysctl={"net.ipv4.ip_forward": 1}), network.host("b")
        network.link(a, middle)
        network.link(middle, b)
        assert set(gateways(network, "a").values()) == {"middle"}
    with Network() as network:
        a, middle, b = network.host("a"), network.host("middle"), network.host("b")
        network.link(a, middle)
        network.link(middle, b)
        assert gateways(network, "a") == {}


def test_a_host_on_two_networks_is_found_by_its_name_from_the_second_too() -> None:
    with Network() as network:
        a, middle, b, router = network.host("a"), network.host("middle"), network.host("b"), network.router("r")
        network.link(middle, a)
        network.link(middle, router)
        network.link(router, b)
        assert gateways(network, "b")[f"{middle.address}/32"] == "r"
        assert gateways(network, "r")[f"{middle.address}/32"] == "middle"
        assert "ttl=63" in str(network.run(b.ping("middle")))


def test_a_nat_hides_its_inside_and_all_behind_it() -> None:
    with Network() as network:
        nodes = [
            network.host("deep"),
            network.router("r"),
            network.nat("nat"),
            network.router("isp"),
            network.host("web"),
        ]
        for first, second in pairwise(nodes):
            network.link(first, second)
        deep, inside, outside, web = (str(segment.prefix) for segment in network.topology.segments)
        assert gateways(network, "deep") == {inside: "r", outside: "r", web: "r", str(EVERYTHING): "r"}
        assert gateways(network, "nat") == {deep: "r", web: "isp"}
        assert gateways(network, "isp") == {}
        assert gateways(network, "web") == {outside: "isp", str(EVERYTHING): "isp"}


def test_the_outside_of_a_nat_is_nobodys_default_router() -> None:
    with Network() as network:
        inside, nat, web = network.host("inside"), network.nat("nat"), network.host("web")
        network.link(inside, nat)
        network.link(nat, web)
        assert gateways(network, "web") == {}
        assert str(EVERYTHING) in gateways(network, "inside")


def test_routes_are_computed_again_when_a_link_is_added() -> None:
    with Network() as network:
        client, *_, server = chain(network, 3)
        network.run(asyncio.sleep(1))
        before = len(client.stack.routes)
        assert "ttl=61" in str(network.run(client.ping("server")))
        network.link(network.hosts["r1"], network.hosts["r3"])

        async def main() -> str:
            return str(await client.ping("server"))

        assert "ttl=62" in network.run(main())
        assert len(client.stack.routes) == before + 1
        assert len({(route.prefix, route.gateway) for route in server.stack.routes}) == len(server.stack.routes)


def test_a_route_of_the_users_own_stays() -> None:
    from halfopen.stack.internet import default_route

    with Network() as network:
        client, *_ = chain(network, 2)
        network.run(asyncio.sleep(0))
        mine = default_route(client.stack.interfaces[0], parse_address("192.0.2.77"))
        client.stack.routes.add(mine)
        network.link(network.hosts["r2"], network.host("late"))
        network.run(asyncio.sleep(0))
        assert mine in list(client.stack.routes)
        assert [route.gateway for route in client.stack.routes if route.prefix.network == IPV4_ANY].count(
            mine.gateway
        ) == 1


@st.composite
def joined(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Links between routers, such that all are joined."""
    count = draw(st.integers(2, 8))
    tree = [(draw(st.integers(0, number - 1)), number) for number in range(1, count)]
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] != pair[1])
    return tree + draw(st.lists(pairs, max_size=6))


@given(joined())
def test_following_the_routes_always_leads_to_the_network_and_never_in_circles(links: list[tuple[int, int]]) -> None:
    with Network() as network:
        routers = [network.router(f"r{number}") for number in range(1 + max(max(pair) for pair in links))]
        for first, second in links:
            network.link(routers[first], routers[second])
        ways = {router.name: gateways(network, router.name) for router in routers}
        for segment in network.topology.segments:
            ends = {member.node for member in segment.members}
            for router in routers:
                path = list(way(ways, router.name, str(segment.prefix)))
                assert path[-1] in ends
                assert len(path) == len(set(path))


def way(ways: dict[str, dict[str, str]], start: str, prefix: str) -> Iterator[str]:
    """The nodes that a datagram passes, at most one more than there are."""
    yield start
    for _ in ways:
        following = ways[start].get(prefix)
        if following is None:
            return
        yield following
        start = following


@pytest.mark.parametrize("seed", range(2))
def test_the_same_topology_gives_the_same_routes_whatever_the_seed(seed: int) -> None:
    with Network(seed) as network, Network("other") as other:
        ring(network, 5)
        ring(other, 5)
        assert list(Graph(network.topology).hops("r2")) == list(Graph(other.topology).hops("r2"))
