"""TCP-AO: what a MAC covers, and what one connection has to remember for it (RFC 5925 5, 6).

Each direction has its own traffic keys, made of the master key, the ends, and both initial sequence numbers; a SYN,
sent before the second is known, has one of its own, with zero in its place:

    segment          traffic key     source ISN    destination ISN
    SYN              Send_SYN        the sender's  0
    all others       Send_other      the sender's  the receiver's

The MAC is made over the sequence number extension (how often SEG.SEQ has wrapped), the pseudo-header, the header with
zeros for checksum and MAC, with or without the other options, and the text.
"""

import hmac
from struct import Struct
from typing import Final

from halfopen.base.octets import Buffers
from halfopen.tcp.master_keys import ALGORITHMS, MAC_OCTETS, MasterKey
from halfopen.tcp.seqnum import MASK, MODULUS, unwrap
from halfopen.wire import tcp, tcp_options
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.tcp import ACK, CHECKSUM_OFFSET, HEADER_OCTETS, SYN, Segment
from halfopen.wire.tcp_options import AUTHENTICATION, Options

OPTION_OCTETS: Final = 4 + MAC_OCTETS
"""Kind, length, KeyID, RNextKeyID, MAC (RFC 5925 2.2)."""
IPV4_FLOW_OCTETS: Final = 12

_ISNS: Final = Struct("!II")
_PSEUDO_V4: Final = Struct("!8sBBH")
_PSEUDO_V6: Final = Struct("!32sII")


def reverse(flow: bytes) -> bytes:
    """The flow as the other end sees it."""
    middle = (len(flow) - 4) // 2
    return flow[middle:-4] + flow[:middle] + flow[-2:] + flow[-4:-2]


def traffic_key(key: MasterKey, flow: bytes, source_isn: int, destination_isn: int) -> bytes:
    """The traffic key for segments that bear ``flow`` (RFC 5925 5.2, RFC 5926 3.1)."""
    return ALGORITHMS[key.algorithm].derive(key.secret, flow + _ISNS.pack(source_isn, destination_isn))


def pseudo_header(flow: bytes, octets: int) -> bytes:
    """That of the checksum (RFC 9293 3.1, RFC 8200 8.1); ``octets`` is the length of the whole segment."""
    if len(flow) == IPV4_FLOW_OCTETS:
        return _PSEUDO_V4.pack(flow[:8], 0, PROTOCOL_TCP, octets)
    return _PSEUDO_V6.pack(flow[:32], octets, PROTOCOL_TCP)


def without_checksum(header: bytes) -> bytes:
    """The fixed part of a header, with zeros for the checksum."""
    return header[:CHECKSUM_OFFSET] + b"\0\0" + header[CHECKSUM_OFFSET + 2 : HEADER_OCTETS]


def header_at(head: bytes, offset: int) -> bytes:
    """The header of a segment that begins at ``offset``, with its options."""
    return head[offset : offset + (head[offset + 12] >> 2 & 0x3C)]


def message(key: MasterKey, flow: bytes, sequence: int, header: bytes, text: Buffers) -> bytes:
    """What the MAC is made over (RFC 5925 5.1); ``header`` has the option, whatever its MAC.

    ``sequence`` is SEG.SEQ without wrap, in whose lap 0 the initial sequence number lies.
    """
    at = tcp_options.find(header, HEADER_OCTETS, len(header), AUTHENTICATION)
    before = header[HEADER_OCTETS:at] if key.covers_options else b""
    behind = header[at + OPTION_OCTETS :] if key.covers_options else b""
    octets = len(header) + sum(map(len, text))
    pieces = (
        extension(sequence).to_bytes(4, "big"),
        pseudo_header(flow, octets),
        without_checksum(header),
        before,
        header[at : at + 4] + bytes(MAC_OCTETS),
        behind,
        *text,
    )
    return b"".join(pieces)


def extension(sequence: int) -> int:
    """SNE: the initial sequence number has 0, and what lies before it the last of all (RFC 5925 6.2)."""
    return sequence // MODULUS & MASK


def is_authentic(key: MasterKey, secret: bytes, covered: bytes, header: bytes) -> bool:
    """Whether the MAC in ``header`` is that of ``covered``, by the traffic key ``secret``."""
    at = tcp_options.find(header, HEADER_OCTETS, len(header), AUTHENTICATION) + 4
    return hmac.compare_digest(header[at : at + MAC_OCTETS], ALGORITHMS[key.algorithm].authenticate(secret, covered))


def next_key_id(header: bytes) -> int:
    """RNextKeyID: the KeyID that the sender asks for (RFC 5925 2.2)."""
    return header[tcp_options.find(header, HEADER_OCTETS, len(header), AUTHENTICATION) + 3]


def with_option(segment: Segment, kind: int, value: bytes) -> None:
    """Gives the segment one more option, behind those that it has; SACK blocks that leave no room for it go."""
    options = Options() if segment.options is None else segment.options.copy()
    options.unknown += ((kind, value),)
    while options.sack and tcp_options.length(options) > tcp_options.MAXIMUM_OCTETS:
        options.sack = options.sack[:-1]
    segment.options = options


class Association:
    """What TCP-AO knows of one connection: its keys, and both directions' sequence numbers without wrap."""

    __slots__ = ("_traffic_keys", "current", "flow", "irs", "iss", "received", "sent", "wanted")

    def __init__(self, flow: bytes, iss: int, current: MasterKey, wanted: MasterKey) -> None:
        self.flow = flow
        self.iss = iss
        self.irs: int | None = None
        """None until the peer's SYN has come."""
        self.current = current
        """current_key, which we send under (RFC 5925 4)."""
        self.wanted = wanted
        """rnext_key, which we ask the peer to send under."""
        self.sent = iss
        self.received = 0
        self._traffic_keys: dict[tuple[MasterKey, bool], bytes] = {}

    def learn(self, irs: int) -> None:
        """The peer's initial sequence number."""
        self.irs = self.received = irs

    def sign(self, segment: Segment) -> None:
        """Puts the option on a segment of ours: the last thing that is done to its options."""
        if self.irs is None and not segment.flags & SYN:
            return
        key = self.current
        ids = bytes((key.send_id, self.wanted.receive_id))
        sequence = unwrap(segment.seq, self.sent)
        self.sent = max(self.sent, sequence)
        if segment.flags & (SYN | ACK) == SYN:
            secret = traffic_key(key, reverse(self.flow), segment.seq, 0)
        else:
            secret = self._traffic_key(key, is_ours=True)
        with_option(segment, AUTHENTICATION, ids + bytes(MAC_OCTETS))
        assert segment.options is not None
        covered = message(key, reverse(self.flow), sequence, tcp.emit(segment, 0), segment.payload)
        mac = ALGORITHMS[key.algorithm].authenticate(secret, covered)
        segment.options.unknown = (*segment.options.unknown[:-1], (AUTHENTICATION, ids + mac))

    def is_authentic(self, key: MasterKey, segment: Segment, header: bytes) -> bool:
        """Whether a segment of the peer's that is no SYN has the right MAC; its place is remembered if so."""
        sequence = unwrap(segment.seq, self.received)
        secret = self._traffic_key(key, is_ours=False)
        if not is_authentic(key, secret, message(key, self.flow, sequence, header, segment.payload), header):
            return False
        self.received = max(self.received, sequence)
        return True

    def _traffic_key(self, key: MasterKey, *, is_ours: bool) -> bytes:
        found = self._traffic_keys.get((key, is_ours))
        if found is None:
            assert self.irs is not None
            if is_ours:
                found = traffic_key(key, reverse(self.flow), self.iss, self.irs)
            else:
                found = traffic_key(key, self.flow, self.irs, self.iss)
            self._traffic_keys[key, is_ours] = found
        return found
