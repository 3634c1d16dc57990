"""What TUN, TAP and AF_PACKET have in common: a descriptor where one read and one write are one frame."""

import errno
import os
from dataclasses import dataclass

from halfopen.base.addresses import Mac
from halfopen.base.errors import Malformed
from halfopen.links import offload
from halfopen.links.link import Link, LinkKind
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import Packet

READ_OCTETS = offload.VNET_OCTETS + 18 + offload.MAX_PACKET + 1
"""One more than the longest frame (virtio_net_hdr, Ethernet with a VLAN tag, IP): a read that is this long was cut."""

MAX_PIECES = 1000
"""``IOV_MAX`` is 1024 on Linux; the headers need two."""

_DROPPED_BY_DEVICE = {
    errno.EAGAIN: "LinkFull",
    errno.ENOBUFS: "LinkFull",
    errno.ENOMEM: "LinkFull",
    errno.EIO: "LinkDown",
    errno.ENETDOWN: "LinkDown",
    errno.EINVAL: "LinkRejected",
    errno.EMSGSIZE: "LinkTooLong",
}
"""What a wire would have lost. Other errors, such as EBADFD when the device was deleted, are raised."""


@dataclass(slots=True, frozen=True)
class Device:
    """An interface as the kernel has it: its name, the MAC of its own end, and its MTU."""

    name: str
    mac: Mac
    mtu: int


class DeviceLink(Link):
    """A link over a non-blocking descriptor; with ``vnet`` every frame has a virtio_net_hdr in front."""

    def __init__(self, device: Device, kind: LinkKind, mac: Mac, fd: int, vnet: bool) -> None:
        super().__init__(device.name, kind, device.mtu, mac)
        self._fd = fd
        self._vnet = vnet
        self.checksum_offload = vnet
        self.gso_octets = offload.MAX_PACKET if vnet else 0

    def fileno(self) -> int:
        """The device's."""
        return self._fd

    def read(self, limit: int) -> list[Packet]:
        """One system call a frame, until there is none."""
        # os.read into a fresh string beats readv into a reused buffer by a third (no copy out of the buffer), and that
        # its 64 KB are cut to length afterwards costs nothing.
        packets: list[Packet] = []
        fd, vnet, read = self._fd, self._vnet, os.read
        for _ in range(limit):
            try:
                data = read(fd, READ_OCTETS)
                if len(data) == READ_OCTETS:
                    self.counters.add("LinkTruncated")
                    continue
                packets.append(offload.parse(data) if vnet else Packet(data))
            except BlockingIOError:
                break
            except Malformed as malformed:
                self.counters.add(malformed.reason)
                packets.extend(offload.without_marks(data))
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    raise
                self.counters.add("LinkDown")
                break
        return packets

    def write(self, packet: Packet) -> bool:
        """One system call with the virtio_net_hdr; without, what it would have asked for is done here."""
        try:
            if self._vnet:
                return self._put([offload.emit(packet, self.network_offset), packet.head, *packet.body])
            if packet.gso_size:
                # Every piece is tried: each would have its own fate on a wire.
                pieces = offload.pieces(packet, self.network_offset, complete=True)
                taken = [self._put([piece.head, *piece.body]) for piece in pieces]
                return all(taken)
            packet = complete_checksum(packet)
            return self._put([packet.head, *packet.body])
        except Malformed as malformed:
            self.counters.add(malformed.reason)
            return False

    def _put(self, pieces: list[bytes | bytearray | memoryview]) -> bool:
        if len(pieces) > MAX_PIECES:
            pieces = [b"".join(pieces)]
        try:
            os.writev(self._fd, pieces)
        except OSError as error:
            name = _DROPPED_BY_DEVICE.get(error.errno or 0)
            if name is None:
                raise
            self.counters.add(name)
            return False
        return True

    def close(self) -> None:
        """Closes the descriptor; a device that is not persistent goes with it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def our_mac(device: Mac) -> Mac:
    """A locally administered MAC for our end, derived from that of the kernel's end, which it must differ from."""
    return bytes((device[0] & 0xFC | 0x02, *device[1:5], device[5] ^ 0x80))
