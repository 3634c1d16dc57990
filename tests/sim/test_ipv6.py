"""Simulated networks of IPv6, instead of IPv4 or beside it."""

import asyncio
import io
import socket
import subprocess
from pathlib import Path

import pytest

from halfopen.base.addresses import Prefix, format_address
from halfopen.base.clock import SECOND
from halfopen.base.errors import ConfigError
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network
from halfopen.sim.routing import EVERYTHING_IPV6, Graph
from halfopen.sim.topology import Topology
from halfopen.stack.config import IpConfig, StackConfig
from halfopen.stack.config_ndp import AdvertiseConfig, NdpConfig, RouterConfig

PORT = 80


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(writer.get_extra_info("peername")[0].encode())
    writer.close()


async def ask(name: str, **options: int) -> str:
    reader, writer = await asyncio.open_connection(name, PORT, **options)
    text = (await reader.read()).decode()
    writer.close()
    return text


def routed(network: Network) -> tuple[SimHost, SimHost]:
    client, router, server = network.host("client"), network.router("router"), network.host("server")
    network.link(client, router, "delay 5ms")
    network.link(router, server, "delay 5ms")
    return client, server


@pytest.mark.parametrize(
    ("families", "peer"), [("ipv4", "192.0.2.1"), ("ipv6", "2001:db8:1::1"), ("both", "2001:db8:1::1")]
)
def test_programs_that_use_names_run_over_any_version(families: str, peer: str) -> None:
    with Network(families=families) as network:
        client, server = routed(network)

        async def main() -> None:
            listening = await server.run(asyncio.start_server(serve, None, PORT))
            assert await client.run(ask("server")) == peer
            listening.close()

        network.run(main())


def test_a_network_of_both_has_a_prefix_of_each_and_its_topology_says_so() -> None:
    with Network(families="both") as network:
        client, server = routed(network)
        assert client.addresses == ["192.0.2.1", "2001:db8:1::1"]
        assert server.address == "198.51.100.2"
        topology = network.topology
        assert [segment.prefix for segment in topology.segments] == [
            "192.0.2.0/24 2001:db8:1::/64",
            "198.51.100.0/24 2001:db8:2::/64",
        ]
        assert "router 192.0.2.2 2001:db8:1::2" in str(topology)
        for drawing in (topology.as_svg(), topology.as_mermaid()):
            assert "2001:db8:1::1" in drawing
            assert "2001:db8:2::/64" in drawing
    with Network(topology=topology) as again:
        assert again.topology == topology


def test_addresses_of_both_versions_may_be_given_to_one_interface() -> None:
    with Network() as network:
        a = network.host("a", "192.0.2.7/24 2001:db8:7::7/64")
        b = network.host("b", "2001:db8:7::8/64")
        network.link(a, b)
        assert a.addresses == ["192.0.2.7", "2001:db8:7::7"]
        assert b.addresses == ["2001:db8:7::8", "192.0.2.1"]
        (segment,) = network.topology.segments
        assert segment.prefix == "192.0.2.0/24 2001:db8:7::/64"


def test_a_prefix_makes_a_link_one_of_its_version() -> None:
    with Network() as network:
        a, b = network.host("a"), network.host("b")
        network.link(a, b, network="2001:db8:5::/64")
        assert (a.addresses, b.addresses) == (["2001:db8:5::1"], ["2001:db8:5::2"])


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ConfigError, match="families: expected ipv4, ipv6, both, not 'ipx'"):
        Network(families="ipx")
    with Network(families="both") as network:
        a, b = network.host("a"), network.host("b")
        with pytest.raises(ConfigError, match="an MTU is at least 1280"):
            network.link(a, b, mtu=1000)
        with pytest.raises(ConfigError, match="more than one of a version"):
            network.link(a, b, network="192.0.2.0/24 198.51.100.0/24")


def test_ping_and_traceroute_print_as_the_tools_do() -> None:
    with Network(families="both") as network:
        client, _ = routed(network)

        async def main() -> None:
            lines = str(await client.ping6("server", count=2)).splitlines()
            assert lines[0] == "PING server (2001:db8:2::2) 56 data bytes"
            assert lines[2] == "64 bytes from server (2001:db8:2::2): icmp_seq=2 ttl=63 time=20.0 ms"
            lines = str(await client.traceroute6("server")).splitlines()
            assert lines[0] == "traceroute to server (2001:db8:2::2), 30 hops max, 80 byte packets"
            assert lines[1].startswith(" 1  router (2001:db8:1::2)  10.000 ms")
            assert lines[2].startswith(" 2  server (2001:db8:2::2)  20.000 ms")
            unreachable = await client.ping6("2001:db8:2::99", count=1)
            assert str(unreachable.echoes[0]) == (
                "From router (2001:db8:1::2) icmp_seq=1 Destination unreachable: Address unreachable"
            )

        network.run(main())


def test_routes_are_of_each_version() -> None:
    with Network(families="both") as network:
        routed(network)
        hops = list(Graph(network.topology, 16).hops("client"))
        assert {str(hop.prefix): format_address(hop.gateway) for hop in hops} == {
            "2001:db8:2::/64": "2001:db8:1::2",
            str(EVERYTHING_IPV6): "2001:db8:1::2",
        }


def test_a_nat_hides_ipv4_and_forwards_ipv6() -> None:
    with Network(families="both") as network:
        inside, nat, outside = network.host("inside"), network.nat("nat"), network.host("outside")
        network.link(inside, nat)
        network.link(nat, outside)

        async def main() -> None:
            listening = await outside.run(asyncio.start_server(serve, None, PORT))
            assert await inside.run(ask("outside", family=socket.AF_INET)) == nat.addresses[2]
            assert await inside.run(ask("outside", family=socket.AF_INET6)) == inside.addresses[1]
            listening.close()

        network.run(main())


def test_a_host_can_take_its_address_from_a_router() -> None:
    advertise = AdvertiseConfig(
        interface="eth0", prefixes=("2001:db8:ff::/64",), max_interval=4 * SECOND, min_interval=3 * SECOND
    )
    config = StackConfig(ip=IpConfig(forwarding=True), ndp=NdpConfig(router=RouterConfig(advertise=(advertise,))))
    with Network(families="ipv6") as network:
        host = network.host("host", config=StackConfig())
        network.link(host, network.router("router", config=config))
        network.run(asyncio.sleep(10))
        formed = [
            address for address, _ in host.stack.interfaces[0].addresses if address in Prefix.parse("2001:db8:ff::/64")
        ]
        assert len(formed) == 1


def test_sockets_of_the_bsd_interface_are_of_both_versions() -> None:
    with Network(families="both", isolated=True) as network:
        client, server = routed(network)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            with server:
                listening = socket.socket(socket.AF_INET6)
                listening.bind(("::", PORT))
                listening.listen()
                listening.setblocking(False)
            for address, sender in (("198.51.100.2", "::ffff:192.0.2.1"), ("2001:db8:2::2", "2001:db8:1::1")):
                with client:
                    near = socket.socket(socket.AF_INET if "." in address else socket.AF_INET6)
                    near.setblocking(False)
                    await loop.sock_connect(near, (address, PORT))
                far, peer = await loop.sock_accept(listening)
                assert (far.family, peer[0]) == (socket.AF_INET6, sender)
                near.close()
                far.close()
            listening.close()

        network.run(main())


def test_a_socket_of_ipv6_alone_leaves_ipv4_to_others() -> None:
    with Network(families="both", isolated=True) as network:
        _, server = routed(network)

        async def main() -> None:
            with server:
                new, old = socket.socket(socket.AF_INET6), socket.socket(socket.AF_INET)
                new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                new.bind(("::", PORT))
                old.bind(("0.0.0.0", PORT))
                with pytest.raises(OSError, match="Invalid argument"):
                    new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                with pytest.raises(OSError, match="not available"):
                    old.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                with pytest.raises(OSError, match="in use"):
                    socket.socket(socket.AF_INET6).bind(("::", PORT))
                new.close()
                both = socket.socket(socket.AF_INET6)
                old.close()
                both.bind(("::", PORT))
                both.close()
                socket.socket(socket.AF_INET).bind(("0.0.0.0", PORT))

        network.run(main())


def test_a_host_without_ipv6_has_no_sockets_of_it() -> None:
    with Network(isolated=True) as network:
        client, _ = routed(network)

        async def main() -> None:
            with client, pytest.raises(OSError, match="not supported"):
                socket.socket(socket.AF_INET6)

        network.run(main())


TEXT = """
families: both
nodes: {a: , b: , r: {kind: router}}
networks:
  left: {members: [a, r]}
  right: {members: {r: 198.51.100.9 2001:db8:9::9, b: 2001:db8:9::b}, prefix: 198.51.100.0/24 2001:db8:9::/64}
"""


def test_a_file_says_which_versions() -> None:
    with Network(topology=Topology.parse(TEXT)) as network:
        a, b = network.hosts["a"], network.hosts["b"]
        assert a.addresses == ["192.0.2.1", "2001:db8:1::1"]
        assert b.addresses == ["198.51.100.1", "2001:db8:9::b"]
    with pytest.raises(ConfigError, match="families: expected ipv4, ipv6 or both"):
        Topology.parse("families: ipx\nnodes: {a: }")


@pytest.mark.needs("tshark")
def test_a_capture_decodes_in_tshark(tmp_path: Path) -> None:
    octets = io.BytesIO()
    with Network(families="ipv6") as network:
        client, server = routed(network)
        network.capture(octets)

        async def main() -> None:
            listening = await server.run(asyncio.start_server(serve, None, PORT))
            await client.run(ask("server"))
            listening.close()

        network.run(main())
    path = tmp_path / "capture.pcapng"
    path.write_bytes(octets.getvalue())
    command = ["tshark", "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-e", "_ws.col.Protocol"]
    found = subprocess.run(
        [*command, "-Y", "!_ws.malformed && tcp.checksum.status != 0 || icmpv6.checksum.status == 1"],
        capture_output=True,
        text=True,
        check=True,
    )
    everything = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == everything.stdout
    assert {"ICMPv6", "TCP"} <= set(found.stdout.split())


def test_after_a_boot_a_host_has_only_the_routes_that_were_given_to_it() -> None:
    """What a router has advertised is gone with the memory, until it is advertised again."""
    advertise = AdvertiseConfig(
        interface="eth0", prefixes=("2001:db8:ff::/64",), max_interval=4 * SECOND, min_interval=3 * SECOND
    )
    config = StackConfig(ip=IpConfig(forwarding=True), ndp=NdpConfig(router=RouterConfig(advertise=(advertise,))))
    with Network(families="ipv6") as network:
        host = network.host("host", config=StackConfig())
        network.link(host, network.router("router", config=config))
        network.run(asyncio.sleep(10))
        told = {str(route.prefix) for route in host.stack.routes}
        host.power_off()
        host.power_on()
        kept = {str(route.prefix) for route in host.stack.routes}
        assert told - kept == {"2001:db8:ff::/64"}
        assert "2001:db8:1::/64" in kept
        assert len(list(host.stack.routes)) < len(told) + 2
        network.run(asyncio.sleep(10))
        assert {str(route.prefix) for route in host.stack.routes} == told
