"""TCP segments (RFC 9293 3.1)."""

from typing import Final

from halfopen.base.errors import Malformed
from halfopen.base.native import mypyc_attr
from halfopen.base.octets import Buffers, cut, total_octets, view
from halfopen.wire import tcp_options
from halfopen.wire.checksum import packet_sum
from halfopen.wire.codec import pack_tcp, pack_tcp_with_timestamps, read_tcp, read_tcp_with_timestamps
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp_options import TIMESTAMPS_WORD, Options

FIN: Final = 0x001
SYN: Final = 0x002
RST: Final = 0x004
PSH: Final = 0x008
ACK: Final = 0x010
URG: Final = 0x020
ECE: Final = 0x040
CWR: Final = 0x080
AE: Final = 0x100

HEADER_OCTETS: Final = 20
"""Without options."""
CHECKSUM_OFFSET: Final = 16

_FLAGS: Final = 0x1FF


@mypyc_attr(acyclic=True)
class Segment:
    """One TCP segment; ``seq`` and ``ack`` as on the wire, modulo 2^32.

    ``window`` is the raw 16-bit field. ``payload`` is in pieces and ``octets`` its length. ``gso_size`` above zero: a
    super-segment that stands for several segments of that many octets. ``ecn`` is the IP header's ECN field (RFC 3168
    5), which TCP has to see and to choose.
    """

    __slots__ = (
        "ack",
        "destination_port",
        "ecn",
        "flags",
        "gso_size",
        "octets",
        "options",
        "payload",
        "seq",
        "source_port",
        "urgent",
        "window",
    )

    def __init__(
        self,
        source_port: int,
        destination_port: int,
        seq: int,
        ack: int = 0,
        flags: int = 0,
        window: int = 0,
        urgent: int = 0,
        options: Options | None = None,
        payload: Buffers = (),
        octets: int = 0,
        gso_size: int = 0,
        ecn: int = 0,
    ) -> None:
        self.source_port = source_port
        self.destination_port = destination_port
        self.seq = seq
        self.ack = ack
        self.flags = flags
        self.window = window
        self.urgent = urgent
        self.options = options
        self.payload = payload
        self.octets = octets
        self.gso_size = gso_size
        self.ecn = ecn

    def __repr__(self) -> str:
        ports = f"{self.source_port} > {self.destination_port}"
        numbers = f"seq={self.seq}, ack={self.ack}, flags={self.flags:#x}, window={self.window}"
        return f"Segment({ports}, {numbers}, octets={self.octets}, options={self.options})"

    def copy(self) -> "Segment":
        """Another one that says the same; options and payload are shared."""
        return Segment(
            self.source_port,
            self.destination_port,
            self.seq,
            self.ack,
            self.flags,
            self.window,
            self.urgent,
            self.options,
            self.payload,
            self.octets,
            self.gso_size,
            self.ecn,
        )

    @property
    def length(self) -> int:
        """SEG.LEN: octets of text, with SYN and FIN counting as one each (RFC 9293 3.4)."""
        return self.octets + (self.flags >> 1 & 1) + (self.flags & 1)


def parse(packet: Packet, offset: int, octets: int, ecn: int = 0) -> Segment:
    """The segment of ``octets`` octets at ``offset`` in the packet's head, which holds its whole header (RFC 9293 3.1).

    The payload are views of head and body. The checksum is not verified, and reserved bits are ignored.
    """
    head = packet.head
    if octets < HEADER_OCTETS or len(head) < offset + HEADER_OCTETS:
        raise Malformed("TcpTruncated")
    header_octets = head[offset + 12] >> 2 & 0x3C
    if not HEADER_OCTETS <= header_octets <= octets:
        raise Malformed("TcpBadHeaderLength")
    start = offset + header_octets
    if start > len(head):
        raise Malformed("TcpTruncated")
    options: Options | None = None
    if header_octets == 32:
        source_port, destination_port, seq, ack, flags, window, urgent, word, value, echo = read_tcp_with_timestamps(
            head, offset
        )
        if word == TIMESTAMPS_WORD:
            options = Options(None, None, False, (value, echo))
        else:
            options = tcp_options.parse(head, offset + HEADER_OCTETS, start)
    else:
        source_port, destination_port, seq, ack, flags, window, urgent = read_tcp(head, offset)
        if header_octets != HEADER_OCTETS:
            options = tcp_options.parse(head, offset + HEADER_OCTETS, start)
    octets -= header_octets
    payload = _payload(packet, start, octets) if octets else ()
    return Segment(
        source_port,
        destination_port,
        seq,
        ack,
        flags & _FLAGS,
        window,
        urgent,
        options,
        payload,
        octets,
        packet.gso_size,
        ecn,
    )


def _payload(packet: Packet, start: int, octets: int) -> Buffers:
    head, body = packet.head, packet.body
    stop = start + octets
    if stop <= len(head):
        return (view(head, start, stop),)
    if start == len(head) and octets == total_octets(body):
        return body
    pieces = (view(head, start, len(head)), *body)
    if total_octets(pieces) < octets:
        raise Malformed("TcpTruncated")
    return cut(pieces, 0, octets)


def is_unverified(packet: Packet, offset: int) -> bool:
    """Whether nobody vouches for the checksum of the segment at ``offset``.

    So it is as well where another than TCP's is said to be unfinished: then who says so knows nothing of this one.
    """
    if packet.checksum == CHECKSUM_PARTIAL:
        return packet.checksum_start != offset or packet.checksum_offset != CHECKSUM_OFFSET
    return packet.checksum == CHECKSUM_NONE


def verify(packet: Packet, offset: int, octets: int, pseudo_sum: int) -> bool:
    """Whether the checksum over the segment is right (RFC 9293 3.1, MUST-3), computed here and now."""
    return (packet_sum(packet, offset, octets) + pseudo_sum) % 0xFFFF == 0


def header_octets(segment: Segment) -> int:
    """Length of the header with its options, padding included."""
    return HEADER_OCTETS + tcp_options.length(segment.options)


def emit(segment: Segment, pseudo_sum: int) -> bytes:
    """The header with its options; its checksum is PARTIAL: the pseudo-header's folded sum, not complemented."""
    options = segment.options
    if options is None:
        return _pack(segment, 0x5000, pseudo_sum)
    timestamps = tcp_options.sole_timestamps(options)
    if timestamps is not None:
        value, echo = timestamps
        return pack_tcp_with_timestamps(
            segment.source_port,
            segment.destination_port,
            segment.seq,
            segment.ack,
            0x8000 | segment.flags,
            segment.window,
            pseudo_sum,
            segment.urgent,
            TIMESTAMPS_WORD,
            value,
            echo,
        )
    octets = tcp_options.emit(options)
    return _pack(segment, HEADER_OCTETS + len(octets) << 10, pseudo_sum) + octets


def _pack(segment: Segment, data_offset: int, pseudo_sum: int) -> bytes:
    return pack_tcp(
        segment.source_port,
        segment.destination_port,
        segment.seq,
        segment.ack,
        data_offset | segment.flags,
        segment.window,
        pseudo_sum,
        segment.urgent,
    )
