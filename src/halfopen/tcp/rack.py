"""RACK: what was sent well before something that has been delivered is lost (RFC 8985 6)."""

from halfopen.base.clock import MILLISECOND, NEVER, Duration, Instant
from halfopen.tcp.rtt import RttEstimator
from halfopen.tcp.scoreboard import IN_FLIGHT, Delivery, Flight, Sent

REORDERING_MEMORY = 16
"""Recoveries without D-SACK after which the widened window is forgotten (RFC 8985 6.2 step 4)."""


class Rack:
    """RACK.xmit_ts, RACK.end_seq, RACK.rtt and the reordering window."""

    __slots__ = ("end", "multiplier", "persist", "reordering_seen", "rtt", "sent_at")

    def __init__(self) -> None:
        self.sent_at: Instant = -1
        self.end = 0
        self.rtt: Duration = 0
        self.reordering_seen = False
        self.multiplier = 1
        self.persist = REORDERING_MEMORY

    def update(self, delivery: Delivery, rtt: RttEstimator, echo_rtt: Duration | None, now: Instant) -> None:
        """Steps 1 to 3: the newest delivered transmission, and whether the network reorders.

        A delivered retransmission is believed only if the ACK cannot be for the original: it came no sooner than the smallest
        RTT allows, and ``echo_rtt``, measured by timestamps, is no longer than the time since the retransmission.
        """
        if delivery.reordered:
            self.reordering_seen = True
        record = delivery.latest
        if record is None:
            return
        elapsed = now - record.sent_at
        if record.transmissions > 1:
            if elapsed < rtt.min_rtt:
                return
            if echo_rtt is not None and echo_rtt > elapsed + MILLISECOND:
                return
        self.rtt = elapsed
        if (record.sent_at, record.end) > (self.sent_at, self.end):
            self.sent_at = record.sent_at
            self.end = record.end

    def reordering_window(self, rtt: RttEstimator, in_recovery: bool, sacked_segments: int, dupthresh: int) -> Duration:
        """RACK.reo_wnd (step 4): nothing while order was never seen to break, a quarter of the RTT and more afterwards."""
        if not self.reordering_seen and (in_recovery or sacked_segments >= dupthresh):
            return 0
        return min(self.multiplier * rtt.min_rtt // 4, rtt.srtt)

    def on_dsack(self) -> None:
        """A retransmission was spurious: the network reorders by more than the window (step 4)."""
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
        earliest = NEVER
        patience = self.rtt + window
        for record in flight.records:
            if record.transmissions == 1 and record.start >= flight.sacked_end and record.sent_at > self.sent_at:
                break  # from here on in the order in which it was sent, after all that has been delivered
            if record.condition != IN_FLIGHT or not self._is_behind(record):
                continue
            due = record.sent_at + patience
            if due <= now:
                flight.mark_lost(record)
            elif due < earliest:
                earliest = due
        return earliest

    def _is_behind(self, record: Sent) -> bool:
        if record.sent_at != self.sent_at:
            return record.sent_at < self.sent_at
        return record.end < self.end
