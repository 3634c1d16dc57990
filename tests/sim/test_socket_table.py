import asyncio

from halfopen.sim.socket_table import socket_table, socket_tables
from tests.sim.world import echo, serve, two_hosts


def test_each_host_with_a_port_in_use_is_listed_under_its_name() -> None:
    with two_hosts("delay 1ms") as world:
        hosts = [world.client, world.server]
        assert socket_tables(hosts) == "no host has a port in use"
        assert socket_table(world.client).split() == [
            *("Netid", "State", "Recv-Q", "Send-Q", "Local", "Address:Port", "Peer", "Address:Port", "Process")
        ]

        async def main() -> None:
            await world.server.run(serve(echo))
            assert socket_tables(hosts).splitlines()[0] == "server:"
            async with world.client:
                _, writer = await asyncio.open_connection("server", 7)
                await asyncio.sleep(0.01)
                lines = socket_tables(hosts).splitlines()
                assert [line.split()[1] for line in lines if line.startswith("tcp")] == ["ESTAB", "LISTEN", "ESTAB"]
                assert [line for line in lines if line.endswith(":") and " " not in line] == ["client:", "server:"]
                writer.close()
                await writer.wait_closed()

        world.run(main)
