"""What long flows in queues have shown about congestion control."""

import asyncio

import pytest

from halfopen.sim.host import SimHost
from halfopen.sim.network import Network

OCTETS = 5_000_000


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.read(1 << 18):
            pass
    finally:
        writer.close()


async def upload(octets: int) -> None:
    reader, writer = await asyncio.open_connection("receiver", 7)
    try:
        writer.write(bytes(octets))
        writer.write_eof()
        await reader.read()
    finally:
        writer.close()


def test_an_ack_of_an_earlier_episode_s_retransmission_takes_no_loss_back() -> None:
    with Network(seed=1) as network:
        sender, receiver = network.host("sender"), network.host("receiver")
        wire = network.link(sender, receiver, "rate 10mbit delay 20ms codel limit 1000 target 5ms interval 100ms")

        async def main() -> None:
            await receiver.run(asyncio.start_server(swallow, port=7))
            await sender.run(upload(OCTETS))

        network.run(main())
        counters = sender.stack.counters
        assert wire.counters["CableDropped"] == counters["RetransSegs"] > 5
        assert counters["TCPFullUndo"] == counters["TCPSpuriousRTOs"] == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_cubic_leaves_reno_behind_where_losses_are_rare_and_the_way_is_long(seed: int) -> None:
    # Every window arrives and is acknowledged at one instant; that the next one then leaves is no idle time.
    rates: dict[str, int] = {}
    for algorithm in ("reno", "cubic"):
        with Network(seed=seed) as network:
            sysctl = {"net.ipv4.tcp_congestion_control": algorithm}
            sender, receiver = network.host("sender", sysctl=sysctl), network.host("receiver")
            network.link(sender, receiver, "delay 100ms loss 0.01%", back="delay 100ms")

            async def main(sender: SimHost = sender, receiver: SimHost = receiver) -> int:
                await receiver.run(asyncio.start_server(swallow, port=7))
                sender.run(upload(200_000_000))
                await asyncio.sleep(60)
                return receiver.stack.interfaces[0].statistics.received_octets

            rates[algorithm] = network.run(main())
    assert rates["cubic"] > 1.3 * rates["reno"]
