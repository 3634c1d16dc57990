"""A capture file of everything on the cables, as every host saw it."""

from collections.abc import Mapping
from typing import BinaryIO

from halfopen.base.addresses import Address
from halfopen.base.clock import SECOND, Instant
from halfopen.capture.pcapng import Writer
from halfopen.capture.record import LINKTYPE_ETHERNET, LINKTYPE_RAW, Direction
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.comments import why
from halfopen.sim.scheduler import START
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import Packet

EPOCH = 1_767_225_600 * SECOND - START
"""Virtual time begins at 2026-01-01 00:00:00 UTC."""


class Sniffer(Observer):
    """Writes pcapng with nanoseconds, the names of hosts and interfaces, and complete checksums.

    A packet that arrives is there twice, once at each end; a lost one only where it was sent. Comments say why its
    host's TCP has sent it, and what the network does to it. What the network does to a packet on its way is told by
    one more record, of an interface called like the cable.
    """

    def __init__(self, file: BinaryIO, names: Mapping[Address, str]) -> None:
        self._writer = Writer(file, EPOCH)
        self._writer.add_names(names)
        self._interfaces: dict[str, int] = {}

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """Appends it; an interface is described when it is seen first."""
        reason = why(end.pump, packet) if direction == "outbound" else None
        comment = "; ".join(words for words in (reason, comment) if words) or None
        self._write(end.label, end, packet, (when, comment, direction))

    def on_fate(self, when: Instant, end: CableEnd, packet: Packet, comment: str) -> None:
        """Appends it once more, as seen by an interface that has the name of the cable."""
        self._write(end.title, end, packet, (when, comment, None))

    def _write(
        self, name: str, end: CableEnd, packet: Packet, seen: tuple[Instant, str | None, Direction | None]
    ) -> None:
        number = self._interfaces.get(name)
        if number is None:
            linktype = LINKTYPE_ETHERNET if end.interface.is_ethernet else LINKTYPE_RAW
            number = self._interfaces[name] = self._writer.add_interface(name, linktype)
        whole = complete_checksum(packet)
        when, comment, direction = seen
        self._writer.write(number, when, (whole.head, *whole.body), comment=comment, direction=direction)
