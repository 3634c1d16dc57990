"""Active opens that come to nothing."""

import asyncio
import errno

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.stack.config import ArpConfig, StackConfig
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
