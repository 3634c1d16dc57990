"""The first steps of SEGMENT ARRIVES in the order of 4.4BSD, as FreeBSD has it today.

RST and SYN come before PAWS; the reset is compared with the last ACK sent, not with RCV.NXT; what lies left of the
window is cut off, is acknowledged, and its own ACK still counts; nothing is limited in rate (Stevens, vol. 2, 28 and
29; RFC 5961).
"""

from typing import Final

from halfopen.base.clock import Instant
from halfopen.base.errors import ConnectionAborted, ConnectionRefused, ConnectionReset, TcpError
from halfopen.base.octets import cut
from halfopen.tcp.state import CAN_RECEIVE, State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.timers import Retransmit
from halfopen.tcp.verdict import CONTINUE, STOP, Verdict
from halfopen.wire.tcp import ACK, FIN, PSH, RST, SYN, Segment

PATIENCE: Final = 3
"""So many retransmissions of a SYN pass before ICMP errors are believed."""


def check_timestamps_present(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Without the timestamps that were agreed on a segment is dropped, unless it is a RST (RFC 7323 3.2)."""
    if tcb.timestamps is None or seg.flags & RST or (seg.options is not None and seg.options.timestamps is not None):
        return CONTINUE
    tcb.count("TCPMissingTimestamps")
    return STOP


def open_window(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """What the user has read since the last ACK has made room already, though the peer does not know.

    One that was told that there is no room at all, and sends text, is answered at once.
    """
    rcv = tcb.rcv
    if rcv.manner == "exact":
        if rcv.edge == rcv.nxt and seg.octets:
            tcb.owed.acks.at_once()
        rcv.edge = max(rcv.edge, rcv.nxt + rcv.limit - len(rcv.queue))
    return CONTINUE


def check_ack_of_syn(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """SYN-RECEIVED: an ACK of anything but our SYN is answered by RST, wherever its segment stands.

    So is what lies below IRS: two ends cannot go on answering each other (the "LAND" attack).
    """
    if tcb.state is not State.SYN_RECEIVED or seg.flags & RST:
        return CONTINUE
    is_bad = bool(seg.flags & ACK) and not tcb.snd.una < seg.ack <= tcb.snd.nxt
    if not is_bad and seg.seq >= tcb.rcv.irs:
        return CONTINUE
    tcb.owed.reset = (seg.ack, None) if seg.flags & ACK else (0, seg.seq + seg.length)
    tcb.count("TCPBadAckInSynReceived")
    return STOP


def _is_in_window(tcb: Tcb, seq: int) -> bool:
    """Of the last ACK sent: a delayed one has not told the peer yet that RCV.NXT has moved."""
    start, octets = tcb.rcv.told, tcb.rcv.wnd
    return start <= seq < start + octets or (not octets and seq == start)


def check_rst(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """RST: exactly at the last ACK sent it counts; elsewhere in the window it is challenged (RFC 5961 3.2)."""
    if not seg.flags & RST:
        return CONTINUE
    if not _is_in_window(tcb, seg.seq):
        tcb.count("TCPOutOfWindowRST")
        return STOP
    weak = tcb.user.weak
    if seg.seq != tcb.rcv.told and (weak is None or not weak.lacks("rst")):
        tcb.challenge(now)
        return STOP
    if tcb.state is State.SYN_RECEIVED:
        tcb.count("AttemptFails")
        tcb.delete(ConnectionRefused("the peer answered our SYN with RST") if tcb.user.is_active else None)
    else:
        tcb.count("EstabResets")
        tcb.delete(ConnectionReset("the peer sent RST"))
    return STOP


def check_syn(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """SYN: challenged (RFC 5961 4.2), or the end of the connection if it is in the window and that is not asked for."""
    if not seg.flags & SYN or tcb.state is State.SYN_RECEIVED:
        return CONTINUE
    weak = tcb.user.weak
    if weak is not None and weak.lacks("syn") and _is_in_window(tcb, seg.seq):
        tcb.count("TCPSynInWindow")
        tcb.owed.reset = (tcb.snd.nxt, tcb.rcv.nxt)
        tcb.delete(ConnectionReset("a SYN came in the window"))
    else:
        tcb.count("TCPSYNChallenge")
        tcb.challenge(now)
    return STOP


def check_paws(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """An old timestamp: acknowledged if there is text, and else nobody's business (RFC 7323 5.3 R1)."""
    timestamps = tcb.timestamps
    if timestamps is None or seg.options is None or seg.options.timestamps is None:
        return CONTINUE
    if not timestamps.is_old(seg.options.timestamps[0], now):
        return CONTINUE
    tcb.count("PAWSEstab")
    if seg.octets:
        tcb.owed.acks.at_once()
    return STOP


def take_probe(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """The octet of a window probe is acknowledged: it has been sent, then."""
    snd = tcb.snd
    if seg.flags & ACK and seg.ack == snd.nxt + 1 and snd.unsent and tcb.timers.retransmit_for is Retransmit.PERSIST:
        snd.flight.sent(snd.nxt, seg.ack, now)
        snd.advance(seg.ack)
    return CONTINUE


def keep_text(tcb: Tcb, seg: Segment) -> None:
    """Text that comes before the handshake is complete waits for that (RFC 9293 3.10.7.3)."""
    if seg.octets:
        tcb.rcv.early.insert(seg.seq, seg.seq + seg.octets, seg.payload)


def take_early(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """SYN-RECEIVED, and no ACK: text is kept, and answered with SYN,ACK like a FIN, which is not."""
    if tcb.state is not State.SYN_RECEIVED or seg.flags & ACK or not (seg.octets or seg.flags & FIN):
        return CONTINUE
    keep_text(tcb, seg)
    _acknowledge(tcb)
    return STOP


def check_ghost_ack(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """An ACK of what was before our SYN is challenged, however large the peer's window has been."""
    weak = tcb.user.weak
    if not seg.flags & ACK or tcb.state is State.SYN_RECEIVED or seg.ack > tcb.snd.iss:
        return CONTINUE
    if weak is not None and weak.lacks("ack"):
        return CONTINUE
    tcb.count("TCPGhostAck")
    tcb.challenge(now)
    return STOP


def trim(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Cuts off what is outside of the window (RFC 9293 3.10.7.4, first step).

    If nothing is left of what is old, that is acknowledged, and the ACK in it still counts. What lies beyond the window
    is acknowledged and dropped, but for a probe of a closed one.
    """
    rcv = tcb.rcv
    if seg.seq < rcv.nxt:
        _trim_front(tcb, seg)
    if seg.octets and tcb.user.is_gone and tcb.state in CAN_RECEIVE:
        _refuse_text(tcb, seg)
        return STOP
    beyond = seg.seq + seg.octets - rcv.edge
    if beyond <= 0:
        return CONTINUE
    tcb.count("TCPBeyondWindow")
    if beyond >= seg.octets and (rcv.wnd or seg.seq != rcv.nxt):
        _acknowledge(tcb)
        return STOP
    if beyond >= seg.octets:
        tcb.owed.acks.at_once()
    seg.octets = max(0, seg.octets - beyond)
    seg.payload = cut(seg.payload, 0, seg.octets)
    seg.flags &= ~(PSH | FIN)
    return CONTINUE


def _acknowledge(tcb: Tcb) -> None:
    """What acknowledges in SYN-RECEIVED is our SYN,ACK again, should it still be that when it leaves."""
    tcb.owed.acks.at_once()
    tcb.owed.syn = tcb.state is State.SYN_RECEIVED


def _refuse_text(tcb: Tcb, seg: Segment) -> None:
    """New text for a user who is gone: RST, before its ACK or the window is looked at (RFC 2525 2.17)."""
    tcb.count("TCPAbortOnData")
    end = seg.seq + seg.length
    tcb.owed.reset = (seg.ack, None) if seg.flags & ACK else (0, end)
    is_unfinished = len(tcb.snd.queue) > 0
    tcb.delete(ConnectionAborted("text came for a user who had closed, and his may be lost") if is_unfinished else None)


def _trim_front(tcb: Tcb, seg: Segment) -> None:
    rcv = tcb.rcv
    if seg.flags & SYN:
        seg.flags &= ~SYN
        seg.seq += 1
    old = rcv.nxt - seg.seq
    if seg.octets and old > 0:
        rcv.early.note_duplicate(seg.seq, min(seg.seq + seg.octets, rcv.nxt))
        tcb.owed.acks.at_once()
    if old > seg.octets or (old == seg.octets and not seg.flags & FIN):
        seg.flags &= ~FIN
        _acknowledge(tcb)
        old = seg.octets
    seg.payload = cut(seg.payload, old, seg.octets)
    seg.octets -= old
    seg.seq += old


def on_icmp_error(tcb: Tcb, error: TcpError, is_hard: bool) -> None:
    """A hard error ends SYN-SENT and means nothing elsewhere; a soft one means nothing in ESTABLISHED.

    Else it is remembered: the user hears of it should the connection time out, and an attempt that has been repeated
    often ends at the second one (FreeBSD ``tcp_drop_syn_sent``, ``tcp_notify``).
    """
    if is_hard:
        if tcb.state is State.SYN_SENT:
            tcb.delete(error)
    elif tcb.state in (State.SYN_SENT, State.SYN_RECEIVED) and tcb.recovery.retries > PATIENCE and tcb.user.was_warned:
        tcb.delete(error)
    elif tcb.state is not State.ESTABLISHED:
        tcb.user.was_warned = True
        tcb.warn(error)
