"""How much text makes a segment now (RFC 9293 3.7.4 Nagle, 3.8.6.2.1 silly window avoidance)."""

from halfopen.base.clock import Instant
from halfopen.tcp.bursts import is_deferred, worthwhile
from halfopen.tcp.tcb import Tcb


def sendable(tcb: Tcb, unsent: int, allowed: int, now: Instant) -> int:
    """How many octets of new text make a segment now (RFC 9293 3.7.4 Nagle, 3.8.6.2.1 silly window avoidance).

    Whole segments; and a rest, if it is all that is queued, and nothing is in flight or Nagle is off, and it is not
    corked; and less than that, half of the largest window ever offered, or when patience has run out. Urgent text is in
    no super-segment, in whose parts the one pointer would name different octets (MUST-62).
    """
    snd = tcb.snd
    mss = snd.mss
    most = min(allowed, snd.burst if snd.up <= snd.nxt else mss)
    if tcb.user.config.congestion.defers:
        most = min(most, worthwhile(tcb), max(tcb.congestion.cwnd // mss // 2, 1) * mss)
    in_record = min(unsent, snd.queue.reach(snd.nxt, most) - snd.nxt)
    if _is_deferred(tcb, in_record, allowed, now):
        return 0
    count = min(in_record, most)
    if count <= 0:
        return 0
    rest = count % mss
    if not rest:
        return count
    if count == in_record:
        if count < unsent:
            return count
        acks = tcb.user.config.acks
        if snd.fin or not (acks.cork or (acks.nagle and _waits(tcb, count, now))):
            return count
        if snd.nxt < snd.up or tcb.owed.impatient:
            return count
    elif count < mss and (tcb.owed.impatient or (count == snd.usable and 2 * count >= snd.max_wnd)):
        return count
    return count - rest


def let_go(tcb: Tcb, end: int) -> None:
    """Nagle's rule as the BSDs have it: text up to ``end`` was there when nothing was in flight, and does not wait."""
    if tcb.user.config.acks.nagle_for == "earlier":
        tcb.snd.flight.small_end = end


def _is_deferred(tcb: Tcb, in_record: int, allowed: int, now: Instant) -> bool:
    return (
        tcb.user.config.congestion.defers
        and not (tcb.owed.tail_probe or tcb.owed.impatient)
        and is_deferred(tcb, in_record, allowed, now)
    )


def _waits(tcb: Tcb, count: int, now: Instant) -> bool:
    """Nagle's rule for what is not a full segment (RFC 9293 3.7.4), or one of its variants."""
    snd = tcb.snd
    kind = tcb.user.config.acks.nagle_for
    if kind == "any" or snd.nxt == snd.una:
        return kind == "any" and (snd.nxt > snd.una or count > snd.mss)
    if kind == "earlier":
        return snd.queue.stop > snd.flight.small_end
    return snd.flight.small_end > snd.una
