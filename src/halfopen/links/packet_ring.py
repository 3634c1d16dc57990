"""AF_PACKET over a veth pair with memory-mapped rings: as `halfopen.links.packet_socket`, in batches.

A gate may stand in front of the stack: it sees whole batches, answers what it can by itself, and hands on the rest.
"""

import errno
import os
import time
from abc import ABC, abstractmethod
from collections import deque

from halfopen.base.addresses import Mac, format_mac
from halfopen.base.clock import Instant
from halfopen.base.errors import ConfigError, Malformed
from halfopen.links import offload
from halfopen.links.device import our_mac
from halfopen.links.link import ETHERNET_OCTETS, Link
from halfopen.links.packet_socket import marked
from halfopen.links.rings import SLOT_OCTETS, SLOTS, Batch, ReceiveRing, TransmitRing
from halfopen.links.tuntap import ask_device
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import Packet

ETHERNET_ROOM = 64
"""What of a slot is not for the network packet: its header, Ethernet, and a border."""

BATCHES = 4
"""So many in one `read` of which a gate leaves nothing; then the rest of the program has its turn."""


class Gate(ABC):
    """Who looks at batches before the stack does."""

    __slots__ = ()

    @abstractmethod
    def answer(self, batch: Batch, now: Instant) -> list[Packet]:
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
        self._holds_batch = False
        self.gate: Gate | None = None
        """Sees all batches from now on; closed with the link."""

    def fileno(self) -> int:
        """The receive ring's."""
        return self._receive.fileno()

    def read(self, limit: int) -> list[Packet]:
        """Out of the ring, without a system call; then asks what the kernel had to drop meanwhile."""
        waiting = self._waiting
        packets: list[Packet] = []
        for _ in range(BATCHES):
            while waiting and len(packets) < limit:
                packets.append(waiting.popleft())
            if waiting or not self._take_batch():
                break
        if len(packets) < limit:
            self._ask_kernel()
        return packets

    def write(self, packet: Packet) -> bool:
        """Lays the packet ready in a slot, or as many as it is cut into; completes its checksum."""
        try:
            if packet.gso_size:
                pieces = offload.pieces(packet, self.network_offset, complete=True)
                # Every piece is tried: each would have its own fate on a wire.
                taken = [self._lay(piece) for piece in pieces]
                return all(taken)
            return self._lay(complete_checksum(packet))
        except Malformed as malformed:
            self.counters.add(malformed.reason)
            return False

    def flush(self) -> None:
        """One system call for all that was written."""
        self._transmit.flush()

    def close(self) -> None:
        """Closes both rings, and the gate; the interface stays."""
        self._receive.close()
        self._transmit.close()
        if self.gate is not None:
            self.gate.close()

    def _take_batch(self) -> bool:
        """Empties the next blocks into `_waiting`. They are given back when all that was in them has been read.

        As long as it is ours the descriptor polls readable.
        """
        if self._holds_batch:
            self._receive.give_back()
            self._holds_batch = False
        batch = self._receive.take()
        if batch is None:
            return False
        self._holds_batch = True
        if self.gate is not None:
            self._waiting.extend(self.gate.answer(batch, time.monotonic_ns()))
        else:
            self._waiting.extend(self._packets_of(batch))
        return True

    def _lay(self, packet: Packet) -> bool:
        if packet.octets > self.mtu + ETHERNET_OCTETS:
            self.counters.add("LinkTooLong")
            return False
        return self._transmit.put([packet.head, *packet.body])

    def _packets_of(self, batch: Batch) -> list[Packet]:
        packets: list[Packet] = []
        memory = batch.memory
        for start, kept, length, status in batch.frames():
            if kept < length:
                self.counters.add("LinkTruncated")
            else:
                packets.append(marked(bytes(memory[start : start + kept]), status))
        return packets

    def _ask_kernel(self) -> None:
        """What it had to drop meanwhile, and whether the interface went down."""
        drops = self._receive.take_overruns()
        if drops:
            self.counters.add("LinkOverrun", drops)
        error = self._receive.take_error()
        if error == errno.ENETDOWN:
            self.counters.add("LinkDown")
        elif error:
            raise OSError(error, f"the ring on {self.name}: {os.strerror(error)}")
