"""Programs over IPv6: asyncio's on our stack, and the kernel's curl and nmap, with a router of the kernel's between."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import pytest
from aiohttp import web

from halfopen.aio.host import Host
from halfopen.base.addresses import parse_address
from halfopen.links.interfaces import add_veth, set_sysctl
from halfopen.links.namespaces import Namespace
from tests.interop.ipv6_world import BEYOND, KERNEL, OURS, ROUTER, Wire6, give_addresses, is_settled, open_wire6, run_on
from tests.interop.world import MEDIA, NEEDS, PORT, Mailbox, echo, kernel_namespace, until

pytestmark = [*NEEDS, pytest.mark.needs("curl", "nmap", "ip", "python3")]

OCTETS = os.urandom(3_000_000)
ECHO = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6) as server:
    print(flush=True)
    connection, _ = server.accept()
    with connection:
        while octets := connection.recv(1 << 18):
            connection.sendall(octets)
"""
"""RFC 862, by the kernel."""


@pytest.fixture(params=MEDIA, ids=str)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire6]:
    with open_wire6(request.param) as made:
        yield made


@contextmanager
def narrow_network(wire: Wire6, mtu: int) -> Iterator[Namespace]:
    """Behind the kernel, which now is a router, another one over a link with a smaller MTU."""
    with kernel_namespace() as far:
        with wire.namespace.enter():
            add_veth("n0", "n1", far.fileno())
            set_sysctl("net/ipv6/conf/all/forwarding", "1")
            give_addresses("n0", ROUTER, mtu)
        with far.enter():
            give_addresses("n1", BEYOND, mtu)
        far.run(["ip", "-6", "route", "add", "default", "via", ROUTER, "advmss", "1440"])
        yield far


@contextmanager
def echo_by_kernel(namespace: Namespace, address: str) -> Iterator[None]:
    command = namespace.prefix("python3", "-c", ECHO, address, str(PORT))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


async def sent_and_returned(host: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, PORT)

    async def write() -> None:
        writer.write(OCTETS)
        writer.write_eof()

    _, received = await asyncio.gather(write(), reader.read())
    writer.close()
    await writer.wait_closed()
    return received


def test_bulk_goes_both_ways_at_once(wire: Wire6) -> None:
    async def main(host: Host) -> None:
        with echo_by_kernel(wire.namespace, KERNEL):
            assert await sent_and_returned("kernel") == OCTETS

    run_on(wire, main)


def test_tcp_finds_the_path_mtu_behind_a_kernel_router(wire: Wire6) -> None:
    """The far kernel's MSS promises 1440; the router's "packet too big" tells us otherwise (RFC 8201)."""

    async def main(host: Host) -> None:
        with narrow_network(wire, 1300) as far:
            await until(lambda: is_settled(far) and is_settled(wire.namespace))
            with echo_by_kernel(far, BEYOND):
                assert await sent_and_returned(BEYOND) == OCTETS
            path = host.stack.ip.find_path(parse_address(BEYOND), None, host.pump.now())
            assert path.mtu == 1300
            assert host.stack.counters["IpPathMtuUpdates"] == 1

    run_on(wire, main)


def test_a_datagram_that_is_too_large_for_the_path_arrives_once_that_is_known(wire: Wire6) -> None:
    """No router fragments (RFC 8200 5): the first one is lost, the next goes in fragments that fit."""

    async def main(host: Host) -> None:
        with narrow_network(wire, 1280) as far:
            await until(lambda: is_settled(far) and is_settled(wire.namespace))
            with far.enter():
                sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            with sock:
                sock.setblocking(False)
                sock.bind((BEYOND, PORT))
                near, _ = await host.create_datagram_endpoint(Mailbox, remote_addr=(BEYOND, PORT))
                near.sendto(OCTETS[:4000])
                await until(lambda: host.stack.counters["IpPathMtuUpdates"] == 1)
                near.sendto(OCTETS[:4000])
                received = bytearray()

                def has_come() -> bool:
                    try:
                        received.extend(sock.recv(5000))
                    except BlockingIOError:
                        return False
                    return True

                await until(has_come)
                assert received == OCTETS[:4000]
                near.close()

    run_on(wire, main)


async def serve_http() -> web.AppRunner:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(body=OCTETS[: int(request.match_info["octets"])])

    app = web.Application()
    app.router.add_get("/{octets}", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, None, PORT).start()
    return runner


def test_curl_fetches_from_aiohttp(wire: Wire6) -> None:
    async def main(host: Host) -> None:
        runner = await serve_http()
        command = wire.namespace.prefix("curl", "-6", "-sSf", "--max-time", "30", f"http://[{OURS}]:{PORT}/1000000")
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        output, _ = await process.communicate()
        assert process.returncode == 0
        assert output == OCTETS[:1_000_000]
        await runner.cleanup()

    run_on(wire, main)


def test_aiohttp_fetches_from_itself_by_name(wire: Wire6) -> None:
    """aiohappyeyeballs makes sockets of the kernel's, whose connections are ours; by way of ``::1`` and ``ours``."""

    async def main(host: Host) -> None:
        runner = await serve_http()
        async with aiohttp.ClientSession() as session:
            for name in ("localhost", "ours", f"[{OURS}]"):
                async with session.get(f"http://{name}:{PORT}/1000") as response:
                    assert await response.read() == OCTETS[:1000]
        await runner.cleanup()

    run_on(wire, main)


def test_nmap_finds_exactly_the_open_ports(wire: Wire6) -> None:
    async def main(host: Host) -> None:
        servers = [await asyncio.start_server(echo, OURS, port) for port in (22, 80)]
        command = ["nmap", "-6", "-n", "-sS", "-Pn", "-p", "1-1000", "-oX", "-", OURS]
        output = await asyncio.to_thread(wire.namespace.run, command, timeout=100)
        report = ElementTree.fromstring(output.stdout)
        states = {
            int(port.attrib["portid"]): state.attrib["state"]
            for port in report.iter("port")
            if (state := port.find("state")) is not None
        }
        assert states == {22: "open", 80: "open"}
        (rest,) = report.iter("extraports")
        assert rest.attrib == {"state": "closed", "count": "998"}
        for server in servers:
            server.close()

    run_on(wire, main)


@pytest.mark.parametrize("wire", [medium for medium in MEDIA if medium.kind == "ethernet"], ids=str, indirect=True)
def test_a_link_local_address_is_reached_by_its_zone(wire: Wire6) -> None:
    """A TUN has no neighbours."""

    async def main(host: Host) -> None:
        with wire.namespace.enter():
            lines = Path("/proc/thread-self/net/if_inet6").read_text().splitlines()
        octets = next(line.split()[0] for line in lines if line.startswith("fe80"))
        address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(octets))
        zone = host.stack.interfaces[0].name
        with echo_by_kernel(wire.namespace, "::"):
            assert await sent_and_returned(f"{address}%{zone}") == OCTETS

    run_on(wire, main)
