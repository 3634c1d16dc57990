"""A recording that does not keep everything: the beginnings of what is worth a look."""

from collections.abc import Callable

from halfopen.base.clock import Instant
from halfopen.capture.pcapng import Writer
from halfopen.links.link import Link
from halfopen.links.recording import RecordingLink
from halfopen.wire.packet import Packet


class ExcerptLink(Link):
    """Another link; after `record` the next packets are recorded, otherwise none, at no cost."""

    def __init__(self, link: Link, writer: Writer, clock: Callable[[], Instant]) -> None:
        super().__init__(link.name, link.kind, link.mtu, link.mac)
        self.checksum_offload = link.checksum_offload
        self.gso_octets = link.gso_octets
        self.counters = link.counters
        self._link = link
        self._recording = RecordingLink(link, writer, clock)
        self._octets_left = 0

    def record(self, octets: int) -> None:
        """Records until packets of so many octets have been seen, in both directions together."""
        self._octets_left = octets

    def _current(self) -> Link:
        return self._recording if self._octets_left > 0 else self._link

    def fileno(self) -> int:
        """The descriptor of the link behind."""
        return self._link.fileno()

    def read(self, limit: int) -> list[Packet]:
        """What the link gives."""
        packets = self._current().read(limit)
        if self._octets_left > 0:
            self._octets_left -= sum(packet.octets for packet in packets)
        return packets

    def write(self, packet: Packet) -> bool:
        """Hands on."""
        taken = self._current().write(packet)
        if self._octets_left > 0:
            self._octets_left -= packet.octets
        return taken

    def next_deadline(self) -> Instant:
        """That of the link behind."""
        return self._link.next_deadline()

    def on_deadline(self, now: Instant) -> None:
        """Passed on to the link behind."""
        self._link.on_deadline(now)

    def close(self) -> None:
        """Closes the link behind."""
        self._link.close()
