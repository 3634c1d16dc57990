"""Segments of a synchronized connection as they stand: text, or the bare ACK (RFC 9293 3.10.7.4), and what both tell.

When one goes, and with which octets, `halfopen.tcp.output` knows.
"""

from typing import Final

from halfopen.base.clock import Instant
from halfopen.base.octets import Buffers
from halfopen.tcp.bsd_output import before_signature
from halfopen.tcp.ecn import mark
from halfopen.tcp.sent import FINAL, PUSHED
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.tcb import Tcb
from halfopen.wire.tcp import ACK, ECE, FIN, PSH, URG, Segment
from halfopen.wire.tcp_options import MAXIMUM_OCTETS, Options

SACK_OCTETS: Final = 4
"""Kind and length of the SACK option, with two NOPs in front."""
SACK_BLOCK_OCTETS: Final = 8


def data_segment(tcb: Tcb, start: int, count: int, marks: int, now: Instant) -> Segment:
    """<SEQ=start><ACK=RCV.NXT><CTL=ACK> with ``count`` octets of the queue; PSH on the last queued octet (MUST-61).

    ``marks``: those of a `halfopen.tcp.sent.Sent`.

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
    report(tcb, segment, snd.mss - count)
    mark(tcb, segment, now)
    tcb.owed.acks.on_ack_sent(True)
    if tcb.owed.acks.delays is not None and count:
        tcb.owed.acks.delays.on_data_sent(now)
    return segment


def acknowledgment(tcb: Tcb, now: Instant) -> Segment:
    """A bare ACK where the peer looks at it (SHLD-15); a BSD repeats its FIN in it until that is acknowledged."""
    snd = tcb.snd
    if snd.fin and tcb.user.config.closing.repeats_fin and snd.una <= snd.queue.stop < snd.nxt:
        return bare(tcb, snd.queue.stop, now, ACK | FIN)
    return bare(tcb, snd.acceptable(1 << tcb.agreed.snd_shift), now)


def duplicate(tcb: Tcb, now: Instant) -> Segment:
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
    return acknowledgment(tcb, now)


def bare(tcb: Tcb, seq: int, now: Instant, flags: int = ACK) -> Segment:
    """<SEQ=seq><ACK=RCV.NXT><CTL=ACK> without text; SACK blocks tell what is here behind a hole."""
    segment = _acknowledging(tcb, seq, flags, now)
    report(tcb, segment)
    mark(tcb, segment, now)
    tcb.owed.acks.on_ack_sent(False)
    return segment


def report(tcb: Tcb, segment: Segment, free: int = MAXIMUM_OCTETS) -> None:
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
