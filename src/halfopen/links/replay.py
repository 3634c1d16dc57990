"""A capture as a link: what was once received is received again, and what we answer is collected."""

import os
from collections.abc import Callable, Iterable, Iterator

from halfopen.base.addresses import MAC_ZERO, Mac
from halfopen.base.clock import NEVER, Instant
from halfopen.base.errors import Malformed
from halfopen.capture.record import LINKTYPE_ETHERNET, LINKTYPE_RAW, Record
from halfopen.links.link import Link, LinkKind
from halfopen.wire.packet import Packet

LINKTYPE_IPV4 = 228
LINKTYPE_IPV6 = 229

_LINKTYPES: dict[LinkKind, tuple[int, ...]] = {
    "ethernet": (LINKTYPE_ETHERNET,),
    "ip": (LINKTYPE_RAW, LINKTYPE_IPV4, LINKTYPE_IPV6),
}


class ReplayLink(Link):
    """Gives the frames of ``records`` (a capture reader, or a list); ``written`` is what we sent.

    What the capture marks as outbound is left out: it was our own side's. Where it does not tell, filter ``records``.

    With ``clock`` the frames keep their distances in time, the first one coming at once; without, all are there at
    once. Frames that were cut when captured, or that do not fit ``kind``, are counted and left out, and a damaged file
    ends there: ``ReplayCut``, ``ReplayWrongLinktype``, and the reader's own name for the damage.
    """

    def __init__(
        self,
        records: Iterable[Record],
        kind: LinkKind,
        *,
        mac: Mac = MAC_ZERO,
        mtu: int = 1500,
        clock: Callable[[], Instant] | None = None,
    ) -> None:
        super().__init__("replay", kind, mtu, mac)
        self.written: list[Packet] = []
        self._records: Iterator[Record] = iter(records)
        self._clock = clock
        # Polls readable while there is more.
        self._fd = os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._next = self._following()
        self._shift = clock() - self._next.when if clock and self._next else 0
        self._show_readiness()

    @property
    def is_exhausted(self) -> bool:
        """Whether the capture has been given whole."""
        return self._next is None

    def fileno(self) -> int:
        """An eventfd, readable as long as a frame is due."""
        return self._fd

    def read(self, limit: int) -> list[Packet]:
        """The frames that are due by now."""
        packets: list[Packet] = []
        now = self._clock() if self._clock else NEVER
        while len(packets) < limit and (record := self._next) and record.when + self._shift <= now:
            packets.append(Packet(record.octets))
            self._next = self._following()
        self._show_readiness()
        return packets

    def _following(self) -> Record | None:
        """The next frame that can be replayed; None at the end."""
        while True:
            try:
                record = next(self._records, None)
            except Malformed as malformed:
                self.counters.add(malformed.reason)
                return None
            if record is None or (record.direction != "outbound" and self._is_whole(record)):
                return record

    def _is_whole(self, record: Record) -> bool:
        if record.interface.linktype not in _LINKTYPES[self.kind]:
            self.counters.add("ReplayWrongLinktype")
            return False
        if record.original_octets > len(record.octets):
            self.counters.add("ReplayCut")
            return False
        return True

    def _show_readiness(self) -> None:
        """Between two frames a clock separates, the deadline wakes whoever polls, and at the end nothing does."""
        if self._fd >= 0 and (self._next is None or self._clock):
            try:
                os.eventfd_read(self._fd)
            except BlockingIOError:
                return

    def write(self, packet: Packet) -> bool:
        """Collects ``packet``."""
        self.written.append(packet)
        return True

    def next_deadline(self) -> Instant:
        """When the next frame is due; NEVER without a clock, as `fileno` polls readable then."""
        return self._next.when + self._shift if self._next and self._clock else NEVER

    def close(self) -> None:
        """Closes the eventfd; ``written`` stays."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
