import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from halfopen.aio.host import Host
from halfopen.aio.memory import MemoryCable, MemoryPump
from halfopen.aio.names import Hints, Names
from halfopen.aio.resolving import has_ipv6, interleaved, of_family, zone_of
from halfopen.base.addresses import format_address, parse_address
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.stack import Stack
from tests.aio.world import OFFLOADS, lone_host, two_hosts

pytestmark = pytest.mark.asyncio

ADDRESSES = {"client": ("192.0.2.1", "2001:db8::1"), "server": ("192.0.2.2", "2001:db8::2")}


def names() -> Names:
    made = Names()
    for name, addresses in ADDRESSES.items():
        for address in addresses:
            made.add(name, parse_address(address))
    made.add("half-dead", parse_address("2001:db8::77"))
    made.add("half-dead", parse_address("192.0.2.2"))
    return made


def make_host(name: str) -> Host:
    stack = Stack(StackConfig(ndp=NdpConfig(autoconf=AutoconfConfig(accept_ra=False))), SeededRng(name))
    old, new = ADDRESSES[name]
    stack.add_interface(
        InterfaceConfig(name="eth0", kind="ethernet", addresses=(f"{old}/24", f"{new}/64"), offloads=OFFLOADS)
    )
    return Host(stack, MemoryPump(stack, asyncio.get_running_loop()), names(), program=name)


@pytest_asyncio.fixture
async def hosts() -> AsyncIterator[tuple[Host, Host]]:
    """A client and a server with both versions of IP."""
    made = make_host("client"), make_host("server")
    plugs = [(host.pump, host.stack.interfaces[0]) for host in made]
    MemoryCable(*plugs)  # type: ignore[arg-type]  # the pumps are of memory
    try:
        yield made
    finally:
        for host in made:
            host.pump.close()


async def say_who(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(repr(writer.get_extra_info("peername")[0]).encode())
    writer.close()


async def answer_of(opened: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> str:
    reader, writer = opened
    text = (await reader.read()).decode()
    writer.close()
    return text.strip("'")


async def test_a_server_on_no_address_listens_in_both_versions(hosts: tuple[Host, Host]) -> None:
    client, server = hosts
    listening = await server.start_server(say_who, None, 80)
    assert [each.getsockname() for each in listening.sockets] == [("0.0.0.0", 80), ("::", 80, 0, 0)]
    for address in ADDRESSES["server"]:
        near = ADDRESSES["client"][":" in address]
        assert await answer_of(await client.open_connection(address, 80)) == near
    listening.close()


async def test_a_host_without_ipv6_has_one_version_of_everything() -> None:
    async with two_hosts() as (client, server):
        assert not has_ipv6(server.stack)
        assert server.resolve(None) == [bytes(4)]
        assert client.destinations("localhost") == [b"\x7f\0\0\1"]


async def test_names_are_tried_by_the_better_version_first(hosts: tuple[Host, Host]) -> None:
    client, _ = hosts
    found = [format_address(address) for address in client.destinations("server")]
    assert found == ["2001:db8::2", "192.0.2.2"]
    assert [format_address(each) for each in client.destinations("localhost")] == ["::1", "127.0.0.1"]
    rows = client.address_info("server", 80, Hints(kind=socket.SOCK_STREAM))
    assert [row[4] for row in rows] == [("2001:db8::2", 80, 0, 0), ("192.0.2.2", 80)]


async def test_where_one_version_leads_nowhere_the_other_comes_first() -> None:
    host = lone_host(asyncio.get_running_loop())
    host.names.add("far", parse_address("2001:db8::77"))
    host.names.add("far", parse_address("192.0.2.77"))
    assert [format_address(each) for each in host.destinations("far")] == ["192.0.2.77", "2001:db8::77"]
    host.pump.close()


async def test_a_family_can_be_asked_for(hosts: tuple[Host, Host]) -> None:
    client, server = hosts
    listening = await server.start_server(say_who, None, 80, family=socket.AF_INET)
    assert [each.family for each in listening.sockets] == [socket.AF_INET]
    opened = await client.open_connection("server", 80, family=socket.AF_INET)
    assert await answer_of(opened) == "192.0.2.1"
    with pytest.raises(ConnectionRefusedError):
        await client.open_connection("server", 80, family=socket.AF_INET6)
    assert await answer_of(await client.open_connection("server", 80)) == "192.0.2.1", "the other is tried as well"
    with pytest.raises(socket.gaierror):
        of_family([bytes(4)], socket.AF_INET6)
    listening.close()


async def test_happy_eyeballs_do_not_wait_for_a_version_that_is_silent(hosts: tuple[Host, Host]) -> None:
    """2001:db8::77 is nobody: its neighbour would be given up after three seconds, the SYN much later."""
    client, server = hosts
    listening = await server.start_server(say_who, None, 80)
    opening = client.open_connection("half-dead", 80, happy_eyeballs_delay=0.01)
    assert await answer_of(await asyncio.wait_for(opening, 1)) == "192.0.2.1"
    listening.close()


async def test_families_take_turns_in_the_race() -> None:
    old, new = [bytes((n,)) * 4 for n in (1, 2)], [bytes((n,)) * 16 for n in (1, 2, 3)]
    assert interleaved([*new, *old], 1) == [new[0], old[0], new[1], old[1], new[2]]
    assert interleaved([*new, *old], 2) == [new[0], new[1], old[0], new[2], old[1]]
    assert interleaved([], 1) == []


async def test_a_local_address_chooses_the_version(hosts: tuple[Host, Host]) -> None:
    client, server = hosts
    listening = await server.start_server(say_who, None, 80)
    for local in ADDRESSES["client"]:
        assert await answer_of(await client.open_connection("server", 80, local_addr=(local, 0))) == local
    with pytest.raises(OSError, match="no matching local address"):
        await client.open_connection("2001:db8::2", 80, local_addr=("192.0.2.1", 0))
    listening.close()


async def test_a_zone_names_the_link_of_a_link_local_address(hosts: tuple[Host, Host]) -> None:
    client, server = hosts
    listening = await server.start_server(say_who, None, 80)
    address = next(each for each, _ in server.stack.interfaces[0].addresses if each[0] == 0xFE)
    for zone in ("%eth0", "%2", ""):
        near = await answer_of(await client.open_connection(format_address(address) + zone, 80))
        assert near.startswith("fe80::")
    with pytest.raises(socket.gaierror, match="no interface of this host"):
        zone_of(client.stack, "fe80::1%eth9")
    listening.close()


class Letters(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.letters: asyncio.Queue[tuple[bytes, object]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.letters.put_nowait((data, addr))


async def test_a_datagram_endpoint_on_all_of_ipv6_takes_ipv4_as_mapped(hosts: tuple[Host, Host]) -> None:
    client, server = hosts
    far, letters = await server.create_datagram_endpoint(Letters, ("::", 9))
    for family, sender in ((socket.AF_INET, "::ffff:192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        near, answers = await client.create_datagram_endpoint(Letters, remote_addr=("server", 9), family=family)
        near.sendto(b"letter")
        data, address = await letters.letters.get()
        assert data == b"letter"
        assert isinstance(address, tuple)
        assert (address[0], len(address)) == (sender, 4)
        far.sendto(b"answer", address)
        assert (await answers.letters.get())[0] == b"answer"
        near.close()
    far.close()


async def test_both_ends_of_a_datagram_endpoint_are_of_one_family(hosts: tuple[Host, Host]) -> None:
    client, _ = hosts
    with pytest.raises(ValueError, match="one family"):
        await client.create_datagram_endpoint(Letters, ("192.0.2.1", 0), ("2001:db8::2", 9))
    near, _ = await client.create_datagram_endpoint(Letters, ("192.0.2.1", 0), ("server", 9))
    assert near.get_extra_info("peername") == ("192.0.2.2", 9)
    near.close()
