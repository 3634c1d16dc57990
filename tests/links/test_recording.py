import io
import json
import subprocess
from pathlib import Path

import pytest

from halfopen.base.clock import MILLISECOND, NEVER
from halfopen.base.rng import SeededRng
from halfopen.capture.pcapng import Reader, Writer
from halfopen.capture.record import Record
from halfopen.links.impairment import ImpairedLink, Impairment
from halfopen.links.recording import EVERYTHING, RecordingLink, RecordingOptions
from halfopen.wire.packet import Packet
from tests.links.packets import Clock, MemoryLink, ethernet, tcp_packet, transport_checksum_is_right, udp_packet


def recorded(file: io.BytesIO) -> list[Record]:
    return list(Reader(io.BytesIO(file.getvalue())))


def recording(
    behind: MemoryLink, clock: Clock, options: RecordingOptions = EVERYTHING
) -> tuple[RecordingLink, io.BytesIO]:
    file = io.BytesIO()
    return RecordingLink(behind, Writer(file), clock, options), file


def test_both_directions_are_recorded_with_their_times_and_handed_on_as_they_are() -> None:
    arriving, leaving = udp_packet(b"in"), udp_packet(b"out")
    behind, clock = MemoryLink([arriving]), Clock(5)
    link, file = recording(behind, clock)
    assert link.read(8) == [arriving]
    clock.now = 7
    assert link.write(leaving)
    assert behind.sent == [leaving]
    assert [(record.when, record.direction) for record in recorded(file)] == [(5, "inbound"), (7, "outbound")]
    assert recorded(file)[0].interface.name == "memory"
    assert link.read(8) == []


def test_the_copy_has_complete_checksums_and_frames_of_mtu_size() -> None:
    link, file = recording(MemoryLink(), Clock())
    link.write(tcp_packet(bytes(range(250)) * 20, gso_size=1460))
    records = recorded(file)
    assert [len(record.octets) for record in records] == [1500, 1500, 1500, 660]
    assert all(transport_checksum_is_right(Packet(record.octets), 0) for record in records)


def test_super_segments_can_be_recorded_whole() -> None:
    link, file = recording(MemoryLink(), Clock(), RecordingOptions(split=False))
    link.write(tcp_packet(bytes(5000), gso_size=1460))
    (record,) = recorded(file)
    assert len(record.octets) == 5040
    assert transport_checksum_is_right(Packet(record.octets), 0)


def test_frames_are_cut_at_the_snap_length() -> None:
    link, file = recording(MemoryLink(), Clock(), RecordingOptions(snap_octets=64))
    link.write(tcp_packet(bytes(1000)))
    (record,) = recorded(file)
    assert (len(record.octets), record.original_octets) == (64, 1040)


def test_a_full_file_takes_no_more_and_the_link_goes_on() -> None:
    behind = MemoryLink()
    link, file = recording(behind, Clock(), RecordingOptions(limit_octets=5000))
    for _ in range(10):
        assert link.write(tcp_packet(bytes(1000)))
    assert link.write(udp_packet(b"would fit"))
    assert len(behind.sent) == 11
    assert 0 < len(recorded(file)) < 5
    assert len(file.getvalue()) < 5300
    assert link.counters["RecordingFull"] == 11 - len(recorded(file))


def test_what_the_link_drops_is_not_recorded() -> None:
    behind = MemoryLink()
    behind.is_full = True
    link, file = recording(behind, Clock())
    assert not link.write(udp_packet(b"lost"))
    assert recorded(file) == []


def test_a_packet_whose_marks_contradict_it_is_recorded_as_it_is() -> None:
    strange = Packet(bytes(40), (bytes(3000),), gso_size=1460)
    link, file = recording(MemoryLink([strange]), Clock())
    assert link.read(1) == [strange]
    assert recorded(file)[0].octets == strange.joined()
    assert link.counters.snapshot() == {"VnetGsoWithoutChecksum": 1}


def test_deadlines_are_those_of_the_link_behind() -> None:
    clock = Clock()
    behind = MemoryLink()
    delayed = ImpairedLink(behind, rng=SeededRng(1), clock=clock, outbound=Impairment(delay=MILLISECOND))
    link = RecordingLink(delayed, Writer(io.BytesIO()), clock)
    link.write(udp_packet(b"later"))
    assert link.next_deadline() == MILLISECOND
    link.on_deadline(MILLISECOND)
    assert len(behind.sent) == 1
    assert link.next_deadline() == NEVER
    assert link.fileno() == -1
    link.close()
    assert behind.is_closed


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("kind", ["ip", "ethernet"])
def test_tshark_finds_nothing_malformed_and_no_wrong_checksum(tmp_path: Path, kind: str) -> None:
    header = ethernet(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2") if kind == "ethernet" else b""
    capture = tmp_path / "exchange.pcapng"
    clock = Clock(10**18)
    with capture.open("wb") as file:
        behind = MemoryLink(kind="ethernet" if kind == "ethernet" else "ip")
        link = RecordingLink(behind, Writer(file), clock)
        link.write(udp_packet(b"hello", link=header, port=50001))
        link.write(tcp_packet(b"", link=header, flags=2))
        clock.now += 1
        link.write(tcp_packet(bytes(range(256)) * 200, gso_size=1460, link=header, numbers=(1001, 2001)))
    packets = judged_by_tshark(capture)
    assert len(packets) == 2 + 36
    for layers in packets:
        assert layers["ip.checksum.status"] == ["1"]
        assert layers.get("tcp.checksum.status", layers.get("udp.checksum.status")) == ["1"]
        assert "_ws.malformed" not in layers
        assert int(layers["ip.len"][0]) <= 1500


def judged_by_tshark(capture: Path) -> list[dict[str, list[str]]]:
    checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    fields = ["ip.len", "ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "_ws.malformed"]
    command = ["tshark", "-r", str(capture), "-T", "json", *checks]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return [packet["_source"]["layers"] for packet in json.loads(done.stdout)]
