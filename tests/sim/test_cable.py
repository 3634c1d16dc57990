import asyncio

import pytest

from halfopen.base.clock import MILLISECOND, SECOND, Instant
from halfopen.base.netem import parse
from halfopen.capture.record import Direction
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.network import Network
from halfopen.sim.scheduler import START
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from tests.sim.world import World, serve, swallow, two_hosts

Seen = tuple[Instant, str, str, Packet]


class Eyes(Observer):
    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def on_packet(self, when: Instant, end: CableEnd, packet: Packet, direction: Direction) -> None:
        self.seen.append((when - START, end.label, direction, packet))

    def arrived(self) -> list[tuple[Instant, str, int]]:
        return [
            (when, label, packet.head[-1]) for when, label, direction, packet in self.seen if direction == "inbound"
        ]


def watched(world: World) -> Eyes:
    eyes = Eyes()
    world.cable.observers.append(eyes)
    return eyes


def frame(number: int) -> Packet:
    """100 octets that no stack understands."""
    return Packet(bytes(99) + bytes((number,)))


def send(end: CableEnd, count: int) -> None:
    for number in range(count):
        end.send(frame(number), end.pump.now())


def test_packets_come_out_at_the_other_end_after_the_delay_and_in_order() -> None:
    with two_hosts("delay 20ms") as world:
        eyes = watched(world)
        send(world.cable.ends[0], 3)
        world.network.run(asyncio.sleep(1))
    assert eyes.arrived() == [(20 * MILLISECOND, "server.eth0", number) for number in range(3)]
    assert [entry[:3] for entry in eyes.seen[:3]] == [(0, "client.eth0", "outbound")] * 3


def test_the_rate_is_that_of_each_direction() -> None:
    with two_hosts("rate 1mbit") as world:
        eyes = watched(world)
        for end in world.cable.ends:
            send(end, 2)
        world.network.run(asyncio.sleep(1))
    step = 800_000
    assert eyes.arrived() == [
        (step, "server.eth0", 0),
        (step, "client.eth0", 0),
        (2 * step, "server.eth0", 1),
        (2 * step, "client.eth0", 1),
    ]


def test_a_packet_that_overtakes_is_not_held_up_by_the_event_that_was_planned_before() -> None:
    with two_hosts("delay 50ms") as world:
        eyes = watched(world)
        send(world.cable.ends[0], 1)
        world.cable.ends[0].impair(parse("delay 10ms"))
        world.cable.ends[0].send(frame(9), world.client.pump.now())
        world.network.run(asyncio.sleep(1))
    assert eyes.arrived() == [(10 * MILLISECOND, "server.eth0", 9), (50 * MILLISECOND, "server.eth0", 0)]


def test_what_is_lost_was_seen_where_it_was_sent() -> None:
    with two_hosts() as world:
        eyes = watched(world)
        world.cable.impair(parse("loss 100%"))
        send(world.cable.ends[0], 5)
        send(world.cable.ends[1], 5)
        world.network.run(asyncio.sleep(1))
    assert eyes.arrived() == []
    assert len(eyes.seen) == 10
    assert world.cable.counters.snapshot() == {"CableLost": 10}


@pytest.mark.parametrize(
    ("words", "arrived", "counted"),
    [
        ("duplicate 100%", 20, {"CableDuplicated": 10}),
        ("corrupt 100%", 10, {"CableCorrupted": 10}),
        ("delay 1ms reorder 100%", 10, {"CableReordered": 10}),
        ("delay 1ms limit 4", 4, {"CableOverlimit": 6}),
    ],
)
def test_every_fate_has_its_counter(words: str, arrived: int, counted: dict[str, int]) -> None:
    with two_hosts(words) as world:
        eyes = watched(world)
        send(world.cable.ends[0], 10)
        world.network.run(asyncio.sleep(1))
    assert len(eyes.arrived()) == arrived
    assert world.cable.counters.snapshot() == counted


def test_an_interface_that_comes_later_meets_what_the_others_meet() -> None:
    with two_hosts() as world:
        eyes = watched(world)
        world.cable.impair(parse("delay 5ms"))
        late = world.network.host("late")
        send(world.cable.plug(late.sim_pump, late.stack.interfaces[0]), 1)
        world.network.run(asyncio.sleep(1))
    assert eyes.arrived() == [(5 * MILLISECOND, "client.eth0", 0), (5 * MILLISECOND, "server.eth0", 0)]


def test_all_others_on_a_segment_see_what_one_sends() -> None:
    with Network() as network:
        hosts = [network.host(name) for name in "abc"]
        segment = network.segment(hosts, "delay 1ms")
        eyes = Eyes()
        segment.observers.append(eyes)
        send(segment.ends[1], 1)
        network.run(asyncio.sleep(1))
    assert eyes.arrived() == [(MILLISECOND, "a.eth0", 0), (MILLISECOND, "c.eth0", 0)]


def test_super_segments_are_cut_and_each_packet_has_its_own_fate() -> None:
    with two_hosts("loss 10%", seed=3) as world:
        eyes = watched(world)

        async def program() -> None:
            reader, writer = await asyncio.open_connection("server", 7)
            writer.write(bytes(500_000))
            writer.write_eof()
            assert await reader.read() == b"500000"
            writer.close()
            await writer.wait_closed()

        async def main() -> None:
            await world.server.run(serve(swallow))
            await world.client.run(program())

        world.run(main)
    assert max(packet.octets for *_, packet in eyes.seen) == 1514
    assert {packet.gso_size for *_, packet in eyes.seen} == {0}
    assert any(packet.checksum == CHECKSUM_PARTIAL for *_, packet in eyes.seen)
    assert world.cable.counters["CableLost"] > 20
    assert world.client.stack.counters["RetransSegs"] > 20
    assert eyes.seen[-1][0] < 60 * SECOND
