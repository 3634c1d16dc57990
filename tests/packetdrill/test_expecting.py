from collections.abc import Iterator

import pytest

from halfopen.base.clock import SECOND
from halfopen.packetdrill.addressing import FIRST_REMOTE_PORT
from halfopen.packetdrill.errors import Mismatch, Unsupported
from halfopen.packetdrill.expecting import Outbound
from halfopen.packetdrill.inbound import build
from halfopen.packetdrill.mapping import Timestamps
from halfopen.packetdrill.script import Position
from halfopen.packetdrill.settings import RunOptions, Settings
from halfopen.packetdrill.tested import Tracker
from halfopen.packetdrill.world import World
from halfopen.packetdrill.worlds import open_world
from tests.packetdrill.parsing import packet

NOWHERE = Position(1, 1)


class Exchange:
    """What a script says to a host where nobody listens, and what comes of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tracker = Tracker(Settings().addressing, Timestamps())
        self.outbound = Outbound(world, self.tracker, Settings())

    def inject(self, line: str) -> None:
        self.world.inject(build(packet(line), self.tracker, 0))

    def expect(self, line: str) -> int:
        return self.outbound.expect(packet(line), NOWHERE, self.world.now + SECOND, 0) - self.world.now


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with open_world(Settings(), RunOptions()) as world:
        yield Exchange(world)


def test_what_is_sent_is_compared_and_its_time_told(exchange: Exchange) -> None:
    exchange.inject("< . 1:1(0) ack 7 win 5")
    assert exchange.expect("> R 7:7(0)") == 0


def test_all_that_differs_is_told_with_what_was_seen(exchange: Exchange) -> None:
    exchange.inject("< . 1:1(0) ack 7 win 5")
    with pytest.raises(Mismatch, match=r"flags: expected R\., saw R; sequence number: expected 8, saw 7") as told:
        exchange.expect("> R. 8:8(0)")
    assert told.value.seen == "> R 7:7(0) win 0"


def test_nothing_within_the_time_is_told(exchange: Exchange) -> None:
    with pytest.raises(Mismatch, match="no packet is sent"):
        exchange.expect("> R 7:7(0)")


def test_a_packet_of_another_protocol_is_told(exchange: Exchange) -> None:
    exchange.inject("< udp (10)")
    with pytest.raises(Mismatch, match="another protocol"):
        exchange.expect("> . 1:1(0) ack 1")


def test_packets_of_other_connections_are_passed_over(exchange: Exchange) -> None:
    exchange.inject(f"< {FIRST_REMOTE_PORT + 9} > 8080 . 1:1(0) ack 9 win 5")
    exchange.inject("< . 1:1(0) ack 7 win 5")
    exchange.expect("> R 7:7(0)")


def test_what_nobody_has_asked_for_is_left(exchange: Exchange) -> None:
    exchange.inject("< . 1:1(0) ack 7 win 5")
    assert len(list(exchange.outbound.leftovers())) == 1
    assert not list(exchange.outbound.drain())


def test_encapsulated_packets_are_not_supported(exchange: Exchange) -> None:
    with pytest.raises(Unsupported):
        exchange.expect("> ipv4 192.0.2.1 > 192.0.2.2: . 1:1(0) ack 1")
