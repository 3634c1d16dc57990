"""Why a segment was sent, in a few words for captures: what the Tcb still knows right after `Connection.poll_transmit`.

Nothing is noted for it while all goes well: new text, and the ACKs that it is owed, have no reason but themselves.
"""

from halfopen.base.clock import SECOND, Instant
from halfopen.tcp.seqnum import unwrap
from halfopen.tcp.tcb import Cause, Tcb
from halfopen.tcp.timers import Retransmit
from halfopen.wire.tcp import RST, SYN, Segment


def explain(tcb: Tcb, segment: Segment, now: Instant) -> str | None:
    """The reason of ``segment``, which was sent at ``now``; its numbers are as on the wire. None: nothing special."""
    if segment.flags & RST:
        return None
    if segment.flags & SYN:
        return f"SYN retransmission {tcb.recovery.retries}" if tcb.recovery.retries else None
    seq = unwrap(segment.seq, tcb.snd.una)
    if segment.length:
        return _explain_text(tcb, seq, seq + segment.length, now)
    if seq == tcb.snd.una - 1:
        return _explain_probe(tcb)
    what, when = tcb.owed.answer
    return (what or None) if when == now else None


def _explain_text(tcb: Tcb, start: int, end: int, now: Instant) -> str | None:
    recovery = tcb.recovery
    if recovery.trials.probe is not None and recovery.trials.probe.end == end and recovery.sent_at == now:
        return "tail loss probe"
    record = tcb.snd.flight.find(start)
    if record is None or record.transmissions == 1 or record.sent_at != now:
        return None
    if tcb.owed.cause is Cause.TIMEOUT and start == tcb.snd.una and recovery.retries:
        return f"RTO {recovery.retries}, {tcb.rtt.expired / SECOND:.3g} s"
    return tcb.owed.cause.value


def _explain_probe(tcb: Tcb) -> str:
    if tcb.timers.retransmit_for is Retransmit.PERSIST:
        return f"window probe {tcb.rtt.backoffs}"
    return f"keep-alive probe {tcb.owed.unanswered}"
