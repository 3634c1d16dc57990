"""A batch of the receive ring as columns: where its frames are, and what the headers of the SYNs among them say.

Words are as the machine reads them, so an IPv4 address is ``source`` with its first octet lowest; only what is counted
with is turned round. `Frames` finds the frames of a batch, `Segments` are some of them whose headers are equally long.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from halfopen.links.packet_socket import TP_STATUS_CSUM_VALID, TP_STATUS_CSUMNOTREADY
from halfopen.links.rings import Batch

Words: TypeAlias = npt.NDArray[np.uint32]
Mask: TypeAlias = npt.NDArray[np.bool_]
Places: TypeAlias = npt.NDArray[np.intp]

IP_AT: Final = 24
"""Words from the header that the kernel puts in front of a frame (``TPACKET_V3``) to that of the network."""
TCP_AT: Final = IP_AT + 5
OPTIONS_AT: Final = TCP_AT + 5

_PLACES: Final = 82 | 96 << 16
"""``tp_mac`` and ``tp_net`` of all frames behind a plain Ethernet header: they depend on the sizes of headers only."""
_KEPT, _STATUS, _OFFSETS = 3, 5, 6
_NOT_VERIFIED: Final = TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID
_WINDOW: Final = 1024
_PATIENCE: Final = 32

_PROTOCOL_TCP: Final = 6
_IPV4_ETHERTYPE: Final = 0x0008
_PLAIN: Final = 0x45
_FRAGMENT: Final = 0xFF3F0000
_SYN_OF_FLAGS: Final = 0x1700
"""SYN, ACK, RST, FIN in the word that holds the data offset, the flags and the window."""
_SYN_ALONE: Final = 0x0200
_ALL: Final = 0xFFFF


class Frames:
    """The frames of a batch; ``places`` are the words at which their headers begin."""

    __slots__ = ("octets", "places", "words")

    def __init__(self, batch: Batch) -> None:
        self.octets = np.frombuffer(batch.memory, np.uint8)
        self.words: Words = np.frombuffer(batch.memory, np.uint32)
        self.places = _find(self.words, batch)

    def column(self, offset: int, places: Places | None = None) -> Words:
        """The word ``offset`` words behind the header of each frame, or of those at ``places``."""
        found: Words = self.words.take((self.places if places is None else places) + offset, mode="clip")
        return found

    def syns(self, mac: bytes, port: int) -> Mask:
        """Which are SYNs to ``port`` in plain IPv4 to ``mac``; the checksums are not looked at."""
        first, rest = int.from_bytes(mac[:2], "little"), int.from_bytes(mac[2:], "little")
        column = self.column
        flags = column(TCP_AT + 3)
        found: Mask = (flags & _SYN_OF_FLAGS) == _SYN_ALONE
        found &= column(TCP_AT) >> 16 == int.from_bytes(port.to_bytes(2, "big"), "little")
        found &= column(_OFFSETS) == _PLACES
        found &= column(20) >> 16 == first
        found &= column(21) == rest
        found &= column(23) >> 16 == _IPV4_ETHERTYPE
        start = column(IP_AT)
        found &= start & 0xFF == _PLAIN
        found &= column(IP_AT + 1) & _FRAGMENT == 0
        found &= column(IP_AT + 2) >> 8 & 0xFF == _PROTOCOL_TCP
        total = start.byteswap() & 0xFFFF
        # Nothing behind the TCP header, and no reserved bit: those that have it are for the stack to judge.
        found &= flags & 0x0F == 0
        found &= total == 20 + ((flags & 0xF0) >> 2)
        found &= total >= 40
        found &= column(_KEPT) >= total + 14
        return found


class Segments:
    """SYNs whose TCP headers have ``header_words`` words, by columns."""

    __slots__ = ("frames", "header_words", "places")

    def __init__(self, frames: Frames, places: Places, header_words: int) -> None:
        self.frames = frames
        self.places = places
        self.header_words = header_words

    def __len__(self) -> int:
        return len(self.places)

    def column(self, offset: int) -> Words:
        """A word of each."""
        return self.frames.column(offset, self.places)

    def at(self, rows: Places | slice) -> "Segments":
        """Some of them."""
        return Segments(self.frames, self.places[rows], self.header_words)

    def intact(self) -> Mask:
        """Whose checksums are right, or vouched for by the kernel, as those that never were on a wire."""
        ip = _added([self.column(IP_AT + each) for each in range(5)])
        tcp = _added([self.column(TCP_AT + each) for each in range(self.header_words)])
        tcp += self.column(IP_AT + 3)
        tcp += self.column(IP_AT + 4)
        octets = 4 * self.header_words
        tcp += np.uint64(_PROTOCOL_TCP << 8 | octets << 24)
        is_vouched_for: Mask = self.column(_STATUS) & _NOT_VERIFIED != 0
        found: Mask = folded(ip) == _ALL
        found &= (folded(tcp) == _ALL) | is_vouched_for
        return found


def _added(columns: list[Words]) -> npt.NDArray[np.uint64]:
    total = columns[0].astype(np.uint64)
    for column in columns[1:]:
        total += column
    return total


def folded(total: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The ones' complement sum of 16-bit words, out of that of longer ones (RFC 1071 2 (B), (C))."""
    total = (total & np.uint64(0xFFFFFFFF)) + (total >> np.uint64(32))
    for _ in range(3):
        total = (total & np.uint64(_ALL)) + (total >> np.uint64(16))
    return total


def _find(words: Words, batch: Batch) -> Places:
    """Where the frames of all blocks are."""
    found = np.empty(batch.count, np.intp)
    done = 0
    for start, count in batch.chains:
        _follow(words, start >> 2, found[done : done + count])
        done += count
    return found


def _follow(words: Words, at: int, found: Places) -> None:
    """Follows a chain of offsets: in strides as long as frames are equally long, which those of a flood are."""
    count, done, window, misses = len(found), 0, _WINDOW, 0
    while done < count and misses < _PATIENCE:
        stride = int(words[at]) >> 2
        run = at + stride * np.arange(min(count - done, window))
        is_same = words.take(run, mode="clip") == stride << 2
        equal = len(run) if is_same.all() else int(is_same.argmin()) + 1
        found[done : done + equal] = run[:equal]
        done += equal
        at = int(run[equal - 1]) + (int(words[run[equal - 1]]) >> 2)
        window = window * 4 if equal == len(run) else _WINDOW
        misses += equal < len(run)
    while done < count:
        found[done] = at
        at += int(words[at]) >> 2
        done += 1
