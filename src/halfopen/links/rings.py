"""The rings of AF_PACKET that a process shares with the kernel (``PACKET_MMAP``): no system call for each frame.

The kernel writes frames into blocks, and hands over whole blocks (``TPACKET_V3``): when one is full or, if it holds
anything, after `RETIRE_MS`. What we send is laid into slots (``TPACKET_V2``), and one call makes the kernel take all.

    block   | description | header, frame | header, frame | ...        slot   | header | Ethernet | IP ...
              |               |-- offset to the next -->|                       |
              status: whose it is, the kernel's or ours                         status: free, or to be sent

(Documentation/networking/packet_mmap.rst.) Whoever a block or a slot belongs to gives it away by its status, last.
"""

import errno
import mmap
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from struct import Struct
from typing import Final

from halfopen.base.counters import Counters
from halfopen.base.octets import Buffer
from halfopen.links.packet_socket import (
    PACKET_STATISTICS,
    SOL_PACKET,
    enable_option,
    join_interface,
    open_packet_socket,
)

PACKET_RX_RING = 5
PACKET_VERSION = 10
PACKET_TX_RING = 13
PACKET_LOSS = 14
PACKET_TX_HAS_OFF = 19
PACKET_QDISC_BYPASS = 20
SO_SNDBUFFORCE = 32
TPACKET_V2 = 1
TPACKET_V3 = 2

TP_STATUS_KERNEL = 0
TP_STATUS_USER = 1
TP_STATUS_SEND_REQUEST = 1

BLOCK_OCTETS: Final = 1 << 19
"""Some 3,000 SYNs, or eight super-segments."""
BLOCKS: Final = 16
RETIRE_MS: Final = 1
"""How long a frame may wait for its block to fill."""

SLOT_OCTETS: Final = 2048
SLOTS: Final = 1024
FRAME_AT: Final = 34
"""Where in a slot Ethernet begins, behind the header's 32 octets: IP then lies on a border of words."""

_REQUEST_V3 = Struct("=7I")
_REQUEST_V2 = Struct("=4I")
_WORD = Struct("=I")
_BLOCK = Struct("=8x3I")
"""``struct tpacket_block_desc``: status, number of frames, offset of the first."""
_STATUS_AT: Final = 8
_FRAME = Struct("=I8x3IHH")
"""``struct tpacket3_hdr``: offset to the next, octets kept, octets there were, status, and where Ethernet begins."""
_SLOT_LENGTH = Struct("=4xI4xH")
_STATISTICS_V3 = Struct("=III")


class Block:
    """What the kernel has handed over: ``count`` frames in ``memory``, the first at ``first``."""

    __slots__ = ("count", "first", "memory")

    def __init__(self, memory: memoryview) -> None:
        self.memory = memory
        self.count, self.first = _BLOCK.unpack_from(memory)[1:]

    def frames(self) -> list[tuple[int, int, int, int]]:
        """(start, octets kept, octets there were, status) of each."""
        memory, at, unpack = self.memory, self.first, _FRAME.unpack_from
        found: list[tuple[int, int, int, int]] = []
        for _ in range(self.count):
            following, kept, length, status, start, _ = unpack(memory, at)
            found.append((at + start, kept, length, status))
            at += following
        return found


class ReceiveRing:
    """Blocks of frames that come in at the interface ``name``."""

    def __init__(self, name: str, *, blocks: int = BLOCKS, block_octets: int = BLOCK_OCTETS) -> None:
        self._socket = open_packet_socket(name)
        self.blocks = blocks
        self._block_octets = block_octets
        self._next = 0
        try:
            self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
            frames = blocks * (block_octets // SLOT_OCTETS)
            request = _REQUEST_V3.pack(block_octets, blocks, SLOT_OCTETS, frames, RETIRE_MS, 0, 0)
            self._socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
            self._memory = memoryview(mmap.mmap(self._socket.fileno(), blocks * block_octets))
            join_interface(self._socket, name)
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Polls readable when there is a block."""
        return self._socket.fileno()

    def take(self) -> Block | None:
        """The next block, which stays ours until `give_back`; None if the kernel has it."""
        at = self._next * self._block_octets
        if not _WORD.unpack_from(self._memory, at + _STATUS_AT)[0] & TP_STATUS_USER:
            return None
        return Block(self._memory[at : at + self._block_octets])

    def give_back(self) -> None:
        """The kernel may write into the block that was taken last."""
        _WORD.pack_into(self._memory, self._next * self._block_octets + _STATUS_AT, TP_STATUS_KERNEL)
        self._next = (self._next + 1) % self.blocks

    def take_overruns(self) -> int:
        """How many frames have found no free block since this was last asked."""
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, _STATISTICS_V3.size)
        drops: int = _STATISTICS_V3.unpack(statistics)[1]
        return drops

    def close(self) -> None:
        """Gives the ring up; blocks that somebody still holds stay readable."""
        self._socket.close()


class Slots(ABC):
    """Slots of ``slot_octets``, used in turn, each for one frame that is to leave; what finds none free is counted."""

    def __init__(self, memory: memoryview, slot_octets: int, counters: Counters) -> None:
        self.memory = memory
        self.slot_octets = slot_octets
        self.slots = len(memory) // slot_octets
        self.next_slot = 0
        self.counters = counters
        self._laid = 0

    def put(self, pieces: Sequence[Buffer]) -> bool:
        """Lays one frame ready; False if it is too long, or no slot is free."""
        frame = b"".join(pieces)
        at = self.next_slot * self.slot_octets
        if len(frame) > self.slot_octets - FRAME_AT:
            self.counters.add("LinkTooLong")
            return False
        if _WORD.unpack_from(self.memory, at)[0] and not self._has_room_after_flush(at):
            self.counters.add("LinkFull")
            return False
        self.memory[at + FRAME_AT : at + FRAME_AT + len(frame)] = frame
        _SLOT_LENGTH.pack_into(self.memory, at, len(frame), FRAME_AT)
        _WORD.pack_into(self.memory, at, TP_STATUS_SEND_REQUEST)
        self.advance(1)
        return True

    def advance(self, count: int) -> None:
        """The next ``count`` slots, which do not go over the end, have been laid ready."""
        self.next_slot = (self.next_slot + count) % self.slots
        self._laid += count

    @abstractmethod
    def flush(self) -> None:
        """Sends what was laid ready."""

    def _has_room_after_flush(self, at: int) -> bool:
        self.flush()
        return not _WORD.unpack_from(self.memory, at)[0]


class TransmitRing(Slots):
    """Slots whose frames leave by the interface ``name``."""

    def __init__(self, name: str, counters: Counters, *, slots: int = SLOTS, slot_octets: int = SLOT_OCTETS) -> None:
        self._socket = open_packet_socket(name)
        try:
            octets = slots * slot_octets
            self._make(octets, slot_octets)
            super().__init__(memoryview(mmap.mmap(self._socket.fileno(), octets)), slot_octets, counters)
            self._socket.bind((name, 0))
        except BaseException:
            self._socket.close()
            raise

    def flush(self) -> None:
        """One system call for all that was laid ready."""
        if not self._laid:
            return
        self._laid = 0
        try:
            self._socket.send(b"", socket.MSG_DONTWAIT)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS, errno.ENETDOWN, errno.ENXIO):
                raise
            # The slots stay marked, and the next call sends them.
            self.counters.add("LinkDown" if error.errno in (errno.ENETDOWN, errno.ENXIO) else "LinkBusy")

    def close(self) -> None:
        """Gives the ring up, with what was not flushed."""
        self._socket.close()

    def _make(self, octets: int, slot_octets: int) -> None:
        self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
        self._socket.setsockopt(SOL_PACKET, PACKET_LOSS, 1)
        self._socket.setsockopt(SOL_PACKET, PACKET_TX_HAS_OFF, 1)
        enable_option(self._socket, PACKET_QDISC_BYPASS)
        block = min(octets, BLOCK_OCTETS)
        request = _REQUEST_V2.pack(block, octets // block, slot_octets, octets // slot_octets)
        self._socket.setsockopt(SOL_PACKET, PACKET_TX_RING, request)
        # What is on its way counts against the send buffer.
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 * octets)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * octets)
