import pytest

from halfopen.base.addresses import MAC_BROADCAST, MAC_ZERO, parse_address
from halfopen.base.clock import MILLISECOND, MINUTE, NEVER, SECOND
from halfopen.stack.config import ArpConfig, StackConfig
from halfopen.stack.datagram import HOST_UNREACHABLE
from halfopen.stack.internet import default_route
from halfopen.stack.neighbor import DELAY, FAILED, INCOMPLETE, PROBE, REACHABLE, STALE
from halfopen.stack.nud import with_link_header
from halfopen.wire import arp, ethernet
from halfopen.wire.packet import Packet
from tests.stack.world import (
    ATTACKER_MAC,
    FAR,
    GATEWAY,
    OTHER,
    OUR_MAC,
    OURS,
    PEER,
    PEER_MAC,
    World,
    arp_frame,
    arp_of,
    datagram,
    frame,
    is_arp,
    payload_of,
    tap,
    udp_outgoing,
)


def make(**settings: object) -> World:
    return World(StackConfig(arp=ArpConfig(**settings)), tap())  # type: ignore[arg-type]  # fields by name


def resolved(now: int = 0, **settings: object) -> World:
    """The peer's entry is REACHABLE since ``now``."""
    world = make(**settings)
    world.sends(PEER, 9, now)
    world.takes(arp_frame(arp.REPLY), now)
    world.sent(now)
    return world


def state(world: World, now: int = 0) -> object:
    entry = world.host.arp.table.get(world.interface, PEER)
    return entry.state_at(now) if entry else None


def mac(world: World) -> bytes | None:
    entry = world.host.arp.table.get(world.interface, PEER)
    return entry.mac if entry else None


@pytest.mark.rfc("826", "826.3")
def test_a_request_for_our_address_is_answered_to_the_one_who_asked() -> None:
    (answer,) = make().takes(arp_frame(arp.REQUEST)).sent()
    assert ethernet.parse(answer.head) == (PEER_MAC, OUR_MAC, ethernet.ETHERTYPE_ARP)
    message = arp_of(answer)
    assert (message.operation, message.sender_mac, message.sender_address) == (arp.REPLY, OUR_MAC, OURS)
    assert (message.target_mac, message.target_address) == (PEER_MAC, PEER)


@pytest.mark.rfc("1812", "1812.12")
@pytest.mark.rfc("826", "826.3")
def test_a_request_for_another_address_is_not_answered() -> None:
    assert make().takes(arp_frame(arp.REQUEST, target=OTHER)).sent() == []


def test_an_address_is_asked_for_on_its_own_interface_only() -> None:
    world = World(None, tap(), tap("tap1", "198.51.100.1/24", mac="02:00:00:00:00:11"))
    world.takes(arp_frame(arp.REQUEST, target=parse_address("198.51.100.1")))
    assert world.sent() == []


@pytest.mark.rfc("826", "826.1")
def test_a_malformed_packet_is_counted() -> None:
    world = make().takes(arp_frame(arp.REPLY)[:-1]).takes(frame(b"\0\7" + bytes(26), ethertype=0x0806))
    assert world.counters.snapshot() == {"ArpTruncated": 1, "ArpBadFormat": 1}


@pytest.mark.rfc("826", "826.4")
@pytest.mark.parametrize(
    ("sender", "sender_mac"),
    [(PEER, b"\xff" * 6), (PEER, MAC_ZERO), (PEER, b"\x01\0\x5e\0\0\1")]
    + [(parse_address(text), PEER_MAC) for text in ("224.0.0.1", "127.0.0.1", "255.255.255.255", "192.0.2.255")],
)
def test_an_impossible_sender_is_ignored(sender: bytes, sender_mac: bytes) -> None:
    request = arp_frame(arp.REQUEST, sender, mac=sender_mac)
    world = make().takes(frame(request[14:], destination=MAC_BROADCAST, ethertype=0x0806))
    assert world.sent() == []
    assert world.counters.snapshot() == {"ArpBadSender": 1}


@pytest.mark.rfc("826", "826.4")
def test_our_own_echo_is_ignored() -> None:
    world = make().takes(frame(arp_frame(arp.REQUEST, mac=OUR_MAC)[14:], source=PEER_MAC, ethertype=0x0806))
    assert world.counters.snapshot() == {"ArpOwnEcho": 1}


def test_a_datagram_waits_for_the_answer_and_then_goes_out_with_the_link_header() -> None:
    world = make()
    world.sends(PEER, 9)
    (question,) = world.sent()
    assert ethernet.parse(question.head) == (MAC_BROADCAST, OUR_MAC, ethernet.ETHERTYPE_ARP)
    message = arp_of(question)
    assert (message.operation, message.sender_address, message.target_address) == (arp.REQUEST, OURS, PEER)
    assert state(world) is INCOMPLETE
    (sent,) = world.takes(arp_frame(arp.REPLY)).sent()
    assert ethernet.parse(sent.head) == (PEER_MAC, OUR_MAC, ethernet.ETHERTYPE_IPV4)
    assert len(payload_of(sent, 14)) == 9
    assert state(world) is REACHABLE
    world.sends(PEER, 10)
    assert [len(payload_of(packet, 14)) for packet in world.sent()] == [10]


def test_several_datagrams_wait_in_order_and_ask_only_once() -> None:
    world = make()
    for octets in (9, 10, 11):
        world.sends(PEER, octets)
    assert len(world.sent()) == 1
    waiting = world.takes(arp_frame(arp.REPLY)).sent()
    assert [len(payload_of(packet, 14)) for packet in waiting] == [9, 10, 11]


@pytest.mark.rfc("826", "826.5")
def test_of_too_many_datagrams_the_oldest_go() -> None:
    world = make(queue_packets=3)
    for octets in (9, 10, 11, 12, 13):
        world.sends(PEER, octets)
    world.sent()
    waiting = world.takes(arp_frame(arp.REPLY)).sent()
    assert [len(payload_of(packet, 14)) for packet in waiting] == [11, 12, 13]
    assert world.counters["NeighQueueDrops"] == 2


def test_what_waits_is_bounded_in_octets_for_all_neighbours_together() -> None:
    world = make(queue_octets=2500)
    world.sends(OTHER, 1400)
    world.sends(PEER, 1400)
    assert world.counters["NeighQueueDrops"] == 1
    world.sends(PEER, 400)
    world.sent()
    assert [len(payload_of(packet, 14)) for packet in world.takes(arp_frame(arp.REPLY)).sent()] == [400]


@pytest.mark.rfc("826", "826.5")
def test_nobody_answers_three_requests_and_the_sender_is_told() -> None:
    world = make()
    world.sends(PEER, 9)
    log = world.runs(3 * SECOND)
    assert [when for when, packet in log if is_arp(packet)] == [0, SECOND, 2 * SECOND]
    assert state(world) is FAILED
    (error,) = world.udp.errors
    assert (error.kind, error.source, error.quoted.destination) == (HOST_UNREACHABLE, OURS, PEER)
    assert error.quoted.transport[:4] == b"\x04\xd2\x00\x35"


@pytest.mark.rfc("826", "826.5")
def test_after_a_failure_senders_are_told_at_once_and_a_second_later_somebody_is_asked_again() -> None:
    world = make()
    world.sends(PEER, 9)
    world.runs(3 * SECOND)
    world.sends(PEER, 9, 3 * SECOND + 1)
    assert world.sent(3 * SECOND + 1) == []
    assert len(world.udp.errors) == 2
    world.runs(4 * SECOND)
    assert state(world) is None
    world.sends(PEER, 9, 4 * SECOND + 1)
    assert [is_arp(packet) for packet in world.sent(4 * SECOND + 1)] == [True]


@pytest.mark.rfc("9293", "MUST-20")
@pytest.mark.rfc("826", "826.5")
def test_an_entry_grows_stale_and_is_probed_when_used() -> None:
    world = resolved()
    entry = world.host.arp.table.get(world.interface, PEER)
    assert entry is not None
    stale = entry.fast_until
    assert 15 * SECOND <= stale <= 45 * SECOND
    assert state(world, stale - 1) is REACHABLE
    assert state(world, stale) is STALE
    world.sends(PEER, 9, stale)
    assert [is_arp(packet) for packet in world.sent(stale)] == [False]
    assert state(world, stale) is DELAY
    log = [(when, arp_of(packet)) for when, packet in world.runs(stale + 7 * SECOND)]
    assert [when - stale for when, _ in log] == [5 * SECOND, 6 * SECOND, 7 * SECOND]
    assert entry.state is PROBE
    world.takes(arp_frame(arp.REPLY), stale + 7 * SECOND)
    assert state(world, stale + 7 * SECOND) is REACHABLE


def test_a_probe_goes_to_the_known_link_address() -> None:
    world = resolved()
    world.sends(PEER, 9, 50 * SECOND)
    log = world.runs(55 * SECOND)
    assert ethernet.parse(log[-1][1].head)[0] == PEER_MAC


@pytest.mark.rfc("9293", "MUST-20")
@pytest.mark.rfc("1122", "1122.10")
def test_an_entry_that_answers_no_probe_is_forgotten_and_asked_for_afresh() -> None:
    world = resolved()
    world.sends(PEER, 9, 50 * SECOND)
    world.runs(58 * SECOND)
    assert state(world) is None
    world.sends(PEER, 9, 58 * SECOND)
    (question,) = world.sent(58 * SECOND)
    assert ethernet.parse(question.head)[0] == MAC_BROADCAST
    assert world.udp.errors == []


@pytest.mark.rfc("1122", "1122.10")
def test_progress_of_a_transport_confirms_the_neighbour() -> None:
    world = resolved()
    path = world.host.ip.find_path(PEER, None, 0)
    world.sends(PEER, 9, 50 * SECOND)
    path.confirm(51 * SECOND)
    assert state(world, 51 * SECOND) is REACHABLE
    assert [packet for when, packet in world.runs(60 * SECOND) if is_arp(packet)] == []


def test_progress_confirms_nothing_about_an_entry_that_is_gone() -> None:
    world = resolved()
    path = world.host.ip.find_path(PEER, None, 0)
    entry = world.host.arp.table.get(world.interface, PEER)
    assert entry is not None
    world.host.arp.table.remove(entry)
    path.confirm(SECOND)
    assert entry.state is FAILED
    world.host.ip.send(path, udp_outgoing(9), SECOND)
    assert [is_arp(packet) for packet in world.sent(SECOND)] == [True]


def test_an_entry_that_nobody_uses_is_forgotten_and_then_no_timer_runs() -> None:
    world = resolved()
    world.runs(3 * MINUTE)
    assert state(world) is None
    assert world.host.next_deadline() == NEVER


def test_one_jump_of_time_equals_many() -> None:
    def history(step: int | None) -> list[bytes]:
        world = resolved()
        world.sends(PEER, 9, 50 * SECOND)
        world.sends(OTHER, 9, 50 * SECOND + 300 * MILLISECOND)
        sent = [packet.head for packet in world.sent(50 * SECOND)]
        end = 70 * SECOND
        now = 50 * SECOND
        while now < end:
            now = end if step is None else min(end, now + step)
            world.host.on_deadline(now)
            sent += [packet.head for packet in world.sent(now)]
        return sent + [repr(entry).encode() for entry in world.host.arp.table]

    assert history(None) == history(SECOND) == history(7 * MILLISECOND * 100)


@pytest.mark.rfc("826", "826.2")
def test_a_request_from_a_stranger_makes_no_entry() -> None:
    world = make().takes(arp_frame(arp.REQUEST))
    assert len(world.host.arp.table) == 0


def test_a_reply_that_nobody_asked_for_makes_no_entry() -> None:
    world = make().takes(arp_frame(arp.REPLY)).takes(arp_frame(arp.REPLY, target=PEER, destination=MAC_BROADCAST))
    assert len(world.host.arp.table) == 0
    assert world.counters["ArpUnsolicited"] == 2


@pytest.mark.parametrize("age", [SECOND, 50 * SECOND])
@pytest.mark.parametrize(
    "claim",
    [
        arp_frame(arp.REQUEST, mac=ATTACKER_MAC),
        arp_frame(arp.REPLY, mac=ATTACKER_MAC),
        arp_frame(arp.REQUEST, target=PEER, mac=ATTACKER_MAC),
        arp_frame(arp.REPLY, target=PEER, mac=ATTACKER_MAC, destination=MAC_BROADCAST),
    ],
    ids=["request", "reply", "announcement", "gratuitous reply"],
)
def test_a_forged_claim_does_not_overwrite_an_entry_fresh_or_stale(claim: bytes, age: int) -> None:
    world = resolved()
    for again in range(10):
        world.takes(claim, age + again)
    asked = [packet for packet in world.sent(age) if arp_of(packet).operation == arp.REQUEST]
    assert [ethernet.parse(packet.head)[0] for packet in asked] == [PEER_MAC]
    assert mac(world) == PEER_MAC
    assert world.counters["ArpClaimsRefused"] == 10
    world.takes(arp_frame(arp.REPLY), age + SECOND)
    assert state(world, age + SECOND) is REACHABLE
    world.sends(PEER, 9, age + SECOND)
    assert ethernet.parse(world.sent(age + SECOND)[-1].head)[0] == PEER_MAC


def test_a_failover_is_followed_after_the_old_owner_has_stayed_silent() -> None:
    world = resolved()
    announcement = arp_frame(arp.REQUEST, target=PEER, mac=ATTACKER_MAC)
    world.takes(announcement, SECOND)
    world.sent(SECOND)
    world.runs(4 * SECOND)
    assert state(world) is None
    world.sends(PEER, 9, 4 * SECOND)
    world.sent(4 * SECOND)
    world.takes(arp_frame(arp.REPLY, mac=ATTACKER_MAC), 4 * SECOND)
    assert mac(world) == ATTACKER_MAC


@pytest.mark.rfc("826", "826.1")
def test_with_trust_a_claim_overwrites_as_in_rfc_826() -> None:
    world = resolved(trust_claims=True).takes(arp_frame(arp.REQUEST, target=PEER, mac=ATTACKER_MAC), SECOND)
    assert mac(world) == ATTACKER_MAC
    assert state(world, SECOND) is STALE


@pytest.mark.rfc("826", "826.2")
def test_with_learning_a_request_to_us_makes_an_entry_and_one_to_another_does_not() -> None:
    world = make(learn_from_requests=True).takes(arp_frame(arp.REQUEST, target=OTHER))
    assert len(world.host.arp.table) == 0
    world.takes(arp_frame(arp.REQUEST))
    assert (mac(world), state(world)) == (PEER_MAC, STALE)


def test_a_request_of_the_awaited_neighbour_lets_go_of_what_waits() -> None:
    world = make()
    world.sends(PEER, 9)
    world.sent()
    sent = world.takes(arp_frame(arp.REQUEST)).sent()
    assert [is_arp(packet) for packet in sent] == [False, True]
    assert state(world) is DELAY


def test_an_answer_to_somebody_else_does_not_complete_an_entry() -> None:
    world = make()
    world.sends(PEER, 9)
    world.takes(arp_frame(arp.REPLY, target=OTHER, mac=ATTACKER_MAC))
    assert state(world) is INCOMPLETE


def test_a_permanent_entry_heeds_nobody_and_never_ends() -> None:
    world = make()
    entry = world.host.arp.table.add_permanent(world.interface, PEER, PEER_MAC)
    world.takes(arp_frame(arp.REPLY, mac=ATTACKER_MAC))
    world.sends(PEER, 9, 10 * MINUTE)
    (sent,) = world.sent(10 * MINUTE)
    assert ethernet.parse(sent.head)[0] == PEER_MAC
    entry.confirm(0)
    assert world.counters["ArpClaimsRefused"] == 1
    assert world.host.next_deadline() == NEVER


def test_a_repeated_answer_changes_nothing() -> None:
    world = resolved()
    world.takes(arp_frame(arp.REPLY), SECOND)
    world.takes(arp_frame(arp.REQUEST), SECOND)
    assert [arp_of(packet).operation for packet in world.sent(SECOND)] == [arp.REPLY]
    assert (mac(world), state(world, SECOND)) == (PEER_MAC, REACHABLE)


def test_a_permanent_entry_is_not_offended_by_the_truth() -> None:
    world = make()
    world.host.arp.table.add_permanent(world.interface, PEER, PEER_MAC)
    world.takes(arp_frame(arp.REPLY))
    assert world.counters.snapshot() == {}


def test_with_learning_a_full_table_learns_nobody() -> None:
    world = make(learn_from_requests=True, table_size=1)
    world.sends(OTHER, 9)
    world.takes(arp_frame(arp.REQUEST))
    assert state(world) is None
    assert world.counters["NeighTableFull"] == 1


def test_an_interface_without_an_address_asks_for_nobody_in_particular() -> None:
    world = World(None, tap(), tap("tap1", "198.51.100.1/24"))
    world.host.routes.add(default_route(world.interfaces[1], GATEWAY))
    world.sends(FAR, 9)
    assert arp_of(world.sent()[0]).sender_address == parse_address("198.51.100.1")


def test_the_table_is_bounded_and_refuses_rather_than_forget_what_is_in_use() -> None:
    world = make(table_size=4)
    for last in range(10, 20):
        world.sends(bytes([192, 0, 2, last]), 9)
    assert len(world.host.arp.table) == 4
    assert world.counters["NeighTableFull"] == 6
    world.sent()
    assert len(world.udp.errors) == 6


def test_a_full_table_forgets_what_is_in_doubt() -> None:
    world = make(table_size=2)
    world.sends(PEER, 9)
    world.takes(arp_frame(arp.REPLY))
    world.sends(OTHER, 9)
    world.takes(arp_frame(arp.REPLY, sender=OTHER))
    world.sends(GATEWAY, 9, 50 * SECOND)
    assert [entry.address for entry in world.host.arp.table] == [OTHER, GATEWAY]


def test_a_datagram_to_a_far_host_asks_for_the_gateway() -> None:
    world = make()
    world.host.routes.add(default_route(world.interface, GATEWAY))
    world.sends(FAR, 9)
    assert arp_of(world.sent()[0]).target_address == GATEWAY


def test_broadcasts_and_groups_need_no_answer() -> None:
    world = make()
    for text in ("192.0.2.255", "255.255.255.255", "224.0.0.251"):
        world.sends(parse_address(text), 9)
    macs = [ethernet.parse(packet.head)[0] for packet in world.sent()]
    assert macs == [MAC_BROADCAST, MAC_BROADCAST, b"\x01\x00\x5e\x00\x00\xfb"]


def test_a_super_segment_gets_its_link_header_with_the_marks_moved() -> None:
    packet = Packet(datagram(), (b"x",), 2, 20, 16, 1000)
    framed = with_link_header(bytes(14), packet)
    assert (framed.checksum_start, framed.checksum_offset, framed.gso_size, framed.checksum) == (34, 16, 1000, 2)
