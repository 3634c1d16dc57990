from halfopen.base.clock import SECOND
from halfopen.base.rng import SeededRng
from halfopen.stack.config_ndp import NdpConfig
from halfopen.stack.neighbor import DELAY, INCOMPLETE, REACHABLE
from halfopen.stack.nud import random_reachable_time, with_link_header
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from tests.stack.ndp_world import PEER_MAC, NdpWorld, advertisement, is_ndp


def data_of(world: NdpWorld) -> list[Packet]:
    return [packet for packet in world.sent() if not is_ndp(packet)]


def test_the_first_datagram_for_an_unknown_neighbor_waits_and_asks_once() -> None:
    world = NdpWorld()
    world.sends()
    world.sends()
    assert len(world.said()) == 1
    assert world.state() is INCOMPLETE


def test_of_what_waits_the_oldest_goes_first() -> None:
    world = NdpWorld(NdpConfig(queue_packets=2))
    for _ in range(3):
        world.sends()
    world.sent()
    world.takes(advertisement())
    assert len(data_of(world)) == 2
    assert world.counters["NeighQueueDrops"] == 1


def test_a_confirmed_neighbor_is_sent_to_without_a_question() -> None:
    world = NdpWorld()
    world.sends()
    world.takes(advertisement())
    world.sent()
    world.sends(now=SECOND)
    assert [packet.head[:6] for packet in world.sent()] == [PEER_MAC]
    assert world.state() is REACHABLE


def test_a_stale_neighbor_is_sent_to_while_somebody_may_confirm_it() -> None:
    world = NdpWorld()
    world.sends()
    world.takes(advertisement())
    world.sent()
    world.sends(now=50 * SECOND)
    world.sends(now=51 * SECOND)
    assert len(data_of(world)) == 2
    assert world.state() is DELAY


def test_what_is_sent_to_a_neighbor_that_has_not_answered_is_undeliverable_at_once() -> None:
    world = NdpWorld()
    world.sends()
    world.runs(3 * SECOND)
    world.sends(now=3 * SECOND)
    assert len(world.layer.neighbors.undeliverable) == 2
    assert world.counters["NeighUnreachableDrops"] == 1
    world.layer.neighbors.on_deadline(4 * SECOND)
    assert world.state() is None


def test_a_neighbor_that_is_being_probed_is_not_asked_twice_at_once() -> None:
    world = NdpWorld(NdpConfig(trust_claims=False))
    world.sends()
    world.takes(advertisement())
    world.sent()
    for _ in range(2):
        world.takes(advertisement(mac=bytes.fromhex("020000000066")))
    assert len(world.said()) == 1


def test_the_reachable_time_is_spread_around_its_base() -> None:
    rng = SeededRng("reachable")
    drawn = {random_reachable_time(30 * SECOND, rng) for _ in range(50)}
    assert len(drawn) > 40
    assert all(15 * SECOND <= each < 45 * SECOND for each in drawn)
    assert random_reachable_time(0, rng) == 0


def test_the_marks_of_a_packet_move_behind_the_link_header() -> None:
    packet = Packet(b"ip", (b"body",), CHECKSUM_PARTIAL, 40, 16, 1440)
    framed = with_link_header(bytes(14), packet)
    assert (framed.head, framed.body) == (bytes(14) + b"ip", (b"body",))
    assert (framed.checksum, framed.checksum_start, framed.checksum_offset, framed.gso_size) == (
        CHECKSUM_PARTIAL,
        54,
        16,
        1440,
    )
