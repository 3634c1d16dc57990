"""What is in flight, and what is known about it (RFC 6675 3, RFC 8985 5.1).

The sequence space between SND.UNA and SND.NXT is tiled by `Sent` records, one for each transmission (a super-segment
is one record), cut where an acknowledgment cuts it. Each is in one of three conditions:

    una                                                    nxt
     |  LOST  |   SACKED   | IN_FLIGHT | SACKED | IN_FLIGHT |
              ^ neighbours that are both SACKED become one

so ``pipe`` of RFC 6675 is what is neither SACKED nor LOST: lost octets return to it when they are sent again.
"""

from bisect import bisect_left, bisect_right, insort
from heapq import heappop, heappush
from typing import Final

from halfopen.base.clock import NEVER, Instant
from halfopen.base.native import mypyc_attr
from halfopen.tcp.sent import AGAIN, IN_FLIGHT, LOST, MISSED, RECORD_END, SACKED, Delivery, Sent

_NO_RECORDS: Final[list[Sent]] = []
_NO_TRANSMISSIONS: Final[list[tuple[Instant, int, int]]] = []
_NO_STARTS: Final[list[int]] = []
"""What a flight of nothing has, so that an idle connection holds no lists. Never changed: what is added makes new."""


@mypyc_attr(acyclic=True)
class Flight:
    """The records, in order; `sacked` and `lost` count octets."""

    __slots__ = (
        "_judged",
        "_log",
        "_losses",
        "delivered",
        "lost",
        "mss",
        "records",
        "resent",
        "sacked",
        "sacked_end",
        "small_end",
    )

    def __init__(self, mss: int = 1460) -> None:
        self.mss = mss
        """Octets of a segment: what more than that is on the wire as several."""
        self.delivered = 0
        """Segments that have reached the peer."""
        self.resent = 0
        """Segments that have been sent again."""
        self.records = _NO_RECORDS
        self.sacked = 0
        self.lost = 0
        self.sacked_end = 0
        """Right edge of the highest SACKED octet (HighData of what the peer has)."""
        self.small_end = 0
        """Where the last segment ends that was sent though it was not full (Minshall); or text that was there when
        nothing was in flight, and has been leaving since (the BSDs)."""
        self._log = _NO_TRANSMISSIONS
        """(when, end, start) of transmissions, in this order; the first goes when nothing of it is in flight."""
        self._losses = _NO_STARTS
        """A heap with the starts of all LOST records, and of some that no longer are."""
        self._judged = 0
        """`mark_lost_by_sacks` has marked whatever it could below."""

    def sent(self, start: int, end: int, now: Instant, marks: int = 0) -> None:
        """New data, or SYN or FIN, has been sent."""
        record = Sent(start, end, now)
        record.marks = marks
        if end - start > self.mss:
            record.pieces = record.segments(self.mss)
        if self.records:
            self.records.append(record)
        else:
            self.records = [record]
        if self._log:
            self._log.append((now, end, start))
        else:
            self._log = [(now, end, start)]

    def acknowledge(self, una: int, delivery: Delivery) -> None:
        """Everything below ``una`` has arrived (a cumulative acknowledgment)."""
        records = self.records
        if delivery.fack < 0:
            delivery.fack = self.sacked_end
        gone = 0
        for record in records:
            if record.start >= una:
                break
            if record.end > una:
                pieces = record.pieces
                size = -(-(record.end - record.start) // pieces)
                rest = self.records[self.split_at(una)]
                rest.pieces = min(pieces, -(-(rest.end - rest.start) // size))
                record.pieces = pieces - rest.pieces
            octets = record.end - record.start
            if record.condition == SACKED:
                self.sacked -= octets
            else:
                self._deliver(record, delivery)
                delivery.acked += octets
            gone += 1
        if gone == len(records):
            self.records = _NO_RECORDS
        else:
            del records[:gone]
        log = self._log
        gone = 0
        while gone < len(log) and log[gone][1] <= una:
            gone += 1
        if gone == len(log):
            self._log = _NO_TRANSMISSIONS
        else:
            del log[:gone]

    def _deliver(self, record: Sent, delivery: Delivery) -> None:
        if record.condition == LOST:
            self.lost -= record.end - record.start
        self.delivered += record.pieces
        delivery.note(record)

    def sack(self, left: int, right: int, delivery: Delivery, shortest: int = 0) -> bool:
        """The peer holds ``[left, right)`` (RFC 2018); edges may cut records. False if the block is not believed.

        That is one of less than ``shortest`` octets, a segment, that ends inside a record: nobody gets so little at a
        time. A peer that reports every other octet would have us keep a record, and send a segment, for each hole
        (CVE-2019-11478).
        """
        records = self.records
        if delivery.fack < 0:
            delivery.fack = self.sacked_end
        if not records or right <= records[0].start or left >= right:
            return True
        left = max(left, records[0].start)
        low = bisect_right(records, left, key=_start_of) - 1
        known = records[low]
        if known.condition == SACKED and right <= known.end:
            return True
        if right - left < shortest and records[bisect_left(records, right, key=_start_of) - 1].end != right:
            return False
        if known.start < left:
            low = self.split_at(left)
        high = self.split_at(right)
        for record in records[low:high]:
            if record.condition != SACKED:
                self._deliver(record, delivery)
                octets = record.end - record.start
                self.sacked += octets
                delivery.sacked += octets
                record.condition = SACKED
        if low < high:
            _join_sacked(records, low, high, delivery)
        if right > self.sacked_end:
            self.sacked_end = right
        return True

    def split_at(self, position: int) -> int:
        """Index of the record that starts at ``position``, which is not before the first; made by a cut if need be."""
        records = self.records
        index = bisect_right(records, position, key=_start_of)
        record = records[index - 1]
        if record.start == position:
            return index - 1
        if position < record.end:
            tail = Sent(position, record.end, record.sent_at, record.transmissions, record.condition)
            tail.marks = record.marks
            record.marks &= MISSED | AGAIN
            record.end = position
            record.pieces, tail.pieces = record.segments(self.mss), tail.segments(self.mss)
            records.insert(index, tail)
            if tail.condition == LOST:
                self._add_loss(position)
        return index

    def gather(self, record: Sent, most: int) -> None:
        """Lost neighbours of ``record`` join it, up to ``most`` octets: what left in pieces returns whole (SHLD-28)."""
        records = self.records
        index = self.split_at(record.start) + 1
        stop = index
        limit = record.start + most
        while stop < len(records) and records[stop].condition == LOST and records[stop].end <= limit:
            other = records[stop]
            record.transmissions = max(record.transmissions, other.transmissions)
            record.end = other.end
            record.marks |= other.marks
            stop += 1
        record.pieces = record.segments(self.mss)
        del records[index:stop]

    def collapse(self, record: Sent, limit: int) -> None:
        """``record``, which is lost, takes in small segments behind it, lost or not, up to ``limit`` (Linux)."""
        records = self.records
        index = self.split_at(record.start) + 1
        stop = index
        while stop < len(records) and not record.marks & RECORD_END:
            other = records[stop]
            if other.condition == SACKED or other.pieces > 1 or other.end > limit:
                break
            if other.condition == IN_FLIGHT:
                self.lost += other.end - other.start
            record.transmissions = max(record.transmissions, other.transmissions)
            record.end = other.end
            record.marks |= other.marks
            stop += 1
        record.pieces = record.segments(self.mss)
        del records[index:stop]

    def mark_lost(self, record: Sent) -> None:
        """``record`` is taken to be lost; only one in flight can be."""
        if record.condition == IN_FLIGHT:
            record.condition = LOST
            record.marks = (record.marks | MISSED) & ~AGAIN
            self.lost += record.end - record.start
            self._add_loss(record.start)

    def _add_loss(self, start: int) -> None:
        if self._losses:
            heappush(self._losses, start)
        else:
            self._losses = [start]

    def mark_all_lost(self) -> None:
        """All that the peer has not selectively acknowledged (RFC 6298 5.4 without better knowledge)."""
        for record in self.records:
            self.mark_lost(record)

    def mark_lost_by_sacks(self, dupthresh: int, mss: int) -> None:
        """IsLost of RFC 6675 4: above it DupThresh runs, or the octets of over DupThresh - 1 segments, are SACKED."""
        records = self.records
        index = bisect_right(records, self.sacked_end, key=_start_of)
        sacked = runs = 0
        judged = 0
        while index and records[index - 1].end > self._judged:
            index -= 1
            record = records[index]
            if record.condition == SACKED:
                sacked += record.end - record.start
                runs += 1
            elif runs >= dupthresh or sacked > (dupthresh - 1) * mss:
                judged = judged or record.end
                if record.transmissions == 1:
                    self.mark_lost(record)
        self._judged = max(self._judged, judged)

    def mark_late(self, sent_at: Instant, end: int, due: Instant) -> Instant:
        """RACK_detect_loss (RFC 8985 6.2): sent before (``sent_at``, ``end``), which arrived, and by ``due``, is lost.

        Returns when the last of what was sent before, but after ``due``, was sent; NEVER if there is none. Each
        transmission is looked at until it is delivered or lost, and never again.
        """
        log, records = self._log, self.records
        while log:
            when, stop, start = log[0]
            if when > sent_at or (when == sent_at and start >= end):
                break
            index = max(bisect_right(records, start, key=_start_of) - 1, 0)
            while index < len(records) and records[index].start < stop:
                record = records[index]
                index += 1
                if record.condition != IN_FLIGHT or record.sent_at != when:
                    continue
                is_behind = when < sent_at or record.end < end
                if when > due or not is_behind:
                    log[0] = (when, stop, record.start)  # nothing below is to be looked at again: CVE-2019-11478
                    return _last_before(log, records, sent_at, end) if is_behind else NEVER
                self.mark_lost(record)
            del log[0]
        return NEVER

    def unmark_lost(self) -> None:
        """Nothing had been lost after all: it counts as in flight again."""
        for record in self.records:
            record.marks &= ~MISSED
            if record.condition == LOST:
                record.condition = IN_FLIGHT
        self.lost = 0
        self._start_over()

    def forget_sacks(self) -> None:
        """The peer has reneged: what it had selectively acknowledged is lost (RFC 2018 8)."""
        for record in self.records:
            if record.condition == SACKED:
                record.condition = IN_FLIGHT
        self.sacked = self.sacked_end = 0
        self._start_over()

    def _start_over(self) -> None:
        """What was decided before may be decided again."""
        self._log = sorted((record.sent_at, record.end, record.start) for record in self.records)
        self._judged = 0

    def clear(self) -> None:
        """Nothing is in flight any more."""
        self.records = _NO_RECORDS
        self._log = _NO_TRANSMISSIONS
        self._losses = _NO_STARTS
        self.sacked = self.lost = 0

    def retransmit(self, record: Sent, now: Instant) -> None:
        """``record`` is being sent once more."""
        if record.condition == LOST:
            self.lost -= record.end - record.start
            record.condition = IN_FLIGHT
            record.marks |= AGAIN
        record.pieces = record.segments(self.mss)
        self.resent += record.pieces
        record.transmissions += 1
        record.sent_at = now
        log = self._log
        entry = (now, record.end, record.start)
        if not log:
            self._log = [entry]
        elif entry < log[-1]:
            insort(log, entry)
        else:
            log.append(entry)

    def find(self, position: int) -> Sent | None:
        """The record that the octet at ``position`` is part of."""
        index = bisect_right(self.records, position, key=_start_of) - 1
        return self.records[index] if index >= 0 and position < self.records[index].end else None

    def first_lost(self) -> Sent | None:
        """What to retransmit next (RFC 6675 4 NextSeg rule 1)."""
        losses, records = self._losses, self.records
        while losses:
            index = bisect_right(records, losses[0], key=_start_of) - 1
            if index >= 0 and records[index].condition == LOST and records[index].start == losses[0]:
                return records[index]
            heappop(losses)
        return None


def _join_sacked(records: list[Sent], low: int, high: int, delivery: Delivery) -> None:
    """The records from ``low`` to before ``high``, which are SACKED, and such neighbours become one."""
    if low and records[low - 1].condition == SACKED:
        low -= 1
    if high < len(records) and records[high].condition == SACKED:
        high += 1
    run = records[low]
    if delivery.latest is run:
        delivery.latest = Sent(run.start, run.end, run.sent_at, run.transmissions)
    run.pieces = sum([each.pieces for each in records[low:high]])
    run.marks = records[high - 1].marks
    run.end = records[high - 1].end
    del records[low + 1 : high]


def _last_before(log: list[tuple[Instant, int, int]], records: list[Sent], sent_at: Instant, end: int) -> Instant:
    """When the last was sent that is in flight, of what was sent before (``sent_at``, ``end``); there is one."""
    whole = at = bisect_left(log, (sent_at, end, -1))
    while at < len(log) and log[at][0] == sent_at and log[at][2] < end:
        at += 1
    while True:
        at -= 1
        when, stop, start = log[at]
        index = max(bisect_right(records, start, key=_start_of) - 1, 0)
        while index < len(records) and records[index].start < stop:
            record = records[index]
            is_behind = when < sent_at or record.end < end
            if record.condition == IN_FLIGHT and record.sent_at == when and is_behind:
                del log[at + 1 : whole]  # of which nothing waits any more
                return when
            index += 1


def _start_of(record: Sent) -> int:
    return record.start
