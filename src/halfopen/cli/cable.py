"""A cable of memory as two links: for what is written for links (impairment, recording), where there is no device."""

import os
from collections import deque

from halfopen.base.addresses import Mac
from halfopen.links.link import Link
from halfopen.wire.packet import Packet

GSO_OCTETS = 65535
LIMIT = 1000
"""Packets on their way to one end; more are dropped, as by the queue of a device (Linux ``txqueuelen``)."""


class CableEnd(Link):
    """One plug. Packets come out as they went in, with their marks: super-segments stay whole, checksums unfinished."""

    def __init__(self, name: str, mac: Mac) -> None:
        super().__init__(name, "ethernet", 1500, mac)
        self.checksum_offload = True
        self.gso_octets = GSO_OCTETS
        self._peer = self
        self._arrived: deque[Packet] = deque()
        # Polls readable while packets wait.
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def join(self, peer: "CableEnd") -> None:
        """``peer`` is the other end of the cable from now on."""
        self._peer = peer

    def fileno(self) -> int:
        """An eventfd."""
        return self._fd

    def read(self, limit: int) -> list[Packet]:
        """What has arrived."""
        arrived = self._arrived
        packets = [arrived.popleft() for _ in range(min(limit, len(arrived)))]
        if packets and not arrived:
            os.eventfd_read(self._fd)
        return packets

    def write(self, packet: Packet) -> bool:
        """To the other end; lost if that is closed or full."""
        return self._peer.take(packet)

    def take(self, packet: Packet) -> bool:
        """A packet comes out here."""
        if self._fd < 0 or len(self._arrived) >= LIMIT:
            self.counters.add("LinkDown" if self._fd < 0 else "LinkFull")
            return False
        if not self._arrived:
            os.eventfd_write(self._fd, 1)
        self._arrived.append(packet)
        return True

    def close(self) -> None:
        """Unplugs."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def make_cable(first: str, second: str, number: int) -> tuple[CableEnd, CableEnd]:
    """Two ends with these names; ``number`` keeps the MACs of several cables apart."""
    ends = CableEnd(first, bytes((2, 0, 0, 0, number, 1))), CableEnd(second, bytes((2, 0, 0, 0, number, 2)))
    ends[0].join(ends[1])
    ends[1].join(ends[0])
    return ends
