"""What must be lost by now, as RACK, SACKs or duplicate ACKs tell (RFC 8985 6.2, RFC 6675 5, RFC 5681 3.2, RFC 6582).

It is marked on the scoreboard, and no more: what follows from it is for `halfopen.tcp.recovery` to say.
"""

from typing import Final

from halfopen.base.clock import NEVER, Duration, Instant
from halfopen.tcp.rack import Rack
from halfopen.tcp.sent import IN_FLIGHT, LOST, Delivery
from halfopen.tcp.tcb import Phase, Tcb

# Compiled, a member is looked up by its name each time, and a constant is not.
_OPEN: Final = Phase.OPEN
_RECOVERY: Final = Phase.RECOVERY
_LOSS: Final = Phase.LOSS


def detect_loss(tcb: Tcb, delivery: Delivery, echo_rtt: Duration | None, now: Instant) -> Instant:
    """Marks what must be lost by now; returns when RACK would say so of the next record (NEVER: it waits for none)."""
    config = tcb.user.config.retransmission
    flight = tcb.snd.flight
    if not tcb.agreed.sack or not config.rack:
        if tcb.agreed.sack:
            is_bsd = tcb.congestion.is_bsd and tcb.recovery.phase is _RECOVERY  # then every hole is
            flight.mark_lost_by_sacks(1 if is_bsd else config.dupthresh, tcb.snd.mss)
        _detect_by_duplicates(tcb, delivery, config.dupthresh, now)
        return NEVER
    recovery = tcb.recovery
    if recovery.rack is None:
        recovery.rack = Rack(tcb.congestion.whole)
    if delivery.reordered:
        edge = max(flight.sacked_end, tcb.snd.una)
        recovery.rack.extent = max(recovery.rack.extent, edge - delivery.lowest)
    recovery.rack.update(delivery, tcb.rtt, echo_rtt, now)
    return detect_by_rack(tcb, now)


def detect_by_rack(tcb: Tcb, now: Instant) -> Instant:
    """RFC 8985 6.2 steps 4 and 5, when an ACK has come and when the reordering timer has expired."""
    recovery, flight = tcb.recovery, tcb.snd.flight
    rack = recovery.rack
    assert rack is not None
    dupthresh = tcb.user.config.retransmission.dupthresh
    in_recovery = recovery.phase is not _OPEN
    window = rack.reordering_window(tcb.rtt, in_recovery, flight.sacked // tcb.snd.mss, dupthresh)
    return rack.detect(flight, window, now)


def _detect_by_duplicates(tcb: Tcb, delivery: Delivery, dupthresh: int, now: Instant) -> None:
    """Three duplicates, or a partial ACK in recovery: the first segment is lost (RFC 6582 3.2, RFC 6675 5)."""
    recovery, snd = tcb.recovery, tcb.snd
    if recovery.phase is _RECOVERY:
        if delivery.acked and snd.una < recovery.point:
            _mark_first_lost(tcb, now)
    elif recovery.dupacks >= dupthresh and (snd.una > recovery.point or _retransmission_is_lost(tcb, dupthresh)):
        _mark_first_lost(tcb, now)
        if recovery.phase is _LOSS and snd.flight.records[0].condition == LOST:
            recovery.phase = _OPEN  # so that recovery is entered


def _retransmission_is_lost(tcb: Tcb, dupthresh: int) -> bool:
    """After a timeout everything is sent again, needlessly in part, and that too makes duplicate ACKs (RFC 6582 4.1).

    But they are no more than the segments by which SND.UNA has leapt; after small steps there are none.
    # Deviation: RFC 6582 4.1 waits for the next timeout after a leap, however many duplicates come.
    """
    recovery, mss = tcb.recovery, tcb.snd.mss
    needless = recovery.advance // mss if recovery.advance > 4 * mss else 0
    return not tcb.agreed.sack and tcb.congestion.cwnd > mss and recovery.dupacks >= dupthresh + needless


def _mark_first_lost(tcb: Tcb, now: Instant) -> None:
    """The first segment that the peer does not have is lost, unless it was sent again less than a round trip ago."""
    flight = tcb.snd.flight
    record = flight.records[0]
    if record.condition != IN_FLIGHT or (record.transmissions > 1 and now - record.sent_at < tcb.rtt.srtt):
        return
    if record.end - record.start > tcb.snd.mss:
        flight.split_at(record.start + tcb.snd.mss)
    flight.mark_lost(record)
