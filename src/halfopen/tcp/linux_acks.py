"""Linux's delayed ACKs (``tcp_input.c``, ``tcp_output.c``): quick at first, patient with those who talk.

A new peer, and one that starts again after a pause, gets an ACK for each segment, so that its window grows. Who answers
soon after he has heard something (ping-pong) will do so again: an ACK can wait for his next words. How long it waits at
all follows the pauses between segments.
"""

from typing import Final

from halfopen.base.clock import MILLISECOND, NEVER, Duration, Instant

MAX_QUICK: Final = 16
ATO_MIN: Final[Duration] = 40 * MILLISECOND
_LONGEST: Final[Duration] = 200 * MILLISECOND
"""``TCP_DELACK_MAX``."""
_LEAST_FULL: Final = 536
_LEAST_TINY: Final = 88
"""Smaller ones are no full segments, however alike: with PSH, without."""
_ENOUGH_REPEATS: Final = 3
"""``TCP_FASTRETRANS_THRESH``."""


class Delays:
    """What decides how long an ACK may wait."""

    __slots__ = ("_repeated", "_repeats", "ato", "compressed", "pushed", "quick", "received_at", "talks")

    def __init__(self) -> None:
        self.ato: Duration = 0
        """How long an ACK waits; 0 before the first text."""
        self.quick = 0
        """So many ACKs do not wait."""
        self.received_at: Instant = -NEVER
        self.talks = False
        """Our user answers (``pingpong``)."""
        self.pushed = 0
        """Small segments have come since the last ACK: none, one, more."""
        self.compressed = 0
        """Duplicate ACKs that wait for each other (``compressed_ack``)."""
        self._repeated = -1
        self._repeats = 0

    def on_text(self, now: Instant, most_quick: int, rto: Duration) -> None:
        """Learns from the pause before a segment (``tcp_event_data_recv``)."""
        pause = now - self.received_at
        if not self.ato:
            self.hurry(most_quick)
            self.ato = ATO_MIN
        elif pause <= ATO_MIN // 2:
            self.ato = self.ato // 2 + ATO_MIN // 2
        elif pause < self.ato:
            self.ato = min(self.ato // 2 + pause, rto)
        elif pause > rto:
            self.hurry(most_quick)
        self.received_at = now

    def hurry(self, most: int) -> None:
        """The next ACKs do not wait: ``most`` of them, or `MAX_QUICK` (``tcp_incr_quickack``)."""
        self.quick = max(self.quick, min(most or 2, MAX_QUICK))

    def rush(self, most: int) -> None:
        """Something is wrong: the peer hears of each segment from now on (``tcp_enter_quickack_mode``)."""
        self.hurry(most)
        self.talks = False
        self.ato = ATO_MIN

    @property
    def is_quick(self) -> bool:
        """The ACK owed now does not wait."""
        return self.quick > 0 and not self.talks

    def wait(self, srtt: Duration) -> Duration:
        """How long an ACK waits now (``tcp_send_delayed_ack``)."""
        if self.ato <= ATO_MIN:
            return self.ato
        most = _LONGEST if self.talks or self.pushed else 500 * MILLISECOND
        if srtt:
            most = min(most, max(srtt, ATO_MIN))
        return min(self.ato, most, _LONGEST)

    def repeats_itself(self, nxt: int) -> bool:
        """Whether enough duplicate ACKs of ``nxt`` have left that the peer sends again; else this is one more."""
        if nxt != self._repeated:
            self._repeated = nxt
            self._repeats = 0
        self._repeats += 1
        return self._repeats > _ENOUGH_REPEATS

    def on_ack_sent(self, was_owed: bool) -> None:
        """An ACK has left (``tcp_event_ack_sent``)."""
        self.compressed = 0
        self.pushed = 0
        if self.quick and was_owed:
            self.quick -= 1
            if not self.quick:
                self.ato = ATO_MIN

    def on_data_sent(self, now: Instant) -> None:
        """An answer, if it comes soon enough (``tcp_event_data_sent``)."""
        if now - self.received_at < self.ato:
            self.talks = True

    def on_deadline(self, rto: Duration) -> None:
        """No text has come to ride on (``tcp_delack_timer_handler``); what has been compressed is no sign of that."""
        if self.compressed:
            return
        if self.talks:
            self.talks = False
            self.ato = ATO_MIN
        else:
            self.ato = min(2 * self.ato, rto)

    def full_size(self, octets: int, full: int, last: int, is_pushed: bool) -> int:
        """What full-sized segments seem to have, after one of ``octets`` behind one of ``last`` (``rcv_mss``)."""
        if octets >= full:
            if is_pushed and octets == full:
                self.pushed = max(self.pushed, 1)
            return octets
        is_plausible = octets >= _LEAST_FULL or (octets >= _LEAST_TINY and not is_pushed)
        if is_plausible and octets == last:
            return octets
        self.pushed = 2 if self.pushed else 1
        return full
