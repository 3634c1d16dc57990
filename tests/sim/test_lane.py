from halfopen.base.clock import MICROSECOND, MILLISECOND
from halfopen.base.counters import Counters
from halfopen.base.netem import parse
from halfopen.base.rng import SeededRng
from halfopen.sim.lane import Lane
from halfopen.sim.scheduler import START, Scheduler
from halfopen.wire.channel import LOST, Channel
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet


class Way:
    """A lane, and what has come out of it."""

    def __init__(self, words: str) -> None:
        self.scheduler = Scheduler()
        self.arrived: list[tuple[int, Packet]] = []
        self.told: list[tuple[int, str]] = []
        channel = Channel(parse(words), 0, SeededRng(1), Counters(), "Cable")
        self.lane = Lane(self.scheduler, channel, self.take, lambda: "a-b", self.tell)

    def take(self, packet: Packet, now: int) -> None:
        self.arrived.append((now - START, packet))

    def tell(self, packet: Packet, now: int, comment: str) -> None:
        self.told.append((now - START, comment))

    def admit(self, packet: Packet) -> int:
        return self.lane.admit(packet, self.scheduler.now)

    def run(self) -> None:
        while self.scheduler.jump():
            pass


def test_one_event_waits_for_whatever_is_on_its_way() -> None:
    way = Way("delay 5ms")
    packets = [Packet(bytes(100)) for _ in range(200)]
    assert not any(way.admit(packet) for packet in packets)
    assert len(way.scheduler) == 1
    way.run()
    assert way.arrived == [(5 * MILLISECOND, packet) for packet in packets]


def test_what_overtakes_is_waited_for_first() -> None:
    way = Way("delay 5ms")
    first, second = Packet(bytes(100)), Packet(bytes(100))
    way.admit(first)
    way.lane.impair(parse("delay 1ms"))
    way.admit(second)
    assert len(way.scheduler) == 1
    way.run()
    assert way.arrived == [(MILLISECOND, second), (5 * MILLISECOND, first)]


def test_who_takes_a_packet_may_send_the_next() -> None:
    way = Way("delay 5ms")
    answers = [Packet(bytes(100)) for _ in range(3)]

    def answer(packet: Packet, now: int) -> None:
        way.arrived.append((now - START, packet))
        if answers:
            way.lane.admit(answers.pop(), now)

    channel = Channel(parse("delay 5ms"), 0, SeededRng(1), Counters(), "Cable")
    way.lane = Lane(way.scheduler, channel, answer, lambda: "a-b", way.tell)
    way.admit(Packet(bytes(100)))
    way.run()
    assert [when // MILLISECOND for when, _ in way.arrived] == [5, 10, 15, 20]


def test_fates_are_put_into_words() -> None:
    way = Way("loss 100%")
    assert way.lane.said(way.admit(Packet(bytes(100)))) == "lost by link a-b (loss 100%)"
    assert way.admit(Packet(bytes(100))) == LOST


def test_what_befalls_a_packet_later_is_told() -> None:
    way = Way("rate 1mbit codel")
    for _ in range(400):
        way.admit(Packet(bytes(100)))
    assert way.lane.backlog == (399, 39_900)
    way.run()
    assert way.told[0] == (105_600_000, "dropped by codel of a-b")
    assert len(way.arrived) + len(way.told) == 400


def test_a_rate_takes_super_segments_only_with_offloads() -> None:
    head = bytearray(40)
    head[32] = 5 << 4
    packet = Packet(bytes(head), (bytes(5000),), CHECKSUM_PARTIAL, 20, 16, 1000)
    way = Way("rate 1mbit")
    assert not way.lane.takes_whole(packet)
    way.lane.offloads = True
    assert way.lane.takes_whole(packet)
    way.admit(packet)
    way.run()
    assert way.arrived == [(5200 * 8 * MICROSECOND, packet)]
