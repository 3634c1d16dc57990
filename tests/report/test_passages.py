from dataclasses import replace

from halfopen.base.clock import MICROSECOND
from halfopen.capture.record import LINKTYPE_ETHERNET, LINKTYPE_RAW, CapturedInterface, Direction, Record
from halfopen.report.passages import Passage, follow
from halfopen.wire import arp, ethernet
from halfopen.wire.tcp import ACK, SYN
from tests.report.frames import ALICE, ALICE_MAC, BOB, BOB_MAC, arp_frame, segment

CLIENT, SERVER = CapturedInterface("client.eth0", LINKTYPE_RAW), CapturedInterface("server.eth0", LINKTYPE_RAW)
LEFT, RIGHT = CapturedInterface("r1.eth0", LINKTYPE_RAW), CapturedInterface("r1.eth1", LINKTYPE_RAW)


def seen(
    micros: int, interface: CapturedInterface, direction: Direction, octets: bytes, comment: str | None = None
) -> Record:
    return Record(micros * MICROSECOND, interface, octets, comment, direction, len(octets))


def passages(*records: Record) -> list[Passage]:
    return follow(records).passages


def data(number: int) -> bytes:
    return segment(ACK, 1 + number, 1, data=b"x")


def test_a_frame_seen_at_both_ends_of_a_cable_is_one() -> None:
    (passage,) = passages(seen(10, CLIENT, "outbound", data(0)), seen(30, SERVER, "inbound", data(0)))
    assert (passage.departed, passage.arrived) == (10 * MICROSECOND, 30 * MICROSECOND)
    assert passage.received == 30 * MICROSECOND
    assert [sighting.number for sighting in passage.sightings] == [1, 2]


def test_a_frame_that_a_single_interface_saw_was_received_when_it_was_seen() -> None:
    (passage,) = passages(replace(seen(10, CLIENT, "inbound", data(0)), direction=None))
    assert (passage.arrived, passage.received) == (None, 10 * MICROSECOND)


def test_a_router_in_the_middle_is_told_with_the_time_of_its_arrival() -> None:
    (passage,) = passages(
        seen(0, CLIENT, "outbound", data(0)),
        seen(5, LEFT, "inbound", data(0)),
        seen(6, RIGHT, "outbound", data(0)),
        seen(9, SERVER, "inbound", data(0)),
    )
    assert [(router.when, router.host) for router in passage.routers] == [(5 * MICROSECOND, "r1")]


def test_what_never_came_out_of_a_cable_is_lost_once_there_was_time() -> None:
    lost, arrived, young = passages(
        seen(0, CLIENT, "outbound", data(0)),
        seen(1, CLIENT, "outbound", data(1)),
        seen(11, SERVER, "inbound", data(1)),
        seen(12, CLIENT, "outbound", data(2)),
    )
    assert [each.is_lost for each in (lost, arrived, young)] == [True, False, False]
    assert [each.received for each in (lost, young)] == [None, None]


def test_in_a_capture_of_one_host_nothing_is_held_for_lost() -> None:
    assert not any(each.is_lost for each in passages(*(seen(n, CLIENT, "outbound", data(n)) for n in range(5))))


def test_a_black_hole_loses_everything_where_the_capture_shows_cables() -> None:
    other = segment(ACK, 9, 9, reply=True)
    into_the_hole, _ = passages(
        seen(0, CLIENT, "outbound", data(0)),
        seen(1, SERVER, "outbound", other),
        seen(9, CLIENT, "inbound", other),
    )
    assert into_the_hole.is_lost


def test_a_comment_tells_of_a_loss_even_of_the_last_frame() -> None:
    (passage,) = passages(seen(0, CLIENT, "outbound", data(0), "Dropped by link a-b, rule 2"))
    assert passage.is_lost
    assert passage.comment == "Dropped by link a-b, rule 2"


def test_a_loss_that_is_told_later_is_news_of_the_frame_and_not_another_one() -> None:
    (passage,) = passages(
        seen(0, CLIENT, "outbound", data(0)),
        seen(700, CLIENT, "outbound", data(0), "dropped by codel of a-b"),
    )
    assert passage.is_lost
    assert passage.departed == 0


def test_what_the_network_repeats_has_been_sent_once() -> None:
    (passage,) = passages(
        seen(0, CLIENT, "outbound", data(0), "duplicated"),
        seen(9, SERVER, "inbound", data(0)),
        seen(11, SERVER, "inbound", data(0)),
    )
    assert passage.repeats == [11 * MICROSECOND]


def test_an_equal_frame_from_the_same_interface_has_been_sent_again() -> None:
    first, second = passages(
        seen(0, CLIENT, "outbound", data(0), "lost by link a-b"),
        seen(100, CLIENT, "outbound", data(0)),
        seen(109, SERVER, "inbound", data(0)),
    )
    assert (first.arrived, second.arrived) == (None, 109 * MICROSECOND)


def test_a_mark_of_congestion_does_not_make_it_another_frame() -> None:
    sent = segment(ACK, 1, 1, data=b"x")
    marked = bytearray(sent)
    marked[1] = 0x03
    (passage,) = passages(seen(0, CLIENT, "outbound", sent), seen(9, SERVER, "inbound", bytes(marked)))
    assert passage.is_marked


def test_what_is_corrupted_was_not_received() -> None:
    octets = data(0)
    (passage,) = passages(seen(0, CLIENT, "outbound", octets, "corrupted"), seen(9, SERVER, "inbound", octets))
    assert passage.is_wasted
    assert passage.received is None
    assert not passage.is_lost


def test_what_arrives_without_having_been_sent_is_a_stray() -> None:
    good, stray = passages(
        seen(0, CLIENT, "outbound", data(0)),
        seen(9, SERVER, "inbound", data(0)),
        seen(19, SERVER, "inbound", data(1)),
    )
    assert (good.is_stray, stray.is_stray) == (False, True)


def test_what_a_hub_brings_to_others_is_not_for_them() -> None:
    alice, bob, carol = (CapturedInterface(f"{name}.eth0", LINKTYPE_ETHERNET) for name in ("alice", "bob", "carol"))
    question = arp_frame(arp.REQUEST, (ALICE_MAC, ALICE), (bytes(6), BOB))
    answer = ethernet.emit(ALICE_MAC, BOB_MAC, ethernet.ETHERTYPE_ARP)
    answer += arp.emit(arp.Arp(arp.REPLY, BOB_MAC, BOB, ALICE_MAC, ALICE))
    asked, answered = passages(
        seen(0, alice, "outbound", question),
        seen(1, bob, "inbound", question),
        seen(1, carol, "inbound", question),
        seen(2, bob, "outbound", answer),
        seen(3, carol, "inbound", answer),
        seen(4, alice, "inbound", answer),
    )
    assert [sighting.host for sighting in asked.sightings] == ["alice", "bob", "carol"]
    assert [sighting.host for sighting in answered.sightings] == ["bob", "alice"]


def test_frames_that_nobody_can_read_are_counted() -> None:
    follower = follow([seen(0, CLIENT, "outbound", b"\x60" + bytes(39)), seen(1, CLIENT, "outbound", segment(SYN, 1))])
    assert (follower.omitted, len(follower.passages)) == (1, 1)


def test_remarks_are_told_once_each() -> None:
    (passage,) = passages(
        seen(0, CLIENT, "outbound", data(0), "RTO 3\nmarked CE"), seen(9, SERVER, "inbound", data(0), "marked CE")
    )
    assert passage.comment == "RTO 3; marked CE"
