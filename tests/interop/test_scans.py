"""nmap, from the kernel's side: what it finds is what there is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from xml.etree import ElementTree

import pytest
from aiohttp import web

from tests.interop.world import NEEDS, OURS, Handler, World

pytestmark = [*NEEDS, pytest.mark.needs("nmap"), pytest.mark.asyncio]


async def nmap(world: World, *arguments: str) -> ElementTree.Element:
    command = ["nmap", "-n", "-oX", "-", *arguments, OURS]
    output = await asyncio.to_thread(world.wire.namespace.run, command, timeout=100)
    return ElementTree.fromstring(output.stdout)


def greeter(greeting: bytes) -> Handler:
    """A server that speaks first, and listens politely to the rest."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    return greet


OPEN = (22, 25, 80, 8080)


@contextlib.asynccontextmanager
async def services(world: World) -> AsyncIterator[None]:
    """SSH's greeting at 22, SMTP's at 25, HTTP at 80 and 8080."""

    async def hello(request: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    http = web.Server(hello)
    servers = [await world.host.create_server(http, OURS, port) for port in (80, 8080)]
    for port, greeting in ((22, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), (25, b"220 ours ESMTP Postfix\r\n")):
        servers.append(await world.host.start_server(greeter(greeting), OURS, port))
    try:
        yield
    finally:
        await http.shutdown()
        for server in servers:
            server.close()
            server.abort_clients()
            await server.wait_closed()


async def test_a_scan_of_all_ports_finds_exactly_the_open_ones(world: World) -> None:
    async with services(world):
        report = await nmap(world, "-sS", "-p-", "--min-rate", "10000")
    assert states(report) == dict.fromkeys(OPEN, "open")
    (rest,) = report.iter("extraports")
    assert rest.attrib == {"state": "closed", "count": str(65535 - len(OPEN))}


async def test_a_version_scan_finds_what_is_behind_them(world: World) -> None:
    async with services(world):
        report = await nmap(world, "-sS", "-sV", "--version-intensity", "2", "-p", "1-100,8080")
    assert {port: state for port, state in states(report).items() if state != "closed"} == dict.fromkeys(OPEN, "open")
    products = details(report, "service", "product")
    assert {port: products[port] for port in OPEN} == {
        22: "OpenSSH",
        25: "Postfix smtpd",
        80: "aiohttp",
        8080: "aiohttp",
    }


@pytest.mark.parametrize("technique", ["-sF", "-sX", "-sN"])
async def test_stealthy_scans_get_the_answers_of_the_rfc(world: World, technique: str) -> None:
    """RFC 9293 3.10.7.1, 3.10.7.2: without SYN, ACK or RST a closed port resets and a listening one is silent."""
    async with services(world):
        report = await nmap(world, technique, "-p", "70-90", "--max-retries", "1")
    assert states(report) == {80: "open|filtered"} | {port: "closed" for port in range(70, 91) if port != 80}


async def test_an_ack_scan_finds_no_filter(world: World) -> None:
    """Whether a port listens or not, an ACK for nothing is reset."""
    async with services(world):
        report = await nmap(world, "-sA", "-p", "70-90")
    assert states(report) == dict.fromkeys(range(70, 91), "unfiltered")


async def test_a_ping_scan_finds_us(world: World) -> None:
    report = await nmap(world, "-sn", "-PE", "--send-ip")
    (host,) = report.iter("status")
    assert (host.attrib["state"], host.attrib["reason"]) == ("up", "echo-reply")


async def test_an_arp_scan_finds_us(world: World) -> None:
    report = await nmap(world, "-sn")
    (host,) = report.iter("status")
    assert (host.attrib["state"], host.attrib["reason"]) == ("up", "arp-response")


async def test_a_udp_scan_tells_closed_ports_by_our_icmp(world: World) -> None:
    report = await nmap(world, "-sU", "-p", "5000-5009", "--max-retries", "2")
    assert states(report) == dict.fromkeys(range(5000, 5010), "closed")


def states(report: ElementTree.Element) -> dict[int, str]:
    """Those of the ports that are listed one by one."""
    return details(report, "state", "state")


def details(report: ElementTree.Element, element: str, attribute: str) -> dict[int, str]:
    """What is said of each port; the empty string if nothing is."""
    found = {int(port.attrib["portid"]): port.find(element) for port in report.iter("port")}
    return {port: "" if each is None else each.attrib.get(attribute, "") for port, each in found.items()}
