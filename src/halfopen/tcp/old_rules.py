"""Steps of SEGMENT ARRIVES that were taken once, for showing what they let in (RFC 793 3.9, RFC 5961 1).

Each goes before the step that it disarms, and makes the segment pass there.
"""

from halfopen.base.clock import Instant
from halfopen.base.errors import ConnectionReset
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.verdict import CONTINUE, STOP, Verdict
from halfopen.wire.tcp import ACK, RST, SYN, Segment


def believe_rst(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """RFC 793 3.4: "a reset is valid if its sequence number is in the window", wherever."""
    if seg.flags & RST:
        seg.seq = tcb.rcv.nxt
    return CONTINUE


def reset_for_syn(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """RFC 793 3.9: "the SYN is in the window it is an error, send a reset"."""
    if not seg.flags & SYN or tcb.state is State.SYN_RECEIVED:
        return CONTINUE
    tcb.count("TCPSynInWindow")
    tcb.owed.reset = (tcb.snd.nxt, None)
    tcb.delete(ConnectionReset("a SYN came in the window"))
    return STOP


def excuse_old_ack(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """RFC 793 3.9: "if the ACK is a duplicate (SEG.ACK < SND.UNA), it can be ignored", and the text counts."""
    oldest = tcb.snd.una - tcb.snd.max_wnd
    if seg.flags & ACK and seg.ack < oldest and tcb.state is not State.SYN_RECEIVED:
        seg.ack = oldest
    return CONTINUE


def prefer_latest(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Text replaces what came before it and still waits behind a hole (Ptacek and Newsham 1998)."""
    tcb.rcv.early.discard(seg.seq, seg.seq + seg.octets)
    return CONTINUE


def charge_nothing(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Early segments cost no more than their octets, however many there are (CVE-2018-5390)."""
    tcb.rcv.early.pieces = 0
    return CONTINUE
