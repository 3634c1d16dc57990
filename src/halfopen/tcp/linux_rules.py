"""Steps of SEGMENT ARRIVES that Linux takes beside those of RFC 9293 3.10.7.4 (``tcp_validate_incoming``)."""

from typing import Final

from halfopen.base.clock import Instant
from halfopen.tcp.early import suspect_path
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.verdict import CONTINUE, STOP, Verdict
from halfopen.wire.tcp import ACK, PSH, RST, SYN, Segment

_AFTER_FIN: Final = frozenset({State.CLOSE_WAIT, State.LAST_ACK, State.CLOSING})


def check_old_ack(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """A bare ACK with an old timestamp was overtaken on its way: no reason to answer, as PAWS would.

    One that repeats what is known already does no harm either, and counts as a duplicate.
    """
    timestamps, snd = tcb.timestamps, tcb.snd
    options = seg.options
    if timestamps is None or options is None or options.timestamps is None or seg.flags & ~PSH != ACK or seg.octets:
        return CONTINUE
    value = options.timestamps[0]
    if not timestamps.is_old(value, now):
        return CONTINUE
    if seg.seq < tcb.rcv.nxt:
        tcb.count("PAWSOldAck")
        return STOP
    repeats = seg.ack == snd.una and seg.window << tcb.agreed.snd_shift == snd.wnd
    if seg.seq == tcb.rcv.nxt and repeats and timestamps.is_replay(value, tcb.rtt.rto):
        options.timestamps = None
    return CONTINUE


def believe_rst_behind_sack(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """While there is a hole the peer may stand at the end of what we have told it by SACK (RFC 5961 3.2, Linux)."""
    blocks = tcb.rcv.early.blocks
    if seg.flags & RST and tcb.agreed.sack and blocks and seg.seq == blocks[-1].end:
        seg.seq = tcb.rcv.nxt
    return CONTINUE


def suspect_stray_rst(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """A RST that is not exact, and no text yet: what came before it may have been swallowed (RFC 7413 4.1.3.1)."""
    rcv = tcb.rcv
    is_stray = seg.flags & RST and seg.seq != rcv.nxt and tcb.state is State.ESTABLISHED
    if is_stray and rcv.queue.stop == rcv.irs + 1 and not rcv.early.blocks:
        suspect_path(tcb, now)
    return CONTINUE


def check_crossed_syn(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """The peer's SYN again, after a simultaneous open: it is challenged like any other."""
    is_alone = seg.flags & (SYN | ACK | RST) == SYN
    if tcb.state is State.SYN_RECEIVED and tcb.user.is_active and is_alone:
        tcb.count("TCPSYNChallenge")
        tcb.challenge(now)
        return STOP
    return CONTINUE


def was_predicted(tcb: Tcb, seg: Segment) -> bool:
    """Whether text is just what was expected next: then it is taken whatever its ACK says (``tcp_rcv_established``)."""
    snd, rcv = tcb.snd, tcb.rcv
    is_next = seg.seq == rcv.nxt and seg.octets > 0 and seg.flags & ~PSH == ACK and not rcv.early.blocks
    return is_next and tcb.state is State.ESTABLISHED and seg.window << tcb.agreed.snd_shift == snd.wnd


def believe_stale_rst(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """A RST from before the peer's FIN, which has overtaken it, or which it has forgotten (``tcp_reset_check``)."""
    if seg.flags & RST and seg.seq == tcb.rcv.nxt - 1 and tcb.state in _AFTER_FIN:
        seg.seq += 1
    return CONTINUE
