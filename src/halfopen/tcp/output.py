"""The only builder of segments (RFC 9293 3.7, 3.8): what input, calls and timeouts have marked becomes a segment here.

One segment a call, the most urgent first: RST, SYN, duplicate ACKs, what is lost, new text with the FIN on its last
octet, a probe, a bare ACK. A duplicate ACK is never left to a segment with text, which the peer would not count as one
(RFC 5681 2). With a `SendSpace.burst` above the segment size a data segment is a super-segment, cut by whoever puts it
on a wire.
"""

from typing import Final

from halfopen.base.clock import NEVER, Instant
from halfopen.base.octets import Buffers
from halfopen.tcp.bsd_output import as_response, before_signature, cut_lost
from halfopen.tcp.bursts import worthwhile
from halfopen.tcp.early import ends_early, enrich, speaks_early
from halfopen.tcp.ecn import answering_flags, asking_flags, fit, mark, mark_new_text, to_record
from halfopen.tcp.hasty_fin import add_fin, fin_alone
from halfopen.tcp.mtu_raising import NO_PROBE, forget_probe, on_probe_sent, probe_size
from halfopen.tcp.negotiation import LAST_WITH_OPTIONS, answer, offer, without_extensions
from halfopen.tcp.pacing import is_held, note_burst
from halfopen.tcp.probing import wait_for_window, window_is_open
from halfopen.tcp.recovery import room
from halfopen.tcp.retransmission import arm, give_up_at, may_probe
from halfopen.tcp.scoreboard import AGAIN, FINAL, PUSHED, Sent
from halfopen.tcp.segmentation import let_go, sendable
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.state import State
from halfopen.tcp.tcb import TailProbe, Tcb
from halfopen.tcp.timers import Retransmit
from halfopen.tcp.timestamps import clock_value
from halfopen.wire.tcp import ACK, ECE, FIN, PSH, RST, SYN, URG, Segment
from halfopen.wire.tcp_options import MAXIMUM_OCTETS, Options

SACK_OCTETS: Final = 4
"""Kind and length of the SACK option, with two NOPs in front."""
SACK_BLOCK_OCTETS: Final = 8

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
        return _reset(tcb, now)
    if state is _CLOSED:
        return None
    if owed.syn:
        return _syn(tcb, now)
    if owed.acks.owed:
        return _duplicate(tcb, now)
    segment = _text(tcb, now) if state in _MAY_SEND_TEXT else _early_text(tcb, now)
    if segment is not None:
        return segment
    if owed.probe:
        owed.probe = False
        if tcb.user.config.timeouts.probes_with_text and tcb.timers.retransmit_for is Retransmit.PERSIST:
            return _data_segment(tcb, tcb.snd.nxt, 1, PUSHED * (tcb.snd.unsent == 1), now)
        return as_response(tcb, _bare(tcb, tcb.snd.una - 1, now))
    if owed.acks.is_owed and state is not _SYN_SENT:
        return _acknowledgment(tcb, now)
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
    if tcb.recovery.search is not None and not tcb.owed.tail_probe:
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
    marks = snd.ends_at(start + count) if count else 0
    if tcb.owed.impatient and start + count < snd.queue.stop and tcb.user.config.acks.patience == "rto":
        marks |= PUSHED
    marks |= FINAL if fin else 0
    snd.flight.sent(start, end, now, marks)
    segment = _data_segment(tcb, start, count, marks, now)
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
    marks = snd.ends_at(start + size)
    snd.flight.sent(start, start + size, now, marks)
    segment = _data_segment(tcb, start, size, marks, now)
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
    marks = (snd.ends_at(start + count) if count else 0) | FINAL * fin
    snd.flight.sent(start, start + count + fin, now, marks)
    segment = _data_segment(tcb, start, count, marks, now)
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
    return tcb.recovery.undo is not None and tcb.recovery.undo.tries_new


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
    elif tcb.user.config.retransmission.gathers:
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
    segment = _data_segment(tcb, record.start, count, record.marks, now)
    note_burst(tcb, count, now)
    recovery = tcb.recovery
    recovery.sent_at = now
    if recovery.prr is not None:
        recovery.prr.on_sent(record.pieces * snd.mss if tcb.congestion.whole else count)
    if recovery.undo is not None and (record.marks & AGAIN or not tcb.congestion.whole):
        recovery.undo.octets += count
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
    tcb.recovery.probe = TailProbe(tcb.snd.nxt, is_retransmission)


def _data_segment(tcb: Tcb, start: int, count: int, marks: int, now: Instant) -> Segment:
    """<SEQ=start><ACK=RCV.NXT><CTL=ACK> with ``count`` octets of the queue; PSH on the last queued octet (MUST-61).

    ``marks``: those of a `halfopen.tcp.scoreboard.Sent`.

    SACK blocks ride along where the segment stays within the MSS; else the bare ACK of each early segment has them.
    """
    snd = tcb.snd
    flags = ACK
    payload: Buffers = ()
    if count:
        payload = snd.queue.peek(start, count)
        if start + count == snd.queue.stop if tcb.congestion.is_bsd else marks & PUSHED:
            flags |= PSH
    if marks & FINAL:
        flags |= FIN
    segment = _acknowledging(tcb, start, flags, now)
    segment.payload = payload
    segment.octets = count
    if count > snd.mss:
        segment.gso_size = snd.mss
    _report(tcb, segment, snd.mss - count)
    mark(tcb, segment, now)
    tcb.owed.acks.on_ack_sent(True)
    if tcb.owed.acks.delays is not None and count:
        tcb.owed.acks.delays.on_data_sent(now)
    return segment


def _acknowledgment(tcb: Tcb, now: Instant) -> Segment:
    snd = tcb.snd
    if snd.fin and tcb.user.config.closing.repeats_fin and snd.una <= snd.queue.stop < snd.nxt:
        return _bare(tcb, snd.queue.stop, now, ACK | FIN)
    return _bare(tcb, snd.acceptable(1 << tcb.agreed.snd_shift), now)


def _duplicate(tcb: Tcb, now: Instant) -> Segment:
    """An ACK for a segment that did not move RCV.NXT; the first of them may still be the first with its number."""
    if tcb.owed.acks.is_apart:
        tcb.owed.acks.is_apart = False
        tcb.owed.acks.owed -= 1
        window = tcb.rcv.free_field
        challenge = _acknowledging(tcb, tcb.snd.nxt, ACK, now)
        challenge.window = window
        return challenge
    if not tcb.owed.acks.is_duplicate:
        tcb.owed.answer = ("", now)
    elif tcb.owed.answer[1] != now:
        tcb.owed.answer = ("duplicate ACK", now)
    return _acknowledgment(tcb, now)


def _bare(tcb: Tcb, seq: int, now: Instant, flags: int = ACK) -> Segment:
    """<SEQ=seq><ACK=RCV.NXT><CTL=ACK> without text; SACK blocks tell what is here behind a hole."""
    segment = _acknowledging(tcb, seq, flags, now)
    _report(tcb, segment, MAXIMUM_OCTETS)
    mark(tcb, segment, now)
    tcb.owed.acks.on_ack_sent(False)
    return segment


def _report(tcb: Tcb, segment: Segment, free: int) -> None:
    """SACK blocks for what is behind a hole or has come twice, as many as fit into ``free`` octets (RFC 2018 3)."""
    if not tcb.rcv.early.has_report:
        return
    if not (tcb.agreed.sack and tcb.user.config.options.dsack):
        tcb.rcv.early.forget_duplicate()
    if not tcb.agreed.sack or not tcb.rcv.early.has_report:
        return
    free = min(free, MAXIMUM_OCTETS - tcb.agreed.option_octets)
    if free < SACK_OCTETS + SACK_BLOCK_OCTETS:
        return
    blocks = tcb.rcv.early.report((free - SACK_OCTETS) // SACK_BLOCK_OCTETS)
    if segment.options is None:
        segment.options = Options()
    segment.options.sack = tuple([(wrap(left), wrap(right)) for left, right in blocks])


def _acknowledging(tcb: Tcb, seq: int, flags: int, now: Instant) -> Segment:
    """What all segments of a synchronized connection share: ACK, window, urgent pointer, timestamps, ECN-Echo."""
    rcv, opening = tcb.rcv, tcb.opening
    window = rcv.offer(tcb.owed.acks.full_size if rcv.memory is not None else tcb.full_size)
    options = None
    rcv.told = rcv.nxt
    timestamps = tcb.timestamps
    if timestamps is not None:
        timestamps.last_ack_sent = rcv.nxt
        options = Options(timestamps=(timestamps.value(now), timestamps.recent))
    if opening.signature_octets:
        options = before_signature(tcb, options)
    if tcb.owed.ece:
        flags |= ECE
    urgent = 0
    if tcb.snd.up > seq and tcb.snd.up > tcb.snd.una:
        flags |= URG
        urgent = min(tcb.snd.up - seq, 0xFFFF)
    return Segment(
        opening.local_port,
        opening.remote_port,
        seq & 0xFFFFFFFF,
        rcv.nxt & 0xFFFFFFFF,
        flags,
        window,
        urgent,
        options,
    )


def _syn(tcb: Tcb, now: Instant) -> Segment:
    """<SEQ=ISS><CTL=SYN>, with ACK in SYN-RECEIVED; the timer starts (MUST-22).

    One that answers a repeated SYN leaves the timer as it is (RFC 6298 5.1): no peer puts off its end for ever.
    """
    tcb.owed.syn = False
    snd, opening = tcb.snd, tcb.opening
    config = opening.config
    flags = SYN
    if tcb.state is State.SYN_SENT:
        if config.options.drops_late and tcb.recovery.retries > LAST_WITH_OPTIONS:
            config = without_extensions(config)
        options = offer(config, opening.receive_mss, (clock_value(opening.timestamp_offset, now), 0))
        flags |= asking_flags(tcb)
        acknowledgment, window = 0, min(tcb.rcv.limit, 0xFFFF)
    else:
        flags |= ACK | answering_flags(to_record(tcb.agreed), 0)
        timestamps = tcb.timestamps
        stamp = (timestamps.value(now), timestamps.recent) if timestamps is not None else None
        options = answer(
            config, opening.receive_mss, stamp, tcb.agreed.sack, tcb.agreed.snd_shift + tcb.agreed.rcv_shift > 0
        )
        if tcb.user.is_active and config.arrivals.order == "linux":
            options = offer(config, opening.receive_mss, stamp or (clock_value(opening.timestamp_offset, now), 0))
        acknowledgment, window = wrap(tcb.rcv.nxt), tcb.rcv.offer_syn()
        if timestamps is not None:
            timestamps.last_ack_sent = tcb.rcv.nxt
        tcb.owed.acks.on_ack_sent(False)
    if tcb.recovery.retries:
        tcb.count("TCPSynRetrans")
    if tcb.timers.retransmit == NEVER:
        if not tcb.recovery.retries:
            tcb.recovery.progress_at = now
        tcb.timers.retransmit = min(now + tcb.rtt.rto, give_up_at(tcb))
    ports = (opening.local_port, opening.remote_port)
    syn = Segment(*ports, seq=wrap(snd.iss), ack=acknowledgment, flags=flags, window=window, options=options)
    enrich(tcb, syn, now)
    add_fin(tcb, syn, now)
    return syn


def _reset(tcb: Tcb, now: Instant) -> Segment:
    """<SEQ=seq><CTL=RST>, with ACK where a connection is aborted; its window is 0, if nothing else is configured."""
    reset = tcb.owed.reset
    assert reset is not None
    tcb.owed.reset = None
    tcb.count("OutRsts")
    seq, acknowledgment = reset
    opening = tcb.opening
    segment = Segment(opening.local_port, opening.remote_port, seq=wrap(seq), flags=RST)
    form = tcb.user.config.closing.reset
    is_of_connection = acknowledgment is not None and seq == tcb.snd.nxt
    is_stamped = form != "bare" and (is_of_connection or (form == "stamped" and tcb.state is not _CLOSED))
    if is_stamped and tcb.timestamps is not None:
        segment.options = Options(timestamps=(tcb.timestamps.value(now), tcb.timestamps.recent))
        segment.options = before_signature(tcb, segment.options)
    if acknowledgment is not None:
        segment.flags |= ACK
        segment.ack = wrap(acknowledgment)
        if form == "full":
            segment.window = tcb.rcv.offer(tcb.owed.acks.full_size)
            segment.flags |= ECE if tcb.owed.ece else 0
            mark(tcb, segment, now)
    return segment
