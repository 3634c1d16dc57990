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

BLOCK_OCTETS: Final = 1 << 17
"""Some 800 SYNs, or one super-segment."""
BLOCKS: Final = 64
RETIRE_MS: Final = 1
"""How long a frame may wait for its block to fill."""
BATCH: Final = 4096
"""Frames that are taken at once, or a block more: what is done for all of them costs the less for each."""

SLOT_OCTETS: Final = 2048
SLOTS: Final = 1024
SLOT_BLOCK_OCTETS: Final = 1 << 19
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


class Batch:
    """``count`` frames in ``memory``: ``chains`` of (where the first begins, how many)."""

    __slots__ = ("chains", "count", "memory")

    def __init__(self, memory: memoryview, chains: list[tuple[int, int]]) -> None:
        self.memory = memory
        self.chains = chains
        self.count = sum(count for _, count in chains)

    def frames(self) -> list[tuple[int, int, int, int]]:
        """(start, octets kept, octets there were, status) of each."""
        memory, unpack = self.memory, _FRAME.unpack_from
        found: list[tuple[int, int, int, int]] = []
        for at, count in self.chains:
            for _ in range(count):
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
        self._taken = 0
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

    def take(self) -> Batch | None:
        """The frames of the next blocks, which stay ours until `give_back`; None if the kernel has them all."""
        memory, octets = self._memory, self._block_octets
        chains: list[tuple[int, int]] = []
        frames = 0
        while frames < BATCH and len(chains) < self.blocks:
            at = (self._next + len(chains)) % self.blocks * octets
            status, count, first = _BLOCK.unpack_from(memory, at)
            if not status & TP_STATUS_USER:
                break
            chains.append((at + first, count))
            frames += count
        self._taken = len(chains)
        return Batch(memory, chains) if chains else None

    def give_back(self) -> None:
        """The kernel may write into the blocks that were taken last."""
        for _ in range(self._taken):
            _WORD.pack_into(self._memory, self._next * self._block_octets + _STATUS_AT, TP_STATUS_KERNEL)
            self._next = (self._next + 1) % self.blocks
        self._taken = 0

    def take_overruns(self) -> int:
        """How many frames have found no free block since this was last asked."""
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, _STATISTICS_V3.size)
        drops: int = _STATISTICS_V3.unpack(statistics)[1]
        return drops

    def take_error(self) -> int:
        """The errno that the descriptor polls readable with as well, such as ENETDOWN; 0 if there is none."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

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
        """Lays one frame ready, which fits into a slot; False if none is free."""
        frame = b"".join(pieces)
        at = self.next_slot * self.slot_octets
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

    @abstractmethod
    def close(self) -> None:
        """Gives the slots up."""

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
        try:
            self._socket.send(b"", socket.MSG_DONTWAIT)
            self._laid = 0
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
        block = min(octets, SLOT_BLOCK_OCTETS)
        request = _REQUEST_V2.pack(block, octets // block, slot_octets, octets // slot_octets)
        self._socket.setsockopt(SOL_PACKET, PACKET_TX_RING, request)
        # What is on its way counts against the send buffer.
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 * octets)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * octets)
