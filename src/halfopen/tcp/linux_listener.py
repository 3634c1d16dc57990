"""What Linux remembers of half-open peers, beside what the table does (``tcp_check_req``, ``reqsk_timer_handler``)."""

from halfopen.base.clock import NEVER, SECOND, Duration, Instant


class _Visit:
    """A half-open peer that has done more than send one SYN."""

    __slots__ = ("answered_at", "has_acknowledged")

    def __init__(self) -> None:
        self.answered_at: Instant = -NEVER
        """When something out of place was last answered (``last_oow_ack_time``)."""
        self.has_acknowledged = False
        """Its ACK has come, but the user wants text with it (``acked``)."""


class Visits:
    """Those of one listener, no more than there is room for in its table."""

    __slots__ = ("_most", "_visits")

    def __init__(self, most: int) -> None:
        self._visits: dict[bytes, _Visit] = {}
        self._most = most

    def _of(self, flow: bytes) -> _Visit:
        visit = self._visits.get(flow)
        if visit is None:
            if len(self._visits) >= self._most:
                self._visits.clear()  # some of them have left the table without a word
            visit = self._visits[flow] = _Visit()
        return visit

    def is_answered(self, flow: bytes, now: Instant, interval: Duration) -> bool:
        """Something of it has been answered less than ``interval`` ago (``tcp_oow_rate_limited``)."""
        visit = self._visits.get(flow)
        return visit is not None and now - visit.answered_at < interval

    def note_answer(self, flow: bytes, now: Instant) -> None:
        """Something out of place is answered."""
        self._of(flow).answered_at = now

    def note_acknowledgment(self, flow: bytes) -> None:
        """It has sent an ACK, and nothing else."""
        self._of(flow).has_acknowledged = True

    def may_rest(self, flow: bytes, retransmissions: int, patience: Duration) -> bool:
        """Whether its SYN,ACK need not be sent again: it is here, and its time is not almost over (``syn_ack_recalc``).

        ``patience`` is that of TCP_DEFER_ACCEPT, ``retransmissions`` how often it has been due before.
        """
        visit = self._visits.get(flow)
        return visit is not None and visit.has_acknowledged and retransmissions < timeouts_in(patience) - 1

    def forget(self, flow: bytes) -> None:
        """It has left the table."""
        self._visits.pop(flow, None)


def timeouts_in(patience: Duration) -> int:
    """How many timeouts ``patience`` has room for, the first of 1 s, each twice as long as the one before it."""
    count, whole = 0, 0
    while whole < patience:
        whole += SECOND << count
        count += 1
    return count
