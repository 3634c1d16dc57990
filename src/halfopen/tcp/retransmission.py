"""The retransmission timer and the tail loss probe (RFC 6298 5, RFC 8985 7)."""

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Duration, Instant
from halfopen.tcp.scoreboard import IN_FLIGHT, SACKED
from halfopen.tcp.tcb import Phase, Tcb
from halfopen.tcp.timers import Retransmit
from halfopen.tcp.undo import note_timeout, start_undo

MAX_ACK_DELAY: Duration = 200 * MILLISECOND
"""What a peer may hold back the ACK of a single segment for (RFC 8985 7.2, WCDelAckT)."""


def arm(tcb: Tcb, now: Instant) -> None:
    """Starts the one timer for data in flight anew: a probe of the tail if that may come first (RFC 8985 7.2), else the RTO.

    With nothing in flight it is off (RFC 6298 5.2); what starts it for a closed window is `probing`.
    """
    timers = tcb.timers
    if tcb.snd.una == tcb.snd.nxt:
        timers.retransmit = NEVER
        return
    timers.retransmit = now + tcb.rtt.rto
    timers.retransmit_for = Retransmit.RTO
    if not _may_probe(tcb):
        return
    srtt = tcb.rtt.srtt
    timeout = 2 * srtt if srtt else 1 * SECOND
    if tcb.snd.outstanding <= tcb.snd.mss:
        timeout += MAX_ACK_DELAY
    if timeout < tcb.rtt.rto:
        timers.retransmit = now + timeout
        timers.retransmit_for = Retransmit.PROBE


def arm_rto(tcb: Tcb, now: Instant) -> None:
    """The retransmission timer counts from when the oldest data was last sent, not from news that did not acknowledge it."""
    records = tcb.snd.flight.records
    since = records[0].sent_at if records else now
    tcb.timers.retransmit = max(now + MILLISECOND, since + tcb.rtt.rto)
    tcb.timers.retransmit_for = Retransmit.RTO


def _may_probe(tcb: Tcb) -> bool:
    recovery = tcb.recovery
    return (
        tcb.user.config.retransmission.tail_loss_probe
        and tcb.agreed.sack
        and recovery.phase is Phase.OPEN
        and recovery.probe_end is None
        and not recovery.retries
        and not tcb.snd.flight.sacked
    )


def on_probe_deadline(tcb: Tcb, now: Instant) -> None:
    """PTO: output sends new data, or the last segment again (RFC 8985 7.3); then the RTO counts."""
    tcb.owed.tail_probe = True
    arm_rto(tcb, now)


def on_retransmission_timeout(tcb: Tcb, now: Instant) -> None:
    """RTO (RFC 6298 5.4 to 5.7, RFC 5681 3.1, RFC 8985 6.3): the oldest data is lost, and what RACK would call late."""
    recovery, snd = tcb.recovery, tcb.snd
    flight = snd.flight
    tcb.count("TCPTimeouts")
    first = recovery.phase is not Phase.LOSS
    if first:
        start_undo(tcb, now)
        if flight.records and flight.records[0].condition == SACKED:
            flight.forget_sacks()
            tcb.count("TCPSACKReneging")
    note_timeout(tcb, now)
    tcb.congestion.on_timeout(snd.outstanding, now, first)
    recovery.phase = Phase.LOSS
    recovery.prr = None
    recovery.dupacks = 0
    recovery.probe_end = None
    recovery.point = snd.nxt
    recovery.retries += 1
    _mark_timed_out(tcb, now)
    tcb.rtt.backoff()
    tcb.timers.retransmit, tcb.timers.retransmit_for = now + tcb.rtt.rto, Retransmit.RTO
    if tcb.opening.trace.enabled:
        tcb.note(now, f"RTO {recovery.retries}", f"next in {tcb.rtt.rto / SECOND:.3f} s")


def _mark_timed_out(tcb: Tcb, now: Instant) -> None:
    flight = tcb.snd.flight
    if not tcb.agreed.sack or not tcb.user.config.retransmission.rack:
        flight.mark_all_lost()
        return
    patience = tcb.rtt.srtt + (tcb.rtt.min_rtt >> 2)
    is_first = True
    for record in flight.records:
        if record.condition == IN_FLIGHT and (is_first or record.sent_at + patience <= now):
            flight.mark_lost(record)
        is_first = False
