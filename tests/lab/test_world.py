import asyncio

import pytest

from halfopen.base.errors import ConfigError
from halfopen.lab.crafting import make_segment
from halfopen.lab.defences import configured
from halfopen.lab.places import SPOOFED
from halfopen.lab.scenario import Settings
from halfopen.lab.world import Layout, Place, World
from halfopen.stack.config import StackConfig

PLACES: tuple[Place, ...] = ("remote", "lan", "server", "client", "none")


@pytest.mark.parametrize("place", PLACES)
def test_client_and_server_reach_each_other_wherever_the_attacker_is(place: Place) -> None:
    with World(Settings(), Layout(attacker=place)) as world:
        result = world.run(world.client.ping("server", count=1))
    assert len(result.replies) == 1


def test_acquainted_neighbours_need_no_arp_and_others_do() -> None:
    def arps(*, acquainted: bool) -> int:
        with World(Settings(), Layout(attacker="none", acquainted=acquainted)) as world:
            world.run(world.client.ping("server", count=1))
            return sum(seen.frame.arp is not None for seen in world.tape.seen("client"))

    assert arps(acquainted=True) == 0
    assert arps(acquainted=False) == 4


@pytest.mark.parametrize("place", ["remote", "lan", "server"])
def test_what_is_sent_to_spoofed_sources_is_never_answered(place: Place) -> None:
    async def story() -> None:
        source = world.spoofed(1)[0]
        world.attacker.send(make_segment((5, 80), "S"), source=source, destination=world.server.address)
        await asyncio.sleep(1)

    with World(Settings(), Layout(attacker=place)) as world:
        world.run(story())
        assert world.server.stack.counters["OutRsts"] == 1
        assert not any(seen.frame.icmp for seen in world.tape.seen("server"))


def test_the_same_seed_gives_the_same_capture_and_another_seed_another() -> None:
    def capture(seed: int) -> bytes:
        with World(Settings(seed=seed), Layout(attacker="none")) as world:
            world.run(world.client.ping("server", count=2))
            world.rng.octets(8)
            return world.outcome().capture

    with World(Settings(seed=1)) as one, World(Settings(seed=2)) as other:
        assert one.rng.octets(8) != other.rng.octets(8)
    assert capture(1) == capture(1)


def test_without_a_record_there_is_no_capture() -> None:
    with World(Settings(record=False), Layout(attacker="none")) as world:
        world.run(world.client.ping("server", count=1))
        assert world.outcome().capture == b""
        assert not list(world.tape.seen("client"))


def test_who_needs_the_tape_gets_it_all_the_same() -> None:
    with World(Settings(record=False), Layout(attacker="none", needs_tape=True)) as world:
        world.run(world.client.ping("server", count=1))
        assert world.outcome().capture == b""
        assert len(list(world.tape.seen("client"))) == 2


@pytest.mark.rfc("4987", "4987.1")
def test_an_ingress_filter_at_the_edge_keeps_spoofed_sources_at_home() -> None:
    async def story() -> None:
        for source in (world.client.address, world.spoofed(1)[0], None):
            world.attacker.send(make_segment((5, 80), "S"), source=source, destination=world.server.address)
        await asyncio.sleep(0.5)

    with World(Settings(), Layout(configs=configured({}, {"ingress-filter"}))) as world:
        world.run(story())
        assert world.edge.stack.counters["IpForwReversePathFilter"] == 2
        assert world.server.stack.counters["OutRsts"] == 1


def test_a_configuration_for_nobody_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no host 'sevrer' in this layout"):
        World(Settings(), Layout(configs={"sevrer": StackConfig()}))


def test_spoofed_addresses_are_of_the_prefix_that_is_nobodys() -> None:
    with World(Settings()) as world:
        addresses = world.spoofed(200)
    assert SPOOFED == "203.0.113.128/25"
    assert {address[:3] for address in addresses} == {b"\xcb\x00\x71"}
    assert {address[3] for address in addresses} == set(range(129, 255))
