"""Rings in memory, for the tests of what works on them."""

from collections.abc import Iterable
from struct import pack, pack_into

from halfopen.base.counters import Counters
from halfopen.links.rings import FRAME_AT, Batch, Slots

PER_FRAME = 82
"""What the kernel puts in front of Ethernet: ``struct tpacket3_hdr``, ``struct sockaddr_ll`` and padding."""


def make_batch(frames: Iterable[tuple[bytes, int]]) -> Batch:
    """A block as the kernel would have left it in its ring; each frame with its status."""
    octets = bytearray(pack("=8x3I28x", 1, 0, 48))
    at = 48
    count = 0
    for frame, status in frames:
        stride = PER_FRAME + len(frame) + 7 & ~7
        header = pack("=IIIIIIHH", stride, 0, 0, len(frame), len(frame), status, PER_FRAME, PER_FRAME + 14)
        last, at = at, at + stride
        octets += (header.ljust(PER_FRAME, b"\0") + frame).ljust(stride, b"\0")
        count += 1
    if count:
        pack_into("=I", octets, last, 0)
    return Batch(memoryview(octets + bytes(-len(octets) % 8)), [(48, count)])


class MemorySlots(Slots):
    """Slots whose frames are kept in ``sent`` when flushed, and so free again."""

    def __init__(self, slots: int = 16, counters: Counters | None = None) -> None:
        super().__init__(memoryview(bytearray(slots * 128)), 128, counters or Counters())
        self.sent: list[bytes] = []
        self.is_stuck = False
        self.is_closed = False

    def flush(self) -> None:
        """In the order of the slots."""
        if self.is_stuck:
            return
        first = (self.next_slot - self._laid) % self.slots
        for slot in range(first, first + self._laid):
            at = slot % self.slots * self.slot_octets
            status, length = (int.from_bytes(self.memory[at + each : at + each + 4], "little") for each in (0, 4))
            assert status == 1
            self.sent.append(bytes(self.memory[at + FRAME_AT : at + FRAME_AT + length]))
            self.memory[at : at + 4] = bytes(4)
        self._laid = 0

    def close(self) -> None:
        self.is_closed = True
