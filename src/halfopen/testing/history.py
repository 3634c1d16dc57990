"""What a simulated network has done: kept while a test runs, shown when it fails, compared with another run."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from itertools import zip_longest
from typing import BinaryIO

from halfopen.base.addresses import Address
from halfopen.base.clock import SECOND, Instant
from halfopen.capture.pcap import open_capture
from halfopen.capture.record import Direction
from halfopen.report.dissect import ladder_of
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.network import Network
from halfopen.sim.scheduler import START
from halfopen.sim.sniffer import EPOCH, Sniffer
from halfopen.wire.describe import describe
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import Packet

LAST = 5000
"""Sightings that are kept to be shown: enough for the story, bounded whatever the test transfers."""


@dataclass(slots=True, frozen=True)
class Sighting:
    """A packet as it passed one end of a cable."""

    when: Instant
    end: CableEnd
    packet: Packet
    direction: Direction
    comment: str | None

    @property
    def essence(self) -> tuple[Instant, str, str, bytes]:
        """What two runs must have in common: time, place, direction and octets."""
        return self.when, self.end.label, self.direction, complete_checksum(self.packet).joined()

    def __str__(self) -> str:
        where = "out of" if self.direction == "outbound" else "into"
        words = describe(complete_checksum(self.packet).joined(), self.end.interface.kind)
        remark = f"  ({self.comment})" if self.comment else ""
        return f"{(self.when - START) / SECOND:.9f} s, {where} {self.end.label}: {words}{remark}"


class History(Observer):
    """The last sightings of a run; all of them with ``whole``."""

    def __init__(self, *, whole: bool = False) -> None:
        self.sightings: deque[Sighting] = deque(maxlen=None if whole else LAST)
        self._is_recording = True

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """Keeps it, until `stop`; its buffers are nobody's to change."""
        if self._is_recording:
            self.sightings.append(Sighting(when, end, packet, direction, comment))

    def stop(self) -> None:
        """What comes now is no part of it."""
        self._is_recording = False

    def write(self, network: Network, file: BinaryIO) -> None:
        """A capture of what is kept."""
        sniffer = Sniffer(file, names_of(network))
        for seen in self.sightings:
            sniffer.on_packet(seen.when, seen.end, seen.packet, seen.direction, seen.comment)

    def ladder(self, network: Network, last: int, width: int = 110) -> str:
        """The last packets as a ladder diagram; ``last`` counts arrows, times count from the beginning of the run."""
        file = BytesIO()
        self.write(network, file)
        file.seek(0)
        reader = open_capture(file)
        ladder = ladder_of(list(reader), relative=True, names=reader.names)
        return ladder.last(last, EPOCH + START).as_text(width)


def names_of(network: Network) -> dict[Address, str]:
    """The host behind every address of the network."""
    return {
        address: name
        for name, host in network.hosts.items()
        for interface in host.stack.interfaces
        for address, _ in interface.addresses
    }


def first_difference(one: Iterable[Sighting], other: Iterable[Sighting]) -> str | None:
    """Where two histories part, with what came last in both; None if they are the same."""
    before: Sighting | None = None
    for number, (first, second) in enumerate(zip_longest(one, other), start=1):
        if first is None or second is None or first.essence != second.essence:
            lines = [f"the two runs part at packet {number}"]
            if before is not None:
                lines.append(f"  before it, in both: {before}")
            lines.append(f"  first run:  {first if first is not None else 'has ended'}")
            lines.append(f"  second run: {second if second is not None else 'has ended'}")
            if first is not None and second is not None and str(first) == str(second):  # then of the same length
                lines.append(f"  octets differ at {_octet(first.essence[3], second.essence[3])}")
            return "\n".join(lines)
        before = first
    return None


def _octet(one: bytes, other: bytes) -> str:
    """The last difference, so that text is shown, and not the checksum in front of it."""
    at = max(at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    start = max(0, at - 24)
    return f"offset {at}: {one[start : at + 8]!r} and {other[start : at + 8]!r}"
