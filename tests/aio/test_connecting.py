"""Active opens that come to nothing."""

import asyncio
import errno

import pytest

from halfopen.aio.host import Host
from halfopen.base.clock import MILLISECOND
from halfopen.stack.config import ArpConfig, StackConfig
from halfopen.tcp.config import FastOpenConfig, TcpConfig
from tests.aio.world import OFFLOADS, two_hosts

pytestmark = pytest.mark.asyncio


async def test_an_unreachable_peer_ends_the_attempt_and_leaves_nothing() -> None:
    """RFC 5461 4.1."""
    config = StackConfig(arp=ArpConfig(retransmit=10 * MILLISECOND))
    async with two_hosts(OFFLOADS, config) as (client, _):
        with pytest.raises(OSError) as caught:
            await asyncio.wait_for(client.open_connection("192.0.2.77", 7), 5)
        assert caught.value.errno == errno.EHOSTUNREACH
        assert "192.0.2.77:7" in str(caught.value)
        await asyncio.sleep(0)  # What was aborted goes with the pump's next flush.
        assert client.stack.ports.listing() == []


async def test_another_address_of_the_name_is_tried_after_an_unreachable_one() -> None:
    config = StackConfig(arp=ArpConfig(retransmit=10 * MILLISECOND))
    async with two_hosts(OFFLOADS, config) as (client, server):
        client.names.add("either", b"\xc0\0\2\x4d")
        client.names.add("either", b"\xc0\0\2\2")
        listening = await server.start_server(lambda _, writer: writer.close(), None, 7)
        reader, writer = await client.open_connection("either", 7)
        assert await reader.read() == b""
        assert writer.get_extra_info("peername")[0] == "192.0.2.2"
        writer.close()
        await writer.wait_closed()
        listening.close()
        await listening.wait_closed()


async def test_a_cancelled_attempt_leaves_nothing() -> None:
    async with two_hosts() as (client, _):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.open_connection("192.0.2.77", 7), 0.01)
        await asyncio.sleep(0)
        assert client.stack.ports.listing() == []


FAST = StackConfig(tcp=TcpConfig(fast_open=FastOpenConfig(connect=True, server=True)))


async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"welcome")
    writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read())
    writer.close()


async def ask(client: Host, text: bytes) -> bytes:
    reader, writer = await client.open_connection("192.0.2.2", 7)
    if text:
        writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_who_only_reads_is_served_as_well_though_there_is_a_cookie() -> None:
    """RFC 7413 4.2.1: the SYN that waits for text goes without."""
    async with two_hosts(OFFLOADS, FAST) as (client, server):
        async with await server.start_server(greet, None, 7):
            for _ in range(2):
                reader, writer = await client.open_connection("192.0.2.2", 7)
                assert await asyncio.wait_for(reader.read(), 5) == b"welcome"
                writer.close()
                await writer.wait_closed()
        assert server.stack.counters["TCPFastOpenCookieReqd"] == 1
        assert server.stack.counters["TCPFastOpenPassive"] == 1
        assert client.stack.counters["TCPFastOpenActive"] == 0


async def test_what_is_written_at_once_goes_with_the_syn() -> None:
    async with two_hosts(OFFLOADS, FAST) as (client, server):
        async with await server.start_server(echo, None, 7):
            for _ in range(2):
                assert await asyncio.wait_for(ask(client, b"hello"), 5) == b"hello"
        assert client.stack.counters["TCPFastOpenActive"] == 1


async def test_an_end_without_a_word_goes_behind_a_syn() -> None:
    async with two_hosts(OFFLOADS, FAST) as (client, server), await server.start_server(echo, None, 7):
        for _ in range(2):
            assert await asyncio.wait_for(ask(client, b""), 5) == b""


async def test_a_server_that_is_gone_is_found_out_when_the_connection_is_lost() -> None:
    async with two_hosts(OFFLOADS, FAST) as (client, server):
        async with await server.start_server(echo, None, 7):
            await ask(client, b"hello")
        await asyncio.sleep(0)
        reader, writer = await client.open_connection("192.0.2.2", 7)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
