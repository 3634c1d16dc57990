"""How much is in the network, and how much more congestion control lets go (RFC 6675 4, RFC 5681 3.1, RFC 9937 5)."""

from typing import Final

from halfopen.tcp.sent import AGAIN, IN_FLIGHT, MISSED
from halfopen.tcp.tcb import Phase, Tcb

# Compiled, a member is looked up by its name each time, and a constant is not.
_OPEN: Final = Phase.OPEN
_RECOVERY: Final = Phase.RECOVERY


def pipe(tcb: Tcb) -> int:
    """Octets in the network: RFC 6675's estimate, or with duplicate ACKs in place of SACKs (RFC 9937 5)."""
    octets = in_segments(tcb) if tcb.congestion.whole else tcb.snd.pipe
    if not tcb.agreed.sack and tcb.recovery.dupacks and not _holds_back(tcb):
        octets = max(0, octets - tcb.recovery.dupacks * tcb.snd.mss)
    return octets


def in_segments(tcb: Tcb) -> int:
    """The same where every segment counts as a whole one, and twice if it was sent again and is not lost after all
    (Linux ``tcp_packets_in_flight``)."""
    segments = 0
    for each in tcb.snd.flight.records:
        if each.condition == IN_FLIGHT:
            segments += each.pieces if each.marks & (MISSED | AGAIN) != AGAIN else 2 * each.pieces
    return segments * tcb.snd.mss


def room(tcb: Tcb) -> int:
    """Octets that congestion control lets us send now. With nothing in the network, always one segment."""
    snd = tcb.snd
    in_network = snd.pipe if tcb.agreed.sack and not tcb.congestion.whole else pipe(tcb)
    if snd.flight.sacked and _holds_back(tcb):
        in_network += snd.flight.sacked
    free = tcb.congestion.cwnd - in_network
    mss = snd.mss
    if 0 < free < mss and (tcb.recovery.phase is _RECOVERY or not in_network):
        return mss
    return free if free > 0 or in_network else mss


def _holds_back(tcb: Tcb) -> bool:
    """Before fast recovery nothing is sent for duplicate ACKs, if limited transmit is not wanted (RFC 3042)."""
    return tcb.recovery.phase is _OPEN and not tcb.user.config.congestion.limited_transmit
