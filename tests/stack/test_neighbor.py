from halfopen.base.clock import NEVER, SECOND
from halfopen.stack.config import ArpConfig
from halfopen.stack.interface import Interface
from halfopen.stack.neighbor import DELAY, FAILED, INCOMPLETE, REACHABLE, STALE, Neighbor, NeighborTable
from halfopen.wire.packet import Packet
from tests.stack.world import GATEWAY, OTHER, OUR_MAC, PEER, PEER_MAC

CONFIG = ArpConfig(table_size=20, queue_packets=2, queue_octets=250)


def make() -> tuple[NeighborTable, Interface]:
    return NeighborTable(CONFIG, 30 * SECOND), Interface("eth0", "ethernet", mac=OUR_MAC)


def create(table: NeighborTable, interface: Interface, address: bytes = PEER, now: int = 0) -> Neighbor:
    entry = table.create(interface, address, now)
    assert entry is not None
    return entry


def test_an_entry_starts_incomplete_and_with_no_header() -> None:
    entry = create(*make())
    assert (entry.state, entry.header, entry.fast_until) == (INCOMPLETE, b"", 0)


def test_a_bound_entry_has_the_whole_link_header_ready() -> None:
    entry = create(*make())
    entry.bind(PEER_MAC)
    assert entry.header == PEER_MAC + OUR_MAC + b"\x08\x00"


def test_a_confirmation_lasts_the_reachable_time() -> None:
    entry = create(*make())
    entry.bind(PEER_MAC)
    entry.confirm(SECOND)
    assert entry.state_at(31 * SECOND - 1) is REACHABLE
    assert entry.state_at(31 * SECOND) is STALE


def test_without_a_link_address_there_is_nothing_to_confirm() -> None:
    entry = create(*make())
    entry.confirm(SECOND)
    assert entry.state is INCOMPLETE


def test_entries_are_told_apart_by_interface() -> None:
    table, first = make()
    second = Interface("eth1", "ethernet", mac=OUR_MAC)
    entry = create(table, first)
    assert table.get(first, PEER) is entry
    assert table.get(second, PEER) is None


def test_the_queue_is_bounded_in_packets_and_in_octets() -> None:
    table, interface = make()
    entry = create(table, interface)
    assert [table.enqueue(entry, Packet(bytes(10))) for _ in range(3)] == [0, 0, 1]
    assert table.enqueue(entry, Packet(bytes(200), (bytes(45),))) == 2
    assert table.enqueue(entry, Packet(bytes(251))) == 2
    assert table.drain(entry) == []


def test_what_is_drained_makes_room_again() -> None:
    table, interface = make()
    entry, other = create(table, interface), create(table, interface, OTHER)
    table.enqueue(entry, Packet(bytes(200)))
    assert table.enqueue(other, Packet(bytes(200))) == 1
    assert len(table.drain(entry)) == 1
    assert table.enqueue(other, Packet(bytes(200))) == 0


def test_deadlines_come_due_at_their_time() -> None:
    table, interface = make()
    entry = create(table, interface)
    table.set_deadline(entry, 5 * SECOND)
    assert table.earliest == 5 * SECOND
    assert table.pop_due(5 * SECOND - 1) == []
    assert table.pop_due(5 * SECOND) == [entry]


def test_a_forgotten_entry_is_of_no_use_to_who_kept_it() -> None:
    table, interface = make()
    entry = create(table, interface)
    entry.bind(PEER_MAC)
    entry.confirm(0)
    table.remove(entry)
    assert (entry.state, entry.header, entry.fast_until, entry.deadline) == (FAILED, b"", 0, NEVER)
    assert table.get(interface, PEER) is None


def test_an_unused_entry_expires_after_the_stale_time_from_its_last_confirmation() -> None:
    table, interface = make()
    entry = create(table, interface)
    entry.bind(PEER_MAC)
    entry.confirm(0)
    assert table.pop_due(60 * SECOND) == []
    assert table.earliest == 90 * SECOND
    table.pop_due(90 * SECOND)
    assert len(table) == 0
    assert table.earliest == NEVER


def test_room_is_made_by_turns_so_that_an_entry_in_doubt_is_found_at_last() -> None:
    table, interface = make()
    for last in range(20):
        entry = create(table, interface, bytes([192, 0, 2, last]))
        entry.state = DELAY if last < 19 else STALE
    assert table.create(interface, GATEWAY, 0) is None
    assert table.create(interface, GATEWAY, 0) is not None
    assert len(list(table)) == 20


def test_an_entry_says_what_it_is() -> None:
    assert repr(create(*make())) == "Neighbor(c0000202, incomplete, )"
