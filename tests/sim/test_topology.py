import sys
from collections.abc import Iterator

import pytest
from hypothesis import given

from halfopen.base.errors import ConfigError
from halfopen.sim.network import Network
from halfopen.sim.topology import Topology
from halfopen.sim.topology_parts import HOST, HUB, LINK, NAT, ROUTER, SWITCH, Member, Node, Segment
from tests.sim.topologies import topologies


def shown(network: Network) -> list[str]:
    return str(network.topology).splitlines()


def test_it_prints_nodes_and_networks_in_columns() -> None:
    with Network() as network:
        client, server = network.host("client"), network.host("server", sysctl={"net.ipv4.tcp_sack": 0})
        nat, router = network.nat("home", idle_timeout=600, on_expire="rst"), network.router("r1")
        network.switch("lan", client, nat, words="delay 1ms")
        network.link(nat, router, "rate 16mbit", back="", mtu=1400)
        network.link(router, server)
        assert shown(network) == [
            "client  host    192.0.2.1/24",
            "server  host    203.0.113.2/29, net.ipv4.tcp_sack=0",
            "home    nat     192.0.2.2/24, 198.51.100.1/24, idle timeout 600 s, then rst",
            "r1      router  198.51.100.2/24, 203.0.113.1/29",
            "",
            "lan        switch  192.0.2.0/24     delay 1ms",
            "    client 192.0.2.1, home 192.0.2.2",
            "home-r1    link    198.51.100.0/24  rate 16mbit, back: nothing, mtu 1400",
            "    home 198.51.100.1, r1 198.51.100.2",
            "r1-server  link    203.0.113.0/29",
            "    r1 203.0.113.1, server 203.0.113.2",
        ]


def test_nothing_prints_as_nothing() -> None:
    assert str(Topology()) == ""
    with Network() as network:
        assert network.topology == Topology()


def test_addresses_that_are_on_no_network_belong_to_the_node() -> None:
    with Network() as network:
        network.link(network.host("a", "192.0.2.1/24", "198.51.100.1/24"), network.host("b"))
        (node, _) = network.topology.nodes
        assert node.addresses == ("198.51.100.1/24",)
        assert shown(network)[0] == "a  host  192.0.2.1/24, 198.51.100.1/24"


def test_addresses_that_are_given_are_not_taken_by_those_that_are_not() -> None:
    members = (Member("a"), Member("b", "192.0.2.1"), Member("c"))
    nodes = tuple(Node(name=name) for name in "abc")
    segment = Segment(name="lan", kind=SWITCH, members=members, prefix="192.0.2.0/24")
    with Network(topology=Topology(nodes, (segment,))) as network:
        given_addresses = [member.address for member in network.topology.segments[0].members]
        assert given_addresses == ["192.0.2.2", "192.0.2.1", "192.0.2.3"]


def test_a_network_without_a_prefix_does_not_get_that_of_a_later_one() -> None:
    nodes = tuple(Node(name=name) for name in "abc")
    first = Segment(name="first", members=(Member("a"), Member("b")))
    second = Segment(name="second", members=(Member("b"), Member("c")), prefix="192.0.2.0/24")
    with Network(topology=Topology(nodes, (first, second))) as network:
        assert [segment.prefix for segment in network.topology.segments] == ["198.51.100.0/24", "192.0.2.0/24"]


@given(topologies())
def test_a_network_gives_back_the_description_that_it_was_built_from(topology: Topology) -> None:
    with Network(topology=topology) as network:
        assert network.topology == topology


@given(topologies(addressed=False))
def test_the_description_of_what_was_built_builds_the_same(topology: Topology) -> None:
    with Network(topology=topology) as network, Network("another", topology=network.topology) as again:
        assert again.topology == network.topology
        assert len(again.cables) == len(topology.segments)


def test_a_built_network_works() -> None:
    nodes = (
        Node(name="a"),
        Node(name="r", kind=ROUTER),
        Node(name="n", kind=NAT, idle_timeout=5 * 10**9),
        Node(name="b"),
    )
    segments = (
        Segment(name="one", kind=HUB, members=(Member("a"), Member("r")), words="delay 1ms"),
        Segment(name="two", members=(Member("r"), Member("n"))),
        Segment(name="three", members=(Member("n"), Member("b")), words="delay 2ms", back="delay 7ms"),
    )
    with Network(topology=Topology(nodes, segments)) as network:
        network.run(network.hosts["a"].ping("b", count=1))
        assert "ttl=62 time=11.0 ms" in str(network.run(network.hosts["a"].ping("b")))
        assert [cable.title for cable in network.cables] == ["one", "two", "three"]


def test_one_that_cannot_be_meant_is_refused_with_all_that_is_wrong() -> None:
    members = (Member("a"), Member("bb"))
    broken = Topology(
        (Node(name="a", kind="hosst"), Node(name="b")), (Segment(name="a-b", members=members, words="3x"),)
    )
    with pytest.raises(ConfigError) as caught:
        Network(topology=broken)
    lines = str(caught.value).splitlines()
    assert lines[0] == "a is a 'hosst': expected host, router or nat"
    assert lines[1].startswith("link a-b: '3x' is not an impairment")
    assert lines[2] == "link a-b names a host that does not exist: 'bb' (did you mean 'b'?)"


def test_kinds_say_whether_a_node_forwards() -> None:
    nodes = [Node(name="x", kind=kind).forwards for kind in (HOST, ROUTER, NAT)]
    assert nodes == [False, True, True]
    assert Node(name="x", sysctl={"net.ipv4.ip_forward": "1"}).forwards
    assert Segment(name="a-b").title == f"{LINK} a-b"


@pytest.fixture
def without_pydantic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "pydantic", None)
    monkeypatch.delitem(sys.modules, "halfopen.sim.topology_file", raising=False)
    monkeypatch.delattr("halfopen.sim.topology_file", raising=False)
    yield


@pytest.mark.usefixtures("without_pydantic")
def test_without_its_extra_a_file_is_refused_by_the_name_of_the_extra() -> None:
    with pytest.raises(ConfigError, match=r"a topology in a file needs pydantic: install 'halfopen\[scenario\]'"):
        Topology.parse("nodes: {}")
    with pytest.raises(ConfigError, match="needs pydantic"):
        Topology.load("lab.yaml")


@pytest.mark.usefixtures("without_pydantic")
def test_another_module_that_is_missing_is_not_taken_for_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", sys)
    monkeypatch.setitem(sys.modules, "halfopen.sim.yaml_source", None)
    with pytest.raises(ImportError):
        Topology.parse("nodes: {}")
