"""The retransmission timer and the tail loss probe (RFC 6298 5, RFC 8985 7)."""

from typing import Final

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Duration, Instant
from halfopen.tcp.congestion.base import INFINITE
from halfopen.tcp.sent import IN_FLIGHT, SACKED
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Cause, Phase, Tcb
from halfopen.tcp.timers import Retransmit
from halfopen.tcp.undo import note_timeout, start_undo

MAX_ACK_DELAY: Final[Duration] = 200 * MILLISECOND
"""What a peer may hold back the ACK of a single segment for (RFC 8985 7.2, TLP.max_ack_delay)."""
MIN_PTO: Final[Duration] = 10 * MILLISECOND
"""The shortest probe timeout. RFC 8985 7.2 names none; its predecessor had 10 ms, Linux two ticks, 2 to 20 ms. 2 * SRTT
of a fast path is less than what it takes a busy peer, or us, to be scheduled: every probe would be a needless one."""
PATIENCE: Final[Duration] = 200 * MILLISECOND
"""How long a small window may hold data back before it is sent all the same, if the host has no other idea."""
THIN: Final = 4
"""A stream with fewer segments in flight is thin, ..."""
THIN_RETRIES: Final = 6
"""... and so many timeouts do without backoff."""
RENEGING_GRACE: Final[Duration] = 10 * MILLISECOND
"""At least so long does a peer that seems to renege have to think better of it."""
MIN_WAIT: Final[Duration] = 1 * MILLISECOND
"""No timer of this module is set to less from now: a deadline that has passed already still leaves time for an ACK that
waits in the same batch, and for the clocks that the pumps have."""

# Compiled, a member is looked up by its name each time, and a constant is not.
_OPEN: Final = Phase.OPEN
_RTO: Final = Retransmit.RTO
_PROBE: Final = Retransmit.PROBE


def arm(tcb: Tcb, now: Instant) -> None:
    """Sets the one timer for data in flight: to a probe of the tail (RFC 8985 7.2), else to the RTO.

    With nothing in flight it is off (RFC 6298 5.2); what starts it for a closed window is `probing`.
    """
    timers = tcb.timers
    if tcb.snd.una == tcb.snd.nxt:
        timers.retransmit, timers.retransmit_for = NEVER, _RTO
        return
    expiry = _rto_expiry(tcb, now)
    timers.retransmit, timers.retransmit_for = expiry, _RTO
    if may_probe(tcb):
        probe_at = now + _probe_timeout(tcb)
        timers.retransmit_for = _PROBE
        if probe_at < expiry:
            timers.retransmit = probe_at


def arm_for_reordering(tcb: Tcb, due: Instant, now: Instant) -> None:
    """Sets the timer to when RACK would call the next record lost, unless it comes first (RFC 8985 6.2 step 5)."""
    arm(tcb, now)
    timers = tcb.timers
    if due < timers.retransmit:
        timers.retransmit = max(due, now + MIN_WAIT)
        timers.retransmit_for = Retransmit.REORDER


def give_up_at(tcb: Tcb) -> Instant:
    """R2 as a time (MUST-21, RFC 5482): the user timeout after the last acknowledgment; NEVER if attempts are counted.

    A peer that answers, with its window closed, is alive (MUST-37): then it counts from its last answer.
    """
    config = tcb.user.config
    timeout = config.retransmission.user_timeout
    if config.timeouts.connect is not None and tcb.state in (State.SYN_SENT, State.SYN_RECEIVED):
        timeout = config.timeouts.connect
    if timeout is None:
        return NEVER
    since = tcb.recovery.progress_at
    if tcb.snd.wnd == 0 and tcb.user.received_at > since:
        since = tcb.user.received_at
    return since + timeout


def _rto_expiry(tcb: Tcb, now: Instant) -> Instant:
    """An RTO after the last progress, or after the oldest data was sent again, whichever is later (RFC 6298 5.1, 5.3).

    So neither new text nor a duplicate ACK puts it off.
    """
    since = tcb.recovery.progress_at
    records = tcb.snd.flight.records
    if records and records[0].sent_at > since:
        since = records[0].sent_at
    return max(now + MIN_WAIT, min(since + tcb.rtt.rto, give_up_at(tcb)))


def _probe_timeout(tcb: Tcb) -> Duration:
    """PTO (RFC 8985 7.2), not yet bounded by the RTO."""
    srtt = tcb.rtt.srtt
    if not srtt:
        return 1 * SECOND
    timeout = max(2 * srtt, MIN_PTO)
    return timeout + MAX_ACK_DELAY if tcb.snd.outstanding <= tcb.snd.mss else timeout


def may_probe(tcb: Tcb) -> bool:
    """Whether the timer may stand for a tail loss probe (RFC 8985 7.2)."""
    recovery = tcb.recovery
    return (
        tcb.user.config.retransmission.tail_loss_probe
        and tcb.agreed.sack
        and recovery.phase is _OPEN
        and recovery.trials.probe is None
        and not recovery.retries
        and not tcb.snd.flight.sacked
    )


def on_probe_deadline(tcb: Tcb, now: Instant) -> None:
    """PTO: output sends new data, or the last segment again; then a whole RTO counts (RFC 8985 7.3)."""
    tcb.owed.tail_probe = True
    restart_rto(tcb, now)


def on_retransmission_timeout(tcb: Tcb, now: Instant) -> None:
    """RTO (RFC 6298 5.4 to 5.7, RFC 5681 3.1, RFC 8985 6.3): the oldest data is lost, and what RACK would call late."""
    recovery, snd = tcb.recovery, tcb.snd
    flight = snd.flight
    tcb.count("TCPTimeouts")
    # Linux too takes a timeout with progress since the one before for a new one: the segment is another (RFC 5681 3.1).
    first = recovery.phase is not Phase.LOSS or not recovery.retries
    if first:
        start_undo(tcb, now)
    episode = recovery.trials.undo
    if episode is not None:
        is_doubtful = recovery.phase is not Phase.RECOVERY or recovery.retries > 0
        episode.is_open = tcb.user.config.timeouts.frto and is_doubtful
        episode.tries_new = False
    if flight.records and flight.records[0].condition == SACKED:
        flight.forget_sacks()
        tcb.count("TCPSACKReneging")
    note_timeout(tcb, now)
    if tcb.congestion.whole:  # Linux takes a share of cwnd, and not in a recovery that has done so already
        is_new = first and (recovery.prr is None or snd.una >= recovery.point)
        tcb.congestion.on_timeout(tcb.congestion.cwnd, now, is_new)
    else:
        tcb.congestion.on_timeout(snd.outstanding, now, first)
    recovery.phase = Phase.LOSS
    recovery.prr = None
    recovery.dupacks = 0
    recovery.trials.probe = None
    recovery.point = recovery.ecn_point = snd.nxt
    recovery.retries += 1
    tcb.owed.cause = Cause.TIMEOUT
    tcb.owed.unanswered += 1
    tcb.owed.tail_probe = False
    tcb.owed.cwr = tcb.agreed.ecn
    _mark_timed_out(tcb, now)
    # The loss window is one segment (RFC 5681 3.1) beside what RACK takes to be on its way still, as in Linux: the
    # oldest segment is sent in any case (RFC 6298 5.4).
    tcb.congestion.cwnd = snd.pipe + tcb.congestion.mss
    if _is_thin(tcb):
        tcb.rtt.reset_backoff()
    else:
        tcb.rtt.backoff()
    restart_rto(tcb, now)
    if tcb.opening.trace.enabled:
        tcb.note(now, f"RTO {recovery.retries}", f"next in {tcb.rtt.rto / SECOND:.3f} s")


def _is_thin(tcb: Tcb) -> bool:
    """Few segments are in flight, and timeouts alone can find their loss: without backoff at first (Linux)."""
    if not tcb.user.config.timeouts.linux.thin_linear or tcb.recovery.retries > THIN_RETRIES:
        return False
    is_first_start = tcb.congestion.ssthresh >= INFINITE
    return not is_first_start and sum([each.pieces for each in tcb.snd.flight.records]) < THIN


def expect_reneging(tcb: Tcb, now: Instant) -> None:
    """The peer has not acknowledged what it had reported: it may have thrown it away (RFC 2018 8), or is about to.

    It gets half a round trip, as from Linux.
    """
    due = now + max(tcb.rtt.srtt // 2, RENEGING_GRACE)
    if due < tcb.timers.retransmit:
        tcb.timers.retransmit, tcb.timers.retransmit_for = due, _RTO


def arm_for_window(tcb: Tcb, now: Instant) -> None:
    """The next probe of a closed window: an RTO from now, within bounds."""
    timers, bounds = tcb.timers, tcb.user.config.timeouts
    wait = max(bounds.persist_min, min(_persist(tcb), bounds.persist_max))
    timers.retransmit, timers.retransmit_for = min(now + wait, give_up_at(tcb)), Retransmit.PERSIST


def _persist(tcb: Tcb) -> Duration:
    return tcb.rtt.bsd_persist() if tcb.user.config.timeouts.persist_from == "bsd" else tcb.rtt.rto


def patience(tcb: Tcb) -> Duration:
    """How long a small window may hold text back, or a user who has more (RFC 9293 3.8.6.2.1: 0.1 to 1 s)."""
    manner, bounds = tcb.user.config.acks.patience, tcb.user.config.timeouts
    if manner == "persist":
        return max(bounds.persist_min, min(_persist(tcb), bounds.persist_max))
    return PATIENCE if manner == "fixed" else max(PATIENCE, tcb.rtt.rto)


def lose_all(tcb: Tcb, now: Instant) -> None:
    """A timer other than RTO's has shown that nothing gets through: as after an RTO, but nothing is sent yet."""
    recovery, flight = tcb.recovery, tcb.snd.flight
    start_undo(tcb, now)
    tcb.congestion.on_timeout(tcb.congestion.cwnd if tcb.congestion.whole else tcb.snd.outstanding, now, True)
    tcb.congestion.cwnd = tcb.congestion.mss
    recovery.phase = Phase.LOSS
    recovery.point = recovery.ecn_point = tcb.snd.nxt
    flight.mark_all_lost()
    tcb.owed.cause = Cause.TIMEOUT


def restart_rto(tcb: Tcb, now: Instant) -> None:
    """A whole RTO counts from now."""
    timers = tcb.timers
    timers.retransmit = max(now + MIN_WAIT, min(now + tcb.rtt.rto, give_up_at(tcb)))
    timers.retransmit_for = Retransmit.RTO


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
