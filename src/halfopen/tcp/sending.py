"""The send sequence space (RFC 9293 3.3.1).

         1         2          3          4
    ----------|----------|----------|----------
           SND.UNA    SND.NXT    SND.UNA
                                +SND.WND

    1 acknowledged, 2 in flight, 3 may be sent, 4 not yet

Positions in the queue are unwrapped sequence numbers: its first octet is ISS+1, and a FIN stands at ``queue.stop``.
"""

from halfopen.base.native import mypyc_attr
from halfopen.base.octets import Buffer
from halfopen.tcp.scoreboard import Flight
from halfopen.tcp.send_queue import SendQueue
from halfopen.tcp.seqnum import first_lap


@mypyc_attr(acyclic=True)
class SendSpace:
    """SND.*; holds una <= nxt, and all octets from una on, until they are acknowledged."""

    __slots__ = (
        "burst",
        "fin",
        "flight",
        "iss",
        "max_wnd",
        "mss",
        "nxt",
        "queue",
        "una",
        "up",
        "wl",
        "wnd",
    )

    def __init__(self, iss: int, mss: int, burst: int) -> None:
        self.iss = first_lap(iss)
        self.una = self.iss
        self.nxt = self.iss
        self.wnd = 0
        self.max_wnd = 0
        """MAX.SND.WND (RFC 5961 5)."""
        self.wl = (0, 0)
        """SND.WL1 and SND.WL2, unwrapped: SEG.SEQ and SEG.ACK of the last window update."""
        self.up = self.iss
        """SND.UP: the position after the last urgent octet (MUST-62)."""
        self.mss = mss
        """Eff.snd.MSS (MUST-16): octets of text in a full-sized segment, options deducted."""
        self.burst = max(mss, burst - burst % mss)
        """Octets of text that one super-segment may have; at least `mss`."""
        self.queue = SendQueue(self.iss + 1)
        self.fin = False
        """A FIN follows the last octet of the queue: no more can be queued."""
        self.flight = Flight(mss)

    @property
    def outstanding(self) -> int:
        """SND.NXT - SND.UNA, FlightSize of RFC 5681."""
        return self.nxt - self.una

    @property
    def pipe(self) -> int:
        """Octets estimated to be in the network (RFC 6675 4 SetPipe)."""
        return self.nxt - self.una - self.flight.sacked - self.flight.lost

    @property
    def unsent(self) -> int:
        """Octets of text that have never been sent."""
        return self.queue.stop - max(self.queue.start, min(self.nxt, self.queue.stop))

    @property
    def usable(self) -> int:
        """Octets from SND.NXT on that the peer's window takes; negative if it has shrunk (MUST-34)."""
        return self.una + self.wnd - self.nxt

    def acceptable(self, unit: int) -> int:
        """Where a segment without text stands: SND.NXT, or the edge of a window that has shrunk below it (SHLD-15).

        Beyond the edge the peer would not look at its ACK (Linux ``tcp_acceptable_seq``). Less than ``unit`` is no
        shrinking: the peer's window scale rounds that away.
        """
        edge = self.una + self.wnd
        return edge if edge + unit <= self.nxt and self.una > self.iss else self.nxt

    @property
    def fin_is_acknowledged(self) -> bool:
        """SND.UNA is behind the FIN."""
        return self.fin and self.una > self.queue.stop

    def append(self, buffer: Buffer, how: int = 0) -> None:
        """Queues text from the user; of `MORE`, `RECORD` and `APART` says ``how``."""
        queue = self.queue
        if how or not queue.is_pushed:
            queue.append_cut(buffer, how, self.nxt)
        else:
            queue.append(buffer)

    @property
    def tail(self) -> int:
        """Octets that what is queued next may be in one super-segment with."""
        return self.queue.tail(self.nxt)

    @property
    def unsent_runs(self) -> int:
        """Super-segments, records and the like that what has not been sent is queued as."""
        return self.queue.runs(self.nxt)

    def mark_urgent(self) -> None:
        """SND.UP <- behind all that is queued (RFC 9293 3.10.2)."""
        self.up = self.queue.stop

    def advance(self, end: int) -> None:
        """SND.NXT <- ``end``: octets up to there are being sent for the first time."""
        self.nxt = end

    def acknowledge(self, ack: int) -> None:
        """SND.UNA <- ``ack``, and what has arrived leaves the queue."""
        self.una = ack
        queue = self.queue
        text_end = ack if ack < queue.stop else queue.stop
        if text_end > queue.start:
            queue.consume(text_end - queue.start)
        if self.up < ack:
            self.up = ack

    def update_window(self, seq: int, ack: int, window: int, may_shrink: bool = True) -> bool:
        """SND.WND, if the segment is no older than the last update (RFC 9293 3.10.7.4, fifth step); is it another?

        One that acknowledges something new always is, whatever its sequence number: else text that overtakes other text
        would leave SND.WND counted from the wrong SND.UNA (Linux ``tcp_may_update_window``). To be called before
        `acknowledge`. Without ``may_shrink`` one that tells nothing else new opens the window, or closes it (Linux).
        """
        if not may_shrink and ack <= self.una and seq == self.wl[0] and 0 < window <= self.wnd:
            return False
        if ack <= self.una and (seq < self.wl[0] or (seq == self.wl[0] and ack < self.wl[1])):
            return False
        self.wl = (seq, ack)
        changed = window != self.wnd or ack != self.una
        self.wnd = window
        if window > self.max_wnd:
            self.max_wnd = window
        return changed

    def resize(self, mss: int, burst: int) -> None:
        """Another path MTU or negotiation: the sizes of segments from now on."""
        self.mss = self.flight.mss = mss
        self.burst = max(mss, burst - burst % mss)
