import asyncio
from collections.abc import Awaitable, Callable

import pytest

from halfopen.lab.floods import PORT, SAMPLE, Aim, Drain, Gauge, SynFlood, ends_of
from halfopen.lab.places import SERVER, is_spoofed
from halfopen.lab.scenario import Settings
from halfopen.lab.visitors import Visitors
from halfopen.lab.world import Layout, World


def play(story: Callable[[World], Awaitable[None]]) -> World:
    with World(Settings(seed=2), Layout(silent=True)) as world:

        async def main() -> None:
            await story(world)

        world.run(main())
        return world


async def flooded(world: World, *, rate: float, seconds: float, express: bool) -> tuple[SynFlood, Gauge, Drain]:
    (end,) = ends_of(world, world.server)
    gauge, drain = Gauge(), Drain(end, most=SAMPLE)
    end.filters.append(gauge)
    await Visitors(world, PORT, 1.0).open()
    flood = SynFlood(world, Aim(rate=rate, entry=end if express else None))
    flood.start()
    await asyncio.sleep(seconds)
    await flood.stop()
    await world.at_rest(0.5)
    return flood, gauge, drain


@pytest.mark.parametrize("express", [False, True])
def test_all_syns_reach_the_server_by_either_way_and_are_answered(express: bool) -> None:
    async def story(world: World) -> None:
        flood, gauge, drain = await flooded(world, rate=500, seconds=0.5, express=express)
        assert gauge.count == flood.count
        assert drain.synacks == flood.count
        assert drain.octets == 44 * flood.count
        assert drain.others == 0

    play(story)


def test_the_rate_is_that_of_a_poisson_process() -> None:
    async def story(world: World) -> None:
        flood, _, _ = await flooded(world, rate=10_000, seconds=1.0, express=True)
        assert abs(flood.count - 10_000) < 4 * 100

    play(story)


def test_only_the_first_packets_go_all_the_way() -> None:
    async def story(world: World) -> None:
        flood, _, _ = await flooded(world, rate=1000, seconds=0.2, express=True)
        assert flood.count > 100
        assert world.attacker.count == SAMPLE

    world = play(story)
    assert world.router.stack.counters["IpForwDatagrams"] == 2 * SAMPLE


def test_a_checksum_by_stencil_is_right() -> None:
    async def story(world: World) -> None:
        await flooded(world, rate=500, seconds=0.2, express=True)
        assert world.server.stack.counters["InCsumErrors"] == 0
        assert world.server.stack.counters["Ipv4BadChecksum"] == 0

    play(story)


def test_the_floods_addresses_are_nobodys() -> None:
    assert is_spoofed(bytes([203, 0, 113, 200]))
    assert not is_spoofed(bytes([203, 0, 113, 1]))
    assert not is_spoofed(bytes(int(part) for part in SERVER.split(".")))
