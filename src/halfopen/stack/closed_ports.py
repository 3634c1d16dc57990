"""What a port says where nobody listens (RFC 9293 3.10.7.1, and what hosts do instead)."""

from collections.abc import Callable, Mapping
from typing import Final

from halfopen.base.clock import SECOND, Instant
from halfopen.base.counters import Counters
from halfopen.stack.token_bucket import TokenBucket
from halfopen.tcp.isn import IsnGenerator
from halfopen.tcp.resets import reset_for
from halfopen.tcp.seqnum import wrap
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment
from halfopen.wire.tcp_options import Options

RST_RATE: Final = 200
"""RSTs a second (FreeBSD ``net.inet.icmp.icmplim``)."""

SILENCE: Final = "silence"
"""The policy that keeps listeners from sending RST, too (FreeBSD ``net.inet.tcp.blackhole=3``)."""


class ClosedPorts:
    """The closed ports of one host. They hold no state of any peer."""

    __slots__ = ("_bucket", "_counters", "_isn", "_rate")

    def __init__(self, isn: IsnGenerator, counters: Counters) -> None:
        self._isn = isn
        self._counters = counters
        self._rate = 0
        self.limit(RST_RATE)

    def answer(self, policy: str, flow: bytes, segment: Segment, now: Instant) -> Segment | None:
        """The answer by ``policy``, a key of `POLICIES`, to a segment of nobody's."""
        self._counters.add("TcpNoPorts")
        reply = POLICIES[policy](self, flow, segment, now)
        if reply is None:
            if not segment.flags & RST:
                self._counters.add("TcpNoPortsSilent")
        elif reply.flags & RST:
            self._counters.add("OutRsts")
        return reply

    def limit(self, rate: int) -> None:
        """No more than ``rate`` RSTs a second from now on, for those that are limited."""
        if rate != self._rate:
            self._rate = rate
            self._bucket = TokenBucket(SECOND // rate, rate)

    def reset(self, flow: bytes, segment: Segment, now: Instant) -> Segment | None:
        """RST, as RFC 9293 3.10.7.1 says: a client knows at once, and so does a scanner."""
        return reset_for(segment)

    def swallow(self, flow: bytes, segment: Segment, now: Instant) -> Segment | None:
        """Nothing at all (FreeBSD ``net.inet.tcp.blackhole=2``)."""
        return None

    def swallow_syn(self, flow: bytes, segment: Segment, now: Instant) -> Segment | None:
        """Nothing to a SYN or SYN,ACK, RST to the rest (FreeBSD ``net.inet.tcp.blackhole=1``)."""
        return None if segment.flags & SYN else reset_for(segment)

    def reset_seldom(self, flow: bytes, segment: Segment, now: Instant) -> Segment | None:
        """RST, so many a second for all peers together (FreeBSD ``net.inet.icmp.icmplim``).

        SECURITY: whoever uses them up learns how many others were sent, as with all that is shared.
        """
        reply = reset_for(segment)
        if reply is not None and not self._bucket.take(now):
            self._counters.add("TcpRstLimited")
            return None
        return reply

    def hold(self, flow: bytes, segment: Segment, now: Instant) -> Segment | None:
        """A tarpit (LaBrea 2001): each port seems open, and takes connections that never take an octet.

        SYN gets SYN,ACK with a window of zero; a window probe gets the same window again. What the client sends next it
        sends for ever, and what it holds meanwhile is all its own.
        """
        flags = segment.flags
        if flags & (SYN | ACK | RST | FIN) == SYN:
            return Segment(
                segment.destination_port,
                segment.source_port,
                seq=self._isn.next(flow, now),
                ack=wrap(segment.seq + 1),
                flags=SYN | ACK,
                options=Options(mss=1460),
            )
        if flags & (SYN | ACK | RST) == ACK and segment.octets:
            return Segment(segment.destination_port, segment.source_port, seq=segment.ack, ack=segment.seq, flags=ACK)
        return None


POLICIES: Final[Mapping[str, Callable[[ClosedPorts, bytes, Segment, Instant], Segment | None]]] = {
    "reset": ClosedPorts.reset,
    "blackhole-syn": ClosedPorts.swallow_syn,
    "blackhole": ClosedPorts.swallow,
    SILENCE: ClosedPorts.swallow,
    "limit": ClosedPorts.reset_seldom,
    "tarpit": ClosedPorts.hold,
}
"""By name, as in `halfopen.stack.config.TcpLayerConfig.closed_ports`."""
