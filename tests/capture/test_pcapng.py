import io
import json
import shutil
import struct
import subprocess
from pathlib import Path

import pcapng
import pytest
import scapy.utils
from hypothesis import given, settings
from hypothesis import strategies as st

from halfopen.base.errors import ConfigError, Malformed
from halfopen.capture.pcapng import MAX_BLOCK_OCTETS, Reader, Writer
from halfopen.capture.record import LINKTYPE_ETHERNET, LINKTYPE_RAW, MAX_OCTETS, CapturedInterface, Record

ALICE = bytes((192, 0, 2, 1))
BOB = bytes.fromhex("20010db8000000000000000000000002")
EPOCH = 1_700_000_000_000_000_000

# ARP "who has 192.0.2.1", padded to nothing; an IPv4 UDP datagram with a right header checksum and no UDP checksum.
ARP_FRAME = bytes.fromhex("ffffffffffff02000000000108060001080006040001020000000001c00002020000000000 00c0000201")
UDP_DATAGRAM = bytes.fromhex("4500001e000040004011b6cbc0000201c000020210001001000a00006869")


def write_sample(file: io.BytesIO) -> None:
    writer = Writer(file, EPOCH, hardware="x86_64", system="Linux 6.1")
    tap = writer.add_interface("tap0", LINKTYPE_ETHERNET)
    tun = writer.add_interface("tün0", LINKTYPE_RAW)
    writer.add_names({ALICE: "alice", BOB: "bob"})
    writer.write(tap, 1, ARP_FRAME, direction="outbound")
    writer.write(tun, 123_456_789, UDP_DATAGRAM, comment="späte Antwort", direction="inbound")
    writer.write(tun, 2_000_000_000, (UDP_DATAGRAM[:20], memoryview(UDP_DATAGRAM)[20:]))


def sample() -> bytes:
    file = io.BytesIO()
    write_sample(file)
    return file.getvalue()


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) & 3)
    length = 12 + len(body)
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) & 3)


def interface(options: bytes = b"", order: str = "<", snaplen: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", LINKTYPE_RAW, 0, snaplen) + options, order)


def enhanced(ticks: int, octets: bytes, options: bytes = b"", order: str = "<", number: int = 0) -> bytes:
    fixed = struct.pack(order + "5I", number, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), len(octets))
    return block(6, fixed + octets + bytes(-len(octets) & 3) + options, order)


def read(octets: bytes) -> list[Record]:
    return list(Reader(io.BytesIO(octets)))


def reason(octets: bytes) -> str:
    with pytest.raises(Malformed) as refused:
        read(octets)
    return refused.value.reason


def test_what_was_written_is_read_back() -> None:
    reader = Reader(io.BytesIO(sample()))
    tap, tun = CapturedInterface("tap0", LINKTYPE_ETHERNET), CapturedInterface("tün0", LINKTYPE_RAW)
    assert list(reader) == [
        Record(EPOCH + 1, tap, ARP_FRAME, None, "outbound", len(ARP_FRAME)),
        Record(EPOCH + 123_456_789, tun, UDP_DATAGRAM, "späte Antwort", "inbound", len(UDP_DATAGRAM)),
        Record(EPOCH + 2_000_000_000, tun, UDP_DATAGRAM, None, None, len(UDP_DATAGRAM)),
    ]
    assert reader.names == {ALICE: "alice", BOB: "bob"}
    assert not reader.truncated


@given(
    frames=st.lists(
        st.tuples(
            st.integers(0, (1 << 62)),
            st.binary(max_size=70),
            st.none() | st.text(min_size=1, max_size=20),
            st.sampled_from((None, "inbound", "outbound")),
        )
    )
)
def test_any_frames_survive_the_round_trip(frames: list[tuple]) -> None:
    file = io.BytesIO()
    writer = Writer(file)
    number = writer.add_interface("", LINKTYPE_RAW)
    for when, octets, comment, direction in frames:
        writer.write(number, when, octets, comment=comment, direction=direction)
    records = read(file.getvalue())
    assert [(record.when, record.octets, record.comment, record.direction) for record in records] == [
        (when, octets, comment and comment.encode("utf-8", "replace").decode(), direction)
        for when, octets, comment, direction in frames
    ]


def test_after_every_write_the_file_is_whole_and_nothing_waits_in_a_buffer(tmp_path: Path) -> None:
    path = tmp_path / "growing.pcapng"
    with path.open("wb") as file:
        writer = Writer(file)
        assert read(path.read_bytes()) == []
        number = writer.add_interface("tap0", LINKTYPE_RAW)
        for count in range(1, 5):
            writer.write(number, count, bytes(count), comment="x" * count)
            reader = Reader(io.BytesIO(path.read_bytes()))
            assert len(list(reader)) == count
            assert not reader.truncated


def test_a_frame_longer_than_the_snapshot_length_is_cut_and_its_length_kept() -> None:
    file = io.BytesIO()
    writer = Writer(file)
    number = writer.add_interface("tap0", LINKTYPE_RAW, snaplen=10)
    writer.write(number, 0, (b"01234567", b"89abc"))
    (record,) = read(file.getvalue())
    assert record.octets == b"0123456789"
    assert record.original_octets == 13


def test_a_super_segment_with_its_link_header_is_kept_whole() -> None:
    file = io.BytesIO()
    writer = Writer(file)
    writer.write(writer.add_interface("tap0", LINKTYPE_ETHERNET), 0, bytes(65_549))
    (record,) = read(file.getvalue())
    assert len(record.octets) == record.original_octets == 65_549


@pytest.mark.parametrize(("tsresol", "expected"), [(9, 123_456_789), (6, 123_456_000), (0, 0)])
def test_times_are_kept_in_the_resolution_that_the_interface_has(tsresol: int, expected: int) -> None:
    file = io.BytesIO()
    writer = Writer(file)
    writer.write(writer.add_interface("tap0", LINKTYPE_RAW, tsresol), 123_456_789, b"x")
    assert [record.when for record in read(file.getvalue())] == [expected]


def test_a_comment_too_long_for_an_option_is_cut_at_a_character() -> None:
    file = io.BytesIO()
    writer = Writer(file)
    writer.write(writer.add_interface("tap0", LINKTYPE_RAW), 0, b"x", comment="ü" * 40_000)
    (record,) = read(file.getvalue())
    assert record.comment == "ü" * 32_767


@pytest.mark.parametrize(
    "call",
    [
        lambda writer: writer.add_interface("tap0", LINKTYPE_RAW, 10),
        lambda writer: writer.add_interface("tap0", LINKTYPE_RAW, -1),
        lambda writer: writer.add_interface("tap0", LINKTYPE_RAW, snaplen=0),
        lambda writer: writer.add_interface("tap0", LINKTYPE_RAW, snaplen=MAX_OCTETS + 1),
        lambda writer: writer.add_names({b"\2\0\0\0\0\1": "a MAC"}),
    ],
)
def test_what_the_format_cannot_hold_is_refused_and_not_written(call) -> None:
    file = io.BytesIO()
    writer = Writer(file)
    before = file.getvalue()
    with pytest.raises(ConfigError):
        call(writer)
    assert file.getvalue() == before


def test_no_names_write_no_block() -> None:
    file = io.BytesIO()
    writer = Writer(file)
    before = file.getvalue()
    writer.add_names({})
    assert file.getvalue() == before


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read(order: str) -> None:
    options = option(1, b"first", order) + option(1, b"second", order) + option(2, struct.pack(order + "I", 2), order)
    octets = section(order) + interface(option(2, b"en0", order), order) + enhanced(7, b"abcde", options, order)
    assert read(octets) == [
        Record(7_000, CapturedInterface("en0", LINKTYPE_RAW), b"abcde", "first\nsecond", "outbound", 5)
    ]


def test_a_second_section_may_have_the_other_byte_order_and_its_own_interfaces() -> None:
    first = section("<") + interface(option(2, b"a")) + enhanced(1, b"x")
    second = section(">") + interface(option(2, b"b", ">"), ">") + enhanced(1, b"y", order=">")
    assert [(record.interface.name, record.octets) for record in read(first + second)] == [("a", b"x"), ("b", b"y")]
    assert reason(first + section(">") + enhanced(1, b"y", order=">")) == "PcapngUnknownInterface"


@pytest.mark.parametrize(
    ("resolution", "ticks", "expected"),
    [
        (3, 1500, 1_500_000_000),
        (6, 1500, 1_500_000),
        (9, 1500, 1500),
        (12, 1_500_999, 1500),
        (0x80 | 10, 1536, 1_500_000_000),
        (0x80 | 0, 2, 2_000_000_000),
        (0x80 | 32, 1 << 31, 500_000_000),
        (127, 1, 0),
    ],
)
def test_resolutions_of_both_bases_become_nanoseconds(resolution: int, ticks: int, expected: int) -> None:
    octets = section() + interface(option(9, bytes((resolution,)))) + enhanced(ticks, b"x")
    assert [record.when for record in read(octets)] == [expected]


def test_without_a_resolution_a_tick_is_a_microsecond_and_an_offset_in_seconds_is_added() -> None:
    octets = section() + interface(option(14, struct.pack("<q", -2))) + enhanced(5_000_000, b"x")
    assert [record.when for record in read(octets)] == [3_000_000_000]


def test_options_end_at_their_end_marker_or_with_the_block() -> None:
    marked = option(1, b"seen") + option(0, b"") + b"\xff\xff\xff\xff"
    assert [record.comment for record in read(section() + interface() + enhanced(0, b"x", marked))] == ["seen"]
    assert [record.comment for record in read(section() + interface() + enhanced(0, b"x", option(1, b"a")))] == ["a"]


def test_options_of_a_length_that_does_not_fit_their_meaning_are_passed_over() -> None:
    octets = section() + interface(option(9, b"") + option(14, b"abc")) + enhanced(1, b"x", option(2, b"\1"))
    assert [(record.when, record.direction) for record in read(octets)] == [(1_000, None)]


def test_simple_packets_belong_to_the_first_interface_and_have_no_time() -> None:
    simple = block(3, struct.pack("<I", 3) + b"abc") + block(3, struct.pack("<I", 90) + b"abcde")
    assert read(section() + interface(snaplen=5) + simple) == [
        Record(0, CapturedInterface("", LINKTYPE_RAW), b"abc", original_octets=3),
        Record(0, CapturedInterface("", LINKTYPE_RAW), b"abcde", original_octets=90),
    ]


def test_unknown_blocks_and_unknown_name_records_are_skipped() -> None:
    names = block(4, option(77, b"?") + option(1, ALICE + b"alice\0alias\0") + option(1, ALICE + b"later\0"))
    reader = Reader(io.BytesIO(section() + block(0x0BAD, b"whatever") + names + interface() + enhanced(0, b"x")))
    assert [record.octets for record in reader] == [b"x"]
    assert reader.names == {ALICE: "alice"}


def test_a_file_cut_anywhere_gives_the_frames_before_the_cut_and_says_that_it_was_cut() -> None:
    octets = sample()
    whole = read(octets)
    ends = {len(octets)}
    for cut in range(4, len(octets)):
        reader = Reader(io.BytesIO(octets[:cut]))
        records = list(reader)
        assert records == whole[: len(records)]
        if not reader.truncated:
            ends.add(cut)
    assert len(ends) == 1 + 2 + 1 + 3  # the section, two interfaces, the names, three frames


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", "PcapngBadMagic"),
        (b"\x0a\x0d\x0d", "PcapngBadMagic"),
        (b"\xd4\xc3\xb2\xa1" + bytes(20), "PcapngBadMagic"),
        (b"\x0a\x0d\x0d\x0a" + bytes(24), "PcapngBadByteOrder"),
        (section() + struct.pack("<III", 5, 8, 8), "PcapngBadBlockLength"),
        (section() + struct.pack("<III", 5, 13, 13), "PcapngBadBlockLength"),
        (struct.pack("<IIII", 0x0A0D0D0A, 12, 0x1A2B3C4D, 12), "PcapngBadBlockLength"),
        (section() + struct.pack("<II", 5, MAX_BLOCK_OCTETS + 4), "PcapngBlockTooLong"),
        (section() + struct.pack("<III", 5, 12, 16), "PcapngBlockLengthsDiffer"),
        (section() + block(1, b"abcd"), "PcapngBadInterface"),
        (section() + interface(struct.pack("<HH", 2, 9)), "PcapngBadOption"),
        (section() + enhanced(0, b"x"), "PcapngUnknownInterface"),
        (section() + interface() + enhanced(0, b"x", number=1), "PcapngUnknownInterface"),
        (section() + interface() + block(6, bytes(16)), "PcapngBadPacket"),
        (section() + interface() + block(6, struct.pack("<5I", 0, 0, 0, 9, 9) + bytes(8)), "PcapngBadPacket"),
        (section() + interface() + enhanced(0, b"x", struct.pack("<HH", 1, 1)), "PcapngBadOption"),
        (section() + block(3, struct.pack("<I", 1) + b"x"), "PcapngUnknownInterface"),
        (section() + interface() + block(3, b""), "PcapngBadPacket"),
        (section() + interface() + block(3, struct.pack("<I", 5) + b"abcd"), "PcapngBadPacket"),
        (section() + block(4, option(1, ALICE)), "PcapngBadName"),
    ],
)
def test_damage_is_refused_by_name(octets: bytes, expected: str) -> None:
    assert reason(octets) == expected


@given(st.binary(max_size=400))
def test_no_octets_raise_anything_but_malformed(octets: bytes) -> None:
    for start in (b"", section(), section(">") + interface(order=">")):
        try:
            records = read(start + octets)
        except Malformed as refused:
            assert refused.reason.startswith("Pcapng")
        else:
            assert all(len(record.octets) <= len(octets) for record in records)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(sample()) - 1), st.integers(0, 255)), max_size=6))
def test_no_damage_to_a_good_file_raises_anything_but_malformed(damage: list[tuple[int, int]]) -> None:
    octets = bytearray(sample())
    for position, value in damage:
        octets[position] = value
    try:
        records = read(bytes(octets))
    except Malformed as refused:
        assert refused.reason.startswith("Pcapng")
    else:
        assert len(records) <= 3


class OneOctetAtATime(io.RawIOBase):
    """A pipe with a slow writer: reads come short."""

    def __init__(self, octets: bytes) -> None:
        self._octets = io.BytesIO(octets)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        octet = self._octets.read(1)
        buffer[: len(octet)] = octet
        return len(octet)


def test_a_file_that_reads_short_is_read_whole() -> None:
    assert list(Reader(OneOctetAtATime(sample()))) == read(sample())


@pytest.mark.filterwarnings("ignore:Field type should not be:DeprecationWarning")  # python-pcapng 2.1 of itself
def test_python_pcapng_reads_the_same() -> None:
    packets = []
    names = []
    for found in pcapng.FileScanner(io.BytesIO(sample())):
        if isinstance(found, pcapng.blocks.EnhancedPacket):
            packets.append(found)
        elif isinstance(found, pcapng.blocks.NameResolution):
            names += found.records
        elif isinstance(found, pcapng.blocks.SectionHeader):
            assert found.options["shb_userappl"] == "halfopen"
            assert found.options["shb_os"] == "Linux 6.1"
            assert found.options["shb_hardware"] == "x86_64"
    assert [packet.packet_data for packet in packets] == [ARP_FRAME, UDP_DATAGRAM, UDP_DATAGRAM]
    assert [packet.interface.options["if_name"] for packet in packets] == ["tap0", "tün0", "tün0"]
    assert [packet.interface.link_type for packet in packets] == [LINKTYPE_ETHERNET, LINKTYPE_RAW, LINKTYPE_RAW]
    assert [packet.options.get("opt_comment") for packet in packets] == [None, "späte Antwort", None]
    assert [packet.options["epb_flags"].inout for packet in packets[:2]] == ["outbound", "inbound"]
    assert packets[1].timestamp == pytest.approx((EPOCH + 123_456_789) / 1e9, abs=1e-6)
    assert len(names) == 2


def test_scapy_reads_the_same() -> None:
    with scapy.utils.RawPcapNgReader(io.BytesIO(sample())) as reader:
        found = list(reader)
    assert [octets for octets, _ in found] == [ARP_FRAME, UDP_DATAGRAM, UDP_DATAGRAM]
    times = [(meta.tshigh << 32 | meta.tslow) * 10**9 // meta.tsresol for _, meta in found]
    assert times == [EPOCH + 1, EPOCH + 123_456_789, EPOCH + 2_000_000_000]
    assert [meta.comments for _, meta in found] == [None, ["späte Antwort".encode()], None]
    assert [meta.ifname for _, meta in found] == [b"tap0", "tün0".encode(), "tün0".encode()]


def tshark(path: Path, *arguments: str) -> str:
    """What tshark prints of a capture, which it must read without a word of complaint."""
    ran = subprocess.run(
        ["tshark", "-n", "-r", str(path), *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    complaints = [line for line in ran.stderr.splitlines() if line and not line.startswith("Running as user")]
    assert complaints == []
    return ran.stdout


@pytest.mark.needs("tshark")
def test_tshark_reads_it_without_a_warning_and_shows_times_comments_and_interfaces(tmp_path: Path) -> None:
    path = tmp_path / "sample.pcapng"
    path.write_bytes(sample())
    wanted = ("frame.time_epoch", "frame.interface_name", "frame.comment", "frame.packet_flags_direction", "frame.len")
    fields = [argument for name in wanted for argument in ("-e", name)]
    rows = [line.split("\t") for line in tshark(path, "-T", "fields", *fields).splitlines()]
    assert [row[:3] for row in rows] == [
        ["1700000000.000000001", "tap0", ""],
        ["1700000000.123456789", "tün0", "späte Antwort"],
        ["1700000002.000000000", "tün0", ""],
    ]
    assert [int(row[3], 0) if row[3] else 0 for row in rows] == [2, 1, 0]
    assert [int(row[4]) for row in rows] == [len(ARP_FRAME), len(UDP_DATAGRAM), len(UDP_DATAGRAM)]
    assert tshark(path, "-Y", "_ws.malformed or _ws.expert.severity >= 6291456") == ""
    packet = json.loads(tshark(path, "-T", "json", "-j", "arp"))[0]["_source"]["layers"]["arp"]
    assert packet["arp.dst.proto_ipv4"] == "192.0.2.1"


@pytest.mark.needs("tshark")
def test_tshark_takes_the_names_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sample.pcapng"
    path.write_bytes(sample())
    ran = subprocess.run(
        ["tshark", "-N", "n", "-r", str(path), "-q", "-z", "hosts"], capture_output=True, text=True, check=True
    )
    assert "192.0.2.1\talice" in ran.stdout
    assert "2001:db8::2\tbob" in ran.stdout


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("format_name", ["pcapng", "nsecpcap", "pcap"])
def test_what_wireshark_writes_is_read(tmp_path: Path, format_name: str) -> None:
    from halfopen.capture.pcap import open_capture

    source, copy = tmp_path / "sample.pcapng", tmp_path / "copy"
    file = io.BytesIO()
    writer = Writer(file, EPOCH)
    number = writer.add_interface("tun0", LINKTYPE_RAW)
    writer.write(number, 123_456_789, UDP_DATAGRAM, comment="kept" if format_name == "pcapng" else None)
    source.write_bytes(file.getvalue())
    subprocess.run([shutil.which("editcap") or "editcap", "-F", format_name, str(source), str(copy)], check=True)
    with copy.open("rb") as opened:
        (record,) = open_capture(opened)
    assert record.octets == UDP_DATAGRAM
    assert record.when == EPOCH + (123_456_000 if format_name == "pcap" else 123_456_789)
    assert record.interface.linktype == LINKTYPE_RAW
    assert record.comment == ("kept" if format_name == "pcapng" else None)
