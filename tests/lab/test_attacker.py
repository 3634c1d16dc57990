import asyncio
from collections.abc import Coroutine

import pytest

from halfopen.base.addresses import format_mac
from halfopen.base.errors import ConfigError, NetworkUnreachable
from halfopen.lab.attacker import Attacker
from halfopen.lab.crafting import SynStencil, make_segment, make_udp
from halfopen.lab.scenario import Settings
from halfopen.lab.world import Layout, Place, World, packed
from halfopen.wire.arp import REPLY, Arp
from halfopen.wire.icmpv4 import Icmp


def play(story: Coroutine[None, None, None], world: World) -> None:
    with world:
        world.run(story)


async def listening(world: World) -> None:
    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    await world.server.run(world.server.start_server(ignore, None, 80))


def flags_at(world: World, host: str, *, sent: bool) -> list[str]:
    """Of segments that ``host`` sends or that are for it; on a hub it sees others as well."""
    own = packed(world.network.hosts[host])
    frames = [seen.frame for seen in world.tape.seen(host) if seen.is_sent == sent and seen.frame.tcp is not None]
    return [frame.flags for frame in frames if sent or (frame.ip is not None and frame.ip.destination == own)]


@pytest.mark.parametrize("place", ["remote", "lan", "server", "client"])
def test_a_spoofed_syn_is_answered_to_whom_it_claims_to_come_from(place: Place) -> None:
    async def story() -> None:
        await listening(world)
        syn = make_segment((1023, 80), "S", seq=7)
        world.attacker.send(syn, source=packed(world.client), destination=world.server.address)
        await asyncio.sleep(0.5)

    world = World(Settings(), Layout(attacker=place))
    play(story(), world)
    assert flags_at(world, "client", sent=False) == ["S."]
    assert flags_at(world, "client", sent=True) == ["R"]


def test_an_honest_attacker_resets_what_its_stack_knows_nothing_of() -> None:
    async def story() -> None:
        await listening(world)
        world.attacker.send(make_segment((1023, 80), "S"), destination=world.server.address)
        await asyncio.sleep(0.5)

    world = World(Settings())
    play(story(), world)
    assert flags_at(world, "attacker", sent=True) == ["S", "R"]


def test_a_silent_attacker_says_nothing_but_what_it_crafts() -> None:
    async def story() -> None:
        await listening(world)
        world.attacker.send(make_segment((1023, 80), "S"), destination=world.server.address)
        await asyncio.sleep(0.5)

    world = World(Settings(), Layout(silent=True, acquainted=False))
    play(story(), world)
    assert flags_at(world, "attacker", sent=True) == ["S"]
    assert world.attacker.counters["AttackerSilent"] == 1


def test_what_has_to_wait_for_arp_goes_in_its_order_with_its_comments() -> None:
    async def story() -> None:
        for number in range(3):
            segment = make_segment((1023, 80), "S", seq=number)
            world.attacker.send(segment, destination=world.server.address, comment=f"the {number}th")
        await asyncio.sleep(0.5)

    world = World(Settings(), Layout(acquainted=False))
    play(story(), world)
    sent = [seen.frame.tcp.seq for seen in world.tape.seen("attacker") if seen.is_sent and seen.frame.tcp]
    assert sent[:3] == [0, 1, 2]
    assert [f"the {number}th".encode() in world.tape.octets for number in range(4)] == [True, True, True, False]
    assert not world.attacker.waiting


def test_a_flood_keeps_its_rate_and_every_packet_of_it_arrives() -> None:
    async def story() -> None:
        await listening(world)
        stencil = SynStencil(world.server.address, 80)
        sources = world.spoofed(3000)
        packets = (stencil.make(source, 1024 + index, index) for index, source in enumerate(sources))
        begin = world.elapsed
        assert await world.attacker.flood(packets, 10_000) == 3000
        assert world.elapsed - begin == pytest.approx(0.3, abs=0.002)
        await asyncio.sleep(0.1)

    world = World(Settings(record=False))
    play(story(), world)
    assert world.attacker.count == 3000
    assert world.server.stack.interfaces[0].statistics.received_packets == 3000


def test_a_flood_asks_for_its_next_hop_first() -> None:
    async def story() -> None:
        stencil = SynStencil(world.server.address, 9)
        packets = (stencil.make(world.spoofed(1)[0], 1024 + index, index) for index in range(2000))
        await world.attacker.flood(packets, 1_000_000)
        await asyncio.sleep(0.1)

    world = World(Settings(record=False), Layout(acquainted=False))
    play(story(), world)
    assert world.edge.stack.interfaces[0].statistics.received_packets >= 2000


@pytest.mark.parametrize("rate", [0, -3])
def test_a_flood_without_a_rate_is_refused(rate: float) -> None:
    async def story() -> None:
        with pytest.raises(ConfigError, match="a flood has a rate above 0 packets a second, not"):
            await world.attacker.flood([], rate)

    world = World(Settings())
    play(story(), world)


def test_an_attacker_on_a_hub_hears_what_others_say_and_one_behind_a_switch_does_not() -> None:
    def heard(*, switched: bool) -> int:
        async def story() -> None:
            world.attacker.sniff()
            await world.client.ping("server", count=2)

        world = World(Settings(), Layout(attacker="lan", switched=switched, acquainted=False))
        play(story(), world)
        return sum(passing.icmp is not None for passing in world.attacker.heard)

    assert heard(switched=False) == 4
    assert heard(switched=True) == 0


def test_an_attacker_can_wait_for_a_packet() -> None:
    async def story() -> None:
        attacker = world.attacker
        attacker.sniff()
        waiting = asyncio.create_task(attacker.hear(lambda passing: passing.icmp is not None, 5.0))
        await world.client.ping("server", count=1)
        assert (await waiting).when > 0
        with pytest.raises(TimeoutError):
            await attacker.hear(lambda passing: passing.tcp is not None, 1.0)

    world = World(Settings(), Layout(attacker="lan"))
    play(story(), world)


def test_a_forged_claim_of_an_address_is_arp_as_any() -> None:
    async def story() -> None:
        attacker = world.attacker
        claim = Arp(REPLY, attacker.mac, packed(world.server), b"\xff" * 6, packed(world.client))
        attacker.send_arp(claim, comment="poison")
        await asyncio.sleep(0.1)

    world = World(Settings(), Layout(attacker="lan"))
    play(story(), world)
    seen = next(each.frame.arp for each in world.tape.seen("client") if each.frame.arp is not None)
    assert format_mac(seen.sender_mac) == format_mac(world.attacker.mac)
    assert seen.sender_address == packed(world.server)


def test_udp_and_icmp_may_be_spoofed_as_well() -> None:
    async def story() -> None:
        attacker, server = world.attacker, world.server.address
        attacker.send_udp((53, 9), b"x", source=world.client.address, destination=server)
        attacker.send_icmp(Icmp(8, 0, 5, b""), source=world.client.address, destination=server)
        await asyncio.sleep(0.2)

    world = World(Settings())
    play(story(), world)
    answers = [seen.frame.icmp.type for seen in world.tape.seen("client") if seen.frame.icmp is not None]
    assert sorted(answers) == [0, 3]


def test_where_no_route_leads_nothing_is_sent() -> None:
    async def story() -> None:
        with pytest.raises(NetworkUnreachable):
            world.attacker.send_packet(make_udp((world.attacker.address, b"\xf0\0\0\1"), (1, 2), b""))

    world = World(Settings())
    play(story(), world)


def test_a_layout_without_an_attacker_says_so() -> None:
    with World(Settings(), Layout(attacker="none")) as world, pytest.raises(ConfigError, match="has no attacker"):
        assert isinstance(world.attacker, Attacker)
