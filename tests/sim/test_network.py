import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.errors import ConfigError
from halfopen.sim.network import Network
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


def test_the_network_of_defaults_can_be_full() -> None:
    with Network() as network:
        for number in range(1, 255):
            network.host(f"h{number}")
        with pytest.raises(ConfigError, match=r"192\.0\.2\.0/24 is full"):
            network.host("one too many")


@pytest.mark.parametrize(
    ("name", "address", "complaint"),
    [
        ("a", "192.0.2.9/24", "there is a host called 'a' already"),
        ("A", "192.0.2.9/24", "there is a host called 'A' already"),
        ("localhost", "192.0.2.9/24", "there is a host called 'localhost' already"),
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
        network.link(a, b)
        with pytest.raises(ConfigError, match="link c-a: a has no interface left"):
            network.link(c, a)
        assert c.sim_pump.free_interface() is not None
        with pytest.raises(ConfigError, match="link c-c: a cable joins two hosts or more, each of them once"):
            network.link(c, c)
        with pytest.raises(ConfigError, match="two hosts or more"):
            network.segment([c])


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
