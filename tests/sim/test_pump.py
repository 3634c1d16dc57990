import asyncio

from halfopen.sim.network import Network
from halfopen.wire.packet import Packet
from tests.sim.world import echo, serve, two_hosts


def test_an_interface_without_a_cable_counts_what_it_would_send() -> None:
    with Network() as network:
        host = network.host("lonely")
        assert host.sim_pump.free_interface() is host.stack.interfaces[0]
        host.stack.icmp.send_echo(b"\xc0\0\2\x09", 1, 1, b"", host.pump.now())
        host.pump.kick()
        network.run(asyncio.sleep(0.5))
        assert host.stack.counters["CableMissing"] == 1


def test_a_plugged_interface_is_not_free() -> None:
    with two_hosts() as world:
        assert world.client.sim_pump.free_interface() is None


def test_packets_of_one_instant_are_received_together() -> None:
    with two_hosts() as world:
        pump = world.client.sim_pump
        interface = world.client.stack.interfaces[0]
        pump.take(interface, Packet(bytes(60)))
        pump.take(interface, Packet(bytes(60)))
        assert interface.statistics.received_packets == 0
        world.network.run(asyncio.sleep(0))
        assert interface.statistics.received_packets == 2


def test_a_host_without_power_receives_sends_and_plans_nothing() -> None:
    with two_hosts("delay 1ms") as world:

        async def program() -> int:
            _, writer = await asyncio.open_connection("server", 7)
            world.server.power_off()
            world.server.pump.kick()
            sent = world.server.stack.interfaces[0].statistics.sent_packets
            writer.write(b"is anybody there?")
            await asyncio.sleep(10)
            writer.transport.abort()
            return sent

        async def main() -> int:
            await world.server.run(serve(echo))
            return await world.client.run(program())

        sent = world.run(main)
        assert not world.server.sim_pump.is_on
        assert world.server.stack.interfaces[0].statistics.sent_packets == sent
        assert world.server.stack.counters["PowerOff"] > 3
