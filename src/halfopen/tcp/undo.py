"""Finding out that a retransmission was needless, and taking its consequences back (RFC 3522, RFC 3708, RFC 4015)."""

from typing import Final

from halfopen.base.clock import Instant
from halfopen.tcp.sent import AGAIN, Delivery
from halfopen.tcp.seqnum import signed_difference
from halfopen.tcp.tcb import Phase, Tcb
from halfopen.tcp.trials import Undo
from halfopen.wire.tcp import Segment

_OPEN: Final = Phase.OPEN


def start_undo(tcb: Tcb, now: Instant) -> None:
    """The first retransmission of an episode is about to be sent."""
    snd, timestamps = tcb.snd, tcb.timestamps
    lost = snd.flight.first_lost()
    first = lost.start if lost is not None else snd.una
    undo = Undo(snd.una, snd.nxt, first, timestamps.value(now) if timestamps is not None else None)
    tcb.recovery.trials.undo = undo
    if tcb.congestion.whole:  # what is still on its way a second time may be reported, too
        undo.octets = sum([each.end - each.start for each in snd.flight.records if each.marks & AGAIN])
        probe = tcb.recovery.trials.probe
        undo.octets += snd.mss if probe is not None and probe.is_retransmission else 0


def note_timeout(tcb: Tcb, now: Instant) -> None:
    """The timer has expired again: echoes of older timestamps prove nothing about the round trip."""
    if tcb.recovery.trials.undo is not None and tcb.timestamps is not None:
        tcb.recovery.trials.undo.latest = tcb.timestamps.value(now)


def is_ambiguous(tcb: Tcb, seg: Segment) -> bool:
    """Whether the timestamp that ``seg`` echoes is from before the timer last expired."""
    undo = tcb.recovery.trials.undo
    if undo is None or undo.latest is None or seg.options is None or seg.options.timestamps is None:
        return False
    return signed_difference(seg.options.timestamps[1], undo.latest) < 0


def undo_by_timestamp(tcb: Tcb, seg: Segment) -> None:
    """Eifel (RFC 3522): the ACK echoes a timestamp from before the first retransmission, so the original arrived."""
    episode = tcb.recovery.trials.undo
    if episode is None or episode.timestamp is None or episode.octets <= 0 or tcb.recovery.phase is _OPEN:
        return
    if seg.options is None or seg.options.timestamps is None or tcb.snd.una <= episode.first:
        return
    echoed = seg.options.timestamps[1]
    if echoed and signed_difference(echoed, episode.timestamp) < 0:
        tcb.count("TCPSpuriousRTOs" if tcb.recovery.phase is Phase.LOSS else "TCPFullUndo")
        undo(tcb)


def undo_by_new_text(tcb: Tcb, delivery: Delivery, advanced: bool) -> None:
    """F-RTO (RFC 5682 3.1): after a timeout the ACK of what was sent once proves that not everything was lost.

    The first ACK that advances has new text sent, instead of more of the old; what comes back then tells.
    """
    recovery, snd = tcb.recovery, tcb.snd
    episode = recovery.trials.undo
    if recovery.phase is not Phase.LOSS or episode is None or not episode.is_open:
        return
    episode.tries_new = False
    if 0 <= delivery.original <= recovery.point:
        tcb.count("TCPSpuriousRTOs")
        undo(tcb)
    elif snd.nxt > recovery.point:
        episode.is_open = advanced and not delivery.sacked
    elif advanced and snd.una < recovery.point:
        recovery.point = snd.nxt
        episode.is_open = episode.tries_new = snd.unsent > 0 and snd.usable > 0


def undo_by_dsack(tcb: Tcb, left: int, right: int) -> None:
    """The peer has ``[left, right)`` twice; once that is all that was sent again, none of it was needed (RFC 3708)."""
    episode = tcb.recovery.trials.undo
    if episode is None or episode.octets <= 0 or not episode.start <= left < right <= episode.end:
        return
    episode.octets -= right - left
    if episode.octets <= 0:
        tcb.count("TCPDSACKUndo")
        undo(tcb)


def undo(tcb: Tcb) -> None:
    """Takes the reduction back: nothing had been lost (RFC 4015)."""
    recovery = tcb.recovery
    recovery.trials.undo = None
    recovery.phase = Phase.OPEN
    recovery.prr = None
    recovery.dupacks = 0
    recovery.point = tcb.snd.una - 1
    tcb.snd.flight.unmark_lost()
    tcb.congestion.on_undo()
    if recovery.rack is not None and not tcb.congestion.whole:  # Linux has order broken only by what was sent once
        recovery.rack.reordering_seen += 1
