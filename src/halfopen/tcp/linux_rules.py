"""Steps of SEGMENT ARRIVES that Linux takes beside those of RFC 9293 3.10.7.4 (``tcp_validate_incoming``)."""

from halfopen.base.clock import Instant
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.verdict import CONTINUE, STOP, Verdict
from halfopen.wire.tcp import ACK, PSH, RST, SYN, Segment


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


def check_crossed_syn(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """The peer's SYN again, after a simultaneous open: it is challenged like any other."""
    is_alone = seg.flags & (SYN | ACK | RST) == SYN
    if tcb.state is State.SYN_RECEIVED and tcb.user.is_active and is_alone:
        tcb.count("TCPSYNChallenge")
        tcb.challenge(now)
        return STOP
    return CONTINUE
