import io
import select

import pytest

from halfopen.base.clock import MILLISECOND, NEVER
from halfopen.capture.pcapng import Reader, Writer
from halfopen.capture.record import LINKTYPE_ETHERNET, LINKTYPE_RAW, CapturedInterface, Record
from halfopen.links.link import Link
from halfopen.links.recording import RecordingLink
from halfopen.links.replay import LINKTYPE_IPV4, ReplayLink
from tests.links.packets import Clock, MemoryLink, udp_packet

RAW = CapturedInterface("tun0", LINKTYPE_RAW)
ETHERNET = CapturedInterface("tap0", LINKTYPE_ETHERNET)


def records(*times: int, interface: CapturedInterface = RAW) -> list[Record]:
    return [Record(when, interface, bytes((number,)), None, "inbound", 1) for number, when in enumerate(times)]


def polls_readable(link: Link) -> bool:
    return bool(select.select([link], [], [], 0)[0])


def test_what_was_recorded_is_received_again_and_answers_are_collected() -> None:
    first, answer, second = udp_packet(b"one"), udp_packet(b"answer"), udp_packet(b"two")
    file = io.BytesIO()
    recorder = RecordingLink(MemoryLink([first, second]), Writer(file), Clock())
    recorder.read(1)
    recorder.write(answer)
    recorder.read(1)
    file.seek(0)
    with ReplayLink(Reader(file), "ip") as link:
        assert [packet.head[28:] for packet in link.read(8)] == [b"one", b"two"]
        assert link.write(answer)
        assert link.written == [answer]


def test_all_is_there_at_once_without_a_clock() -> None:
    with ReplayLink(records(5, 10**18, 7), "ip") as link:
        assert polls_readable(link)
        assert link.next_deadline() == NEVER
        assert [packet.head for packet in link.read(2)] == [b"\0", b"\1"]
        assert polls_readable(link)
        assert not link.is_exhausted
        assert [packet.head for packet in link.read(2)] == [b"\2"]
        assert not polls_readable(link)
        assert link.is_exhausted
        assert link.read(2) == []


def test_with_a_clock_frames_keep_their_distances() -> None:
    clock = Clock(1000)
    start = 10**18
    with ReplayLink(records(start, start + MILLISECOND, start + 3 * MILLISECOND), "ip", clock=clock) as link:
        assert link.next_deadline() == 1000
        assert len(link.read(8)) == 1
        assert not polls_readable(link)
        assert link.next_deadline() == 1000 + MILLISECOND
        clock.now += 3 * MILLISECOND - 1
        assert len(link.read(8)) == 1
        clock.now += 1
        link.on_deadline(clock.now)
        assert len(link.read(8)) == 1
        assert link.next_deadline() == NEVER


def test_frames_of_another_kind_are_counted_and_left_out() -> None:
    mixed = [*records(1), *records(2, interface=ETHERNET), *records(3, interface=CapturedInterface("", LINKTYPE_IPV4))]
    with ReplayLink(mixed, "ip") as link:
        assert len(link.read(8)) == 2
        assert link.counters.snapshot() == {"ReplayWrongLinktype": 1}


def test_frames_that_were_cut_are_counted_and_left_out() -> None:
    with ReplayLink([Record(1, ETHERNET, b"cut", None, None, 100)], "ethernet") as link:
        assert link.is_exhausted
        assert link.read(8) == []
        assert not polls_readable(link)
        assert link.counters.snapshot() == {"ReplayCut": 1}


def test_a_damaged_file_ends_where_the_damage_is() -> None:
    file = io.BytesIO()
    recorder = RecordingLink(MemoryLink(), Writer(file), Clock())
    recorder.write(udp_packet(b"outbound"))
    good = RecordingLink(MemoryLink([udp_packet(b"one")]), Writer(file), Clock())
    good.read(1)
    file.write(bytes(100))
    file.seek(0)
    with ReplayLink(Reader(file), "ip") as link:
        assert len(link.read(8)) == 1
        assert link.counters.snapshot() == {"PcapngBadBlockLength": 1}


def test_closing_twice_is_harmless() -> None:
    link = ReplayLink(records(1), "ip")
    link.close()
    link.close()
    assert link.fileno() == -1
    with pytest.raises(ValueError, match="file descriptor"):
        polls_readable(link)
