"""What crosses every border of the stack: a few header octets in front of views of someone else's memory.

The marks are those of ``struct virtio_net_hdr`` (virtio 1.2, 5.1.6) in words: who still has to compute the transport
checksum, and into which segments a super-segment is to be cut.
"""

from typing import Final

from halfopen.base.native import mypyc_attr
from halfopen.base.octets import Buffers, total_octets

CHECKSUM_NONE: Final = 0
"""Inbound: nobody has verified the transport checksum. Outbound: it is complete."""
CHECKSUM_VERIFIED: Final = 1
"""Inbound only: the device vouches for it (``VIRTIO_NET_HDR_F_DATA_VALID``), or it never left this machine's memory."""
CHECKSUM_PARTIAL: Final = 2
"""The field holds the pseudo-header's sum; whoever puts the packet on a wire completes it (``..._F_NEEDS_CSUM``)."""


@mypyc_attr(acyclic=True)
class Packet:
    """One frame or datagram.

    ``head`` begins with the outermost header that the interface has (Ethernet on a TAP, IP on a TUN) and holds at least
    all headers; ``body`` continues it, in pieces. With ``gso_size`` above zero this is a super-segment: TCP payload for
    several segments of ``gso_size`` octets each (the last may be shorter). ``checksum_start`` counts from the start of
    ``head``; ``checksum_offset`` from there to the checksum field. Both matter with `CHECKSUM_PARTIAL` only.
    """

    __slots__ = ("body", "checksum", "checksum_offset", "checksum_start", "gso_size", "head")

    def __init__(
        self,
        head: bytes,
        body: Buffers = (),
        checksum: int = CHECKSUM_NONE,
        checksum_start: int = 0,
        checksum_offset: int = 0,
        gso_size: int = 0,
    ) -> None:
        self.head = head
        self.body = body
        self.checksum = checksum
        self.checksum_start = checksum_start
        self.checksum_offset = checksum_offset
        self.gso_size = gso_size

    def __repr__(self) -> str:
        marks = f"checksum={self.checksum}, gso_size={self.gso_size}"
        return f"Packet({self.head[:64].hex()}, octets={self.octets}, {marks})"

    @property
    def octets(self) -> int:
        """Length of the whole packet."""
        body = self.body
        if not body:
            return len(self.head)
        return len(self.head) + (len(body[0]) if len(body) == 1 else total_octets(body))

    def joined(self) -> bytes:
        """The whole packet as one string of octets: a copy, for captures and tests."""
        return b"".join((self.head, *self.body))
