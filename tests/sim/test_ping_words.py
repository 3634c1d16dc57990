from socket import AF_INET, AF_INET6

from halfopen.sim.network import Network
from halfopen.sim.ping_words import Target, headers_octets, named, words_of
from halfopen.stack import datagram as kinds


def test_errors_are_called_as_the_tool_of_each_version_does() -> None:
    assert words_of(kinds.TTL_EXCEEDED, "r1 (192.0.2.1)") == "Time to live exceeded"
    assert words_of(kinds.TTL_EXCEEDED, "r1 (2001:db8::1)") == "Time exceeded: Hop limit"
    assert words_of("something new", "192.0.2.1") == "something new"


def test_headers_are_longer_in_ipv6() -> None:
    assert (headers_octets("192.0.2.1"), headers_octets("2001:db8::1")) == (28, 48)


def test_a_name_means_the_best_address_or_one_of_a_family() -> None:
    with Network(families="both") as network:
        a, b = network.host("a"), network.host("b")
        network.link(a, b)
        assert [len(Target.of(a, "b", family).address) for family in (0, AF_INET, AF_INET6)] == [16, 4, 16]
        assert named(a, Target.of(a, "b").address) == "b (2001:db8:1::2)"
        assert named(a, bytes((192, 0, 2, 99))) == "192.0.2.99"
