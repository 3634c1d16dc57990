"""What the peer tells by SACK: which octets it has, and which it got twice (RFC 2018, RFC 2883, RFC 6675 4)."""

from halfopen.tcp.rack import Rack
from halfopen.tcp.sent import Delivery
from halfopen.tcp.seqnum import unwrap
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.undo import undo_by_dsack
from halfopen.wire.tcp import Segment


def take_sack(tcb: Tcb, seg: Segment, delivery: Delivery) -> bool:
    """Puts the SACK option on the scoreboard (RFC 6675 4 Update); whether it told anything new.

    A first block below SEG.ACK or inside the second is a D-SACK (RFC 2883 4).
    """
    options = seg.options
    if options is None or not options.sack or not tcb.agreed.sack:
        return False
    snd = tcb.snd
    blocks = [(unwrap(left, snd.una), unwrap(right, snd.una)) for left, right in options.sack]
    first = blocks[0]
    if first[1] <= seg.ack or (len(blocks) > 1 and blocks[1][0] <= first[0] and first[1] <= blocks[1][1]):
        _on_dsack(tcb, first[0], first[1], delivery)
        del blocks[0]
    for left, right in blocks:
        shortest = snd.mss if right < snd.queue.stop else 0  # a FIN behind the last octet may not have been told
        if not (snd.una <= left < right <= snd.nxt and snd.flight.sack(left, right, delivery, shortest)):
            tcb.count("TCPSACKDiscard")
    return delivery.sacked > 0


def _on_dsack(tcb: Tcb, left: int, right: int, delivery: Delivery) -> None:
    """The peer had this already: a retransmission was needless (RFC 3708), or the network repeats."""
    tcb.count("TCPDSACKRecv")
    recovery = tcb.recovery
    if tcb.congestion.whole:
        if right <= left or not _is_ours(tcb, left, right, delivery):
            return
    elif recovery.rack is not None:
        recovery.rack.on_dsack()
        recovery.rack.duplicates += 1
    undo_by_dsack(tcb, left, right)
    recovery.trials.probe = None


def _is_ours(tcb: Tcb, left: int, right: int, delivery: Delivery) -> bool:
    """Whether what came twice may be our own doing, as Linux sees it: it had been sent twice (``tcp_dsack_seen``).

    Reordering is suspected only where it has been seen, and of no probe.
    """
    recovery, flight, mss = tcb.recovery, tcb.snd.flight, tcb.snd.mss
    segments = -(-(right - left) // mss)
    rack = recovery.rack = recovery.rack or Rack(by_last=True)
    rack.duplicates += segments
    if rack.duplicates > flight.resent:
        return False
    is_probe = recovery.trials.probe is not None and segments == 1 and right == recovery.trials.probe.end
    if rack.reordering_seen and not is_probe:
        rack.on_dsack()
    flight.delivered += segments
    delivery.pieces += segments
    return True
