"""What connections cost while nothing happens on them."""

import asyncio
import gc
import tracemalloc

from tests.sim.world import two_hosts

CONNECTIONS = 200
KILOBYTE = 1024


class Idle(asyncio.Protocol):
    """Does nothing, and holds nothing."""

    __slots__ = ()


async def _open(count: int) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*[loop.create_connection(Idle, "server", 7) for _ in range(count)])


async def _listen() -> None:
    await asyncio.get_running_loop().create_server(Idle, None, 7, backlog=CONNECTIONS)


def test_an_idle_connection_holds_at_most_four_kilobytes_at_each_end() -> None:
    with two_hosts("delay 1ms") as world:

        async def main() -> int:
            await world.server.run(_listen())
            await world.client.run(_open(20))
            await asyncio.sleep(10)
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            await world.client.run(_open(CONNECTIONS))
            await asyncio.sleep(10)
            gc.collect()
            return tracemalloc.get_traced_memory()[0] - before

        tracemalloc.start()
        try:
            held = world.run(main)
        finally:
            tracemalloc.stop()
    assert held / (2 * CONNECTIONS) < 4 * KILOBYTE


def test_idle_connections_have_no_timers_but_one_for_each_host() -> None:
    with two_hosts("delay 1ms") as world:

        async def main() -> int:
            await world.server.run(_listen())
            await world.client.run(_open(CONNECTIONS))
            await asyncio.sleep(10)
            return len(world.network.loop.scheduler)

        assert world.run(main) <= 2
