import asyncio
from io import BytesIO

from halfopen.capture.pcap import open_capture
from halfopen.lab.crafting import make_segment
from halfopen.lab.places import SPOOFED
from halfopen.lab.scenario import Settings
from halfopen.lab.tape import Tape
from halfopen.lab.world import Layout, World
from halfopen.sim.rules import drop


def syn_flood(world: World, count: int, comment: str = "") -> None:
    async def story() -> None:
        for number, source in enumerate(world.spoofed(count)):
            segment = make_segment((5, 80), "S", seq=number)
            world.attacker.send(segment, source=source, destination=world.server.address, comment=comment)
        await world.client.ping("server", count=1)
        await asyncio.sleep(0.5)

    world.run(story())


def test_of_a_flood_only_the_first_packets_are_kept_from_end_to_end_and_all_else_whole() -> None:
    with World(Settings()) as world:
        world.tape.shorten(SPOOFED, 12)
        syn_flood(world, 100)
        records = list(open_capture(BytesIO(world.tape.octets)))
        pings = [seen for seen in world.tape.seen("client") if seen.frame.icmp is not None]
    spoofed = [record for record in records if b"\xcb\x00\x71" in (record.octets[26:29], record.octets[30:33])]
    assert len({record.octets[26:42] for record in spoofed}) == 12
    assert len(spoofed) == 12 * 6
    assert len(pings) == 2
    assert world.tape.skipped > 500


def test_comments_stand_at_the_attackers_packets_only() -> None:
    with World(Settings()) as world:
        syn_flood(world, 2, "spoofed SYN")
        records = list(open_capture(BytesIO(world.tape.octets)))
    commented = [record.interface.name for record in records if record.comment == "spoofed SYN"]
    assert commented == ["attacker.eth0"] * 2


def test_what_the_network_did_to_a_packet_stands_before_what_the_attacker_says() -> None:
    with World(Settings()) as world, world.cables["attacker-side"].rule(drop(syn=True)):
        syn_flood(world, 1, "spoofed SYN")
        comments = [record.comment for record in open_capture(BytesIO(world.tape.octets))]
    assert "dropped by link attacker-edge, rule 1; spoofed SYN" in comments


def test_a_full_tape_keeps_the_beginning() -> None:
    with World(Settings(), Layout(attacker="none")) as world:
        tape = Tape({}, limit=3)
        world.network.observe(tape)
        world.run(world.client.ping("server", count=3))
    assert len(list(open_capture(BytesIO(tape.octets)))) == 3
    assert tape.skipped > 0


def test_frames_are_seen_by_host_with_their_direction() -> None:
    with World(Settings(), Layout(attacker="none")) as world:
        world.run(world.client.ping("server", count=1))
        seen = list(world.tape.seen("router"))
    assert [each.is_sent for each in seen] == [False, True, False, True]
    assert [each.when for each in seen] == sorted(each.when for each in seen)


def test_what_befell_a_packet_on_its_way_is_told_of_those_that_are_kept_only() -> None:
    def fates(packets: int) -> int:
        with World(Settings(), Layout(attacker="lan")) as world, world.cables["lan"].rule(drop(syn=True)):
            world.tape.shorten(SPOOFED, packets)
            syn_flood(world, 10)
            records = list(open_capture(BytesIO(world.tape.octets)))
        return sum(record.comment == "dropped by link lan, rule 1" for record in records)

    assert fates(3) == 3
    assert fates(100) == 10
