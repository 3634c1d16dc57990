"""The Timestamps option and PAWS (RFC 7323 3 to 5). Nothing else writes TS.Recent."""

from typing import Final

from halfopen.base.clock import MILLISECOND, SECOND, Duration, Instant
from halfopen.base.native import mypyc_attr
from halfopen.tcp.seqnum import HALF, MASK, signed_difference

RECENT_EXPIRES: Final[Duration] = 24 * 24 * 3600 * SECOND
"""After 24 days of silence the peer's clock may have wrapped: TS.Recent says nothing (RFC 7323 5.5)."""


def clock_value(offset: int, now: Instant) -> int:
    """The timestamp clock of a connection with this ``offset``, also before its SYN is answered."""
    return (now // MILLISECOND + offset) & MASK


@mypyc_attr(acyclic=True)
class Timestamps:
    """Both clocks of one connection: ours, ticking in milliseconds from a random offset, and TS.Recent."""

    __slots__ = ("last_ack_sent", "offset", "recent", "recent_at")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.recent = 0
        self.recent_at: Instant = 0
        self.last_ack_sent = 0
        """Last.ACK.sent (RFC 7323 4.3), unwrapped."""

    def value(self, now: Instant) -> int:
        """TSval: a clock of 1 ms (RFC 7323 5.4) with an offset per connection, so that our uptime stays ours (7.1)."""
        return (now // MILLISECOND + self.offset) & MASK

    def elapsed(self, echoed: int, now: Instant) -> Duration | None:
        """How long ago we sent TSval ``echoed``; None if that would be in the future or more than 2^31 ms ago."""
        ticks = signed_difference(self.value(now), echoed)
        return ticks * MILLISECOND if ticks >= 0 else None

    def start(self, value: int, now: Instant) -> None:
        """TS.Recent from the peer's SYN."""
        self.recent = value
        self.recent_at = now

    def is_old(self, value: int, now: Instant) -> bool:
        """The PAWS test: SEG.TSval < TS.Recent, and TS.Recent is valid (RFC 7323 5.3 R1)."""
        return (value - self.recent) & MASK >= HALF and now - self.recent_at < RECENT_EXPIRES

    def is_replay(self, value: int, rto: Duration) -> bool:
        """An old value that is no older than reordering makes it: 1.2 RTO (Linux ``tcp_tsval_replay``)."""
        return (self.recent - value) & MASK <= rto * 12 // 10 // MILLISECOND

    def update(self, value: int, seq: int, now: Instant) -> None:
        """TS.Recent becomes SEG.TSval if the segment starts at or before Last.ACK.sent (RFC 7323 4.3 (2), 5.3 R3).

        ``seq`` is unwrapped. So a delayed ACK echoes the earliest segment it answers, and one behind a hole the last in
        order. After `RECENT_EXPIRES` any value is taken (5.5).
        """
        if seq <= self.last_ack_sent and not self.is_old(value, now):
            self.recent = value
            self.recent_at = now
