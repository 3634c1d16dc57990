"""The capture of a scenario: a sniffer's, with what the attacker says of its packets, and with floods cut short."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

from halfopen.base.addresses import Address, Prefix
from halfopen.base.clock import Instant
from halfopen.capture.pcap import open_capture
from halfopen.capture.record import Direction
from halfopen.lab.places import ends_in, is_ip
from halfopen.sim.cable import CableEnd
from halfopen.sim.match import Passing
from halfopen.sim.sniffer import EPOCH, Sniffer
from halfopen.wire.ethernet import HEADER_OCTETS
from halfopen.wire.packet import Packet

MAX_RECORDS = 20_000
"""Frames that are kept; of a longer run the beginning."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame at an interface of ``host``; ``when`` is an instant of the network's."""

    when: Instant
    host: str
    is_sent: bool
    frame: Passing


class Tape(Sniffer):
    """Records into memory. While ``remark`` is set, it is a comment of what is being sent.

    ``skipped`` counts the frames that were seen and not kept.
    """

    def __init__(self, names: Mapping[Address, str], limit: int = MAX_RECORDS) -> None:
        self._file = BytesIO()
        super().__init__(self._file, names)
        self.remark: str | None = None
        self.skipped = 0
        self._room = limit
        self._brief: list[tuple[Prefix, set[bytes], int]] = []

    @property
    def octets(self) -> bytes:
        """The pcapng file as it stands."""
        return self._file.getvalue()

    def seen(self, host: str) -> Iterator[Seen]:
        """What has been recorded at the interfaces of ``host``, in the order of time."""
        self._file.seek(0)
        for record in list(open_capture(self._file)):
            name = record.interface.name.partition(".")[0]
            if name == host and record.direction:
                when = record.when - EPOCH
                frame = Passing(Packet(record.octets), when, (name, ""), HEADER_OCTETS)
                yield Seen(when, name, record.direction == "outbound", frame)
        self._file.seek(0, 2)

    def shorten(self, prefix: str, packets: int = 12) -> None:
        """Of what goes to or comes from ``prefix``, the sources of a flood say, only so many packets are kept.

        Those that are, are kept at every interface on their way, and when they are sent again.
        """
        self._brief.append((Prefix.parse(prefix), set(), packets))

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """As a sniffer, if it is to be kept."""
        if not self._is_kept(packet, end.interface.link_octets):
            self.skipped += 1
            return
        if self.remark is not None and direction == "outbound":
            comment = f"{comment}; {self.remark}" if comment else self.remark  # fates first: readers look there
        super().on_packet(when, end, packet, direction, comment)

    def on_fate(self, when: Instant, end: CableEnd, packet: Packet, comment: str) -> None:
        """As a sniffer, if it is to be kept."""
        if self._is_kept(packet, end.interface.link_octets):
            super().on_fate(when, end, packet, comment)
        else:
            self.skipped += 1

    def _is_kept(self, packet: Packet, offset: int) -> bool:
        if not self._room:
            return False
        if self._brief and not self._is_chosen(packet.head, offset):
            return False
        self._room -= 1
        return True

    def _is_chosen(self, head: bytes, at: int) -> bool:
        """False for what belongs to a flood of which enough is there; the header of IP stands at ``at``."""
        if at and not is_ip(head):
            return True
        source, destination = ends_in(head, at)
        for prefix, chosen, packets in self._brief:
            if source in prefix or destination in prefix:
                # Addresses, ports and sequence number: the same at every hop.
                ports = at + (20 if len(source) == 4 else 40)
                key = source + destination + head[ports : ports + 8]
                if key not in chosen and len(chosen) >= packets:
                    return False
                chosen.add(key)
                return True
        return True
