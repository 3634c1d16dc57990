import pytest

from halfopen.sim.network import Network


def three_in_a_row() -> Network:
    network = Network(1)
    a, b, c = network.host("a"), network.host("b"), network.host("c")
    network.link(a, b)
    network.link(b, c)
    return network


def received(network: Network) -> int:
    return network.run(network.hosts["a"].ping("c", count=1)).received


def test_a_host_becomes_a_router_and_is_none_again_when_its_sysctl_says_so() -> None:
    with three_in_a_row() as network:
        middle = network.hosts["b"]
        with pytest.raises(OSError, match="unreachable"):
            received(network)
        middle.sysctl("net.ipv4.ip_forward", 1)
        assert received(network) == 1
        middle.sysctl("net.ipv4.ip_forward", 0)
        with pytest.raises(OSError, match="unreachable"):
            received(network)


def test_what_is_configured_later_is_in_the_topology() -> None:
    with three_in_a_row() as network:
        network.hosts["b"].sysctl("net.ipv4.ip_forward", 1)
        network.hosts["c"].sysctl("net.ipv4.icmp_echo_ignore_all", "1")
        with Network(1, topology=network.topology) as twin:
            assert twin.run(twin.hosts["a"].ping("b", count=1)).received == 1
            assert twin.hosts["b"].sysctl("net.ipv4.ip_forward") == 1
            assert twin.hosts["c"].sysctl("net.ipv4.icmp_echo_ignore_all") == 1


def test_a_router_can_be_told_not_to_forward_from_the_beginning() -> None:
    with Network(1) as network:
        a, r, c = network.host("a"), network.router("r", sysctl={"net.ipv4.ip_forward": 0}), network.host("c")
        network.link(a, r)
        network.link(r, c)
        with pytest.raises(OSError, match="unreachable"):
            received(network)
