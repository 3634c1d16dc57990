"""RACK: what was sent well before something that has been delivered is lost (RFC 8985 6)."""

from typing import Final

from halfopen.base.clock import MILLISECOND, NEVER, Duration, Instant
from halfopen.base.native import mypyc_attr
from halfopen.tcp.rtt import RttEstimator
from halfopen.tcp.scoreboard import Flight
from halfopen.tcp.sent import Delivery

REORDERING_MEMORY: Final = 16
"""Recoveries without D-SACK after which the widened window is forgotten (RFC 8985 6.2 step 4)."""


@mypyc_attr(acyclic=True)
class Rack:
    """RACK.xmit_ts, RACK.end_seq, RACK.rtt and the reordering window."""

    __slots__ = (
        "by_last",
        "duplicates",
        "end",
        "extent",
        "has_dsack",
        "multiplier",
        "persist",
        "reordering_seen",
        "rtt",
        "sent_at",
        "widened_at",
    )

    def __init__(self, by_last: bool = False) -> None:
        self.by_last = by_last
        """RACK.rtt is that of the last segment that an ACK tells of, though others were sent later (Linux)."""
        self.sent_at: Instant = -1
        self.end = 0
        self.rtt: Duration = 0
        self.reordering_seen = 0
        """How often order was seen to break ..."""
        self.extent = 0
        """... and by how many octets at most (Linux ``tcpi_reordering``, in segments)."""
        self.duplicates = 0
        """D-SACKs."""
        self.multiplier = 1
        self.persist = REORDERING_MEMORY
        self.has_dsack = False
        """The acknowledgment that is being looked at has a D-SACK."""
        self.widened_at: Instant = -2
        """When `multiplier` last grew: RACK.dsack_round ends when something sent later is delivered."""

    def update(self, delivery: Delivery, rtt: RttEstimator, echo_rtt: Duration | None, now: Instant) -> None:
        """Steps 1 to 3: the newest delivered transmission, and whether the network reorders.

        A delivered retransmission is believed only if the ACK cannot be for the original: it came no sooner than the
        smallest RTT allows, and ``echo_rtt``, by timestamps, is no longer than the time since the retransmission.
        """
        if delivery.reordered:
            self.reordering_seen += 1
        record = delivery.latest
        if self.has_dsack and (record is not None or not self.by_last):
            self._widen(now)
        if record is None:
            return
        elapsed = now - record.sent_at
        if record.transmissions > 1:
            if elapsed < rtt.min_rtt:
                return
            if echo_rtt is not None and echo_rtt > elapsed + MILLISECOND:
                return
        last = delivery.last
        self.rtt = elapsed if not self.by_last or last is None else now - last
        if record.sent_at > self.sent_at or (record.sent_at == self.sent_at and record.end > self.end):
            self.sent_at = record.sent_at
            self.end = record.end

    def reordering_window(self, rtt: RttEstimator, in_recovery: bool, sacked_segments: int, dupthresh: int) -> Duration:
        """RACK.reo_wnd (step 4): in recovery nothing while order was never seen to break, else a quarter of the RTT."""
        if not self.reordering_seen and (in_recovery or sacked_segments >= dupthresh):
            return 0
        return min(self.multiplier * rtt.min_rtt // 4, rtt.srtt)

    def on_dsack(self) -> None:
        """A retransmission was spurious: the network reorders by more than the window (step 4)."""
        self.has_dsack = True

    def _widen(self, now: Instant) -> None:
        """Once a round trip, however many duplicates are reported."""
        self.has_dsack = False
        if self.sent_at > self.widened_at:
            self.widened_at = now
            self.multiplier += 1
            self.persist = REORDERING_MEMORY

    def on_recovered(self) -> None:
        """One recovery ends."""
        self.persist -= 1
        if self.persist <= 0:
            self.persist = REORDERING_MEMORY
            self.multiplier = 1

    def detect(self, flight: Flight, window: Duration, now: Instant) -> Instant:
        """Step 5: marks what is lost, and says when the next record could turn out to be (NEVER: none waits)."""
        patience = self.rtt + window
        waiting = flight.mark_late(self.sent_at, self.end, now - patience)
        return NEVER if waiting == NEVER else waiting + patience
