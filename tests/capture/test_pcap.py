import io
import struct

import pytest
import scapy.utils
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.errors import Malformed
from halfopen.capture import pcapng
from halfopen.capture.pcap import MAX_RECORD_OCTETS, Reader, open_capture
from halfopen.capture.record import LINKTYPE_RAW, CapturedInterface, Record


def header(magic: int = 0xA1B2C3D4, order: str = "<", linktype: int = LINKTYPE_RAW) -> bytes:
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, linktype)


def record(octets: bytes, seconds: int = 5, fraction: int = 7, order: str = "<", original: int = 0) -> bytes:
    return struct.pack(order + "4I", seconds, fraction, len(octets), original or len(octets)) + octets


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "fraction"), [(0xA1B2C3D4, 7_000), (0xA1B23C4D, 7)])
def test_both_byte_orders_and_both_resolutions_are_read(order: str, magic: int, fraction: int) -> None:
    octets = header(magic, order) + record(b"abc", order=order) + record(b"", order=order, original=60)
    reader = open_capture(io.BytesIO(octets))
    wire = CapturedInterface("", LINKTYPE_RAW)
    assert list(reader) == [
        Record(5_000_000_000 + fraction, wire, b"abc", original_octets=3),
        Record(5_000_000_000 + fraction, wire, b"", original_octets=60),
    ]
    assert not reader.truncated


def test_what_scapy_writes_is_read() -> None:
    class Kept(io.BytesIO):
        def close(self) -> None:
            """The writer closes its file; the test reads it afterwards."""

    file = Kept()
    with scapy.utils.RawPcapWriter(file, linktype=LINKTYPE_RAW, nano=True, endianness=">") as writer:
        writer.write_header(None)
        writer.write_packet(b"hello", sec=3, usec=4)
    assert [(found.when, found.octets) for found in Reader(io.BytesIO(file.getvalue()))] == [(3_000_000_004, b"hello")]


def test_the_link_type_is_read_without_the_bits_of_the_frame_check_sequence() -> None:
    (found,) = Reader(io.BytesIO(header(linktype=0x24000001) + record(b"x")))
    assert found.interface.linktype == 1


def test_a_file_cut_anywhere_gives_the_frames_before_the_cut_and_says_that_it_was_cut() -> None:
    octets = header() + record(b"abc") + record(b"defgh")
    for cut in range(24, len(octets)):
        reader = Reader(io.BytesIO(octets[:cut]))
        assert len(list(reader)) == (1 if cut >= 43 else 0)
        assert reader.truncated == (cut not in (24, 43))


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", "PcapBadMagic"),
        (bytes(24), "PcapBadMagic"),
        (header()[:23], "PcapHeaderTooShort"),
        (header() + struct.pack("<4I", 0, 0, MAX_RECORD_OCTETS + 1, 0), "PcapRecordTooLong"),
    ],
)
def test_damage_is_refused_by_name(octets: bytes, expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        list(Reader(io.BytesIO(octets)))


def test_the_format_of_a_file_is_told_by_its_first_octets() -> None:
    file = io.BytesIO()
    pcapng.Writer(file)
    assert isinstance(open_capture(io.BytesIO(file.getvalue())), pcapng.Reader)
    assert isinstance(open_capture(io.BytesIO(header())), Reader)
    for octets in (b"", b"\x0a\x0d", b"GIF89a not a capture"):
        with pytest.raises(Malformed, match="CaptureBadMagic"):
            open_capture(io.BytesIO(octets))


@given(st.sampled_from((b"", header(), header(0xA1B23C4D, ">"))), st.binary(max_size=300))
def test_no_octets_raise_anything_but_malformed(start: bytes, octets: bytes) -> None:
    try:
        records = list(open_capture(io.BytesIO(start + octets)))
    except Malformed as refused:
        assert refused.reason.startswith(("Pcap", "Capture"))
    else:
        assert all(len(found.octets) <= len(octets) for found in records)
