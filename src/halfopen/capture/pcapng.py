"""The pcapng capture format: nanoseconds, comments, directions and names (draft-ietf-opsawg-pcapng)."""

from collections.abc import Iterator, Mapping
from struct import Struct, pack, unpack_from
from typing import BinaryIO

from halfopen.base.addresses import Address
from halfopen.base.clock import SECOND, Instant
from halfopen.base.errors import ConfigError, Malformed
from halfopen.base.octets import Buffer, Buffers, cut, total_octets
from halfopen.capture.record import MAX_OCTETS, CapturedInterface, CaptureReader, Direction, Record, read_fully

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
SIMPLE_PACKET = 3
NAME_RESOLUTION = 4
ENHANCED_PACKET = 6

MAGIC = b"\x0a\x0d\x0d\x0a"
"""First octets of every pcapng file, the same in both byte orders."""
BYTE_ORDER_MAGIC = 0x1A2B3C4D
MAX_BLOCK_OCTETS = 16 << 20
"""Blocks that claim to be longer are damage; Wireshark draws the line here as well."""

END_OF_OPTIONS = 0
COMMENT = 1
SECTION_HARDWARE, SECTION_SYSTEM, SECTION_APPLICATION = 2, 3, 4
INTERFACE_NAME, INTERFACE_RESOLUTION, INTERFACE_OFFSET = 2, 9, 14
PACKET_FLAGS = 2
NAME_IPV4, NAME_IPV6 = 1, 2
_NAME_KINDS = {4: NAME_IPV4, 16: NAME_IPV6}
_NAME_OCTETS = {NAME_IPV4: 4, NAME_IPV6: 16}

_DIRECTION_BITS: dict[Direction | None, int] = {None: 0, "inbound": 1, "outbound": 2}
_DIRECTIONS: tuple[Direction | None, ...] = (None, "inbound", "outbound", None)

_PACKET_HEADER = Struct("<7I")
_LENGTH = Struct("<I")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


def _option(code: int, value: bytes, order: str = "<") -> bytes:
    return pack(f"{order}2H", code, len(value)) + value + _PADDING[len(value) & 3]


def _text(code: int, text: str | None) -> bytes:
    """An option that holds UTF-8, or nothing; what exceeds the 16-bit length is cut at a character."""
    if not text:
        return b""
    encoded = text.encode("utf-8", "replace")[:0xFFFF]
    return _option(code, encoded.decode("utf-8", "ignore").encode())


def _ended(options: bytes) -> bytes:
    return options + b"\0\0\0\0" if options else b""


class Writer:
    """Writes one section, block by block; after each the file is whole, even if the process dies right then.

    ``file`` is open for binary writing. ``epoch`` is added to every Instant to give nanoseconds since 1970. The section
    header tells ``hardware`` and ``system`` of the capturing machine.
    """

    __slots__ = ("_epoch", "_file", "_interfaces")

    def __init__(
        self, file: BinaryIO, epoch: int = 0, *, hardware: str = "", system: str = "", application: str = "halfopen"
    ) -> None:
        self._file = file
        self._epoch = epoch
        self._interfaces: list[tuple[int, int]] = []
        options = _text(SECTION_HARDWARE, hardware) + _text(SECTION_SYSTEM, system)
        options += _text(SECTION_APPLICATION, application)
        # Section length -1: unknown, so that it need not be corrected while the file grows.
        self._put(SECTION_HEADER, pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1) + _ended(options))

    def add_interface(self, name: str, linktype: int, tsresol: int = 9, *, snaplen: int = MAX_OCTETS) -> int:
        """Describes an interface, returns its number for `write`; times are kept in units of 10^-``tsresol`` seconds.

        Frames longer than ``snaplen`` octets are cut.
        """
        if not 0 <= tsresol <= 9:
            raise ConfigError(f"a time resolution of 10^-{tsresol} s cannot be kept: 0 to 9 can")
        if not 0 < snaplen <= MAX_OCTETS:
            raise ConfigError(f"a snapshot length of {snaplen} octets is outside of 1 to {MAX_OCTETS}")
        options = _text(INTERFACE_NAME, name) + _option(INTERFACE_RESOLUTION, bytes((tsresol,)))
        self._put(INTERFACE_DESCRIPTION, pack("<HHI", linktype, 0, snaplen) + _ended(options))
        self._interfaces.append((10 ** (9 - tsresol), snaplen))
        return len(self._interfaces) - 1

    def add_names(self, names: Mapping[Address, str]) -> None:
        """Tells readers what IPv4 and IPv6 addresses are called (name resolution block)."""
        records: list[bytes] = []
        for address, name in names.items():
            if len(address) not in _NAME_KINDS:
                raise ConfigError(
                    f"{address!r} is not an IPv4 or IPv6 address, so it cannot be given the name {name!r}"
                )
            records.append(_option(_NAME_KINDS[len(address)], address + name.encode("utf-8", "replace") + b"\0"))
        if records:
            self._put(NAME_RESOLUTION, b"".join(records) + b"\0\0\0\0")

    def write(
        self,
        interface_id: int,
        when: Instant,
        octets: Buffer | Buffers,
        *,
        comment: str | None = None,
        direction: Direction | None = None,
    ) -> None:
        """Appends one frame seen at ``when`` on an interface that `add_interface` has numbered."""
        unit, snaplen = self._interfaces[interface_id]
        buffers = octets if isinstance(octets, tuple) else (octets,)
        original = captured = total_octets(buffers)
        if original > snaplen:
            captured = snaplen
            buffers = cut(buffers, 0, snaplen)
        options = b""
        if comment or direction:
            options = _text(COMMENT, comment)
            if direction:
                options += _option(PACKET_FLAGS, _LENGTH.pack(_DIRECTION_BITS[direction]))
            options = _ended(options)
        ticks = (when + self._epoch) // unit
        padding = _PADDING[captured & 3]
        length = 32 + captured + len(padding) + len(options)
        header = _PACKET_HEADER.pack(
            ENHANCED_PACKET, length, interface_id, ticks >> 32, ticks & 0xFFFFFFFF, captured, original
        )
        self._append(b"".join((header, *buffers, padding, options, _LENGTH.pack(length))))

    def _put(self, kind: int, body: bytes) -> None:
        length = _LENGTH.pack(12 + len(body))
        self._append(_LENGTH.pack(kind) + length + body + length)

    def _append(self, block: bytes) -> None:
        # One write and one flush a block: nothing half-written ever waits in this process for more to come.
        self._file.write(block)
        self._file.flush()


class _Interface:
    """An interface description: what `CapturedInterface` says of it, and how its frames' times are to be read."""

    __slots__ = ("captured", "offset", "snaplen", "ticks_per_second")

    def __init__(self, body: bytes, order: str) -> None:
        linktype, _, self.snaplen = unpack_from(order + "HHI", body)
        name, resolution, seconds = b"", 6, 0
        for code, value in _options(body, 8, order):
            if code == INTERFACE_NAME:
                name = value
            elif code == INTERFACE_RESOLUTION and len(value) == 1:
                resolution = value[0]
            elif code == INTERFACE_OFFSET and len(value) == 8:
                (seconds,) = unpack_from(order + "q", value)
        self.captured = CapturedInterface(name.decode("utf-8", "replace"), linktype)
        # The high bit makes it a negative power of two instead of ten.
        self.ticks_per_second = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        self.offset = seconds * SECOND

    def instant(self, ticks: int) -> Instant:
        """Nanoseconds since 1970, rounded down."""
        return ticks * SECOND // self.ticks_per_second + self.offset


def _options(body: bytes, at: int, order: str) -> Iterator[tuple[int, bytes]]:
    """(code, value) of each option, or each name record, from offset ``at`` on; an end marker may be missing."""
    while at + 4 <= len(body):
        code, length = unpack_from(order + "HH", body, at)
        if code == END_OF_OPTIONS:
            return
        at += 4
        if at + length > len(body):
            raise Malformed("PcapngBadOption")
        yield code, body[at : at + length]
        at += length + (-length & 3)


class Reader(CaptureReader):
    """Reads any pcapng file: both byte orders, several sections, every time resolution; skips blocks it does not know.

    ``head`` are octets that someone has read from ``file`` already, to see what it is.
    """

    def __init__(self, file: BinaryIO, head: bytes = b"") -> None:
        super().__init__()
        self._file = file
        self._head = head
        self._order = "<"
        self._interfaces: list[_Interface] = []
        magic = self._take(4)
        if magic != MAGIC:
            raise Malformed("PcapngBadMagic")
        self._head = magic

    def __iter__(self) -> Iterator[Record]:
        while (block := self._next_block()) is not None:
            kind, body = block
            if kind == ENHANCED_PACKET:
                yield self._enhanced(body)
            elif kind == SIMPLE_PACKET:
                yield self._simple(body)
            elif kind == INTERFACE_DESCRIPTION:
                if len(body) < 8:
                    raise Malformed("PcapngBadInterface")
                self._interfaces.append(_Interface(body, self._order))
            elif kind == NAME_RESOLUTION:
                self._learn_names(body)

    def _take(self, count: int) -> bytes:
        head, self._head = self._head[:count], self._head[count:]
        return head + read_fully(self._file, count - len(head)) if len(head) < count else head

    def _next_block(self) -> tuple[int, bytes] | None:
        """Type and body of the next block; None at the end of the file, be it clean or not."""
        header = self._take(8)
        if header[:4] == MAGIC:
            header += self._take(4)
            if len(header) == 12:
                self._begin_section(header[8:])
        if len(header) < 8 or (header[:4] == MAGIC and len(header) < 12):
            self.truncated = bool(header)
            return None
        kind, length = unpack_from(self._order + "II", header)
        if length < 12 or length < len(header) + 4 or length & 3:
            raise Malformed("PcapngBadBlockLength")
        if length > MAX_BLOCK_OCTETS:
            raise Malformed("PcapngBlockTooLong")
        rest = self._take(length - len(header))
        if len(rest) < length - len(header):
            self.truncated = True
            return None
        if unpack_from(self._order + "I", rest, len(rest) - 4)[0] != length:
            raise Malformed("PcapngBlockLengthsDiffer")
        return kind, header[8:] + rest[:-4]

    def _begin_section(self, magic: bytes) -> None:
        """Takes the byte order of a section from its header; interfaces are numbered anew."""
        if int.from_bytes(magic, "little") == BYTE_ORDER_MAGIC:
            self._order = "<"
        elif int.from_bytes(magic, "big") == BYTE_ORDER_MAGIC:
            self._order = ">"
        else:
            raise Malformed("PcapngBadByteOrder")
        self._interfaces = []

    def _interface(self, number: int) -> _Interface:
        if number >= len(self._interfaces):
            raise Malformed("PcapngUnknownInterface")
        return self._interfaces[number]

    def _enhanced(self, body: bytes) -> Record:
        if len(body) < 20:
            raise Malformed("PcapngBadPacket")
        number, high, low, captured, original = unpack_from(self._order + "5I", body)
        if captured > len(body) - 20:
            raise Malformed("PcapngBadPacket")
        interface = self._interface(number)
        comments: list[str] = []
        direction: Direction | None = None
        for code, value in _options(body, 20 + captured + (-captured & 3), self._order):
            if code == COMMENT:
                comments.append(value.decode("utf-8", "replace"))
            elif code == PACKET_FLAGS and len(value) == 4:
                direction = _DIRECTIONS[unpack_from(self._order + "I", value)[0] & 3]
        return Record(
            interface.instant(high << 32 | low),
            interface.captured,
            body[20 : 20 + captured],
            "\n".join(comments) or None,
            direction,
            original,
        )

    def _simple(self, body: bytes) -> Record:
        """A simple packet block: the first interface, no time, and its captured length has to be worked out."""
        if len(body) < 4:
            raise Malformed("PcapngBadPacket")
        interface = self._interface(0)
        (original,) = unpack_from(self._order + "I", body)
        captured = min(original, interface.snaplen or original)
        if captured > len(body) - 4:
            raise Malformed("PcapngBadPacket")
        return Record(0, interface.captured, body[4 : 4 + captured], original_octets=original)

    def _learn_names(self, body: bytes) -> None:
        for code, value in _options(body, 0, self._order):
            if code not in _NAME_OCTETS:
                continue
            octets = _NAME_OCTETS[code]
            if len(value) <= octets:
                raise Malformed("PcapngBadName")
            # An address may have several names: the first is the one it goes by.
            self.names.setdefault(value[:octets], value[octets:].split(b"\0")[0].decode("utf-8", "replace"))
