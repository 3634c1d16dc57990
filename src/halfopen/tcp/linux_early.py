"""What has come ahead of a hole, as Linux keeps it and tells of it by SACK (``tcp_data_queue_ofo``).

Its queue has packets, which may overlap, not octets; duplicates are told by the packets that they are found in. Of SACK
blocks there are four, and what has been pushed out of them is not told again until more comes there.
"""

from bisect import bisect_right
from typing import Final

from halfopen.base.native import mypyc_attr
from halfopen.base.octets import Buffers
from halfopen.tcp.linux_memory import COMPACT_OCTETS, Memory, Packet, compacted
from halfopen.tcp.reassembly import Reassembly

DROPPED: Final = -1
_MOST_BLOCKS: Final = 4
"""``TCP_NUM_SACKS``."""


@mypyc_attr(acyclic=True)
class EarlyPackets(Reassembly):
    """The out-of-order queue, beside the octets themselves."""

    __slots__ = ("_sacks", "counted", "packets")

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[Packet] = []
        self._sacks: list[tuple[int, int]] = []
        """``selective_acks``, the latest first."""
        self.counted = 0
        """Packets that have come early, ever (``rcv_ooopack``)."""

    def insert(self, seq: int, end: int, buffers: Buffers) -> None:
        """The octets, as always; `keep` says which came twice."""
        before = self.duplicate
        super().insert(seq, end, buffers)
        self.duplicate = before

    def note_duplicate(self, left: int, right: int) -> None:
        """``[left, right)`` has come again, which is told in the place of what was to be told (``tcp_dsack_set``)."""
        if left < right:
            self.duplicate = (left, right)

    def _widen_duplicate(self, left: int, right: int) -> None:
        """More of the same segment has come twice (``tcp_dsack_extend``)."""
        if self.duplicate is None:
            self.duplicate = (left, right)
        else:
            self.duplicate = _joined(self.duplicate, left, right) or self.duplicate

    def keep(self, packet: Packet, memory: Memory) -> int:
        """Takes a packet; the memory that it is yet to be charged with, `DROPPED` if it brings nothing."""
        start, end = packet.start, packet.end
        charge = self._place(packet, memory)
        self._note_block(start, end)
        return charge

    def _place(self, packet: Packet, memory: Memory) -> int:
        packets, start, end = self.packets, packet.start, packet.end
        at = bisect_right(packets, start, key=_start_of)
        if at:
            before = packets[at - 1]
            if end <= before.end:
                self.note_duplicate(start, end)
                return DROPPED
            if start < before.end and start > before.start:
                self.note_duplicate(start, before.end)
            elif start == before.start:
                at -= 1
            elif before.absorb(packet):
                return 0
        while at < len(packets) and packets[at].start < end:
            after = packets[at]
            self._widen_duplicate(after.start, min(after.end, end))
            if end < after.end:
                break
            memory.used -= after.memory
            del packets[at]
        packets.insert(at, packet)
        return packet.memory

    def _note_block(self, start: int, end: int) -> None:
        """The block that has just grown leads; one that it now touches is part of it (``tcp_sack_new_ofo_skb``)."""
        sacks = self._sacks
        for at, block in enumerate(sacks):
            joined = _joined(block, start, end)
            if joined is not None:
                del sacks[at]
                break
        else:
            joined = (start, end)
            del sacks[_MOST_BLOCKS - 1 :]
        rest: list[tuple[int, int]] = []
        for block in sacks:
            wider = _joined(joined, *block)
            if wider is None:
                rest.append(block)
            else:
                joined = wider
        self._sacks = [joined, *rest]

    def release(self, nxt: int, memory: Memory) -> None:
        """Text up to ``nxt`` is in order now: what lies behind it is no more ahead of a hole (``tcp_ofo_queue``)."""
        high, packets, done = nxt, self.packets, 0
        for packet in packets:
            if packet.start > nxt:
                break
            if packet.start < high:
                self._widen_duplicate(packet.start, min(packet.end, high))
            memory.used -= packet.memory
            if packet.end > nxt:
                nxt = packet.end
                memory.put(packet)
            done += 1
        del packets[:done]
        self._sacks = [block for block in self._sacks if block[0] > nxt] if packets else []

    def prune(self, start: int, memory: Memory) -> bool:
        """Makes room for what starts at ``start``, at the cost of what came from behind it (``tcp_prune_ofo_queue``).

        All SACKs are forgotten then, and the peer finds out by a timeout. Whether anything went.
        """
        goal, gone = memory.buffer >> 3, 0
        while self.packets and start <= self.packets[-1].start:
            packet = self.packets.pop()
            goal -= packet.memory
            memory.used -= packet.memory
            gone += 1
            rest = self.packets[-1].end if self.packets else packet.start
            self.discard(max(packet.start, rest), packet.end)
            if goal <= 0 or not self.packets:
                if memory.has_room():
                    break
                goal = memory.buffer >> 3
        if gone:
            self._sacks = []
            self.duplicate = None
        return gone > 0

    def compact(self, memory: Memory) -> int:
        """Copies packets in a row into fewer; how many went (``tcp_collapse_ofo_queue``)."""
        kept: list[Packet] = []
        run: list[Packet] = []
        count = 0
        for packet in [*self.packets, None]:
            if packet is not None and (not run or packet.start <= max(each.end for each in run)):
                run.append(packet)
                continue
            if len(run) > 1 or (run and run[0].end - run[0].start >= COMPACT_OCTETS):
                before = sum(each.memory for each in run)
                run, gone = compacted(run, memory.ratio)
                memory.used += sum(each.memory for each in run) - before
                count += gone
            kept += run
            run = [packet] if packet is not None else []
        self.packets = kept
        return count

    @property
    def has_report(self) -> bool:
        """There is something that only a SACK option can tell."""
        return bool(self._sacks) or self.duplicate is not None

    @property
    def reach(self) -> int:
        """Where what has come ahead of holes ends; 0 if nothing has."""
        return self.packets[-1].end if self.packets else 0

    @property
    def has_many(self) -> bool:
        """There are more blocks than a sender expects who has lost a single segment."""
        return len(self._sacks) > 2

    def report(self, limit: int) -> list[tuple[int, int]]:
        """What to report: a duplicate, the blocks."""
        duplicate = [] if self.duplicate is None else [self.duplicate]
        self.duplicate = None
        return (duplicate + self._sacks)[:limit]

    def forget(self) -> None:
        """What came ahead of holes that nothing will fill any more."""
        super().forget()
        self.packets = []
        self._sacks = []

    def abandon(self) -> None:
        """Nothing is held any more, but a last RST still tells what was (``tcp_send_active_reset``)."""
        sacks, duplicate = self._sacks, self.duplicate
        self.forget()
        self._sacks, self.duplicate = sacks, duplicate


def _joined(block: tuple[int, int], start: int, end: int) -> tuple[int, int] | None:
    """Both as one, if they touch (``tcp_sack_extend``)."""
    if start > block[1] or block[0] > end:
        return None
    return min(block[0], start), max(block[1], end)


def _start_of(packet: Packet) -> int:
    return packet.start
