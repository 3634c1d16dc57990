"""Linux's out-of-order queue and its SACK blocks."""

from halfopen.tcp.config import BufferConfig
from halfopen.tcp.linux_early import DROPPED, EarlyPackets
from halfopen.tcp.linux_memory import Memory, Packet, cost


class Queue:
    """Such a queue with its buffer."""

    def __init__(self, octets: int = 40_000) -> None:
        self.memory = Memory(BufferConfig(receive=octets, receive_initial=octets, window="linux"), 18_980, 1460)
        self.early = EarlyPackets()

    def put(self, *ranges: tuple[int, int]) -> list[int]:
        charges = []
        for start, end in ranges:
            self.early.insert(start, end, (bytes(end - start),))
            charge = self.early.keep(Packet(start, end, end - start), self.memory)
            self.memory.used += max(charge, 0)
            charges.append(charge)
        return charges

    def told(self, limit: int = 4) -> list[tuple[int, int]]:
        return self.early.report(limit)

    def kept(self) -> list[tuple[int, int]]:
        return [(packet.start, packet.end) for packet in self.early.packets]


def test_the_block_that_grew_last_leads_and_the_fifth_is_forgotten() -> None:
    queue = Queue()
    queue.put((2000, 3000), (4000, 5000), (6000, 7000), (8000, 9000), (10_000, 11_000))
    assert queue.told() == [(10_000, 11_000), (8000, 9000), (6000, 7000), (4000, 5000)]
    assert queue.early.has_many
    queue.put((1000, 2000))
    assert queue.told() == [(1000, 2000), (10_000, 11_000), (8000, 9000), (6000, 7000)]


def test_blocks_that_come_to_touch_are_one() -> None:
    queue = Queue()
    queue.put((2000, 3000), (4000, 5000), (3000, 4000))
    assert queue.told() == [(2000, 5000)]
    assert not queue.early.has_many
    assert queue.told(0) == []


def test_what_is_there_already_is_dropped_and_told() -> None:
    queue = Queue()
    assert queue.put((2000, 3000), (2200, 2300)) == [2304, DROPPED]
    assert queue.told() == [(2200, 2300), (2000, 3000)]
    assert queue.told() == [(2000, 3000)]


def test_the_latest_duplicate_is_told_and_one_that_follows_in_the_same_segment_widens_it() -> None:
    queue = Queue()
    queue.early.note_duplicate(1, 1)
    assert not queue.early.has_report
    queue.put((2000, 3000), (4000, 5000), (2100, 2200))
    queue.put((2500, 4500))
    assert queue.told()[0] == (2500, 3000)
    assert queue.kept() == [(2000, 3000), (2500, 4500), (4000, 5000)]


def test_a_segment_takes_the_place_of_packets_that_it_covers() -> None:
    queue = Queue()
    queue.put((2000, 3000), (3500, 4000), (2000, 5000))
    assert queue.kept() == [(2000, 5000)]
    assert queue.memory.used == 4352
    assert queue.told() == [(2000, 3000), (2000, 5000)]


def test_short_text_goes_into_the_packet_before_it() -> None:
    queue = Queue()
    assert queue.put((2000, 3000), (3000, 3050)) == [2304, 0]
    assert queue.kept() == [(2000, 3050)]


def test_what_is_in_order_now_is_the_readers() -> None:
    queue = Queue()
    queue.put((2000, 3000), (3000, 4000), (5000, 6000))
    queue.memory.put(Packet(1000, 2500, 1500))
    queue.early.release(2500, queue.memory)
    assert queue.kept() == [(5000, 6000)]
    assert queue.told() == [(2000, 2500), (5000, 6000)]
    queue.early.release(6000, queue.memory)
    assert queue.told() == [(5000, 6000)]
    assert queue.told() == []
    assert (queue.kept(), queue.early.reach) == ([], 0)


def test_a_packet_that_is_covered_by_what_came_is_dropped() -> None:
    queue = Queue()
    queue.put((2000, 2500))
    queue.memory.put(Packet(1000, 3000, 2000))
    queue.early.release(3000, queue.memory)
    assert queue.told() == [(2000, 2500)]
    assert queue.memory.used == cost(2040)


def test_pruning_begins_at_the_far_end_and_forgets_all_sacks() -> None:
    queue = Queue(8000)
    queue.put((2000, 3000), (4000, 5000), (6000, 7000), (8000, 9000))
    assert queue.early.reach == 9000
    queue.memory.used += 20_000
    assert queue.early.prune(7000, queue.memory)
    queue.memory.used -= 20_000
    assert queue.kept() == [(2000, 3000), (4000, 5000), (6000, 7000)]
    assert [(block.start, block.end) for block in queue.early.blocks] == [(2000, 3000), (4000, 5000), (6000, 7000)]
    assert queue.told() == []


def test_pruning_goes_on_until_there_is_room_and_stops_at_the_newcomer() -> None:
    queue = Queue(8000)
    queue.put((2000, 3000), (4000, 5000))
    queue.memory.used += 20_000
    assert queue.early.prune(3500, queue.memory)
    assert queue.kept() == [(2000, 3000)]
    assert queue.early.prune(1000, queue.memory)
    assert queue.kept() == []
    assert not queue.early.prune(1000, queue.memory)


def test_pruned_octets_that_another_packet_has_too_stay() -> None:
    queue = Queue(4000)
    queue.put((2000, 3000), (2500, 3500))
    assert queue.early.prune(2400, queue.memory)
    assert [(block.start, block.end) for block in queue.early.blocks] == [(2000, 3000)]


def test_packets_in_a_row_are_made_compact_and_lonely_ones_are_not() -> None:
    queue = Queue()
    queue.put(*((at, at + 600) for at in range(2000, 5600, 600)), (9000, 9600))
    assert queue.memory.used == 7 * 1280
    assert queue.early.compact(queue.memory) == 6
    assert queue.kept() == [(2000, 5600), (9000, 9600)]
    assert queue.memory.used == 4352 + 1280


def test_a_long_lonely_one_is_made_compact() -> None:
    queue = Queue(200_000)
    queue.put((2000, 5800))
    assert queue.early.compact(queue.memory) == 1
    assert queue.kept() == [(2000, 5776), (5776, 5800)]
    assert Queue().early.compact(queue.memory) == 0


def test_forgetting_takes_all() -> None:
    queue = Queue()
    queue.put((2000, 3000), (2000, 2500))
    queue.early.forget()
    assert (queue.kept(), queue.told(), queue.early.blocks) == ([], [], [])


def test_what_is_abandoned_can_still_be_told() -> None:
    queue = Queue()
    queue.put((2000, 3000), (2000, 2500))
    queue.early.abandon()
    assert (queue.kept(), queue.early.blocks) == ([], [])
    assert queue.early.has_report
    assert queue.told() == [(2000, 2500), (2000, 3000)]


def test_pruning_does_not_stop_before_an_eighth_of_the_buffer_is_free() -> None:
    queue = Queue(40_000)
    queue.put((2000, 3000), (4000, 5000), (6000, 7000), (8000, 9000))
    assert queue.early.prune(1000, queue.memory)
    assert queue.kept() == [(2000, 3000)]
