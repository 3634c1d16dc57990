"""Segments that open and reset a connection: SYN, SYN,ACK and RST (RFC 9293 3.5, 3.5.2)."""

from halfopen.base.clock import NEVER, Instant
from halfopen.tcp.bsd_output import before_signature
from halfopen.tcp.building import report
from halfopen.tcp.early import enrich
from halfopen.tcp.ecn import answering_flags, asking_flags, mark, to_record
from halfopen.tcp.hasty_fin import add_fin
from halfopen.tcp.negotiation import LAST_WITH_OPTIONS, answer, offer, without_extensions
from halfopen.tcp.retransmission import give_up_at
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.timestamps import clock_value
from halfopen.wire.tcp import ACK, ECE, RST, SYN, Segment
from halfopen.wire.tcp_options import Options


def syn_segment(tcb: Tcb, now: Instant) -> Segment:
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


def reset_segment(tcb: Tcb, now: Instant) -> Segment:
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
    is_stamped = form != "bare" and (is_of_connection or (form == "stamped" and tcb.state is not State.CLOSED))
    if is_stamped and tcb.timestamps is not None:
        segment.options = Options(timestamps=(tcb.timestamps.value(now), tcb.timestamps.recent))
        segment.options = before_signature(tcb, segment.options)
    if acknowledgment is not None:
        segment.flags |= ACK
        segment.ack = wrap(acknowledgment)
        if form == "full":
            segment.window = tcb.rcv.offer(tcb.owed.acks.full_size)
            segment.flags |= ECE if tcb.owed.ece else 0
            if is_of_connection:
                report(tcb, segment)
            mark(tcb, segment, now)
    return segment
