"""What is in flight, and what is known about it (RFC 6675 3, RFC 8985 5.1).

The sequence space between SND.UNA and SND.NXT is tiled by `Sent` records, one for each transmission (a super-segment is one
record), cut where an acknowledgment cuts it. Each is in one of three conditions:

    una                                                    nxt
     |  LOST  |   SACKED   | IN_FLIGHT | SACKED | IN_FLIGHT |
              ^ neighbours that are both SACKED become one

so ``pipe`` of RFC 6675 is what is neither SACKED nor LOST: lost octets return to it when they are sent again.
"""

from bisect import bisect_right

from halfopen.base.clock import Instant

IN_FLIGHT = 0
SACKED = 1
LOST = 2


class Sent:
    """One run of octets (with SYN and FIN as octets of sequence space) and when it was last sent."""

    __slots__ = ("condition", "end", "sent_at", "start", "transmissions")

    def __init__(
        self, start: int, end: int, sent_at: Instant, transmissions: int = 1, condition: int = IN_FLIGHT
    ) -> None:
        self.start = start
        self.end = end
        self.sent_at = sent_at
        self.transmissions = transmissions
        self.condition = condition

    def __repr__(self) -> str:
        return (
            f"Sent({self.start}:{self.end}, x{self.transmissions}, {('in flight', 'sacked', 'lost')[self.condition]})"
        )


class Delivery:
    """What one acknowledgment delivered: the figures that RTT, RACK, PRR and congestion control ask for.

    ``latest`` is the most recently sent of the delivered records, also if it was a retransmission; ``sampled_at`` the time of
    the most recently sent one that was sent only once (Karn).
    """

    __slots__ = ("acked", "latest", "reordered", "sacked", "sampled_at")

    def __init__(self) -> None:
        self.acked = 0
        self.sacked = 0
        self.latest: Sent | None = None
        self.sampled_at: Instant | None = None
        self.reordered = False
        """Something sent once was delivered after something sent later: the network reorders (RFC 8985 6.2 step 3)."""

    @property
    def octets(self) -> int:
        """DeliveredData (RFC 9937 5)."""
        return self.acked + self.sacked

    def note(self, record: Sent) -> None:
        """Takes one delivered record into account."""
        if record.transmissions == 1:
            if self.sampled_at is None or record.sent_at > self.sampled_at:
                self.sampled_at = record.sent_at
        latest = self.latest
        if latest is None or (record.sent_at, record.end) > (latest.sent_at, latest.end):
            self.latest = record


class Flight:
    """The records, in order; `sacked` and `lost` count octets."""

    __slots__ = ("lost", "records", "retransmitted", "sacked", "sacked_end")

    def __init__(self) -> None:
        self.records: list[Sent] = []
        self.sacked = 0
        self.lost = 0
        self.retransmitted = 0
        """Records that were sent more than once and are not delivered."""
        self.sacked_end = 0
        """Right edge of the highest SACKED octet (HighData of what the peer has)."""

    def sent(self, start: int, end: int, now: Instant) -> None:
        """New data, or SYN or FIN, has been sent."""
        self.records.append(Sent(start, end, now))

    def acknowledge(self, una: int, delivery: Delivery) -> None:
        """Everything below ``una`` has arrived (a cumulative acknowledgment)."""
        records = self.records
        gone = 0
        for record in records:
            if record.end > una:
                break
            gone += 1
            self._leave(record, delivery, record.end - record.start)
        if gone:
            del records[:gone]
        if records and records[0].start < una:
            first = records[0]
            self._leave(first, delivery, una - first.start)
            first.start = una
            if first.transmissions > 1:
                self.retransmitted += 1

    def _leave(self, record: Sent, delivery: Delivery, octets: int) -> None:
        if record.condition == SACKED:
            self.sacked -= octets
            return
        if record.condition == LOST:
            self.lost -= octets
        delivery.acked += octets
        if record.transmissions > 1:
            self.retransmitted -= 1
        elif record.end <= self.sacked_end:
            delivery.reordered = True
        delivery.note(record)

    def sack(self, left: int, right: int, delivery: Delivery) -> None:
        """The peer holds ``[left, right)`` (RFC 2018); edges may cut records."""
        records = self.records
        if not records or right <= records[0].start or left >= right:
            return
        index = self._split_at(max(left, records[0].start))
        while index < len(records) and records[index].start < right:
            record = records[index]
            if record.end > right:
                self._split_at(right)
            if record.condition != SACKED:
                self._mark_sacked(record, delivery)
            if index and records[index - 1].condition == SACKED:
                records[index - 1].end = record.end
                del records[index]
            else:
                index += 1
        if index < len(records) and index and records[index].condition == SACKED == records[index - 1].condition:
            records[index - 1].end = records[index].end
            del records[index]
        if right > self.sacked_end:
            self.sacked_end = right

    def _mark_sacked(self, record: Sent, delivery: Delivery) -> None:
        octets = record.end - record.start
        if record.condition == LOST:
            self.lost -= octets
        if record.transmissions > 1:
            self.retransmitted -= 1
        elif record.end < self.sacked_end:
            delivery.reordered = True
        self.sacked += octets
        delivery.sacked += octets
        delivery.note(record)
        if delivery.latest is record:
            delivery.latest = Sent(record.start, record.end, record.sent_at, record.transmissions)
        record.condition = SACKED

    def _split_at(self, position: int) -> int:
        """Index of the record that starts at ``position``, made by a cut if there was none."""
        records = self.records
        index = bisect_right(records, position, key=_start_of)
        if index == 0:
            return 0
        record = records[index - 1]
        if record.start == position:
            return index - 1
        if position < record.end:
            tail = Sent(position, record.end, record.sent_at, record.transmissions, record.condition)
            record.end = position
            records.insert(index, tail)
            if record.transmissions > 1 and record.condition != SACKED:
                self.retransmitted += 1
        return index

    def split(self, record: Sent, position: int) -> None:
        """Cuts ``record`` in two at ``position``, which lies inside."""
        self._split_at(position)

    def gather(self, record: Sent, most: int) -> None:
        """Lost neighbours of ``record`` join it, up to ``most`` octets: what left in small segments returns in large ones (SHLD-28)."""
        records = self.records
        index = self._split_at(record.start) + 1
        stop = index
        limit = record.start + most
        while stop < len(records) and records[stop].condition == LOST and records[stop].end <= limit:
            other = records[stop]
            if other.transmissions > 1:
                self.retransmitted -= record.transmissions > 1
                record.transmissions = max(record.transmissions, other.transmissions)
            record.end = other.end
            stop += 1
        del records[index:stop]

    def mark_lost(self, record: Sent) -> None:
        """``record`` is taken to be lost; only one in flight can be."""
        if record.condition == IN_FLIGHT:
            record.condition = LOST
            self.lost += record.end - record.start

    def mark_all_lost(self) -> None:
        """All that the peer has not selectively acknowledged (RFC 6298 5.4 without better knowledge)."""
        for record in self.records:
            self.mark_lost(record)

    def mark_lost_by_sacks(self, dupthresh: int, mss: int) -> None:
        """IsLost of RFC 6675 4: more than (DupThresh - 1) segments' worth of octets above it have been SACKed."""
        sacked = 0
        for record in reversed(self.records):
            if record.condition == SACKED:
                sacked += record.end - record.start
            elif sacked > (dupthresh - 1) * mss and record.transmissions == 1:
                self.mark_lost(record)

    def unmark_lost(self) -> None:
        """Nothing had been lost after all: it counts as in flight again."""
        for record in self.records:
            if record.condition == LOST:
                record.condition = IN_FLIGHT
        self.lost = 0

    def forget_sacks(self) -> None:
        """The peer has reneged: what it had selectively acknowledged is lost (RFC 2018 8)."""
        for record in self.records:
            if record.condition == SACKED:
                self.sacked -= record.end - record.start
                record.condition = IN_FLIGHT
                if record.transmissions > 1:
                    self.retransmitted += 1
        self.sacked_end = 0

    def clear(self) -> None:
        """Nothing is in flight any more."""
        self.records.clear()
        self.sacked = self.lost = self.retransmitted = 0

    def retransmit(self, record: Sent, now: Instant) -> None:
        """``record`` is being sent once more."""
        if record.condition == LOST:
            self.lost -= record.end - record.start
            record.condition = IN_FLIGHT
        if record.transmissions == 1:
            self.retransmitted += 1
        record.transmissions += 1
        record.sent_at = now

    def first_lost(self) -> Sent | None:
        """What to retransmit next (RFC 6675 4 NextSeg rule 1)."""
        if self.lost:
            for record in self.records:
                if record.condition == LOST:
                    return record
        return None


def _start_of(record: Sent) -> int:
    return record.start
