"""SYN,ACKs by the thousand: of five kinds, each a template that lacks what differs from peer to peer.

A template is what `halfopen.tcp.passive.syn_ack` says to a peer of that kind, so there is one place only where a host
decides what its SYN,ACKs are like.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

import numpy as np

from halfopen.base.addresses import Mac
from halfopen.base.clock import Instant
from halfopen.links.rings import FRAME_AT, TP_STATUS_SEND_REQUEST, Slots
from halfopen.links.syn_columns import Words, folded
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.passive import Listening, PathLimits, syn_ack
from halfopen.wire import ethernet, tcp, tcp_options

PLAIN: Final = 0
"""Without timestamps a cookie has no room for the other options."""
STAMPED: Final = 1
SACK: Final = 1
SCALED: Final = 2
"""Added to `STAMPED`."""

_ETHERNET_AT: Final = FRAME_AT // 4
_IP_AT: Final = _ETHERNET_AT + 4
_TCP_AT: Final = _IP_AT + 5
_IP = Struct("!BBHHHBBH8x")
_AT_ONCE: Final = 512
"""Slots that are filled word by word before the next ones are: so many stay in the nearest cache."""
_ECE: Final = 0x4000
"""In the word of the flags."""


@dataclass(slots=True)
class Replies:
    """Columns: whom to answer, as in the SYN, and with what. Numbers are in the machine's order."""

    mac_start: Words
    """The first four octets of the neighbour's MAC; the rest is in the low half of the next."""
    mac_end: Words
    source: Words
    destination: Words
    ports: Words
    irs: Words
    iss: Words
    ecn: Words
    """0 or 1; one for all, 0, if none is."""
    clock: Words
    stamp: Words
    """TSval of the SYN as it stands in the packet; this and ``clock`` are for peers with timestamps."""


class Template:
    """One kind of SYN,ACK, as words that begin with Ethernet at a border."""

    __slots__ = ("_ip_sum", "_stamp_at", "_tcp_sum", "_words", "octets")

    def __init__(self, mac: Mac, header: bytes) -> None:
        total = 20 + len(header)
        ip = _IP.pack(0x45, 0, total, 0, 0x4000, 64, 6, 0)
        frame = ethernet.emit(bytes(6), mac, ethernet.ETHERTYPE_IPV4) + ip + header
        self.octets = len(frame)
        self._words: Words = np.frombuffer(bytes(FRAME_AT % 4) + frame, np.uint32)
        stamps = tcp_options.find(header, 20, len(header), tcp_options.TIMESTAMPS)
        self._stamp_at = _TCP_AT + (stamps + 2) // 4 if stamps >= 0 else 0
        self._ip_sum = np.uint64(np.frombuffer(ip, np.uint32).sum(dtype=np.uint64))
        pseudo = 6 << 8 | len(header) << 24
        self._tcp_sum = np.uint64(np.frombuffer(header, np.uint32).sum(dtype=np.uint64)) + np.uint64(pseudo)

    def write(self, rows: Words, to: Replies) -> None:
        """Fills free slots, one for each of ``to``; the status of each last."""
        columns = self._columns(to)
        stop = _ETHERNET_AT + len(self._words)
        for start in range(0, len(rows), _AT_ONCE):
            turn = slice(start, start + _AT_ONCE)
            some = rows[turn]
            some[:, _ETHERNET_AT:stop] = self._words
            for place, column in columns:
                some[:, place] = column[turn]
            some[:, 1] = self.octets
            some[:, 3] = FRAME_AT
            some[:, 0] = TP_STATUS_SEND_REQUEST

    def _columns(self, to: Replies) -> list[tuple[int, Words]]:
        """What differs from peer to peer, and where in a slot it stands."""
        words = self._words
        ends = to.source.astype(np.uint64) + to.destination
        ip_checksum = self._checksum(ends + self._ip_sum) << np.uint32(16)
        ports = to.ports >> 16 | to.ports << 16
        seq, ack = to.iss.byteswap(), (to.irs + np.uint32(1)).byteswap()
        marks = to.ecn * np.uint32(_ECE)
        columns = [
            (_ETHERNET_AT, to.mac_start << 16),
            (_ETHERNET_AT + 1, to.mac_start >> 16 | to.mac_end << 16),
            (_IP_AT + 2, words[_IP_AT + 2 - _ETHERNET_AT] | ip_checksum),
            (_IP_AT + 3, to.destination),
            (_IP_AT + 4, to.source),
            (_TCP_AT, ports),
            (_TCP_AT + 1, seq),
            (_TCP_AT + 2, ack),
        ]
        if len(marks) == len(ports):
            columns.append((_TCP_AT + 3, words[_TCP_AT + 3 - _ETHERNET_AT] | marks))
        if self._stamp_at:
            clock = to.clock.byteswap()
            columns += [(self._stamp_at, clock), (self._stamp_at + 1, to.stamp)]
            ends += clock
            ends += to.stamp
        for part in (ports, seq, ack, marks, self._tcp_sum):
            ends += part
        columns.append((_TCP_AT + 4, self._checksum(ends)))
        return columns

    def _checksum(self, total: "np.typing.NDArray[np.uint64]") -> Words:
        return (folded(total) ^ np.uint64(0xFFFF)).astype(np.uint32)


def make_templates(listening: Listening, limits: PathLimits, mac: Mac, now: Instant) -> list[Template]:
    """By kind: `PLAIN`, and `STAMPED` with any of the others."""
    templates = [_template(listening, limits, mac, HalfOpen(bytes(12), 0, 0, 0), now)]
    for options in range(4):
        record = HalfOpen(bytes(12), 0, 0, 0, 0 if options & SCALED else None, bool(options & SACK), ts_recent=0)
        templates.append(_template(listening, limits, mac, record, now))
    return templates


def _template(listening: Listening, limits: PathLimits, mac: Mac, record: HalfOpen, now: Instant) -> Template:
    segment = syn_ack(listening, record, now, limits)
    segment.source_port = segment.ack = 0
    if segment.options is not None and segment.options.timestamps is not None:
        segment.options.timestamps = (0, 0)
    return Template(mac, tcp.emit(segment, 0))


class ReplySlots:
    """Slots as a table of words."""

    __slots__ = ("_slots", "_table")

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._table: Words = np.frombuffer(slots.memory, np.uint32).reshape(slots.slots, slots.slot_octets // 4)

    def free(self, wanted: int) -> Words:
        """The next free slots, up to ``wanted`` of them, in one piece; empty if the next one is not free."""
        first = self._slots.next_slot
        rows = self._table[first : first + wanted]
        is_taken = rows[:, 0] != 0
        if is_taken.any():
            rows = rows[: int(is_taken.argmax())]
        return rows

    def advance(self, count: int) -> None:
        """So many of those that were free have been filled."""
        self._slots.advance(count)

    def flush(self) -> None:
        """Sends them."""
        self._slots.flush()
