"""Timeouts (RFC 9293 3.10.8): which timer has expired, and whether that is the end."""

from typing import Final

from halfopen.base.clock import NEVER, Instant
from halfopen.base.errors import ConnectionTimedOut
from halfopen.tcp.closing import waits_on
from halfopen.tcp.early import begin_without_text, speaks_early, suspect_path
from halfopen.tcp.mtu_probing import suspect_black_hole
from halfopen.tcp.probing import on_keep_alive_deadline, on_persist_deadline
from halfopen.tcp.recovery import on_rack_deadline
from halfopen.tcp.retransmission import give_up_at, lose_all, on_probe_deadline, on_retransmission_timeout
from halfopen.tcp.state import Event, State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.timers import Retransmit

_SUSPICIOUS: Final = 2
"""Retransmissions of the same that went unanswered, after which a path may swallow Fast Open (Linux)."""


def on_deadline(tcb: Tcb, now: Instant) -> None:
    """Deals with every timer that is due; those that are not stay as they are."""
    timers = tcb.timers
    if timers.wait <= now and not waits_on(tcb, now):
        tcb.delete(None, Event.TIMEOUT_2MSL if tcb.state is State.TIME_WAIT else Event.DELETE)
        return
    if timers.linger <= now:
        tcb.count("TCPAbortOnLinger")
        tcb.owed.reset = (tcb.snd.nxt, tcb.rcv.nxt)
        tcb.delete(ConnectionTimedOut("the linger time passed before all data was acknowledged"))
        return
    if timers.retransmit <= now:
        _on_retransmit(tcb, now)
    if tcb.owed.acks.deadline <= now:
        tcb.count("DelayedACKs")
        if tcb.owed.acks.delays is not None:
            tcb.owed.acks.delays.on_deadline(tcb.rtt.rto)
        tcb.owed.acks.on_deadline(now)
    if timers.pace <= now:
        timers.pace = NEVER
    if timers.patience <= now:
        timers.patience = NEVER
        tcb.owed.impatient = not begin_without_text(tcb)
    if timers.keep_alive <= now:
        on_keep_alive_deadline(tcb, now)


def _on_retransmit(tcb: Tcb, now: Instant) -> None:
    reason = tcb.timers.retransmit_for
    tcb.timers.retransmit = NEVER
    if reason is Retransmit.REORDER:
        on_rack_deadline(tcb, now)
        return
    if reason is Retransmit.PROBE:
        on_probe_deadline(tcb, now)
        return
    is_hopeless, retries = _is_hopeless(tcb, now), tcb.recovery.retries
    if retries == _SUSPICIOUS or (is_hopeless and retries < _SUSPICIOUS):
        suspect_path(tcb, now)
    if is_hopeless:
        tcb.count("TCPAbortOnTimeout")
        attempts = max(tcb.recovery.retries, tcb.owed.unanswered)
        if tcb.user.config.arrivals.order == "bsd" and tcb.state is not State.SYN_SENT:
            tcb.owed.reset = (tcb.snd.nxt, tcb.rcv.nxt)
        tcb.delete(ConnectionTimedOut(f"no acknowledgment after {attempts} retransmissions or probes"))
    elif tcb.state in (State.SYN_SENT, State.SYN_RECEIVED):
        _on_syn_timeout(tcb, now)
    elif reason is Retransmit.PERSIST:
        on_persist_deadline(tcb, now)
    else:
        _warn(tcb)
        suspect_black_hole(tcb, now)
        on_retransmission_timeout(tcb, now)


def _on_syn_timeout(tcb: Tcb, now: Instant) -> None:
    """The SYN goes again. After its second timeout Linux takes all for lost that a child has sent."""
    if tcb.recovery.retries == 1 and speaks_early(tcb) and tcb.user.config.arrivals.order == "linux":
        lose_all(tcb, now)
    tcb.recovery.retries += 1
    if tcb.state is not State.SYN_SENT or tcb.recovery.retries > tcb.user.config.timeouts.linux.syn_linear:
        tcb.rtt.backoff()
    tcb.owed.syn = True
    tcb.count("TCPTimeouts")


def _is_hopeless(tcb: Tcb, now: Instant) -> bool:
    """R2 (MUST-20, MUST-21): by the user timeout, or by count.

    A peer that answers, with its window closed, is not gone (MUST-37, SHLD-17): then what it did not answer counts. But
    nobody waits for an orphan: it is not kept by answers without room (CVE-2008-4609; Linux counts the same way).
    """
    config = tcb.user.config.retransmission
    retries = tcb.recovery.retries
    if config.user_timeout is not None:
        return now >= give_up_at(tcb)
    if tcb.state is State.SYN_SENT or (tcb.state is State.SYN_RECEIVED and _has_patience(tcb)):
        linear = tcb.user.config.timeouts.linux.syn_linear if tcb.state is State.SYN_SENT else 0
        most = ((2 << config.syn_retries) - 1) * config.rto_initial if linear else NEVER  # as with backoff
        is_late = now - tcb.recovery.progress_at >= most
        return retries >= config.syn_retries + linear or is_late or now >= give_up_at(tcb)
    if tcb.state is State.SYN_RECEIVED:
        return retries >= config.synack_retries + speaks_early(tcb)  # one more, for it has more to lose (as Linux)
    if tcb.snd.wnd == 0:
        retries = max(tcb.owed.unanswered, tcb.rtt.backoffs if tcb.user.is_gone else 0)
    return retries >= (config.orphan_retries if tcb.user.is_gone else config.retries)


def _has_patience(tcb: Tcb) -> bool:
    """An attempt to connect for which there is a time (FreeBSD ``keepinit``)."""
    return tcb.user.is_active and tcb.user.config.timeouts.connect is not None


def _warn(tcb: Tcb) -> None:
    """R1 (SHLD-9, SHLD-10): the user hears of trouble before the connection is given up."""
    if tcb.recovery.retries + 1 == tcb.user.config.retransmission.soft_retries:
        tcb.warn(ConnectionTimedOut("retransmissions go unanswered"))
