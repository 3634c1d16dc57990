import asyncio
from collections.abc import Callable

import pytest

from halfopen.base.clock import MILLISECOND, SECOND, Instant
from halfopen.base.errors import ConfigError
from halfopen.base.netem import parse
from halfopen.capture.record import Direction
from halfopen.sim.cable import Cable, CableEnd, Filter, Observer
from halfopen.sim.match import Passing
from halfopen.sim.network import Network
from halfopen.sim.rules import DROP, PASS, Delay, Duplicate, Rewrite, UnusedRuleWarning, Verdict, drop
from halfopen.sim.scheduler import START
from halfopen.stack.config import StackConfig
from halfopen.stack.interface import Interface
from halfopen.tcp.config import Ecn, OptionsConfig, TcpConfig
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from tests.sim.world import World, serve, swallow, two_hosts

Seen = tuple[Instant, str, str, Packet]


class Eyes(Observer):
    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.comments: list[str | None] = []
        self.fates: list[tuple[Instant, str, int, str]] = []

    def on_fate(self, when: Instant, end: CableEnd, packet: Packet, comment: str) -> None:
        self.fates.append((when - START, end.label, packet.head[-1], comment))

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        self.seen.append((when - START, end.label, direction, packet))
        if direction == "outbound":
            self.comments.append(comment)

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
        late = world.network.host("late", "192.0.2.9/24")
        send(world.cable.plug(late.sim_pump, late.stack.interfaces[0]), 1)
        world.network.run(asyncio.sleep(1))
    assert eyes.arrived() == [(5 * MILLISECOND, "client.eth0", 0), (5 * MILLISECOND, "server.eth0", 0)]


def test_all_others_on_a_segment_see_what_one_sends() -> None:
    with Network() as network:
        hosts = [network.host(name) for name in "abc"]
        segment = network.hub("hub", *hosts, words="delay 1ms")
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


def three_hosts(network: Network, words: str = "") -> tuple[Cable, Eyes]:
    hub = network.hub("a-b-c", *[network.host(name) for name in "abc"], words=words)
    eyes = Eyes()
    hub.observers.append(eyes)
    return hub, eyes


def to(end: CableEnd, number: int) -> Packet:
    """A frame addressed to the interface at ``end``."""
    return Packet(end.interface.mac + bytes(92) + bytes((number,)))


def broadcast(number: int) -> Packet:
    return Packet(b"\xff" * 6 + bytes(92) + bytes((number,)))


def test_each_direction_has_an_impairment_of_its_own() -> None:
    with two_hosts("delay 1ms") as world:
        eyes = watched(world)
        world.cable.impair("delay 5ms", towards="server")
        world.cable.impair(parse("delay 9ms"), towards=world.client)
        for end in world.cable.ends:
            send(end, 1)
        world.network.run(asyncio.sleep(1))
    assert eyes.arrived() == [(5 * MILLISECOND, "server.eth0", 0), (9 * MILLISECOND, "client.eth0", 0)]


def test_words_and_hosts_that_are_not_understood_are_named() -> None:
    with two_hosts() as world:
        with pytest.raises(ConfigError, match="link client-server: 'los' is not an impairment"):
            world.cable.impair("los 1%")
        with pytest.raises(ConfigError, match="link client-server: 'svr' is not on it: expected one of client, server"):
            world.cable.impair("loss 1%", towards="svr")


def test_a_cable_that_is_down_lets_nothing_in_and_what_is_on_its_way_arrives() -> None:
    with two_hosts("delay 5ms") as world:
        eyes = watched(world)
        client, server = world.cable.ends
        send(client, 1)
        world.cable.down()
        send(client, 2)
        send(server, 1)
        world.cable.up(towards="server")
        send(client, 1)
        send(server, 1)
        world.cable.up()
        world.cable.down(towards=world.server)
        send(client, 1)
        send(server, 1)
        world.network.run(asyncio.sleep(1))
    assert [label for _, label, _ in eyes.arrived()] == ["server.eth0", "server.eth0", "client.eth0"]
    assert world.cable.counters.snapshot() == {"CableDown": 5}
    assert eyes.comments[:3] == [None, "dropped: link client-server is down", "dropped: link client-server is down"]


def test_a_rule_drops_what_it_is_about_and_says_so() -> None:
    with two_hosts() as world:
        eyes = watched(world)
        world.cable.rule(lambda passing: DROP if passing.source == "client" else None)
        for end in world.cable.ends:
            send(end, 2)
        world.network.run(asyncio.sleep(1))
    assert eyes.arrived() == [(0, "client.eth0", 0), (0, "client.eth0", 1)]
    assert eyes.comments == ["dropped by link client-server, rule 1"] * 2 + [None] * 2
    assert world.cable.counters.snapshot() == {"CableRuleDropped": 2}


def test_a_rule_may_be_for_one_direction() -> None:
    with two_hosts() as world:
        eyes = watched(world)
        with world.cable.rule(drop(), towards="client") as rule:
            for end in world.cable.ends:
                send(end, 2)
        world.network.run(asyncio.sleep(1))
    assert [label for _, label, _ in eyes.arrived()] == ["server.eth0"] * 2
    assert rule.matched == 2


def numbered(number: int, verdict: Verdict) -> Callable[[Passing], Verdict | None]:
    return lambda passing: verdict if passing.packet.head[-1] == number else None


def test_rules_delay_duplicate_and_rewrite() -> None:
    with two_hosts("delay 1ms") as world:
        eyes = watched(world)
        verdicts: list[Verdict] = [PASS, Delay(7 * MILLISECOND), Duplicate(2), Rewrite(frame(9))]
        for number, verdict in enumerate(verdicts):
            world.cable.rule(numbered(number, verdict))
        send(world.cable.ends[0], 4)
        world.network.run(asyncio.sleep(1))
    assert [(when // MILLISECOND, number) for when, _, number in eyes.arrived()] == [
        (1, 0),
        (1, 2),
        (1, 2),
        (1, 2),
        (1, 9),
        (8, 1),
    ]
    assert eyes.comments == [
        None,
        "delayed by link client-server, rule 2",
        "duplicated by link client-server, rule 3",
        "rewritten by link client-server, rule 4",
    ]
    assert world.cable.counters.snapshot() == {
        "CableRuleDelayed": 1,
        "CableRuleDuplicated": 2,
        "CableRuleRewritten": 1,
    }


def test_what_is_delayed_by_a_rule_meets_the_network_when_it_goes_on() -> None:
    with two_hosts("loss 100%") as world:
        eyes = watched(world)
        world.cable.rule(Always(Delay(MILLISECOND)))
        send(world.cable.ends[0], 1)
        world.network.run(asyncio.sleep(1))
    assert eyes.comments == ["delayed by link client-server, rule 1"]
    assert eyes.fates == [(MILLISECOND, "client.eth0", 0, "lost by link client-server (loss 100%)")]


class Always:
    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    def __call__(self, _: Passing) -> Verdict:
        return self._verdict


@pytest.mark.parametrize(
    ("words", "comment"),
    [
        ("loss 100%", "lost by link client-server (loss 100%)"),
        ("duplicate 100%", "duplicated by link client-server"),
        ("corrupt 100%", "corrupted by link client-server"),
        ("delay 1ms reorder 100%", "reordered by link client-server"),
        ("duplicate 100% corrupt 100%", "duplicated by link client-server; corrupted by link client-server"),
    ],
)
def test_comments_tell_the_fate_of_what_was_sent(words: str, comment: str) -> None:
    with two_hosts(words) as world:
        eyes = watched(world)
        send(world.cable.ends[0], 1)
    assert eyes.comments == [comment]


def test_comments_tell_of_full_queues_and_of_managed_ones() -> None:
    with two_hosts("rate 1mbit limit 1") as world:
        eyes = watched(world)
        send(world.cable.ends[0], 3)
        assert eyes.comments == [None, None, "dropped: queue of client-server full"]
        world.cable.impair("rate 1mbit red limit 9 min 1 max 2 weight 100%")
        send(world.cable.ends[0], 5)
    assert eyes.comments[-1] == "dropped by red of client-server"


def test_what_codel_drops_is_told_when_it_happens() -> None:
    with two_hosts("rate 1mbit codel") as world:
        eyes = watched(world)
        for _ in range(10):
            send(world.cable.ends[0], 100)
        world.network.run(asyncio.sleep(1))
    assert set(eyes.comments) == {None}
    assert len(eyes.fates) == world.cable.counters["CableDropped"] > 5
    when, label, _, comment = eyes.fates[0]
    assert (when // MILLISECOND, label, comment) == (105, "client.eth0", "dropped by codel of client-server")


def test_the_queue_in_front_of_the_rate_may_be_looked_at() -> None:
    with two_hosts("rate 1mbit") as world:
        send(world.cable.ends[0], 3)
        assert world.cable.ends[0].backlog == (2, 200)
        assert world.cable.ends[0].towards == "client-server>server"
        assert world.cable.ends[1].backlog == (0, 0)
        assert world.cable.ends[1].towards == "client-server>client"


def test_on_a_hub_rules_see_what_concerns_the_host_that_it_goes_to() -> None:
    with Network() as network:
        hub, eyes = three_hosts(network)
        seen = list[tuple[str, str, int]]()

        def look(passing: Passing) -> Verdict | None:
            seen.append((passing.source, passing.destination, passing.packet.head[-1]))
            return DROP if passing.destination == "c" else None

        hub.rule(look)
        a, b, c = hub.ends
        for packet in (to(b, 1), to(c, 2), broadcast(3)):
            a.send(packet, a.pump.now())
        network.run(asyncio.sleep(1))
    assert seen == [("a", "b", 1), ("a", "c", 2), ("a", "b", 3), ("a", "c", 3)]
    assert [(label, number) for _, label, number in eyes.arrived()] == [
        ("b.eth0", 1),
        ("c.eth0", 1),
        ("b.eth0", 2),
        ("b.eth0", 3),
    ]
    assert eyes.fates == [(0, "a.eth0", number, "dropped by link a-b-c, rule 1") for number in (2, 3)]
    assert a.towards == "a-b-c>"


def test_a_hub_may_have_another_network_towards_one_host() -> None:
    with Network() as network:
        hub, eyes = three_hosts(network, "delay 1ms")
        hub.impair("delay 5ms", towards="c")
        hub.impair("delay 7ms", towards="c")
        hub.down(towards="b")
        a, *_ = hub.ends
        a.send(broadcast(1), a.pump.now())
        network.run(asyncio.sleep(1))
    assert eyes.arrived() == [(8 * MILLISECOND, "c.eth0", 1)]
    assert eyes.fates == [(MILLISECOND, "a.eth0", 1, "dropped: link a-b-c is down")]


def test_what_is_said_of_all_directions_takes_back_what_was_said_of_one() -> None:
    with Network() as network:
        hub, eyes = three_hosts(network)
        hub.impair("delay 5ms", towards="c")
        hub.impair("delay 1ms")
        a, *_ = hub.ends
        a.send(broadcast(1), a.pump.now())
        network.run(asyncio.sleep(1))
    assert [when for when, *_ in eyes.arrived()] == [MILLISECOND] * 2


def test_a_rule_that_never_matched_is_warned_of_when_the_cable_is_closed() -> None:
    with two_hosts() as world:
        world.cable.rule(drop(port=81))
        with pytest.warns(UnusedRuleWarning, match=r"rule 1 of link client-server: drop\(port=81\) never matched"):
            world.cable.close()


async def upload(octets: int, server: str = "server") -> None:
    reader, writer = await asyncio.open_connection(server, 7)
    writer.write(bytes(octets))
    writer.write_eof()
    assert await reader.read() == str(octets).encode()
    writer.close()
    await writer.wait_closed()


def transfer(world: World, octets: int) -> None:
    async def main() -> None:
        await world.server.run(serve(swallow))
        await world.client.run(upload(octets))

    world.run(main)


def test_the_syn_ack_can_be_lost_and_comes_again_after_a_second() -> None:
    with two_hosts() as world:
        with world.cable.rule(drop(syn=True, ack=True, first=1)) as rule:
            transfer(world, 10)
        assert rule.matched == 1
        assert 1.0 <= world.elapsed() < 1.1


def test_observers_see_single_packets_and_change_nothing() -> None:
    def run(words: str, *, is_watched: bool) -> tuple[float, dict[str, int], list[Packet]]:
        with two_hosts(words) as world:
            eyes = watched(world) if is_watched else Eyes()
            transfer(world, 500_000)
            return world.elapsed(), world.server.stack.counters.snapshot(), [packet for *_, packet in eyes.seen]

    for words in ("", "delay 3ms", "delay 3ms limit 20", "rate 100mbit"):
        *watched_run, seen = run(words, is_watched=True)
        *alone, _ = run(words, is_watched=False)
        assert watched_run == alone
        assert max(packet.octets for packet in seen) == 1514


def test_rules_of_a_hub_and_the_ways_out_of_it_meet_single_packets() -> None:
    with Network() as network:
        hub, eyes = three_hosts(network)
        sizes = set[int]()

        def look(passing: Passing) -> None:
            sizes.add(passing.packet.gso_size)

        async def main() -> None:
            await network.hosts["a"].run(serve(swallow))
            await network.hosts["b"].run(upload(100_000, "a"))
            hub.impair("rate 10mbit", towards="a")
            hub.rule(look).matched = 1
            await network.hosts["b"].run(upload(100_000, "a"))
            await network.hosts["c"].run(upload(100_000, "a"))

        network.run(main())
        assert network.elapsed > 2 * 100_000 * 8 / 10e6
    assert sizes == {0}
    assert max(packet.octets for *_, packet in eyes.seen) == 1514


class Depths(Observer):
    """How many packets wait whenever one is sent."""

    def __init__(self) -> None:
        self.depths: list[int] = []

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        if direction == "outbound" and end.pump.name == "client":
            self.depths.append(end.backlog[0])


@pytest.mark.parametrize("queue", ["codel ecn", "red limit 400 min 10 max 100 burst 20 probability 5% ecn"])
def test_marks_instead_of_losses_slow_down_a_sender_that_understands_them(queue: str) -> None:
    def run(ecn: Ecn, queue: str) -> tuple[dict[str, int], dict[str, int], int]:
        with Network(seed=5) as network:
            config = StackConfig(tcp=TcpConfig(options=OptionsConfig(ecn=ecn)))
            client, server = (network.host(name, config=config) for name in ("client", "server"))
            cable = network.link(client, server, "delay 10ms")
            cable.impair(f"rate 20mbit {queue} delay 10ms", towards="server")
            eyes = Depths()
            cable.observers.append(eyes)

            async def main() -> None:
                await server.run(serve(swallow))
                await client.run(upload(3_000_000))

            network.run(main())
            assert 3_000_000 * 8 / 20e6 < network.elapsed < 1.5
            return cable.counters.snapshot(), client.stack.counters.snapshot(), sum(eyes.depths) // len(eyes.depths)

    fates, sender, depth = run(Ecn.ACTIVE, queue)
    assert fates.keys() == {"CableMarked"}
    assert sender.get("RetransSegs", 0) == 0
    fates, sender, unmanaged = run(Ecn.ACTIVE, "limit 1000")
    assert fates == {}
    assert depth < unmanaged / 3
    fates, sender, _ = run(Ecn.OFF, queue)
    assert fates.keys() == {"CableDropped"}
    assert sender["RetransSegs"] > 0


def test_a_filter_takes_what_it_wants_before_the_host_sees_it() -> None:
    class Deaf(Filter):
        def __init__(self) -> None:
            self.heard = 0

        def on_arrival(self, interface: Interface, packet: Packet, now: Instant) -> Packet | None:
            self.heard += 1
            return packet if self.heard > 2 else None

    with Network(seed=1) as network:
        a, b = network.host("a", "192.0.2.1/24"), network.host("b", "192.0.2.2/24")
        cable = network.link(a, b)
        deaf = Deaf()
        cable.end(b).filters.append(deaf)
        result = network.run(a.ping("b", count=1))
        assert result.received == 1
        assert deaf.heard > 2


class Sizes(Filter):
    """Counts super-segments that reach a host."""

    def __init__(self) -> None:
        self.whole = 0

    def on_arrival(self, interface: Interface, packet: Packet, now: Instant) -> Packet | None:
        self.whole += packet.gso_size > 0
        return packet


def offloaded(
    words: str, *, offloads: bool = True, install: Callable[[World], object] | None = None
) -> tuple[int, int]:
    """How many super-segments of 3 MB reach the server whole, and when the upload is over, in ms."""
    with Network(1, offloads=offloads) as network:
        world = World(network, words)
        sizes = Sizes()
        network.loop.call_soon(lambda: world.cable.ends[1].filters.append(sizes))
        if install is not None:
            install(world)
        transfer(world, 3_000_000)
        return sizes.whole, round(world.elapsed() * 1000)


def test_with_offloads_a_rate_takes_super_segments_as_they_are_in_about_the_same_time() -> None:
    whole, took = offloaded("rate 50mbit delay 10ms")
    none, apart = offloaded("rate 50mbit delay 10ms", offloads=False)
    assert whole > 40
    assert none == 0
    assert apart <= took < 1.1 * apart


@pytest.mark.parametrize("words", ["rate 50mbit loss 0.1%", "rate 50mbit delay 10ms 1us", "rate 50mbit codel"])
def test_with_offloads_chances_and_active_queues_still_meet_single_packets(words: str) -> None:
    assert offloaded(words)[0] == 0


def test_with_offloads_rules_still_meet_single_packets() -> None:
    sizes = set[int]()

    def install(world: World) -> None:
        world.cable.rule(lambda passing: sizes.add(passing.packet.gso_size)).matched = 1

    assert offloaded("rate 50mbit", install=install)[0] == 0
    assert sizes == {0}


def test_with_offloads_a_super_segment_that_a_queue_has_no_room_for_is_cut_and_its_last_packets_are_lost() -> None:
    kept = list[World]()
    whole, _ = offloaded("rate 50mbit delay 10ms limit 60", install=kept.append)
    assert whole > 0
    assert 0 < kept[0].cable.counters["CableOverlimit"] < 500


def test_with_offloads_who_watches_sees_single_packets_and_changes_nothing() -> None:
    eyes = Eyes()
    watched_run = offloaded("rate 50mbit delay 10ms", install=lambda world: world.cable.observers.append(eyes))
    assert watched_run == offloaded("rate 50mbit delay 10ms")
    assert max(packet.octets for *_, packet in eyes.seen) == 1514
