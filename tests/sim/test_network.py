import asyncio
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.errors import ConfigError
from halfopen.capture.pcapng import Reader
from halfopen.sim.network import LinkOptions, Network
from halfopen.stack.config import IpConfig, StackConfig
from halfopen.stack.internet import default_route
from tests.sim.traced import digest
from tests.sim.world import echo, serve

ROOT = Path(__file__).parents[2]


def test_hosts_without_an_address_get_the_next_one() -> None:
    with Network() as network:
        network.host("taken", "192.0.2.2/24")
        hosts = [network.host(name) for name in "ab"]
        assert [host.names.resolve(host.name) for host in hosts] == [[b"\xc0\0\2\1"], [b"\xc0\0\2\3"]]
        assert list(network.hosts) == ["taken", "a", "b"]


def test_a_network_can_be_full() -> None:
    with Network() as network:
        hosts = [network.host(f"h{number}") for number in range(7)]
        with pytest.raises(ConfigError, match=r"203\.0\.113\.8/29 has room for 6 hosts, not for 7"):
            network.switch("small", *hosts, network="203.0.113.8/29")
        assert network.cables == []


@pytest.mark.parametrize(
    ("name", "address", "complaint"),
    [
        ("a", "192.0.2.9/24", "there is a host called 'a' already"),
        ("A", "192.0.2.9/24", "there is a host called 'A' already"),
        ("localhost", "192.0.2.9/24", "'localhost' is a name that every host has for itself"),
        ("", "192.0.2.9/24", "host '' needs a name"),
        ("10.0.0.1", "192.0.2.9/24", "'10.0.0.1' is an address: a name is needed"),
        ("b c", "192.0.2.9/24", "'b c' is no name: expected letters"),
        ("b", "192.0.2.1/24", "host 'b': 192.0.2.1 belongs to 'a' already"),
        ("b", "192.0.2/24", "host 'b': "),
    ],
)
def test_names_and_addresses_that_cannot_be_meant_are_refused(name: str, address: str, complaint: str) -> None:
    with Network() as network:
        network.host("a", "192.0.2.1/24")
        with pytest.raises(ConfigError) as caught:
            network.host(name, address)
        assert complaint in str(caught.value)
        assert list(network.hosts) == ["a"]


def test_a_link_that_cannot_be_meant_is_refused_and_takes_no_interface() -> None:
    with Network() as network:
        a, b, c = (network.host(name) for name in "abc")
        with pytest.raises(ConfigError, match="link a-b: 'dely' is not an impairment"):
            network.link(a, b, "dely 20ms")
        network.host("taken", "192.0.2.1/24")
        with pytest.raises(ConfigError, match=r"link c-taken: taken has addresses, but none on 10\.0\.0\.0/8"):
            network.link(c, network.hosts["taken"], network="10.0.0.0/8")
        assert c.stack.interfaces == ()
        with pytest.raises(ConfigError, match="link c-c joins hosts each of which it names once"):
            network.link(c, c)
        with pytest.raises(ConfigError, match="hub c joins 2 or more hosts, not 1"):
            network.hub("c", c)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"mtu": 67}, r"link a-b: an MTU is from 68 \(RFC 791\) to 65535, not 67"),
        ({"network": "192.0.2.0/30"}, "link a-b: 192.0.2.0/30 overlaps 192.0.2.0/24"),
        ({"network": "192.0.2.0/24"}, "link a-b: 192.0.2.0/24 is another network's"),
        ({"network": "224.0.0.0/8"}, "link a-b: 224.0.0.0/8 is not an IPv4 network of hosts"),
        ({"network": "fe80::/64"}, "link a-b: fe80::/64 is not an IPv6 network of hosts"),
    ],
)
def test_a_network_that_cannot_be_meant_is_refused(options: LinkOptions, complaint: str) -> None:
    with Network() as network:
        a, b, c = (network.host(name) for name in "abc")
        network.link(b, c)
        with pytest.raises(ConfigError, match=complaint):
            network.link(a, b, **options)
        assert len(network.cables) == 1


def test_what_is_no_host_of_this_network_cannot_be_joined() -> None:
    with Network() as network, Network() as other:
        a, stranger = network.host("a"), other.host("b")
        network.host("b")
        for action in (network.link, network.partition, lambda *hosts: network.switch("s", *hosts)):
            with pytest.raises(ConfigError, match="'b' is none of the hosts that this network has made"):
                action(a, stranger)
            with pytest.raises(ConfigError, match="'nobody' is none of the hosts"):
                action(a, "nobody")  # type: ignore[arg-type]  # as a user might


def test_a_host_that_cannot_be_meant_leaves_nothing_behind() -> None:
    with Network() as network:
        with pytest.raises(ConfigError, match="host 'a' is given an address twice"):
            network.host("a", "192.0.2.9/24", "192.0.2.9/24")
        assert network.host("a", "192.0.2.9/24").address == "192.0.2.9"


def test_a_router_joins_two_links() -> None:
    with Network() as network:
        left = network.host("left", "192.0.2.2/24")
        routing = StackConfig(ip=IpConfig(forwarding=True))
        router = network.host("router", "192.0.2.1/24", "198.51.100.1/24", config=routing)
        right = network.host("right", "198.51.100.2/24")
        network.link(left, router, "delay 10ms")
        network.link(router, right, "delay 30ms")
        for host, gateway in ((left, "192.0.2.1"), (right, "198.51.100.1")):
            host.stack.routes.add(default_route(host.stack.interfaces[0], parse_address(gateway)))

        async def program() -> float:
            _, writer = await asyncio.open_connection("right", 7)
            writer.close()
            await writer.wait_closed()
            began = network.loop.time()
            _, writer = await asyncio.open_connection("right", 7)
            took = network.loop.time() - began
            writer.close()
            await writer.wait_closed()
            return took

        async def main() -> float:
            await right.run(serve(echo))
            return await left.run(program())

        assert network.run(main()) == pytest.approx(0.08)


def test_two_hosts_and_no_link_just_work() -> None:
    with Network() as network:
        a, b = network.host("a"), network.host("b")

        async def main() -> str:
            return str(await a.ping("b"))

        assert "3 received" in network.run(main())
        assert [(each.name, each.kind) for each in network.topology.segments] == [("lan", "switch")]
        assert (a.address, b.address) == ("192.0.2.1", "192.0.2.2")


def test_a_host_that_comes_later_is_put_on_the_same_switch() -> None:
    with Network() as network:
        a = network.host("a")
        network.host("b")
        network.run(asyncio.sleep(0))
        network.host("c")
        assert "3 received" in str(network.run(a.ping("c")))
        assert len(network.cables) == 1
        assert len(network.cables[0].ends) == 3


def test_a_host_that_is_linked_is_not_put_on_a_switch_of_those_that_are_not() -> None:
    with Network() as network:
        hosts = [network.host(name) for name in "abcd"]
        network.link(*hosts[:2])
        network.run(asyncio.sleep(0))
        assert [cable.title for cable in network.cables] == ["a-b", "lan"]
        assert [end.pump.name for end in network.cables[1].ends] == ["c", "d"]


def test_networks_are_made_within_a_running_program() -> None:
    with Network() as network:

        async def main() -> tuple[str, str]:
            a, _ = network.host("a"), network.host("b")
            over_the_switch = str(await a.ping("b", count=1))
            c = network.host("c")
            network.link(c, network.router("r"))
            network.link(network.hosts["r"], a)
            return over_the_switch, str(await c.ping("a", count=1))

        replies = network.run(main())
        assert all("1 received" in reply for reply in replies)
        assert "ttl=63" in replies[1]


def test_an_unlinked_host_has_an_address_as_soon_as_somebody_asks_within_a_program() -> None:
    with Network() as network:

        async def main() -> list[bytes]:
            network.host("b")
            return network.host("a").names.resolve("a")

        assert network.run(main()) == [b"\xc0\0\2\2"]
        assert network.host("c").address == "192.0.2.3"


def test_a_host_has_an_interface_for_each_link_and_its_name_means_the_first() -> None:
    with Network() as network:
        router, a, b = network.router("r"), network.host("a"), network.host("b")
        network.link(a, router)
        network.link(router, b, network="10.1.0.0/16", mtu=9000)
        (first, second) = router.stack.interfaces
        assert (first.name, second.name, first.mtu, second.mtu) == ("eth0", "eth1", 1500, 9000)
        assert b.stack.interfaces[0].mtu == 9000
        assert network.topology.segments[1].prefix == "10.1.0.0/16"
        assert a.names.resolve("r") == [b"\xc0\0\2\2"]
        assert len({each.mac for host in network.hosts.values() for each in host.stack.interfaces}) == 4


def test_given_addresses_are_used_on_the_network_that_they_are_of() -> None:
    with Network() as network:
        router = network.router("r", "192.0.2.1/24", "198.51.100.1/24")
        network.link(router, network.host("right", "198.51.100.2/24"))
        network.link(router, network.host("left"))
        ends = [(cable.title, cable.ends[0].label) for cable in network.cables]
        assert ends == [("r-right", "r.eth1"), ("r-left", "r.eth0")]
        assert network.hosts["left"].address == "192.0.2.2"


def test_a_host_that_has_used_its_addresses_gets_one_more_with_each_link() -> None:
    with Network() as network:
        a = network.host("a", "192.0.2.1/24")
        network.link(a, network.host("b"))
        network.link(a, network.host("c"))
        assert [member.address for each in network.topology.segments for member in each.members] == [
            "192.0.2.1",
            "192.0.2.2",
            "198.51.100.1",
            "198.51.100.2",
        ]


def test_addresses_of_different_networks_cannot_be_linked() -> None:
    with Network() as network:
        a, b = network.host("a", "192.0.2.1/24"), network.host("b", "198.51.100.1/24")
        with pytest.raises(ConfigError, match=r"link a-b: the addresses .*: 192\.0\.2\.0/24 and 198\.51\.100\.0/24"):
            network.link(a, b)
        with pytest.raises(ConfigError, match=r"link a-b: '10\.1/16' is not a network prefix"):
            network.link(a, b, network="10.1/16")
        assert network.cables == []


def test_a_way_back_may_differ() -> None:
    with Network() as network:
        a, b = network.host("a"), network.host("b")
        network.link(a, b, "delay 10ms", back="delay 50ms")
        reply = str(network.run(a.ping("b", count=1)))
        assert "time=180 ms" in reply  # both ask for the address of the other first


def test_words_of_the_network_are_those_of_links_without() -> None:
    with Network(words="delay 30ms") as network:
        a, b, c = (network.host(name) for name in "abc")
        network.link(a, b)
        network.link(b, c, "delay 1ms")
        assert [segment.words for segment in network.topology.segments] == ["delay 30ms", "delay 1ms"]
    with pytest.raises(ConfigError, match="words: 'slowly' is not an impairment"):
        Network(words="slowly")


def test_links_between_the_same_hosts_have_names_of_their_own_and_switches_must_have() -> None:
    with Network() as network:
        a, b = network.host("a"), network.host("b")
        assert [network.link(a, b).title for _ in range(3)] == ["a-b", "a-b-2", "a-b-3"]
        network.switch("lan", a, b)
        with pytest.raises(ConfigError, match="hub lan: there is a network called 'lan' already"):
            network.hub("lan", a, b)


def test_sysctls_configure_a_host() -> None:
    with Network() as network:
        host = network.host("a", sysctl={"net.ipv4.tcp_keepalive_time": 60, "net.ipv4.icmp_echo_ignore_all": 1})
        assert host.stack.config.tcp.keep_alive.idle == 60_000_000_000
        network.host("b")
        assert "0 received" in str(network.run(network.hosts["b"].ping("a", count=1)))
        with pytest.raises(ConfigError, match=r"did you mean 'net\.ipv4\.tcp_sack'"):
            network.host("c", sysctl={"net.ipv4.tcp_sac": 0})
        assert list(network.hosts) == ["a", "b"]


def test_elapsed_counts_from_the_beginning_and_actions_happen_at_their_time() -> None:
    happened: list[float] = []
    with Network() as network:
        network.at(2.5, lambda: happened.append(network.elapsed))
        network.at(9, lambda: happened.append(network.elapsed)).cancel()
        assert network.elapsed == 0
        network.run(asyncio.sleep(10))
        assert happened == [2.5]
        assert network.elapsed == 10


def test_the_sockets_of_all_hosts_are_shown() -> None:
    with Network() as network:
        server = network.host("server")
        network.host("client")
        assert network.ss() == "no host has a port in use"

        async def main() -> str:
            await server.run(serve(echo))
            return network.ss()

        first, _, row = network.run(main()).splitlines()
        assert first == "server:"
        assert "LISTEN" in row


def test_the_names_in_a_capture_are_there_although_it_began_before_the_addresses() -> None:
    file = io.BytesIO()
    with Network() as network:
        a = network.host("a")
        network.host("b")
        network.capture(file)
        network.run(a.ping("b", count=1))
    file.seek(0)
    reader = Reader(file)
    assert len(list(reader)) == 12
    assert set(reader.names.values()) == {"a", "b"}


def test_a_capture_can_begin_in_the_middle() -> None:
    file = io.BytesIO()
    with Network() as network:
        a = network.host("a")
        network.host("b")

        async def main() -> None:
            await a.ping("b", count=1)
            network.capture(file)
            await a.ping("b", count=1)

        network.run(main())
    file.seek(0)
    assert len(list(Reader(file))) == 4


def test_programs_of_an_isolated_network_see_virtual_time() -> None:
    import time

    with Network(isolated=True) as network:

        async def main() -> float:
            began = time.monotonic()
            await asyncio.sleep(1000)
            return time.monotonic() - began

        assert network.run(main()) == 1000


def test_a_network_with_a_nat_that_cannot_be_meant_is_refused() -> None:
    with Network() as network:
        with pytest.raises(ConfigError, match="on_expire"):
            network.nat("nat", on_expire="explode")
        with pytest.raises(ConfigError, match="above zero"):
            network.nat("nat", idle_timeout=0)


def test_an_idle_nat_forgets_and_a_busy_one_does_not() -> None:
    with Network() as network:
        client, nat, server = network.host("client"), network.nat("nat", idle_timeout=100), network.host("server")
        network.link(client, nat)
        network.link(nat, server)

        async def program(pause: float) -> bytes:
            reader, writer = await asyncio.open_connection("server", 7)
            try:
                await asyncio.sleep(pause)
                writer.write(b"hello")
                return await asyncio.wait_for(reader.read(5), 30)
            finally:
                writer.transport.abort()

        async def main() -> bytes:
            await server.run(serve(echo))
            with pytest.raises(TimeoutError):
                await client.run(program(150))
            return await client.run(program(50))

        assert network.run(main()) == b"hello"
        assert nat.stack.counters["NatNoState"] > 0


def test_a_closed_network_leaves_cancelled_servers_in_peace(caplog: pytest.LogCaptureFixture) -> None:
    with Network() as network:
        client, server = network.host("client"), network.host("server")

        async def program() -> None:
            await asyncio.get_running_loop().create_connection(asyncio.Protocol, "server", 7)
            await asyncio.sleep(1)

        async def main() -> None:
            await server.run(serve(echo))
            await client.run(program())

        network.run(main())
    assert caplog.records == []


def test_what_goes_wrong_in_a_callback_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    with Network() as network:
        network.at(1, lambda: 1 // 0)
        network.run(asyncio.sleep(2))
    assert "ZeroDivisionError" in caplog.text


def test_time_goes_on_from_one_run_to_the_next() -> None:
    with Network() as network:
        network.run(asyncio.sleep(5))
        network.run(asyncio.sleep(5))
        assert network.loop.time() == 1010.0


def test_a_network_that_never_ran_can_be_closed_and_closed_again() -> None:
    network = Network()
    network.close()
    network.close()
    assert network.loop.is_closed()


def test_the_same_seed_gives_the_same_capture_and_another_another() -> None:
    assert digest("7") == digest("7")
    assert digest("7") != digest("8")


def test_the_same_seed_gives_the_same_capture_in_another_process() -> None:
    shown = {
        subprocess.run(
            [sys.executable, "-m", "tests.sim.traced", "7"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert shown == {digest("7")}
