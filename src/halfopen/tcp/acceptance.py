"""The first steps of SEGMENT ARRIVES: PAWS, sequence number, RST, SYN (RFC 9293 3.10.7.4, RFC 7323 5.3, RFC 5961 3, 4).

Segments come here with `seq` and `ack` unwrapped.
"""

from typing import Final

from halfopen.base.clock import Instant
from halfopen.base.errors import ConnectionRefused, ConnectionReset
from halfopen.tcp.early import speaks_early
from halfopen.tcp.ecn import on_duplicate, on_repeated_syn_ack
from halfopen.tcp.linux_receiver import accepts
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.verdict import CONTINUE, STOP, Verdict
from halfopen.wire.tcp import RST, SYN, Segment

_CLOSING: Final = frozenset({State.CLOSING, State.LAST_ACK})


def check_paws(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Protection against wrapped sequence numbers (RFC 7323 5.3 R1, R3): before the sequence number is looked at.

    A segment without the option is taken all the same (Linux, the BSDs; 7323 3.2 lets us drop it). RST is exempt.
    """
    timestamps = tcb.timestamps
    if timestamps is None or seg.options is None or seg.options.timestamps is None:
        return CONTINUE
    value = seg.options.timestamps[0]
    if not timestamps.is_old(value, now) or seg.flags & RST:
        return CONTINUE
    tcb.count("PAWSEstab")
    _answer_unacceptable(tcb, seg, now)
    return STOP


def check_sequence(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """First, check the sequence number: some of it is in the window.

    At RCV.NXT a segment is always let through: with a window of zero its ACK, URG and RST still count (MUST-66), and
    its text is cut away later.

             RCV.NXT          RCV.NXT+RCV.WND
        --------|-------------------|--------
           [====|===]   [===]    [==|==]          acceptable
     [===]                            [===]       not

    # Unlike RFC 9293, and like Linux: so is a bare ACK on the right edge. From there a peer that has filled our window
    # acknowledges; while we miss some of its octets and it some of ours, neither would hear of the other's loss.
    """
    rcv = tcb.rcv
    seq = seg.seq
    length = 0 if seg.flags & RST else seg.length  # of a RST the number alone has to be right (RFC 5961 3.2)
    if rcv.memory is not None:
        if accepts(tcb, seg, length):
            return CONTINUE
    elif seq == rcv.nxt or (rcv.nxt < seq + (length or 1) and seq < rcv.edge):
        return CONTINUE
    if seg.flags & RST:
        tcb.count("TCPOutOfWindowRST")
        return STOP
    if seq == rcv.edge and not length:
        return CONTINUE
    if seq + length <= rcv.nxt and length and not seg.flags & SYN:
        on_duplicate(tcb, seg)
        rcv.early.note_duplicate(seq, seq + length)
        tcb.owed.acks.rush(rcv.wnd // (2 * tcb.owed.acks.full_size))
        tcb.count("TCPDuplicateText")
    _answer_unacceptable(tcb, seg, now)
    return STOP


def _answer_unacceptable(tcb: Tcb, seg: Segment, now: Instant) -> None:
    """<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, also as the challenge that a SYN gets (RFC 5961 4.2).

    Seldom for a bare ACK, so that two stacks cannot go on answering each other for ever (an ACK storm, RFC 5961 5.3).
    """
    if seg.length and not seg.flags & SYN:
        tcb.owed.acks.duplicate()
    elif seg.seq == tcb.rcv.nxt - 1 and not seg.flags & SYN:
        tcb.challenge(now, "answer to a probe")
    else:
        if seg.flags & SYN:
            on_repeated_syn_ack(tcb, seg)
        tcb.challenge(now)


def check_rst(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Second, check the RST bit (as amended by RFC 5961 3.2).

    Resets only on the exact octet expected; elsewhere in the window the peer is challenged. Text in a RST is no
    obstacle (SHLD-2).
    """
    if not seg.flags & RST:
        return CONTINUE
    if seg.seq != tcb.rcv.nxt:
        tcb.challenge(now)
        return STOP
    if tcb.state is State.SYN_RECEIVED and not speaks_early(tcb):
        tcb.count("AttemptFails")
        tcb.delete(ConnectionRefused("the peer answered our SYN with RST") if tcb.user.is_active else None)
        return STOP
    tcb.count("EstabResets")
    if tcb.state in _CLOSING and not len(tcb.snd.queue):
        tcb.delete(None)
    else:
        tcb.delete(ConnectionReset("the peer sent RST"))
    return STOP


def check_syn(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Fourth, check the SYN bit: whatever its sequence number, the peer is challenged (RFC 5961 4.2).

    A peer that has really restarted answers the challenge with a RST at exactly RCV.NXT. In SYN-RECEIVED by a passive
    OPEN the peer returns to LISTEN, where it may try again.
    """
    if not seg.flags & SYN:
        return CONTINUE
    if tcb.state is State.SYN_RECEIVED and not tcb.user.is_active and not speaks_early(tcb):
        tcb.count("TCPSynInSynReceived")
        tcb.delete(None)
        return STOP
    tcb.count("TCPSYNChallenge")
    tcb.challenge(now)
    return STOP
