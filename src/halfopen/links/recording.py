"""A link that writes down all that passes: a capture of the exchange as it would have been on a wire."""

from collections.abc import Callable
from dataclasses import dataclass

from halfopen.base.clock import Instant
from halfopen.base.errors import Malformed
from halfopen.capture.pcapng import Writer
from halfopen.capture.record import LINKTYPE_ETHERNET, LINKTYPE_RAW, MAX_OCTETS, Direction
from halfopen.links.link import Link
from halfopen.links.offload import pieces
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import Packet

_BLOCK_OCTETS = 48
"""What pcapng adds to each frame, about."""


@dataclass(frozen=True, kw_only=True)
class RecordingOptions:
    """How much is kept: frames of ``snap_octets`` at most, and none after about ``limit_octets`` of file.

    With ``split``, super-segments are recorded as the frames of MTU size that they stand for.
    """

    snap_octets: int = MAX_OCTETS
    limit_octets: int | None = None
    split: bool = True


EVERYTHING = RecordingOptions()


class RecordingLink(Link):
    """Another link, and a `Writer` that is told of every packet it gave or took.

    The copies have what an offload has left undone, as the frames on a wire would. What comes after the file is full is
    counted as ``RecordingFull``, while the link goes on. ``clock`` gives the timestamps, in the epoch that the writer
    was made with. Closing closes the link, not the file.
    """

    def __init__(
        self, link: Link, writer: Writer, clock: Callable[[], Instant], options: RecordingOptions = EVERYTHING
    ) -> None:
        super().__init__(link.name, link.kind, link.mtu, link.mac)
        self.checksum_offload = link.checksum_offload
        self.gso_octets = link.gso_octets
        self.counters = link.counters
        self._link = link
        self._writer = writer
        self._clock = clock
        self._options = options
        self._octets_left = options.limit_octets
        linktype = LINKTYPE_ETHERNET if link.kind == "ethernet" else LINKTYPE_RAW
        self._interface = writer.add_interface(link.name, linktype, snaplen=options.snap_octets)

    def fileno(self) -> int:
        """The descriptor of the link behind."""
        return self._link.fileno()

    def read(self, limit: int) -> list[Packet]:
        """What the link gives, recorded as inbound at the time it is read."""
        packets = self._link.read(limit)
        if packets:
            when = self._clock()
            for packet in packets:
                self._record(packet, when, "inbound")
        return packets

    def write(self, packet: Packet) -> bool:
        """Hands on, and records as outbound what the link took."""
        when = self._clock()
        if not self._link.write(packet):
            return False
        self._record(packet, when, "outbound")
        return True

    def _record(self, packet: Packet, when: Instant, direction: Direction) -> None:
        try:
            frames = pieces(packet, self.network_offset) if self._options.split else [packet]
        except Malformed as malformed:
            self.counters.add(malformed.reason)
            frames = [packet]
        for frame in frames:
            if self._has_room(frame.octets):
                frame = complete_checksum(frame)
                self._writer.write(self._interface, when, (frame.head, *frame.body), direction=direction)

    def _has_room(self, octets: int) -> bool:
        if self._octets_left is None:
            return True
        needed = min(octets, self._options.snap_octets) + _BLOCK_OCTETS
        if needed > self._octets_left:
            # Full is full: a small frame after a large one that found no room would leave a gap that nobody sees.
            self._octets_left = 0
            self.counters.add("RecordingFull")
            return False
        self._octets_left -= needed
        return True

    def flush(self) -> None:
        """As the link below."""
        self._link.flush()

    def next_deadline(self) -> Instant:
        """That of the link behind."""
        return self._link.next_deadline()

    def on_deadline(self, now: Instant) -> None:
        """Passed on to the link behind."""
        self._link.on_deadline(now)

    def close(self) -> None:
        """Closes the link behind."""
        self._link.close()
