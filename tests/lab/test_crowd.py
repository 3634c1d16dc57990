import asyncio
from collections.abc import Iterator

import pytest

from halfopen.base.errors import ConfigError
from halfopen.base.rng import SeededRng
from halfopen.lab.crowd import Crowd, itinerary, shuffled
from halfopen.lab.scenario import Settings
from halfopen.lab.world import Layout, World, packed


@pytest.fixture
def world() -> Iterator[World]:
    with World(Settings(seed=1), Layout(attacker="none")) as world:
        yield world


async def contacts(world: World, crowd: Crowd, port: int) -> list[bool]:
    await world.server.start_server(lambda reader, writer: writer.close(), None, 80)
    server = packed(world.server)
    return list(await asyncio.gather(*(crowd.contact(source, server, port) for source in crowd.sources)))


@pytest.mark.parametrize(("port", "is_answered"), [(80, True), (81, False)])
def test_everybody_in_the_crowd_gets_an_answer_to_his_own_address(world: World, port: int, is_answered: bool) -> None:
    crowd = Crowd(world.client, 3)
    crowd.introduce(world.router)
    assert world.run(contacts(world, crowd, port)) == [is_answered] * 3
    sources = {each.frame.ip.source for each in world.tape.seen("server") if not each.is_sent and each.frame.ip}
    assert sources == set(crowd.sources)
    assert not any(each.frame.arp for each in world.tape.seen("router"))


def test_silence_is_a_no(world: World) -> None:
    crowd = Crowd(world.client, 1)
    world.cables["server-side"].down()
    assert world.run(contacts(world, crowd, 80)) == [False]
    assert world.elapsed == pytest.approx(3.0, abs=0.01)


def test_a_network_has_room_for_so_many_only(world: World) -> None:
    with pytest.raises(ConfigError, match="between 20 and 250"):
        Crowd(world.client, 231)
    with pytest.raises(ConfigError, match="not from 10 on 1"):
        Crowd(world.client, 1, first=10)


def test_a_shuffle_keeps_everything_and_is_drawn() -> None:
    assert sorted(shuffled(range(50), SeededRng(1))) == list(range(50))
    assert shuffled(range(50), SeededRng(1)) != shuffled(range(50), SeededRng(2))


def test_a_few_are_drawn_without_repetition() -> None:
    drawn = shuffled(range(1000), SeededRng(1), 20)
    assert len(set(drawn)) == len(drawn) == 20
    assert len(shuffled(range(3), SeededRng(1), 20)) == 3


def test_an_itinerary_has_no_port_twice_and_the_right_share_of_failures() -> None:
    rng = SeededRng(1)
    tours = [itinerary(range(20), range(100, 900), 0.9, 20, rng) for _ in range(200)]
    assert all(len(set(tour)) == 20 for tour in tours)
    assert sum(port >= 100 for tour in tours for port in tour) / 4000 == pytest.approx(0.9, abs=0.02)


def test_who_has_seen_all_services_only_fails() -> None:
    assert itinerary([80], range(100, 200), 0.0, 4, SeededRng(1))[0] == 80
    assert min(itinerary([80], range(100, 200), 0.0, 4, SeededRng(1))[1:]) >= 100
