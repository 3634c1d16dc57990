"""Loss, delay, reordering, duplication, corruption and rate between a real peer and us, in netem's terms (tc-netem(8)).

Seeded: the same packets at the same times meet the same fate. For kernels without netem, and for tests that have to be
able to repeat what they found.
"""

from collections.abc import Callable

from halfopen.base.clock import Instant
from halfopen.base.errors import Malformed
from halfopen.base.netem import PERFECT, Impairment, parse
from halfopen.base.rng import Rng, SeededRng
from halfopen.links.link import Link
from halfopen.links.offload import pieces
from halfopen.wire.channel import Channel
from halfopen.wire.packet import Packet
from halfopen.wire.queues import DROPPED, OVERLIMIT

__all__ = ["PERFECT", "ImpairedLink", "Impairment", "parse"]

_BATCH = 64


class ImpairedLink(Link):
    """Another link with the network that ``inbound`` and ``outbound`` describe in front of it.

    Fate is dealt per packet, as on a wire: super-segments are cut first, so that none is read from an impaired
    direction. What the network loses counts as written; only a full queue makes `write` False. ``clock`` is that of
    whoever calls `on_deadline`. Counters are those of the link, with ``ImpairedInLost``, ``ImpairedOutLost`` and the
    like.
    """

    def __init__(
        self,
        link: Link,
        *,
        rng: Rng,
        clock: Callable[[], Instant],
        inbound: Impairment = PERFECT,
        outbound: Impairment = PERFECT,
    ) -> None:
        super().__init__(link.name, link.kind, link.mtu, link.mac)
        self.checksum_offload = link.checksum_offload
        self.gso_octets = link.gso_octets
        self.counters = link.counters
        self._link = link
        self._clock = clock
        # A generator each: what one direction carries does not shift the other's fate.
        self._inbound, self._outbound = (
            None
            if impairment == PERFECT
            else Channel(impairment, link.network_offset, SeededRng(rng.octets(32)), link.counters, prefix)
            for impairment, prefix in ((inbound, "ImpairedIn"), (outbound, "ImpairedOut"))
        )

    def fileno(self) -> int:
        """The descriptor of the link behind."""
        return self._link.fileno()

    def read(self, limit: int) -> list[Packet]:
        """What has come through by now. The link behind is read no faster than that is fetched."""
        channel = self._inbound
        if channel is None:
            return self._link.read(limit)
        now = self._clock()
        arrived = channel.due(now, limit)
        if len(arrived) < limit:
            for packet in self._link.read(limit - len(arrived)):
                self._admit(channel, packet, now)
            arrived += channel.due(now, limit - len(arrived))
        return arrived

    def write(self, packet: Packet) -> bool:
        """Sends ``packet`` into the network; False if its queue is full."""
        channel = self._outbound
        if channel is None:
            return self._link.write(packet)
        now = self._clock()
        fits = self._admit(channel, packet, now)
        self._deliver(channel, now)
        return fits

    def _admit(self, channel: Channel, packet: Packet, now: Instant) -> bool:
        try:
            fates = [channel.admit(piece, now) for piece in pieces(packet, self.network_offset)]
        except Malformed as malformed:
            self.counters.add(malformed.reason)
            return False
        return not any(fate & (OVERLIMIT | DROPPED) for fate in fates)

    def _deliver(self, channel: Channel, now: Instant) -> None:
        while packets := channel.due(now, _BATCH):
            for packet in packets:
                self._link.write(packet)

    def flush(self) -> None:
        """As the link below."""
        self._link.flush()

    def next_deadline(self) -> Instant:
        """When the next packet comes out of the network, in either direction."""
        deadline = self._link.next_deadline()
        for channel in (self._inbound, self._outbound):
            if channel is not None:
                deadline = min(deadline, channel.next_deadline())
        return deadline

    def on_deadline(self, now: Instant) -> None:
        """Writes what is due to the link behind; what is due inbound waits for `read`."""
        self._link.on_deadline(now)
        if self._outbound is not None:
            self._deliver(self._outbound, now)

    def close(self) -> None:
        """Closes the link behind; what is still held back is lost."""
        self._link.close()
