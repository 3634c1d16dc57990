from collections.abc import Awaitable, Callable

from halfopen.lab.floods import PORT
from halfopen.lab.scenario import Settings
from halfopen.lab.visitors import Served, Visitors
from halfopen.lab.world import Layout, World
from halfopen.stack.config import StackConfig
from halfopen.tcp.config import OptionsConfig, TcpConfig


def visited(story: Callable[[World, Visitors], Awaitable[None]], layout: Layout | None = None) -> Served:
    with World(Settings(seed=4), layout or Layout(attacker="none")) as world:
        visitors = Visitors(world, PORT, 1.0)

        async def main() -> None:
            await story(world, visitors)

        world.run(main())
        return visitors.result


async def welcome(world: World, visitors: Visitors) -> None:
    await visitors.open()
    await visitors.come(20, 1.0)


def test_without_a_flood_everybody_is_served_in_two_round_trips() -> None:
    result = visited(welcome)
    assert (result.asked, result.served, result.kept, result.share) == (20, 20, 20, 1.0)
    assert abs(result.median - 0.04) < 0.001


def test_where_nobody_listens_nobody_is_served() -> None:
    async def story(world: World, visitors: Visitors) -> None:
        await visitors.come(5, 0.1)

    result = visited(story)
    assert (result.asked, result.served, result.share, result.median) == (5, 0, 0.0, 0.0)


def test_options_that_were_not_agreed_on_are_not_kept() -> None:
    plain = StackConfig(tcp=TcpConfig(options=OptionsConfig(sack=False)))
    result = visited(welcome, Layout(attacker="none", configs={"client": plain}))
    assert result.served == 20
    assert result.kept == 0


def test_spread_out_they_come_from_different_addresses() -> None:
    async def story(world: World, visitors: Visitors) -> None:
        visitors.spread()
        await welcome(world, visitors)
        sources = {seen.frame.ip.source for seen in world.tape.seen("server") if not seen.is_sent and seen.frame.ip}
        assert len(sources) == 20

    assert visited(story).served == 20
