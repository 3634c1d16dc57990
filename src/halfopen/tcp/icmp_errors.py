"""What ICMP says of a connection's segments (RFC 9293 3.9.2.2, RFC 1191, RFC 5927)."""

from typing import Final

from halfopen.base.errors import TcpError
from halfopen.tcp import bsd_rules
from halfopen.tcp.early import is_nobodys, speaks_early
from halfopen.tcp.mtu_raising import resend_large
from halfopen.tcp.negotiation import MINIMUM_MSS
from halfopen.tcp.seqnum import unwrap
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Cause, Tcb

PROVEN_SEGMENTS: Final = 10
"""After so many segments' worth of text some have had the full size: an initial window (RFC 6928)."""


def on_icmp_error(tcb: Tcb, error: TcpError, seq: int, is_hard: bool) -> bool:
    """An ICMP error quotes segment ``seq`` of ours (MUST-54).

    False if it cannot be true: that octet is not in flight (RFC 5927 4.1). A hard one ends a connection that does not
    stand yet; in all other cases it is soft, the user hears of it and the connection goes on (MUST-56, SHLD-25).

    # Deviation: SHLD-26 has hard errors abort any connection; RFC 5927 5.2 and RFC 5461 4 advise against it.
    """
    weak = tcb.user.weak
    if tcb.state is State.CLOSED or not _is_in_flight(tcb, seq):
        tcb.count("OutOfWindowIcmps")
        return False
    if tcb.user.config.arrivals.order == "bsd":
        bsd_rules.on_icmp_error(tcb, error, is_hard)
        return True
    is_new = tcb.state in (State.SYN_SENT, State.SYN_RECEIVED) and not speaks_early(tcb)
    is_deadly = is_new or (weak is not None and not weak.soft_icmp_errors)
    if (is_hard and is_deadly) or is_nobodys(tcb):
        tcb.delete(error)
    else:
        tcb.warn(error)
    return True


def _is_in_flight(tcb: Tcb, seq: int) -> bool:
    """Whether an ICMP error that quotes ``seq`` can be about something that was sent just now (RFC 5927 4.1)."""
    weak, snd = tcb.user.weak, tcb.snd
    first = snd.iss if speaks_early(tcb) else snd.una
    return first <= unwrap(seq, snd.una) < snd.nxt or (weak is not None and not weak.icmp_sequence_check)


def on_path_mtu(tcb: Tcb, mss: int, seq: int, is_known: bool) -> bool:
    """ICMP says that segment ``seq`` was too big, ``mss`` octets with TCP's options would fit (RFC 1191 6.4, 5927 7).

    False if it is not believed: not in flight, no reduction, or not yet. What is in flight is sent again in smaller
    segments, and congestion control does not take it for congestion.
    """
    snd = tcb.snd
    if not _is_in_flight(tcb, seq):
        tcb.count("OutOfWindowIcmps")
        return False
    if tcb.state is State.SYN_SENT or _size_for(tcb, mss) >= snd.mss:
        return False
    if not is_known and _gets_through(tcb):
        tcb.count("TCPMTUPostponed")
        return False
    size, search = _size_for(tcb, mss), tcb.recovery.trials.search
    if search is not None:
        search.high = min(search.high, size + tcb.agreed.option_octets)
    tcb.resize(size)
    if tcb.congestion.whole:
        resend_large(tcb)
    else:
        snd.flight.mark_all_lost()
    tcb.owed.cause = Cause.PATH_MTU
    tcb.count("TCPMTUReductions")
    return True


def _gets_through(tcb: Tcb) -> bool:
    """Segments of this size have arrived, and nothing has timed out since (RFC 5927 7.2, where MAXSEGRTO is 1).

    A claim that one is too big can wait: if it is true, the timer expires, and the router says it again.
    """
    weak, snd = tcb.user.weak, tcb.snd
    if weak is not None and not weak.delayed_pmtu:
        return False
    return snd.una - snd.iss > PROVEN_SEGMENTS * snd.mss and not tcb.rtt.backoffs


def on_wider_path(tcb: Tcb, mss: int) -> bool:
    """The host has found that the path takes ``mss``: what was learnt of it is old, larger is tried (RFC 1191 6.3).

    False if that is no raise. A reduction is left to the first segment that does not fit.
    """
    size = _size_for(tcb, mss)
    if tcb.state is State.SYN_SENT or size <= tcb.snd.mss:
        return False
    tcb.resize(size)
    return True


def _size_for(tcb: Tcb, mss: int) -> int:
    """Eff.snd.MSS (MUST-16) on a path of ``mss``."""
    return max(min(MINIMUM_MSS, tcb.agreed.mss), min(mss, tcb.agreed.mss)) - tcb.agreed.option_octets
