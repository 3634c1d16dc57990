from itertools import pairwise

import pytest

from halfopen.base.addresses import IPV4_ANY, MAC_BROADCAST, Prefix
from halfopen.base.clock import NEVER, SECOND
from halfopen.stack.config import ArpConfig, StackConfig
from halfopen.wire import arp, ethernet
from tests.stack.world import ATTACKER_MAC, OTHER, OUR_MAC, OURS, PEER, World, arp_frame, arp_of, tap

START = 1000 * SECOND


def probing(**settings: object) -> World:
    world = World(StackConfig(arp=ArpConfig(**settings)))  # type: ignore[arg-type]  # fields by name
    world.interfaces.append(world.host.add_interface(tap(probe=True), START))
    return world


def using(**settings: object) -> World:
    return World(StackConfig(arp=ArpConfig(**settings)), tap())  # type: ignore[arg-type]  # fields by name


@pytest.mark.rfc("5227", "5227.1", "5227.3")
def test_an_address_is_probed_three_times_then_announced_twice_and_then_used() -> None:
    world = probing()
    assert world.interface.addresses == []
    log = [(when, arp_of(packet)) for when, packet in world.runs(START + 60 * SECOND)]
    assert [message.sender_address for _, message in log] == [IPV4_ANY] * 3 + [OURS] * 2
    assert {message.target_address for _, message in log} == {OURS}
    times = [when for when, _ in log]
    assert 0 <= times[0] - START < SECOND
    assert all(SECOND <= later - earlier < 2 * SECOND for earlier, later in pairwise(times[:3]))
    assert [times[3] - times[2], times[4] - times[3]] == [2 * SECOND, 2 * SECOND]
    assert world.host.ip.owns(OURS)
    assert world.host.routes.lookup(PEER) is not None
    assert world.host.next_deadline() == NEVER


def test_probes_and_announcements_are_broadcast() -> None:
    world = probing()
    assert {ethernet.parse(packet.head)[0] for _, packet in world.runs(START + 60 * SECOND)} == {MAC_BROADCAST}


@pytest.mark.rfc("5227", "5227.2")
@pytest.mark.parametrize(
    "objection",
    [
        arp_frame(arp.REPLY, sender=OURS, target=IPV4_ANY, mac=ATTACKER_MAC),
        arp_frame(arp.REQUEST, sender=OURS, target=PEER, mac=ATTACKER_MAC),
        arp_frame(arp.REQUEST, sender=IPV4_ANY, target=OURS, mac=ATTACKER_MAC),
    ],
    ids=["reply", "request", "probe"],
)
def test_an_objection_while_probing_makes_the_address_unusable(objection: bytes) -> None:
    world = probing()
    world.runs(START + 2 * SECOND)
    world.takes(objection, START + 2 * SECOND)
    assert world.runs(START + 60 * SECOND) == []
    assert not world.host.ip.owns(OURS)
    conflict = world.host.arp.conflicts.poll_conflict()
    assert conflict is not None
    assert (conflict.address, conflict.claimant, conflict.lost) == (OURS, ATTACKER_MAC, True)
    assert world.host.arp.conflicts.poll_conflict() is None


def test_an_address_that_is_being_probed_answers_no_request() -> None:
    world = probing()
    world.takes(arp_frame(arp.REQUEST), START)
    assert world.sent(START) == []


@pytest.mark.rfc("5227", "5227.5")
def test_the_probe_of_another_is_answered_and_teaches_us_nothing() -> None:
    world = using().takes(arp_frame(arp.REQUEST, sender=IPV4_ANY, mac=ATTACKER_MAC))
    (answer,) = world.sent()
    assert (arp_of(answer).operation, arp_of(answer).sender_mac) == (arp.REPLY, OUR_MAC)
    assert len(world.host.arp.table) == 0
    assert world.host.arp.conflicts.poll_conflict() is None


@pytest.mark.rfc("5227", "5227.4")
def test_an_address_in_use_is_defended_once_in_ten_seconds() -> None:
    world = using()
    claim = arp_frame(arp.REQUEST, sender=OURS, target=PEER, mac=ATTACKER_MAC)
    sent = []
    for second in (0, 1, 9, 10, 11, 20):
        world.takes(claim, second * SECOND)
        sent += [(second, arp_of(packet)) for packet in world.sent(second * SECOND)]
    assert [second for second, _ in sent] == [0, 10, 20]
    assert all((message.sender_address, message.target_address) == (OURS, OURS) for _, message in sent)
    assert world.counters["ArpAddressConflicts"] == 6
    assert world.host.ip.owns(OURS)


@pytest.mark.rfc("5227", "5227.4")
def test_without_defence_a_second_conflict_within_ten_seconds_gives_the_address_up() -> None:
    world = using(defend=False)
    claim = arp_frame(arp.REQUEST, sender=OURS, target=PEER, mac=ATTACKER_MAC)
    path = world.host.ip.find_path(PEER, None, 0)
    world.takes(claim, 0).takes(claim, 10 * SECOND)
    assert world.host.ip.owns(OURS)
    world.takes(claim, 11 * SECOND)
    assert not world.host.ip.owns(OURS)
    assert world.host.routes.lookup(PEER) is None
    assert path.is_stale
    assert world.counters["ArpAddressesLost"] == 1


def test_an_address_that_was_removed_is_not_defended() -> None:
    world = using()
    world.host.remove_address(world.interface, OURS)
    world.takes(arp_frame(arp.REQUEST, sender=OURS, target=PEER, mac=ATTACKER_MAC))
    assert world.sent() == []
    assert len(world.host.routes) == 0


def test_an_address_may_be_added_later() -> None:
    world = using()
    world.host.add_address(world.interface, PEER, Prefix.of(PEER, 24), 0)
    assert world.host.ip.owns(PEER)
    (answer,) = world.takes(arp_frame(arp.REQUEST, sender=OTHER, target=PEER)).sent()
    assert arp_of(answer).sender_address == PEER
