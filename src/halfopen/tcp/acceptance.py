"""The first four steps of SEGMENT ARRIVES: PAWS, sequence number, RST, SYN (RFC 9293 3.10.7.4, RFC 7323 5.3, RFC 5961 3, 4).

Segments come here with `seq` and `ack` unwrapped.
"""

from halfopen.base.clock import Instant
from halfopen.base.errors import ConnectionRefused, ConnectionReset
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.verdict import CONTINUE, STOP, Verdict
from halfopen.wire.tcp import ACK, RST, SYN, Segment

_CLOSING = frozenset({State.CLOSING, State.LAST_ACK, State.TIME_WAIT})


def check_simultaneous(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """The peer's SYN in SYN-RECEIVED, which stands one octet left of the window (RFC 9293 Appendix A.2).

    With an ACK of our SYN it is the answer that a simultaneous open ends with: the SYN has been taken already, so only the
    ACK remains. Alone it is a retransmission: our SYN,ACK was lost.
    """
    if tcb.state is not State.SYN_RECEIVED or not seg.flags & SYN or seg.seq != tcb.rcv.irs:
        return CONTINUE
    if seg.flags & ACK and seg.ack == tcb.snd.nxt:
        seg.flags &= ~SYN
        seg.seq += 1
        return CONTINUE
    tcb.owed.syn = True
    return STOP


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

    At RCV.NXT a segment is always let through: with a window of zero its ACK, URG and RST still count (MUST-66), and its
    text is cut away later.

             RCV.NXT          RCV.NXT+RCV.WND
        --------|-------------------|--------
           [====|===]   [===]    [==|==]          acceptable
     [===]                            [===]       not
    """
    rcv = tcb.rcv
    seq = seg.seq
    length = seg.length
    if seq == rcv.nxt or (rcv.nxt < seq + (length or 1) and seq < rcv.edge):
        timestamps = tcb.timestamps
        if timestamps is not None and seg.options is not None and seg.options.timestamps is not None:
            timestamps.update(seg.options.timestamps[0], seq, now)
        return CONTINUE
    if seg.flags & RST:
        tcb.count("TCPOutOfWindowRST")
        return STOP
    if seq + length <= rcv.nxt and seg.octets:
        tcb.rcv.note_duplicate(seq, seq + seg.octets)
        tcb.count("TCPDelayedACKLost")
    _answer_unacceptable(tcb, seg, now)
    return STOP


def _answer_unacceptable(tcb: Tcb, seg: Segment, now: Instant) -> None:
    """<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>; for a segment without text seldom, so that two stacks cannot go on answering
    each other for ever (an ACK storm, RFC 5961 5.3)."""
    if seg.octets:
        tcb.owed.acks.duplicate()
    else:
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
    if tcb.state is State.SYN_RECEIVED:
        tcb.delete(ConnectionRefused("the peer answered our SYN with RST") if tcb.user.is_active else None)
    elif tcb.state in _CLOSING and not len(tcb.snd.queue):
        tcb.delete(None)
    else:
        tcb.delete(ConnectionReset("the peer sent RST"))
    tcb.count("EstabResets")
    return STOP


def check_syn(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Fourth, check the SYN bit: whatever its sequence number, the peer is challenged (RFC 5961 4.2).

    A peer that has really restarted answers the challenge with a RST at exactly RCV.NXT.
    """
    if not seg.flags & SYN:
        return CONTINUE
    tcb.count("TCPSYNChallenge")
    tcb.challenge(now)
    return STOP
