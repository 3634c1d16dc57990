import asyncio

import pytest

from halfopen.aio.datagrams import StackDatagramTransport
from tests.aio.world import two_hosts, until

pytestmark = pytest.mark.asyncio

PORT = 7200


class Mailbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.letters: list[tuple[bytes, tuple[str, int]]] = []
        self.errors: list[Exception] = []
        self.lost = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.letters.append((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


async def test_datagrams_go_there_and_back() -> None:
    async with two_hosts() as (client, server):
        far, there = await server.create_datagram_endpoint(Mailbox, ("0.0.0.0", PORT))
        near, here = await client.create_datagram_endpoint(Mailbox, remote_addr=("server", PORT))
        assert near.get_extra_info("peername") == ("192.0.2.2", PORT)
        assert far.get_extra_info("peername") is None
        near.sendto(b"ping")
        near.sendto(b"")
        await until(lambda: len(there.letters) == 2)
        assert there.letters == [(b"ping", near.get_extra_info("sockname")), (b"", near.get_extra_info("sockname"))]
        far.sendto(b"pong", there.letters[0][1])
        await until(lambda: bool(here.letters))
        assert here.letters == [(b"pong", ("192.0.2.2", PORT))]
        for transport, mailbox in ((near, here), (far, there)):
            transport.close()
            assert transport.is_closing()
            assert await mailbox.lost is None
        assert server.stack.ports.listing() == []


async def test_a_large_datagram_crosses_in_fragments() -> None:
    async with two_hosts() as (client, server):
        far, there = await server.create_datagram_endpoint(Mailbox, ("server", PORT))
        near, _ = await client.create_datagram_endpoint(Mailbox)
        near.sendto(bytes(range(256)) * 200, ("192.0.2.2", PORT))
        await until(lambda: bool(there.letters))
        assert there.letters[0][0] == bytes(range(256)) * 200
        near.close()
        far.abort()


async def test_a_port_without_a_socket_refuses_a_connected_one() -> None:
    async with two_hosts() as (client, _):
        near, here = await client.create_datagram_endpoint(Mailbox, remote_addr=("server", 9))
        near.sendto(b"anybody?")
        await until(lambda: bool(here.errors))
        assert isinstance(here.errors[0], ConnectionRefusedError)
        near.close()


async def test_what_cannot_be_sent_is_told_to_the_protocol() -> None:
    async with two_hosts() as (client, _):
        near, here = await client.create_datagram_endpoint(Mailbox)
        near.sendto(b"all", ("255.255.255.255", 9))
        near.sendto(bytes(70_000), ("192.0.2.2", 9))
        assert isinstance(here.errors[0], PermissionError)
        assert "long" in str(here.errors[1])
        with pytest.raises(ValueError, match="needs one"):
            near.sendto(b"whom?")
        near.close()
        near.sendto(b"ignored", ("192.0.2.2", 9))


async def test_a_connected_socket_takes_no_other_address() -> None:
    async with two_hosts() as (client, _):
        near, _ = await client.create_datagram_endpoint(Mailbox, remote_addr=("server", PORT))
        assert isinstance(near, StackDatagramTransport)
        with pytest.raises(ValueError, match="must be None or"):
            near.sendto(b"elsewhere", ("192.0.2.3", PORT))
        near.close()


async def test_broadcast_needs_permission_and_then_arrives() -> None:
    async with two_hosts() as (client, server):
        far, there = await server.create_datagram_endpoint(Mailbox, ("0.0.0.0", PORT))
        near, _ = await client.create_datagram_endpoint(Mailbox, allow_broadcast=True)
        near.sendto(b"everybody", ("192.0.2.255", PORT))
        await until(lambda: bool(there.letters))
        assert there.letters[0][0] == b"everybody"
        near.close()
        far.close()
