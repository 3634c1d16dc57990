"""AF_PACKET over a veth pair with memory-mapped rings: as `halfopen.links.packet_socket`, in batches.

A gate may stand in front of the stack: it sees whole blocks, answers what it can by itself, and hands on the rest.
"""

import time
from abc import ABC, abstractmethod
from collections import deque

from halfopen.base.addresses import Mac, format_mac
from halfopen.base.clock import Instant
from halfopen.base.errors import ConfigError, Malformed
from halfopen.links import offload
from halfopen.links.device import our_mac
from halfopen.links.link import Link
from halfopen.links.packet_socket import marked
from halfopen.links.rings import SLOT_OCTETS, SLOTS, Block, ReceiveRing, TransmitRing
from halfopen.links.tuntap import ask_device
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import Packet

ETHERNET_ROOM = 64
"""What of a slot is not for the network packet: its header, Ethernet, and a border."""


class Gate(ABC):
    """Who looks at blocks before the stack does."""

    __slots__ = ()

    @abstractmethod
    def answer(self, block: Block, now: Instant) -> list[Packet]:
        """Answers what can be answered here; the other frames, in their order."""

    @abstractmethod
    def close(self) -> None:
        """Gives back what it holds of the interface."""


class PacketRing(Link):
    """Our host at the interface ``name``, which is best one end of a veth pair that nobody else uses.

    No offloads: switch them off at both ends with `interfaces.set_offloads`, or frames come in that are longer than any
    MTU. Unfinished checksums are recognised. A frame may wait `rings.RETIRE_MS` until the kernel hands it over, so this
    is for many packets, not for quick ones. `write` lays ready; `flush` sends.
    """

    def __init__(self, name: str, *, mac: Mac | None = None) -> None:
        device = ask_device(name)
        if mac == device.mac:
            raise ConfigError(f"{format_mac(mac)} is the MAC of {name} itself: the kernel would answer to it as well")
        super().__init__(device.name, "ethernet", device.mtu, mac or our_mac(device.mac))
        slot_octets = SLOT_OCTETS
        while slot_octets < device.mtu + ETHERNET_ROOM:
            slot_octets *= 2
        self._receive = ReceiveRing(name)
        try:
            self._transmit = TransmitRing(name, self.counters, slots=SLOTS, slot_octets=slot_octets)
        except BaseException:
            self._receive.close()
            raise
        self._waiting: deque[Packet] = deque()
        self._holds_block = False
        self.gate: Gate | None = None
        """Sees all blocks from now on; closed with the link."""

    def fileno(self) -> int:
        """The receive ring's."""
        return self._receive.fileno()

    def read(self, limit: int) -> list[Packet]:
        """Out of the ring, without a system call; then asks what the kernel had to drop meanwhile."""
        waiting = self._waiting
        packets: list[Packet] = []
        for _ in range(self._receive.blocks):
            while waiting and len(packets) < limit:
                packets.append(waiting.popleft())
            if waiting or not self._take_block():
                break
        if len(packets) < limit:
            self._count_overruns()
        return packets

    def write(self, packet: Packet) -> bool:
        """Lays the packet ready in a slot, or as many as it is cut into; completes its checksum."""
        try:
            if packet.gso_size:
                pieces = offload.pieces(packet, self.network_offset, complete=True)
                taken = [self._transmit.put([piece.head, *piece.body]) for piece in pieces]
                return all(taken)
            packet = complete_checksum(packet)
        except Malformed as malformed:
            self.counters.add(malformed.reason)
            return False
        return self._transmit.put([packet.head, *packet.body])

    def flush(self) -> None:
        """One system call for all that was written."""
        self._transmit.flush()

    def close(self) -> None:
        """Closes both rings, and the gate; the interface stays."""
        self._receive.close()
        self._transmit.close()
        if self.gate is not None:
            self.gate.close()

    def _take_block(self) -> bool:
        """Empties the next block into `_waiting`. It is given back after the next one, or when nothing waits.

        As long as it is ours the descriptor polls readable.
        """
        if self._holds_block:
            self._receive.give_back()
            self._holds_block = False
        block = self._receive.take()
        if block is None:
            return False
        self._holds_block = True
        if self.gate is not None:
            self._waiting.extend(self.gate.answer(block, time.monotonic_ns()))
        else:
            self._waiting.extend(self._packets_of(block))
        return True

    def _packets_of(self, block: Block) -> list[Packet]:
        packets: list[Packet] = []
        memory = block.memory
        for start, kept, length, status in block.frames():
            if kept < length:
                self.counters.add("LinkTruncated")
            else:
                packets.append(marked(bytes(memory[start : start + kept]), status))
        return packets

    def _count_overruns(self) -> None:
        drops = self._receive.take_overruns()
        if drops:
            self.counters.add("LinkOverrun", drops)
