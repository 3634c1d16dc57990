"""The classic pcap format (draft-ietf-opsawg-pcap), read only; and `open_capture`, which tells the formats apart."""

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO

from halfopen.base.clock import SECOND
from halfopen.base.errors import Malformed
from halfopen.capture import pcapng
from halfopen.capture.record import CapturedInterface, CaptureReader, Record, read_fully

MAGIC_MICROSECONDS = 0xA1B2C3D4
MAGIC_NANOSECONDS = 0xA1B23C4D
_TICKS = {MAGIC_MICROSECONDS: 1_000, MAGIC_NANOSECONDS: 1}

MAX_RECORD_OCTETS = pcapng.MAX_BLOCK_OCTETS


class Reader(CaptureReader):
    """Reads classic pcap: both byte orders, micro- and nanoseconds.

    ``head`` are octets that someone has read from ``file`` already, to see what it is.
    """

    def __init__(self, file: BinaryIO, head: bytes = b"") -> None:
        super().__init__()
        self._file = file
        header = head + read_fully(file, 24 - len(head))
        little, big = int.from_bytes(header[:4], "little"), int.from_bytes(header[:4], "big")
        if little not in _TICKS and big not in _TICKS:
            raise Malformed("PcapBadMagic")
        if len(header) < 24:
            raise Malformed("PcapHeaderTooShort")
        order, magic = ("<", little) if little in _TICKS else (">", big)
        self._tick = _TICKS[magic]
        self._record = Struct(order + "4I")
        # The upper six bits tell of a frame check sequence, which the frames then end with.
        self._interface = CapturedInterface("", Struct(order + "I").unpack_from(header, 20)[0] & 0x03FFFFFF)

    def __iter__(self) -> Iterator[Record]:
        while header := read_fully(self._file, 16):
            if len(header) < 16:
                self.truncated = True
                return
            seconds, fraction, captured, original = self._record.unpack(header)
            if captured > MAX_RECORD_OCTETS:
                raise Malformed("PcapRecordTooLong")
            octets = read_fully(self._file, captured)
            if len(octets) < captured:
                self.truncated = True
                return
            when = seconds * SECOND + fraction * self._tick
            yield Record(when, self._interface, octets, original_octets=original)


def open_capture(file: BinaryIO) -> CaptureReader:
    """The reader that understands ``file``, pcapng or classic pcap; Malformed("CaptureBadMagic") if it is neither."""
    magic = read_fully(file, 4)
    if magic == pcapng.MAGIC:
        return pcapng.Reader(file, magic)
    if {int.from_bytes(magic, "little"), int.from_bytes(magic, "big")} & _TICKS.keys():
        return Reader(file, magic)
    raise Malformed("CaptureBadMagic")
