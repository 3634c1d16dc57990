"""Connections of simulated hosts that TCP-AO signs, with an attacker on the path."""

import asyncio

import pytest

from halfopen.tcp.master_keys import MasterKey
from tests.sim.world import serve, two_hosts

KEY = MasterKey(secret=b"between us", send_id=1, receive_id=1)
TEXT = bytes(range(256)) * 1000


@pytest.mark.rfc("5925", "5925.7.4")
def test_programs_know_nothing_of_keys_and_a_lossy_cable_is_survived() -> None:
    with two_hosts("delay 10ms 3ms loss 2% duplicate 1%", seed=5) as world:
        for host in (world.client, world.server):
            host.stack.tcp.add_key(KEY)

        async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            text = await reader.readexactly(len(TEXT))
            writer.write(text.upper())
            await writer.drain()
            writer.close()

        async def program() -> bytes:
            reader, writer = await asyncio.open_connection("server", 7)
            writer.write(TEXT)
            answer = await reader.read()
            writer.close()
            return answer

        async def main() -> bytes:
            await world.server.run(serve(shout))
            return await world.client.run(program())

        assert world.run(main) == TEXT.upper()
        for host in (world.client, world.server):
            assert host.stack.counters["TCPAOGood"] > 100
            assert not host.stack.counters["TCPAOBad"] + host.stack.counters["TCPAORequired"]
