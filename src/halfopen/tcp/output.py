"""What input, calls and timeouts have marked becomes a segment here, and nowhere else (RFC 9293 3.7, 3.8).

One segment a call, the most urgent first: RST, SYN, duplicate ACKs, what is lost, new text with the FIN on its last
octet, a probe, a bare ACK. A duplicate ACK is never left to a segment with text, which the peer would not count as one
(RFC 5681 2). With a `SendSpace.burst` above the segment size a data segment is a super-segment, cut by whoever puts it
on a wire.
"""

from typing import Final

from halfopen.base.clock import NEVER, Instant
from halfopen.tcp.bsd_output import as_response, cut_lost
from halfopen.tcp.building import acknowledgment, bare, data_segment, duplicate
from halfopen.tcp.bursts import worthwhile
from halfopen.tcp.control_output import reset_segment, syn_segment
from halfopen.tcp.early import ends_early, speaks_early
from halfopen.tcp.ecn import fit, mark_new_text
from halfopen.tcp.hasty_fin import fin_alone
from halfopen.tcp.in_network import room
from halfopen.tcp.mtu_raising import NO_PROBE, forget_probe, on_probe_sent, probe_size
from halfopen.tcp.pacing import is_held, note_burst
from halfopen.tcp.probing import wait_for_window, window_is_open
from halfopen.tcp.retransmission import arm, may_probe
from halfopen.tcp.segmentation import let_go, sendable
from halfopen.tcp.sent import AGAIN, FINAL, PUSHED, Sent
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.timers import Retransmit
from halfopen.tcp.trials import TailProbe
from halfopen.wire.tcp import Segment

_CLOSED: Final = State.CLOSED
_SYN_SENT: Final = State.SYN_SENT
_REORDER: Final = Retransmit.REORDER
_MAY_SEND_TEXT: Final = frozenset(
    {State.ESTABLISHED, State.CLOSE_WAIT, State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK}
)
"""With a FIN queued, text before it still goes."""


def next_segment(tcb: Tcb, now: Instant) -> Segment | None:
    """The next segment to send, or None: then nothing is left to do before the next input, call or deadline."""
    owed, state = tcb.owed, tcb.state
    if owed.reset is not None:
        return reset_segment(tcb, now)
    if state is _CLOSED:
        return None
    if owed.syn:
        return syn_segment(tcb, now)
    if owed.acks.owed:
        return duplicate(tcb, now)
    segment = _text(tcb, now) if state in _MAY_SEND_TEXT else _early_text(tcb, now)
    if segment is not None:
        return segment
    if owed.probe:
        owed.probe = False
        if tcb.user.config.timeouts.probes_with_text and tcb.timers.retransmit_for is Retransmit.PERSIST:
            return data_segment(tcb, tcb.snd.nxt, 1, PUSHED * (tcb.snd.unsent == 1), now)
        return as_response(tcb, bare(tcb, tcb.snd.una - 1, now))
    if owed.acks.is_owed and state is not _SYN_SENT:
        return acknowledgment(tcb, now)
    return None


def _text(tcb: Tcb, now: Instant) -> Segment | None:
    """Lost octets first (RFC 6675 4 NextSeg), then new ones; a tail loss probe if one is due."""
    snd = tcb.snd
    if is_held(tcb, now):
        return None
    fit(tcb, now)
    record = snd.flight.first_lost() if snd.flight.lost and not _tries_new(tcb) else None
    if record is not None:
        segment = _retransmission(tcb, record, room(tcb), now)
        if segment is not None:
            return segment
    unsent = snd.queue.stop - snd.nxt
    if unsent > 0 or (unsent == 0 and snd.fin):
        segment = _new_text(tcb, unsent, now)
        if segment is not None:
            return segment
    if tcb.owed.tail_probe:
        tcb.owed.tail_probe = False
        return _tail_probe(tcb, now)
    return None


def _new_text(tcb: Tcb, unsent: int, now: Instant) -> Segment | None:
    """Text and FIN that have never been sent, as the window, congestion control and silly window avoidance allow."""
    snd = tcb.snd
    if snd.nxt == snd.una:
        _restart_if_idle(tcb, now)
        let_go(tcb, snd.queue.stop)
    free, usable = room(tcb), snd.usable
    if tcb.recovery.trials.search is not None and not tcb.owed.tail_probe:
        size = probe_size(tcb, unsent, free, now)
        if size != NO_PROBE:
            return _mtu_probe(tcb, size, now) if size else None
    allowed = min(free, usable, snd.una + tcb.user.flight_limit - snd.nxt)
    count = sendable(tcb, unsent, allowed, now)
    fin = snd.fin and count == unsent and count < (usable if tcb.owed.tail_probe else allowed)
    if count == 0 and not fin:
        if tcb.owed.tail_probe and usable >= min(unsent, snd.mss) > 0:
            count = min(unsent, snd.mss)
        else:
            if allowed == free and free < min(unsent, snd.mss):
                tcb.congestion.full_at = snd.nxt
                _note_use(tcb)
            if snd.nxt == snd.una:
                wait_for_window(tcb, now)
            let_go(tcb, snd.una)
            return None
    return _send_new(tcb, count, fin, now)


def _send_new(tcb: Tcb, count: int, fin: bool, now: Instant) -> Segment:
    """``count`` octets of text for the first time, and the FIN if it is to follow."""
    snd = tcb.snd
    was_probe = tcb.owed.tail_probe
    start = snd.nxt
    end = start + count + fin
    marks = snd.queue.ends_at(start + count) if count else 0
    if tcb.owed.impatient and start + count < snd.queue.stop and tcb.user.config.acks.patience == "rto":
        marks |= PUSHED
    marks |= FINAL if fin else 0
    snd.flight.sent(start, end, now, marks)
    segment = data_segment(tcb, start, count, marks, now)
    mark_new_text(tcb, segment)
    snd.advance(end)
    note_burst(tcb, count, now)
    _note_size(tcb, count)
    _note_use(tcb)
    tcb.recovery.sent_at = now
    if tcb.recovery.prr is not None:
        tcb.recovery.prr.on_sent(-(-count // snd.mss) * snd.mss if tcb.congestion.whole else count)
    window_is_open(tcb)
    if start == snd.una:
        tcb.recovery.progress_at = now
    if was_probe:
        _remember_probe(tcb, is_retransmission=False)
    elif tcb.timers.retransmit_for is not _REORDER or (tcb.congestion.whole and may_probe(tcb)):
        arm(tcb, now)
    return segment


def _mtu_probe(tcb: Tcb, size: int, now: Instant) -> Segment:
    """One segment, larger than the others (RFC 4821 7.4)."""
    snd, start = tcb.snd, tcb.snd.nxt
    marks = snd.queue.ends_at(start + size)
    snd.flight.sent(start, start + size, now, marks)
    segment = data_segment(tcb, start, size, marks, now)
    segment.gso_size = 0
    mark_new_text(tcb, segment)
    snd.advance(start + size)
    on_probe_sent(tcb, start, size)
    tcb.recovery.sent_at = now
    _note_use(tcb)
    arm(tcb, now)
    return segment


def _note_size(tcb: Tcb, count: int) -> None:
    """Segments that are not full are remembered, but for one that has been waited with for long enough."""
    if count % tcb.snd.mss and not tcb.owed.impatient and tcb.user.config.acks.nagle_for != "earlier":
        tcb.snd.flight.small_end = tcb.snd.nxt
    tcb.owed.impatient = False


def _note_use(tcb: Tcb) -> None:
    """Whether the congestion window has been the limit, for Linux's rule of when it may grow."""
    congestion, snd = tcb.congestion, tcb.snd
    if congestion.whole:
        used = sum([each.pieces for each in snd.flight.records]) * snd.mss
        congestion.note_use(snd.una, snd.nxt, used, room(tcb) <= 0)


def _early_text(tcb: Tcb, now: Instant) -> Segment | None:
    """New text before the handshake is complete (RFC 7413 4.2.2), and the FIN behind it (RFC 9293 3.10.4).

    Until then the one timer is the SYN,ACK's.
    """
    if not speaks_early(tcb):
        return fin_alone(tcb, now)
    snd = tcb.snd
    start = snd.nxt
    allowed = min(room(tcb), snd.usable, snd.una + tcb.user.flight_limit - start)
    unsent = snd.unsent
    count = sendable(tcb, unsent, allowed, now)
    fin = ends_early(tcb) and count == unsent and count < allowed and start <= snd.queue.stop
    if count <= 0 and not fin:
        return None
    marks = (snd.queue.ends_at(start + count) if count else 0) | FINAL * fin
    snd.flight.sent(start, start + count + fin, now, marks)
    segment = data_segment(tcb, start, count, marks, now)
    snd.advance(start + count + fin)
    _note_size(tcb, count)
    _note_use(tcb)
    return segment


def _restart_if_idle(tcb: Tcb, now: Instant) -> None:
    """Nothing in flight for longer than an RTO: the ACK clock has stopped (RFC 5681 4.1)."""
    recovery = tcb.recovery
    if recovery.sent_at and now > recovery.sent_at:
        restarts = tcb.user.config.congestion.restart_after_idle
        tcb.congestion.on_idle(now - recovery.sent_at, tcb.rtt.rto if restarts else NEVER, now)


def _tries_new(tcb: Tcb) -> bool:
    """F-RTO: what may be lost waits for the answer to new text."""
    return tcb.recovery.trials.undo is not None and tcb.recovery.trials.undo.tries_new


def _retransmission(tcb: Tcb, record: Sent, allowed: int, now: Instant) -> Segment | None:
    """``record`` again, or the part of it that congestion control allows.

    The peer's window may have shrunk: beyond it only the first segment goes, which serves as a probe (SHLD-16, MAY-7).
    What is urgent leaves as at first, a segment at a time.
    """
    snd = tcb.snd
    mss = snd.mss
    if allowed <= 0:
        return None
    most = min(allowed, snd.burst if snd.up <= record.start else mss)
    if tcb.user.config.congestion.defers:
        most = min(most, worthwhile(tcb))
    most = min(most, max(snd.una + snd.wnd - record.start, mss if record.start == snd.una else 0))
    if most > mss:
        most -= most % mss
    text_end = min(record.end, snd.queue.stop)
    if text_end - record.start > most:
        if most < mss and not tcb.congestion.whole:
            return None
        snd.flight.split_at(record.start + most)
    elif tcb.user.config.timeouts.linux.gathers:
        if tcb.congestion.is_bsd:
            cut_lost(snd.flight, record.start + most)
        snd.flight.gather(record, most)
    elif record.end - record.start < mss:
        snd.flight.collapse(record, min(record.start + mss, max(snd.una + snd.wnd, record.end)))
    return _resend(tcb, record, now)


def _resend(tcb: Tcb, record: Sent, now: Instant) -> Segment:
    snd, timers = tcb.snd, tcb.timers
    forget_probe(tcb)
    snd.flight.retransmit(record, now)
    text_end = min(record.end, snd.queue.stop)
    count = max(0, text_end - record.start)
    segment = data_segment(tcb, record.start, count, record.marks, now)
    note_burst(tcb, count, now)
    recovery = tcb.recovery
    recovery.sent_at = now
    if recovery.prr is not None:
        recovery.prr.on_sent(record.pieces * snd.mss if tcb.congestion.whole else count)
    if recovery.trials.undo is not None and (record.marks & AGAIN or not tcb.congestion.whole):
        recovery.trials.undo.octets += count
    tcb.opening.counters.add("RetransSegs", record.pieces)
    if record.start == snd.una and timers.retransmit_for is Retransmit.RTO:
        arm(tcb, now)
    return segment


def _tail_probe(tcb: Tcb, now: Instant) -> Segment | None:
    """The last segment again: its ACK, or the SACK it causes, tells what has become of the rest (RFC 8985 7.3)."""
    snd = tcb.snd
    records = snd.flight.records
    if not records or snd.flight.sacked or snd.flight.lost:
        return None
    last = records[-1]
    if last.pieces > 1:
        last = records[snd.flight.split_at(last.start + (last.pieces - 1) * snd.mss)]
    open_to = snd.una + snd.wnd
    if tcb.congestion.whole and open_to < last.end:  # the peer's window has shrunk
        if open_to > last.start:
            snd.flight.split_at(open_to)
        elif last.start != snd.una:
            return None
    _remember_probe(tcb, is_retransmission=True)
    return _resend(tcb, last, now)


def _remember_probe(tcb: Tcb, *, is_retransmission: bool) -> None:
    tcb.owed.tail_probe = False
    tcb.count("TCPLossProbes")
    tcb.recovery.trials.probe = TailProbe(tcb.snd.nxt, is_retransmission)
