"""Acknowledgments and loss (RFC 9293 3.10.7.4 fifth step; RFC 5681, 6298, 6582, 6675, 8985, 9937; 3522, 3708 for undo).

Every ACK goes through the same steps: what did it deliver, how long did that take, what must be lost by now, how much
may be sent. Nothing is sent here: lost records are marked on the scoreboard, and `output` finds them.
"""

from typing import Final

from halfopen.base.clock import MILLISECOND, NEVER, Duration, Instant
from halfopen.tcp.congestion.base import AckSample
from halfopen.tcp.congestion.prr import Prr
from halfopen.tcp.ecn import hear
from halfopen.tcp.events import WRITABLE
from halfopen.tcp.in_network import pipe
from halfopen.tcp.loss_detection import detect_by_rack, detect_loss
from halfopen.tcp.mtu_raising import is_probe_lost, limit_size, on_probe_acknowledged, on_probe_lost
from halfopen.tcp.retransmission import arm, arm_for_reordering, arm_for_window, expect_reneging
from halfopen.tcp.sacks import take_sack
from halfopen.tcp.sent import SACKED, Delivery
from halfopen.tcp.seqnum import unwrap
from halfopen.tcp.tcb import Cause, Phase, Tcb
from halfopen.tcp.timers import Retransmit
from halfopen.tcp.undo import is_ambiguous, start_undo, undo_by_new_text, undo_by_timestamp
from halfopen.wire.tcp import ECE, FIN, SYN, Segment

# Compiled, a member is looked up by its name each time, and a constant is not.
_OPEN: Final = Phase.OPEN
_RECOVERY: Final = Phase.RECOVERY
_RTO: Final = Retransmit.RTO


def on_ack(tcb: Tcb, seg: Segment, now: Instant) -> None:
    """An acceptable ACK: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT, unwrapped."""
    snd = tcb.snd
    una = snd.una
    outstanding = snd.nxt - una
    widest = snd.max_wnd
    window_moved = snd.update_window(
        seg.seq, seg.ack, seg.window << tcb.agreed.snd_shift, tcb.user.config.arrivals.order != "linux"
    )
    if snd.max_wnd > widest:
        limit_size(tcb)
    if not outstanding:
        _on_late_ack(tcb, seg, window_moved, now)
        return
    delivery = Delivery()
    has_sack = take_sack(tcb, seg, delivery)
    if seg.ack > una:
        snd.flight.acknowledge(seg.ack, delivery)
        snd.acknowledge(seg.ack)
        _on_progress(tcb, seg.ack - una, now)
        on_probe_acknowledged(tcb)
    is_marked = (tcb.agreed.accurate is not None or bool(seg.flags & ECE)) and hear(tcb, seg, delivery)
    if seg.ack <= una and not has_sack and (seg.octets or window_moved or seg.flags & (SYN | FIN)):
        return
    echo_rtt = _measure(tcb, seg, delivery, now)
    _count_duplicate(tcb, una, delivery)
    _end_probe(tcb, seg, una, outstanding, now)
    if seg.ack > una:
        undo_by_timestamp(tcb, seg)
    undo_by_new_text(tcb, delivery, seg.ack > una)
    lost_before = snd.flight.lost
    due = detect_loss(tcb, delivery, echo_rtt, now)
    if tcb.congestion.whole and delivery.sampled_at is not None:
        tcb.congestion.look(_sample(tcb, delivery, outstanding, now))
    _adapt_window(tcb, is_marked, delivery, (outstanding, lost_before), now)
    if due != NEVER:
        arm_for_reordering(tcb, due, now)
    elif seg.ack > una or tcb.timers.retransmit_for is not _RTO:
        arm(tcb, now)
    if seg.ack > una and snd.flight.sacked and snd.flight.records[0].condition == SACKED:
        expect_reneging(tcb, now)


def _on_late_ack(tcb: Tcb, seg: Segment, window_moved: bool, now: Instant) -> None:
    """Nothing is in flight; but the peer may tell that it has got something twice."""
    if tcb.user.config.arrivals.order == "linux":
        _put_off_probe(tcb, now)
    if tcb.agreed.accurate is not None:
        hear(tcb, seg, Delivery())
    if seg.options is not None and seg.options.sack:
        take_sack(tcb, seg, Delivery())
    if not seg.octets and not window_moved:
        _end_probe(tcb, seg, tcb.snd.una, 0, now)


def _put_off_probe(tcb: Tcb, now: Instant) -> None:
    """Linux: whoever has just said that the window is closed is not asked before another RTO has passed."""
    if tcb.timers.retransmit_for is Retransmit.PERSIST and tcb.timers.retransmit != NEVER and not tcb.snd.wnd:
        arm_for_window(tcb, now)


def _on_progress(tcb: Tcb, octets: int, now: Instant) -> None:
    """SND.UNA moved: nothing is in doubt but what is still in flight."""
    recovery = tcb.recovery
    recovery.retries = 0
    recovery.advance = octets
    recovery.progress_at = now
    if tcb.user.minds_room:
        tcb.tell_once(WRITABLE)


def _measure(tcb: Tcb, seg: Segment, delivery: Delivery, now: Instant) -> Duration | None:
    """One RTT sample, which ends the timer's backoff; returns what timestamps say (RFC 6298 3, 5; RFC 7323 4).

    By our own clock it is sure only if the last thing to be delivered had been sent once (Karn): octets that waited
    behind a hole were sent once as well, but what let the ACK go was the retransmission that filled it. A timestamp
    that is echoed tells the two apart, unless it is from before the timer expired: that may mean a slow path or a lost
    ACK, and taking the wait for a round trip would let the RTO grow without end.
    """
    echoed = None
    timestamps = tcb.timestamps
    if timestamps is not None and seg.options is not None and seg.options.timestamps is not None:
        echoed = timestamps.elapsed(seg.options.timestamps[1], now) if seg.options.timestamps[1] else None
    latest = delivery.latest
    if latest is not None and latest.transmissions == 1 and _may_time(tcb, delivery):
        tcb.rtt.sample(max(1, now - latest.sent_at), now)
    elif echoed is not None and delivery.acked and not is_ambiguous(tcb, seg):
        tcb.rtt.sample(max(MILLISECOND, echoed), now)
    elif delivery.acked and _ack_was_lost(tcb, seg, delivery):
        tcb.rtt.reset_backoff()
    return echoed


def _may_time(tcb: Tcb, delivery: Delivery) -> bool:
    return delivery.acked > 0 or tcb.user.config.timeouts.times_sacked


def _ack_was_lost(tcb: Tcb, seg: Segment, delivery: Delivery) -> bool:
    """The peer calls octets duplicates that this ACK is the first to acknowledge: it had them, and its ACK was lost.

    Then the path is not slower than we thought, which is what the timer had been backed off for.
    """
    if not tcb.agreed.sack or seg.options is None or not seg.options.sack:
        return False
    left, right = (unwrap(edge, seg.ack) for edge in seg.options.sack[0])
    return tcb.snd.una - delivery.acked <= left < right <= seg.ack


def _count_duplicate(tcb: Tcb, una: int, delivery: Delivery) -> None:
    """Each duplicate ACK says that one segment has left the network (RFC 5681 3.2); without SACK, nobody knows which.

    So it stands for one SMSS delivered, and what is acknowledged later is less by as much (RFC 9937 5).
    """
    recovery = tcb.recovery
    if tcb.agreed.sack:
        recovery.dupacks = recovery.dupacks + (delivery.sacked > 0) if tcb.snd.una == una else 0
        return
    mss = tcb.snd.mss
    if tcb.snd.una == una:
        recovery.dupacks += 1
        tcb.snd.flight.delivered += 1
        delivery.sacked += mss
        return
    tcb.snd.flight.delivered -= min(recovery.dupacks, max(0, delivery.pieces - 1))
    known = min(recovery.dupacks, max(0, delivery.acked // mss - 1))
    delivery.sacked -= known * mss
    recovery.dupacks = recovery.dupacks - known if recovery.phase is _RECOVERY else 0


def on_rack_deadline(tcb: Tcb, now: Instant) -> None:
    """The reordering timer: what did not arrive in the meantime is lost (RFC 8985 6.2 step 5, 6.3)."""
    flight, recovery = tcb.snd.flight, tcb.recovery
    lost_before = flight.lost
    due = detect_by_rack(tcb, now)
    if flight.lost and recovery.phase is _OPEN:
        outstanding = tcb.snd.outstanding
        _enter_recovery(tcb, outstanding, outstanding - flight.sacked, now)
        tcb.owed.cause = Cause.RACK
        if not tcb.congestion.whole:
            tcb.congestion.cwnd = pipe(tcb) + tcb.congestion.mss
    if tcb.congestion.whole and flight.lost > lost_before and recovery.prr is not None:
        in_network = pipe(tcb)  # as if a segment had been delivered (``tcp_rack_reo_timeout``)
        tcb.congestion.cwnd = in_network + recovery.prr.on_ack(tcb.snd.mss, in_network, False)
    arm_for_reordering(tcb, due, now)


def _adapt_window(tcb: Tcb, is_marked: bool, delivery: Delivery, before: tuple[int, int], now: Instant) -> None:
    """Congestion control's turn (RFC 5681 3; RFC 9937 in recovery; RFC 3168 6.1.2 if it ``is_marked``).

    ``before``: octets outstanding and lost before this ACK.
    """
    outstanding, lost_before = before
    recovery, snd = tcb.recovery, tcb.snd
    was_recovering = recovery.phase is _RECOVERY
    _leave(tcb, now)
    _enter(tcb, is_marked, delivery, outstanding, now)
    if recovery.prr is not None:
        in_network = pipe(tcb)
        safe = delivery.acked > 0 and snd.flight.lost <= lost_before
        delivered = delivery.pieces * snd.mss if tcb.congestion.whole and tcb.agreed.sack else delivery.octets
        allowed = max(recovery.prr.on_ack(delivered, in_network, safe), _least_allowed(tcb, delivery))
        tcb.congestion.cwnd = max(in_network + allowed, tcb.congestion.mss)
    elif is_marked and not tcb.congestion.whole:
        _on_ecn_echo(tcb, outstanding, now)
    elif tcb.congestion.whole:
        if delivery.acked or (delivery.sacked and _reorders(tcb)):
            _grow(tcb, delivery, outstanding, now)
    elif delivery.acked and not was_recovering:
        _grow(tcb, delivery, outstanding, now)


def _leave(tcb: Tcb, now: Instant) -> None:
    """Recovery, or a reduction without a loss, is over when what was in flight then has been acknowledged."""
    recovery, snd = tcb.recovery, tcb.snd
    # Without SACK Linux waits for more than RecoveryPoint: what was sent again needlessly makes duplicate ACKs too.
    edge = recovery.point + (tcb.congestion.whole and not tcb.agreed.sack)
    if recovery.phase is not _OPEN and snd.una >= edge:
        _leave_recovery(tcb, now)
    elif recovery.phase is _OPEN and recovery.prr is not None and snd.una > recovery.point:
        recovery.prr = None
        tcb.congestion.on_recovered(now)


def _enter(tcb: Tcb, is_marked: bool, delivery: Delivery, outstanding: int, now: Instant) -> None:
    """Something is lost, or congestion is told of."""
    recovery, snd = tcb.recovery, tcb.snd
    if recovery.phase is _OPEN and snd.flight.lost and recovery.prr is None and is_probe_lost(tcb):
        on_probe_lost(tcb)
    elif recovery.phase is _OPEN and snd.flight.lost:
        known = snd.flight.sacked if tcb.agreed.sack else recovery.dupacks * snd.mss
        _enter_recovery(tcb, outstanding, outstanding - known + delivery.sacked, now)
        if is_marked:
            tcb.congestion.keep_reduction()
    elif is_marked and tcb.congestion.whole and recovery.phase is _OPEN and recovery.prr is None:
        enter_cwr(tcb, now)
        tcb.count("TCPECNReductions")


def _least_allowed(tcb: Tcb, delivery: Delivery) -> int:
    """Without SACK a partial ACK lets the next segment go again, come what may (RFC 6582 3.2 step 3)."""
    is_partial = delivery.acked > 0 and tcb.snd.flight.lost > 0 and not tcb.agreed.sack and not tcb.congestion.whole
    return tcb.snd.mss if is_partial else 0


def _reorders(tcb: Tcb) -> bool:
    """Holes are nothing special here: more reordering has been seen than duplicate ACKs are waited for."""
    rack = tcb.recovery.rack
    return rack is not None and rack.extent > _dupthresh(tcb) * tcb.snd.mss


def _grow(tcb: Tcb, delivery: Delivery, outstanding: int, now: Instant) -> None:
    """What has been delivered opens the window (RFC 5681 3.1), if that was the limit."""
    tcb.congestion.on_ack(_sample(tcb, delivery, outstanding, now))


def _sample(tcb: Tcb, delivery: Delivery, outstanding: int, now: Instant) -> AckSample:
    rtt, congestion, snd = tcb.rtt, tcb.congestion, tcb.snd
    weak = tcb.user.weak
    grows_by = delivery.acked if weak is None or weak.byte_counting else snd.mss
    if congestion.whole:
        limited = congestion.was_filled
        grows_by = (delivery.pieces if tcb.agreed.sack else -(-delivery.octets // snd.mss)) * snd.mss
    else:
        # Several ACKs may come before we send again: what they acknowledge filled the window, though it is emptier now.
        limited = snd.una - delivery.acked < congestion.full_at
        congestion.resends = snd.flight.lost > 0
        if congestion.is_bsd:
            limited = congestion.cwnd <= snd.wnd
        elif congestion.cwnd < congestion.ssthresh:
            limited = limited or outstanding >= congestion.cwnd // 2
    latest = max(1, now - delivery.sampled_at) if delivery.sampled_at is not None else 0
    sample = AckSample(grows_by, outstanding, latest, rtt.srtt, rtt.min_rtt, now, limited)
    sample.una = snd.una
    return sample


def _enter_recovery(tcb: Tcb, outstanding: int, recover_flight: int, now: Instant) -> None:
    """Fast recovery (RFC 5681 3.2, RFC 6675 5 (4)); of what was outstanding ``recover_flight`` was in the network."""
    recovery = tcb.recovery
    recovery.phase = _RECOVERY
    if recovery.prr is None:
        recovery.point = tcb.snd.nxt
    has_duplicates = max(recovery.dupacks, tcb.snd.flight.sacked // tcb.snd.mss) >= _dupthresh(tcb)
    tcb.owed.cause = Cause.DUPLICATES if has_duplicates else Cause.RACK
    recovery.trials.probe = None
    start_undo(tcb, now)
    cwnd = tcb.congestion.cwnd
    if recovery.prr is None:
        _reduce(tcb, outstanding, now)
        recovery.prr = tcb.congestion.start_prr(outstanding, cwnd if tcb.congestion.whole else recover_flight)
    else:
        tcb.congestion.keep_reduction()
    tcb.count("TCPSackRecovery" if tcb.agreed.sack else "TCPRenoRecovery")
    if tcb.opening.trace.enabled:
        tcb.note(now, "fast recovery", f"ssthresh {tcb.congestion.ssthresh}")


def enter_cwr(tcb: Tcb, now: Instant) -> None:
    """Congestion without a loss, as ECN-Echo or our own queue tells: over a round trip the window becomes ssthresh, as
    in recovery (Linux ``TCP_CA_CWR``)."""
    recovery, congestion = tcb.recovery, tcb.congestion
    recovery.trials.undo = recovery.trials.probe = None
    recovery.point = tcb.snd.nxt
    cwnd = congestion.cwnd
    _reduce(tcb, cwnd, now)
    recovery.prr = Prr(tcb.snd.mss)
    recovery.prr.start(cwnd, congestion.ssthresh)


def _dupthresh(tcb: Tcb) -> int:
    return tcb.user.config.retransmission.dupthresh


def _leave_recovery(tcb: Tcb, now: Instant) -> None:
    recovery = tcb.recovery
    if recovery.phase is _RECOVERY:
        tcb.congestion.on_recovered(now)
        tcb.congestion.on_repaired(pipe(tcb))
        if recovery.rack is not None:
            recovery.rack.on_recovered()
    recovery.phase = _OPEN
    recovery.prr = None
    recovery.dupacks = 0


def _on_ecn_echo(tcb: Tcb, outstanding: int, now: Instant) -> None:
    """ECN-Echo counts as one loss per window of data, with nothing to retransmit (RFC 3168 6.1.2)."""
    if tcb.snd.una <= tcb.recovery.ecn_point:
        return
    _reduce(tcb, outstanding, now)
    tcb.congestion.on_recovered(now)
    tcb.count("TCPECNReductions")


def _reduce(tcb: Tcb, outstanding: int, now: Instant) -> None:
    """One reduction a window of data, whatever the reason; the peer sees it by CWR (RFC 3168 6.1.2).

    What limited transmit has sent beyond cwnd is no part of FlightSize here (RFC 5681 3.2 step 2).
    """
    tcb.recovery.ecn_point = tcb.snd.nxt
    tcb.owed.cwr = tcb.agreed.ecn
    cwnd = tcb.congestion.cwnd
    tcb.congestion.on_loss(cwnd if tcb.congestion.whole else min(outstanding, cwnd), now)


def _end_probe(tcb: Tcb, seg: Segment, una: int, outstanding: int, now: Instant) -> None:
    """A tail loss probe has been answered (RFC 8985 7.4): if it repaired a loss, congestion control has to know.

    D-SACK has dealt with a needless probe before this is asked.
    """
    recovery = tcb.recovery
    probe = recovery.trials.probe
    if probe is None or seg.ack < probe.end:
        return
    if not probe.is_retransmission:
        recovery.trials.probe = None
    elif seg.ack > probe.end:
        recovery.trials.probe = None
        _reduce(tcb, outstanding, now)
        tcb.congestion.on_recovered(now)
        tcb.count("TCPLossProbeRecovery")
    elif seg.ack == una and not (seg.options is not None and seg.options.sack):
        recovery.trials.probe = None
