import asyncio

from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.places import SPOOFED
from halfopen.lab.scenario import Settings
from halfopen.lab.silencing import Gag, Saturation
from halfopen.lab.world import Layout, World
from halfopen.stack.config import StackConfig, TcpLayerConfig
from halfopen.tcp.config import SecurityConfig, TcpConfig

PORT = 513
OLD = TcpConfig(security=SecurityConfig(permit=SIMULATION_ONLY, legacy_alloc_before_flags=True))


def world(tcp: TcpConfig, backlog: int = 5) -> World:
    layer = TcpLayerConfig(half_open=backlog, syn_cookies="off", eviction="drop-new")
    return World(Settings(), Layout(configs={"client": StackConfig(tcp=tcp, tcp_layer=layer)}))


async def begin(place: World) -> Gag:
    place.attacker.sniff()
    await place.client.start_server(lambda reader, writer: writer.close(), None, PORT)
    return Gag(place, PORT)


def test_an_old_host_is_silent_at_the_full_port_and_at_no_other() -> None:
    with world(OLD) as place:

        async def story() -> None:
            gag = await begin(place)
            await place.client.start_server(lambda reader, writer: writer.close(), None, PORT + 1)
            assert await gag.answers()
            await gag.close_mouth(most=20)
            assert (gag.syns, gag.is_silent) == (5, True)
            assert await Gag(place, PORT + 1).answers()

        place.run(story())


def test_a_host_of_today_goes_on_answering() -> None:
    with world(TcpConfig()) as place:

        async def story() -> None:
            gag = await begin(place)
            await gag.close_mouth(most=20)
            assert (gag.syns, gag.is_silent) == (20, False)

        place.run(story())


def test_it_speaks_again_when_all_has_been_taken_back() -> None:
    with world(OLD) as place:

        async def story() -> None:
            gag = await begin(place)
            await gag.close_mouth(most=20)
            await gag.let_go()
            assert await gag.answers()

        place.run(story())


def test_it_speaks_again_when_the_timer_has_run_out_unless_it_is_kept_quiet() -> None:
    for is_kept in (False, True):
        with world(OLD) as place:

            async def story(place: World = place, is_kept: bool = is_kept) -> bool:
                gag = await begin(place)
                await gag.close_mouth(most=20)
                keeping = asyncio.create_task(gag.keep_quiet(63.0)) if is_kept else None
                await asyncio.sleep(100.0)
                spoke = await gag.answers()
                if keeping is not None:
                    keeping.cancel()
                return spoke

            assert place.run(story()) is not is_kept


def test_a_line_loses_what_it_does_not_carry() -> None:
    with world(TcpConfig()) as place:

        async def story() -> None:
            place.tape.shorten(SPOOFED, 0)
            filling = asyncio.create_task(Saturation(place, 1.5, overload=4.0).fill())
            await asyncio.sleep(5.0)
            filling.cancel()

        place.run(story())
        lost, sent = place.cables["client-side"].counters["CableOverlimit"], place.attacker.count
        assert 0.70 <= lost / sent <= 0.80
