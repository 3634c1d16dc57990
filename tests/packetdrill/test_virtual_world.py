from collections.abc import Iterator

import pytest

from halfopen.base.clock import NEVER, SECOND, Instant
from halfopen.packetdrill.captured import capture, segment_of
from halfopen.packetdrill.errors import Mismatch
from halfopen.packetdrill.script import Call, Position
from halfopen.packetdrill.settings import RunOptions, Settings
from halfopen.packetdrill.world import World
from halfopen.packetdrill.worlds import open_world
from halfopen.wire.tcp import SYN
from tests.packetdrill.parsing import action

NOWHERE = Position(1, 1)


@pytest.fixture
def world() -> Iterator[World]:
    with open_world(Settings(), RunOptions()) as opened:
        opened.begin()
        yield opened


def make(world: World, text: str) -> None:
    call = action(text)
    assert isinstance(call, Call)
    world.calls.start(call, NOWHERE).poll()


def connect(world: World) -> None:
    make(world, "socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3")
    make(world, "connect(3, ..., ...) = -1 EINPROGRESS")


def test_time_passes_only_as_far_as_it_is_told(world: World) -> None:
    start = world.now
    world.run_until(start + 3 * SECOND)
    assert world.now == start + 3 * SECOND


def test_an_instant_that_has_passed_does_not_come_back(world: World) -> None:
    start = world.now
    world.run_until(start - SECOND)
    assert world.now == start


def test_time_passes_until_the_host_sends(world: World) -> None:
    connect(world)
    start = world.now
    times = [emitted.when - start for _ in range(2) if (emitted := world.next_output(start + 9 * SECOND))]
    assert times == [0, SECOND]
    assert world.now == start + SECOND


def test_if_the_host_sends_nothing_the_time_is_over(world: World) -> None:
    start = world.now
    assert world.next_output(start + SECOND) is None
    assert world.now == start + SECOND


def test_where_nothing_is_ever_due_waiting_for_ever_ends_at_once(world: World) -> None:
    start = world.now
    assert world.next_output(NEVER) is None
    assert world.now == start


def test_waiting_ends_when_there_is_no_more_reason_to(world: World) -> None:
    connect(world)
    start, looked = world.now, iter([True, True, False])
    world.run_while(lambda: next(looked, False), start + 60 * SECOND)
    assert world.now < start + 60 * SECOND


def test_whoever_watches_is_called_when_he_wants_to_be(world: World) -> None:
    start = world.now
    called: list[Instant] = []

    def watch() -> Instant:
        called.append(world.now)
        return start + SECOND if world.now < start + SECOND else NEVER

    world.watch = watch
    world.run_until(start + 5 * SECOND)
    assert start + SECOND in called


def test_what_arrives_is_answered_at_the_same_instant(world: World) -> None:
    connect(world)
    emitted = world.next_output(world.now)
    assert emitted is not None
    (captured,) = capture(emitted)
    assert segment_of(captured).flags & SYN
    world.inject(emitted.packet)  # A datagram from the host's own address: dropped, not answered.
    assert world.next_output(world.now) is None


def test_a_code_block_needs_a_socket(world: World) -> None:
    with pytest.raises(Mismatch, match="no socket under test"):
        world.code("assert True", NOWHERE, None)


def test_variables_of_code_blocks_persist(world: World) -> None:
    connect(world)
    world.code("before = tcpi_state", NOWHERE, 3)
    world.code("assert before == TCP_SYN_SENT", NOWHERE, 3)


def test_commands_change_the_host(world: World) -> None:
    world.shell("tc qdisc replace dev tun0 root pfifo limit 0", NOWHERE)
    connect(world)
    assert world.next_output(world.now) is None
